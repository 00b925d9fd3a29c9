"""Figures of redshifts (Figs 13-18, 21, 23, E1), each a function of saved predictions."""

from __future__ import annotations

import numpy as np

from common import metrics
from common.colours import BLACK, BLUE, COLOURS, GREEN, ORANGE, RED
from common.figures import Figure, panels, residual_panel, styled, truth_panel
from gasnet2.config import extragalactic, gf_threshold
from gasnet2.tables import SNR_BINS, classes_of

FLOOR = 1e-6  # a bias of exactly 0 is drawn here on a logarithmic axis
SNR_STYLE = {  # Fig. 14: low red, medium green, high blue
    "lt5": ("S/N < 5", RED),
    "5_10": ("5 ≤ S/N < 10", GREEN),
    "gt10": ("S/N ≥ 10", BLUE),
}


def parts(df, column="z_pred"):
    """Return {class: its rows with a true and a predicted redshift}, in order of label."""
    out = {}
    for name in extragalactic(classes_of(df)):
        rows = df[(df["class_true"] == name) & df["z_true"].notna() & df[column].notna()]
        if len(rows):
            out[name] = rows
    return out


def pair(rows, column="z_pred"):
    """Return {z_true, z_pred} as float arrays."""
    return dict(z_true=rows["z_true"].to_numpy(float), z_pred=rows[column].to_numpy(float))


def attempted(df, name):
    """Return the rows of a class with a true redshift, those whose prediction failed among them."""
    return df[(df["class_true"] == name) & df["z_true"].notna()]


def label(name, rows, column="z_pred"):
    """Return the text of Figs 13 and 15: class, MAE, |dz|, GF.

    Parameters
    ----------
    name : str
    rows : DataFrame
        As from `attempted`: GF and n count failed redshifts, MAE and |dz| cannot.
    column : str
    """
    z = pair(rows, column)
    gf, n = metrics.good_fraction(**z, limit=gf_threshold(name))
    lost = int((~np.isfinite(z["z_pred"])).sum())
    return (
        f"{name}\nMAE = {metrics.mae(**z)[0]:.4f}\n"
        f"mean |Δz| = {metrics.mean_delta_z(**z)[0]:.4f}\nGF = {gf:.3f}   n = {n}"
        + (f" ({lost} failed)" if lost else "")
    )


