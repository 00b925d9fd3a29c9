"""The paper's figures of sample and regression (Figs 1, 3, 4, 5), from saved predictions."""

from __future__ import annotations

import numpy as np
from scipy.stats import gaussian_kde

from common.colours import BLACK, BLUE, GREEN, ORANGE, PURPLE, RED, SKY
from common.figures import Figure, panels, styled
from lamost_metallicity.tables import regression as tables

OH = "12 + log(O/H)"
SPLIT_COLOURS = {"train": BLUE, "valid": ORANGE, "test": GREEN, "real": RED}
STYLES = {  # colour and marker of each method in every figure
    "oh_pred": (BLUE, "o"),
    "oh_rf": (GREEN, "s"),
    "oh_mlp": (ORANGE, "^"),
    "oh_multi": (SKY, "D"),
    "oh_raw": (PURPLE, "v"),
    "oh_n2_cal": (RED, "<"),
    "oh_o3n2_cal": (BLACK, ">"),
}


@styled
def distributions(df):
    """Draw Fig. 1: densities of redshift, S/N_r and Petrosian r magnitude."""
    wanted = [("z", "redshift", (0, 0.3)), ("snr_r", "S/N_r", (0, 50)),
              ("petro_r", "petroMag_r", (14, 19))]  # fmt: skip
    wanted = [w for w in wanted if w[0] in df and df[w[0]].notna().any()]
    figure, axes = panels(len(wanted), width=3.3, height=2.6)
    for axis, (column, name, span) in zip(axes, wanted, strict=True):
        value = df[column].dropna()
        inside = value[value.between(*span)]
        axis.hist(inside, bins=40, range=span, density=True, color=BLUE, edgecolor="white", lw=0.3)
        beyond = f", {len(value) - len(inside)} beyond" if len(inside) < len(value) else ""
        axis.set(xlabel=name, ylabel="density", xlim=span)
        axis.set_title(f"median {value.median():.3g}, n = {len(value)}{beyond}", fontsize=8)
    return figure


@styled
def label_distributions(df):
    """Draw Fig. 3: densities of the label in each split."""
    figure, (axis,) = panels(1, width=5.0, height=3.4)
    bins = np.linspace(7.8, 9.5, 44)
    splits = df["split"] if "split" in df else np.full(len(df), "test")
    for name, colour in SPLIT_COLOURS.items():
        part = df.loc[splits == name, "oh_true"].dropna()
        if len(part):
            axis.hist(part, bins=bins, density=True, histtype="step", lw=1.5, color=colour,
                      label=f"{name}: {len(part)}, mean {part.mean():.3f}")  # fmt: skip
    axis.set(xlabel=f"{OH} (oh_p50)", ylabel="density", xlim=(7.8, 9.5))
    axis.legend(loc="upper left")
    return figure


def running(x, y, *, n_bins=18, fewest=12):
    """Return centres and 16, 50, 84 % of y in bins of x with about equal spacing.

    Parameters
    ----------
    x, y : ndarrays of shape (n,)
    n_bins, fewest : int
        Bins between the 0.5 and 99.5 % of x; bins with fewer rows are left out.

    Returns
    -------
    centres : ndarray of shape (k,)
    percentiles : ndarray of shape (3, k)
    """
    low, high = np.percentile(x, [0.5, 99.5])
    edges = np.linspace(low, max(high, low + 1e-6), n_bins + 1)
    where = tables.bins_of(x, edges)
    full = [i for i in range(n_bins) if (where == i).sum() >= fewest]
    centres = np.array([np.mean(x[where == i]) for i in full])
    lines = [np.percentile(y[where == i], [16, 50, 84]) for i in full]
    return centres, np.array(lines).reshape(len(full), 3).T


def density_scatter(axis, x, y, *, most=4000, seed=0):
    """Fill an axis with points coloured by the density of points; return the colour map's object.

    Of more than `most` points the densities come from as many drawn at random.
    """
    both = np.vstack([x, y])
    rng = np.random.default_rng(seed)
    sample = both[:, rng.permutation(both.shape[1])[:most]]
    try:
        density = gaussian_kde(sample)(both)
    except np.linalg.LinAlgError:  # all points on one line
        density = np.ones(both.shape[1])
    order = np.argsort(density)
    return axis.scatter(x[order], y[order], c=density[order], s=5, lw=0, cmap="viridis",
                        rasterized=True)  # fmt: skip


