"""What an evaluation of the hybrid network holds, measures and says."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from common import claims, evaluation
from common.errors import SuiteError
from common.headline import Score
from common.report import Section
from common.worst import farthest
from rvs_hybrid import galactic, giants, null, tables, texts
from rvs_hybrid.config import NAMES, PAPER, UNITS
from rvs_hybrid.coverage import coverage_table
from rvs_hybrid.figures.plots import plots
from rvs_hybrid.measured import measure

REFERENCES = (
    "Guiglion G. 2025, IAU Symp. 395: the proceedings reproduced here",
    "Guiglion G. et al. 2024, A&A 682, A9 (arXiv:2306.05086): the paper that they summarise",
    "Guiglion G. et al. 2020, A&A 644, A168, and Nepal S. et al. 2023, A&A 671, A61: precursors",
    "Abdurro'uf et al. 2022, ApJS 259, 35: APOGEE DR17, the labels",
    "De Angeli F. et al. 2023, A&A 674, A2: Gaia XP spectra",
    "Lindegren L. et al. 2021, A&A 649, A4: parallaxes and their zero point",
    "Vovk V. et al. 2005; Lei J. et al. 2018, JASA 113, 1094: conformal intervals",
)
PARTS = {  # section: (text, names of its tables)
    "Labels": (
        "", ("labels", "alpha", "limits", "variants", "protocols", "by_snr", "by_snr_rvs", "by_g"),
    ),
    "Errors": ("", ("coverage",)),
    "The Galaxy": ("", ("bimodality",)),
}  # fmt: skip


HEADLINE = (
    *(Score(f"MAD-sigma of {NAMES[k]}, {UNITS[k]}", {"labels": {"label": k, "stars": "all"}},
            "mad_sigma")
      for k in ("teff", "logg", "fe_h", "alpha_m")),
    Score("MAD-sigma of [alpha/M], dex, of the null, which sees no spectrum",
          {"labels": {"label": "alpha_m", "stars": "all"}}, "null_mad_sigma"),
    Score("[alpha/M] at fixed metallicity: found of what the null leaves (1: all, 0: nothing)",
          {"alpha": {"stars": "all", "metallicity": "all"}}, "found"),
)  # fmt: skip


@dataclass(kw_only=True)
class Evaluation(evaluation.Evaluation):
    """One evaluation; see `common.evaluation.Evaluation`.

    Attributes
    ----------
    df : DataFrame
        Predictions of held-out stars.
    calibrations : dict of str to common.calibration.Calibration
    variants : dict of str to DataFrame
        Name -> predictions of other networks for the same stars, this run's own first.
    members : dict of str to int
        Name of a variant -> networks of its ensemble.
    known : DataFrame or None
        Labels of training stars, from which the null is made.
    differs : str
        What the name of a data set gets where the run is not the paper's: see
        `common.rows.name_of`.
    """

    calibrations: dict = field(default_factory=dict)
    variants: dict = field(default_factory=dict)
    members: dict = field(default_factory=dict)
    known: pd.DataFrame | None = None
    differs: str = ""

    paper = PAPER
    claims = Path(__file__).with_name("claims.toml")
    title = "Hybrid network on {}"
    cover_figures = ("one_to_one", "F1_alpha_all_giants")
    gives = (
        "From Gaia's XP and RVS spectra, magnitudes and parallax of a star: temperature, gravity, "
        "metallicity and [alpha/M]."
    )
    headline = HEADLINE
    rejected = "Stars left out, with the reason."
    references, parts = REFERENCES, PARTS

    @property
    def truth(self):
        """Whose the true labels are."""
        return tables.truth_of(self.df)

    @property
    def looked_at(self):
        """How the stars of `worst` were chosen."""
        return f"More than three predicted errors off {self.truth}'s label, farthest first."

    @property
    def is_mock(self):
        """True where stars, or their RVS spectra alone, were made by a model."""
        return super().is_mock or self.made

    @property
    def made(self):
        """True where RVS spectra of real stars were made by a model."""
        return tables.SYNTHETIC in self.dataset

    @property
    def mark(self):
        """What every caption says where spectra were made by a model."""
        if self.made:
            return f" ({tables.SYNTHETIC})"
        return f" ({self.dataset})" if self.is_mock else ""

    @property
    def held_out(self):
        """True for the test split of a run; else nothing is known of what the network saw."""
        return self.config is not None and not self.real

    @property
    def metal(self):
        """The metallicity of [alpha/M] diagrams: m_h where there is one, else fe_h."""
        return giants.metal_of(self.df)

    @cached_property
    def located(self):
        """(table of distance, distance_source, R, Z; M_K relation), or the reason as a string."""
        try:
            return galactic.positions(self.df, metal=self.metal)
        except SuiteError as error:
            return str(error)

    @property
    def places(self):
        """Table of distance, distance_source, R, Z.

        Raises
        ------
        SuiteError
            If no star can be placed.
        """
        if isinstance(self.located, str):
            raise SuiteError(self.located)
        return self.located[0]

    @cached_property
    def bimodality(self):
        """Table of `rvs_hybrid.giants.bimodality`."""
        places = None if isinstance(self.located, str) else self.places
        return giants.bimodality(self.df, places, self.null)

    @cached_property
    def null(self):
        """Predictions of the null for the rows of `df`, see `rvs_hybrid.null`; None without it."""
        if self.known is None:
            return None
        return null.null_predictions(self.known, self.df, metal=self.metal)

    def tables(self, out):
        """Return {file name: (caption, DataFrame)} of every table that the predictions allow."""
        return _tables(self)

    def figures(self):
        """Return the list of `common.plots.Plot` of every figure, in order."""
        return plots(self)

    def measured(self, every):
        """Return {claim id: (value, data set)}: each is measured on a data set of its own."""
        return measure(every, self, parameters=self.about.get("parameters"))

    def judged(self):
        """Return the table of claims, each judged on the data it was measured on."""
        every = claims.load(self.claims)
        found, parts = self.measured(every), []
        for claim in every:
            value, dataset = found.get(claim.id, (np.nan, self.dataset))
            parts.append(claims.judge([claim], {claim.id: value}, dataset))
        return pd.concat(parts, ignore_index=True)

    def card(self, judged):
        """Return the section of published numbers."""
        return texts.published(judged)

    def banner(self):
        """Return what a reader must know first."""
        if self.is_mock and not self.made:
            return super().banner()
        never = " that the network never saw" if self.held_out else ""
        banner = f"Measured on: {self.dataset}, {len(self.df)} stars{never}."
        return f"{texts.MADE} {banner}" if self.made else banner

    def facts(self, source=None):
        """Return what it was made on and with, {name: value}; `source` is a file's name."""
        about, df = self.about, self.df
        config, versions = about.get("config") or {}, dict(about.get("versions") or {})
        commit = versions.pop("commit", None)
        has = ", ".join(
            f"{100 * df[f'has_{k}'].mean():.0f} % with {k}"
            for k in ("xp", "phot", "parallax", "rvs", "coefficients")
            if f"has_{k}" in df
        )
        return {
            "data set": self.dataset,
            "predictions from": source,
            "stars evaluated": f"{len(df)} ({has})" if has else f"{len(df)}",
            "split rule": texts.SPLIT if about else None,
            "stars": _listed(about.get("sizes")),
            "inputs": ", ".join(config.get("inputs") or ()) or None,
            "labels on the scale of": self.truth if config.get("label_scale") else None,
            "labels": ", ".join(config.get("labels") or ()) or None,
            "scale": config.get("scale"),
            "parameters": _listed(about.get("parameters")),
            "device": about.get("device"),
            "seed": config.get("seed"),
            "data fingerprint": about.get("data_fingerprint"),
            "timing (s)": _listed(about.get("timing")),
            "versions": _listed(versions),
            "commit": commit,
        }

    def worst(self):
        """Return the stars farthest from their labels."""
        return farthest(self.df, tuple(NAMES), ids="source_id", more=("g", "outside_limits"))

    def text_of(self, title, made):
        """Return the text of a section, which speaks of what its tables say."""
        if title == "Labels":
            return texts.labels(made, self.truth)
        return texts.errors(made) if title == "Errors" else texts.galaxy(self.located, made)

    def sections(self, made):
        """Return the sections of tables; their texts stand without any table too."""
        return [
            Section(title, self.text_of(title, made), dict(made[k] for k in names if k in made))
            for title, (_, names) in self.parts.items()
        ]

    def header(self, caption):
        """Return what the header of a table's file says."""
        return {"dataset": self.dataset, "caption": caption or None}

    def told(self, made):
        """Return what is printed of the tables, list of str."""
        return [_printed(made["labels"][1])] if "labels" in made else []

    def made_elsewhere(self, folder):
        """Return [(caption, PNG or None, reason)] of the figures of `explain`: one an input."""
        found = sorted(folder.glob("gradients*.png"))
        if not found:
            return [("gradients", None, f"run `{PAPER.module('explain')} --run-dir DIR` first")]
        text = "What the network looks at: gradients{}{}".format
        names = [p.stem.removeprefix("gradients").replace("_", " ").rstrip() for p in found]
        return [(text(name, self.mark), p, "") for name, p in zip(names, found, strict=True)]

    def cover(self, card, made, drawn):
        """Return what an overview of several papers shows: score card, labels, two figures."""
        section = super().cover(card, made, drawn)
        section.tables |= dict([made["labels"]] if "labels" in made else [])
        return section


