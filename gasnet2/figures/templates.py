"""Figures of the template network: what it learned, why it decides, what it can be trusted with."""

from __future__ import annotations

import numpy as np

from common.colours import BLACK, BLUE, GREEN, ORANGE, RED
from common.figures import mark_lines, panels, styled
from common.lines import visible

SHOWN = {"GALAXY": (2500.0, 7200.0), "QSO": (1000.0, 5300.0), "STAR": (3560.0, 9200.0)}


@styled
def templates(learned, names):
    """Draw templates at rest wavelengths, one row a map, with the known lines.

    Parameters
    ----------
    learned : dict of str to (ndarray (m,), ndarray (n_maps, m))
        Class -> wavelengths at rest (Å), templates.
    names : sequence of str
        The classes to draw.
    """
    figure, axes = panels(len(names), columns=1, width=9.5, height=2.1)
    for axis, name in zip(axes, names, strict=True):
        wave, maps = learned[name]
        low, high = SHOWN.get(name.split("_")[0], (wave[0], wave[-1]))
        use = (wave >= low) & (wave <= high)
        wave, maps = wave[use], maps[:, use]
        scale = np.percentile(np.abs(maps), 99.5) or 1.0
        edges = np.append(wave, 2 * wave[-1] - wave[-2])
        axis.pcolormesh(edges, np.arange(len(maps) + 1), maps, cmap="RdBu_r", vmin=-scale,
                        vmax=scale, rasterized=True)  # fmt: skip
        axis.set(xlim=(wave[0], wave[-1]), ylabel="map", yticks=[])
        mark_lines(axis, visible(0.0, wave[0], wave[-1]))
        axis.set_title(name, loc="left", fontsize=8.5, pad=18)
    axes[-1].set_xlabel("wavelength at rest (Å, vacuum)")
    return figure


@styled
def evidence(found, flux, *, wavelength, most=6):
    """Draw what each wavelength adds to the best solution over the second.

    Parameters
    ----------
    found : gasnet2.templates.explain.Evidence
    flux : ndarray of shape (n, n_pixels)
        On the grid of `found`.
    wavelength : ndarray of shape (n_pixels,)
        Å, observed.
    most : int
        Spectra that are drawn.
    """
    n = min(most, len(flux))
    figure, axes = panels(2 * n, columns=1, width=9.0, height=1.5, sharex=True)
    for i in range(n):
        top, below = axes[2 * i], axes[2 * i + 1]
        limits = np.percentile(flux[i][flux[i] != 0], [0.5, 99.7])
        pad = 0.15 * max(np.ptp(limits), 1e-6)
        seen = np.where(flux[i] == 0, np.nan, flux[i])  # 0: no information
        top.plot(wavelength, seen, color=BLACK, lw=0.5)
        top.set(ylim=(limits[0] - pad, limits[1] + pad), yticks=[], ylabel="flux")
        z = found.z[i] if np.isfinite(found.z[i]) else 0.0
        mark_lines(top, visible(z, wavelength[0], wavelength[-1]))
        total = found.added[i].sum() + found.constant[i]
        top.set_title(
            f"{found.best[i]} over {found.second[i]}: ln ratio {total:.1f}, of which the pixels "
            f"{found.added[i].sum():.1f}", loc="left", fontsize=8.5, pad=18,
        )  # fmt: skip
        added = np.convolve(found.added[i], np.ones(9), "same")
        below.fill_between(wavelength, added, where=added > 0, color=GREEN, lw=0)
        below.fill_between(wavelength, added, where=added < 0, color=RED, lw=0)
        below.axhline(0, color=BLACK, lw=0.5)
        below.set(xlim=(wavelength[0], wavelength[-1]), ylabel="added\n(9 pixels)")
    axes[-1].set_xlabel("wavelength (Å, vacuum)")
    return figure


@styled
def trust(table, curves):
    """Draw the fraction right against the probability said, and completeness against purity.

    Parameters
    ----------
    table : DataFrame
        As `gasnet2.tables_trust.reliability_table` returns it.
    curves : DataFrame
        As `gasnet2.tables_trust.cut_table` returns it.
    """
    figure, axes = panels(2, columns=2, width=4.6, height=3.8)
    for kind, colour in (("all", BLACK), ("GALAXY", BLUE), ("QSO", RED), ("STAR", ORANGE)):
        rows = table[table["coarse"] == kind]
        if len(rows):
            axes[0].errorbar(rows["p_mean"], rows["right"], yerr=rows["right_se"], fmt="o-", ms=3,
                             lw=0.8, color=colour, label=kind)  # fmt: skip
        rows = curves[curves["coarse"] == kind]
        if len(rows):
            axes[1].plot(rows["completeness"], rows["purity"], "-", lw=1, color=colour, label=kind)
    axes[0].plot([0, 1], [0, 1], color=BLACK, lw=0.5, ls=":")
    axes[0].set(xlabel="probability said", ylabel="fraction right")
    axes[1].set(xlabel="fraction kept (completeness)", ylabel="fraction right of those kept")
    axes[0].legend()
    axes[1].legend()
    return figure
