"""Figures of the catalogue and the Galaxy (Figs. 9, 12, 13, 14), and of recovered gradients."""

from __future__ import annotations

import numpy as np

from common.colours import BLACK, BLUE, GREEN, ORANGE, RED
from common.errors import SuiteError
from common.figures import Figure, panels, styled
from solarlike_distance.figures.sample import span
from solarlike_distance.tables import gradients

EARLIER = {"radial": (-0.10, 0.0), "vertical": (-0.25, -0.10)}  # dex/kpc, Sect. 4.4


@styled
def colour_magnitude(df, isochrones=None):
    """Draw Fig. 9: predicted M_G and (BP-RP)_0 coloured by predicted [Fe/H].

    Parameters
    ----------
    df : DataFrame
        bprp_pred, mg_pred, feh_pred.
    isochrones : DataFrame, optional
        feh, bprp, mg along each isochrone, in order.
    """
    rows = df.dropna(subset=["bprp_pred", "mg_pred", "feh_pred"])
    low, high = span(rows["feh_pred"], share=2)
    figure = Figure(figsize=(5.8, 5.2), layout="constrained")
    axis = figure.subplots()
    order = np.random.default_rng(0).permutation(len(rows))[:60000]
    part = rows.iloc[order]
    points = axis.scatter(part["bprp_pred"], part["mg_pred"], c=part["feh_pred"], s=3, lw=0,
                          cmap="viridis", vmin=low, vmax=high, rasterized=True)  # fmt: skip
    figure.colorbar(points, ax=axis, label="[Fe/H], predicted (dex)", pad=0.01, aspect=30)
    if isochrones is not None:
        for feh, one in isochrones.groupby("feh", sort=True):
            colour = points.cmap(points.norm(feh))
            axis.plot(one["bprp"], one["mg"], "-", color=BLACK, lw=2.6)
            axis.plot(one["bprp"], one["mg"], "-", color=colour, lw=1.6,
                      label=f"isochrone, [Fe/H] = {feh:g}")  # fmt: skip
        axis.legend(loc="lower left")
    axis.set(xlabel=r"$(BP-RP)_0$, predicted (mag)", ylabel=r"$M_G$, predicted (mag)",
             xlim=span(rows["bprp_pred"]), ylim=span(rows["mg_pred"])[::-1])  # fmt: skip
    axis.set_title(f"{len(rows)} spectra", fontsize=9)
    return figure


@styled
def maps(table, *, median_feh=False):
    """Draw Fig. 12 (density) or Fig. 13 (median [Fe/H]): X-Y and R-Z.

    Parameters
    ----------
    table : DataFrame
        X, Y, Z, R (kpc) and feh, from `gradients.of_table`.
    median_feh : bool
    """
    rows = table.dropna()
    if len(rows) < 10:
        raise SuiteError(f"only {len(rows)} stars have a position and a metallicity")
    figure = Figure(figsize=(6.4, 8.0), layout="constrained")
    axes = figure.subplots(2, 1, height_ratios=(1.25, 1))
    for axis, (x, y) in zip(axes, (("X", "Y"), ("R", "Z")), strict=True):
        limits = [*span(rows[x], share=0.1), *span(rows[y], share=0.1)]
        cells = dict(gridsize=55, mincnt=1 if not median_feh else 3, linewidths=0,
                     extent=limits)  # fmt: skip
        if median_feh:
            low, high = span(rows["feh"], share=8)
            made = axis.hexbin(rows[x], rows[y], C=rows["feh"], reduce_C_function=np.median,
                               cmap="viridis", vmin=low, vmax=high, **cells)  # fmt: skip
            label = "median [Fe/H] (dex), cells of 3 stars or more"
        else:
            made = axis.hexbin(rows[x], rows[y], bins="log", cmap="viridis", **cells)
            label = "stars per cell"
        figure.colorbar(made, ax=axis, label=label, pad=0.01, aspect=30)
        sun = (-gradients.R_SUN, 0.0) if x == "X" else (gradients.R_SUN, gradients.Z_SUN)
        axis.plot(*sun, "*", color=ORANGE, ms=14, mec=BLACK, mew=0.6)
        axis.set(xlabel=f"{x} (kpc)", ylabel=f"{y} (kpc)", xlim=limits[:2], ylim=limits[2:])
        axis.grid(False)
    _borders(axes)
    axes[0].set_aspect("equal", adjustable="box")
    return figure


def _borders(axes):
    """Mark 7 <= R <= 14 kpc and |Z| <= 2 kpc (Sect. 4.4)."""
    low, high = gradients.R_RANGE
    angle = np.linspace(0, 2 * np.pi, 400)
    for r in (low, high):
        axes[0].plot(r * np.cos(angle), r * np.sin(angle), "--", color=BLACK, lw=0.9,
                     scalex=False, scaley=False)  # fmt: skip
        axes[1].plot([r, r], [-gradients.Z_MAX, gradients.Z_MAX], "--", color=BLACK, lw=0.9,
                     scalex=False, scaley=False)  # fmt: skip
    for z in (-gradients.Z_MAX, gradients.Z_MAX):
        axes[1].plot([low, high], [z, z], "--", color=BLACK, lw=0.9, scalex=False, scaley=False)


