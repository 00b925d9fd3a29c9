"""What an evaluation is made from, and which figures it draws, or why not."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from common.errors import SuiteError
from common.figures import Figure, curve_panel, save, styled
from rvs_hybrid import bimodality, galactic
from rvs_hybrid.config import GIANT
from rvs_hybrid.figures import alpha as figures_alpha
from rvs_hybrid.figures import labels as figures
from rvs_hybrid.tables import BINS, SYNTHETIC, labels_of

UPPER_GIANTS = 2.2  # dex: the proceedings' Fig. 1 shows giants of lower log g
LOW_SNR = (15, 25)  # RVS S/N of the proceedings' Fig. 1
BULGE = 4.0  # kpc: default, "the bulge region" of the proceedings has no number
SAMPLES = (("true", "APOGEE labels"), ("pred", "predictions"))


@dataclass
class Evaluation:
    """Everything that figures and tables of one evaluation are made from.

    Attributes
    ----------
    df : DataFrame
        Predictions of held-out stars.
    dataset : str
        What they were made on, in words ("gaia-apogee").
    config : dict
        Of the run; empty for a table made elsewhere.
    calibrations : dict of str to common.calibration.Calibration
    variants : dict of str to DataFrame
        Name → predictions of other networks for the same stars, this run's own first.
    history : DataFrame or None
    suffix : str
        What was added to the data set's name, such as " (smoke scale)".
    held_out : bool
        These are stars of the run's test split; else nothing is known of what the network saw.
    """

    df: pd.DataFrame
    dataset: str
    config: dict = field(default_factory=dict)
    calibrations: dict = field(default_factory=dict)
    variants: dict = field(default_factory=dict)
    history: pd.DataFrame | None = None
    suffix: str = ""
    held_out: bool = True

    @property
    def metal(self):
        """The metallicity of [alpha/M] diagrams: m_h where there is one, else fe_h."""
        return "m_h" if "m_h" in labels_of(self.df) else "fe_h"

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

    def title(self, text):
        """Return a figure's title: with the data set's name, so that a mock's is seen."""
        return f"{text}\n{self.dataset}{', held-out stars' if self.held_out else ''}"

    def giants(self, limit, low_snr=False):
        """Return the mask of giants by predicted log g, inside the training limits."""
        if "logg_pred" not in self.df:
            raise SuiteError("the predictions have no log g")
        keep = np.array(self.df["logg_pred"] < limit)
        if "outside_limits" in self.df:
            keep &= ~self.df["outside_limits"].fillna(False).to_numpy(bool)
        if low_snr:
            snr = self.df.get("snr_rvs", pd.Series(np.nan, self.df.index))
            keep &= ((snr > LOW_SNR[0]) & (snr < LOW_SNR[1])).to_numpy()
        return keep

    def samples(self, keep):
        """Return {name: (metallicity, alpha)} of labels and predictions for some stars.

        Raises
        ------
        SuiteError
            If metallicity or [alpha/M] is missing.
        """
        if not {self.metal, "alpha_m"} <= set(labels_of(self.df)):
            raise SuiteError("needs a metallicity and [alpha/M], true and predicted")
        df = self.df[keep]
        return {
            text: tuple(df[f"{k}_{end}"].to_numpy(float) for k in (self.metal, "alpha_m"))
            for end, text in SAMPLES
        }

    @cached_property
    def bimodality(self):
        """Table of `rvs_hybrid.bimodality.bimodality_table` for giants; empty if it cannot be."""
        try:
            keep = self.giants(GIANT)
            samples = self.samples(keep)
        except SuiteError:
            return pd.DataFrame()
        upper = self.giants(UPPER_GIANTS)[keep]
        bins = {f"all giants, log g < {GIANT}": np.ones(keep.sum(), bool),
                f"all giants, log g < {UPPER_GIANTS}": upper}  # fmt: skip
        low = self.giants(UPPER_GIANTS, low_snr=True)[keep]
        if low.any():
            bins[f"log g < {UPPER_GIANTS}, RVS S/N {LOW_SNR[0]} to {LOW_SNR[1]}"] = low
        if not isinstance(self.located, str):
            places = self.places[keep]
            bins[f"R < {BULGE:g} kpc, log g < {GIANT}"] = (places["R"] < BULGE).to_numpy()
            r, z = galactic.R_EDGES, galactic.Z_EDGES
            for (i, j), here in galactic.bins(R=places["R"], Z=places["Z"]).items():
                text = f"R {r[i]:g}-{r[i + 1]:g}, |Z| {z[j]:g}-{z[j + 1]:g} kpc"
                bins[f"{text}, log g < {GIANT}"] = here
        return bimodality.bimodality_table(samples, bins=bins)


