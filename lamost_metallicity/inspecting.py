"""What a page of inspection shows of galaxies and their metallicities."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from common.inspect.shown import Curve, Diagram, Page, Place
from common.inspect.view import View, finite, per_cent, rounded, some
from common.lines import ABSORPTION, EMISSION
from lamost_metallicity.predict import DESCRIPTIONS, UNITS
from lamost_metallicity.stronglines import strong_lines

FLAG_WORDS = {
    "NOT_STAR_FORMING": "the classifier does not take it for a star-forming galaxy",
    "NO_Z": "the file gives no redshift",
    "HA_NII_OUTSIDE": "Hα or [N II] lies outside the network's wavelengths",
    "OII_OUTSIDE": "[O II] lies outside the network's wavelengths",
    "OH_RANGE": "the metallicity lies outside the training set's",
    "Z_RANGE": "the redshift lies outside the training set's",
    "SNR_RANGE": "the signal-to-noise ratio lies outside the training set's",
    "BAD_PIXELS": "more than 30 % of the pixels carry no information",
    "OTHER_SURVEY": "no LAMOST spectrum",
}
BPT, MASS = "BPT diagram", "Metallicity against mass"
LOWEST = -1.5  # of log [O III] / Hβ: where the lines of division end
STRIPS = {
    "metallicity": "How much the metallicity depends on each pixel; 1 is a pixel of average "
    "influence.",
    "star-forming": "How much the classifier's answer depends on each pixel; 1 is average.",
}


def divisions():
    """Return the lines that divide the BPT diagram: Kauffmann et al. 2003, Kewley et al. 2001."""
    n2 = np.linspace(-2.0, 0.4, 100)
    out = []
    for name, a, b, c in (
        ("Kauffmann et al. (2003)", 0.61, 0.05, 1.3),
        ("Kewley et al. (2001)", 0.61, 0.47, 1.19),
    ):
        o3 = np.where(n2 < b, a / np.where(n2 < b, n2 - b, -1.0) + c, -np.inf)
        out.append((name, n2[o3 > LOWEST], o3[o3 > LOWEST]))
    return out


class MetallicityView(View):
    """See `common.inspect.view.View`."""

    units, descriptions, flag_words = UNITS, DESCRIPTIONS, FLAG_WORDS

    def __init__(self, run_dir, table):
        super().__init__(run_dir, table)
        self.networks = None
        if run_dir is not None:
            from lamost_metallicity.networks import load_networks

            self.networks = load_networks(run_dir)

    def shown(self, spectra, rows):
        """Return the `Shown` of spectra with saliency and places in diagrams."""
        spectra = spectra.in_vacuum()
        found = super().shown(spectra, rows)
        lines = strong_lines(spectra, rows["z"].to_numpy(float))
        x, y = lines["n2"].to_numpy(float), (lines["o3n2"] + lines["n2"]).to_numpy(float)
        strips = self._strips(spectra) if self.networks is not None else {}
        out = []
        for i, (one, (_, row)) in enumerate(zip(found, rows.iterrows(), strict=True)):
            places = {
                BPT: Place(x[i], y[i], float(lines["n2_err"].iloc[i])),
                MASS: Place(float(row["log_mass"]), float(row["oh"]), dy=float(row["oh_err"])),
            }
            out.append(replace(one, strips=strips.get(str(spectra.ids[i]), {}), places=places,
                               **_answer(row)))  # fmt: skip
        return out

    def _strips(self, spectra):
        """Return {id: strips} of the spectra that the networks can use."""
        from lamost_metallicity.explain import relative_saliency
        from lamost_metallicity.predict import usable

        _, about, x, _ = usable(self.networks, spectra)
        if not len(x):
            return {}
        config, models = self.networks.config, self.networks.models
        wave, channels = config.grid, x.shape[1] // len(config.grid)
        oh = relative_saliency(models["regressor"], x, channels=channels)
        sf = relative_saliency(models["classifier"], x, output=0, channels=channels)
        return {
            name: {"metallicity": Curve(wave, oh[i]), "star-forming": Curve(wave, sf[i])}
            for i, name in enumerate(about["id"].astype(str))
        }

    def page(self, objects, title, facts):
        """Return the `Page` of objects."""
        bpt = np.array([(one.places[BPT].x, one.places[BPT].y) for one in objects], dtype=float)
        bpt = bpt[finite(bpt[:, 0], bpt[:, 1])]
        others = some(self.table, ("log_mass", "oh"))
        diagrams = [
            Diagram(name=BPT, x_label="log [N II] / Hα", y_label="log [O III] / Hβ", x=bpt[:, 0],
                    y=bpt[:, 1], others="the galaxies of this page, lines measured in their "
                    "spectra", curves=divisions()),
            Diagram(name=MASS, x_label="log stellar mass in the fibre (solar masses)",
                    y_label="12 + log(O/H)", x=others["log_mass"], y=others["oh"],
                    others="the star-forming galaxies of the catalogue"),
        ]  # fmt: skip
        galaxy = EMISSION | ABSORPTION
        return Page(
            title=title,
            objects=objects,
            kinds={"star-forming galaxy": galaxy, "other galaxy": galaxy, "no galaxy": {}},
            facts=facts,
            z_range=(-0.005, 0.5),
            strip_words=STRIPS if self.networks is not None else {},
            diagrams=diagrams,
        )


def _answer(row):
    """Return headline, class and redshift that a row of the catalogue tells."""
    z, p = float(row["z"]), float(row["p_sf"])
    star_forming = "NOT_STAR_FORMING" not in str(row["warnings"])
    kind = "star-forming galaxy" if star_forming else "other galaxy"
    words = [f"{kind} ({per_cent(p)} confidence in star formation)"]
    if np.isfinite(row["oh"]):
        words.append(f"12 + log(O/H) = {row['oh']:.2f} ± {rounded(row['oh_err'])}")
    words.append(f"z = {z:.5f} by the file" if np.isfinite(z) else "no redshift")
    return {"headline": ", ".join(words), "kind": kind, "z": z if np.isfinite(z) else 0.0}
