"""What a page of inspection shows of Gaia's stars."""

from __future__ import annotations

import numpy as np
import pandas as pd

from common.errors import SuiteError
from common.inspect.shown import Curve, Page, Place, Shown
from common.inspect.stars import CMD, KIEL, diagram, training_labels
from common.inspect.view import NOT_SHOWN, View, numbers, rounded
from common.lines import STELLAR
from rvs_hybrid.config import NAMES, RVS_GRID, UNITS, XP_GRID
from rvs_hybrid.gradients import gradients
from rvs_hybrid.networks import load_networks
from rvs_hybrid.predict import notes_of, usable
from rvs_hybrid.stars.sources import find_sources, gather

GRIDS = {"rvs": RVS_GRID, "xp": XP_GRID}  # Å
TRAINED = ("teff", "logg", "g", "bp", "rp", "parallax", "parallax_error")  # of the training set
NOISE = 0.01  # default: error of normalised RVS flux that a model is levelled with
FLAG_WORDS = {
    "NO_RVS": "no RVS spectrum", "NO_XP": "no XP spectrum", "NO_PHOT": "no complete photometry",
    "NO_PARALLAX": "no parallax", "NEGATIVE_PARALLAX": "the parallax is below zero",
    "NO_ZERO_POINT": "the parallax's zero point is not known",
    "DR2_TRAINED": "the network learned from parallaxes of DR2",
    "HIGH_RUWE": "the astrometry does not fit a single star (RUWE above 1.4)",
    "LOW_SNR_RVS": "the RVS spectrum's signal-to-noise ratio is below 15",
    "MADE_RVS": "the RVS spectrum was made by a model",
    "MOCK": "the star is simulated: nothing of it was observed",
    "OUTSIDE_LIMITS": "spectrum, colours or labels lie outside the training set's",
}  # fmt: skip


