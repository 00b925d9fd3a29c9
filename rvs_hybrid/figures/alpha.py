"""The proceedings' Fig. 1: [alpha/M] against metallicity in bins of galactocentric R and |Z|."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import LogNorm

from common.colours import BLACK, BLUE, RED
from common.errors import SuiteError
from common.figures import Figure, styled
from rvs_hybrid.bimodality import SLICE
from rvs_hybrid.figures.labels import NAMES
from rvs_hybrid.galactic import R_EDGES, Z_EDGES, bins
from rvs_hybrid.tables import truth_of

CONTOURED = 40  # stars that a panel needs for contours
LEVELS = (0.2, 0.5, 0.8)  # contours hold these fractions of a panel's stars
ROWS = (("true", "{} labels", "Greys", BLACK), ("pred", "predictions", "Blues", BLUE))


@styled
def alpha_metallicity(df, places, metal, title):
    """Draw [alpha/M] against metallicity in bins of R and |Z|: labels above, predictions below.

    Parameters
    ----------
    df : DataFrame
        Predictions of the stars to draw: the same stars, in the same bins, in both rows.
    places : DataFrame
        R, Z (kpc), row by row with `df`.
    metal : {"m_h", "fe_h"}
    title : str

    Notes
    -----
    Contours hold 20, 50 and 80 % of a panel's stars. Every panel gives its number of stars.
    """
    columns = [f"{k}_{end}" for k in (metal, "alpha_m") for end, *_ in ROWS]
    if not set(columns) <= set(df):
        raise SuiteError(f"needs {NAMES[metal]} and {NAMES['alpha_m']}, true and predicted")
    truth = truth_of(df)
    known = df[columns].notna().all(axis=1).to_numpy()
    cells = {
        k: v & known
        for k, v in bins(R=places["R"], Z=places["Z"]).items()
        if (v & known).sum() >= 5
    }
    if not cells:
        raise SuiteError("no bin of R and |Z| has five stars")
    used_r = sorted({i for i, _ in cells})
    used_z = sorted({j for _, j in cells}, reverse=True)
    values = df.loc[known, columns].to_numpy(float)
    spans = [np.percentile(values[:, 2 * k : 2 * k + 2], [0.3, 99.7]) for k in (0, 1)]
    spans = [(low - 0.05 * (high - low), high + 0.12 * (high - low)) for low, high in spans]
    width, height = 1.75 * len(used_r) + 0.9, 3.1 * len(used_z) + 1.2
    figure = Figure(figsize=(width, height))  # laid out by hand: forty panels take seconds else
    axes = figure.subplots(
        2 * len(used_z), len(used_r), squeeze=False, sharex=True, sharey=True,
        gridspec_kw={"left": 0.75 / width, "right": 1 - 0.1 / width, "bottom": 0.5 / height,
                     "top": 1 - 0.8 / height, "wspace": 0.07, "hspace": 0.22},
    )  # fmt: skip
    for row, j in enumerate(used_z):
        for column, i in enumerate(used_r):
            for half, (end, text, colours, line) in enumerate(ROWS):
                axis = axes[2 * row + half, column]
                here = cells.get((i, j), np.zeros(len(df), bool))
                x, y = (df.loc[here, f"{k}_{end}"].to_numpy(float) for k in (metal, "alpha_m"))
                _panel(axis, x, y, spans, colours, line)
                axis.text(0.97, 0.95, f"n = {len(x)}", transform=axis.transAxes, ha="right",
                          va="top", fontsize=7.5)  # fmt: skip
                if column == 0:
                    axis.set_ylabel(f"{text.format(truth)}\n{NAMES['alpha_m']}", fontsize=8)
                if half == 0:
                    axis.set_title(
                        f"R {R_EDGES[i]:g}-{R_EDGES[i + 1]:g}, "
                        f"|Z| {Z_EDGES[j]:g}-{Z_EDGES[j + 1]:g} kpc", fontsize=8,
                    )  # fmt: skip
    for axis in axes[-1]:
        axis.set_xlabel(f"{NAMES[metal]} (dex)", fontsize=8)
    axes[0, 0].set(xlim=spans[0], ylim=spans[1])
    figure.suptitle(title, fontsize=10.5, y=1 - 0.1 / height)
    return figure


def _panel(axis, x, y, spans, colours, line):
    """Fill an axis with a histogram and, of enough stars, contours of a smoothed one."""
    from scipy.ndimage import gaussian_filter

    counts, xe, ye = np.histogram2d(x, y, bins=(32, 28), range=spans)
    if counts.any():
        axis.pcolormesh(xe, ye, np.where(counts > 0, counts, np.nan).T, cmap=colours,
                        norm=LogNorm(0.4, max(counts.max(), 2)), rasterized=True)  # fmt: skip
    if len(x) < CONTOURED:
        return
    smooth = gaussian_filter(counts, 1.4 if len(x) > 300 else 2.0)
    ordered = np.sort(smooth.ravel())[::-1]
    inside = np.cumsum(ordered) / ordered.sum()
    levels = sorted({float(ordered[np.searchsorted(inside, f)]) for f in LEVELS})
    axis.contour((xe[:-1] + xe[1:]) / 2, (ye[:-1] + ye[1:]) / 2, smooth.T, levels=levels,
                 colors=[line], linewidths=0.9)  # fmt: skip


@styled
def alpha_histograms(samples, metal, title, region=SLICE):
    """Draw histograms of [alpha/M] at all metallicities and in a slice, with the fitted mixture.

    Parameters
    ----------
    samples : dict of str to (metallicity, alpha)
        As for `rvs_hybrid.bimodality.bimodality_table`.
    """
    from rvs_hybrid.bimodality import bimodality

    every = np.concatenate([a[np.isfinite(a)] for _, a in samples.values()])
    if not len(every):
        raise SuiteError("no star to show has [alpha/M]")
    figure = Figure(figsize=(8.6, 3.1 * len(samples) + 0.4), layout="constrained")
    axes = figure.subplots(len(samples), 2, squeeze=False, sharex=True)
    span = np.percentile(every, [0.3, 99.7])
    grid = np.linspace(*span, 300)
    for row, (text, (metallicity, alpha)) in zip(axes, samples.items(), strict=True):
        keep = np.isfinite(alpha)
        cut = keep & (metallicity > region[0]) & (metallicity < region[1])
        part = f"{region[0]:g} < {NAMES[metal]} < {region[1]:g}"
        for axis, here, where in zip(row, (keep, cut), ("all metallicities", part), strict=True):
            x = alpha[here]
            axis.hist(x, bins=45, range=span, density=True, color=BLUE if "pred" in text else
                      "#777777", alpha=0.55)  # fmt: skip
            found = bimodality(x, n_resamples=0)
            note = f"n = {len(x)}"
            if np.isfinite(found["bic_difference"]):
                total = 0
                for mean, sigma, weight in (
                    (found["mean_low"], found["sigma_low"], 1 - found["weight_high"]),
                    (found["mean_high"], found["sigma_high"], found["weight_high"]),
                ):
                    one = weight * np.exp(-0.5 * ((grid - mean) / sigma) ** 2)
                    one /= sigma * np.sqrt(2 * np.pi)
                    axis.plot(grid, one, "--", color=RED, lw=0.9)
                    total = total + one
                axis.plot(grid, total, color=RED, lw=1.4)
                note += f"\nBIC difference {found['bic_difference']:.0f}"
                note += f"\nvalley / lower peak {found['valley']:.2f}"
            axis.text(0.97, 0.95, note, transform=axis.transAxes, ha="right", va="top", fontsize=8)
            axis.set_title(f"{text}, {where}", fontsize=8.5)
            axis.set(ylabel="density", xlim=span)
    for axis in axes[-1]:
        axis.set_xlabel(f"{NAMES['alpha_m']} (dex)")
    figure.suptitle(title, fontsize=10.5)
    return figure
