"""Mass and metallicity (Fig. 6), the catalogue (Fig. 7), and where classes are mistaken."""

from __future__ import annotations

import numpy as np

from common.colours import BLACK, BLUE, GREEN, ORANGE, RED
from common.errors import SuiteError
from common.figures import Figure, panels, styled
from lamost_metallicity.figures.regression import OH, density_scatter
from lamost_metallicity.tables import beyond as tables_beyond
from lamost_metallicity.tables import classes as tables_classes
from lamost_metallicity.tables import regression as tables

KINDS = {"star-forming": BLUE, "composite": ORANGE, "AGN": BLACK, "other": "#999999"}


def _bins(df, mass):
    table = tables_beyond.mzr_table(df, mass)
    if not len(table):
        raise SuiteError(f"no bin of stellar mass has {tables.FEWEST} galaxies")
    return table


@styled
def mass_metallicity(df, mass="lgm_fib_true"):
    """Draw Fig. 6: predicted metallicity against stellar mass, with Tremonti et al. (2004).

    Red: median, 16-84 % and our parabola (Eq. 3) of the predictions; black: Eq. 2 with +-0.1 dex;
    green, on a mock: the planted relation (median of the same galaxies).
    """
    rows = tables_beyond.mass_rows(df, mass)
    table = _bins(df, mass)
    figure = Figure(figsize=(6.0, 4.7), layout="constrained")
    axis = figure.subplots()
    points = density_scatter(axis, rows[mass].to_numpy(float), rows["oh_pred"].to_numpy(float))
    figure.colorbar(points, ax=axis, label="density (a.u.)", pad=0.01, aspect=30)
    grid = np.linspace(*tables_beyond.MASS_RANGE, 100)
    eq2 = tables_beyond.tremonti(grid)
    axis.plot(grid, eq2, "-", color=BLACK, lw=1.6, label="Tremonti et al. 2004 (Eq. 2)")
    for sign in (-1, 1):
        axis.plot(grid, eq2 + 0.1 * sign, ":", color=BLACK, lw=0.9)
    x = table["log_mass"]
    axis.errorbar(x, table["predicted"], table["predicted_err"], fmt="-", color=RED, lw=1.8,
                  capsize=2, label="median of the predictions")  # fmt: skip
    axis.plot(x, table["p16"], "--", color=RED, lw=1.0, label="16-84 %")
    axis.plot(x, table["p84"], "--", color=RED, lw=1.0)
    ours = tables_beyond.fit_mzr(df, mass=mass)
    if ours is not None:
        text = f"Eq. 3, ours: {ours[0]:.3f} {ours[1]:+.4f} m {ours[2]:+.5f} m$^2$"
        inside = (grid >= x.min()) & (grid <= x.max())
        axis.plot(grid[inside], np.polynomial.Polynomial(ours)(grid[inside]), "-", color=ORANGE,
                  lw=1.3, label=text)  # fmt: skip
    if "planted" in table:
        axis.plot(x, table["planted"], "s", ms=4.5, mfc="none", color=GREEN, label="planted (mock)")
    low = min(rows["oh_pred"].quantile(0.002), 8.3) if len(rows) else 8.3
    axis.set(xlabel=r"log M$_*$ / M$_\odot$ (lgm_fib_p50)", ylabel=f"{OH}, predicted",
             xlim=(max(8.4, grid[0] - 0.1), 11.6), ylim=(low, 9.45))  # fmt: skip
    axis.legend(loc="lower right", title=f"scatter {tables_beyond.mzr_scatter(table):.3f} dex")
    return figure


