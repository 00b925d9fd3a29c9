"""The paper's figures of sample and test set (Figs. 1, 5, 6, 7, A.1), from saved predictions."""

from __future__ import annotations

import numpy as np
from scipy.stats import gaussian_kde

from common.colours import BLACK, BLUE, ORANGE, RED, SKY
from common.figures import Figure, panels, styled
from solarlike_distance.tables import scatter as tables

TEFF_RANGE, EDGE = (4800.0, 6800.0), (5.98, -0.00035)  # K; log g = 5.98 - 0.00035 Teff (Table 1)
SUN = (5772.0, 4.438)  # K, dex: IAU 2015
SPLIT_COLOURS = {"reference": "#CC79A7", "test": BLUE}  # as Fig. A.1
SNR_SPLIT = 100.0  # Fig. 6
FEW = 0.6  # per cent of the values beyond each end of a panel


def span(values, *, share=FEW, pad=0.04):
    """Return limits that hold all but `share` per cent at each end."""
    values = np.asarray(values, float)
    low, high = np.percentile(values[np.isfinite(values)], [share, 100 - share])
    room = pad * max(high - low, 1e-6)
    return low - room, high + room


def density_scatter(axis, x, y, *, most=3000, seed=0, size=4):
    """Fill an axis with points coloured by the density of points; return the points.

    Of more than `most` points the densities come from as many drawn at random.
    """
    keep = np.isfinite(x) & np.isfinite(y)
    both = np.vstack([np.asarray(x, float)[keep], np.asarray(y, float)[keep]])
    rng = np.random.default_rng(seed)
    sample = both[:, rng.permutation(both.shape[1])[:most]]
    try:
        density = gaussian_kde(sample)(both)
    except (np.linalg.LinAlgError, ValueError):  # all points on one line, or one point
        density = np.ones(both.shape[1])
    order = np.argsort(density)
    return axis.scatter(both[0, order], both[1, order], c=density[order], s=size, lw=0,
                        cmap="viridis", rasterized=True)  # fmt: skip


