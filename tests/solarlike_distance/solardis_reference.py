"""The published pre-processing of solar-like spectra, one spectrum and one step at a time.

Written from the steps that Shen & Luo (2024), Sect. 2.2, and their notebooks name, for comparison
with the package's vectorised function. Plain on purpose.
"""

import warnings

import numpy as np
from scipy.signal import savgol_filter


def drop_flagged(*, wave, flux, and_mask, or_mask):
    """Step 1: pixels without any flag in either mask."""
    good = (and_mask == 0) & (or_mask == 0)
    return wave[good], flux[good]


def runs_of(flagged):
    """First and last pixel of each run of consecutive flagged pixels."""
    runs = []
    for pixel in np.flatnonzero(flagged):
        if runs and pixel == runs[-1][1] + 1:
            runs[-1][1] = pixel
        else:
            runs.append([pixel, pixel])
    return runs


def widen(flagged):
    """Step 3b: runs of n pixels grow by n - 1 on both sides, not onto other flagged pixels."""
    runs, out = runs_of(flagged), np.zeros(len(flagged), dtype=bool)
    for k, (first, last) in enumerate(runs):
        grow = last - first
        floor = runs[k - 1][1] + 1 if k else 0
        ceiling = runs[k + 1][0] - 1 if k + 1 < len(runs) else len(flagged) - 1
        out[max(first - grow, floor) : min(last + grow, ceiling) + 1] = True
    return out


def continuum(wave, flux, *, degree=5, sigma=3.0, rounds=10):
    """Steps 3a-c: the pseudo-continuum at each pixel of one side.

    With float32 wavelengths numpy.polyfit warns that it drops small singular values, as it did for
    the notebooks.
    """
    warnings.simplefilter("ignore", np.exceptions.RankWarning)
    residual = np.polyval(np.polyfit(wave, flux, degree), wave) - flux
    keep = ~widen(np.abs(residual) > sigma * np.std(residual))
    w, f = wave[keep], flux[keep]
    for _ in range(rounds):
        fit = np.polyfit(w, f, degree)
        residual = np.polyval(fit, w) - f
        below = residual < np.std(residual)
        w, f = w[below], f[below]
    return np.polyval(fit, wave)


def prepare_one(*, wave, flux, and_mask, or_mask, z, grid, split=6000.0, fill=1.0):
    """All steps for one spectrum.

    Returns
    -------
    flux on the grid, flag; None where the spectrum does not cover the grid.
    """
    wave, flux = drop_flagged(wave=wave, flux=flux, and_mask=and_mask, or_mask=or_mask)
    rest = wave / (1 + z)
    smooth = savgol_filter(flux, 15, 7)
    blue = rest < split
    sides = [smooth[s] / continuum(rest[s], smooth[s]) for s in (blue, ~blue)]
    normalised = np.concatenate(sides)
    if rest[0] > grid[0] or rest[-1] < grid[-1]:
        return None
    out = np.interp(grid, rest, normalised)
    outside = (out > 1.2) | (out < 0.1)
    out[outside] = fill
    return out, int(outside.any())