class StarView(View):
    """See `common.inspect.view.View`."""

    identity, flag_words = "source_id", FLAG_WORDS

    def __init__(self, run_dir, table):
        super().__init__(run_dir, table)
        self.networks = load_networks(run_dir)
        self.labels = self.networks.config.labels
        config = self.networks.config
        notes = notes_of(self.labels, self.networks.calibration, truth=config.truth)
        self.units, self.descriptions = notes["units"], notes["descriptions"]
        self.stars, self.model, self.why = [], None, ""

    def batches(self, paths, rows, rejects):
        """Yield the `rvs_hybrid.stars.sources.Sources` of the rows."""
        sources = gather(find_sources(paths))
        rejects += sources.rejects
        wanted = set(rows[self.identity].astype(str))
        for batch in sources.batches(len(sources) or 1):
            use = np.isin(self.ids_of(batch), list(wanted))
            if use.any():
                yield batch[use]

    def ids_of(self, spectra):
        """Return the sources' ids, ndarray of str."""
        return spectra.stars["source_id"].astype(str).to_numpy(str)

    def shown(self, spectra, rows):
        """Return the `Shown` of sources: RVS spectrum, else XP spectrum."""
        strips, out = self._strips(spectra), []
        self.stars.append(spectra.stars)
        for i, (_, row) in enumerate(rows.iterrows()):
            rvs, xp = (np.isfinite(v[i]).any() for v in (spectra.rvs, spectra.xp))
            flux = spectra.rvs[i] if rvs else spectra.xp[i]
            star = spectra.stars.iloc[i]
            out.append(
                Shown(
                    id=str(row[self.identity]),
                    file=str(row.get("file", "")),
                    wavelength=GRIDS["rvs" if rvs else "xp"],
                    flux=np.asarray(flux, dtype=float),
                    error=None if rvs else np.asarray(spectra.xp_error[i], dtype=float),
                    headline=self._headline(row, "RVS" if rvs else "XP" if xp else "no"),
                    flags=self.flags(row),
                    numbers=numbers(row, self.units, self.descriptions,
                                    skip=(self.identity, *NOT_SHOWN)),
                    kind="star",
                    overlay=self.synthetic(flux, row) if rvs else None,
                    strips=strips.get((str(row[self.identity]), "rvs" if rvs else "xp"), {}),
                    places=_places(row, star),
                )
            )  # fmt: skip
        return out

    def _strips(self, sources):
        """Return {(id, spectrum): {label: strip}} of what the networks look at."""
        found, out = usable(self.networks, sources), {}
        stars, inputs, _ = found
        for name, wave in GRIDS.items():
            if name not in inputs:
                continue
            here = np.isfinite(inputs[name]).all(axis=1)
            if not here.any():
                continue
            part = {kind: values[here] for kind, values in inputs.items()}
            slope = gradients(self.networks, part, names=[name])[name]
            for row, source in zip(slope, stars.loc[here, "source_id"].astype(str), strict=True):
                out[source, name] = {
                    label: Curve(wave, row[k]) for k, label in enumerate(self.labels)
                }
        return out

    def synthetic(self, flux, row):
        """Return the semi-synthetic RVS spectrum at the star's labels, None where there is none."""
        from common.mocks.rvs import RVS
        from rvs_hybrid.figures.rvs import levelled

        wanted = ("teff", "logg", "fe_h", "alpha_m")
        if self.why or not set(wanted) <= set(row.index):
            return None
        try:
            self.model = self.model or RVS()
        except SuiteError as error:
            self.why = f"No semi-synthetic spectrum is shown: {error}"
            return None
        made = self.model(**{name: np.array([float(row[name])]) for name in wanted})[0]
        error = np.full(len(made), NOISE)
        return Curve(RVS_GRID, levelled(flux=flux, flux_error=error, model=made))

    def _headline(self, row, kind):
        words = [
            f"{NAMES[k]} {row[k]:.{0 if UNITS[k] == 'K' else 2}f} ± {rounded(row[f'{k}_err'])} "
            f"{UNITS[k]}"
            for k in self.labels
        ]
        return f"{', '.join(words)}; {kind} spectrum"

    def page(self, objects, title, facts):
        """Return the `Page` of objects."""
        labels = training_labels(self.run_dir, {k: k for k in TRAINED})
        stars = pd.concat(self.stars, ignore_index=True)
        colour = pd.DataFrame([vars(one.places[CMD]) for one in objects])
        made = [
            diagram(KIEL, labels, self.table, ("teff", "teff"), ("logg", "logg"), "Teff (K)",
                    "log g", flip_x=True)
        ]  # fmt: skip
        if colour["x"].notna().any():
            made.append(diagram(CMD, colours(labels), colour, ("x", "x"), ("y", "y"),
                                "BP − RP (mag)", "M_G by the parallax (mag)",
                                flip_x=False))  # fmt: skip
        words = {k: f"How {NAMES[k]} changes with the flux in each pixel: blue, it grows with more "
                 "flux." for k in self.labels}  # fmt: skip
        overlay = any(one.overlay is not None for one in objects)
        return Page(
            title=title,
            objects=objects,
            kinds={"star": STELLAR},
            facts=facts + ([self.why] if self.why else []) + _told(stars),
            z_range=(-0.005, 0.005),
            overlay_words="semi-synthetic spectrum at the star's labels" if overlay else "",
            strip_words=words if any(one.strips for one in objects) else {},
            diagrams=made,
            asks_kind=False,
            asks_z=False,
        )


def _told(stars):
    rvs = int(stars["has_rvs"].sum())
    return [f"{rvs} of {len(stars)} stars have an RVS spectrum; of the others the XP spectrum is "
            "shown, flux over its median."]  # fmt: skip


def _places(row, star):
    """Return where a star lies: by its labels, and by Gaia's colour and parallax."""
    labels = {k: float(row[k]) if k in row else np.nan for k in ("teff", "logg")}
    errors = {k: float(row[f"{k}_err"]) if k in row else np.nan for k in ("teff", "logg")}
    kiel = Place(labels["teff"], labels["logg"], errors["teff"], errors["logg"])
    return {KIEL: kiel, CMD: place_of_colour(star)}


def colours(labels):
    """Return colour and absolute magnitude (x, y) of a training set, None where it has none.

    Parameters
    ----------
    labels : DataFrame or None
        From `common.inspect.stars.training_labels`, columns of `TRAINED`.
    """
    if labels is None or not set(TRAINED) <= set(labels):
        return None
    return pd.DataFrame([vars(place_of_colour(star)) for star in labels.to_dict("records")])


def place_of_colour(star):
    """Return colour and absolute magnitude of a star, the latter NaN without a parallax above 0.

    Parameters
    ----------
    star : mapping
        g, bp, rp, parallax and parallax_error (mas); no extinction is taken out.
    """
    parallax = float(star["parallax"])
    magnitude = error = np.nan
    if parallax > 0:
        magnitude = float(star["g"]) + 5 * np.log10(parallax / 100)
        error = 5 / np.log(10) * float(star["parallax_error"]) / parallax
    return Place(float(star["bp"]) - float(star["rp"]), magnitude, dy=error)
