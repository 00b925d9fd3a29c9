"""What an evaluation of metallicities holds, measures and says."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from common import claims, evaluation
from common.evaluation import Beside, as_text
from common.headline import Score
from common.worst import farthest
from lamost_metallicity.config import PAPER
from lamost_metallicity.figures.plots import plots
from lamost_metallicity.measured import by_design, measure
from lamost_metallicity.tables import beyond as tables_beyond
from lamost_metallicity.tables import classes as tables_classes
from lamost_metallicity.tables import real as tables_real
from lamost_metallicity.tables import regression as tables

REFERENCES = (
    "Feng J., Wang L., Li P. 2026, Acta Astron. Sin. 67, 2: the paper reproduced here",
    "Tremonti C. A. et al. 2004, ApJ 613, 898; Brinchmann J. et al. 2004, MNRAS 351, 1151; "
    "Kauffmann G. et al. 2003, MNRAS 341, 33: the MPA-JHU labels",
    "Pettini M., Pagel B. E. J. 2004, MNRAS 348, L59; Marino R. A. et al. 2013, A&A 559, A114: N2 "
    "and O3N2",
    "Kewley L. J., Ellison S. L. 2008, ApJ 681, 1183: why the scales differ",
    "Kauffmann G. et al. 2003, MNRAS 346, 1055; Kewley L. J. et al. 2001, ApJ 556, 121: curves of "
    "the BPT plane",
    "Okabe M., Ito K. 2008: the colours of the figures",
)
PARTS = {  # section: (text, names of its tables)
    "Regression": (
        'Estimate less label, dex. The label is oh_p50 of MPA-JHU. "On the labels\' scale": a '
        "cubic in the line index, fitted on the validation split, because N2 and O3N2 have scales "
        "of their own (Kewley & Ellison 2008).",
        (
            "selection",
            "methods",
            "methods_planted",
            "noise",
            "sigma_snr_r",
            "sigma_z",
            "winner",
            "baselines",
        ),
    ),
    "Mass and metallicity": (
        "Fibre mass (lgm_fib_p50), as in the paper. Errors of medians by resampling.",
        ("mzr", "mzr_fit", "recovery"),
    ),
    "Classifier and catalogue": ("", ("classifier", "readings", "mistakes", "catalogue")),
    "Errors, several tasks": (
        "The error of a prediction is the half-width of a 68 % interval for the label, label noise "
        "included, calibrated on the validation split.",
        ("coverage", "multitask"),
    ),
    "Real spectra, one by one": (
        "The reference is the strong-line estimate of the same spectrum, not the truth: Pettini & "
        "Pagel's O3N2 itself scatters by 0.14 dex about direct abundances.",
        ("agreement", "kinds", "objects"),
    ),
}
ELSEWHERE = {"saliency": ("Where the network looks, at rest wavelengths, by redshift", "explain")}


HEADLINE = (
    Score("sigma of 12 + log(O/H), dex", {"methods": {"column": "oh_pred"}}, "sigma", "sigma"),
    Score("accuracy of star-forming or not", {"classifier": {"class": "all"}}, "accuracy",
          "accuracy"),
    Score("sigma against strong lines of the same spectrum, dex",
          {"agreement": {"galaxies": "star-forming by their lines", "survey": "all"}}, "sigma"),
)  # fmt: skip


@dataclass(kw_only=True)
class Evaluation(evaluation.Evaluation):
    """One evaluation; see `common.evaluation.Evaluation`.

    Attributes
    ----------
    df : DataFrame
        Predictions of the test split (or of real files), with strong lines on the labels' scale.
    everything : DataFrame
        All labelled splits that were saved.
    unmatched : DataFrame
        Predictions of the galaxies without an MPA-JHU counterpart, of which the paper's catalogue
        is made (Sect. 5); no rows where there are none.
    sample : DataFrame or None
        The whole sample of the regression, the training split too: split, z, snr_r, petro_r and
        oh_true; None where the run's data are gone.
    counts : DataFrame or None
        What each cut left.
    half : dict of float to ndarray
        Half-widths of the intervals of `rows`, by level.
    groups : ndarray of str or None
        What the intervals of `rows` were calibrated by.
    """

    everything: pd.DataFrame
    unmatched: pd.DataFrame = field(default_factory=pd.DataFrame)
    sample: pd.DataFrame | None = None
    counts: pd.DataFrame | None = None
    half: dict = field(default_factory=dict)
    groups: object = None

    paper = PAPER
    claims = Path(__file__).with_name("claims.toml")
    title = "Gas-phase metallicity on {}"
    survey, subject, place = "lamost", "LAMOST", "LAMOST itself"
    printed = ("methods", "classifier", "agreement", "kinds")
    elsewhere = ELSEWHERE
    cover_figures = ("F4_predicted_true", "F6_mzr")
    gives = (
        "From a LAMOST spectrum of a galaxy: the oxygen abundance of its gas, 12 + log(O/H), and "
        "whether it forms stars."
    )
    headline = HEADLINE
    looked_at = "More than three errors off the label, farthest first."
    beside = Beside(
        "Real spectra",
        "The networks of this run on real spectra: the network's metallicity less the strong-line "
        "estimate of the same spectrum. Reports of their own are in the folders on_*.",
        "agreement",
        {"real": "Network against strong lines"},
        ("kinds",),
    )
    references, parts = REFERENCES, PARTS

    @property
    def rows(self):
        """The rows that the regression is judged by."""
        return tables.regression_rows(self.df)

    @property
    def confidence(self):
        """p_sf from which a galaxy is in the catalogue: the run's."""
        return tables_classes.CONFIDENCE if self.config is None else self.config.confidence

    def tables(self, out):
        """Return {file name: (caption, DataFrame)} of every table that the predictions allow."""
        return _tables(self)

    def worst(self):
        """Return the galaxies farthest from their labels."""
        return farthest(self.df, ("oh",), more=("snr_r", "z"))

    def figures(self):
        """Return the list of `common.plots.Plot` of every figure, in order."""
        return plots(self)

    def measured(self, every):
        """Return {claim id: value} for the claims that the evaluation speaks to."""
        return measure(
            every, self.df, rows=self.rows, unmatched=self.unmatched, counts=self.counts,
            parameters=self.about.get("parameters"), confidence=self.confidence,
            is_mock=self.is_mock,
        )  # fmt: skip

    def card(self, judged):
        """Return the section of published numbers, with what a mock cannot speak to and why."""
        section = super().card(judged)
        if section is None or not self.is_mock:
            return section
        table = pd.DataFrame(by_design(claims.load(self.claims)).items(), columns=["id", "reason"])
        more = {"Not judged on a mock, which would answer with its own design": table}
        return replace(section, tables=section.tables | more)

    def tested(self):
        """Return how many spectra were tested, in words."""
        return f"{len(self.df)}, {len(self.rows)} of them star-forming with a label"

    def text_of(self, title, made):
        """Return the text of a section; who wins is known only from the table."""
        text = self.parts[title][0]
        if title == "Regression" and "winner" in made:
            text += "\n\n" + tables_beyond.winners_in_words(made["winner"][1])
        return text

    def told(self, made):
        """Return what is printed of the tables, list of str."""
        return [as_text(made[name][1].drop(columns="column", errors="ignore"))
                for name in self.printed if name in made]  # fmt: skip


