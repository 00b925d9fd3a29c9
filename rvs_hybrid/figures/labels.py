"""Figures of labels: truth, residuals, reliability, the Kiel diagram; from saved predictions."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import LogNorm

from common.calibration import coverage, pit
from common.colours import BLACK, BLUE, GREEN, ORANGE, PURPLE, RED
from common.errors import SuiteError
from common.figures import Figure, panels, styled
from rvs_hybrid.config import UNITS
from rvs_hybrid.coverage import error_kinds
from rvs_hybrid.tables import groups, labels_of, residual, scatter, truth_of

NAMES = {
    "teff": r"$T_\mathrm{eff}$",
    "logg": r"$\log g$",
    "m_h": "[M/H]",
    "fe_h": "[Fe/H]",
    "alpha_m": r"[$\alpha$/M]",
}
GOAL = (0.65, 0.71)  # coverage of 68 % intervals that counts as calibrated
FEWEST = 15  # stars behind a point of a running median
KIND_COLOURS = (RED, ORANGE, PURPLE, BLUE)


def name(label):
    """Return a label's symbol with its unit."""
    return f"{NAMES[label]} ({UNITS[label]})"


def _checked(df):
    labels = labels_of(df)
    if not labels:
        raise SuiteError("no label has both true and predicted values")
    return labels


def _density(axis, x, y, ranges, bins=80):
    """Fill an axis with a two-dimensional histogram of logarithmic colour."""
    counts, xe, ye = np.histogram2d(x, y, bins=bins, range=ranges)
    counts = np.where(counts > 0, counts, np.nan).T
    top = max(np.nanmax(counts), 2) if np.isfinite(counts).any() else 2
    return axis.pcolormesh(xe, ye, counts, cmap="Blues", norm=LogNorm(0.5, top), rasterized=True)


def _running(axis, x, y, edges):
    """Draw the median and the 16 and 84 % of y in bins of x."""
    where = np.digitize(x, edges) - 1
    rows = []
    for i in range(len(edges) - 1):
        part = y[where == i]
        if len(part) >= FEWEST:
            rows.append((np.median(x[where == i]), *np.percentile(part, [50, 16, 84])))
    if rows:
        centre, middle, low, high = np.array(rows).T
        axis.plot(centre, middle, "-", color=RED, lw=1.6, label="median")
        for side, text in ((low, "16 and 84 %"), (high, None)):
            axis.plot(centre, side, "--", color=RED, lw=1.0, label=text)


@styled
def one_to_one(df, title):
    """Draw predictions against true labels, with the running median and 16 and 84 %."""
    labels = _checked(df)
    figure, axes = panels(len(labels), columns=2, width=4.3, height=3.9, title=title)
    for axis, label in zip(axes, labels, strict=True):
        x, y = df[f"{label}_true"].to_numpy(float), df[f"{label}_pred"].to_numpy(float)
        keep = np.isfinite(x) & np.isfinite(y)
        x, y = x[keep], y[keep]
        low, high = np.percentile(x, [0.1, 99.9])
        pad = 0.06 * max(high - low, 1e-6)
        span = (low - pad, high + pad)
        _density(axis, x, y, (span, span))
        _running(axis, x, y, np.linspace(low, high, 21))
        axis.plot(span, span, "-", color=BLACK, lw=0.8)
        s = scatter(y - x)
        axis.text(
            0.04, 0.96, "n = {n}\nmedian {bias_median:+.3g}\nsd {sd:.3g}\nMAD-sigma {mad_sigma:.3g}"
            .format(**s), transform=axis.transAxes, va="top", fontsize=8,
            bbox={"fc": "white", "ec": "none", "alpha": 0.8},
        )  # fmt: skip
        outside = int(((y < span[0]) | (y > span[1]) | (x < span[0]) | (x > span[1])).sum())
        axis.set(xlim=span, ylim=span, xlabel=f"{truth_of(df)} {name(label)}",
                 ylabel=f"predicted {name(label)}",
                 title=f"beyond the panel: {outside}" if outside else "")  # fmt: skip
        if axis.get_legend_handles_labels()[0]:  # few stars have no running median
            axis.legend(loc="lower right")
    return figure


@styled
def residuals_against(df, column, xlabel, title):
    """Draw predicted minus true of each label against a column such as snr or g."""
    labels = _checked(df)
    value = df[column].to_numpy(float)
    figure, axes = panels(len(labels), columns=2, width=4.6, height=2.7, title=title)
    low, high = np.nanpercentile(value, [0.5, 99.5])
    high = max(high, low + 1e-6)
    for axis, label in zip(axes, labels, strict=True):
        r = residual(df, label)
        keep = np.isfinite(value) & np.isfinite(r)
        if not keep.any():
            axis.set_title(f"{name(label)}: no star has both")
            continue
        x, r = value[keep], r[keep]
        limit = max(np.percentile(np.abs(r), 98.5), 1e-9)
        _density(axis, x, r, ((low, high), (-limit, limit)), bins=(70, 60))
        inside = x[(x >= low) & (x <= high)]
        _running(axis, x, r, np.unique(np.quantile(inside, np.linspace(0, 1, 16))))
        axis.axhline(0, color=BLACK, lw=0.8)
        axis.set(xlim=(low, high), ylim=(-limit, limit), xlabel=xlabel,
                 ylabel=f"predicted - true {name(label)}")  # fmt: skip
        if axis.get_legend_handles_labels()[0]:  # few stars have no running median
            axis.legend(loc="upper right")
    return figure


