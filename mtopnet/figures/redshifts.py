"""The paper's figures of sample, residuals and success (Figs 1, 4-8), from saved predictions."""

from __future__ import annotations

import numpy as np

from common.colours import BLACK, BLUE, GREEN, ORANGE, PURPLE, RED
from common.figures import Figure, panels, styled
from mtopnet import published
from mtopnet.mock.check import speagle, whitaker
from mtopnet.tables import redshifts as tables

HOURS = {"2 h": BLUE, "4 h": GREEN, "8 h": RED}
COLOURS = HOURS | {"MOONRISE-like": "#777777", "F(Hα) > 1e-17": PURPLE, "all": BLACK,
                   "F(Hα) in the fibre > 1e-17": ORANGE}  # fmt: skip
LABELS = {
    "z": ("redshift", (0.6, 3.0)),
    "log M": (r"log $M_{star}$ (M$_\odot$)", (7.8, 11.6)),
    "log SFR": (r"log SFR (M$_\odot$/yr)", (-2.6, 3.2)),
}
LEVELS = (0.20, 0.50, 0.75, 0.95)  # Fig. 4: of the probability inside the contours
MOST = 4000  # points that a density is estimated from


@styled
def distributions(df):
    """Draw Fig. 1: redshift, mass, rate, m_H and F(Ha) of the galaxies, and the M-SFR plane."""
    galaxies = df.drop_duplicates("galaxy")
    wanted = [("z_true", "redshift", (0.6, 3.0)), ("lgm_true", LABELS["log M"][0], (7.6, 11.8)),
              ("sfr_true", LABELS["log SFR"][0], (-3, 3.2)), ("m_h", r"$m_H$", (18, 28)),
              ("f_ha", r"log F(H$\alpha$) (erg/s/cm$^2$)", (-20, -14))]  # fmt: skip
    wanted = [w for w in wanted if w[0] in galaxies and galaxies[w[0]].notna().any()]
    both = {"lgm_true", "sfr_true"} <= {w[0] for w in wanted}
    figure, axes = panels(len(wanted) + both, width=3.2, height=2.6)
    for axis, (column, name, span) in zip(axes, wanted, strict=False):
        value = galaxies[column].dropna().to_numpy(float)
        value = _log(value) if column == "f_ha" else value
        inside = value[(value > span[0]) & (value < span[1])]
        axis.hist(inside, bins=40, range=span, color=BLUE, edgecolor="white", lw=0.3)
        beyond = f", {len(value) - len(inside)} beyond" if len(inside) < len(value) else ""
        axis.set(xlabel=name, ylabel="galaxies", xlim=span)
        axis.set_title(f"median {np.median(value):.3g}, n = {len(value)}{beyond}", fontsize=8)
    if both:
        _plane(figure, axes[-1], galaxies)
    return figure


def _log(value):
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log10(value)


def _plane(figure, axis, galaxies):
    """Fill an axis with the M-SFR plane, coloured by F(Ha) where it is known."""
    has = "f_ha" in galaxies and galaxies["f_ha"].notna().any()
    colour = np.clip(_log(galaxies["f_ha"].to_numpy(float)), -19, -15) if has else BLUE
    order = np.random.default_rng(0).permutation(len(galaxies))
    points = axis.scatter(
        galaxies["lgm_true"].to_numpy()[order], galaxies["sfr_true"].to_numpy()[order], s=4, lw=0,
        rasterized=True, **({"c": colour[order], "cmap": "viridis"} if has else {"color": colour}),
    )  # fmt: skip
    axis.set(xlabel=LABELS["log M"][0], ylabel=LABELS["log SFR"][0], ylim=(-3, 3.2))
    m = np.linspace(9.2, 11.2, 30)
    for z, name, colour in ((0.75, "0.5-1", BLUE), (1.75, "1.5-2", RED)):
        axis.plot(m, whitaker(m, np.full(len(m), z)), "o", ms=2.5, color=colour,
                  label=f"Whitaker et al. 2014, z {name}")  # fmt: skip
    axis.plot(m, speagle(m, np.ones(len(m))), color=BLACK, lw=1, label="Speagle et al. 2014, z 1")
    axis.legend(fontsize=5.5, loc="lower right")
    if has:
        figure.colorbar(points, ax=axis, label=r"log F(H$\alpha$)", pad=0.01)


