"""Beyond the paper: strong lines against the network, errors, label noise, tasks, real files."""

from __future__ import annotations

import numpy as np

from common import calibration as intervals
from common.colours import BLACK, BLUE, COLOURS, GREEN, RED
from common.errors import SuiteError
from common.figures import panels, styled
from lamost_metallicity.figures.regression import OH, STYLES, density_scatter
from lamost_metallicity.tables import beyond as tables_beyond
from lamost_metallicity.tables import regression as tables

LINE_EDGES = (3, 5, 8, 12, 20, 40, np.inf)


@styled
def network_or_lines(df):
    """Draw at which S/N network or strong lines are better, on galaxies that have both."""
    lines = tables_beyond.line_snr(df)
    whole = df.assign(**{c: lines[c] for c in lines})
    wanted = [("snr_r", tables.SNR_EDGES, "S/N_r of the spectrum")]
    if "snr_nii" in whole:
        wanted.append(("snr_nii", LINE_EDGES, "S/N of [N II] 6585"))
    figure, axes = panels(len(wanted), columns=2, width=4.6, height=3.6, sharey=True)
    for axis, (by, edges, name) in zip(axes, wanted, strict=True):
        table = tables_beyond.winner_table(whole, by, edges).iloc[:-1]  # without "all"
        x = np.arange(len(table))
        for k, (column, label) in enumerate(list(tables_beyond.NETWORK_OR_LINES.items())[1:]):
            if label not in table:
                continue
            colour, mark = STYLES[column]
            axis.plot(x, table[label], marker=mark, color=colour, ms=5, label=label)
            axis.plot(x, table[f"network_{label}"], "--", marker="o", color=colour, ms=4,
                      mfc="white", label=f"network, same galaxies as {label}")  # fmt: skip
            for i, share in enumerate(table[f"{label}_share"]):
                if np.isfinite(table[label][i]):
                    axis.annotate(f"{100 * share:.0f} %", (x[i], table[label][i]), fontsize=6,
                                  xytext=(0, 5 + 5 * k), textcoords="offset points", ha="center",
                                  color=colour)  # fmt: skip
        axis.set_xticks(x, [f"{b}\nn={n}" for b, n in zip(table["bin"], table["n"], strict=True)],
                        fontsize=6.8)  # fmt: skip
        axis.set_xlabel(name)
    axes[0].set_ylim(0, 1.08 * axes[0].get_ylim()[1])  # shared, known once both are drawn
    axes[0].set_ylabel(r"$\sigma$(estimate $-$ label), dex")
    axes[0].legend(loc="best", fontsize=6.8)
    figure.suptitle("Strong lines on the labels' scale; per cent: galaxies that get an estimate",
                    fontsize=9)  # fmt: skip
    return figure


@styled
def reliability(df, half, groups=None):
    """Draw coverage against level, and the probability integral transform, of label and planted.

    Parameters
    ----------
    df : DataFrame
        Rows of `tables.regression_rows`.
    half : dict of float to ndarray of shape (n,)
        See `tables_beyond.half_widths`.
    groups : array of str, optional
        Drawn apart in the left panel.
    """
    figure, (left, right) = panels(2, columns=2, width=4.4, height=3.6)
    residual = (df["oh_true"] - df["oh_pred"]).to_numpy(float)
    levels = np.array(sorted(half))
    groups = np.full(len(df), "all") if groups is None else np.asarray(groups, str)
    names = list(dict.fromkeys(["all", *sorted(groups)]))
    for i, name in enumerate(names):
        here = np.ones(len(df), bool) if name == "all" else groups == name
        if here.sum() < tables.FEWEST:
            continue
        found = [
            intervals.coverage(residual=residual[here], half=half[v][here])[:2] for v in levels
        ]
        value, error = np.array(found).T
        left.errorbar(levels, value, error, marker="o", ms=4, capsize=2, lw=1 + (name == "all"),
                      color=COLOURS[i % len(COLOURS)],
                      label="all" if name == "all" else f"S/N_r {name}")  # fmt: skip
    left.plot([0, 1], [0, 1], "--", color=BLACK, lw=0.9)
    left.set(xlabel="level of the interval", ylabel="fraction of labels inside", xlim=(0.3, 1),
             ylim=(0.3, 1.01))  # fmt: skip
    left.legend(loc="upper left")
    value = intervals.pit(residual=residual, intervals=half)
    counts, edges = np.histogram(value, bins=20, range=(0, 1))
    right.stairs(counts / max(counts.sum(), 1) * 20, edges, color=BLUE, lw=1.5, fill=False)
    expected = np.sqrt(20 / max(counts.sum(), 1))
    right.axhspan(1 - 2 * expected, 1 + 2 * expected, color="#bbbbbb", alpha=0.4, lw=0)
    right.axhline(1, ls="--", color=BLACK, lw=0.9)
    right.set(xlabel="PIT of the labels", ylabel="density", xlim=(0, 1), ylim=(0, None))
    right.set_title("hump: errors too large; U: too small; tilt: biased", fontsize=8.5)
    return figure


