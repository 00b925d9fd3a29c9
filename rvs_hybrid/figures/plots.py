"""Which figures an evaluation draws, and from what."""

from __future__ import annotations

from common.errors import SuiteError
from common.figures import Figure, curve_panel, styled
from common.plots import Plot
from rvs_hybrid.config import GIANT
from rvs_hybrid.figures import alpha as figures_alpha
from rvs_hybrid.figures import labels as figures
from rvs_hybrid.giants import LOW_SNR, UPPER_GIANTS, giants, samples
from rvs_hybrid.tables import BINS, truth_of


def titled(ev, text):
    """Return a figure's title: with the data set's name, so that a mock's is seen."""
    return f"{text}\n{ev.dataset}{', held-out stars' if ev.held_out else ''}"


def _alpha(ev, limit, low_snr=False):
    keep = giants(ev.df, limit, low_snr)
    places = ev.places[keep]
    samples(ev.df, keep)  # raises where there is no [alpha/M]
    snr = f", RVS S/N {LOW_SNR[0]}-{LOW_SNR[1]}" if low_snr else ""
    shares = places["distance_source"].value_counts(normalize=True)
    text = ", ".join(f"{k} {100 * v:.0f} %" for k, v in shares.items())
    return figures_alpha.alpha_metallicity(
        ev.df[keep].reset_index(drop=True), places.reset_index(drop=True), ev.metal,
        titled(ev, f"Giants of predicted log g < {limit}{snr}; distances: {text}"),
    )  # fmt: skip


def _histograms(ev):
    values = samples(ev.df, giants(ev.df, GIANT))
    return figures_alpha.alpha_histograms(
        values, ev.metal, titled(ev, f"[alpha/M] of giants, predicted log g < {GIANT}")
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
    return figures.residuals_against(ev.df, column, text, titled(ev, f"Residuals against {text}"))


def plots(ev):
    """Return the `common.plots.Plot` of every figure of an `rvs_hybrid` Evaluation."""
    df, cal, f = ev.df, ev.calibrations, figures
    truth = truth_of(df)
    metal = "[M/H]" if ev.metal == "m_h" else "[Fe/H] (no [M/H] in these data)"
    fig1 = (
        f"As Fig. 1 of the proceedings: [alpha/M] against {metal} in bins of galactocentric R and "
        f"|Z|; in each bin {truth}'s labels above, predictions for the same stars below. "
    )

    def plot(name, caption, draw):
        return Plot(name, caption + ev.mark, draw)

    return [
        plot("one_to_one", f"Predictions against {truth}'s labels: density, running median and "
             "16-84 %", lambda: f.one_to_one(df, titled(ev, "Predictions against labels"))),
        plot("F1_alpha", f"{fig1}Giants of log g < {UPPER_GIANTS}, as in the paper, at any S/N",
             lambda: _alpha(ev, UPPER_GIANTS)),
        plot("F1_alpha_low_snr", f"{fig1}The paper's selection: log g < {UPPER_GIANTS}, RVS S/N "
             f"{LOW_SNR[0]} to {LOW_SNR[1]}", lambda: _alpha(ev, UPPER_GIANTS, True)),
        plot("F1_alpha_all_giants", f"{fig1}All giants, log g < {GIANT}",
             lambda: _alpha(ev, GIANT)),
        plot("alpha_histograms", "[alpha/M] of all giants and of those in a slice of metallicity, "
             "with the two-component mixture (red; dashed: its components)",
             lambda: _histograms(ev)),
        plot("kiel", "Kiel diagram of the same stars, labels beside predictions",
             lambda: f.kiel(df, ev.metal, titled(ev, "Kiel diagram"))),
        plot("coverage", "Coverage of 68 % (dots) and 95 % (squares) intervals, with binomial "
             "errors; green: 65-71 %",
             lambda: f.coverage_panels(df, cal, titled(ev, "Coverage of intervals"))),
        plot("pit", "Probability integral transform before and after calibration: flat is right, "
             "U too small errors", lambda: f.pit_histograms(df, cal, titled(ev, "PIT"))),
        *(plot(f"residuals_{c}", f"Residuals against {BINS[c][0]}, with running median and "
               "16-84 %", lambda c=c: _against(ev, c)) for c in BINS),
        plot("training", "Training curves", lambda: _training(ev)),
    ]  # fmt: skip
