"""Which figures an evaluation draws, from what, and why one was left out."""

from __future__ import annotations

import numpy as np

from common.errors import SuiteError
from common.figures import spectra_figure
from common.plots import Plot
from gasnet2 import samples, tables_trust
from gasnet2.config import COARSE
from gasnet2.figures import classes as figures_classes
from gasnet2.figures import redshifts as figures
from gasnet2.figures import templates
from gasnet2.tables import coarse, outlier_limit

NUMBERS = {  # number of the same figure in the paper, per survey
    "redshifts": {"sdss": "3", "fourmost": "7", "desi": "9"},
    "confusion": {"sdss": "12", "fourmost": "19", "desi": "22"},
    "mc": {"sdss": "15", "fourmost": "21", "desi": "23"},
    "examples": {"sdss": "1-2", "fourmost": "5-6", "desi": "8"},
    "contaminated": {"sdss": "A1", "fourmost": "A2", "desi": "A"},
}


def _with_redshifts(df, draw):
    """Draw a figure of rows with a true and a predicted redshift, where there are any."""
    if not figures.parts(df):
        raise SuiteError("no object of an extragalactic class has both redshifts")
    return draw(df)


def _examples(ev):
    source = ev.real_spectra or ev.own
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
    if ev.own is None or ev.real_spectra is None:
        raise SuiteError("needs the run's own spectra and real ones (--on)")
    shown = samples.beside(ev.config, ev.own, ev.real_spectra)
    if not shown:
        raise SuiteError("no class has both mock and real spectra")
    return figures_classes.mock_beside_real(shown)


def _alike(ev):
    source = ev.real_spectra or ev.own
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
    limits = {k: outlier_limit(k) for k in ("GALAXY", "QSO")}
    fluxes, z = samples.failures(ev.df, *ev.real_spectra, limits=limits)
    if not fluxes:
        raise SuiteError("there are no failures")
    return spectra_figure(wavelength=ev.config.grid, fluxes=fluxes, z=z)


def _routed(ev, draw):
    """Draw what a user gets: coarse classes, redshifts of the predicted class."""
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
    return figures_classes.accuracy_against_snr(known, ev.classes)


def _contaminated(ev, draw):
    if set(ev.contaminated) < {0, 5}:
        raise SuiteError("no run with shuffled labels is here (contamination_00.parquet, _05, _10)")
    return draw(ev.contaminated)


def _contaminated_redshift(runs):
    if not all(figures.parts(df) for df in runs.values()):
        raise SuiteError("the runs with shuffled labels have no redshifts")
    return figures_classes.contaminated_redshift(runs)


def _training(ev):
    if ev.history is None or not len(ev.history):
        raise SuiteError("no training history is here")
    return figures_classes.training(ev.history)


def _robust(ev):
    def draw(df):
        known = {k for k, v in ev.validation_mae.items() if np.isfinite(v)}
        if not known & set(figures.parts(df)):
            raise SuiteError("no MAE on a validation set is known")
        return figures.robust_or_unstable(df, ev.validation_mae)

    return _with_redshifts(ev.df, draw)


def _trust(df):
    table = tables_trust.reliability_table(df)
    if not len(table):
        raise SuiteError(f"no bin of probability has {tables_trust.FEWEST} spectra")
    return templates.trust(table, tables_trust.cut_table(df))


def template_plots(ev):
    """Return the plots of an evaluation of the template network; none of the paper's."""
    if "p_right" not in ev.df or "coarse_pred" not in ev.df:
        return ()
    return (
        Plot("trust", "Template network: fraction right against the probability said (dotted: as "
             "it should be), and purity against completeness for cuts in it",
             lambda: _trust(ev.df), ("p_right",)),
    )  # fmt: skip