@styled
def noise_floor(df):
    """Draw residuals against the label and against what was planted, beside the labels' own."""
    figure, (axis,) = panels(1, width=5.2, height=3.3)
    half = max(0.35, np.nanpercentile(np.abs(df["oh_pred"] - df["oh_true"]), 99))
    edges = np.linspace(-half, half, 61)
    for a, b, colour, text in (
        ("oh_true", "oh_planted", GREEN, "label - planted: the floor"),
        ("oh_pred", "oh_true", BLUE, "predicted - label"),
        ("oh_pred", "oh_planted", RED, "predicted - planted"),
    ):
        residual = (df[a] - df[b]).dropna()
        axis.hist(residual, bins=edges, density=True, histtype="step", lw=1.5, color=colour,
                  label=rf"{text}: $\sigma$ = {residual.std():.4f}")  # fmt: skip
    axis.set(xlabel=f"difference of {OH}, dex", ylabel="density", xlim=(-half, half),
             ylim=(0, 1.35 * axis.get_ylim()[1]))  # fmt: skip
    axis.legend(loc="upper left")
    return figure


@styled
def several_tasks(df):
    """Draw metallicity, mass and star formation rate of the multi-task network against labels."""
    wanted = [("oh_true", "oh_multi", OH), ("lgm_fib_true", "lgm_pred", "log stellar mass (fibre)"),
              ("sfr_true", "sfr_pred", "log SFR (fibre)")]  # fmt: skip
    wanted = [w for w in wanted if {w[0], w[1]} <= set(df) and len(df[[w[0], w[1]]].dropna()) > 2]
    figure, axes = panels(len(wanted), width=3.4, height=3.2)
    for axis, (true, pred, name) in zip(axes, wanted, strict=True):
        rows = df[[true, pred]].dropna().to_numpy(float)
        density_scatter(axis, rows[:, 0], rows[:, 1])
        ends = np.percentile(rows, [0.1, 99.9])
        axis.plot(ends, ends, color=BLACK, lw=1)
        residual = rows[:, 1] - rows[:, 0]
        axis.set(xlabel=f"{name}, label", ylabel="multi-task network", xlim=ends, ylim=ends)
        axis.set_title(rf"$\mu$ = {residual.mean():.4f}, $\sigma$ = {residual.std():.4f}",
                       fontsize=8.5)  # fmt: skip
    return figure


@styled
def real_spectra(df):
    """Draw, for real spectra, the network against each strong-line estimate on the same spectrum.

    Filled, and in the title: star-forming by their lines (Kauffmann et al. 2003); open: others.
    Bars: the network's 68 % error.
    """
    wanted = [(c, n) for c, n in (("oh_o3n2_cal", "O3N2, labels' scale"),
                                  ("oh_n2_cal", "N2, labels' scale"),
                                  ("oh_o3n2_t04", "O3N2, to T04 (Kewley & Ellison 2008)"),
                                  ("pipe_oh_o3n2_cal", "O3N2 of the pipeline, labels' scale"),
                                  ("pipe_oh_n2_cal", "N2 of the pipeline, labels' scale"))
              if c in df and df[c].notna().any()]  # fmt: skip
    if not wanted:
        raise SuiteError("no spectrum has the lines of N2 or O3N2 above 3 sigma")
    figure, axes = panels(len(wanted), width=3.5, height=3.4, sharey=True)
    for axis, (column, name) in zip(axes, wanted, strict=True):
        rows = df.dropna(subset=[column, "oh_pred"])
        sure = (rows["lines_say"] == "star-forming").to_numpy()
        error = rows["oh_sigma"] if "oh_sigma" in rows else None
        axis.errorbar(rows[column], rows["oh_pred"], yerr=error, fmt="none", ecolor="#bbbbbb",
                      elinewidth=0.8)  # fmt: skip
        for keep, fill, text in ((sure, BLUE, "star-forming"), (~sure, "white", "not, or unknown")):
            if keep.any():
                axis.plot(rows[column][keep], rows["oh_pred"][keep], "o", ms=5, mfc=fill,
                          color=BLUE, label=f"{text}: {keep.sum()}")  # fmt: skip
        difference = (rows["oh_pred"] - rows[column]).to_numpy(float)[sure]
        ends = (8.0, 9.4)
        axis.plot(ends, ends, color=BLACK, lw=1)
        title = f"mean {difference.mean():+.3f}" if len(difference) else "none star-forming"
        title += rf", $\sigma$ = {difference.std(ddof=1):.3f}" if len(difference) > 1 else ""
        axis.set(xlabel=name, xlim=ends, ylim=ends)
        axis.set_title(title, fontsize=8.5)
        axis.legend(loc="upper left")
    axes[0].set_ylabel(f"{OH}, network")
    return figure