@styled
def gradients_figure(ours, others=None, *, name="this run"):
    """Draw Fig. 14: radial gradient against |Z|, vertical gradient against R.

    Parameters
    ----------
    ours : dict of str to DataFrame
        "radial", "vertical" → table of `gradients.radial`, `gradients.vertical`.
    others : dict of str to dict of str to DataFrame, optional
        Name → the same: published ones that the user gives, beside the paper's.
    name : str
        Of ours.
    """
    figure, axes = panels(2, columns=1, width=6.2, height=3.2)
    texts = {
        "radial": ("|Z| (kpc)", r"$\Delta$[Fe/H]/$\Delta R$ (dex/kpc)"),
        "vertical": ("R (kpc)", r"$\Delta$[Fe/H]/$\Delta Z$ (dex/kpc)"),
    }
    for axis, (kind, (x, y)) in zip(axes, texts.items(), strict=True):
        axis.axhspan(*EARLIER[kind], color="#eeeeee", zorder=0, label="earlier work (Sect. 4.4)")
        paper = gradients.published(kind)
        axis.errorbar(paper["at"], paper["gradient"], paper["gradient_error"], fmt="s--", ms=4,
                      color=GREEN, lw=1, label="Shen & Luo 2024, LAMOST DR9")  # fmt: skip
        table = ours[kind]
        axis.errorbar(table["at"], table["gradient"], table["gradient_error"], fmt="o-", ms=5,
                      color=BLACK, capsize=2, label=name)  # fmt: skip
        for k, (other, both) in enumerate((others or {}).items()):
            if kind in both:
                one, colour = both[kind], (BLUE, ORANGE, RED)[k % 3]
                error = one["gradient_error"] if "gradient_error" in one else None
                axis.errorbar(one["at"], one["gradient"], error, fmt="^-", ms=4, color=colour,
                              lw=0.9, label=other)  # fmt: skip
        axis.axhline(0, color="#999999", lw=0.6)
        shown = np.concatenate([paper["gradient"], table["gradient"], EARLIER[kind]])
        axis.set(xlabel=x, ylabel=y, ylim=span(shown, share=0, pad=0.12))
    axes[0].legend(loc="best", fontsize=6.8)
    return figure


@styled
def recovered(table):
    """Draw planted and found gradients of a mock Galaxy: the paper's way, and corrected.

    Parameters
    ----------
    table : DataFrame
        From `recovery.recovery_table`.
    """
    figure, axes = panels(2, columns=2, width=4.6, height=3.5)
    names = {"radial": ("|Z| (kpc)", "d[Fe/H]/dR (dex/kpc)"),
             "vertical": ("R (kpc)", "d[Fe/H]/d|Z| (dex/kpc)")}  # fmt: skip
    for axis, (kind, (x, y)) in zip(axes, names.items(), strict=True):
        part = table[table["kind"] == kind]
        bins, whole = part[part["at"] != "plane"], part[part["at"] == "plane"]
        at = bins["at"].to_numpy(float)
        step = np.diff(at).min() if len(at) > 1 else 1.0
        edge = at.max() + 1.2 * step if len(at) else 0.0
        places, ticks = np.append(at, [edge] * len(whole)), [f"{v:g}" for v in at]
        every = [*bins.itertuples(), *whole.itertuples()]
        for k, (column, error, colour, mark, label) in enumerate((
            ("planted", None, RED, "_", "planted, same stars"),
            ("gradient", "gradient_error", BLUE, "o", "as the paper"),
            ("corrected", "corrected_error", BLACK, "s", "corrected for errors"),
        )):  # fmt: skip
            value = np.array([getattr(row, column) for row in every], float)
            bar = None if error is None else np.array([getattr(r, error) for r in every], float)
            shift = 0.12 * step * (k - 1) if error else 0.0
            axis.errorbar(places + shift, value, bar, fmt=mark, color=colour, capsize=2, lw=1,
                          ms=16 if mark == "_" else 4.5, mew=2 if mark == "_" else 1,
                          label=label, zorder=3 - k)  # fmt: skip
        if "law" in bins and bins["law"].notna().any():
            axis.plot(at, bins["law"], "-", color=GREEN, lw=1.2, label="the Galaxy's law", zorder=1)
        axis.set_xticks(places, ticks + ["all stars"] * len(whole), fontsize=7)
        axis.axhline(0, color="#999999", lw=0.6)
        axis.set(xlabel=x, ylabel=y)
    axes[0].legend(loc="best")
    return figure
