"""Figures of what the network looks at (Figs 9, 10) and what it encodes (Fig. 13)."""

from __future__ import annotations

import numpy as np

from common.colours import BLACK, BLUE, GREEN, ORANGE, PURPLE, RED, SKY
from common.figures import Figure, mark_lines, panels, styled
from common.lines import LINES_MOONS, visible
from mtopnet.config import Config

NAMES = {"[O II]": 3728.5, "Hβ": 4862.68, "[O III]": 5008.24, "Hα": 6564.61, "[S II]": 6725.5,
         "Ca H, K": 3952.0, "Mg b": 5176.6, "Na D": 5894.6, "[S III]": 9533.2, "Mg II": 2799.1,
         "Hγ": 4341.68}  # fmt: skip
SMOOTH = 7  # channels, of the drawn saliency


def _split(wavelength, *arrays):
    """Yield the arrays of each stretch without a gap."""
    step = np.diff(wavelength)
    ends = np.flatnonzero(step > 5 * np.median(step)) + 1
    for part in np.split(np.arange(len(wavelength)), ends):
        yield tuple(a[part] for a in (wavelength, *arrays))


@styled
def examples(cases, edges, wavelength):
    """Draw Figs 9 and 10: spectrum with lines, saliency, and PDF of each example.

    Parameters
    ----------
    cases : list of dict
        title, id, z_true, z_peak, dz, exposure, m_h, entropy, flux and saliency of shape
        (n_pixels,), pdf of shape (n_bins,), places (marked lines, Å).
    edges : ndarray of shape (n_bins + 1,)
    wavelength : ndarray of shape (n_pixels,)
        Å, observed.
    """
    columns = min(2, len(cases))
    rows = -(-len(cases) // columns)
    figure = Figure(figsize=(6.4 * columns, 5.4 * rows), layout="constrained")
    parts = np.atleast_1d(figure.subfigures(rows, columns)).ravel()
    for part, case in zip(parts, cases, strict=False):
        axes = part.subplots(3, 1, height_ratios=(3, 1.6, 2))
        _spectrum(axes[0], case, wavelength)
        _saliency(axes[1], case, wavelength)
        _pdf(axes[2], case, edges)
    return figure


def _spectrum(axis, case, wavelength):
    for wave, flux in _split(wavelength / 1e4, case["flux"]):
        axis.plot(wave, flux, color="#888888", lw=0.35, rasterized=True)
    low, high = np.percentile(case["flux"], [0.1, 99.95])
    low, high = low - 0.35 * (high - low), high + 0.35 * (high - low)
    span = (wavelength[0] / 1e4, wavelength[-1] / 1e4)
    expected = visible(case["z_true"], wavelength[0], wavelength[-1], LINES_MOONS)
    axis.vlines(np.array(list(expected.values())) / 1e4, low, high, color=SKY, lw=0.9, zorder=0,
                label="lines at the true redshift")  # fmt: skip
    axis.vlines(case["places"] / 1e4, low, high, color=RED, lw=0.8, ls="--", zorder=1,
                label="marked by the network")  # fmt: skip
    for z, colour, name in ((case["z_true"], RED, "Hα, true z"),
                            (case["z_peak"], GREEN, "Hα, predicted z")):  # fmt: skip
        at = LINES_MOONS["Ha"] * (1 + z) / 1e4
        if span[0] < at < span[1]:
            axis.annotate("", (at, high - 0.16 * (high - low)), (at, high), zorder=6,
                          arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 1.6})  # fmt: skip
            axis.plot([], [], marker="v", ls="none", color=colour, label=name)
    told = [f"{case['id']}", f"z = {case['z_true']:.4f}", f"predicted {case['z_peak']:.4f}"]
    told += [f"{case[k]:.1f} {u}" for k, u in (("exposure", "h"),) if np.isfinite(case[k])]
    told += [rf"$m_H$ = {case['m_h']:.1f}"] if np.isfinite(case["m_h"]) else []
    axis.set_title(f"{case['title']}: " + ", ".join(told), fontsize=8.5, loc="left")
    axis.set(xlim=span, ylim=(low, high), ylabel="network input")
    axis.legend(loc="lower right", ncols=4, fontsize=6)


def _saliency(axis, case, wavelength):
    smooth = np.convolve(case["saliency"], np.full(SMOOTH, 1 / SMOOTH), mode="same")
    mean = case["saliency"].mean()
    for wave, value in _split(wavelength / 1e4, smooth / (mean if mean > 0 else 1)):
        axis.fill_between(wave, 0, value, color=PURPLE, lw=0, rasterized=True)
    axis.set(xlim=(wavelength[0] / 1e4, wavelength[-1] / 1e4), ylim=(0, None),
             xlabel="observed wavelength (µm, vacuum)", ylabel="saliency / mean")  # fmt: skip


