"""What an evaluation of solar-like stars holds, measures and says."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from common import evaluation
from common.errors import SuiteError
from common.evaluation import Beside, as_text
from common.headline import Score
from common.worst import farthest
from solarlike_distance import galaxy, tune
from solarlike_distance.config import PAPER, TARGETS
from solarlike_distance.figures.plots import plots
from solarlike_distance.measured import measure
from solarlike_distance.tables import application, comparison, gradients, recovery
from solarlike_distance.tables import scatter as tables
from solarlike_distance.tables.rows import any_mock

REFERENCES = (
    "Shen Y.-Y., Luo A-L. 2024, A&A, doi:10.1051/0004-6361/202450164: the paper reproduced here",
    "Abdurro'uf et al. 2022, ApJS 259, 35: APOGEE DR17; Bailer-Jones C. A. L. et al. 2021, AJ 161, "
    "147: geometric distances; Andrae R. et al. 2023, A&A 674, A27: GSP-Phot",
    "Lindegren L. et al. 2021, A&A 649, A4: zero point of Gaia's parallaxes",
    "GRAVITY Collaboration 2018, A&A 615, L15; Bennett M., Bovy J. 2019, MNRAS 482, 1417; Reid "
    "M. J., Brunthaler A. 2004, ApJ 616, 872: the Sun's place in the Galaxy",
    "Cook J. R., Stefanski L. A. 1994, JASA 89, 1314: gradients corrected for errors (SIMEX)",
    "Lundberg S. M., Lee S.-I. 2017, NIPS; Sundararajan M. et al. 2017, ICML: attributions",
    "Okabe M., Ito K. 2008: the colours of the figures",
)
PARTS = {  # section: (text, names of its tables)
    "Labels and distances": (
        "Predicted less label. Labels: APOGEE's Teff, log g and [Fe/H], M_G from the geometric "
        "distance and Gaia's G and A_G, (BP-RP)_0; the distance is the mode of the posterior "
        "(Eqs. 3-5). Fractions are (predicted - geometric) / geometric. The paper's 3.7 % and 8.2 "
        "% are the median and the standard deviation of the absolute fraction, as its released "
        "notebook computes them (`median_abs_fraction`, `sd_abs_fraction`); those of the signed "
        "one stand beside them.",
        ("selection", "scatter", "scatter_planted", "distance", "by_snr_g", "by_teff", "by_logg",
         "by_feh", "binaries"),
    ),
    "Errors": (
        "How often the 68 % interval of each label, and 16 to 84 % of the distance posterior, hold "
        "the label.",
        ("coverage",),
    ),
    "Model comparison": (
        "Mean squared errors on the same test set (Table C.1). The weights of the paper's mean are "
        "not printed; they follow from its eleven rows (a non-negative least-squares fit leaves "
        "less than 0.00003). `stars` and `pixels` are what a model learned from: where they are "
        "fewer than the network's, `CNN, their input` is the same network on the others' input. "
        "`stands_for` is the model of Table C.1 in whose place it is: without AutoGluon these are "
        "LightGBM's and scikit-learn's own, and no claim about AutoGluon's is judged on them.",
        ("baselines",),
    ),
    "Other catalogues": (
        "First less second; fractions are of the second. Parameters after the cuts of Sect. 4.3.",
        ("catalogues", "surveys", "problems"),
    ),
    "Metallicity gradients": (
        "`gradient` and its error are the paper's: a least-squares line. `corrected` puts [Fe/H] "
        "on the labels' scale and takes out what errors of distance and [Fe/H] do (SIMEX); its "
        "error holds theirs, and the sampling of stars. `plane` fits both gradients to all stars "
        "at once. `off` is corrected less planted, which are of the same stars, in units of the "
        "error of this difference.",
        ("gradients_radial", "gradients_vertical", "recovery_summary", "recovery", "corrected"),
    ),
    "Real spectra": (
        "Predictions less the catalogue's parameters (LASP's where nothing else is said), which "
        "have errors and a scale of their own.",
        ("real", "objects"),
    ),
}  # fmt: skip
TUNED = (
    "Predicted less label: LASP's Teff, log g and [Fe/H], of stars that were held apart. The "
    "networks began as those of the run named above and were trained on with such stars; of M_G "
    "and (BP-RP)_0, which LASP lacks, they keep what they said, and the scatter measured there."
)
ELSEWHERE = {  # figures of `explain`
    "F15_shap_teff": (
        "As Fig. 15: normalised mean |SHAP| of hot (> 5000 K) and cool stars", "explain"
    ),
    "F16_shap_feh": (
        "As Fig. 16: normalised mean |SHAP| of metal-poor (< 0) and metal-rich stars", "explain"
    ),
    "attributions": ("SHAP, integrated gradients and gradients side by side", "explain"),
}  # fmt: skip


SOLAR = {"stars": "solar-like, S/N_g >= 10"}
HEADLINE = (
    *(
        Score(f"scatter of {name}, {unit}",
              {"scatter": {"quantity": name}, "real": {"quantity": name, **SOLAR}}, "sd", claim)
        for name, unit, claim in (("Teff", "K", "scatter-teff"), ("log g", "dex", "scatter-logg"),
                                  ("[Fe/H]", "dex", "scatter-feh"), ("M_G", "mag", "scatter-mg"))
    ),
    Score("median absolute fractional distance error", {"distance": {"distance": "all"}},
          "median_abs_fraction", "fraction-median"),
)  # fmt: skip


@dataclass(kw_only=True)
class Evaluation(evaluation.Evaluation):
    """One evaluation; see `common.evaluation.Evaluation`.

    Attributes
    ----------
    df : DataFrame
        Predictions of the test split (or of real files).
    everything : DataFrame
        All rows that were saved: of the reference set those that were held out.
    counts, baselines : DataFrame or None
        Spectra left after each cut; Table C.1 of this run.
    catalogue : DataFrame or None
        The network's catalogue of many stars, where one is given.
    external : list of comparison.External
        Catalogues to compare with.
    isochrones : DataFrame or None
    published : dict
        Name → {"radial": table, "vertical": table}: gradients by others, for Fig. 14.
    explained : int or None
        Stars that SHAP explained.
    law : DataFrame or None
        Gradients that a mock Galaxy was given (`galaxy.law_table`).
    examples : list of dict
        Spectra for Fig. B.1.
    """

    everything: pd.DataFrame
    counts: pd.DataFrame | None = None
    baselines: pd.DataFrame | None = None
    catalogue: pd.DataFrame | None = None
    external: list = field(default_factory=list)
    isochrones: pd.DataFrame | None = None
    published: dict = field(default_factory=dict)
    explained: int | None = None
    law: pd.DataFrame | None = None
    examples: list = field(default_factory=list)
    _kept: dict = field(default_factory=dict, repr=False)

    paper = PAPER
    claims = Path(__file__).with_name("claims.toml")
    title = "Solar-like stars: parameters and distances on {}"
    survey, subject, place = "lamost", "LAMOST", "LAMOST itself"
    training = ("epochs", "batch_size", "learning_rate", "schedule", "members", "folds")
    printed = ("scatter", "real", "distance", "baselines", "catalogues", "recovery_summary")
    others = ("baselines",)  # the comparison's own file says more
    elsewhere = ELSEWHERE
    cover_figures = ("F5_predicted_true", "F14_gradients")
    gives = (
        "From a LAMOST spectrum of a star like the Sun: temperature, gravity, metallicity and "
        "absolute magnitude, and with Gaia's magnitudes the distance."
    )
    headline = HEADLINE
    looked_at = "More than three errors off a label, farthest first."
    beside = Beside(
        "Mock → real",
        "The networks of this run on real spectra: predictions less the catalogue's parameters. "
        "Reports of their own are in the folders on_*.",
        "real",
        {"real": "Real spectra"},
    )
    references, parts = REFERENCES, PARTS

    @classmethod
    def command(cls, config):
        """Return how a configuration is trained, a tuned one from the run that it began with."""
        return tune.command(config) if config.tuned_from else super().command(config)

    @property
    def is_mock(self):
        """True where networks or stars are simulated: no number of it speaks of the survey."""
        return super().is_mock or any_mock(self.df)

    @property
    def parameters(self):
        """Parameters of the network, {name: number}; None where they are not known."""
        return self.about.get("parameters")

    @property
    def stars(self):
        """The catalogue where there is one; else every star that the networks did not learn."""
        return self.everything if self.catalogue is None else self.catalogue

    @property
    def applied(self):
        """Of `stars` those of the paper's kind, which Figs. 8-14 are of (`application.of_kind`)."""
        return self._value("applied", lambda: self.stars[
            application.of_kind(self.stars, self.config)].reset_index(drop=True))  # fmt: skip

    def tables(self, out):
        """Return {file name: (caption, DataFrame)} of every table that the predictions allow."""
        return _tables(self)

    def worst(self):
        """Return the stars farthest from their labels."""
        return farthest(self.df, TARGETS, more=("snr_g", "flag"))

    def figures(self):
        """Return the list of `common.plots.Plot` of every figure, in order."""
        return plots(self)

    def measured(self, every):
        """Return {claim id: value} for the claims that the evaluation speaks to."""
        return measure(every, self)

    def facts(self, source=None):
        """Return what it was made on and with, {name: value}."""
        first = dict.fromkeys(("measured on", "spectra in the test", "stars of the catalogue",
                               "predictions from", "input", "tuned from",
                               "pixels out of range"))  # fmt: skip
        return first | super().facts(source) | {
            "stars of the catalogue": self._stars_told(),
            "input": None if self.config is None else self.config.input,
            "tuned from": self.about.get("begun_as"),
            "pixels out of range": (self.about.get("config") or {}).get("out_of_range"),
        }  # fmt: skip

    def _stars_told(self):
        if self.catalogue is None:
            return None
        kind = " (simulated)" if any_mock(self.catalogue) else ""
        return (f"{len(self.catalogue)}{kind}, {len(self.applied)} of them solar-like and of S/N_g "
                "of 10 or more: Figs. 8-14, Tables 3, 4")  # fmt: skip

    def text_of(self, title, made):
        """Return the text of a section: a tuned network's labels are LASP's."""
        if title == "Labels and distances" and self.config is not None and self.config.tuned_from:
            return TUNED
        return super().text_of(title, made)

    def told(self, made):
        """Return what is printed of the tables, list of str."""
        return [as_text(made[name][1], ".4g") for name in self.printed if name in made]

    def _value(self, key, function):
        """Return what a function gives, asked once; None where it cannot."""
        if key not in self._kept:
            try:
                self._kept[key] = function()
            except SuiteError:
                self._kept[key] = None
        return self._kept[key]

    def distances(self):
        """Return our and the others' distances (`comparison.distances`), None without others."""
        if (
            not any("distance_pc" in o.df for o in self.external)
            or "distance_pred" not in self.stars
        ):
            return None
        return self._value("distances", lambda: comparison.distances(self.applied, self.external))

    def galaxy(self):
        """Return positions and metallicities of the stars, None where they are not known."""
        return self._value("galaxy", lambda: gradients.of_table(self.applied))

    def gradients(self):
        """Return {"radial": Table 3, "vertical": Table 4} of the stars, {} without positions."""
        table = self.galaxy()
        if table is None:
            return {}
        where = dict(R=table["R"], Z=table["Z"], feh=table["feh"])
        return {kind: getattr(gradients, kind)(**where) for kind in recovery.BOTH}

    def recovery(self):
        """Return planted and found gradients (`recovery.recovery_table`), None without truth."""
        return self._value("recovery", self._recovery)

    def corrected(self):
        """Return gradients corrected for the network's errors, None where these are not known."""
        return self._value("corrected", lambda: recovery.corrected(self.applied, self.everything))

    def _recovery(self):
        needed = {"feh_planted", "distance_planted", "ra", "dec", "feh_pred", "distance_pred"}
        stars = self.applied
        if not needed <= set(stars) or not stars["feh_planted"].notna().any():
            raise SuiteError("no planted gradients are known")
        seed = 1 if self.config is None else self.config.seed
        table = recovery.recovery_table(stars, self.everything, seed=seed)
        return table if self.law is None else galaxy.with_law(table, self.law)


