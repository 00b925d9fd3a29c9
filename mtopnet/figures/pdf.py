"""Figures of PDFs (Figs 11, 12): whom they fail, what screens them, how far they can be trusted."""

from __future__ import annotations

import numpy as np

from common.colours import BLACK, BLUE, GREEN, ORANGE, RED, SKY
from common.figures import Figure, panels, styled
from mtopnet import pdf as pdfs
from mtopnet import published
from mtopnet.tables import pdf as tables_pdf
from mtopnet.tables import redshifts as tables

FLUX = ("f_ha", "f_oiii")
LEVELS = np.linspace(0.05, 0.95, 19)


@styled
def good_and_poor(df):
    """Draw Fig. 11: distributions of well and poorly predicted spectra, each of area 1."""
    good = tables.success(df["dz"])
    wanted = [c for c in tables_pdf.PROPERTIES if c in df and df[c].notna().sum() > tables.FEWEST]
    figure, axes = panels(len(wanted), width=3.1, height=2.5)
    for axis, column in zip(axes, wanted, strict=True):
        value = df[column].to_numpy(float)
        with np.errstate(divide="ignore", invalid="ignore"):
            value = np.log10(value) if column in FLUX else value
        use = np.isfinite(value)
        edges = np.linspace(*np.percentile(value[use], [0.3, 99.7]), 31)
        for rows, colour, name in ((good, BLUE, "good"), (~good, RED, "poor")):
            part = value[rows & use]
            if len(part):
                axis.hist(np.clip(part, edges[0], edges[-1]), bins=edges, density=True, alpha=0.5,
                          color=colour, label=f"{name}: {len(part)}")  # fmt: skip
        if column == "z_true":
            axis.axvspan(*tables.DARK_Z, color="#dddddd", lw=0, zorder=0)
        name = tables_pdf.PROPERTIES[column]
        axis.set(xlabel=f"log {name}" if column in FLUX else name, ylabel="density")
        axis.legend()
    return figure


@styled
def corner(df):
    """Draw Fig. 12: skewness and entropy of good (blue) and poor (red), at 2 h and at 8 h."""
    shown = {f"{h:g} h": df[tables.exposed(df, h)] for h in (2.0, 8.0)}
    shown = {k: v for k, v in shown.items() if len(v) >= tables.FEWEST} or {"all": df}
    figure = Figure(figsize=(4.4 * len(shown), 4.3), layout="constrained")
    for part, (name, rows) in zip(
        np.atleast_1d(figure.subfigures(1, len(shown))), shown.items(), strict=True
    ):
        _corner(part, rows, name)
    return figure


def _corner(figure, df, name):
    figure.suptitle(f"{name}: {len(df)} spectra", fontsize=9.5)
    axes = figure.subplots(2, 2, height_ratios=(1, 2), width_ratios=(2, 1))
    axes[0, 1].set_axis_off()
    good = tables.success(df["dz"])
    entropy, skewness = df["entropy"].to_numpy(float), df["skewness"].to_numpy(float)
    spans = (-1, max(29, np.nanmax(skewness))), (0, max(6.8, np.nanmax(entropy)))
    for rows, colour, text in ((good, BLUE, "good"), (~good, RED, "poor")):
        axes[0, 0].hist(skewness[rows], bins=np.linspace(*spans[0], 41), color=colour, alpha=0.5,
                        label=f"{text}: {rows.sum()}")  # fmt: skip
        axes[1, 1].hist(entropy[rows], bins=np.linspace(*spans[1], 41), color=colour, alpha=0.5,
                        orientation="horizontal")  # fmt: skip
        axes[1, 0].plot(skewness[rows], entropy[rows], ".", ms=2.5, mew=0, color=colour, alpha=0.4,
                        rasterized=True)  # fmt: skip
    for axis in (axes[0, 0], axes[1, 0]):
        axis.axvline(tables.SKEWNESS_CUT, color=ORANGE, lw=1)
        axis.set_xlim(*spans[0])
    for axis in (axes[1, 0], axes[1, 1]):
        axis.axhline(tables.ENTROPY_CUT, color=ORANGE, lw=1)
        axis.set_ylim(*spans[1])
    axes[1, 0].set(xlabel="skewness", ylabel="entropy (nats)")
    axes[0, 0].legend()
    axes[0, 0].set_ylabel("spectra")
    axes[1, 1].set_xlabel("spectra")