@styled
def predicted_against_true(df, column="oh_pred", title=None):
    """Draw Fig. 4: predicted against true, coloured by density, with running median and 1 sigma.

    The inset shows the residuals with a Gaussian of their mean and standard deviation.
    """
    rows = df.dropna(subset=[column, "oh_true"])
    x, y = rows["oh_true"].to_numpy(float), rows[column].to_numpy(float)
    figure = Figure(figsize=(5.6, 4.9), layout="constrained")
    axis = figure.subplots()
    points = density_scatter(axis, x, y)
    figure.colorbar(points, ax=axis, label="density (a.u.)", pad=0.01, aspect=30)
    low, high = min(x.min(), y.min(), 8.0), max(x.max(), y.max(), 9.3)
    axis.plot([low, high], [low, high], "-", color=BLACK, lw=1.1, label="1:1")
    centres, (lower, median, upper) = running(x, y)
    axis.plot(centres, median, "-", color=RED, lw=1.8, label="median")
    axis.plot(centres, lower, "--", color=RED, lw=1.0, label=r"1 $\sigma$")
    axis.plot(centres, upper, "--", color=RED, lw=1.0)
    axis.set(xlabel=f"{OH}, label (oh_p50)", ylabel=f"{OH}, predicted", xlim=(low, high),
             ylim=(low, high), title=title or tables.METHODS.get(column, column))  # fmt: skip
    axis.legend(loc="upper left")
    inset = axis.inset_axes((0.62, 0.1, 0.35, 0.29))
    _residuals(inset, y - x)
    return figure


def _residuals(axis, residual):
    mean, sigma = residual.mean(), residual.std()
    half = max(0.4, np.percentile(np.abs(residual), 99))
    axis.hist(residual, bins=np.linspace(-half, half, 41), density=True, color=SKY)
    grid = np.linspace(-half, half, 200)
    axis.plot(grid, np.exp(-0.5 * ((grid - mean) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi)),
              color=RED, lw=1.0)  # fmt: skip
    axis.set(xlim=(-half, half), yticks=[])
    axis.tick_params(labelsize=6.5)
    axis.grid(False)
    axis.set_title(rf"$\mu$ = {mean:.4f}   $\sigma$ = {sigma:.4f}", fontsize=7.5)
    axis.set_xlabel(r"$Z_{pred} - Z_{true}$", fontsize=7, labelpad=1)


@styled
def methods(df, columns=None):
    """Draw Table 1 beside the strong lines: sigma of each method against the labels."""
    table = tables.method_table(df)
    if columns is not None:
        table = table[table["column"].isin(columns)]
    figure, (axis,) = panels(1, width=7.6, height=0.34 * len(table) + 0.8)
    rows = np.arange(len(table))[::-1]
    for y, line in zip(rows, table.itertuples(), strict=True):
        colour = STYLES.get(line.column, ("#888888", "o"))[0]
        axis.barh(y, line.sigma, xerr=line.sigma_err, color=colour, height=0.62, alpha=0.85)
        text = f"{line.sigma:.4f}   mean {line.mean:+.4f}"
        text += f"   {100 * line.share:.0f} % of galaxies" if line.share < 0.995 else ""
        axis.text(line.sigma + line.sigma_err + 0.002, y, text, va="center", fontsize=7.5,
                  bbox={"fc": "white", "ec": "none", "pad": 0.8})  # fmt: skip
    axis.axvline(0.0829, color=BLACK, ls="--", lw=0.9)
    axis.text(0.0829, len(table) - 0.4, "paper's CNN, LAMOST: 0.0829", fontsize=7.5, ha="center")
    axis.set_yticks(rows, table["method"])
    axis.set(xlabel=r"$\sigma$(estimate $-$ label), dex", ylim=(-0.6, len(table)),
             xlim=(0, max(table["sigma"].max(), 0.09) * 1.9))  # fmt: skip
    axis.grid(axis="y", visible=False)
    return figure


@styled
def sigma_in_bins(df, columns=("oh_pred",)):
    """Draw Fig. 5: sigma in bins of S/N_r (a) and redshift (b), ours beside the paper's."""
    figure, axes = panels(2, columns=2, width=4.4, height=3.5)
    for axis, by, name in zip(axes, ("snr_r", "z"), ("S/N_r", "redshift"), strict=True):
        if by not in df or df[by].isna().all():
            axis.text(0.5, 0.5, f"no {name} in the table", ha="center", transform=axis.transAxes)
            continue
        table = tables.binned_table(df, by, columns=columns)
        x = np.arange(len(table))
        for k, column in enumerate(c for c in columns if c in table):
            colour, mark = STYLES[column]
            at = x + 0.06 * (k - (len(columns) - 1) / 2)
            axis.errorbar(at, table[column], table[f"{column}_err"], marker=mark, ms=4,
                          color=colour, capsize=2, lw=1.3 if k == 0 else 0.8,
                          label=tables.METHODS[column])  # fmt: skip
        told = table["published"].notna()
        axis.plot(x[told], table["published"][told], "*", ms=11, color="white", mec=BLACK, zorder=9,
                  label="paper, LAMOST (text of Sect. 4)")  # fmt: skip
        if by in tables.PUBLISHED_WORST:
            axis.axhline(tables.PUBLISHED_WORST[by], ls=":", color=BLACK, lw=0.9,
                         label="paper, LAMOST: largest of all bins")  # fmt: skip
        axis.set_xticks(x, [f"{b}\nn={n}" for b, n in zip(table["bin"], table["n"], strict=True)],
                        fontsize=6.8)  # fmt: skip
        axis.set(xlabel=name, ylabel=r"$\sigma$(estimate $-$ label), dex", ylim=(0, None))
        axis.set_title("(a)" if by == "snr_r" else "(b)", loc="left")
    for axis in axes:
        if axis.get_legend_handles_labels()[0]:
            axis.legend(loc="best", fontsize=6.8)
    return figure
