"""Which figures an evaluation draws, from what, and why one was left out."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from common.errors import SuiteError
from common.figures import save
from solarlike_distance import galaxy
from solarlike_distance.figures import distance as figures_distance
from solarlike_distance.figures import galaxy as figures_galaxy
from solarlike_distance.figures import network as figures_network
from solarlike_distance.figures import sample as figures
from solarlike_distance.tables import comparison, gradients, recovery
from solarlike_distance.tables import scatter as tables


@dataclass
class Evaluation:
    """Everything that figures and tables of one evaluation are made from.

    Attributes
    ----------
    df : DataFrame
        Predictions of the test split (or of real files).
    everything : DataFrame
        All rows that were saved: of the reference set those that were held out.
    dataset : str
        What the predictions were made on, in words ("lamost-mock").
    config : solarlike_distance.config.Config or None
    history, counts, baselines : DataFrame or None
        Training history; spectra left after each cut; Table C.1 of this run.
    catalogue : DataFrame or None
        The network's catalogue of many stars, where one is given.
    others : list of comparison.External
        Catalogues to compare with.
    isochrones : DataFrame or None
    published : dict
        Name → {"radial": table, "vertical": table}: gradients by others, for Fig. 14.
    parameters : int, dict or None
        Of the network.
    explained : int or None
        Stars that SHAP explained.
    law : DataFrame or None
        Gradients that a mock Galaxy was given (`galaxy.law_table`).
    examples : list of dict
        Spectra for Fig. B.1.
    real : bool
        True for an evaluation on files (--on).
    """

    df: pd.DataFrame
    everything: pd.DataFrame
    dataset: str
    config: object = None
    history: pd.DataFrame | None = None
    counts: pd.DataFrame | None = None
    baselines: pd.DataFrame | None = None
    catalogue: pd.DataFrame | None = None
    others: list = field(default_factory=list)
    isochrones: pd.DataFrame | None = None
    published: dict = field(default_factory=dict)
    parameters: object = None
    explained: int | None = None
    law: pd.DataFrame | None = None
    examples: list = field(default_factory=list)
    real: bool = False
    _kept: dict = field(default_factory=dict, repr=False)

    @property
    def is_mock(self):
        """True where networks or stars are simulated: no number of it speaks of the survey."""
        made = "mock" in self.dataset or (self.config is not None and self.config.is_mock)
        return made or ("mock" in self.df and bool(self.df["mock"].astype(float).gt(0).any()))

    @property
    def stars(self):
        """The catalogue where there is one; else every star that the networks did not learn."""
        return self.everything if self.catalogue is None else self.catalogue

    def _once(self, key, function):
        if key not in self._kept:
            try:
                self._kept[key] = function()
            except SuiteError as error:
                self._kept[key] = error
        return self._kept[key]

    def _value(self, key, function):
        found = self._once(key, function)
        return None if isinstance(found, SuiteError) else found

    def distances(self):
        """Return our and the others' distances (`comparison.distances`), None without others."""
        if not any("distance_pc" in o.df for o in self.others) or "distance_pred" not in self.stars:
            return None
        return self._value("distances", lambda: comparison.distances(self.stars, self.others))

    def galaxy(self):
        """Return positions and metallicities of the stars, None where they are not known."""
        return self._value("galaxy", lambda: gradients.of_table(self.stars))

    def gradients(self):
        """Return {"radial": Table 3, "vertical": Table 4} of the stars, {} without positions."""
        table = self.galaxy()
        if table is None:
            return {}
        where = dict(R=table["R"], Z=table["Z"], feh=table["feh"])
        return {kind: getattr(gradients, kind)(**where) for kind in recovery.BOTH}

    def recovery(self):
        """Return planted and found gradients (`recovery.recovery_table`), None without truth."""
        return self._value("recovery", self._recovery)

    def corrected(self):
        """Return gradients corrected for the network's errors, None where these are not known."""
        return self._value("corrected", lambda: recovery.corrected(self.stars, self.everything))

    def _recovery(self):
        needed = {"feh_planted", "distance_planted", "ra", "dec", "feh_pred", "distance_pred"}
        if not needed <= set(self.stars) or not self.stars["feh_planted"].notna().any():
            raise SuiteError("no planted gradients are known")
        seed = 1 if self.config is None else self.config.seed
        table = recovery.recovery_table(self.stars, self.everything, seed=seed)
        return table if self.law is None else galaxy.with_law(table, self.law)