def _tables(ev):
    """Return {file name: (caption, DataFrame)} of every table that the predictions allow."""
    df = ev.df
    truth = ev.truth
    sigma = f"medians: label_error is {truth}'s own error, aleatoric and ensemble are predicted"
    networks, alpha = dict(ev.variants), pd.DataFrame()
    if ev.null is not None:
        networks |= {null.NAME: ev.null} if networks else {}
        alpha = null.alpha_table(df, ev.null, metal=ev.metal)
    out = {
        "labels": (f"Bias and scatter, predicted minus {truth} (Teff in K, others in dex); "
                   f"{sigma}. null_mad_sigma: of the {null.ABOUT}",
                   tables.label_table(df, null=ev.null)),
        "alpha": ("[alpha/M] at fixed metallicity, beside the null. found: slope of predicted on "
                  "true [alpha/M], both less the null (1: all that it leaves, 0: nothing)", alpha),
        "limits": (f"What limits each label: shares of the squared MAD-sigma that {truth}'s own "
                   "errors and the disagreement of the ensemble make up; the rest is what the "
                   "inputs do not tell", tables.limits_table(df)),
        "variants": (f"Networks on the same stars, by their inputs, with as many members as the "
                     f"column says; {null.ABOUT}", tables.variant_table(networks, ev.members)),
        "protocols": ("The two rules for an ensemble, side by side: the precursors' sees the test "
                      "set in training", tables.protocol_table(df)),
        "coverage": ("Coverage of intervals, before and after calibration and of the bare "
                     "ensemble std; errors against the true scatter",
                     coverage_table(df, ev.calibrations)),
        "bimodality": ("[alpha/M] of giants: two Gaussians against one. bic_difference above 0 "
                       "favours two; valley is the density between the peaks over the lower peak "
                       "(1: no valley), p_valley the fraction of bootstrap samples with two peaks, "
                       "valley_counted the deepest valley of running counts, without a model; "
                       "beyond_null: bimodal, the valley deeper than the null's by 2 sigma",
                       ev.bimodality),
    }  # fmt: skip
    for column, (text, _) in tables.BINS.items():
        out[f"by_{column}"] = (f"Bias and scatter by {text}", tables.binned_table(df, column))
    out = {k: (v[0] + ev.mark, v[1]) for k, v in out.items()}
    if not isinstance(ev.located, str):
        named = ev.df[[c for c in ("source_id",) if c in ev.df]]
        out["positions"] = ("", named.join(ev.places))
    return out


def _listed(values):
    """Return {name: value} as text, None where there is nothing."""
    if not isinstance(values, dict) or not values:
        return None
    return ", ".join(
        f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in values.items()
    )


def _printed(table):
    """Return the table of labels as text."""
    shown = table[["label", "stars", *tables.STATISTICS]].copy()
    for column in tables.STATISTICS[1:]:
        shown[column] = [f"{v:.0f}" if k == "teff" else f"{v:.3f}"
                         for k, v in zip(shown["label"], shown[column], strict=True)]  # fmt: skip
    return shown.to_string(index=False)
