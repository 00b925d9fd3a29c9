"""Which figures an evaluation draws, from what, and why one was left out."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from common.errors import SuiteError
from common.figures import curve_panel, panels, save, styled
from lamost_metallicity.figures import beyond as figures_beyond
from lamost_metallicity.figures import regression as figures
from lamost_metallicity.figures import relations as figures_relations
from lamost_metallicity.tables import regression as tables


@dataclass
class Evaluation:
    """Everything that figures and tables of one evaluation are made from.

    Attributes
    ----------
    df : DataFrame
        Predictions of the test split (or of real files), with strong lines on the labels' scale.
    everything : DataFrame
        All splits that were saved.
    dataset : str
        What the predictions were made on, in words ("lamost-mock").
    config : lamost_metallicity.config.Config or None
    history : DataFrame or None
    counts : DataFrame or None
        What each cut left.
    half : dict of float to ndarray
        Half-widths of the intervals of `rows`, by level.
    groups : ndarray of str or None
        What the intervals of `rows` were calibrated by.
    real : bool
        True for an evaluation on files (--on).
    """

    df: pd.DataFrame
    everything: pd.DataFrame
    dataset: str
    config: object = None
    history: pd.DataFrame | None = None
    counts: pd.DataFrame | None = None
    half: dict = field(default_factory=dict)
    groups: object = None
    real: bool = False

    @property
    def rows(self):
        """The rows that the regression is judged by."""
        return tables.regression_rows(self.df)


def _needs(ev, columns, fewest):
    """Return the reason why there is not enough to draw, or an empty string."""
    rows = ev.rows if "oh_true" in columns else ev.df
    for name in columns:
        if name not in rows or rows[name].isna().all():
            return f"no row has a value of {name}"
    n = len(rows.dropna(subset=list(columns)))
    return f"only {n} rows have {', '.join(columns)}; {fewest} are needed" if n < fewest else ""


@styled
def _training(ev):
    if ev.history is None or not len(ev.history):
        raise SuiteError("no training history is here")
    groups = {"regressor, MLP": ("regressor", "mlp"), "classifier": ("classifier",),
              "multi-task": ("multitask",), "error": ("error",)}  # fmt: skip
    known = {k: ev.history[ev.history["network"].isin(v)] for k, v in groups.items()}
    known = {k: part for k, part in known.items() if len(part)}
    figure, axes = panels(len(known), columns=2, width=4.4, height=2.8)
    for axis, (name, part) in zip(axes, known.items(), strict=True):
        positive = bool((part[["loss", "val_loss"]].min() > 0).all())
        curve_panel(axis, part, ("loss", "val_loss"), ylabel="loss", log=positive, title=name)
    return figure


def _reliability(ev):
    if not ev.half:
        raise SuiteError("the predictions have no error")
    return figures_beyond.reliability(ev.rows, ev.half, ev.groups)


def catalogue(ev):
    """Return [(file name, caption, columns needed, fewest rows, function)] of every figure."""
    df, rows = ev.df, ev.rows
    oh, r, b = ("oh_true", "oh_pred"), figures_relations, figures_beyond
    shown = [c for c in ("oh_pred", "oh_rf", "oh_mlp", "oh_o3n2_cal") if c in rows]
    return [
        ("real", "Real spectra: the network against the strong lines of the same spectrum",
         ("oh_pred",), 1, lambda: b.real_spectra(df)),
        ("F1_sample", "As Fig. 1: redshift, S/N_r and Petrosian r magnitude", ("z", "snr_r"), 5,
         lambda: figures.distributions(ev.everything)),
        ("F3_labels", "As Fig. 3: labels of the splits (those that the run keeps)", ("oh_true",),
         20, lambda: figures.label_distributions(tables.regression_rows(ev.everything))),
        ("F4_predicted_true", "As Fig. 4: predicted against label, coloured by density; running "
         "median and 1-sigma lines; inset: residuals", oh, 40,
         lambda: figures.predicted_against_true(rows)),
        ("T1_methods", "As Table 1, with the strong lines: sigma of each method", oh, 40,
         lambda: figures.methods(rows)),
        ("F5_sigma", "As Fig. 5: sigma in bins of S/N_r and redshift", (*oh, "snr_r", "z"), 100,
         lambda: figures.sigma_in_bins(rows, shown)),
        ("F6_mzr", "As Fig. 6: mass and predicted metallicity, Tremonti et al. (2004) and our "
         "parabola (Eq. 3)", (*oh, "lgm_fib_true"), 100, lambda: r.mass_metallicity(rows)),
        ("mzr_recovered", "The relation planted in the mock, from the predictions",
         (*oh, "lgm_fib_true", "oh_planted"), 100, lambda: r.recovered(rows)),
        ("F7_catalogue", "As Fig. 7: metallicities of galaxies called star-forming with "
         "confidence 0.85", ("oh_pred", "p_sf"), 20, lambda: r.catalogue_distribution(df)),
        ("classifier", "Classifier on the BPT plane of the measured lines",
         ("p_sf", "is_sf", "n2", "o3n2", "bptclass"), 50, lambda: r.diagram(df)),
        ("network_or_lines", "Network against N2 and O3N2 by S/N, on the galaxies that have both",
         (*oh, "oh_o3n2_cal", "snr_r"), 100, lambda: b.network_or_lines(rows)),
        ("reliability", "Errors: coverage of the intervals, by S/N_r, and the probability "
         "integral transform", oh, 60, lambda: _reliability(ev)),
        ("noise_floor", "Label noise: what a perfect network would leave", (*oh, "oh_planted"), 40,
         lambda: b.noise_floor(rows)),
        ("multitask", "Several quantities from one spectrum: the multi-task network",
         ("oh_true", "oh_multi"), 40, lambda: b.several_tasks(rows)),
        ("training", "Training (dashed) and validation (solid) losses", (), 0,
         lambda: _training(ev)),
    ]  # fmt: skip


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
    for name, caption, columns, fewest, function in catalogue(ev):
        reason = "drawn for real files (--on) only" if name == "real" and not ev.real else ""
        reason = reason or _needs(ev, columns, fewest)
        if not reason:
            try:
                drawn[caption] = save(function(), folder / name)
                continue
            except SuiteError as error:
                reason = str(error)
        skipped.append({"figure": caption, "reason": reason})
    caption = "Where the network looks, at rest wavelengths, by redshift"
    if (folder / "saliency.png").is_file():
        drawn[caption] = folder / "saliency.png"
    elif not ev.real:
        reason = "run `python -m lamost_metallicity.explain --run-dir DIR` first"
        skipped.append({"figure": caption, "reason": reason})
    return drawn, pd.DataFrame(skipped, columns=["figure", "reason"])