@styled
def screening(df):
    """Draw Sect. 5.2: success and the dropped fraction as the cut in entropy moves."""
    figure, axes = panels(2, columns=2, width=4.2, height=3.3)
    cuts = np.linspace(0.1, 6.5, 65)
    for hours, colour in ((2.0, BLUE), (4.0, GREEN), (8.0, RED)):
        part = df[tables.exposed(df, hours)]
        if len(part) < tables.FEWEST:
            continue
        good, value = tables.success(part["dz"]), part["entropy"].to_numpy(float)
        keep = value[None] < cuts[:, None]
        n = keep.sum(axis=1)
        right = np.where(n >= tables.FEWEST, (keep & good).sum(axis=1) / np.maximum(n, 1), np.nan)
        axes[0].plot(cuts, right, color=colour, label=f"{hours:g} h, {len(part)} spectra")
        axes[1].plot(cuts, 1 - n / len(part), color=colour)
        told = published.screening(f"{hours:g} h")
        if np.isfinite(told).all():
            axes[0].plot([2, 6.5], [told[1], told[0]], "*", ms=11, color=colour, mec=BLACK)
            axes[1].plot([2], [told[2]], "*", ms=11, color=colour, mec=BLACK)
    for axis in axes:
        axis.axvline(tables.ENTROPY_CUT, color=ORANGE, lw=1)
        axis.set_xlabel("PDFs with entropy below (nats)")
    axes[0].plot([], [], "*", ms=10, color="white", mec=BLACK, label="paper (Sect. 5.2)")
    axes[0].set(ylabel=r"fraction with |$\Delta z$| < 0.01", ylim=(None, 1.01))
    axes[1].set(ylabel="fraction dropped", ylim=(0, 1))
    axes[0].legend(loc="lower left")
    return figure


