"""What a page of inspection shows of solar-like stars."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from common.inspect.shown import Curve, Page, Place
from common.inspect.stars import CMD, KIEL, diagram, training_labels
from common.inspect.view import View, rounded
from common.lines import STELLAR
from solarlike_distance.catalogue.columns import FLAGS, notes, observation_name
from solarlike_distance.config import TARGETS
from solarlike_distance.data import object_table
from solarlike_distance.preprocess import preprocess

NOTES = notes()
SAID = (  # of a star: name, label, digits, unit
    ("Teff", "teff", 0, " K"), ("log g", "logg", 2, ""), ("[Fe/H]", "feh", 2, ""),
    ("M_G", "mg", 2, ""),
)  # fmt: skip
STRIPS = {
    name: f"How {name} changes with the prepared flux in each pixel: blue, it grows with more flux."
    for name in TARGETS
}


class SolarlikeView(View):
    """See `common.inspect.view.View`."""

    identity = "name"
    units, descriptions, flag_words = NOTES["units"], NOTES["descriptions"], FLAGS

    def __init__(self, run_dir, table):
        super().__init__(run_dir, table)
        self.networks = None
        if run_dir is not None:
            from solarlike_distance.networks import load_networks

            self.networks = load_networks(run_dir)

    def ids_of(self, spectra):
        """Return the observations' names, ndarray of str."""
        return observation_name(object_table(spectra)).to_numpy(str)

    def shown(self, spectra, rows):
        """Return the `Shown` of spectra with saliency and places in diagrams."""
        spectra = spectra.in_vacuum()
        about = object_table(spectra)
        z = np.nan_to_num(about["z"].to_numpy(float)) if "z" in about else np.zeros(len(about))
        strips = self._strips(spectra, z) if self.networks is not None else [{}] * len(about)
        return [
            replace(one, strips=strips[i], kind="star", z=float(z[i]), headline=_headline(row),
                    places=_places(row))
            for i, (one, (_, row)) in enumerate(
                zip(super().shown(spectra, rows), rows.iterrows(), strict=True)
            )
        ]  # fmt: skip

    def _strips(self, spectra, z):
        """Return the strips of each spectrum, list of dict; none where it cannot be used."""
        from common.attribution import gradients

        prepared, config = preprocess(spectra, self.networks.config), self.networks.config
        slope = np.mean(
            [gradients(m, prepared.x, outputs=range(len(TARGETS))) for m in self.networks.models],
            axis=0,
        )
        return [
            {name: Curve(config.grid * (1 + z[i]), slope[i, k]) for k, name in enumerate(TARGETS)}
            if prepared.usable[i]
            else {}
            for i in range(len(z))
        ]

    def page(self, objects, title, facts):
        """Return the `Page` of objects."""
        labels = training_labels(self.run_dir, {name: f"{name}_true" for name in TARGETS})
        return Page(
            title=title,
            objects=objects,
            kinds={"star": STELLAR},
            facts=facts,
            z_range=(-0.005, 0.005),
            strip_words=STRIPS if self.networks is not None else {},
            diagrams=[
                diagram(KIEL, labels, self.table, ("teff", "cnn_teff"), ("logg", "cnn_logg"),
                        "Teff (K)", "log g", flip_x=True),
                diagram(CMD, labels, self.table, ("bprp", "cnn_bprp"), ("mg", "cnn_mg"),
                        "(BP − RP)₀ (mag)", "M_G (mag)", flip_x=False),
            ],
            asks_kind=False,
            asks_z=False,
        )  # fmt: skip


def _places(row):
    return {
        name: Place(*(float(row[f"cnn_{k}"]) for k in (x, y)),
                    *(float(row[f"cnn_{k}_err"]) for k in (x, y)))
        for name, x, y in ((KIEL, "teff", "logg"), (CMD, "bprp", "mg"))
    }  # fmt: skip


def _headline(row):
    words = [
        f"{name} {row[f'cnn_{k}']:.{digits}f} ± {rounded(row[f'cnn_{k}_err'])}{unit}"
        for name, k, digits, unit in SAID
    ]
    if np.isfinite(row["cnn_distance"]):
        words.append(
            f"{row['cnn_distance']:.0f} pc ({row['cnn_distance_p16']:.0f} to "
            f"{row['cnn_distance_p84']:.0f})"
        )
    return ", ".join(words)