def plots(ev):
    """Return the `common.plots.Plot` of every figure of a `gasnet2` Evaluation."""
    n = {k: v[ev.survey] for k, v in NUMBERS.items()}
    every = ev.df if ev.sample is None else ev.sample
    df, c, fc, real = ev.df, ev.classes, figures_classes, {"only_files": True}
    z, routed = ("z_true", "z_pred"), ("z_true", "z_routed_pred")

    def redshifts(draw):
        return lambda: _with_redshifts(df, draw)

    alike = [
        Plot("F20_alike", "As Fig. 20: ClusB and RedGAL at the same redshift, smoothed; strong "
             "lines marked", lambda: _alike(ev)),
    ]  # fmt: skip
    return [
        *template_plots(ev),
        Plot("mock_beside_real", "Mock (blue) beside real spectra (red), median and 16-84 % per "
             "class; stars as observed, the rest at rest wavelengths", lambda: _beside(ev)),
        Plot("failures", "Failures on real spectra, brightest first: wrong coarse class, or "
             "redshift beyond 0.01 (galaxies) or 0.05 (quasars); lines marked at the true redshift",
             lambda: _failures(ev), **real),
        Plot("real_redshifts", "Real spectra by coarse class: redshifts of the predicted class",
             lambda: _routed(ev, figures.mc_estimates), routed, **real),
        Plot("real_bias_snr", "Real spectra, Bias of the predicted class's redshift by "
             "signal-to-noise", lambda: _routed(ev, figures.bias_by_snr), (*routed, "snr"), **real),
        Plot("F01_examples", f"As Figs {n['examples']}: one bright spectrum of each class, as the "
             "networks see it", lambda: _examples(ev)),
        Plot("F03_redshifts", f"As Fig. {n['redshifts']}: true redshifts (stacked) of {ev.shown}",
             lambda: fc.redshift_distribution(every, c, shown=ev.shown), ("z_true",), rows=every),
        Plot("F04_snr", f"As Fig. 4: signal-to-noise (stacked) of {ev.shown}",
             lambda: fc.snr_distribution(every, c, shown=ev.shown), ("snr",), rows=every),
        Plot("F11_training", "As Fig. 11: training curves", lambda: _training(ev)),
        Plot("F12_confusion", f"As Fig. {n['confusion']}: confusion matrix in per cent, read along "
             "columns (true classes)", lambda: _confusion(ev), ("class_pred",)),
        *(alike if ev.survey == "fourmost" else ()),
        Plot("B1_coarse", "As Fig. B1: coarse classes (predicted classes merged; the paper trains "
             "a network of its own)", lambda: _coarse(ev), ("class_pred",)),
        Plot("C1_accuracy_snr", "As Fig. C1: accuracy, averaged over the classes, against "
             "signal-to-noise",
             lambda: _accuracy(ev), ("class_pred", "snr")),
        Plot("F13_point", "As Fig. 13: point estimates; bars above: MAE of each bin",
             redshifts(figures.point_estimates), z),
        Plot("F14_bias_snr", "As Fig. 14: Bias against redshift by signal-to-noise",
             redshifts(figures.bias_by_snr), (*z, "snr")),
        Plot("F15_mc", f"As Fig. {n['mc']}: redshifts with errors (of ensembles: means); "
             "above: mean residual in bins, bars: mean sigma_z",
             redshifts(figures.mc_estimates), (*z, "z_err")),
        Plot("F16_t", "As Fig. 16: t against redshift", redshifts(figures.t_against_z),
             (*z, "z_err")),
        Plot("F17_error_snr", "As Fig. 17: residual against signal-to-noise; dashed: median "
             "sigma_z", redshifts(figures.error_against_snr), (*z, "z_err", "snr")),
        Plot("F18_robust", "As Fig. 18: robust (sigma_z <= MAE of the validation set) and unstable",
             lambda: _robust(ev), (*z, "z_err")),
        Plot("reliability", "Beyond the paper: coverage and probability integral transform of the "
             "errors", redshifts(figures.reliability), (*z, "z_err")),
        Plot("A1_contamination", f"As Fig. {n['contaminated']}: confusion with shuffled labels",
             lambda: _contaminated(ev, fc.contaminated_confusion), ("class_pred",)),
        Plot("A3_contamination_redshift", "As Fig. A3: redshifts with shuffled labels",
             redshifts(lambda _: _contaminated(ev, _contaminated_redshift)), z),
        Plot("D1_gradients", "As Fig. D1: gradients of redshift and class probability along the "
             "spectrum", lambda: _gradients(ev)),
        Plot("E1_vdisp", "As Fig. E1: sigma_z and accuracy against velocity dispersion",
             redshifts(figures.error_against_vdisp), (*z, "z_err", "vdisp")),
    ]  # fmt: skip