@styled
def kiel(df, training):
    """Draw Fig. 1: Kiel diagram with the border of Table 1; inset: colour and M_G of the sample.

    Parameters
    ----------
    df : DataFrame
        lasp_teff, lasp_logg, or teff_true, logg_true where there are none.
    training : DataFrame
        mg_true, bprp_true, feh_true.
    """
    lasp = {"lasp_teff", "lasp_logg"} <= set(df) and df["lasp_teff"].notna().any()
    kind = "LASP" if lasp else "labels"
    x, y = (df[c] for c in (("lasp_teff", "lasp_logg") if lasp else ("teff_true", "logg_true")))
    figure = Figure(figsize=(7.2, 5.4), layout="constrained")
    axis = figure.subplots()
    size = int(np.clip(np.sqrt(len(df)) / 2, 25, 90))
    points = axis.hexbin(x, y, gridsize=(size, size // 2), bins="log", cmap="viridis_r", mincnt=1,
                         linewidths=0)  # fmt: skip
    figure.colorbar(points, ax=axis, label="spectra per cell", pad=0.01, aspect=40)
    teff = np.array(TEFF_RANGE)
    axis.plot(teff, EDGE[0] + EDGE[1] * teff, "--", color=BLACK, lw=1.2)
    for at in TEFF_RANGE:
        axis.plot([at, at], [EDGE[0] + EDGE[1] * at, 5.6], "--", color=BLACK, lw=1.2)
    axis.plot(*SUN, "*", color=ORANGE, ms=15, mec=BLACK, mew=0.6, label="Sun")
    low, high = span(x)
    axis.set(xlabel=rf"$T_{{\rm eff}}$ (K), {kind}", ylabel=rf"$\log g$ (dex), {kind}",
             xlim=(max(high, 7000) + 100, min(low, 4600) - 100))  # fmt: skip
    axis.set_ylim(5.6, min(span(y)[0], 3.2) - 1.6)
    axis.legend(loc="upper right")
    needed = ["mg_true", "bprp_true", "feh_true"]
    rows = training.dropna(subset=needed) if set(needed) <= set(training) else training.iloc[:0]
    if len(rows):
        inset = axis.inset_axes((0.09, 0.62, 0.40, 0.36))
        low, high = span(rows["feh_true"], share=2)
        cmd = inset.scatter(rows["bprp_true"], rows["mg_true"], c=rows["feh_true"], s=2, lw=0,
                            cmap="viridis", vmin=low, vmax=high, rasterized=True)  # fmt: skip
        bar = figure.colorbar(cmd, cax=axis.inset_axes((0.50, 0.62, 0.012, 0.36)))
        bar.set_label("[Fe/H]", fontsize=7)
        bar.ax.tick_params(labelsize=6.5)
        inset.set_xlabel(r"$(BP-RP)_0$", fontsize=7, labelpad=1)
        inset.set_ylabel(r"$M_G$", fontsize=7, labelpad=1)
        inset.set_xlim(*span(rows["bprp_true"]))
        inset.set_ylim(*span(rows["mg_true"])[::-1])
        inset.tick_params(labelsize=6.5)
    return figure


@styled
def label_distributions(df):
    """Draw Fig. A.1: densities of the five labels in reference and test set."""
    known = [k for k in tables.LABELS if f"{k}_true" in df and df[f"{k}_true"].notna().any()]
    figure, axes = panels(len(known), columns=3, width=3.3, height=2.6)
    splits = df["split"] if "split" in df else np.full(len(df), "test")
    for axis, key in zip(axes, known, strict=True):
        what, low, high = tables.LABELS[key], *span(df[f"{key}_true"], share=0.1)
        for name, colour in SPLIT_COLOURS.items():
            part = df.loc[splits == name, f"{key}_true"].dropna()
            if len(part):
                axis.hist(part, bins=np.linspace(low, high, 41), density=True, color=colour,
                          alpha=0.55, label=f"{name}, {len(part)}")  # fmt: skip
        axis.set(xlabel=f"{what.symbol} ({what.unit})", ylabel="density", xlim=(low, high))
    axes[0].legend()
    return figure


@styled
def predicted_against_true(df):
    """Draw Fig. 5: five labels and the distance, predicted against label, coloured by density."""
    known = tables.quantities_of(df)
    figure, axes = panels(len(known), columns=3, width=3.6, height=3.3)
    for axis, key in zip(axes, known, strict=True):
        what = tables.QUANTITIES[key]
        rows = df.dropna(subset=[f"{key}_true", f"{key}_pred"])
        x, y = rows[f"{key}_true"].to_numpy(float), rows[f"{key}_pred"].to_numpy(float)
        density_scatter(axis, x, y)
        low, high = span(np.concatenate([x, y]), share=0.2)
        axis.plot([low, high], [low, high], "--", color=RED, lw=1.2)
        off = tables.spread(y - x)
        digits = 0 if what.unit in ("K", "pc") else 3
        out = int(((x < low) | (x > high) | (y < low) | (y > high)).sum())
        text = (f"bias {off['bias']:+.{digits}f}\nscatter {off['sd']:.{digits}f} {what.unit}"
                f"\npaper {what.published:g}\nn = {off['n']}")  # fmt: skip
        if out:
            text += f", {out} beyond"
        axis.text(0.04, 0.96, text, transform=axis.transAxes, va="top", fontsize=7.5,
                  bbox={"fc": "white", "ec": "none", "alpha": 0.8, "pad": 1.5})  # fmt: skip
        name = "geometric" if key == "distance" else "label"
        axis.set(xlim=(low, high), ylim=(low, high), xlabel=f"{what.symbol}, {name} ({what.unit})",
                 ylabel=f"{what.symbol}, predicted ({what.unit})")  # fmt: skip
    return figure


@styled
def residuals(df):
    """Draw Fig. 6: distance error (left) and residual (right) along Teff, log g and [Fe/H]."""
    known = [k for k in ("teff", "logg", "feh") if k in tables.quantities_of(df)]
    figure = Figure(figsize=(11.0, 2.7 * len(known) + 0.4), layout="constrained")
    grid = figure.subplots(len(known), 3, width_ratios=(1.15, 1.15, 0.3), squeeze=False)
    for (left, right, side), key in zip(grid, known, strict=True):
        what, x = tables.LABELS[key], df[f"{key}_true"].to_numpy(float)
        _distance_error(figure, left, df, x, tables.EDGES[key])
        off, snr = tables.residual(df, key), _snr(df)
        limits = span(off, share=0.5, pad=0.3)
        for name, colour, here in (
            (f"S/N_g ≤ {SNR_SPLIT:g}", "#999999", ~(snr > SNR_SPLIT)),
            (f"S/N_g > {SNR_SPLIT:g}", BLACK, snr > SNR_SPLIT),
        ):
            part = here & np.isfinite(off)
            if not part.any():
                continue
            found = tables.spread(off[part])
            digits = 0 if what.unit == "K" else 3
            label = f"{name}: {found['bias']:+.{digits}f} ± {found['sd']:.{digits}f} {what.unit}"
            right.plot(x[part], off[part], ".", ms=2.5, color=colour, mew=0, rasterized=True,
                       alpha=0.8, label=label)  # fmt: skip
            side.hist(off[part], bins=np.linspace(*limits, 41), orientation="horizontal",
                      density=True, histtype="step", color=colour, lw=1.2)  # fmt: skip
        right.axhline(0, color=RED, lw=0.8)
        right.legend(loc="upper right", markerscale=3)
        right.set_ylabel(f"residual of {what.symbol} ({what.unit})")
        for axis in (left, right):
            axis.set(xlim=span(x), xlabel=f"{what.symbol} ({what.unit}), label")
        right.set_ylim(*limits)
        side.set(ylim=limits, xticks=[], yticklabels=[])
    return figure


def _snr(df):
    return df["snr_g"].to_numpy(float) if "snr_g" in df else np.full(len(df), np.nan)


def _distance_error(figure, axis, df, x, edges):
    """Fill an axis with the fractional distance error, coloured by distance, and its bins."""
    off = tables.fraction(df)
    keep = np.isfinite(off) & np.isfinite(x)
    if not keep.any():
        axis.text(0.5, 0.5, "no distances", ha="center", transform=axis.transAxes)
        return
    d = df["distance_true"].to_numpy(float)
    points = axis.scatter(x[keep], off[keep], c=d[keep], s=3, lw=0, cmap="viridis",
                          vmin=0, vmax=np.percentile(d[keep], 97), rasterized=True)  # fmt: skip
    figure.colorbar(points, ax=axis, label="distance (pc)", pad=0.01, aspect=25)
    bins = tables.binned(x=x[keep], y=off[keep], edges=edges)
    axis.errorbar(bins["x"], bins["mean"], bins["sd"], fmt="o", color="#666666", ms=5, capsize=3,
                  mec="white", mew=0.6, lw=1.3, zorder=4)  # fmt: skip
    axis.axhline(0, color=RED, lw=0.8)
    axis.set(ylabel="fractional distance error", ylim=span(off[keep], share=0.3, pad=0.15))


@styled
def fractional_error(df):
    """Draw Fig. 7: distance error against the errors of Teff, log g, [Fe/H]; its distribution."""
    known = [k for k in ("teff", "logg", "feh") if k in tables.quantities_of(df)]
    figure, axes = panels(len(known) + 1, columns=4, width=3.1, height=2.9)
    off = tables.fraction(df)
    limits = span(off, share=0.3, pad=0.15)
    for axis, key in zip(axes, known, strict=False):
        what, r = tables.LABELS[key], tables.residual(df, key)
        true = df[f"{key}_true"].to_numpy(float)
        low, high = span(true, share=2)
        points = axis.scatter(r, off, c=true, s=3, lw=0, cmap="viridis", vmin=low, vmax=high,
                              rasterized=True)  # fmt: skip
        figure.colorbar(points, ax=axis, label=f"{what.symbol} ({what.unit})", pad=0.01, aspect=25)
        axis.axhline(0, color=BLACK, lw=0.5)
        axis.axvline(0, color=BLACK, lw=0.5)
        axis.set(xlabel=rf"$\Delta$ {what.symbol} ({what.unit})", xlim=span(r), ylim=limits)
    axes[0].set_ylabel("fractional distance error")
    last, found, size = axes[len(known)], tables.spread(off), tables.spread(np.abs(off))
    last.hist(off[np.isfinite(off)], bins=np.linspace(*limits, 51), color=SKY)
    paper = {"median": tables.MEDIAN_FRACTION, "sd": tables.SD_FRACTION}
    absolute = [f"{k} of |f| {100 * size[k]:.1f} % (paper {100 * v:.1f} %)"
                for k, v in paper.items()]  # fmt: skip
    # As the released notebook: the median of the absolute fraction over the signed histogram.
    last.axvline(size["median"], color=RED, ls="--", lw=1.3, label="\n".join(absolute))
    for sign, label in ((-1, None), (1, f"mean ± sd of f, {100 * found['sd']:.1f} %")):
        at = found["bias"] + sign * found["sd"]
        last.axvline(at, color=BLACK, ls="-.", lw=1.1, label=label)
    last.set(xlabel="fractional distance error f", ylabel="stars", xlim=limits)
    last.set_ylim(0, last.get_ylim()[1] * 1.4)
    last.legend(loc="upper right", fontsize=5.5, handlelength=1.2)
    return figure
