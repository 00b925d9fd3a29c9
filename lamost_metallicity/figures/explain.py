"""The saliency of the metallicity network at rest wavelengths, by redshift."""

from __future__ import annotations

import numpy as np

from common.colours import BLUE, RED
from common.figures import Figure, mark_lines, styled
from common.lines import EMISSION

MARKED = {k: EMISSION[k] for k in ("[O II]", "Hγ", "Hβ", "[O III]", "Hα", "[S II]")} | {
    "Hδ": 4102.89, "He I": 5877.25, "[N II]": 6585.27}  # fmt: skip


@styled
def saliency_by_redshift(*, rest, bins, flux, table):
    """Draw the mean relative saliency of each bin of redshift, and the mean spectrum below it.

    Parameters
    ----------
    rest : ndarray of shape (m,)
        Å, vacuum.
    bins : dict of str to (int, ndarray of shape (m,))
        Bin → number of spectra, mean relative saliency (1: average pixel).
    flux : dict of str to ndarray of shape (m,)
        Bin → mean network input.
    table : DataFrame
        Weights of windows, see `lamost_metallicity.explain.window_weights`, with the bin in z.
    """
    figure = Figure(figsize=(8.4, 1.75 * len(bins) + 0.6), layout="constrained")
    axes = figure.subplots(len(bins), 1, sharex=True, squeeze=False)[:, 0]
    top = np.nanpercentile(np.concatenate([m for _, m in bins.values()]), 99.8) * 1.25
    for axis, (name, (n, mean)) in zip(axes, bins.items(), strict=True):
        own = flux[name] - np.nanmin(flux[name])
        axis.fill_between(rest, 0, own / np.nanmax(own) * top * 0.9, color="#cccccc", lw=0,
                          label="mean spectrum (scaled)")  # fmt: skip
        axis.plot(rest, mean, color=BLUE, lw=0.7, label="|gradient|, 1: average pixel")
        for row in table[table["z"] == name].dropna().itertuples():
            axis.plot([row.low, row.high], [row.weight] * 2, color=RED, lw=2.2)
            axis.text((row.low + row.high) / 2, row.weight, f"{row.ratio:.1f}", color=RED,
                      fontsize=7, ha="center", va="bottom", zorder=5,
                      bbox={"fc": "white", "ec": "none", "alpha": 0.7, "pad": 0.6})  # fmt: skip
        axis.set(xlim=(rest[0], rest[-1]), ylim=(0, top), ylabel="weight")
        axis.set_title(f"{name}: {n} galaxies", loc="left", fontsize=8.5, pad=16)
        mark_lines(axis, MARKED)
    axes[0].legend(loc="upper left", fontsize=6.5)
    axes[-1].set_xlabel("rest wavelength (Å, vacuum); red: mean in a line's window, and how many "
                        "times a line-free one of the same width")  # fmt: skip
    return figure