def _tables(ev):
    rows, df, out = ev.rows, ev.df, {}
    if ev.counts is not None:
        out["selection"] = ("Sample: spectra left after each cut (Sect. 2)", ev.counts)
    if len(rows) >= tables.FEWEST:
        compared = [c for c in ("oh_pred", "oh_rf", "oh_mlp", "oh_n2_cal", "oh_o3n2_cal")
                    if c in rows]  # fmt: skip
        out["methods"] = (
            "As Table 1, with the classic strong lines: estimate - label; share: galaxies that "
            "get an estimate",
            tables.method_table(rows),
        )
        if "oh_planted" in rows and rows["oh_planted"].notna().any():
            out["methods_planted"] = (
                "The same against what was planted in the mock",
                tables.method_table(rows, against="oh_planted"),
            )
        out["noise"] = ("Label noise: the floor that no network can pass",
                        tables_beyond.noise_table(rows))  # fmt: skip
        for by, figure in (("snr_r", "5a"), ("z", "5b")):
            if by in rows and rows[by].notna().any():
                out[f"sigma_{by}"] = (f"As Fig. {figure}: sigma (dex) in bins of {by}",
                                      tables.binned_table(rows, by, columns=compared))  # fmt: skip
        if "snr_r" in rows:
            out["winner"] = ("Network or strong lines, by S/N_r, on the galaxies that have both",
                             tables_beyond.winner_table(rows))  # fmt: skip
        out["baselines"] = (
            "Network beside boosting on the measured lines and continuum (lines), and on colour, "
            "mass and redshift without any line (mass): sigma, dex",
            tables_beyond.baseline_table(rows),
        )
        mzr = tables_beyond.mzr_table(rows)
        out["mzr"] = ("As Fig. 6: medians in bins of stellar mass", mzr)
        out["recovery"] = (
            "The planted mass-metallicity relation, from the predictions: differences of the "
            "medians in bins of mass",
            pd.DataFrame([tables_beyond.recovery(mzr)]).dropna(how="all"),
        )
        ours = tables_beyond.fit_mzr(rows)
        if ours is not None:
            out["mzr_fit"] = ("Eq. 3, ours, beside Eq. 2 (Tremonti et al. 2004): 12 + log(O/H) = "
                              "a + b m + c m^2, m = log M", _fits(ours))  # fmt: skip
        out["coverage"] = ("Errors: fraction of labels (planted values) inside the intervals",
                           tables_beyond.coverage_table(rows, ev.half, ev.groups))  # fmt: skip
        out["multitask"] = ("One task or several: difference of the sigmas, paired",
                            tables_beyond.multitask_table(rows))  # fmt: skip
    out["classifier"] = ("As Table 2", tables_classes.class_table(df))
    out["readings"] = (
        "Does bptclass 2 (star-forming, low S/N) count as another galaxy? The classifier's numbers "
        "without and with it, where the run has such galaxies; distance: rms from the paper's",
        tables_classes.readings_table(df),
    )
    out["mistakes"] = ("Whom the classifier mistakes, by bptclass",
                       tables_classes.mistake_table(df))  # fmt: skip
    kinds = {"without an MPA-JHU counterpart (the paper's)": ev.unmatched, "labelled, held out": df}
    out["catalogue"] = (
        f"Catalogue: galaxies called star-forming with confidence {ev.confidence:g} (Fig. 7)",
        tables_classes.catalogue_table(kinds, ev.confidence),
    )
    if ev.real:
        out["agreement"] = ("Network less the strong-line estimate of the same spectrum",
                            tables_real.agreement_table(df))  # fmt: skip
        out["kinds"] = (
            "The classifier against the lines of the same spectrum (Kauffmann et al. 2003, Kewley "
            f"et al. 2001); kept: with confidence {ev.confidence:g}",
            tables_real.kind_table(df, ev.confidence),
        )
        out["objects"] = ("One by one", tables_real.object_table(df))
    return out


def _fits(ours):
    rows = {"ours": ours, "Tremonti et al. 2004": tables_beyond.T04}
    return pd.DataFrame([{"relation": k, **dict(zip("abc", v, strict=True))}
                         for k, v in rows.items()])  # fmt: skip