@styled
def recovered(df, mass="lgm_fib_true"):
    """Draw the medians of the predictions less the planted ones, in bins of mass, with errors."""
    table = _bins(df, mass)
    found = tables_beyond.recovery(table)
    figure, (axis,) = panels(1, width=5.4, height=3.0)
    x, width = table["log_mass"], (table["p84"] - table["p16"]) / 2
    axis.fill_between(x, -width, width, color=RED, alpha=0.12, lw=0, label="16-84 % of galaxies")
    axis.errorbar(x, table["predicted"] - table["planted"], 2 * table["planted_err"], fmt="o",
                  color=RED, capsize=2, ms=4, label="predicted - planted, 2 errors")  # fmt: skip
    axis.plot(x, table["label"] - table["planted"], "x", color=BLUE, label="label - planted")
    axis.axhline(0, color=BLACK, lw=0.8)
    axis.set(xlabel=r"log M$_*$ / M$_\odot$", ylabel="difference of medians, dex")
    axis.set_title(f"rms {found['rms']:.3f} dex; {100 * found['within_2']:.0f} % of {found['bins']}"
                   " bins within two errors", fontsize=8.5)  # fmt: skip
    axis.legend(loc="best", ncols=2)
    return figure


@styled
def catalogue_distribution(df, confidence=tables_classes.CONFIDENCE):
    """Draw Fig. 7: the metallicities of the galaxies called star-forming with confidence."""
    value = tables_classes.catalogue_rows(df, confidence)["oh_pred"]
    if len(value) < tables.FEWEST:
        raise SuiteError(f"only {len(value)} galaxies have p(star-forming) >= {confidence:g}")
    figure, (axis,) = panels(1, width=5.0, height=3.2)
    axis.hist(value, bins=np.linspace(8.0, 9.5, 46), density=True, color=BLUE, edgecolor="white",
              lw=0.3)  # fmt: skip
    axis.axvline(8.91, color=BLACK, ls="--", lw=0.9, label="paper's mean, LAMOST: 8.91")
    axis.axvline(value.mean(), color=RED, lw=1.2, label=f"mean {value.mean():.3f}")
    axis.set(xlabel=f"{OH}, predicted", ylabel="density", xlim=(8.0, 9.5))
    axis.set_title(f"{len(value)} galaxies with p(star-forming) >= {confidence:g}", fontsize=8.5)
    axis.legend(loc="upper left")
    return figure


@styled
def diagram(df):
    """Draw the measured lines in the BPT plane, by class, and the misclassified among them.

    Curves: Kauffmann et al. 2003 (dashed) and Kewley et al. 2001 (solid).
    """
    rows = tables_classes.classified(df)
    rows = rows[rows["n2"].notna() & rows["o3n2"].notna()]
    wrong = (rows["is_sf"] != rows["called_sf"]).to_numpy()
    kind = np.full(len(rows), "other", dtype=object)
    klass = rows["bptclass"].fillna(0).to_numpy(int)
    kind[np.isin(klass, (1, 2))], kind[klass == 3] = "star-forming", "composite"
    kind[klass == 4] = "AGN"
    x, y = rows["n2"].to_numpy(float), (rows["o3n2"] + rows["n2"]).to_numpy(float)
    figure, axes = panels(2, columns=2, width=4.2, height=3.6, sharex=True, sharey=True)
    grid = np.linspace(-1.8, 0.6, 200)
    for axis, keep, title in zip(axes, (~wrong, wrong), ("called right", "called wrong"),
                                 strict=True):  # fmt: skip
        for name, colour in KINDS.items():
            here = keep & (kind == name)
            axis.plot(x[here], y[here], ".", ms=4, mew=0, color=colour, alpha=0.7,
                      label=f"{name}: {here.sum()}", rasterized=True)  # fmt: skip
        for a, b, c, style, end in ((0.61, 0.05, 1.3, "--", 0.0), (0.61, 0.47, 1.19, "-", 0.42)):
            axis.plot(grid[grid < end], a / (grid[grid < end] - b) + c, style, color=BLACK, lw=1)
        axis.set(xlabel="log [N II] 6585 / Hα", xlim=(-1.6, 0.6), ylim=(-1.3, 1.4), title=title)
        axis.legend(loc="lower left", markerscale=2, handletextpad=0.1)
    axes[0].set_ylabel("log [O III] 5008 / Hβ")
    return figure
