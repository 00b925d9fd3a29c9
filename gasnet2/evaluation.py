"""What an evaluation of classes and redshifts holds, measures and says."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from common import claims, evaluation
from common.evaluation import Beside
from common.headline import Score
from common.report import claims_section
from gasnet2 import samples, tables, tables_peer, tables_real, tables_trust
from gasnet2.config import PAPER, SDSS_CLASSES, extragalactic
from gasnet2.figures.plots import plots
from gasnet2.measured import measure

REFERENCES = (
    "Zhong F. et al. 2024, MNRAS 532, 643 (arXiv:2311.04146): GaSNet-II, the paper reproduced here",
    "Bolton A. S. et al. 2012, AJ 144, 144: classes and redshifts of SDSS",
    "Ahumada R. et al. 2020, ApJS 249, 3: SDSS DR16",
    "DESI Collaboration 2024, AJ 168, 58: the DESI early data release",
    "Okabe M., Ito K. 2008: the colours of the figures",
)
PARTS = {  # section: (text, names of its tables)
    "Measured": (
        "What each column means: see the captions. GF is the fraction with Bias below 0.0015 "
        "(galaxies) or 0.015 (quasars); outlier_fraction the fraction with |dz| above 0.01 "
        "(galaxies) or 0.05 (quasars). Of n rows n_failed have no redshift: GF, outlier_fraction "
        "and robust_fraction are of all n and count those as bad; MAE, mean_dz, nmad and the "
        "fraction with t <= 3 are of the n_measured others.",
        ("classes", "redshift", "redshift_point", "redshift_routed", "coarse", "models"),
    ),
    "Real spectra beside the survey": (
        "Real spectra that are at hand are rarely the survey's: brighter, nearer. Weighted, each "
        "counts as much as SDSS has of its like: the paper's classes alike, in 4 bins of redshift "
        "by the S/N bins of Fig. 14. What no spectrum here covers is not spoken for (covered).",
        ("beside_survey", "reweighted", "fine"),
    ),
    "Beside a peer": (
        "On the spectra that both have, by S/N; ours are the redshifts of the predicted class.",
        ("peer",),
    ),
    "Template network": (
        "Not the paper's network: what it says of its own answers, against the truth.",
        ("trust", "cuts", "errors", "velocities"),
    ),
}
SAMPLE = ("mean_z", "mean_snr", "z_min", "z_max", "sample_size", "tested", "n_train",
          "val_accuracy", "val_loss", "val_mae", "parameters", "seconds_to_classify",
          "seconds_per_spectrum_core")  # fmt: skip
REDSHIFTS = {  # prefix of the columns: (table, caption)
    "z": ("redshift", "Redshifts by the true class (the paper's protocol)"),
    "z_point": ("redshift_point", "Point estimates: the ensemble's first member"),
    "z_routed": ("redshift_routed", "Redshifts of the predicted class: what a user gets"),
}


LOOKED_AT = ("id", "snr", "class_true", "class_pred", "z_true", "z_routed_pred", "p_right")
HEADLINE = (
    Score("fraction with the right coarse class (star, galaxy, quasar)",
          {"coarse": {"class": "all"}}, "accuracy", "sdss-accuracy-coarse"),
    Score("mean |dz| / (1 + z), galaxies", {"coarse": {"class": "GALAXY"}}, "mean_dz",
          "sdss-dz-galaxies", n="n_z"),
    Score("mean |dz| / (1 + z), quasars", {"coarse": {"class": "QSO"}}, "mean_dz",
          "sdss-dz-quasars", n="n_z"),
    Score("fraction of galaxies with z good to 0.0015", {"coarse": {"class": "GALAXY"}}, "gf",
          n="n_z"),
    Score("fraction of quasars with z good to 0.015", {"coarse": {"class": "QSO"}}, "gf", n="n_z"),
)  # fmt: skip


@dataclass(kw_only=True)
class Evaluation(evaluation.Evaluation):
    """One evaluation; see `common.evaluation.Evaluation`.

    Attributes
    ----------
    classes : tuple of str
        In order of label.
    survey : {"sdss", "fourmost", "desi"}
        Whose claims are judged.
    validation_mae : dict of str to float
        Class → MAE on the validation set.
    contaminated : dict of int to DataFrame
        Per cent of shuffled labels → predictions (App. A).
    sample : DataFrame or None
        Every spectrum before the split, as `gasnet2.samples.before_split` returns it.
    peer : DataFrame or None
        Somebody else's classes and redshifts, as `gasnet2.tables_peer.read_peer` returns them.
    own, real_spectra : tuple of (DataFrame, ndarray) or None
        Labels and flux of the run's data, and of the files of an evaluation on files.
    explained : DataFrame or None
        Gradients, as `gasnet2.explain.explain_run` returns them.
    """

    classes: tuple
    survey: str
    validation_mae: dict = field(default_factory=dict)
    contaminated: dict = field(default_factory=dict)
    sample: pd.DataFrame | None = None
    peer: pd.DataFrame | None = None
    own: tuple | None = None
    real_spectra: tuple | None = None
    explained: pd.DataFrame | None = None

    paper = PAPER
    claims = Path(__file__).with_name("claims.toml")
    title = "GaSNet-II on {}"
    cover_figures = ("B1_coarse", "F12_confusion", "F15_mc")
    gives = (
        "From a spectrum of SDSS, DESI, 4MOST or LAMOST: star, galaxy or quasar, which kind of it, "
        "and the redshift."
    )
    headline = HEADLINE
    looked_at = (
        "Wrong coarse class, or redshift of the predicted class wrong beyond 0.01 (galaxies) or "
        "0.05 (quasars), brightest first."
    )
    beside = Beside(
        "Real spectra",
        "The networks of this run on real spectra that they never saw the like of in training. "
        "Each table: coarse accuracy, and redshifts from the predicted class. Reports of their own "
        "are in the folders on_*.",
        "coarse",
        {
            "mock_beside_real": "Mock (blue) beside real (red) spectra",
            "failures": "Failures on real spectra, brightest first",
            "B1_coarse": "Coarse confusion on real spectra",
        },
    )
    references, parts = REFERENCES, PARTS

    @property
    def training(self):
        """Fields of the configuration that the report names."""
        own = ("members", "initialiser")
        if self.config is not None and self.config.is_templates:
            own = ("network", "per_class", "channels", "depth", "maps", "use_ivar")
        return (*own, "epochs", "batch_size", "learning_rate", "schedule")

    @property
    def elsewhere(self):
        """Figures that `explain` draws of the template network: name -> (caption, verb)."""
        if self.config is None or not self.config.is_templates:
            return {}
        return {
            "templates": ("Template network: what it learned of each class, at rest; a row a map, "
                          "known lines marked", "explain"),
            "evidence": ("Template network: what each wavelength adds to the best solution over "
                         "the second", "explain"),
        }  # fmt: skip

    @property
    def z_scale(self):
        """What the redshift labels were multiplied by."""
        return getattr(self.config, "z_scale", 10.0)

    @property
    def shown(self):
        """What Tables 1-3 and Figs 3, 4, 7, 9 are of, in words; the paper's are of all."""
        if self.sample is not None:
            return f"the whole sample of {len(self.sample)} spectra, before the split"
        if self.real:
            return f"the {len(self.df)} spectra of the files"
        if self.config is not None or "split" in self.df:
            return f"the {len(self.df)} test spectra"
        return f"the {len(self.df)} rows of the table"

    def tables(self, out):
        """Return {file name: (caption, DataFrame)} of every table that the predictions allow."""
        df, made = self.df, {}
        made["classes"] = (
            f"As Tables 1-3: num, z and S/N of {self.shown}; n and accuracy of those tested",
            tables.class_table(df, self.classes, sample=self.sample),
        )
        for prefix, (name, caption) in REDSHIFTS.items():
            if {"z_true", f"{prefix}_pred"} <= set(df) and df[f"{prefix}_pred"].notna().any():
                table = tables.metrics_table(df, extragalactic(self.classes), prefix=prefix,
                                             validation_mae=self.validation_mae)  # fmt: skip
                made[name] = (caption, table)
        if "class_pred" in df:
            made["coarse"] = (
                "Coarse classes, and redshifts of the predicted class",
                tables.coarse_table(df),
            )
            for merge, name in ((False, "confusion"), (True, "confusion_coarse")):
                table = tables.confusion_table(df, self.classes, merge=merge).reset_index()
                kind = "coarse classes" if merge else "classes"
                made[name] = (f"Confusion of {kind}: columns are true, each sums to 1", table)
        if {"p_right", "coarse_pred", "coarse_true", "z_routed_pred"} <= set(df):
            made["trust"] = (
                "Template network: fraction right (coarse class, and redshift within the limits "
                "of Sect. 4.1) in bins of the probability said",
                tables_trust.reliability_table(df),
            )
            made["cuts"] = (
                "Template network: completeness and purity against a cut in the probability",
                tables_trust.cut_table(df),
            )
            made["velocities"] = (
                "Template network: velocities of stars, predicted minus true, km/s",
                tables_trust.velocity_table(df),
            )
            made["errors"] = (
                "Template network: right solutions within 1 and 2 z_err of the truth",
                tables_trust.error_table(df),
            )
        made |= self._of_real() if self.real and "class_pred" in df else {}
        if self.peer is not None:
            made["peer"] = (
                f"Ours beside {self.peer.attrs['name']}",
                tables_peer.peer_table(df, self.peer),
            )
        if self.history is not None and len(self.history):
            made["models"] = (
                "As Table 4: networks (redshift losses divided by the labels' scale)",
                tables.model_table(
                    self.history, z_scale=self.z_scale, parameters=self.about.get("parameters")
                ),
            )
        return made

    def _of_real(self):
        """Return the tables of real spectra: in the paper's classes, and beside the survey."""
        fine = tables_real.fine_table(self.df, self.classes)
        made = {
            "fine": (f"Accuracy in {len(self.classes)} classes, of spectra that have one", fine)
        }
        if self.survey == "sdss" and {"z_true", "z_routed_pred", "snr"} <= set(self.df):
            made["beside_survey"] = (
                "S/N and redshifts of these spectra beside SDSS's",
                tables_real.beside_survey(self.df),
            )
            made["reweighted"] = (
                "As they are, and weighted to SDSS's S/N and redshifts",
                tables_real.reweighted_table(self.df),
            )
        return made

    def figures(self):
        """Return the list of `common.plots.Plot` of every figure, in order."""
        return plots(self)

    def measured(self, every):
        """Return {claim id: value} for the claims that the evaluation speaks to.

        Those are the claims on its survey; on files, not those about the sample or the training,
        and with the redshifts that a user gets.
        """
        if set(self.classes) > set(SDSS_CLASSES) and not self.real:
            return {}  # a mixture of surveys, of which the paper says nothing
        mine = [c for c in every if c.dataset == self.survey]
        if self.real:
            mine = [c for c in mine if c.measure.get("metric") not in SAMPLE]
        has_point = "z_point_pred" in self.df and self.df["z_point_pred"].notna().any()
        df, classes = self.df, self.classes
        if set(classes) > set(SDSS_CLASSES) and "class_13_pred" in df:  # the paper knows 13
            df, classes = df.assign(class_pred=df["class_13_pred"]), SDSS_CLASSES
        return measure(
            mine,
            df,
            history=self.history,
            config=self.about.get("config"),
            timing=self.about.get("timing"),
            validation_mae=self.validation_mae,
            z_scale=self.z_scale,
            parameters=self.about.get("parameters"),
            contaminated=self.contaminated,
            point_is_mean=not has_point,
            classes=classes,
            routed=self.real,
            sample=self.sample,
        )

    def judged(self):
        """Return the table of claims; those of other surveys are untested."""
        every = claims.load(self.claims)
        return claims.judge(every, self.measured(every), self.dataset)

    def card(self, judged):
        """Return the section of published numbers, for real files too."""
        return claims_section(judged, dataset=self.dataset, survey=self.survey,
                              subject=self.survey, place=f"{self.survey} itself")  # fmt: skip

    def worst(self):
        """Return the objects with a wrong coarse class or redshift."""
        if not {"class_true", "class_pred", "z_true", "z_routed_pred", "snr"} <= set(self.df):
            return None
        limits = {k: tables.outlier_limit(k) for k in ("GALAXY", "QSO")}
        bad = self.df.iloc[samples.failed(self.df, limits=limits)]
        return bad[[c for c in LOOKED_AT if c in bad]]

    def tested(self):
        """Return how many spectra were tested, in words."""
        return f"{len(self.df)} of {self.df['class_true'].nunique()} classes"

    def told(self, made):
        """Return what is printed of the tables, list of str."""
        out = [_printed(made["redshift"][1])] if "redshift" in made else []
        if "fine" in made and len(made["fine"][1]):
            whole = made["fine"][1].set_index("class").loc["all"]
            out.append(f"{len(self.classes)} classes: accuracy {whole['accuracy']:.3f} of the "
                       f"{whole['n']:.0f} spectra that have one")  # fmt: skip
        for name in ("reweighted", "peer"):
            if name in made and len(made[name][1]):
                out.append(f"{made[name][0]}:\n{evaluation.as_text(made[name][1], '.3f')}")
        if "coarse" in made:
            coarse = made["coarse"][1].set_index("class")
            if "all" in coarse.index:
                overall, n = coarse.loc["all", ["accuracy", "n"]]
                out.append(
                    f"coarse class accuracy {overall:.3f} on {n:.0f} spectra ({self.dataset})"
                )
        return out


def _printed(table):
    """Return the redshift table as text, to the digits that the paper prints."""
    digits = {"mae": 4, "mean_dz": 4, "gf": 3, "frac_t_le_3": 3, "outlier_fraction": 3}
    digits |= {f"gf_snr_{k}": 2 for k in tables.SNR_BINS}
    shown = table[["class", "n", "n_failed", *digits]].copy()
    for name, places in digits.items():
        shown[name] = [f"{v:.{places}f}" if np.isfinite(v) else "-" for v in shown[name]]
    return shown.to_string(index=False)
