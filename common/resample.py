"""Moving spectra onto another wavelength grid."""

from __future__ import annotations

import numpy as np

from common.errors import SuiteError

EDGE = 1e-9  # relative: a grid's end written as 9000.0 must meet a spectrum's 8999.9999999999


def check_grid(grid):
    """Return a grid as an array of floats; an error where it is none, or does not increase."""
    grid = np.asarray(grid, dtype=float)
    if grid.ndim != 1 or len(grid) < 1 or not np.all(np.isfinite(grid)):
        raise SuiteError(
            f"grid must be one row of finite wavelengths. Received shape {grid.shape}."
        )
    if np.any(np.diff(grid) <= 0):
        raise SuiteError("grid must increase strictly. Sort it and drop repeated wavelengths.")
    return grid


def _interpolate(wave, flux, grid):
    """Interpolate finite fluxes on one grid; return (n, m) float32 and (m,) coverage."""
    wave = np.asarray(wave, dtype=float)
    out = np.zeros((len(flux), len(grid)), dtype=np.float32)
    covered = (grid >= wave[0] * (1 - EDGE)) & (grid <= wave[-1] * (1 + EDGE))
    at = np.clip(grid[covered], wave[0], wave[-1])
    low = np.clip(np.searchsorted(wave, at, side="right") - 1, 0, max(len(wave) - 2, 0))
    high = np.minimum(low + 1, len(wave) - 1)
    span = np.where(high > low, wave[high] - wave[low], 1.0)
    weight = ((at - wave[low]) / span).astype(np.float32)
    left = flux[:, low]
    # Written as left + w (right - left), a constant stays exactly that constant; where w is 1
    # the right pixel is taken itself, free of rounding.
    right = flux[:, high]
    value = left + weight * (right - left)
    out[:, covered] = np.where(weight == 1, right, value)
    return out, covered


def to_grid(spectra, grid, *, bridge=True):
    """Interpolate spectra linearly onto a common grid (GaSNet-II, Sect. 2.1).

    Pixels without weight (`Spectra.informative`) are bridged: what stands in them changes nothing.

    Parameters
    ----------
    spectra : Spectra
        n spectra, on one grid or ragged.
    grid : array-like of shape (m,)
        Wavelengths in the spectra's own unit, medium and frame, strictly increasing.
    bridge : bool
        False: only pixels that are not finite are bridged, and those of no weight are taken.

    Returns
    -------
    flux : ndarray of shape (n, m), float32
        0 where a spectrum does not reach.
    covered : ndarray of shape (n, m), bool
        True between the first and the last usable pixel of a spectrum. Other pixels
        between these are bridged by interpolation and count as covered; those at the ends
        shorten the coverage.

    Raises
    ------
    SuiteError
        If the grid is empty, not finite, or does not increase.
    """
    grid = check_grid(grid)
    n = len(spectra)
    flux = np.zeros((n, len(grid)), dtype=np.float32)
    covered = np.zeros((n, len(grid)), dtype=bool)

    def usable(row):
        return spectra.informative(row) if bridge else np.isfinite(spectra.flux[row])

    if spectra.is_ragged:
        rows = range(n)
    else:
        values = np.asarray(spectra.flux, dtype=np.float32)
        good = usable(slice(None))
        whole = good.all(axis=1)
        if whole.any():
            part = values if whole.all() else values[whole]
            flux[whole], covered[whole] = _interpolate(spectra.wavelength, part, grid)
        rows = np.flatnonzero(~whole)
    for row in rows:
        good = usable(row)
        if good.any():
            values = np.asarray(spectra.flux[row], dtype=np.float32)[good]
            wave = np.asarray(spectra.wavelength_of(row))[good]
            flux[row], covered[row] = (
                a.reshape(-1) for a in _interpolate(wave, values[None], grid)
            )
    return flux, covered


def log_overlap(wave, *, first, step, n):
    """Return how much of each of a spectrum's pixels lies in each pixel of a grid of log10 Å.

    Parameters
    ----------
    wave : ndarray of shape (m,)
        Å, increasing.
    first, step : float
        log10 of the grid's first wavelength, and its step.
    n : int
        Pixels of the grid.

    Returns
    -------
    scipy.sparse.csr_matrix of shape (n, m)
        Columns of pixels that are wholly inside add up to 1.
    """
    from scipy.sparse import csr_matrix

    at = (np.log10(wave) - first) / step
    middle = 0.5 * (at[1:] + at[:-1])
    edges = np.concatenate([[2 * at[0] - middle[0]], middle, [2 * at[-1] - middle[-1]]]) + 0.5
    low, high = edges[:-1], edges[1:]
    left = np.floor(low).astype(int)
    rows, columns, shares = [], [], []
    for k in range(int(np.ceil((high - left).max()))):
        here = left + k
        share = (np.minimum(high, here + 1) - np.maximum(low, here)) / (high - low)
        use = np.flatnonzero((share > 0) & (here >= 0) & (here < n))
        rows.append(here[use])
        columns.append(use)
        shares.append(share[use])
    rows, columns, shares = (np.concatenate(part) for part in (rows, columns, shares))
    return csr_matrix((shares, (rows, columns)), shape=(n, len(wave)), dtype=np.float32)
