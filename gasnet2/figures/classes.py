"""Figures of samples and classes (Figs 3-9, 11, 12, 19, 20, 22, A1-A3, B1, C1, D1), from tables."""

from __future__ import annotations

import numpy as np

from common import metrics
from common.colours import BLACK, BLUE, GREEN, RED
from common.errors import SuiteError
from common.figures import (
    Figure,
    confusion_figure,
    confusion_panel,
    curve_panel,
    mark_lines,
    panels,
    stacked_panel,
    styled,
)
from common.lines import visible
from gasnet2 import tables
from gasnet2.accuracy import FEWEST, average_over_classes
from gasnet2.config import COARSE, extragalactic
from gasnet2.figures.redshifts import attempted, label, pair, parts


@styled
def redshift_distribution(df, classes, *, shown=""):
    """Draw Figs 3, 7, 9: stacked histogram of the true redshifts of the extragalactic classes.

    `shown` says which spectra these are (the paper's figures are of the sample before the split).
    """
    figure, (axis,) = panels(1, columns=1, width=6.0, height=3.6)
    groups = {k: df.loc[df["class_true"] == k, "z_true"] for k in extragalactic(classes)}
    every = df.loc[df["class_true"].isin(groups), "z_true"].dropna()
    top = max(float(np.percentile(every, 99.9)), 0.05) if len(every) else 1.0
    stacked_panel(axis, groups, bins=np.linspace(0, top, 101), xlabel="true redshift")
    axis.set_title(shown)
    return figure


@styled
def snr_distribution(df, classes, *, shown=""):
    """Draw Fig. 4: stacked histograms of S/N of stars, galaxies and quasars; `shown` as above."""
    there = {COARSE[c] for c in set(classes) & set(df.loc[df["snr"].notna(), "class_true"])}
    kinds = [k for k in ("STAR", "GALAXY", "QSO") if k in there]
    figure, axes = panels(len(kinds), columns=1, width=6.4, height=2.3)
    for axis, kind in zip(axes, kinds, strict=True):
        names = [c for c in classes if COARSE[c] == kind]
        groups = {k: df.loc[df["class_true"] == k, "snr"] for k in names}
        every = df.loc[df["class_true"].isin(names), "snr"].dropna()
        low, top = min(0.0, float(np.percentile(every, 0.5))), float(np.percentile(every, 99.5))
        bins = np.linspace(low, max(top, low + 1), 51)
        stacked_panel(axis, groups, bins=bins, xlabel="median S/N per pixel")
        axis.set_title(f"{kind} (the highest 0.5 % lie beyond the axis)", loc="left")
    figure.suptitle(shown)
    return figure


@styled
def training(history):
    """Draw Fig. 11: loss and accuracy of the classifier, loss and MAE of the redshift networks.

    Parameters
    ----------
    history : DataFrame
        Columns network, epoch, loss, val_loss, accuracy, val_accuracy, mae, val_mae. Of each
        ensemble the first member is drawn.
    """
    classifier = history[history["network"] == "classifier"]
    regressors = history[history["network"].str.endswith("/0")].copy()
    regressors["network"] = regressors["network"].str.removesuffix("/0")
    wanted = [(classifier, ("loss", "val_loss"), "loss (cross-entropy)", True, "classifier"),
              (classifier, ("accuracy", "val_accuracy"), "accuracy", False, "classifier"),
              (regressors, ("loss", "val_loss"), "loss (Huber)", True, "redshift networks"),
              (regressors, ("mae", "val_mae"), "MAE in z", True, "redshift networks")]  # fmt: skip
    wanted = [w for w in wanted if len(w[0]) and w[1][1] in w[0]]
    figure, axes = panels(len(wanted), columns=2, width=5.0, height=3.4)
    for axis, (part, columns, ylabel, log, title) in zip(axes, wanted, strict=True):
        curve_panel(axis, part, columns, ylabel=ylabel, log=log, title=title)
        axis.xaxis.get_major_locator().set_params(integer=True)
    return figure


def confusion(df, classes, *, merge=False, title=None):
    """Draw Figs 12, 19, 22 (or, merged into coarse classes, B1), read along columns."""
    true, pred, labels = tables.class_labels(df, classes, merge)
    matrix, n = metrics.confusion(true=true, pred=pred, labels=labels)
    average = np.nanmean(np.diag(matrix))
    text = f"{title + ': ' if title else ''}average accuracy {100 * average:.1f} %"
    return confusion_figure(matrix=matrix, labels=labels, counts=n, title=text)