def _needs(df, columns, fewest):
    """Return the reason why there is not enough to draw, or an empty string."""
    for name in columns:
        if name not in df or df[name].isna().all():
            return f"no row has a value of {name}"
    n = len(df.dropna(subset=list(columns)))
    return f"only {n} rows have {', '.join(columns)}; {fewest} are needed" if n < fewest else ""


def _raise(text):
    raise SuiteError(text)


def _maps(ev, **options):
    table = ev.galaxy()
    if table is None:
        raise SuiteError("ra, dec, distance_pred and feh_pred are needed")
    return figures_galaxy.maps(table, **options)


def _gradients(ev):
    ours = ev.gradients()
    if not any(len(table) for table in ours.values()):
        raise SuiteError("too few stars with a position, distance and [Fe/H] for any bin")
    return figures_galaxy.gradients_figure(ours, ev.published, name=ev.dataset)


def _recovered(ev):
    table = ev.recovery()
    if table is None or not table["off"].notna().any():
        raise SuiteError("no planted gradients, or too few stars with known errors")
    return figures_galaxy.recovered(table)


def _architecture(ev):
    if ev.config is None:
        raise SuiteError("a table of predictions has no network")
    n = ev.parameters
    n = next(iter(n.values())) if isinstance(n, dict) and n else n
    return figures_network.architecture(ev.config, n)


def _pairs(ev):
    found = ev.distances()
    return (
        figures_distance.pairwise_distances(found, ev.others)
        if found is not None
        else _raise("name catalogues of distances with --compare")
    )


def _surveys(ev):
    if not any(o.is_survey for o in ev.others):
        raise SuiteError("name APOGEE's allStar or GALAH's catalogue with --compare")
    return figures_distance.surveys(ev.stars, ev.others)


def _models(ev):
    from solarlike_distance.baselines import published_table

    if ev.baselines is None or not len(ev.baselines):
        raise SuiteError("run `python -m solarlike_distance.baselines --run-dir DIR` first")
    return figures_network.models(ev.baselines, published_table())


