"""Plots that several papers share; each returns or fills a matplotlib Figure, nothing global."""

from __future__ import annotations

import functools
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from common.colours import BLACK, BLUE, COLOURS, ORANGE, RED, SKY
from common.files import atomic_path
from common.pictures import DENSE, PLAIN, save_vector

STYLE = {
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "axes.edgecolor": "#555555",
    "legend.fontsize": 7.5,
    "legend.frameon": True,
    "legend.framealpha": 0.85,
    "legend.edgecolor": "none",
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "lines.linewidth": 1.2,
    "figure.dpi": 100,
    "savefig.dpi": PLAIN,
    "text.usetex": False,  # GaiaXPy switches it on for the process that imports it
    "axes.prop_cycle": matplotlib.cycler(color=COLOURS),
}


def styled(function):
    """Draw a function's figure in the project's style without touching matplotlib's settings."""

    @functools.wraps(function)
    def inside(*args, **kwargs):
        with matplotlib.rc_context(STYLE):
            return function(*args, **kwargs)

    return inside


def panels(n, *, columns=3, width=3.4, height=2.9, title=None, **options):
    """Return (figure, list of n axes) laid out in rows.

    Parameters
    ----------
    n, columns : int
    width, height : float
        Inches of one panel.
    title : str, optional
        Above all panels.
    **options
        To `Figure.subplots` (sharex, sharey, ...).
    """
    columns = max(1, min(columns, n))
    rows = -(-max(n, 1) // columns)
    figure = Figure(figsize=(width * columns, height * rows + 0.3), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **options).ravel()
    for extra in axes[n:]:
        extra.set_axis_off()
    if title:
        figure.suptitle(title, fontsize=11)
    return figure, list(axes[:n])


def save(figure, path):
    """Write a figure as PATH.pdf, PATH.png and, where it is small, PATH.svg; return the PNG's path.

    Each is whole or not there. Pages show the SVG; without one the PNG has twice a page's pixels.
    """
    files = {k: Path(path).with_name(f"{Path(path).name}.{k}") for k in ("pdf", "svg", "png")}
    with matplotlib.rc_context(STYLE):
        with atomic_path(files["pdf"]) as temporary:
            figure.savefig(temporary, format="pdf", dpi=PLAIN)
        figure.set_layout_engine("none")  # laid out by now: twice would take twice as long
        dots = PLAIN if save_vector(figure, files["svg"], files["pdf"]) else DENSE
        with atomic_path(files["png"]) as temporary:
            figure.savefig(temporary, format="png", dpi=dots)
    return files["png"]


def confusion_panel(axis, *, matrix, labels, counts=None, title=None, axis_labels=True):
    """Fill an axis with a confusion matrix in per cent: columns = true class, read along columns.

    Parameters
    ----------
    matrix : ndarray of shape (n, n)
        Fractions; matrix[i, j] of class j called i.
    labels : sequence of str
    counts : ndarray of shape (n,), optional
        Objects of each true class, printed under its name.
    """
    n = len(labels)
    axis.grid(False)
    axis.imshow(np.nan_to_num(matrix), cmap="Blues", vmin=0, vmax=1, aspect="equal")
    small = 7 if n > 6 else 10
    for i in range(n):
        for j in range(n):
            value = matrix[i, j]
            if not np.isfinite(value) or (value < 0.0005 and i != j):
                continue
            text = f"{100 * value:.0f}" if value >= 0.0995 or value == 0 else f"{100 * value:.1f}"
            colour = "white" if value > 0.55 else BLACK
            axis.text(j, i, text, ha="center", va="center", fontsize=small, color=colour)
    under = (
        [f"{k}\nn={c}" for k, c in zip(labels, counts, strict=True)]
        if counts is not None
        else labels
    )
    turn = {"rotation": 90} if n > 6 else {}
    axis.set_xticks(range(n), [u.replace("\n", " ") for u in under] if n > 6 else under, **turn)
    axis.set_yticks(range(n), labels)
    axis.tick_params(length=0)
    if axis_labels:
        axis.set_xlabel("true class (each column sums to 100 %)")
        axis.set_ylabel("predicted class")
    if title:
        axis.set_title(title)


@styled
def confusion_figure(*, matrix, labels, counts=None, title=None):
    """Return a figure of one confusion matrix (see `confusion_panel`)."""
    size = max(4.2, 0.52 * len(labels) + 2.2)
    figure = Figure(figsize=(size, size), layout="constrained")
    axis = figure.subplots()
    confusion_panel(axis, matrix=matrix, labels=labels, counts=counts, title=title)
    return figure


def stacked_panel(axis, groups, *, bins, xlabel, title=None, colours=COLOURS):
    """Fill an axis with a stacked histogram of {name: values}."""
    groups = {k: np.asarray(v, float)[np.isfinite(v)] for k, v in groups.items()}
    groups = {k: v for k, v in groups.items() if v.size}
    if groups:
        axis.hist(
            list(groups.values()),
            bins=bins,
            stacked=True,
            label=list(groups),
            color=[colours[i % len(colours)] for i in range(len(groups))],
            edgecolor="white",
            linewidth=0.2,
        )
        axis.legend(loc="upper right")
    axis.set(xlabel=xlabel, ylabel="spectra", xlim=(bins[0], bins[-1]))
    if title:
        axis.set_title(title)


def truth_panel(axis, *, z_true, z_pred, z_err=None, limits=None, colour=BLUE):
    """Fill an axis with predicted against true values, error bars, and the 1:1 line.

    Predictions beyond the panel are marked by triangles at its edge.
    """
    if z_err is not None:
        axis.errorbar(
            z_true, z_pred, yerr=z_err, fmt="none", ecolor=SKY, elinewidth=0.5, alpha=0.5,
            rasterized=True, zorder=1,
        )  # fmt: skip
    axis.plot(z_true, z_pred, ".", ms=3, color=colour, alpha=0.7, rasterized=True, zorder=2, mew=0)
    if limits is None:
        limits = (float(np.nanmin(z_true)), float(np.nanmax(z_true)))
    pad = 0.04 * max(limits[1] - limits[0], 1e-3)
    ends = (limits[0] - pad, limits[1] + pad)
    axis.plot(ends, ends, "-", color=RED, lw=0.8, zorder=3)
    for outside, mark, edge in ((z_pred < ends[0], "v", 0), (z_pred > ends[1], "^", 1)):
        if np.any(outside):  # failures beyond the panel are marked at its edge, not dropped
            axis.plot(z_true[outside], np.full(np.sum(outside), ends[edge]), mark, ms=4,
                      color=ORANGE, clip_on=False, zorder=4)  # fmt: skip
    axis.set(xlim=ends, ylim=ends)


def residual_panel(axis, *, z_true, z_pred, spread, n_bins=10):
    """Fill an axis with the mean residual in bins of the true value; bars = mean of `spread`.

    Parameters
    ----------
    z_true, z_pred, spread : ndarrays of shape (n,)
        `spread` is sigma_z, or |residual| where there is no sigma_z (the bar is then the MAE).
    """
    from common.metrics import binned

    edges = np.linspace(np.nanmin(z_true), np.nextafter(np.nanmax(z_true), np.inf), n_bins + 1)
    x, mean, n = binned(x=z_true, y=z_pred - z_true, edges=edges, statistic=np.mean)
    _, bar, _ = binned(x=z_true, y=spread, edges=edges, statistic=np.mean)
    full = n > 0
    axis.axhline(0, color=RED, lw=0.8)
    axis.errorbar(
        x[full], mean[full], yerr=bar[full], fmt="o", ms=3, color=BLACK, capsize=2, lw=0.9
    )
    axis.tick_params(labelbottom=False)


def curve_panel(axis, history, columns, *, ylabel, log=False, title=None):
    """Fill an axis with training (dashed) and validation (solid) curves, one colour per network.

    Parameters
    ----------
    history : DataFrame
        Columns network, epoch and those of `columns`.
    columns : tuple of str
        (training column, validation column).
    """
    for i, (network, part) in enumerate(history.groupby("network", sort=False)):
        colour = COLOURS[i % len(COLOURS)]
        train, valid = columns
        epoch = part["epoch"] - history["epoch"].min() + 1
        if train in part:
            axis.plot(epoch, part[train], "--", color=colour, lw=0.9)
        if valid in part:
            axis.plot(epoch, part[valid], "-", color=colour, lw=1.3, label=network)
    if log:  # room above the curves for the legend
        axis.set_yscale("log")
        low, high = axis.get_ylim()
        axis.set_ylim(low, high * (high / low) ** 0.3)
    axis.set(xlabel="epoch", ylabel=ylabel, title=title or "")
    axis.legend(title="solid: validation, dashed: training", title_fontsize=7, ncols=2)


def mark_lines(axis, lines, *, size=6.5):
    """Mark {name: wavelength} on an axis; names that would run into each other are left out."""
    low, high = axis.get_xlim()
    ends = [low - (high - low)] * 2  # where the last name of each of the two rows ends
    for name, wave in sorted(lines.items(), key=lambda item: item[1]):
        axis.axvline(wave, color="#888888", lw=0.5, ls=":", zorder=0)
        half = 0.0062 * (high - low) * (len(name) + 1) / 2
        row = next((r for r in (0, 1) if wave - half > ends[r]), None)
        if row is None:
            continue
        ends[row] = wave + half
        axis.annotate(
            name, (wave, 1.0), xycoords=axis.get_xaxis_transform(), xytext=(0, 1 + 7 * row),
            textcoords="offset points", ha="center", va="bottom", fontsize=size, color="#555555",
            annotation_clip=False,
        )  # fmt: skip


@styled
def spectra_figure(*, wavelength, fluxes, z=None, title=None, height=1.5):
    """Return a figure with one panel per spectrum.

    Parameters
    ----------
    wavelength : ndarray of shape (n_pixels,)
        Å, vacuum, observed.
    fluxes : dict of str to ndarray of shape (n_pixels,)
        Name → flux in any unit. A name of several words is printed as it is, a single word with
        its redshift.
    z : dict of str to float, optional
        Redshifts; emission and absorption lines are marked at them.
    """
    from common.lines import visible

    figure, axes = panels(
        len(fluxes), columns=1, width=8.0, height=height + 0.3 * bool(z), title=title, sharex=True
    )
    for i, (axis, (name, flux)) in enumerate(zip(axes, fluxes.items(), strict=True)):
        axis.plot(wavelength, flux, color=COLOURS[i % 4], lw=0.6)
        low, high = np.nanpercentile(flux, [0.2, 99.8])
        pad = 0.12 * max(high - low, 1e-12)
        axis.set(xlim=(wavelength[0], wavelength[-1]), ylim=(low - pad, high + 2 * pad))
        redshift = (z or {}).get(name)
        has_z = redshift is not None and np.isfinite(redshift) and redshift > 0.003
        text = name if " " in name or not has_z else f"{name}   z = {redshift:.3f}"
        axis.set_title(text, loc="left", fontsize=8.5, pad=18 if has_z else 4)
        if has_z:
            mark_lines(axis, visible(redshift, wavelength[0], wavelength[-1]))
        axis.set_ylabel("flux")
    axes[-1].set_xlabel("wavelength (Å, vacuum)")
    return figure


def chain(rows, colours, *, title, parameters=None, width=1.0, size=7.0, low=()):
    """Draw the layers of a network as boxes in a row.

    Parameters
    ----------
    rows : list of (str, str, str)
        Text in a box, output size below it, kind.
    colours : dict of str to colour
        Of the kinds.
    title : str
    parameters : int, optional
        Of the network, told in the title.
    width : float
        Inches of a box.
    size : float
        Of the letters below.
    low : sequence of str
        Kinds whose boxes are lower.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = Figure(figsize=(width * len(rows) + 0.4, 2.9), layout="constrained")
    axis = figure.subplots()
    for i, (text, below, kind) in enumerate(rows):
        height = 0.55 if kind in low else 1.0
        axis.add_patch(Rectangle((i + 0.12, (1 - height) / 2), 0.62, height, fc=colours[kind],
                                 ec="#555555", lw=0.8))  # fmt: skip
        axis.text(i + 0.43, 0.5, text, rotation=90, ha="center", va="center", fontsize=8)
        axis.text(i + 0.43, -0.13, below, ha="center", va="top", fontsize=size)
        if i:
            axis.annotate("", (i + 0.1, 0.5), (i - 0.24, 0.5),
                          arrowprops={"arrowstyle": "->", "lw": 0.9})  # fmt: skip
    if parameters:
        title += f"; {parameters:,} parameters".replace(",", " ")
    axis.set_title(title, fontsize=8.5)
    axis.set(xlim=(0, len(rows)), ylim=(-0.35, 1.1))
    axis.set_axis_off()
    return figure
