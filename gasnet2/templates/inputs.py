"""From spectra of any survey to the network's input: one grid of log wavelength, with weights."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter1d

from common.resample import log_overlap
from gasnet2.preprocess import Prepared

STEP = 2e-4  # log10 Å, 138 km/s: two pixels of SDSS
LOG_FIRST, N_PIXELS = 3.55075, 2224  # 3554 to 9899 Å, vacuum; pairs of SDSS's own pixels
CHANNELS = 3
BOX = (
    121  # pixels of each of three running means that make the local continuum: 8300 km/s (1 sigma)
)
NEAR = 100  # pixels on either side that tell of the scatter at one
FEWEST = 200  # pixels with information that a spectrum needs: a tenth of the grid


def grid():
    """Return the network's vacuum wavelengths, ndarray of shape (N_PIXELS,), Å."""
    return 10 ** (LOG_FIRST + STEP * np.arange(N_PIXELS))


def overlap(wave):
    """Return `common.resample.log_overlap` of a spectrum's pixels with the network's grid."""
    return log_overlap(wave, first=LOG_FIRST, step=STEP, n=N_PIXELS)


def rebinned(spectra):
    """Return flux and inverse variance on the grid: means by inverse variance.

    Parameters
    ----------
    spectra : Spectra
        Vacuum Å. Without inverse variance every pixel has the same, from the scatter between
        neighbours.

    Returns
    -------
    flux, ivar : ndarrays of shape (n, N_PIXELS), float32
        0 where there is no information.
    """
    n = len(spectra)
    total, weight = (np.zeros((n, N_PIXELS), dtype=np.float32) for _ in range(2))
    groups = [[i] for i in range(n)] if spectra.is_ragged else [list(range(n))]
    matrix, of = None, None
    for rows in groups if n else ():
        wave = np.asarray(spectra.wavelength_of(rows[0]), dtype=float)
        if of is None or len(of) != len(wave) or not np.array_equal(of, wave):
            matrix, of = overlap(wave), wave
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
    weight[weight < 1e-6] = 0.0
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


def local_continuum(flux, ivar):
    """Return the weighted mean of flux over the neighbourhood, ndarray of shape (n, N_PIXELS)."""
    known = (ivar > 0).astype(np.float32)
    # Weights of one spectrum differ by a factor of hundreds: their roots let no pixel rule.
    share = np.sqrt(ivar)
    share = np.minimum(share, 3 * _mean(share, known)) * known
    below, above = _smooth(share), _smooth(share * flux)
    return np.where(below > 1e-6, above / np.maximum(below, 1e-6), 0.0) * known


def _smooth(values):
    """Return three running means on end, nearly a Gaussian's and in a fraction of the time."""
    for _ in range(3):
        values = uniform_filter1d(values, BOX, axis=1, mode="constant")
    return values


def _mean(values, known):
    return values.sum(axis=1, keepdims=True) / np.maximum(known.sum(axis=1, keepdims=True), 1)


def channels(flux, ivar):
    """Return what the network is given of spectra on its grid.

    Parameters
    ----------
    flux, ivar : ndarrays of shape (n, N_PIXELS)

    Returns
    -------
    ndarray of shape (n, 3 N_PIXELS), float32
        One after the other: (flux - local continuum) / error; local continuum / its median
        absolute value; that median / error. 0 where there is no information.
    """
    smooth = local_continuum(flux, ivar)
    root = np.sqrt(ivar)
    known = ivar > 0
    levels = [
        np.median(np.abs(s[k])) if k.any() else 1.0 for s, k in zip(smooth, known, strict=True)
    ]
    level = np.maximum(np.array(levels, dtype=np.float32)[:, None], 1e-12)
    x = np.stack([(flux - smooth) * root, smooth / level, level * root], axis=1)
    return np.clip(np.nan_to_num(x), -3e4, 3e4).reshape(len(x), -1).astype(np.float32)


def prepare(spectra, *, use_ivar=True):
    """Return the network's input and what became of each spectrum.

    Parameters
    ----------
    spectra : Spectra
        Wavelengths in Å.
    use_ivar : bool
        False: the survey's inverse variance only says which pixels are good; all others count
        alike, with the error that neighbouring pixels show.

    Returns
    -------
    gasnet2.preprocess.Prepared
    """
    spectra = spectra.in_vacuum()
    flux, ivar = rebinned(spectra)
    if not use_ivar:
        good = ivar > 0
        ivar = np.where(good, scatter(flux, good), 0.0).astype(np.float32)
    known = (ivar > 0).sum(axis=1)
    reason = np.full(len(spectra), "", dtype=object)
    bad = np.zeros(len(spectra))
    low, high = grid()[[0, -1]]
    for i in range(len(spectra)):
        wave = np.asarray(spectra.wavelength_of(i))
        inside = (wave >= low) & (wave <= high)
        if known[i] < FEWEST:
            reason[i] = (
                f"{known[i]} of the network's {N_PIXELS} pixels from {low:.0f} to {high:.0f} Å "
                f"have information; at least {FEWEST} are needed (the spectrum covers "
                f"{wave[0]:.0f}-{wave[-1]:.0f} Å)"
            )
        elif not flux[i].any():
            reason[i] = "flux is zero everywhere; a spectrum needs flux"
        if inside.any() and spectra.ivar is not None:
            bad[i] = np.mean(~(np.asarray(spectra.ivar[i])[inside] > 0))
    x = channels(flux, ivar)
    x[reason != ""] = 0.0
    return Prepared(x, reason, bad)