@styled
def calibration(df, pdf, edges, calibrated=None):
    """Draw how far the PDFs can be trusted: PIT, coverage of intervals, probability of the peak.

    Parameters
    ----------
    df : DataFrame of n rows
    pdf : ndarray of shape (n, n_bins)
        The network's own.
    edges : ndarray of shape (n_bins + 1,)
    calibrated : ndarray of shape (n, n_bins), optional
        What is drawn in place of `pdf` where it is there; the PIT of `pdf` is dotted then.
    """
    figure, axes = panels(3, width=3.4, height=3.2)
    z, own = df["z_true"].to_numpy(float), pdf
    pdf = own if calibrated is None else calibrated
    drawn = dict(bins=20, range=(0, 1), density=True)
    value = pdfs.drawn_pit(pdf, edges, z=z)
    axes[0].hist(value, color=SKY, edgecolor="white", lw=0.3, label="all", **drawn)
    if calibrated is not None:
        before = pdfs.drawn_pit(own, edges, z=z)
        axes[0].hist(before, histtype="step", ls=":", color=BLACK, label="all, own PDF", **drawn)
    for hours, colour in ((2.0, BLUE), (4.0, GREEN), (8.0, RED)):
        rows = tables.exposed(df, hours)
        if rows.sum() >= tables.FEWEST:
            p = tables_pdf.flatness(df[rows], pdf[rows], edges)["pit_p"]
            axes[0].hist(value[rows], histtype="step", color=colour,
                         label=f"{hours:g} h (p = {p:.2g})", **drawn)  # fmt: skip
    axes[0].axhline(1, color=BLACK, lw=0.9)
    axes[0].set(xlabel="probability integral transform", ylabel="density", xlim=(0, 1))
    axes[0].set_ylim(0, 1.35 * axes[0].get_ylim()[1])
    axes[0].legend(ncols=2)
    shown = {"all": (np.ones(len(df), bool), BLACK)}
    shown |= {f"{h:g} h": (tables.exposed(df, h), c)
              for h, c in ((2.0, BLUE), (4.0, GREEN), (8.0, RED))}  # fmt: skip
    for name, (rows, colour) in shown.items():
        at = np.flatnonzero(rows)[:4000]
        if len(at) >= tables.FEWEST:
            level = pdfs.credible_level(pdf[at], edges, z=z[at])
            found = [np.mean(level <= v) for v in LEVELS]
            axes[1].plot(LEVELS, found, "-o", ms=2.5, color=colour, label=f"{name} ({len(at)})")
    axes[1].plot((0, 1), (0, 1), "--", color=BLACK, lw=0.8)
    axes[1].set(xlabel="probability of the highest-density region", ylabel="true z inside",
                xlim=(0, 1), ylim=(0, 1))  # fmt: skip
    axes[1].legend()
    table = tables_pdf.confidence_table(df)
    axes[2].errorbar(table["claimed"], table["right"], table["error"], fmt="o", ms=4, color=BLUE,
                     capsize=2)  # fmt: skip
    axes[2].plot((0, 1), (0, 1), "--", color=BLACK, lw=0.8)
    axes[2].set(xlabel="probability within 0.01 of the peak", ylabel="fraction right within 0.01",
                xlim=(0, 1.02), ylim=(0, 1.02))  # fmt: skip
    return figure


@styled
def mc_against_single(df):
    """Draw MC dropout beside a single pass: success by threshold, and both residuals."""
    df = df[df["z_peak_mc"].notna()]
    figure, axes = panels(2, columns=2, width=4.2, height=3.4)
    table = tables_pdf.mc_table(df)
    shown = {"2 h": BLUE, "4 h": GREEN, "8 h": RED, "all": BLACK}
    for name, colour in shown.items():
        part = table[table["sample"] == name]
        if len(part):
            x = np.arange(len(part))
            axes[0].plot(x - 0.05, part["single"], "o", color=colour, label=f"{name}, one pass")
            axes[0].plot(x + 0.05, part["mc"], "s", mfc="white", color=colour,
                         label=f"{name}, mean of MC passes")  # fmt: skip
            axes[0].set_xticks(x, [f"{v:g}" for v in part["threshold"]])
    axes[0].set(xlabel=r"threshold in |$\Delta z$|", ylabel="fraction of right redshifts")
    axes[0].legend(fontsize=6, ncols=2, loc="upper left")
    low, high = axes[0].get_ylim()
    axes[0].set_ylim(low, high + 0.35 * (high - low))
    single, mc = tables.success(df["dz"]), tables.success(df["z_peak_mc"] - df["z_label"])
    groups = ((single & mc, "#bbbbbb", "both right"), (~single & ~mc, RED, "both wrong"),
              (~single & mc, GREEN, "mended"), (single & ~mc, ORANGE, "spoiled by MC"))  # fmt: skip
    entropy = "entropy_mc" if "entropy_mc" in df else "entropy"
    for rows, colour, name in groups:
        axes[1].plot(df.loc[rows, "entropy"], df.loc[rows, entropy], ".", ms=4, mew=0, alpha=0.6,
                     color=colour, label=f"{name}: {rows.sum()}", rasterized=True)  # fmt: skip
    axes[1].plot((0, 6.7), (0, 6.7), "--", color=BLACK, lw=0.8)
    axes[1].set(xlabel="entropy, one pass", ylabel="entropy, mean of MC passes")
    axes[1].legend(fontsize=6.5, markerscale=2)
    return figure
