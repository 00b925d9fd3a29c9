"""Which figures an evaluation draws, from what, and why one was left out."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from common.errors import SuiteError
from common.figures import curve_panel, panels, save, styled
from mtopnet.figures import pdf as figures_pdf
from mtopnet.figures import redshifts as figures
from mtopnet.tables import redshifts as tables
from mtopnet.tables import variants as tables_variants


@dataclass
class Evaluation:
    """Everything that figures and tables of one evaluation are made from.

    Attributes
    ----------
    df : DataFrame
        Predictions of the test split (or of files), with dz (`mtopnet.tables.redshifts.with_dz`).
    everything : DataFrame
        All splits that were saved.
    dataset : str
        What the predictions were made on, in words ("moons-mock").
    config : mtopnet.config.Config or None
    history : DataFrame or None
    pdf, pdf_rows : ndarray of shape (m, n_bins) and DataFrame of m rows, or None
        PDFs and the rows of `df` that they belong to.
    edges : ndarray of shape (n_bins + 1,) or None
    variants : dict
        As `mtopnet.tables.variants.read_variants` gives them.
    real : bool
        True for an evaluation on files (--on).
    """

    df: pd.DataFrame
    everything: pd.DataFrame
    dataset: str
    config: object = None
    history: pd.DataFrame | None = None
    pdf: np.ndarray | None = None
    pdf_rows: pd.DataFrame | None = None
    edges: np.ndarray | None = None
    variants: dict = field(default_factory=dict)
    real: bool = False

    @property
    def ablations(self):
        """Variants that switched tasks off, {name: test rows}."""
        return {
            tables_variants.name_of(name, about): df
            for name, (df, about) in self.variants.items()
            if tables_variants.name_of(name, about) != name
        }


def _needs(ev, columns, fewest):
    """Return the reason why there is not enough to draw, or an empty string."""
    for name in columns:
        if name not in ev.df or ev.df[name].isna().all():
            return f"no row has a value of {name}"
    n = len(ev.df.dropna(subset=list(columns)))
    return f"only {n} rows have {', '.join(columns)}; {fewest} are needed" if n < fewest else ""


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
    return figures_pdf.calibration(ev.pdf_rows, ev.pdf, ev.edges)


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


def catalogue(ev):
    """Return [(file name, caption, columns needed, fewest rows, function)] of every figure."""
    df, z = ev.df, ("z_true", "z_peak")
    f, p = figures, figures_pdf
    return [
        ("F1_distributions", "As Fig. 1: the galaxies", ("z_true", "lgm_true"), 20,
         lambda: f.distributions(ev.everything)),
        ("F4_residuals", "As Fig. 4: predicted against labelled, residuals and their Gaussian fits",
         z, 40, lambda: f.residuals(df)),
        ("F5_tasks", "As Fig. 5: 8 h spectra by this network and with tasks switched off; black: "
         "|dz| > 0.5; grey: z 2.7-3, no bright line in sight", z, 40, lambda: _ablations(ev)),
        ("F6_moonrise", "As Fig. 6: the MOONRISE-like selection (z < 2.6, m_H < 25, star-forming "
         "with 2 h, passive with 8 h)", (*z, "m_h", "exposure"), 40, lambda: _moonrise(ev)),
        ("F7_thresholds", "As Fig. 7: fraction of right redshifts by threshold", z, 40,
         lambda: f.success_by_threshold(df)),
        ("F8_magnitude", "As Fig. 8: fraction with |dz| < 0.01 by m_H", (*z, "m_h"), 100,
         lambda: f.success_by_magnitude(df, tables.expected_table(df))),
        ("F11_good_poor", "As Fig. 11: good and poor redshifts; fluxes below a panel are in its "
         "first bin", z, 60, lambda: p.good_and_poor(df)),
        ("F12_corner", "As Fig. 12: skewness and entropy of the PDFs of good and poor redshifts, "
         "and the paper's cuts", (*z, "entropy", "skewness"), 40, lambda: p.corner(df)),
        ("screening", "Screening by entropy: any cut, not the paper's alone",
         (*z, "entropy", "exposure"), 60, lambda: p.screening(df)),
        ("calibration", "PDFs: probability integral transform, coverage of highest-density "
         "regions, and the probability of the peak against how often it is right", z, 60,
         lambda: _calibration(ev)),
        ("mc_dropout", "MC dropout against a single pass", (*z, "z_peak_mc", "entropy"), 40,
         lambda: p.mc_against_single(df)),
        ("training", "Training (dashed) and validation (solid) losses", (), 0,
         lambda: _training(ev)),
    ]  # fmt: skip


MADE_ELSEWHERE = {
    "F9_F10_examples": "As Figs 9 and 10: two right and two wrong redshifts, where the network "
    "looks, and their PDFs",
    "saliency": "Where the redshift comes from, at rest wavelengths",
    "F13_latent": "As Fig. 13: UMAP of the 192 numbers behind the shared layer",
}
MAKERS = {"F9_F10_examples": "explain", "saliency": "explain", "F13_latent": "latent"}


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
        reason = _needs(ev, columns, fewest)
        if not reason:
            try:
                drawn[caption] = save(function(), folder / name)
                continue
            except SuiteError as error:
                reason = str(error)
        skipped.append({"figure": caption, "reason": reason})
    for name, caption in MADE_ELSEWHERE.items():
        if (folder / f"{name}.png").is_file():
            drawn[caption] = folder / f"{name}.png"
        elif not ev.real:
            reason = f"run `python -m mtopnet.{MAKERS[name]} --run-dir DIR` first"
            skipped.append({"figure": caption, "reason": reason})
    return drawn, pd.DataFrame(skipped, columns=["figure", "reason"])