def _tables(ev):
    """Return {file name: (caption, DataFrame)} of every table that the predictions allow."""
    df, out = ev.df, {}
    if ev.counts is not None and not ev.real:
        out["selection"] = ("As Table 2: spectra left after each cut", ev.counts)
    if ev.real:
        out["real"] = ("Predicted less the catalogue's parameters", _on_real(ev))
        out["objects"] = ("One by one", object_table(df))
    else:
        out["scatter"] = ("As Fig. 5: predicted less label", tables.scatter_table(df))
    planted = tables.scatter_table(df, against="planted")
    out["scatter_planted"] = ("The same against what was planted in the mock", planted)
    out["distance"] = ("As Figs. 5-7: error of the distance (pc) and its fraction",
                       tables.distance_table(df))  # fmt: skip
    for by, name in (("snr_g", "S/N_g"), ("teff", "Teff"), ("logg", "log g"), ("feh", "[Fe/H]")):
        out[f"by_{by}"] = (f"As Fig. 6: bias and scatter in bins of {name}",
                           tables.binned_table(df, by))  # fmt: skip
    out["binaries"] = ("Unresolved binaries of the mock (Sect. 3.3)", tables.binary_table(df))
    out["coverage"] = ("Labels inside the 68 % intervals", tables.coverage_table(df))
    if ev.baselines is not None:
        out["baselines"] = ("As Table C.1: mean squared errors on the test set", ev.baselines)
    return out | _compared(ev) | _galactic(ev)