@styled
def accuracy_against_snr(df, classes, n_bins=14, top=50.0):
    """Draw Fig. C1: accuracy averaged over the classes in 14 bins of S/N between 0 and 50.

    Parameters
    ----------
    df : DataFrame
        class_true, class_pred, snr.
    classes : sequence of str
        Those with too few spectra in a bin are left out of its average (see
        `gasnet2.accuracy.average_over_classes`).
    """
    figure, (axis,) = panels(1, columns=1, width=6.0, height=3.8)
    edges = np.linspace(0, top, n_bins + 1)
    which = np.digitize(df["snr"], edges) - 1
    bins = [average_over_classes(df[which == i], classes) for i in range(n_bins)]
    full = np.array([k > 0 for *_, k in bins])
    if not full.any():
        raise SuiteError(f"no class has {FEWEST} spectra in a bin of S/N")
    x = ((edges[:-1] + edges[1:]) / 2)[full]
    mean, error, n, k = (np.array(v)[full] for v in zip(*bins, strict=True))
    axis.errorbar(x, 100 * mean, yerr=100 * error, fmt="o-", color=BLUE, capsize=2)
    low, high = axis.get_ylim()
    low -= 0.08 * (high - low)
    for u, spectra, names in zip(x, n, k, strict=True):
        axis.annotate(f"{spectra} ({names})", (u, low), xytext=(0, 3), textcoords="offset points",
                      ha="center", fontsize=5.5, color="#555555")  # fmt: skip
    axis.set(xlabel="S/N", ylabel="average accuracy of the classes (%)", xlim=(0, top),
             ylim=(low, min(high, 101)))  # fmt: skip
    axis.set_title("at the bottom: spectra in the bin (classes)")
    return figure


@styled
def contaminated_confusion(runs):
    """Draw Figs A1, A2: confusion with ever more shuffled labels.

    Parameters
    ----------
    runs : dict of int to DataFrame
        Per cent of shuffled labels → predictions.
    """
    labels = list(dict.fromkeys(next(iter(runs.values()))["class_true"]))
    figure, axes = panels(len(runs), columns=3, width=4.1, height=4.1)
    for axis, (percent, df) in zip(axes, sorted(runs.items()), strict=True):
        matrix, n = metrics.confusion(true=df["class_true"], pred=df["class_pred"], labels=labels)
        title = f"{percent} % shuffled: {100 * np.nanmean(np.diag(matrix)):.1f} %"
        short = [name.split("_")[-1] for name in labels]
        confusion_panel(axis, matrix=matrix, labels=short, counts=n, title=title)
        axis.set_yticks(range(len(short)), short, rotation=90, va="center")
    return figure


@styled
def contaminated_redshift(runs):
    """Draw Fig. A3: predicted against true redshift, one row per level of shuffled labels."""
    levels = sorted(runs)
    names = list(parts(runs[levels[0]]))
    figure = Figure(figsize=(3.2 * len(names), 3.1 * len(levels)), layout="constrained")
    axes = figure.subplots(len(levels), len(names), squeeze=False)
    for row, percent in zip(axes, levels, strict=True):
        groups = parts(runs[percent])
        for axis, name in zip(row, names, strict=True):
            z = pair(groups[name])
            axis.plot(z["z_true"], z["z_pred"], ".", ms=2, mew=0, alpha=0.5, color=BLUE,
                      rasterized=True)  # fmt: skip
            top = float(z["z_true"].max())
            axis.plot((0, top), (0, top), color=RED, lw=0.8)
            text = label(name, attempted(runs[percent], name))
            axis.text(0.03, 0.97, text, transform=axis.transAxes, va="top",
                      fontsize=7.5)  # fmt: skip
            axis.set(xlabel=r"$z_t$", ylabel=rf"$z_p$  ({percent} % shuffled)")
    return figure