@styled
def pit_histograms(df, calibrations, title):
    """Draw the probability integral transform of each label for each kind of error."""
    labels = _checked(df)
    figure, axes = panels(len(labels), columns=2, width=4.6, height=3.0, title=title)
    drawn = False
    for axis, label in zip(axes, labels, strict=True):
        kinds = error_kinds(df, label, calibrations.get(label))
        for colour, (kind, (pred, halves)) in zip(KIND_COLOURS[-len(kinds):], kinds.items(),
                                                  strict=False):  # fmt: skip
            intervals = halves if kind == "calibrated" else {0.68: halves[0.68]}
            u = pit(residual=-residual(df, label, pred), intervals=intervals)
            if not len(u):
                continue
            counts, edges = np.histogram(u, bins=20, range=(0, 1))
            final = kind in ("calibrated", "sigma")
            axis.stairs(counts / len(u) * 20, edges, color=colour, lw=1.8 if final else 1.1,
                        label=kind)  # fmt: skip
            drawn = True
        axis.axhline(1, ls="--", color=BLACK, lw=0.9)
        axis.set(xlim=(0, 1), xlabel="PIT", ylabel="density", title=NAMES[label])
    if not drawn:
        raise SuiteError("the predictions have no errors")
    handles, texts = axes[0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=2)
    return figure


@styled
def coverage_panels(df, calibrations, title):
    """Draw how often 68 and 95 % intervals hold, per label, for all stars, giants and dwarfs."""
    labels, stars = _checked(df), groups(df)
    if not stars:
        raise SuiteError("there are too few stars to count")
    figure, axes = panels(len(labels), columns=2, width=4.6, height=2.9, title=title, sharey=True)
    drawn = False
    for axis, label in zip(axes, labels, strict=True):
        kinds = error_kinds(df, label, calibrations.get(label))
        axis.axhspan(*GOAL, color=GREEN, alpha=0.18, lw=0)
        for level in (0.68, 0.95):
            axis.axhline(level, ls="--", color=BLACK, lw=0.8)
        for i, (kind, (pred, halves)) in enumerate(kinds.items()):
            r, colour = residual(df, label, pred), KIND_COLOURS[-len(kinds) :][i]
            x = np.arange(len(stars)) + 0.16 * (i - (len(kinds) - 1) / 2)
            for level, mark in ((0.68, "o"), (0.95, "s")):
                found = [coverage(residual=r[m], half=halves[level][m])[:2] for m in stars.values()]
                p, error = np.array(found).T
                axis.errorbar(x, p, yerr=error, fmt=mark, ms=4.5, color=colour, capsize=2, lw=1,
                              label=kind if level == 0.68 else None)  # fmt: skip
                drawn = True
        axis.set_xticks(range(len(stars)), list(stars))
        axis.set(ylim=(0, 1.02), ylabel="fraction inside", title=NAMES[label],
                 xlim=(-0.5, len(stars) - 0.5))  # fmt: skip
    if not drawn:
        raise SuiteError("the predictions have no errors")
    handles, texts = axes[0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=2)
    return figure


@styled
def kiel(df, metal, title):
    """Draw log g against Teff coloured by metallicity, true labels beside predictions."""
    if not {"teff", "logg", metal} <= set(labels_of(df)):
        raise SuiteError(f"needs Teff, log g and {NAMES[metal]}, true and predicted")
    known = df[[f"{k}_{e}" for k in ("teff", "logg", metal) for e in ("true", "pred")]].dropna()
    if not len(known):
        raise SuiteError(f"no star has Teff, log g and {NAMES[metal]}, true and predicted")
    figure = Figure(figsize=(9.4, 4.6), layout="constrained")
    axes = figure.subplots(1, 2, sharex=True, sharey=True)
    t, g = known["teff_true"], known["logg_true"]
    low, high = np.percentile(known[f"{metal}_true"], [2, 98])
    for axis, end, text in zip(axes, ("true", "pred"),
                               (f"{truth_of(df)} labels", "predictions"), strict=True):  # fmt: skip
        points = axis.scatter(
            known[f"teff_{end}"], known[f"logg_{end}"], c=known[f"{metal}_{end}"], s=3,
            cmap="viridis", vmin=low, vmax=high, linewidths=0, rasterized=True,
        )  # fmt: skip
        axis.set(xlabel=name("teff"), title=f"{text}, n = {len(known)}")
    axes[0].set_ylabel(name("logg"))
    span_t, span_g = np.percentile(t, [0.2, 99.8]), np.percentile(g, [0.1, 99.9])
    axes[0].set(xlim=(span_t[1] + 150, span_t[0] - 150), ylim=(span_g[1] + 0.25, span_g[0] - 0.25))
    figure.colorbar(points, ax=axes, label=name(metal), pad=0.01)
    figure.suptitle(title, fontsize=11)
    return figure
