"""What an evaluation of redshifts, masses and rates holds, measures and says."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from common import evaluation
from common.catalog import read_table
from common.evaluation import Beside, as_text
from common.headline import Score
from mtopnet.config import PAPER
from mtopnet.figures.plots import plots
from mtopnet.measured import measure
from mtopnet.published import CLAIMS
from mtopnet.recalibration import Recalibration
from mtopnet.tables import kinds as tables_kinds
from mtopnet.tables import pdf as tables_pdf
from mtopnet.tables import redshifts as tables
from mtopnet.tables import sample as tables_sample
from mtopnet.tables import variants as tables_variants

REFERENCES = (
    "Ginolfi M. et al. 2025, A&A 693, A73: the paper reproduced here",
    "Maiolino R. et al. 2020, The Messenger 180, 24; Cirasuolo M. et al. 2020, The Messenger 180, "
    "10: MOONRISE and MOONS",
    "Gal Y., Ghahramani Z. 2016, ICML (arXiv:1506.02142): MC dropout",
    "Gneiting T., Raftery A. E. 2007, JASA 102, 359: the continuous ranked probability score",
    "McInnes L., Healy J., Melville J. 2018, arXiv:1802.03426: UMAP",
    "Simonyan K., Vedaldi A., Zisserman A. 2013, arXiv:1312.6034: saliency",
    "Okabe M., Ito K. 2008: the colours of the figures",
)
MOCK = (
    "MOCK DATA. Everything here was trained and tested on simulated spectra ({}), as in the paper, "
    "but on our own simulation, not on the paper's: it shows that the code works and how it "
    "behaves. The claims about the paper's own set stay untested, and nothing here says how the "
    "network does on real MOONS spectra."
)
ON_FILES = (
    "TESTED ON FILES GIVEN TO --on ({}), which the networks of this run were not trained on. The "
    "paper's own claims stay untested."
)
PARTS = {  # section: (text, names of its tables)
    "The galaxies": (
        "One value a galaxy. What one mock has more of than another decides as much as the network "
        "does: Sect. 4.1 calls F(Ha) = 1e-17 close to the median, Fig. 2 calls 10^-16.5 average.",
        ("sample",),
    ),
    "Residuals and right redshifts": (
        "dz is the difference of the peaks of predicted and labelled PDF, centres of bins, as in "
        "the paper (Sect. 4); within_0.003 and the residuals take the true redshift itself. Errors "
        "are binomial and count the spectra of one galaxy once.",
        ("residuals", "success", "magnitude", "dark"),
    ),
    "Several tasks against one": (
        "Networks with tasks switched off, trained alike, on the same test spectra; differences "
        "are paired, their errors by resampling of galaxies.",
        ("variants", "bin_width"),
    ),
    "Screening and failures": (
        "Entropy (nats) and skewness of the PDF's vector of probabilities, as in the paper; both "
        "on bins of 0.003.",
        ("screening", "failures"),
    ),
    "Calibration of the PDFs": (
        "CRPS in units of z: the mean |dz| of a point estimate is its CRPS, so that a PDF is worth "
        "its name where crps is below crps_point. Coverage of the shortest interval of each level. "
        "pit_ks and pit_p are of a Kolmogorov-Smirnov test that the probability integral transform "
        "is flat, over one spectrum a galaxy. Own is the PDF as the network gives it, whose "
        "entropy the paper cuts at; calibrated is what the catalogue's intervals, means and p_z "
        "are of.",
        ("calibration", "confidence", "errors", "scalar_pdf"),
    ),
    "Spectra of another kind": (
        "Stars, redshifts beyond the bins and failed fibres count nowhere else in this report. "
        "marked: the fraction of a kind that p_none > 0.5 takes for one of these; of all of them "
        "together that is the completeness, of galaxies what is lost. share: of everything that "
        "is marked, the part that is of this kind; of all others together that is the purity.",
        ("none",),
    ),
    "MC dropout": ("Dropout left on, passes averaged (Sect. 4.1).", ("mc",)),
    "Where the redshift comes from": (
        "Mean |d ln p(z) / d flux| in channels within 8 Å (at rest) of a line, against channels 25 "
        "Å and more from every line of the same spectra; share: of all of the saliency. Recall and "
        "precision of the line branch are of channels.",
        ("saliency_lines", "line_map"),
    ),
    "Beside template fitting": (
        "The same spectra by a sum of the mock's own continua and lines at every redshift, fitted "
        "by least squares with the errors, amplitudes not negative; |z - z_true|, differences "
        "paired, their errors by resampling of galaxies. Log M and log SFR of the peer are of "
        "boosted trees on line fluxes and levels of the continuum at the true redshift: what a "
        "spectrum of this mock says where its redshift is known.",
        ("peer", "peer_floor"),
    ),
    "Shared layer": (
        "How well each quantity can be read off the 192 numbers behind the shared layer, and off "
        "their two UMAP coordinates: R2 of a k-nearest-neighbour regression on galaxies held out.",
        ("latent",),
    ),
}
OTHERS = {  # tables of `explain`, `latent` and `peer`
    "saliency_lines": "Saliency of the redshift in channels of lines, against line-free ones",
    "line_map": "The line branch's own task",
    "scalar_pdf": "PDFs of log M and log SFR: scores and coverage (dex)",
    "latent": "What the layers behind the shared one encode",
    "peer": "Right redshifts by template fitting and by the network, same spectra",
    "peer_floor": "Log M and log SFR (dex) by a fit that knows the redshift, and by the network",
}
ELSEWHERE = {  # figures of other commands
    "F2_spectra": (
        "As Fig. 2: a bright, an average and a quiescent galaxy, before pre-processing",
        "reproduce",
    ),
    "F9_F10_examples": (
        "As Figs 9 and 10: two right and two wrong redshifts, where the network looks, and their "
        "PDFs",
        "explain",
    ),
    "saliency": ("Where the redshift comes from, at rest wavelengths", "explain"),
    "F13_latent": ("As Fig. 13: UMAP of the 192 numbers behind the shared layer", "latent"),
    "peer": ("Right redshifts against m_H: the network and template fitting", "peer"),
}


WRONG = 0.01  # |dz|, Sect. 4
LOOKED_AT = ("id", "exposure", "z_true", "z_peak", "p_near", "z_peak2", "entropy", "m_h", "f_ha")
HEADLINE = (
    Score("fraction with |dz| < 0.003, 8 h", {"success": {"sample": "8 h"}}, "0.003", "8h-0.003"),
    Score("fraction with |dz| < 0.1, 8 h", {"success": {"sample": "8 h"}}, "0.1", "8h-0.1"),
    Score("fraction with |dz| < 0.003, all", {"success": {"sample": "all"}}, "0.003"),
)


@dataclass(kw_only=True)
class Evaluation(evaluation.Evaluation):
    """One evaluation; see `common.evaluation.Evaluation`.

    Attributes
    ----------
    df : DataFrame
        Predictions of the test split (or of files), with dz (`mtopnet.tables.redshifts.with_dz`).
    everything : DataFrame
        Labels of the galaxies of all splits, as far as they were saved.
    mixed : DataFrame, optional
        `df` with the spectra that are none of the network's kind: judged by p_none alone.
    pdf, pdf_rows : ndarray of shape (m, n_bins) and DataFrame of m rows, or None
        PDFs, the network's own, and the rows of `df` that they belong to.
    edges : ndarray of shape (n_bins + 1,) or None
    variants : dict
        As `mtopnet.tables.variants.read_variants` gives them.
    """

    everything: pd.DataFrame
    mixed: pd.DataFrame | None = None
    pdf: np.ndarray | None = None
    pdf_rows: pd.DataFrame | None = None
    edges: np.ndarray | None = None
    variants: dict = field(default_factory=dict)

    paper = PAPER
    claims = CLAIMS
    title = "Redshift, mass and star formation rate on {}"
    survey, subject, place = "moons", "its own simulated set", "the paper's set"
    training = ("epochs", "batch_size", "learning_rate", "dz", "tasks", "head", "input", "mock")
    printed = ("residuals", "success", "variants")
    others, elsewhere = OTHERS, ELSEWHERE
    cover_figures = ("F4_residuals", "F7_thresholds")
    gives = (
        "From a MOONS spectrum of a galaxy at z 0.7-3: a probability for every redshift, stellar "
        "mass and star formation rate."
    )
    headline = HEADLINE
    looked_at = "|dz| of 0.01 or more, those first of which the network was surest."
    beside = Beside(
        "On other files",
        "The networks of this run on other files; reports of their own are in folders on_*.",
        "success",
    )
    references, parts = REFERENCES, PARTS

    @cached_property
    def calibrated(self):
        """Calibrated PDFs, ndarray as `pdf`; None where nothing is fitted, or there are none."""
        known = (self.about or {}).get("pdf_calibration", {}).get("z")
        if self.pdf is None or known is None:
            return None
        return Recalibration.from_dict(known).apply(self.pdf, self.edges)

    @property
    def ablations(self):
        """Variants that switched tasks off, {name: test rows}."""
        return {
            tables_variants.name_of(name, about): df
            for name, (df, about) in self.variants.items()
            if tables_variants.name_of(name, about) != name
        }

    def tables(self, out):
        """Return {file name: (caption, DataFrame)} of every table that the predictions allow."""
        made = _tables(self)
        for name, caption in self.others.items():
            path = out / "tables" / f"{name}.ecsv"
            if path.is_file() and not self.real:
                made[name] = (caption, read_table(path))
        return made

    def worst(self):
        """Return the spectra of wrong redshift, the surest first."""
        if not {"id", "z_peak", "z_true"} <= set(self.df):
            return None
        bad = self.df[np.abs(self.df["z_peak"] - self.df["z_true"]) >= WRONG]
        if "p_near" in bad:
            bad = bad.sort_values("p_near", ascending=False, kind="stable")
        return bad[[c for c in LOOKED_AT if c in bad]]

    def figures(self):
        """Return the list of `common.plots.Plot` of every figure, in order."""
        return plots(self)

    def measured(self, every):
        """Return {claim id: value} for the claims that the evaluation speaks to."""
        values = measure(every, self.df, variants=self.variants, about=self.about,
                         everything=self.everything)  # fmt: skip
        if self.config is None or not self.config.is_mock:
            return values
        # How many spectra a mock makes is its own choice.
        return {k: v for k, v in values.items()
                if not k.endswith("-size") and k not in ("spectra", "galaxies")}  # fmt: skip

    def banner(self):
        """Return what a reader must know first."""
        if self.real:
            return ON_FILES.format(self.dataset)
        return MOCK.format(self.dataset) if self.is_mock else super().banner()

    def tested(self):
        """Return how many spectra were tested, in words."""
        return f"{len(self.df)} of {self.df['galaxy'].nunique()} galaxies"

    def told(self, made):
        """Return what is printed of the tables, list of str."""
        out = []
        for table in (made[name][1] for name in self.printed if name in made):
            table = table.dropna(axis=1, how="all")
            keep = [c for c in table if not str(c).endswith("_err") and c != "share"]
            out.append(as_text(table[keep]))
        return out


def _tables(ev):
    df = ev.df
    made = {
        "sample": ("As Fig. 1: percentiles of the galaxies, beside the paper's ranges and peaks",
                   tables_sample.sample_table(ev.everything)),
        "residuals": ("As Figs 4 and 6: Gaussian fits of predicted - labelled",
                      tables.residual_table(df)),
        "success": ("As Fig. 7: fraction of right redshifts", tables.success_table(df)),
        "magnitude": ("As Fig. 8: fraction with |dz| < 0.01 by m_H", tables.magnitude_table(df)),
        "dark": ("Failures by redshift (Sect. 5.1)", tables_pdf.dark_table(df)),
        "failures": ("As Fig. 11: medians of good and poor redshifts",
                     tables_pdf.failure_table(df)),
        "mc": ("MC dropout against a single pass", tables_pdf.mc_table(df)),
        "confidence": ("Probability within 0.01 of the peak, and how often that is right",
                       tables_pdf.confidence_table(df)),
        "errors": ("Errors of log M and log SFR", tables_pdf.error_table(df)),
    }  # fmt: skip
    if {"entropy", "skewness"} & set(df):
        made["screening"] = ("As Sect. 5.2: the paper's cuts", tables_pdf.screening_table(df))
    if ev.mixed is not None and "p_none" in ev.mixed:
        made["none"] = ("What p_none > 0.5 marks", tables_kinds.none_table(ev.mixed))
    if ev.pdf is not None:
        table = tables_pdf.calibration_table(ev.pdf_rows, ev.pdf, ev.edges, ev.calibrated)
        made["calibration"] = ("Scores and calibration", table)
    if ev.variants:
        table = tables_variants.variant_table(df, ev.variants)
        made["variants"] = ("As Fig. 5: networks on the same test spectra", table)
        table = tables_variants.bin_width_table(df, ev.variants, dz=ev.config.dz)
        made["bin_width"] = ("What finer bins give, on the same test spectra", table)
    return made
