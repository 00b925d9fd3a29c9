"""The published pre-processing of solar-like spectra, one spectrum and one step at a time.

Plain on purpose: from the steps that Shen & Luo (2024), Sect. 2.2, and their notebooks name.
"""

import warnings

import numpy as np
from scipy.signal import savgol_filter


def widen(flagged):
    """Step 3b: runs of n pixels grow by n - 1 on both sides, not onto other flagged pixels."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flagged, [0]])))
    runs = edges.reshape(-1, 2) - [0, 1]  # first and last pixel of each
    out = np.zeros(len(flagged), dtype=bool)
    for k, (first, last) in enumerate(runs):
        grow = last - first
        floor = runs[k - 1][1] + 1 if k else 0
        ceiling = runs[k + 1][0] - 1 if k + 1 < len(runs) else len(flagged) - 1
        out[max(first - grow, floor) : min(last + grow, ceiling) + 1] = True
    return out


def continuum(wave, flux, *, degree=5, sigma=3.0, rounds=10):
    """Steps 3a-c: the pseudo-continuum at each pixel of one side."""
    # With float32 wavelengths polyfit drops small singular values, as it did for the notebooks.
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


def prepare_one(*, wave, flux, and_mask, or_mask, z, grid, split=6000.0):
    """All steps: flux on the grid, flag; None where the spectrum does not cover the grid."""
    good = (and_mask == 0) & (or_mask == 0)  # step 1: pixels without any flag in either mask
    rest, flux = wave[good] / (1 + z), flux[good]
    smooth = savgol_filter(flux, 15, 7)
    blue = rest < split
    sides = [smooth[s] / continuum(rest[s], smooth[s]) for s in (blue, ~blue)]
    normalised = np.concatenate(sides)
    if rest[0] > grid[0] or rest[-1] < grid[-1]:
        return None
    out = np.interp(grid, rest, normalised)
    outside = (out > 1.2) | (out < 0.1)
    out[outside] = 1.0
    return out, int(outside.any())