@styled
def gradients(table, *, wavelength):
    """Draw Fig. D1: flux, |dz/d lambda| shifted by -1, |dP/d lambda| by -2, with known lines.

    Parameters
    ----------
    table : DataFrame
        As `gasnet2.explain.explain_run` returns it: class, z (NaN or 0: no lines are marked), and
        flux, dz, dp on the grid, each drawn scaled to its own highest value. The first six rows
        are drawn.
    wavelength : ndarray of shape (n_pixels,)
        Å, observed.
    """
    table = table.head(6)
    figure, axes = panels(len(table), columns=1, width=8.2, height=2.4, sharex=True)
    for axis, row in zip(axes, table.to_dict("records"), strict=True):
        for name, shift, colour, text in (
            ("flux", 0, BLACK, "flux"),
            ("dz", -1, RED, "|dz/dλ|"),
            ("dp", -2, GREEN, "|dP/dλ|"),
        ):
            values = np.asarray(row[name], float)
            if not np.isfinite(values).any() or not np.nanmax(np.abs(values)):
                continue
            scale = np.nanpercentile(np.abs(values), 99.9) if shift == 0 else np.nanmax(values)
            scaled = np.clip(values / (scale or 1.0), -0.4, 1.15)
            axis.plot(wavelength, scaled + shift, color=colour, lw=0.6, label=text)
        z = float(row["z"])
        has_z = np.isfinite(z) and z > 0.003
        axis.set(xlim=(wavelength[0], wavelength[-1]), yticks=[])
        if has_z:
            mark_lines(axis, visible(z, wavelength[0], wavelength[-1]))
        text = f"{row['class']}   z = {z:.3f}" if has_z else row["class"]
        axis.set_title(text, loc="left", fontsize=8.5, pad=18 if has_z else 4)
    axes[0].legend(loc="upper left", ncols=3)
    axes[-1].set_xlabel("wavelength (Å, vacuum)")
    return figure


@styled
def alike(pairs, *, wavelength):
    """Draw Fig. 20: spectra of two classes at the same redshift, which look nearly the same.

    Parameters
    ----------
    pairs : dict of float to dict
        Redshift of a panel → {class: (flux (n_pixels,), z)}, as `gasnet2.samples.same_redshift`
        returns it. Fluxes are smoothed over 9 pixels and are 1 at 6000 Å.
    wavelength : ndarray of shape (n_pixels,)
        Å, observed.
    """
    figure, axes = panels(len(pairs), columns=1, width=8.2, height=2.6, sharex=True)
    near = np.abs(wavelength - 6000) < 60
    for axis, (at, spectra) in zip(axes, pairs.items(), strict=True):
        top = 0
        for (name, (flux, z)), colour in zip(spectra.items(), (RED, BLUE), strict=False):
            shown = np.convolve(flux / np.median(flux[near]), np.ones(9) / 9, "same")[4:-4]
            axis.plot(wavelength[4:-4], shown, color=colour, lw=0.7, label=f"{name}, z = {z:.3f}")
            top = max(top, np.percentile(shown, 99.8))
        axis.set(xlim=(wavelength[0], wavelength[-1]), ylim=(min(0, -0.05 * top), 1.25 * top))
        axis.set_ylabel("flux / flux at 6000 Å")
        mark_lines(axis, visible(at, wavelength[0], wavelength[-1]))
        axis.legend(loc="upper left")
    axes[-1].set_xlabel("wavelength (Å, vacuum)")
    return figure


@styled
def mock_beside_real(examples):
    """Draw the mock beside real spectra, one panel per class, each scaled to unit median.

    Parameters
    ----------
    examples : dict of str to dict
        Class → ``wavelength`` (n_pixels,) in Å (one frame for both), ``mock`` (n, n_pixels)
        fluxes, ``real`` (m, n_pixels) fluxes; NaN where a spectrum has no pixel.
    """
    figure, axes = panels(len(examples), columns=2, width=5.2, height=2.4)
    for axis, (name, data) in zip(axes, examples.items(), strict=True):
        wave = np.asarray(data["wavelength"], float)
        shown = []
        for key, colour in (("mock", BLUE), ("real", RED)):
            flux = np.atleast_2d(np.asarray(data[key], float))
            if not flux.size:
                continue
            flux = flux / np.abs(np.nanmedian(flux, axis=1, keepdims=True))
            low, middle, high = np.nanpercentile(flux, [16, 50, 84], axis=0)
            if len(flux) > 2:
                axis.fill_between(wave, low, high, color=colour, alpha=0.18, lw=0)
            axis.plot(wave, middle, color=colour, lw=0.7, label=f"{key} (n={len(flux)})")
            shown.append(middle)
        limits = np.nanpercentile(np.concatenate(shown), [0.3, 99.7])
        pad = 0.25 * max(np.ptp(limits), 1e-3)
        axis.set(xlim=(wave[0], wave[-1]), ylim=(limits[0] - pad, limits[1] + pad), title=name)
        axis.legend(loc="upper right")
        axis.set_xlabel("wavelength (Å, vacuum)")
    return figure
