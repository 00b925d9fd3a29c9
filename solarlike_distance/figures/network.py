"""Figures of network and spectra (Figs. 4, B.1), training, errors, binaries, model comparison."""

from __future__ import annotations

import numpy as np
import pandas as pd

from common.colours import BLACK, BLUE, GREEN, ORANGE, PURPLE, RED, SKY
from common.errors import SuiteError
from common.figures import Figure, chain, curve_panel, panels, styled
from solarlike_distance.config import INPUTS
from solarlike_distance.figures.sample import span
from solarlike_distance.tables import scatter as tables

LEVELS = np.linspace(0.05, 0.99, 40)


def layers(config):
    """Return [(text, output size, kind)] of the network's layers (Fig. 4).

    Parameters
    ----------
    config : solarlike_distance.config.Config
    """
    length = config.n_pixels
    zero, unit = INPUTS[config.input]
    text = "input" if config.input == "paper" else f"input: (flux - {zero:g}) / {unit:g}"
    out = [(text, f"{length}", "input")]
    if config.network == "compact":
        return out + _compact_layers(config)
    for filters in config.filters:
        out.append((f"Conv1D {filters}, kernel {config.kernel_size}", f"{length} × {filters}",
                    "convolution"))  # fmt: skip
        length //= config.pool
        out.append((f"MaxPool {config.pool}", f"{length} × {filters}", "pooling"))
    out.append(("Flatten", f"{length * config.filters[-1]}", "input"))
    out += [(f"Dense {units}", f"{units}", "dense") for units in config.units]
    return [*out, ("Dense 5, linear", "5", "output")]