def density_levels(x, y, *, levels=LEVELS, width=None, seed=0):
    """Return a grid's density and the values that enclose shares of the probability.

    Parameters
    ----------
    x, y : ndarrays of shape (n,)
    levels : sequence of float
        Shares.
    width : float, optional
        Of the Gaussian kernel, in standard deviations of the points; Scott's rule without it.

    Returns
    -------
    tuple or None
        (xs, ys, density of shape (len(ys), len(xs)), ascending contour values); None where the
        points lie on a line or are too few.
    """
    from scipy.stats import gaussian_kde

    if len(x) < 40:
        return None
    at = np.random.default_rng(seed).permutation(len(x))[:MOST]
    try:
        kernel = gaussian_kde(np.vstack([x[at], y[at]]), bw_method=width)
    except np.linalg.LinAlgError:
        return None
    own = np.sort(kernel(np.vstack([x[at], y[at]])))
    values = np.unique([own[int((1 - level) * (len(own) - 1))] for level in levels])
    xs, ys = np.linspace(*np.percentile(x, [0, 100]), 90), np.linspace(
        *np.percentile(y, [0, 100]), 90)  # fmt: skip
    grid = np.stack(np.meshgrid(xs, ys)).reshape(2, -1)
    return xs, ys, kernel(grid).reshape(90, 90), values


def truth_panel(axis, df, quantity, *, colour=RED):
    """Fill an axis with predicted against labelled, contours of density and the 1:1 line."""
    true, pred = tables.QUANTITIES[quantity]
    part = df[[true, pred]].dropna()
    x, y = part[true].to_numpy(float), part[pred].to_numpy(float)
    name, span = LABELS[quantity]
    few = len(x) < 2000
    axis.plot(x, y, ".", ms=3.5 if few else 2, color=colour, alpha=0.6 if few else 0.35, mew=0,
              rasterized=True)  # fmt: skip
    # Most redshifts lie on the line: a wide kernel would draw its own shape.
    found = density_levels(x, y, width=0.12 if quantity == "z" else None)
    if found is not None:
        axis.contour(*found[:3], levels=found[3], colors=BLACK, linewidths=0.8)
    axis.plot(span, span, "--", color=BLACK, lw=1.0)
    axis.set(xlabel=f"{name}, label", ylabel="predicted", xlim=span, ylim=span)


def residual_panel(axis, df, quantity, *, bins=61):
    """Fill an axis with residuals and the Gaussian fitted to them; return the fit."""
    value = tables.residual(df, quantity)
    fit = tables.gaussian_fit(value)
    half = {"z": 0.012, "log M": 1.0, "log SFR": 1.5}[quantity]
    value = value[np.isfinite(value)]
    edges = np.linspace(-half, half, bins)
    counts, _, _ = axis.hist(value, bins=edges, color=PURPLE, alpha=0.55)
    told = published.fit(quantity)
    if np.isfinite(fit["sigma"]) and fit["sigma"] > 0:
        grid = np.linspace(-half, half, 500)
        bell = np.exp(-0.5 * ((grid - fit["mu"]) / fit["sigma"]) ** 2)
        axis.plot(grid, counts.max() * bell, color=BLUE, lw=1.4)
    digits = 4 if quantity == "z" else 3
    axis.set_title(
        f"$\\mu$ = {fit['mu']:.{digits}f}, $\\sigma$ = {fit['sigma']:.{digits}f}\n"
        f"paper: {told[0]:g}, {told[1]:g};  beyond the panel: {np.mean(np.abs(value) > half):.1%}",
        fontsize=8,
    )
    axis.set(xlabel=f"{quantity}: predicted $-$ label", ylabel="spectra", xlim=(-half, half))
    return fit


@styled
def residuals(df, *, title=None):
    """Draw Figs 4 and 6: predicted against labelled, and residuals with Gaussian fits."""
    known = [q for q in tables.QUANTITIES if tables.residual(df, q) is not None]
    known = [q for q in known if np.isfinite(tables.residual(df, q)).sum() >= tables.FEWEST]
    figure = Figure(figsize=(3.3 * len(known), 5.4), layout="constrained")
    axes = figure.subplots(2, len(known), squeeze=False)
    for column, quantity in enumerate(known):
        truth_panel(axes[0, column], df, quantity)
        residual_panel(axes[1, column], df, quantity)
    figure.suptitle(f"{title + ': ' if title else ''}{len(df)} spectra", fontsize=10)
    return figure


