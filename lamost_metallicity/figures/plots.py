"""Which figures an evaluation draws, and from what."""

from __future__ import annotations

from common.errors import SuiteError
from common.figures import curve_panel, panels, styled
from common.plots import Plot
from lamost_metallicity.figures import beyond as figures_beyond
from lamost_metallicity.figures import regression as figures
from lamost_metallicity.figures import relations as figures_relations
from lamost_metallicity.figures.network import architecture
from lamost_metallicity.tables import regression as tables


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


def _network(ev):
    if ev.config is None:
        raise SuiteError("a table of predictions has no network")
    return architecture(ev.config, (ev.about.get("parameters") or {}).get("regressor"))


def _reliability(ev):
    if not ev.half:
        raise SuiteError("the predictions have no error")
    return figures_beyond.reliability(ev.rows, ev.half, ev.groups)


def plots(ev):
    """Return the `common.plots.Plot` of every figure of a `lamost_metallicity` Evaluation."""
    df, rows = ev.df, ev.rows
    oh, r, b = ("oh_true", "oh_pred"), figures_relations, figures_beyond
    shown = [c for c in ("oh_pred", "oh_rf", "oh_mlp", "oh_o3n2_cal") if c in rows]
    measured = (*oh, "lgm_fib_true")
    galaxies, whose = ev.unmatched, "without an MPA-JHU counterpart"
    if not len(galaxies):
        galaxies, whose = df, "held out"
    sample, kept = ev.sample, ""
    if sample is None:
        sample, kept = tables.regression_rows(ev.everything), " (the rows of the predictions)"
    return [
        Plot("real", "Real spectra: the network against the strong lines of the same spectrum",
             lambda: b.real_spectra(df), ("oh_pred",), 1, only_files=True),
        Plot("F1_sample", "As Fig. 1: redshift, S/N_r and Petrosian r magnitude" + kept,
             lambda: figures.distributions(sample), ("z", "snr_r"), 5, sample),
        Plot("F2_network", "As Fig. 2: the network", lambda: _network(ev)),
        Plot("F3_labels", "As Fig. 3: labels of the splits" + kept,
             lambda: figures.label_distributions(sample), ("oh_true",), 20, sample),
        Plot("F4_predicted_true", "As Fig. 4: predicted against label, coloured by density; "
             "running median and 1-sigma lines; inset: residuals",
             lambda: figures.predicted_against_true(rows), oh, 40, rows),
        Plot("T1_methods", "As Table 1, with the strong lines: sigma of each method",
             lambda: figures.methods(rows), oh, 40, rows),
        Plot("F5_sigma", "As Fig. 5: sigma in bins of S/N_r and redshift",
             lambda: figures.sigma_in_bins(rows, shown), (*oh, "snr_r", "z"), 100, rows),
        Plot("F6_mzr", "As Fig. 6: mass and predicted metallicity, Tremonti et al. (2004) and our "
             "parabola (Eq. 3)", lambda: r.mass_metallicity(rows), measured, 100, rows),
        Plot("mzr_recovered", "The relation planted in the mock, from the predictions",
             lambda: r.recovered(rows), (*measured, "oh_planted"), 100, rows),
        Plot("F7_catalogue", "As Fig. 7: metallicities of galaxies called star-forming with "
             f"confidence, {whose}", lambda: r.catalogue_distribution(galaxies, ev.confidence),
             ("oh_pred", "p_sf"), 20, galaxies),
        Plot("classifier", "Classifier on the BPT plane of the measured lines",
             lambda: r.diagram(df), ("p_sf", "is_sf", "n2", "o3n2", "bptclass"), 50),
        Plot("network_or_lines", "Network against N2 and O3N2 by S/N, on the galaxies that have "
             "both", lambda: b.network_or_lines(rows), (*oh, "oh_o3n2_cal", "snr_r"), 100, rows),
        Plot("reliability", "Errors: coverage of the intervals, by S/N_r, and the probability "
             "integral transform", lambda: _reliability(ev), oh, 60, rows),
        Plot("noise_floor", "Label noise: what a perfect network would leave",
             lambda: b.noise_floor(rows), (*oh, "oh_planted"), 40, rows),
        Plot("multitask", "Several quantities from one spectrum: the multi-task network",
             lambda: b.several_tasks(rows), ("oh_true", "oh_multi"), 40, rows),
        Plot("training", "Training (dashed) and validation (solid) losses", lambda: _training(ev)),
    ]  # fmt: skip
