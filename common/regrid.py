"""Spectra on another grid with their errors: by means over its pixels, or by interpolation.

`common.resample.to_grid` is the fast way of the networks, flux alone. Here inverse variances go
along. In both ways neighbouring pixels of the result share noise, which no inverse variance shows.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from common.errors import UsageError
from common.resample import check_grid, to_grid

METHODS = ("conserve", "linear")
FILLED = 0.5  # default: share of a pixel that must be known
TINY = 1e-9  # relative: what rounding makes of nothing


def edges_of(wavelength):
    """Return the edges of pixels, shape (n + 1,): half way between centres, the ends mirrored."""
    wave = np.asarray(wavelength, dtype=float)
    middle = 0.5 * (wave[1:] + wave[:-1])
    return np.concatenate([[2 * wave[0] - middle[0]], middle, [2 * wave[-1] - middle[-1]]])


def overlap(wavelength, grid):
    """Return how many Å of each pixel of a spectrum lie in each pixel of a grid.

    Parameters
    ----------
    wavelength : ndarray of shape (n,)
        Å, increasing; 2 or more.
    grid : ndarray of shape (m,)
        Likewise.

    Returns
    -------
    scipy.sparse.csr_matrix of shape (m, n)
    """
    from scipy.sparse import csr_matrix

    own, new = edges_of(wavelength), edges_of(grid)
    low, high = max(own[0], new[0]), min(own[-1], new[-1])
    shape = (len(new) - 1, len(own) - 1)
    if low >= high:
        return csr_matrix(shape)
    cuts = np.unique(np.concatenate([own, new]))
    cuts = cuts[(cuts >= low) & (cuts <= high)]
    middle = 0.5 * (cuts[1:] + cuts[:-1])
    at = [np.searchsorted(edges, middle, side="right") - 1 for edges in (new, own)]
    return csr_matrix((np.diff(cuts), at), shape=shape)


def _means(wave, flux, var, good, grid):
    """Return means of flux over the grid's pixels, their variance, and which are known."""
    weights = overlap(wave, grid)
    known = weights @ good.T.astype(float)
    safe = np.where(known > 0, known, 1)
    out = (weights @ np.where(good, flux, 0).T.astype(float)) / safe
    new = (weights.power(2) @ np.where(good, var, 0).T) / safe**2
    width = np.diff(edges_of(grid))[:, None]
    return out.T, new.T, (known >= width * FILLED * (1 - TINY)).T


def _between(wave, var, grid, covered):
    """Return the variance of linear interpolation between pixels (n, m) that all count."""
    at = np.clip(grid, wave[0], wave[-1])
    low = np.clip(np.searchsorted(wave, at, side="right") - 1, 0, len(wave) - 2)
    share = (at - wave[low]) / (wave[low + 1] - wave[low])
    return np.where(covered, (1 - share) ** 2 * var[:, low] + share**2 * var[:, low + 1], 0)


def regrid(spectra, grid, *, method="conserve"):
    """Return spectra on one grid, with their inverse variances.

    Parameters
    ----------
    spectra : Spectra
        n spectra, on one grid or ragged.
    grid : array-like of shape (m,)
        Wavelengths in the spectra's own unit, medium and frame, strictly increasing; 2 or more.
    method : {"conserve", "linear"}
        Means of the flux density over each pixel of the grid, so that integrals over whole pixels
        are kept (as Carnall 2017, arXiv:1705.05165); or linear interpolation between pixels, as
        `common.resample.to_grid`. In both, pixels without weight (`Spectra.informative`) are left
        out.

    Returns
    -------
    Spectra
        flux float32; ivar float32, 0 where nothing is known (the flux is 0 there): beyond the
        spectrum, and by "conserve" where less than half of a pixel is. None where the spectra have
        none; then the flux is NaN there. mask: True in those pixels.

    Raises
    ------
    SuiteError
        If the grid does not increase strictly, or the method is another one.
    """
    if method not in METHODS:
        raise UsageError(f"method must be one of {', '.join(METHODS)}. Received {method!r}.")
    grid = check_grid(grid)
    if len(grid) < 2:
        raise UsageError("A grid of one wavelength has no pixels. Give two or more.")
    n = len(spectra)
    flux, var = np.zeros((n, len(grid))), np.zeros((n, len(grid)))
    covered = np.zeros((n, len(grid)), dtype=bool)
    if method == "linear":
        flux, covered = to_grid(spectra, grid)
    whole = not spectra.is_ragged and n > 0
    whole = whole and (method == "conserve" or spectra.informative(slice(None)).all())
    for rows in [slice(None)] if whole else [slice(row, row + 1) for row in range(n)]:
        wave = np.asarray(spectra.wavelength_of(rows.start or 0), float)
        own = np.stack([np.asarray(values, float) for values in spectra.flux[rows]])
        good = np.stack([spectra.informative(row) for row in range(*rows.indices(n))])
        variance = np.ones_like(own)
        if spectra.ivar is not None:
            variance = 1 / np.where(good, np.stack(list(spectra.ivar[rows])), 1)
        if method == "conserve":
            flux[rows], var[rows], covered[rows] = _means(wave, own, variance, good, grid)
        elif good[0].sum() > 1:
            var[rows] = _between(wave[good[0]], variance[:, good[0]], grid, covered[rows])
        else:
            covered[rows] = False
    blank = 0 if spectra.ivar is not None else np.nan
    ivar = None
    if spectra.ivar is not None:
        ivar = np.where(covered, 1 / np.where(var > 0, var, 1), 0).astype(np.float32)
    return replace(
        spectra, wavelength=grid, flux=np.where(covered, flux, blank).astype(np.float32), ivar=ivar,
        mask=~covered, or_mask=None, mask_is_warning=False,
    )  # fmt: skip