@styled
def several_tasks(df, variants):
    """Draw Fig. 5: redshifts of 8 h spectra by this network and by the ablations, same spectra.

    Parameters
    ----------
    df : DataFrame
        Of the run itself.
    variants : dict of str to DataFrame
        Name -> test rows of another network.
    """
    own = df[tables.exposed(df, 8)]
    shown = {"this network": own}
    for name, other in variants.items():
        shown[name] = other[other["id"].isin(own["id"])]
    figure, axes = panels(len(shown), columns=4, width=2.9, height=3.2)
    for axis, (name, part) in zip(axes, shown.items(), strict=True):
        bad = tables.catastrophic(part["dz"])
        axis.axvspan(*tables.DARK_Z, color="#dddddd", lw=0)
        for rows, colour in ((~bad, RED), (bad, BLACK)):
            axis.plot(part.loc[rows, "z_true"], part.loc[rows, "z_peak"], ".", ms=3, mew=0,
                      color=colour, alpha=0.6, rasterized=True)  # fmt: skip
        axis.plot((0.6, 3), (0.6, 3), "--", color=BLACK, lw=0.8)
        axis.set(xlabel="z, label", ylabel="z, predicted", xlim=(0.6, 3), ylim=(0.6, 3))
        axis.set_title(f"{name}\n|dz| > 0.5: {bad.mean():.1%} of {len(part)}", fontsize=8.5)
    return figure


@styled
def success_by_threshold(df):
    """Draw Fig. 7: fraction of right redshifts against the threshold, for each sample."""
    table = tables.success_table(df)
    figure, (axis,) = panels(1, width=6.6, height=4.3)
    x = np.arange(len(tables.THRESHOLDS))
    for row in table.to_dict("records"):
        name = row["sample"]
        middle = name.endswith("z 0.8-1.7")
        colour = HOURS.get(name[:3], COLOURS.get(name, BLACK))
        style = "--" if name in HOURS or name == "all" else "-"
        y = [row[f"{limit:g}"] for limit in tables.THRESHOLDS]
        error = [row[f"{limit:g}_err"] for limit in tables.THRESHOLDS]
        axis.errorbar(x, y, error, ls=style, marker="o" if middle else "s", ms=4, color=colour,
                      capsize=2, label=f"{name} ({row['n']})")  # fmt: skip
    for name in published.SUCCESS:
        axis.plot(
            x[[0, -1]],
            published.success(name),
            "*",
            ms=12,
            color=COLOURS[name],
            mec=BLACK,
            mew=0.6,
            zorder=9,
        )
    axis.plot([], [], "*", ms=11, color="white", mec=BLACK, label="paper (text)")
    axis.set_xticks(x, [f"{limit:g}" for limit in tables.THRESHOLDS])
    lowest = table[f"{tables.THRESHOLDS[0]:g}"].min()
    axis.set(xlabel=r"threshold in |$\Delta z$|", ylabel="fraction of right redshifts",
             ylim=(max(0, lowest - 0.1), 1.01))  # fmt: skip
    axis.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


@styled
def success_by_magnitude(df, expected=None):
    """Draw Fig. 8: fraction with |dz| < 0.01 against m_H, for each sample; counts above.

    Parameters
    ----------
    df : DataFrame
    expected : DataFrame, optional
        low, high, fraction: the rate that the lines let expect
        (`mtopnet.tables.redshifts.expected_table`).
    """
    table = tables.magnitude_table(df)
    figure = Figure(figsize=(6.4, 5.0), layout="constrained")
    top, axis = figure.subplots(2, 1, sharex=True, height_ratios=(1, 3))
    top.hist(df["m_h"].dropna(), bins=np.arange(18, 28.01, 0.25), color="#999999")
    top.set(ylabel="spectra")
    for name, part in table.groupby("sample", sort=False):
        part = part.dropna(subset=["fraction"])
        middle = (part["low"] + part["high"]) / 2
        axis.errorbar(middle, part["fraction"], part["error"], marker="o", ms=4, capsize=2,
                      color=COLOURS[name], label=name)  # fmt: skip
    if expected is not None and len(expected):
        part = expected.dropna(subset=["fraction"])
        axis.plot(
            (part["low"] + part["high"]) / 2,
            part["fraction"],
            "--",
            color=ORANGE,
            label=f"two lines with S/N > 7 and > 5, {tables.EXPECTED_HOURS:g} h",
        )
    for name, m_h, told in published.at_magnitudes():
        axis.plot(m_h, told, "*", ms=12, color=COLOURS[name], mec=BLACK, mew=0.6, zorder=9)
    axis.plot([], [], "*", ms=11, color="white", mec=BLACK, label="paper (text)")
    axis.set(xlabel=r"$m_H$", ylabel=r"fraction with |$\Delta z$| < 0.01", xlim=(18.5, 27.5),
             ylim=(0, 1.03))  # fmt: skip
    axis.legend(loc="lower left")
    return figure
