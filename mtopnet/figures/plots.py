"""Which figures an evaluation draws, and from what."""

from __future__ import annotations

from common.errors import SuiteError
from common.figures import curve_panel, panels, styled
from common.plots import Plot
from mtopnet.figures import pdf as figures_pdf
from mtopnet.figures import redshifts as figures
from mtopnet.tables import redshifts as tables


@styled
def _training(ev):
    if ev.history is None or not len(ev.history):
        raise SuiteError("no training history is here")
    names = ("loss", *(c.removeprefix("val_") for c in ev.history if c.startswith("val_")))
    shown = [n for n in dict.fromkeys(names) if {n, f"val_{n}"} <= set(ev.history)][:6]
    if not shown:
        raise SuiteError("the training history has no losses")
    figure, axes = panels(len(shown), columns=3, width=3.6, height=2.8)
    for axis, name in zip(axes, shown, strict=True):
        part = ev.history.dropna(subset=[name])
        positive = bool((part[[name, f"val_{name}"]].min() > 0).all())
        curve_panel(axis, part, (name, f"val_{name}"), ylabel=name, log=positive)
    return figure


def _calibration(ev):
    if ev.pdf is None:
        raise SuiteError("the run keeps no PDFs (pdf_test.npy)")
    return figures_pdf.calibration(ev.pdf_rows, ev.pdf, ev.edges, ev.calibrated)


def _moonrise(ev):
    part = ev.df[tables.moonrise(ev.df)]
    if len(part) < 2 * tables.FEWEST:
        raise SuiteError(f"only {len(part)} spectra are as MOONRISE would select them")
    return figures.residuals(part, title="MOONRISE-like")


def _ablations(ev):
    if not ev.ablations:
        raise SuiteError(
            "no ablation is in variants/ of the run: python -m mtopnet.train --variants makes them"
        )
    if tables.exposed(ev.df, 8).sum() < tables.FEWEST:
        raise SuiteError("fewer than 20 spectra of 8 h")
    return figures.several_tasks(ev.df, ev.ablations)


def plots(ev):
    """Return the `common.plots.Plot` of every figure of a `mtopnet` Evaluation."""
    df, z = ev.df, ("z_true", "z_peak")
    f, p = figures, figures_pdf
    return [
        Plot("F1_distributions", "As Fig. 1: the galaxies",
             lambda: f.distributions(ev.everything), ("z_true", "lgm_true"), 20),
        Plot("F4_residuals", "As Fig. 4: predicted against labelled, residuals and their Gaussian "
             "fits", lambda: f.residuals(df), z, 40),
        Plot("F5_tasks", "As Fig. 5: 8 h spectra by this network and with tasks switched off; "
             "black: |dz| > 0.5; grey: z 2.7-3, no bright line in sight",
             lambda: _ablations(ev), z, 40),
        Plot("F6_moonrise", "As Fig. 6: the MOONRISE-like selection (z < 2.6, m_H < 25, "
             "star-forming with 2 h, passive with 8 h)",
             lambda: _moonrise(ev), (*z, "m_h", "exposure"), 40),
        Plot("F7_thresholds", "As Fig. 7: fraction of right redshifts by threshold",
             lambda: f.success_by_threshold(df), z, 40),
        Plot("F8_magnitude", "As Fig. 8: fraction with |dz| < 0.01 by m_H",
             lambda: f.success_by_magnitude(df, tables.expected_table(df)), (*z, "m_h"), 100),
        Plot("F11_good_poor", "As Fig. 11: good and poor redshifts; fluxes below a panel are in "
             "its first bin", lambda: p.good_and_poor(df), z, 60),
        Plot("F12_corner", "As Fig. 12: skewness and entropy of the PDFs of good and poor "
             "redshifts, and the paper's cuts",
             lambda: p.corner(df), (*z, "entropy", "skewness"), 40),
        Plot("screening", "Screening by entropy: any cut, not the paper's alone",
             lambda: p.screening(df), (*z, "entropy", "exposure"), 60),
        Plot("calibration", "PDFs: probability integral transform, coverage of highest-density "
             "regions, and the probability of the peak against how often it is right",
             lambda: _calibration(ev), z, 60),
        Plot("mc_dropout", "MC dropout against a single pass",
             lambda: p.mc_against_single(df), (*z, "z_peak_mc", "entropy"), 40),
        Plot("training", "Training (dashed) and validation (solid) losses", lambda: _training(ev)),
    ]  # fmt: skip