def _alpha(ev, limit, low_snr=False):
    keep = ev.giants(limit, low_snr)
    places = ev.places[keep]
    ev.samples(keep)  # raises where there is no [alpha/M]
    snr = f", RVS S/N {LOW_SNR[0]}-{LOW_SNR[1]}" if low_snr else ""
    shares = places["distance_source"].value_counts(normalize=True)
    text = ", ".join(f"{k} {100 * v:.0f} %" for k, v in shares.items())
    return figures_alpha.alpha_metallicity(
        ev.df[keep].reset_index(drop=True), places.reset_index(drop=True), ev.metal,
        ev.title(f"Giants of predicted log g < {limit}{snr}; distances: {text}"),
    )  # fmt: skip


def _histograms(ev):
    samples = ev.samples(ev.giants(GIANT))
    return figures_alpha.alpha_histograms(
        samples, ev.metal, ev.title(f"[alpha/M] of giants, predicted log g < {GIANT}")
    )


@styled
def _training(ev):
    needed = {"network", "epoch", "loss", "val_loss"}
    if ev.history is None or not needed <= set(ev.history):
        raise SuiteError("no training history is here")
    figure = Figure(figsize=(7, 4), layout="constrained")
    low = ev.history[["loss", "val_loss"]].min().min()
    curve_panel(figure.subplots(), ev.history, ("loss", "val_loss"), ylabel="loss", log=low > 0)
    return figure


def _against(ev, column):
    if column not in ev.df or not ev.df[column].notna().any():
        raise SuiteError(f"the predictions have no {column}")
    text = BINS[column][0]
    return figures.residuals_against(ev.df, column, text, ev.title(f"Residuals against {text}"))


def catalogue(ev):
    """Return [(file name, caption, function)] of every figure, in order."""
    df, cal, f = ev.df, ev.calibrations, figures
    metal = "[M/H]" if ev.metal == "m_h" else "[Fe/H] (no [M/H] in these data)"
    fig1 = (
        f"As Fig. 1 of the proceedings: [alpha/M] against {metal} in bins of galactocentric R and "
        "|Z|; in each bin APOGEE's labels above, predictions for the same stars below. "
    )
    return [
        ("one_to_one", "Predictions against APOGEE's labels: density, running median and 16-84 %",
         lambda: f.one_to_one(df, ev.title("Predictions against labels"))),
        ("F1_alpha", f"{fig1}Giants of log g < {UPPER_GIANTS}, as in the paper, at any S/N",
         lambda: _alpha(ev, UPPER_GIANTS)),
        ("F1_alpha_low_snr", f"{fig1}The paper's selection: log g < {UPPER_GIANTS}, RVS S/N "
         f"{LOW_SNR[0]} to {LOW_SNR[1]}", lambda: _alpha(ev, UPPER_GIANTS, True)),
        ("F1_alpha_all_giants", f"{fig1}All giants, log g < {GIANT}", lambda: _alpha(ev, GIANT)),
        ("alpha_histograms", "[alpha/M] of all giants and of those in a slice of metallicity, with "
         "the two-component mixture (red; dashed: its components)", lambda: _histograms(ev)),
        ("kiel", "Kiel diagram of the same stars, labels beside predictions",
         lambda: f.kiel(df, ev.metal, ev.title("Kiel diagram"))),
        ("coverage", "Coverage of 68 % (dots) and 95 % (squares) intervals, with binomial errors; "
         "green: 65-71 %", lambda: f.coverage_panels(df, cal, ev.title("Coverage of intervals"))),
        ("pit", "Probability integral transform before and after calibration: flat is right, U "
         "too small errors", lambda: f.pit_histograms(df, cal, ev.title("PIT"))),
        *((f"residuals_{c}", f"Residuals against {BINS[c][0]}, with running median and 16-84 %",
           lambda c=c: _against(ev, c)) for c in BINS),
        ("training", "Training curves", lambda: _training(ev)),
    ]  # fmt: skip


def draw(ev, folder):
    """Draw every figure that the evaluation has the input for.

    Parameters
    ----------
    ev : Evaluation
    folder : pathlib.Path
        Where NAME.png and NAME.pdf go. Figures that `explain` left there are taken up.

    Returns
    -------
    drawn : dict of str to Path
        Caption → PNG.
    skipped : DataFrame
        figure, reason.
    """
    drawn, skipped = {}, []
    mark = f" ({SYNTHETIC})" if SYNTHETIC in ev.dataset else ""
    for name, caption, function in catalogue(ev):
        try:
            drawn[caption + mark] = save(function(), folder / name)
        except SuiteError as error:
            skipped.append({"figure": caption, "reason": str(error)})
            for kind in ("png", "pdf"):  # an older one would be taken for this evaluation's
                (folder / f"{name}.{kind}").unlink(missing_ok=True)
    for path in sorted(folder.glob("gradients*.png")):
        text = path.stem.removeprefix("gradients").replace("_", " ").strip()
        drawn[f"What the network looks at: gradients{' ' + text if text else ''}{mark}"] = path
    if not list(folder.glob("gradients*.png")):
        reason = "run `python -m rvs_hybrid.explain --run-dir DIR` first"
        skipped.append({"figure": "gradients", "reason": reason})
    return drawn, pd.DataFrame(skipped, columns=["figure", "reason"])
