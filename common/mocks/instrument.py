"""Wavelength grids of the surveys, and the way from the model's log-lambda grid to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

STEP = 1e-4  # log10 Å; SDSS's pixel, 69 km/s
REST_LOG0, REST_PIXELS = 2.68, 13500  # 479 to 10715 Å: the templates' grid at rest, to z = 6.3
MODEL_LOG0, MODEL_PIXELS = 3.5463, 4690  # 3518 to 10357 Å, observed: holds every survey's grid
SDSS_COEFF0, SDSS_PIXELS = 3.5563, 4076  # as in the one-table form of SDSS DR16
BOSS_PIXELS = 4587  # from SDSS_COEFF0 to 10350 Å: what SDSS's pipeline sees of a BOSS spectrum
DESI_ARMS = {  # first, last wavelength and step in Å (DESI Collaboration 2024, Sect. 5)
    "B": (3600.0, 5800.0, 0.8),
    "R": (5760.0, 7620.0, 0.8),
    "Z": (7520.0, 9824.0, 0.8),
}
# 4MOST's low-resolution spectrograph, joined arms. The product's pixel is 0.25 Å; the model knows
# nothing below 0.8 Å, so four pixels are one here.
FOURMOST = (3700.0, 9500.0, 1.0)


def rest_grid():
    """Return the templates' rest wavelengths, ndarray of shape (REST_PIXELS,), Å, vacuum."""
    return 10 ** (REST_LOG0 + STEP * np.arange(REST_PIXELS))


def model_grid():
    """Return the observed grid of the model, ndarray of shape (MODEL_PIXELS,), Å, vacuum."""
    return 10 ** (MODEL_LOG0 + STEP * np.arange(MODEL_PIXELS))


def sdss_slice():
    """Return the slice of the model's grid that is SDSS's grid."""
    first = round((SDSS_COEFF0 - MODEL_LOG0) / STEP)
    return slice(first, first + SDSS_PIXELS)


def linear_grid(first, last, step):
    """Return wavelengths from first to last (both included), Å."""
    return first + step * np.arange(round((last - first) / step) + 1)


def redshifted(templates, z):
    """Return rest-frame templates as they are seen on the model's grid.

    Parameters
    ----------
    templates : ndarray of shape (n, REST_PIXELS)
    z : ndarray of shape (n,)

    Returns
    -------
    ndarray of shape (n, MODEL_PIXELS); linear interpolation between pixels of 69 km/s.
    """
    out = np.empty((len(z), MODEL_PIXELS), dtype=np.float32)
    start = (MODEL_LOG0 - REST_LOG0) / STEP - np.log10(1 + np.asarray(z)) / STEP
    whole = np.floor(start).astype(int)
    part = (start - whole).astype(np.float32)
    for row, (k, f) in enumerate(zip(whole, part, strict=True)):
        piece = templates[row, k : k + MODEL_PIXELS + 1]
        out[row] = (1 - f) * piece[:-1] + f * piece[1:]
    return out


def pixel_of(*, rest, z):
    """Return the (fractional) pixel of the model's grid where a rest wavelength is seen."""
    return (np.log10(rest * (1 + np.asarray(z))) - MODEL_LOG0) / STEP


@dataclass
class Resampler:
    """Linear interpolation of model spectra onto any grid, with the weights worked out once.

    Parameters
    ----------
    wavelength : ndarray of shape (n_out,)
        Å, vacuum, inside the model's grid.
    """

    wavelength: np.ndarray

    def __post_init__(self):
        where = (np.log10(self.wavelength) - MODEL_LOG0) / STEP
        self._index = np.floor(where).astype(int)
        self._weight = (where - self._index).astype(np.float32)

    def __call__(self, flux):
        """Return flux (n, MODEL_PIXELS) on the grid, ndarray of shape (n, n_out)."""
        left = flux[:, self._index]
        return left + self._weight * (flux[:, self._index + 1] - left)