def _compact_layers(config):
    """Return what stands behind the input of the network that is not the paper's."""
    fine, middle, coarse = config.compact_filters
    half = -(-config.n_pixels // 2)
    quarter = -(-half // 2)
    last = -(-quarter // 3)
    out = [(f"Conv1D {fine}, kernel 9, stride 2", f"{half} × {fine}", "convolution"),
           ("AveragePool 2", f"{quarter} × {fine}", "pooling"),
           (f"Conv1D {middle}, kernel 5", f"{quarter} × {middle}", "convolution"),
           ("two more of them, residual", f"{quarter} × {middle}", "convolution"),
           ("AveragePool 3", f"{last} × {middle}", "pooling"),
           (f"Conv1D {coarse}, kernel 3", f"{last} × {coarse}", "convolution"),
           ("Flatten", f"{last * coarse}", "input")]  # fmt: skip
    out += [(f"Dense {units}", f"{units}", "dense") for units in config.compact_units]
    return [*out, ("Dense 5, linear", "5", "output")]


@styled
def architecture(config, parameters=None):
    """Draw Fig. 4: the layers of the network, their outputs, and the number of parameters."""
    colours = {"input": "#dddddd", "convolution": SKY, "pooling": "#bfe3d6", "dense": "#f5cf8e",
               "output": "#e8b7cf"}  # fmt: skip
    kind = "GELU" if config.network == "compact" else "Leaky ReLU"
    text = f"{kind} after convolutions and hidden dense layers; size of each output below"
    return chain(layers(config), colours, title=text, parameters=parameters, width=1.02, size=7.5,
                 low=("dense", "output"))  # fmt: skip


@styled
def preprocessing(examples, grid):
    """Draw Fig. B.1: raw and smoothed spectrum; the normalised one, and what the network takes.

    Parameters
    ----------
    examples : list of dict
        From `solarlike_distance.examples`.
    grid : ndarray of shape (n_pixels,)
        Å.
    """
    if not examples:
        raise SuiteError("no spectrum file of the run is here")
    figure = Figure(figsize=(9.2, 4.3 * len(examples)), layout="constrained")
    axes = figure.subplots(2 * len(examples), 1, sharex=True, squeeze=False)[:, 0]
    for i, one in enumerate(examples):
        top, bottom = axes[2 * i], axes[2 * i + 1]
        top.plot(one["wavelength"], one["flux"], color=ORANGE, lw=0.7, label="raw")
        top.plot(one["wavelength"], one["smoothed"], "--", color=BLUE, lw=0.6, label="smoothed")
        top.set(ylabel="flux", ylim=span(one["flux"], share=0.2, pad=0.2))
        top.set_title(f"({'ab'[i % 2]}) {one['title']}", loc="left", fontsize=9)
        if "normalised" in one:
            bottom.plot(grid, one["normalised"], color=ORANGE, lw=0.7,
                        label="smoothed, over its pseudo-continuum")  # fmt: skip
        bottom.plot(grid, one["x"], "--", color=BLUE, lw=0.6, label="input of the network")
        bottom.set(ylabel="normalised flux", ylim=(0, 1.5), xlim=(grid[0], grid[-1]))
        for axis in (top, bottom):
            axis.legend(loc="lower right")
    axes[-1].set_xlabel("wavelength (Å, vacuum, rest frame)")
    return figure


@styled
def training(history):
    """Draw the losses (mean squared error of z-scored labels) of each fold's training."""
    if history is None or not len(history):
        raise SuiteError("no training history is here")
    figure, (axis,) = panels(1, width=5.2, height=3.4)
    curve_panel(axis, history, ("loss", "val_loss"), ylabel="MSE of z-scored labels", log=True)
    return figure


@styled
def reliability(df):
    """Draw the share of labels inside intervals of each size, and residual over error."""
    from scipy.special import ndtri

    known = [k for k in tables.quantities_of(df) if f"{k}_sigma" in df or k == "distance"]
    pulls = {k: _pull(df, k) for k in known}
    pulls = {k: v for k, v in pulls.items() if len(v) >= tables.FEWEST}
    if not pulls:
        raise SuiteError("the predictions have no errors")
    figure, (left, right) = panels(2, columns=2, width=4.4, height=3.6)
    colours = dict(zip(tables.QUANTITIES, (BLUE, ORANGE, GREEN, RED, PURPLE, BLACK), strict=True))
    for key, pull in pulls.items():
        inside = [(np.abs(pull) <= ndtri(0.5 + level / 2)).mean() for level in LEVELS]
        what = tables.QUANTITIES[key]
        left.plot(100 * LEVELS, 100 * np.array(inside), color=colours[key], label=what.symbol)
        right.hist(np.clip(pull, -4.5, 4.5), bins=np.linspace(-4.5, 4.5, 46), density=True,
                   histtype="step", color=colours[key], lw=1.2)  # fmt: skip
    left.plot([0, 100], [0, 100], "--", color="#777777", lw=0.9)
    grid = np.linspace(-4.5, 4.5, 200)
    right.plot(grid, np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi), "--", color="#777777", lw=0.9)
    left.set(xlabel="interval of a Gaussian (%)", ylabel="labels inside (%)", xlim=(0, 100),
             ylim=(0, 100))  # fmt: skip
    right.set(xlabel="(predicted - label) / error", ylabel="density", xlim=(-4.5, 4.5))
    left.legend(loc="upper left")
    return figure


def _pull(df, key):
    """Return residual over error, finite rows; of distances in the posterior's own quantiles."""
    if key != "distance":
        sigma = df[f"{key}_sigma"].to_numpy(float)
        value = tables.residual(df, key) / np.where(sigma == 0, np.nan, sigma)
    elif {"distance_p16", "distance_p50", "distance_p84"} <= set(df):
        log = {k: np.log(df[f"distance_{k}"].to_numpy(float)) for k in ("p16", "p50", "p84")}
        off = log["p50"] - np.log(df["distance_true"].to_numpy(float))
        value = off / np.maximum((log["p84"] - log["p16"]) / 2, 1e-9)
    else:
        return np.zeros(0)
    return value[np.isfinite(value)]


@styled
def binaries(df):
    """Draw the fractional distance error of single stars and unresolved binaries of a mock."""
    off = tables.fraction(df)
    binary = df["binary"].astype(float).fillna(0).to_numpy() > 0
    if not (binary & np.isfinite(off)).any():
        raise SuiteError("no unresolved binary is among the stars")
    figure, (axis,) = panels(1, width=5.2, height=3.4)
    bins = np.linspace(*span(off, share=0.3, pad=0.1), 51)
    for here, colour, name in ((~binary, BLUE, "single"), (binary, RED, "unresolved binary")):
        part = off[here & np.isfinite(off)]
        axis.hist(part, bins=bins, histtype="step", lw=1.5, color=colour, density=True,
                  label=f"{name}: {len(part)}, median {100 * np.median(part):+.1f} %")  # fmt: skip
    axis.axvline(0, color="#777777", lw=0.8)
    axis.set(xlabel="fractional distance error", ylabel="density of each kind")
    axis.set_ylim(0, 1.25 * axis.get_ylim()[1])
    axis.legend(loc="upper right")
    return figure


@styled
def models(table, published):
    """Draw Table C.1: mean squared error of each model, over that of the paper's CNN.

    Parameters
    ----------
    table, published : DataFrame
        Ours and the paper's: model, then teff, logg, feh, mg, bprp, mean.
    """
    columns = [*tables.LABELS, "mean"]
    table = table if "stands_for" in table else table.assign(stands_for=table["model"])
    place = {name: i for i, name in enumerate(published["model"])}
    table = table.sort_values("stands_for", key=lambda c: c.map(place), kind="stable")
    names = list(table["model"])
    ours, paper = table.set_index("model"), published.set_index("model")
    figure, axes = panels(len(columns), columns=3, width=3.9, height=0.24 * len(names) + 1.0,
                          sharey=True)  # fmt: skip
    rows = np.arange(len(names))[::-1]
    for axis, column in zip(axes, columns, strict=True):
        value = ours[column].reindex(names)
        other = paper[column].reindex(table["stands_for"])
        axis.barh(
            rows, value, color=[BLUE if m.startswith("CNN") else SKY for m in names], height=0.62
        )
        axis.plot(other, rows, "|", color=RED, ms=11, mew=2)
        what = tables.LABELS.get(column)
        axis.set_title(f"MSE of {what.symbol}" if what else "weighted mean MSE", fontsize=9)
        top = np.nanmax(pd.concat([value, other]).to_numpy(float))
        axis.set(xlim=(0, 1.08 * top), ylim=(-0.6, len(names) - 0.4))
        axis.set_yticks(rows, names, fontsize=7.5)
        axis.grid(axis="y", visible=False)
    figure.suptitle("bars: ours on this run's test set; red: Table C.1 (LAMOST DR9)", fontsize=9)
    return figure