def _pdf(axis, case, edges):
    middle = (edges[1:] + edges[:-1]) / 2
    target = np.exp(-0.5 * ((middle - middle[np.argmin(np.abs(middle - case["z_true"]))])
                            / max(Config.z_sigma, np.diff(edges)[0] / 3)) ** 2)  # fmt: skip
    axis.stairs(target * case["pdf"].max(), edges, color=RED, lw=1.4, alpha=0.7,
                label="target (scaled)")  # fmt: skip
    axis.stairs(case["pdf"], edges, color=BLUE, lw=1.0, fill=True, alpha=0.8, label="predicted")
    axis.set(xlabel="redshift", ylabel="probability of a bin", xlim=(edges[0], edges[-1]))
    axis.set_title(f"dz = {case['dz']:+.3f}, entropy = {case['entropy']:.2f}", fontsize=8.5)
    axis.legend(loc="upper right", fontsize=7)
    if abs(case["dz"]) < 0.01:
        inset = axis.inset_axes((0.07, 0.3, 0.3, 0.6))
        inset.stairs(target * case["pdf"].max(), edges, color=RED, lw=1.4, alpha=0.7)
        inset.stairs(case["pdf"], edges, color=BLUE, lw=1.0, fill=True, alpha=0.8)
        inset.set(xlim=(case["z_true"] - 0.02, case["z_true"] + 0.02), yticks=[])
        inset.tick_params(labelsize=6.5)


@styled
def saliency_at_rest(rest, curves, table):
    """Draw the mean saliency at rest wavelengths, one panel a bin of redshift, and by line.

    Parameters
    ----------
    rest : ndarray of shape (m,)
        Å, vacuum.
    curves : dict of str to (int, ndarray of shape (m,))
        Bin → number of spectra, mean |gradient| over its mean.
    table : DataFrame
        As `mtopnet.explain.line_weights`, with the column redshifts.
    """
    figure = Figure(figsize=(8.6, 1.55 * len(curves) + 2.4), layout="constrained")
    axes = figure.subplots(len(curves) + 1, 1, squeeze=False,
                           height_ratios=[1] * len(curves) + [1.6])[:, 0]  # fmt: skip
    top = np.nanpercentile(np.concatenate([v for _, v in curves.values()]), 99.7) * 1.15
    for axis, (name, (n, value)) in zip(axes[:-1], curves.items(), strict=True):
        axis.axhline(1, color=BLACK, lw=0.7)
        axis.plot(rest, value, color=BLUE, lw=0.7)
        axis.set(xlim=(rest[0], rest[-1]), ylim=(0, top), ylabel="weight")
        axis.set_title(f"{name}: {n} right redshifts", loc="left", fontsize=8.5, pad=16)
        mark_lines(axis, NAMES)
    axes[-2].set_xlabel("rest wavelength (Å, vacuum); 1: a channel of average influence")
    shown = table.dropna(subset=["ratio"])
    names = list(dict.fromkeys(shown["lines"]))
    for k, (kind, colour) in enumerate((("right", BLUE), ("wrong", ORANGE))):
        part = shown[shown["redshifts"] == kind].set_index("lines").reindex(names)
        at = np.arange(len(names)) + 0.4 * (k - 0.5)
        axes[-1].bar(at, part["ratio"], 0.38, yerr=part["error"], color=colour, capsize=2,
                     label=f"{kind} redshifts")  # fmt: skip
    axes[-1].axhline(1, color=BLACK, lw=0.7)
    axes[-1].set_xticks(np.arange(len(names)), names, fontsize=7)
    axes[-1].set_ylabel("times a line-free channel")
    axes[-1].legend()
    return figure


@styled
def latent_planes(plane, about, table, *, quantities):
    """Draw Fig. 13: the UMAP plane coloured by each quantity, with its score.

    Parameters
    ----------
    plane : ndarray of shape (n, 2)
    about : DataFrame of n rows
        Those of the columns that are known.
    table : DataFrame
        As `mtopnet.latent.score_table`.
    quantities : dict of str to (str, bool)
        Column -> name, and whether it was seen in training.
    """
    scores = table.set_index("quantity")["r2"]
    known = [c for c in quantities if c in about and about[c].notna().any()]
    figure, axes = panels(len(known), width=3.5, height=3.0)
    order = np.random.default_rng(0).permutation(len(plane))
    for axis, column in zip(axes, known, strict=True):
        name, seen = quantities[column]
        value = about[column].to_numpy(float)[order]
        low, high = np.nanpercentile(value, [1, 99])
        points = axis.scatter(
            plane[order, 0], plane[order, 1], c=value, s=3, lw=0, cmap="viridis", vmin=low,
            vmax=high if high > low else low + 1, rasterized=True,
        )  # fmt: skip
        figure.colorbar(points, ax=axis, pad=0.01, aspect=30)
        score = f", $R^2$ = {scores[name]:.2f}" if name in scores else ""
        axis.set_title(f"{name}{score}{'' if seen else ' (never a label)'}", fontsize=8.5)
        axis.set(xticks=[], yticks=[], xlabel="UMAP 1", ylabel="UMAP 2")
    return figure