def _compared(ev):
    out = {}
    found = ev.distances()
    if found is not None:
        out["catalogues"] = ("As Fig. 10: pairs of distances (pc)",
                             comparison.distance_table(found, ev.external))  # fmt: skip
    if any(o.is_survey for o in ev.external):
        out["surveys"] = ("As Fig. 11: this work less a survey's parameters",
                          comparison.parameter_table(ev.applied, ev.external))  # fmt: skip
    problems = tables.problem_counts(ev.applied)
    if problems.get("all"):
        out["problems"] = ("As Fig. 8: spectra without a good distance", pd.DataFrame([problems]))
    return out


def _galactic(ev):
    out = {}
    for kind, table in ev.gradients().items():
        number = {"radial": 3, "vertical": 4}[kind]
        out[f"gradients_{kind}"] = (f"As Table {number}: {kind} gradients (kpc, dex)", table)
    table = ev.recovery()
    if table is not None:
        out["recovery"] = ("Planted gradients and what is found of them (dex/kpc)",
                           table.assign(at=table["at"].astype(str)))  # fmt: skip
        out["recovery_summary"] = ("Do the planted gradients come back?", recovery.summary(table))
    elif not ev.real:
        table = ev.corrected()
        if table is not None:
            out["corrected"] = ("Gradients corrected for the network's errors (dex/kpc)",
                                table.assign(at=table["at"].astype(str)))  # fmt: skip
    return out


def _on_real(ev):
    """Return bias and scatter on real spectra, empty where none has all three parameters."""
    if not {"teff_true", "logg_true", "feh_true", "snr_g"} <= set(ev.df):
        return pd.DataFrame()
    return tables.real_table(ev.df, ev.config)


def object_table(df):
    """Return real spectra one by one."""
    names = ["id", "file", "release", "subclass", "snr_g", "flag", "warning"]
    names += [f"{k}_{of}" for k in tables.QUANTITIES for of in ("true", "pred", "sigma")]
    table = df[[n for n in names if n in df and df[n].replace("", np.nan).notna().any()]].copy()
    if "file" in table:
        table["file"] = [Path(str(f)).name for f in table["file"]]
    return table
