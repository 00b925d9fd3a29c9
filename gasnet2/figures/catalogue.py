"""Which figures an evaluation draws, from what, and why one was left out."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from common.errors import SuiteError
from common.figures import save, spectra_figure
from gasnet2 import samples
from gasnet2.config import COARSE
from gasnet2.figures import classes as figures_classes
from gasnet2.figures import redshifts as figures
from gasnet2.tables import coarse, outlier_limit

NUMBERS = {  # number of the same figure in the paper, per survey
    "redshifts": {"sdss": "3", "fourmost": "7", "desi": "9"},
    "confusion": {"sdss": "12", "fourmost": "19", "desi": "22"},
    "mc": {"sdss": "15", "fourmost": "21", "desi": "23"},
    "examples": {"sdss": "1-2", "fourmost": "5-6", "desi": "8"},
    "contaminated": {"sdss": "A1", "fourmost": "A2", "desi": "A"},
}


@dataclass
class Evaluation:
    """Everything that figures and tables of one evaluation are made from.

    Attributes
    ----------
    df : DataFrame
        Predictions.
    classes : tuple of str
    survey : str
    dataset : str
        What the predictions were made on, in words ("sdss-mock").
    config : gasnet2.config.Config or None
    history : DataFrame or None
    validation_mae : dict of str to float
    contaminated : dict of int to DataFrame
    own, real : tuple of (DataFrame, ndarray) or None
        Labels and flux of the run's data, and of the real files.
    explained : DataFrame or None
        Gradients, as `gasnet2.explain.explain_run` returns them.
    """

    df: pd.DataFrame
    classes: tuple
    survey: str
    dataset: str
    config: object = None
    history: pd.DataFrame | None = None
    validation_mae: dict = field(default_factory=dict)
    contaminated: dict = field(default_factory=dict)
    own: tuple | None = None
    real: tuple | None = None
    explained: pd.DataFrame | None = None


def _needs(ev, columns):
    """Return the reason why columns are not enough, or an empty string."""
    for name in columns:
        if name not in ev.df:
            return f"the predictions have no column {name}"
        if name not in ("class_pred", "class_true") and not np.isfinite(ev.df[name]).any():
            return f"no row has a value of {name}"
    return ""


def _examples(ev, source):
    if source is None:
        raise SuiteError("no spectra are at hand, only predictions")
    chosen = samples.brightest(*source, ev.classes, seed=getattr(ev.config, "seed", 1))
    if not chosen:
        raise SuiteError("no spectrum has a class of this run")
    return spectra_figure(
        wavelength=ev.config.grid,
        fluxes={k: v[0] for k, v in chosen.items()},
        z={k: v[1] for k, v in chosen.items() if COARSE[k] != "STAR"},
    )


def _beside(ev):
    if ev.own is None or ev.real is None:
        raise SuiteError("needs the run's own spectra and real ones (--on)")
    shown = samples.beside(ev.config, ev.own, ev.real)
    if not shown:
        raise SuiteError("no class has both mock and real spectra")
    return figures_classes.mock_beside_real(shown)


def _alike(ev):
    source = ev.real or ev.own
    if source is None:
        raise SuiteError("no spectra are at hand, only predictions")
    pairs = samples.same_redshift(*source, ("ClusB", "RedGAL"), (0.3, 0.9))
    if not pairs:
        raise SuiteError("no ClusB and RedGAL within 0.1 of redshift 0.3 or 0.9")
    return figures_classes.alike(pairs, wavelength=ev.config.grid)


def _gradients(ev):
    if ev.explained is None:
        raise SuiteError(
            "no gradients are here: run `python -m gasnet2.explain --run-dir DIR` first"
        )
    return figures_classes.gradients(ev.explained, wavelength=ev.config.grid)


def _failures(ev):
    if ev.real is None:
        raise SuiteError("drawn for real files (--on) only")
    limits = {k: outlier_limit(k) for k in ("GALAXY", "QSO")}
    fluxes, z = samples.failures(ev.df, *ev.real, limits=limits)
    if not fluxes:
        raise SuiteError("there are no failures")
    return spectra_figure(wavelength=ev.config.grid, fluxes=fluxes, z=z)


def _routed(ev, draw):
    """Draw what a user gets: coarse classes, redshifts of the predicted class."""
    if ev.real is None:
        raise SuiteError("drawn for real files (--on) only")
    df = ev.df.assign(class_true=coarse(ev.df["class_true"]), z_pred=ev.df["z_routed_pred"],
                      z_err=ev.df["z_routed_err"])  # fmt: skip
    if not figures.parts(df):
        raise SuiteError("no galaxy or quasar got a redshift")
    return draw(df)


def _confusion(ev):
    if not set(ev.df["class_true"]) & set(ev.classes):
        raise SuiteError("no true class is one of the run's")
    return figures_classes.confusion(ev.df, ev.classes)


def _coarse(ev):
    if set(ev.classes) == {COARSE[c] for c in ev.classes}:
        raise SuiteError("the classes are coarse already: see the confusion matrix")
    return figures_classes.confusion(ev.df, ev.classes, merge=True)


def _accuracy(ev):
    known = ev.df[ev.df["class_true"].isin(ev.classes) & ev.df["snr"].notna()]
    if not len(known):
        raise SuiteError("no true class is one of the run's")
    return figures_classes.accuracy_against_snr(known)


def _contaminated(ev, draw):
    if set(ev.contaminated) < {0, 5}:
        raise SuiteError("no run with shuffled labels is here (contamination_00.parquet, _05, _10)")
    if draw is figures_classes.contaminated_redshift and not all(
        figures.parts(df) for df in ev.contaminated.values()
    ):
        raise SuiteError("the runs with shuffled labels have no redshifts")
    return draw(ev.contaminated)


def _training(ev):
    if ev.history is None or not len(ev.history):
        raise SuiteError("no training history is here")
    return figures_classes.training(ev.history)


def _robust(ev):
    known = {k for k, v in ev.validation_mae.items() if np.isfinite(v)} & set(figures.parts(ev.df))
    if not known:
        raise SuiteError("no MAE on a validation set is known")
    return figures.robust_or_unstable(ev.df, ev.validation_mae)


def catalogue(ev):
    """Return [(file name, caption, columns needed, function)] of every figure, in order."""
    n = {k: v[ev.survey] for k, v in NUMBERS.items()}
    df, c, fc = ev.df, ev.classes, figures_classes
    z = ("z_true", "z_pred")
    alike = [
        ("F20_alike", "As Fig. 20: ClusB and RedGAL at the same redshift, smoothed; strong lines "
         "marked", (), lambda: _alike(ev)),
    ]  # fmt: skip
    return [
        ("mock_beside_real", "Mock (blue) beside real spectra (red), median and 16-84 % per class; "
         "stars as observed, the rest at rest wavelengths", (), lambda: _beside(ev)),
        ("failures", "Failures on real spectra, brightest first: wrong coarse class, or redshift "
         "beyond 0.01 (galaxies) or 0.05 (quasars); lines marked at the true redshift", (),
         lambda: _failures(ev)),
        ("real_redshifts", "Real spectra by coarse class: redshifts of the predicted class",
         ("z_true", "z_routed_pred"), lambda: _routed(ev, figures.mc_estimates)),
        ("real_bias_snr", "Real spectra, Bias of the predicted class's redshift by signal-to-noise",
         ("z_true", "z_routed_pred", "snr"), lambda: _routed(ev, figures.bias_by_snr)),
        ("F01_examples", f"As Figs {n['examples']}: one bright spectrum of each class, as the "
         "networks see it", (), lambda: _examples(ev, ev.real or ev.own)),
        ("F03_redshifts", f"As Fig. {n['redshifts']}: true redshifts (stacked)", ("z_true",),
         lambda: fc.redshift_distribution(df, c)),
        ("F04_snr", "As Fig. 4: signal-to-noise (stacked)", ("snr",),
         lambda: fc.snr_distribution(df, c)),
        ("F11_training", "As Fig. 11: training curves", (), lambda: _training(ev)),
        ("F12_confusion", f"As Fig. {n['confusion']}: confusion matrix in per cent, read along "
         "columns (true classes)", ("class_pred",), lambda: _confusion(ev)),
        *(alike if ev.survey == "fourmost" else ()),
        ("B1_coarse", "As Fig. B1: coarse classes (predicted classes merged; the paper trains a "
         "network of its own)", ("class_pred",), lambda: _coarse(ev)),
        ("C1_accuracy_snr", "As Fig. C1: accuracy against signal-to-noise", ("class_pred", "snr"),
         lambda: _accuracy(ev)),
        ("F13_point", "As Fig. 13: point estimates; bars above: MAE of each bin", z,
         lambda: figures.point_estimates(df)),
        ("F14_bias_snr", "As Fig. 14: Bias against redshift by signal-to-noise", (*z, "snr"),
         lambda: figures.bias_by_snr(df)),
        ("F15_mc", f"As Fig. {n['mc']}: ensemble means with errors; above: mean residual in bins, "
         "bars: mean sigma_z", (*z, "z_err"), lambda: figures.mc_estimates(df)),
        ("F16_t", "As Fig. 16: t against redshift", (*z, "z_err"), lambda: figures.t_against_z(df)),
        ("F17_error_snr", "As Fig. 17: residual against signal-to-noise; dashed: median sigma_z",
         (*z, "z_err", "snr"), lambda: figures.error_against_snr(df)),
        ("F18_robust", "As Fig. 18: robust (sigma_z <= MAE of the validation set) and unstable",
         (*z, "z_err"), lambda: _robust(ev)),
        ("reliability", "Beyond the paper: coverage and probability integral transform of the "
         "errors", (*z, "z_err"), lambda: figures.reliability(df)),
        ("A1_contamination", f"As Fig. {n['contaminated']}: confusion with shuffled labels",
         ("class_pred",), lambda: _contaminated(ev, fc.contaminated_confusion)),
        ("A3_contamination_redshift", "As Fig. A3: redshifts with shuffled labels", z,
         lambda: _contaminated(ev, fc.contaminated_redshift)),
        ("D1_gradients", "As Fig. D1: gradients of redshift and class probability along the "
         "spectrum", (), lambda: _gradients(ev)),
        ("E1_vdisp", "As Fig. E1: sigma_z and accuracy against velocity dispersion",
         (*z, "z_err", "vdisp"), lambda: figures.error_against_vdisp(df)),
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
    for name, caption, columns, function in catalogue(ev):
        reason = _needs(ev, columns)
        if not reason and {"z_true", "z_pred"} <= set(columns) and not figures.parts(ev.df):
            reason = "no object of an extragalactic class has both redshifts"
        if not reason:
            try:
                drawn[caption] = save(function(), folder / name)
                continue
            except SuiteError as error:
                reason = str(error)
        skipped.append({"figure": caption, "reason": reason})
    return drawn, pd.DataFrame(skipped, columns=["figure", "reason"])