def catalogue(ev):
    """Return [(file name, caption, table, columns, fewest rows, function)] of every figure."""
    df, everything, stars = ev.df, ev.everything, ev.stars
    f, d, g, n = figures, figures_distance, figures_galaxy, figures_network
    labels, rest = ("teff_true", "teff_pred"), ("mg_true", "bprp_true")
    far = ("distance_true", "distance_pred")
    lasp = ("lasp_teff", "lasp_logg")
    kiel = lasp if set(lasp) <= set(stars) else ("teff_true", "logg_true")
    return [
        ("real", "Real spectra: predictions against the catalogue's parameters", df, ("teff_pred",),
         1, lambda: d.real_spectra(df)),
        ("F1_kiel", "As Fig. 1: Kiel diagram, the solar-like region; inset: the sample's colours "
         "and magnitudes", stars, kiel, 20, lambda: f.kiel(stars, everything)),
        ("F2_distances", "As Fig. 2: distances by source and parallax quality", stars, (), 20,
         lambda: d.distance_histograms(stars)),
        ("F3_gspphot", "As Fig. 3: GSP-Phot against geometric distances", stars,
         ("r_med_geo", "distance_gspphot"), 20, lambda: d.gspphot_against_geometric(stars)),
        ("F4_network", "As Fig. 4: the network", df, (), 0, lambda: _architecture(ev)),
        ("F5_predicted_true", "As Fig. 5: predictions against labels; distances against geometric "
         "ones", df, (), 20, lambda: f.predicted_against_true(_labelled(df))),
        ("F6_residuals", "As Fig. 6: distance error (grey: mean and standard deviation in bins) "
         "and residuals along the labels", df, labels, 40, lambda: f.residuals(df)),
        ("F7_fraction", "As Fig. 7: distance error against errors of the labels, and its "
         "distribution", df, far, 40, lambda: f.fractional_error(df)),
        ("F8_problems", "As Fig. 8: spectra without a good distance", stars, (), 1,
         lambda: d.venn(stars)),
        ("F9_cmd", "As Fig. 9: predicted colours and magnitudes", stars,
         ("bprp_pred", "mg_pred", "feh_pred"), 20,
         lambda: g.colour_magnitude(stars, ev.isochrones)),
        ("F10_catalogues", "As Fig. 10: distances of this work and of other catalogues", stars, (),
         2, lambda: _pairs(ev)),
        ("F11_surveys", "As Fig. 11: parameters of this work and of other surveys", stars, (), 2,
         lambda: _surveys(ev)),
        ("F12_density", "As Fig. 12: where the stars are; star: the Sun", stars, (), 10,
         lambda: _maps(ev)),
        ("F13_metallicity", "As Fig. 13: median metallicity", stars, (), 10,
         lambda: _maps(ev, median_feh=True)),
        ("F14_gradients", "As Fig. 14: radial and vertical gradients", stars, (), 50,
         lambda: _gradients(ev)),
        ("recovered", "Planted gradients of the mock Galaxy, as the paper finds them and corrected "
         "for the network's errors", stars, (), 50, lambda: _recovered(ev)),
        ("A1_labels", "As Fig. A.1: labels of reference and test set", everything, rest, 20,
         lambda: f.label_distributions(everything)),
        ("B1_preprocessing", "As Fig. B.1: pre-processing of two spectra", df, (), 0,
         lambda: n.preprocessing(ev.examples, ev.config.grid if ev.config else None)),
        ("C1_models", "As Table C.1: this network beside other models", df, (), 0,
         lambda: _models(ev)),
        ("reliability", "Errors: labels inside the intervals, and residual over error", df, labels,
         40, lambda: n.reliability(df)),
        ("binaries", "Unresolved binaries: fractional distance error", df, (*far, "binary"), 40,
         lambda: n.binaries(df)),
        ("training", "Training (dashed) and validation (solid) losses", df, (), 0,
         lambda: n.training(ev.history)),
    ]  # fmt: skip


def _labelled(df):
    if not tables.quantities_of(df):
        raise SuiteError("no row has both a label and a prediction")
    return tables.judged_rows(df)


EXPLAINED = {
    "F15_shap_teff": "As Fig. 15: normalised mean |SHAP| of hot (> 5000 K) and cool stars",
    "F16_shap_feh": "As Fig. 16: normalised mean |SHAP| of metal-poor (< 0) and metal-rich stars",
    "attributions": "SHAP, integrated gradients and gradients side by side",
}


def draw(ev, folder):
    """Draw every figure that the evaluation has the input for.

    Parameters
    ----------
    ev : Evaluation
    folder : pathlib.Path
        Where NAME.png and NAME.pdf go.

    Returns
    -------
    drawn : dict of str to Path
        Caption → PNG.
    skipped : DataFrame
        figure, reason.
    """
    drawn, skipped = {}, []
    for name, caption, df, columns, fewest, function in catalogue(ev):
        reason = "drawn for real files (--on) only" if name == "real" and not ev.real else ""
        reason = reason or _needs(df, columns, fewest)
        if not reason:
            try:
                drawn[caption] = save(function(), folder / name)
                continue
            except SuiteError as error:
                reason = str(error)
        skipped.append({"figure": caption, "reason": reason})
    for name, caption in EXPLAINED.items():
        if (folder / f"{name}.png").is_file():
            drawn[caption] = folder / f"{name}.png"
        elif not ev.real:
            reason = "run `python -m solarlike_distance.explain --run-dir DIR` first"
            skipped.append({"figure": caption, "reason": reason})
    return drawn, pd.DataFrame(skipped, columns=["figure", "reason"])
