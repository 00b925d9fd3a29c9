"""Spectra of any survey on one grid of log wavelength, with weights, and their local continuum."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter1d

from common.resample import log_overlap

NEAR = 100  # pixels on either side that tell of the scatter at one
FEW = 1e-6  # of the median weight: less is none


def rebinned(spectra, *, first, step, n, z=None):
    """Return flux and inverse variance on a grid of log10 wavelength: means by inverse variance.

    Parameters
    ----------
    spectra : Spectra
        Vacuum Å. Without inverse variance every pixel has the same, from the scatter between
        neighbours.
    first, step : float
        log10 of the grid's first wavelength (Å), and its step.
    n : int
        Pixels of the grid.
    z : ndarray of shape (n_spectra,), optional
        Redshifts, finite: the grid is then of wavelengths at rest.

    Returns
    -------
    flux, ivar : ndarrays of shape (n_spectra, n), float32
        0 where there is no information.
    """
    size = len(spectra)
    total, weight = (np.zeros((size, n), dtype=np.float32) for _ in range(2))
    one_by_one = spectra.is_ragged or z is not None
    groups = [[i] for i in range(size)] if one_by_one else [list(range(size))]
    matrix, of = None, None
    for rows in groups if size else ():
        wave = np.asarray(spectra.wavelength_of(rows[0]), dtype=float)
        if z is not None:
            wave = wave / (1 + z[rows[0]])
        if of is None or len(of) != len(wave) or not np.array_equal(of, wave):
            matrix, of = log_overlap(wave, first=first, step=step, n=n), wave
        flux = np.array([spectra.flux[i] for i in rows], dtype=np.float64)
        good = np.array([spectra.informative(i) for i in rows])
        if spectra.ivar is None:
            ivar = scatter(flux, good)
        else:
            ivar = np.array([spectra.ivar[i] for i in rows], dtype=np.float64)
        if spectra.mask is not None and not spectra.mask_is_warning:
            good &= ~np.array([spectra.mask[i] for i in rows], dtype=bool)
        # A common factor, so that no unit of flux leaves the range of single precision.
        scale = np.array([np.median(v[g]) if g.any() else 1.0
                          for v, g in zip(ivar, good, strict=True)])[:, None]  # fmt: skip
        ivar = np.where(good, ivar / scale, 0.0)
        flux = np.where(good, flux * np.sqrt(scale), 0.0)
        total[rows] = (matrix @ (ivar * flux).astype(np.float32).T).T
        weight[rows] = (matrix @ ivar.astype(np.float32).T).T
    weight[weight < FEW] = 0.0
    flux = np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)
    return flux, weight


def scatter(flux, good):
    """Return inverse variances from the scatter between pixels two apart, where errors lack.

    Parameters
    ----------
    flux : ndarray of shape (n, m)
    good : ndarray of bool, shape (n, m)

    Returns
    -------
    ndarray of shape (n, m)
        Of the median scatter within `NEAR` pixels: it may change along the spectrum.
    """
    out = np.ones(flux.shape)
    for i, (row, use) in enumerate(zip(flux, good, strict=True)):
        values, at = row[use], np.flatnonzero(use)
        if len(values) < 10:
            continue
        step = np.abs(values[2:] - values[:-2])
        if not np.median(step) > 0:
            continue
        knots = np.arange(0, len(step), NEAR)
        level = np.array([np.median(step[max(0, k - NEAR) : k + NEAR]) for k in knots])
        sigma = 1.4826 * np.maximum(level, 0.05 * np.median(step)) / np.sqrt(2)
        out[i] = np.interp(np.arange(flux.shape[1]), at[knots + 1], sigma) ** -2.0
    return out


def local_continuum(flux, ivar, box):
    """Return the weighted mean of flux over the neighbourhood, ndarray of shape (n, n_pixels).

    Parameters
    ----------
    flux, ivar : ndarrays of shape (n, n_pixels)
        As from `rebinned`.
    box : int
        Pixels of each of three running means on end, nearly a Gaussian of sigma box / 2.
    """
    known = (ivar > 0).astype(np.float32)
    # Weights of one spectrum differ by a factor of hundreds: their roots let no pixel rule.
    share = np.sqrt(ivar)
    share = np.minimum(share, 3 * _mean(share, known)) * known
    below, above = _smooth(share, box), _smooth(share * flux, box)
    return np.where(below > FEW, above / np.maximum(below, FEW), 0.0) * known


def _smooth(values, box):
    """Return three running means on end, in a fraction of a Gaussian's time."""
    for _ in range(3):
        values = uniform_filter1d(values, box, axis=1, mode="constant")
    return values


def _mean(values, known):
    return values.sum(axis=1, keepdims=True) / np.maximum(known.sum(axis=1, keepdims=True), 1)


def level_of(smooth, known):
    """Return the median absolute value of each row where it is known, shape (n, 1), above 0."""
    levels = [np.median(np.abs(s[k])) if k.any() else 1.0
              for s, k in zip(smooth, known, strict=True)]  # fmt: skip
    return np.maximum(np.array(levels, dtype=np.float32)[:, None], 1e-12)