def _scatter_figure(df, column, err, title):
    """One main panel per class, and above it the residuals in 10 bins of the true redshift."""
    groups = parts(df, column)
    columns = min(3, len(groups))
    rows = -(-len(groups) // columns)
    figure = Figure(figsize=(3.7 * columns, 4.2 * rows + 0.3), layout="constrained")
    axes = figure.subplots(
        2 * rows, columns, squeeze=False, gridspec_kw={"height_ratios": [1, 3.2] * rows}
    )
    for axis in axes.ravel()[:]:
        axis.set_visible(False)
    for i, (name, part) in enumerate(groups.items()):
        top, main = axes[2 * (i // columns), i % columns], axes[2 * (i // columns) + 1, i % columns]
        z = pair(part, column)
        sigma = part[err].to_numpy(float) if err else None
        truth_panel(main, **z, z_err=sigma)
        spread = sigma if err else np.abs(z["z_pred"] - z["z_true"])
        residual_panel(top, **z, spread=spread)
        top.set_xlim(main.get_xlim())
        top.set_ylabel(r"$z_p - z_t$", fontsize=8)
        main.text(0.03, 0.97, label(name, attempted(df, name), column),
                  transform=main.transAxes, va="top", fontsize=8,
                  bbox={"fc": "white", "ec": "none", "alpha": 0.8})  # fmt: skip
        main.set(xlabel=r"true redshift $z_t$", ylabel=r"predicted redshift $z_p$")
        for axis in (top, main):
            axis.set_visible(True)
    figure.suptitle(title, fontsize=11)
    return figure


@styled
def point_estimates(df):
    """Draw Fig. 13: one network's estimate against the truth; bars above are each bin's MAE.

    Where the table has no point estimates (``z_point_pred``), the ensemble's mean is drawn and the
    title says so.
    """
    if "z_point_pred" in df and df["z_point_pred"].notna().any():
        return _scatter_figure(df, "z_point_pred", None, "Point estimates (one network)")
    return _scatter_figure(
        df, "z_pred", None, "No point estimates in this table: the mean of the ensemble is shown"
    )


@styled
def mc_estimates(df):
    """Draw Figs 15, 21, 23: ensemble mean and error; bars above are each bin's mean sigma_z."""
    return _scatter_figure(df, "z_pred", "z_err", "Ensemble mean and standard deviation")


def _log_bias(axis, name):
    """Make an axis of log bias against redshift with the class's GF limit."""
    axis.axhline(gf_threshold(name), color=BLACK, lw=0.9, ls="--")
    axis.set(yscale="log", ylim=(FLOOR / 2, 3), xlabel=r"true redshift $z_t$", ylabel="Bias")
    axis.minorticks_off()
    axis.set_title(f"{name}  (dashed: {gf_threshold(name)})")


def _bias(rows, column="z_pred"):
    return np.maximum(metrics.bias(**pair(rows, column)), FLOOR)


@styled
def bias_by_snr(df, column="z_pred"):
    """Draw Fig. 14: Bias against redshift, coloured by S/N; the GF of each bin in the legend."""
    groups = parts(df, column)
    figure, axes = panels(len(groups), title="Bias against redshift, by signal-to-noise")
    for axis, name in zip(axes, groups, strict=True):
        for key, (low, high) in SNR_BINS.items():
            text, colour = SNR_STYLE[key]
            inside = attempted(df, name)
            inside = inside[(inside["snr"] >= low) & (inside["snr"] < high)]
            if not len(inside):
                continue
            gf = metrics.good_fraction(**pair(inside, column), limit=gf_threshold(name))[0]
            axis.plot(
                inside["z_true"], _bias(inside, column), ".", ms=2.2, mew=0, alpha=0.6,
                color=colour, rasterized=True, label=f"{text}: GF {gf:.2f} (n={len(inside)})",
            )  # fmt: skip
        _log_bias(axis, name)
        axis.legend(loc="lower right", markerscale=4, handletextpad=0.1)
    return figure


@styled
def t_against_z(df):
    """Draw Fig. 16: t = |z_t - z_p| / sigma_z against redshift, with the fraction of t <= 3."""
    groups = parts(df)
    figure, axes = panels(len(groups), title=r"$t = |z_t - \bar z_p|\,/\,\sigma_z$")
    for axis, (name, rows) in zip(axes, groups.items(), strict=True):
        z, err = pair(rows), rows["z_err"].to_numpy(float)
        t = metrics.t_statistic(**z, z_err=err)
        fraction, n = metrics.fraction_within(**z, z_err=err)
        inside = t <= 3
        for keep, colour in ((inside, BLUE), (~inside, RED)):
            axis.plot(
                z["z_true"][keep], np.clip(t[keep], 1e-3, 100), ".", ms=2.2, mew=0, alpha=0.6,
                color=colour, rasterized=True,
            )  # fmt: skip
        axis.axhline(3, color=BLACK, ls="--", lw=0.9)
        axis.set(yscale="log", ylim=(8e-4, 120), xlabel=r"true redshift $z_t$", ylabel="t")
        axis.minorticks_off()
        axis.set_title(name)
        axis.text(0.98, 0.96, f"frac(t ≤ 3) = {fraction:.3f}, n = {n}", ha="right", va="top",
                  transform=axis.transAxes, fontsize=7.5)  # fmt: skip
    return figure


@styled
def error_against_snr(df):
    """Draw Fig. 17: |z_p - z_t| against S/N, with the median sigma_z in bins of S/N (dashed)."""
    groups = parts(df)
    figure, axes = panels(len(groups), title=r"$|\bar z_p - z_t|$ against signal-to-noise")
    for axis, (name, rows) in zip(axes, groups.items(), strict=True):
        z, snr = pair(rows), rows["snr"].to_numpy(float)
        residual = np.maximum(np.abs(z["z_pred"] - z["z_true"]), FLOOR)
        axis.plot(snr, residual, ".", ms=2.2, mew=0, alpha=0.5, color=BLUE, rasterized=True)
        low, high = np.nanpercentile(snr, [0.5, 99])
        high = max(high, low + 0.1)  # a single object has no range
        edges = np.linspace(low, high, 16)
        for y, style, text in (
            (rows["z_err"].to_numpy(float), "--", r"median $\sigma_z$"),
            (residual, ":", r"median $|\bar z_p - z_t|$"),
        ):
            x, middle, n = metrics.binned(x=snr, y=y, edges=edges)
            axis.plot(x[n >= 5], middle[n >= 5], style, lw=1.8, label=text,
                      color=RED if style == "--" else BLACK)  # fmt: skip
        axis.set(yscale="log", xlabel="S/N", ylabel=r"$|\bar z_p - z_t|$", title=name)
        axis.set(xlim=(low - 0.02 * (high - low), high), ylim=(FLOOR, 10))
        axis.minorticks_off()
        axis.legend(loc="lower left")
    return figure


@styled
def robust_or_unstable(df, validation_mae):
    """Draw Fig. 18: Bias against redshift, split by sigma_z <= MAE of the validation set.

    Parameters
    ----------
    validation_mae : dict of str to float
        Class → MAE on the validation set (Table 4).
    """
    groups = {k: v for k, v in parts(df).items() if np.isfinite(validation_mae.get(k, np.nan))}
    figure, axes = panels(len(groups), title=r"Robust ($\sigma_z \leq$ MAE) and unstable estimates")
    for axis, (name, rows) in zip(axes, groups.items(), strict=True):
        robust = rows["z_err"] <= validation_mae[name]
        for keep, text, colour in ((~robust, "unstable", ORANGE), (robust, "robust", BLUE)):
            axis.plot(
                rows["z_true"][keep], _bias(rows)[keep.to_numpy()], ".", ms=2.4, mew=0, alpha=0.7,
                color=colour, rasterized=True, label=f"{text}: {100 * keep.mean():.1f} %",
            )  # fmt: skip
        _log_bias(axis, name)
        axis.legend(
            loc="lower right", markerscale=4, title=f"MAE = {validation_mae[name]:.4f}",
            title_fontsize=7.5, handletextpad=0.1,
        )  # fmt: skip
    return figure


@styled
def reliability(df):
    """Draw coverage of t and the PIT of each class: are the errors those of a Gaussian?"""
    figure, (left, right) = panels(2, columns=2, width=4.6, height=3.8)
    k = np.linspace(0, 5, 51)
    for i, (name, rows) in enumerate(parts(df).items()):
        z, err = pair(rows), rows["z_err"].to_numpy(float)
        found, gauss = metrics.coverage(**z, z_err=err, k=k)
        colour = COLOURS[i % len(COLOURS)]
        left.plot(k, found, color=colour, label=name)
        counts, edges = np.histogram(metrics.pit(**z, z_err=err), bins=20, range=(0, 1))
        right.stairs(counts / max(counts.sum(), 1) * 20, edges, color=colour, lw=1.2)
    left.plot(k, gauss, "--", color=BLACK, label="Gaussian")
    right.axhline(1, ls="--", color=BLACK)
    left.set(xlabel="k", ylabel=r"fraction with $t \leq k$", ylim=(0, 1.02), xlim=(0, 5))
    left.set_title("coverage: above the dashed line, errors are too large")
    right.set(xlabel="PIT", ylabel="density", xlim=(0, 1))
    right.set_title("hump: errors too large; U: too small; tilt: biased")
    left.legend(loc="lower right")
    return figure


@styled
def error_against_vdisp(df):
    """Draw Fig. E1: sigma_z, and accuracy where classes are predicted, against velocity dispersion.

    Uses galaxies with 0 < vdisp < 450 km/s (the pipeline's 0 and 850 are failures).
    """
    known = df[(df["vdisp"] > 0) & (df["vdisp"] <= 450) & df["z_err"].notna()]
    groups = {k: v for k, v in parts(known).items() if not k.startswith("QSO")}
    classified = "class_pred" in df
    figure, axes = panels(1 + classified, columns=2, width=5.6, height=4.2)
    edges = np.linspace(0, 450, 16)
    for i, (name, rows) in enumerate(groups.items()):
        vdisp, err = rows["vdisp"].to_numpy(float), rows["z_err"].to_numpy(float)
        colour = COLOURS[i]
        axes[0].plot(vdisp, err, ".", ms=2.5, mew=0, alpha=0.45, color=colour, rasterized=True)
        x, middle, n = metrics.binned(x=vdisp, y=err, edges=edges)
        axes[0].plot(x[n >= 5], middle[n >= 5], "-", color=colour, lw=2,
                     label=f"{name} (n={len(rows)})")  # fmt: skip
        if classified:
            right = (rows["class_pred"] == rows["class_true"]).to_numpy(float)
            x, mean, n = metrics.binned(x=vdisp, y=right, edges=edges, statistic=np.mean)
            axes[1].plot(x[n >= 5], mean[n >= 5], "o-", ms=3, color=colour, label=name)
    scale = "log" if (known["z_err"] > 0).any() else "linear"  # one member alone has no spread
    axes[0].set(yscale=scale, xlabel="velocity dispersion (km/s)", ylabel=r"$\sigma_z$",
                xlim=(0, 450), title=r"$\sigma_z$ (lines: medians)")  # fmt: skip
    axes[0].legend(loc="upper right", markerscale=4)
    if classified:
        axes[1].set(xlabel="velocity dispersion (km/s)", ylabel="accuracy", ylim=(0, 1.05),
                    xlim=(0, 450), title="classification accuracy")  # fmt: skip
        axes[1].legend(loc="lower right")
    return figure
