"""Spectra of the mock's stars: synthetic ones, corrected by observed stars, as LAMOST blurs them.

The Cannon model of cool stars in the thedoppler archive gives the spectrum and its continuum; its
ratio to the observed stars of MILES (`mock_correction`) corrects lines and bands.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from common.mocks import lamost, rvs
from common.mocks.cannon import NAMES, Cannon, air_to_vacuum
from common.mocks.dust import cardelli

C_KMS = 299792.458
FINE = 0.5e-4  # log10 Å a pixel of the rest-frame grid: half of one of LAMOST's
FIRST, N_FINE = 3.5600, 8100  # 3631 to 9229 Å, so that +-400 km/s stay inside
WIDTHS = (0.85, 1.0, 1.15)  # nodes of the line spread's width in units of `lamost.lsf_kms`
RED, TAPER = 7390.0, 20.0  # Å: where MILES ends, and the width of the change
RED_DEPTH = 0.71  # of the model's lines redder than that: see `depth_factor`
G_BAND = (4000.0, 8500.0)  # Å: about the passband of Gaia's G, which weighs the two of a binary

# Interstellar absorption: wavelength in air (Å), equivalent width (Å) of much dust, E(B-V) (mag) of
# e-fold saturation, own width (Å, FWHM). Na I as in Munari & Zwitter 1997, A&A 318, 269; Ca II and
# diffuse bands about as strong as in the solar neighbourhood, `default`.
INTERSTELLAR = (
    (5895.92, 0.75, 0.22, 0.3), (5889.95, 0.95, 0.18, 0.3), (3933.66, 0.40, 0.30, 0.3),
    (3968.47, 0.24, 0.30, 0.3), (4430.0, 20.0, 10.0, 18.0), (5780.5, 5.0, 10.0, 2.1),
    (6283.8, 11.0, 10.0, 4.8), (6613.6, 2.1, 10.0, 0.9),
)  # fmt: skip
GAS_KMS = 12.0  # km/s, standard deviation of the gas's velocity


def fine_grid():
    """Return the rest-frame grid of the model spectra, ndarray of shape (N_FINE,), Å, vacuum."""
    return 10 ** (FIRST + FINE * np.arange(N_FINE))


def depth_factor():
    """Return the factors (N_FINE,) by which depths of the model's lines are multiplied.

    1 where MILES corrects them; redder the model's lines are too deep. `common.mocks.rvs` has the
    factors of two real RVS spectra. 84 real LAMOST stars without catalogue parameters ask for 0.70
    +- 0.03 in lines of 7380-8110 Å and for 0.91 +- 0.02 in the Ca II triplet.
    """
    wave = fine_grid()
    factor = 1 + (RED_DEPTH - 1) * np.clip((wave - RED + TAPER) / TAPER, 0, 1)
    for air, half, value in rvs.DEPTH_WINDOWS:
        inside = np.clip((half + 2 - np.abs(wave - air_to_vacuum(air))) / 2, 0, 1)
        factor += (value - factor) * inside
    return factor


def binned(wavelength, values):
    """Return values (n, m) on any grid of finer steps averaged in the pixels of `fine_grid`."""
    total = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    edges = 10 ** (FIRST + FINE * (np.arange(N_FINE + 1) - 0.5))
    position = np.interp(edges, wavelength, np.arange(len(wavelength)) + 0.5)
    whole = np.minimum(position.astype(int), len(values) - 1)
    part = (position - whole)[:, None]
    summed = total[whole] * (1 - part) + total[whole + 1] * part
    return np.diff(summed, axis=0) / np.diff(position)[:, None]


def blurred(values, sigma_kms):
    """Convolve columns on `fine_grid` with a Gaussian whose width changes along the grid.

    Parameters
    ----------
    values : ndarray of shape (N_FINE, m)
    sigma_kms : ndarray of shape (N_FINE,)

    Returns
    -------
    ndarray of shape (N_FINE, m)
    """
    sigma = np.maximum(sigma_kms / (C_KMS * np.log(10) * FINE), 0.0)  # pixels
    levels = np.linspace(sigma.min(), sigma.max() + 1e-9, 9)
    steps = [gaussian_filter1d(values, max(s, 1e-3), axis=0, mode="nearest") for s in levels]
    at = np.clip((sigma - levels[0]) / (levels[1] - levels[0]), 0, len(levels) - 1.001)
    low = at.astype(int)
    part, rows = (at - low)[:, None], np.arange(len(values))
    steps = np.stack(steps)
    return steps[low, rows] * (1 - part) + steps[low + 1, rows] * part


class StarSpectra:
    """Noiseless spectra of stars of 4000-8000 K; thousands a second.

    Parameters
    ----------
    correction : mock_correction.Correction, optional
        What multiplies the synthetic spectra; none by default.
    offline : bool
        As `common.assets.fetch` takes it, with its errors.
    """

    def __init__(self, correction=None, *, offline=False):
        self.cannon = Cannon(NAMES[0], offline=offline)
        wave = self.wavelength = fine_grid()
        theta = binned(self.cannon.wavelength, self.cannon.theta)
        # Spectrum = 1 - factor * (1 - model): linear in the coefficients as well.
        factor = depth_factor()
        theta = theta * factor[:, None]
        theta[:, 0] += 1 - factor
        lsf = lamost.lsf_kms(wave)
        self._theta = [blurred(theta, lsf * width).T.astype(np.float32) for width in WIDTHS]
        own = self.cannon.continuum_wavelength
        smooth = [np.interp(wave, own, column) for column in self.cannon.continuum_theta.T]
        self._continuum = np.stack(smooth).astype(np.float32)
        self.correction = correction
        self._extinction = (0.4 * np.log(10) * cardelli(wave)).astype(np.float32)
        inside = (wave > G_BAND[0]) & (wave < G_BAND[1])
        # Photons of equal steps in log wavelength: flux times wavelength squared.
        self._photons = (np.where(inside, wave**2, 0) / np.sum(wave[inside] ** 2)).astype("float32")

    def lines(self, *, teff, logg, feh, width=1.0):
        """Return continuum-normalised synthetic spectra (n, N_FINE), float32, not corrected.

        Parameters
        ----------
        teff, logg, feh : ndarray of shape (n,)
            K, dex, dex; clipped to the model's range (3500-8000 K, 0-5, -2.5-0.5).
        width : float or ndarray of shape (n,)
            Of the line spread, in units of `lamost.lsf_kms`.
        """
        vector = self.cannon.vector(np.stack([teff, logg, feh], axis=1)).astype(np.float32)
        a, b, c = WIDTHS
        w = np.broadcast_to(np.asarray(width, dtype=float), len(vector))
        weights = (
            (w - b) * (w - c) / ((a - b) * (a - c)),
            (w - a) * (w - c) / ((b - a) * (b - c)),
            (w - a) * (w - b) / ((c - a) * (c - b)),
        )
        # Lagrange's polynomial through the three widths.
        out = 0
        for weight, theta in zip(weights, self._theta, strict=True):
            if np.any(weight):
                out = out + weight[:, None].astype(np.float32) * (vector @ theta)
        return np.clip(out, 0.0, 1.05)

    def flux(self, *, teff, logg, feh, width=1.0):
        """Return spectra (n, N_FINE), float32, at rest, unreddened, of mean 1 in G."""
        labels = np.stack([teff, logg, feh], axis=1)
        vector = self.cannon.vector(labels).astype(np.float32)
        log = vector @ self._continuum
        log -= log.max(axis=1, keepdims=True)
        out = self.lines(teff=teff, logg=logg, feh=feh, width=width) * 10**log
        if self.correction is not None:
            out *= self.correction(teff=teff, logg=logg, feh=feh)
        return out / (out @ self._photons)[:, None]

    def observed(self, *, primary, secondary, share, ebv, kms, split_kms, width):
        """Return spectra on LAMOST's grid as its fibres would see them without noise.

        Parameters
        ----------
        primary, secondary : dict of str to ndarray of shape (n,)
            teff, logg, feh of the star and of its unresolved companion.
        share : ndarray of shape (n,)
            Light of the companion in G; 0 for a single star.
        ebv : ndarray of shape (n,)
            E(B-V) in mag.
        kms : ndarray of shape (n,) or (n, lamost.PIXELS)
            Radial velocity, with errors of the wavelength calibration.
        split_kms : ndarray of shape (n,)
            Velocity of the companion relative to the star.
        width : ndarray of shape (n,)
            As for `lines`.

        Returns
        -------
        ndarray of shape (n, lamost.PIXELS), float32
        """
        flux = self.flux(**primary, width=width) * (1 - share[:, None]).astype(np.float32)
        flux *= np.exp(-ebv[:, None].astype(np.float32) * self._extinction)
        seen = shifted(flux, kms)
        double = share > 0
        if double.any():
            second = {name: values[double] for name, values in secondary.items()}
            flux = self.flux(**second, width=width[double])
            flux *= share[double, None].astype(np.float32)
            flux *= np.exp(-ebv[double, None].astype(np.float32) * self._extinction)
            seen[double] += shifted(flux, (kms.T + split_kms).T[double])
        return seen


def interstellar(ebv, kms):
    """Return the transmission of the gas in front of stars on LAMOST's grid, (n, PIXELS), float32.

    Parameters
    ----------
    ebv, kms : ndarray of shape (n,)
        E(B-V) in mag; the gas's velocity.
    """
    wave = lamost.grid()
    depth = np.zeros((len(ebv), lamost.PIXELS), dtype=np.float32)
    for air, most, fold, own in INTERSTELLAR:
        rest = air_to_vacuum(np.array(air))
        sigma = np.hypot(lamost.lsf_kms(rest) / C_KMS * rest, own / 2.3548)
        near = np.flatnonzero(np.abs(wave - rest) < 5 * sigma + 2)
        away = wave[near] - rest * (1 + np.asarray(kms)[:, None] / C_KMS)
        width = most * (1 - np.exp(-np.asarray(ebv)[:, None] / fold))
        depth[:, near] += width * np.exp(-0.5 * (away / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
    return np.clip(1 - depth, 0, 1)


def shifted(flux, kms):
    """Return spectra of `fine_grid` on LAMOST's grid, Doppler shifted.

    Parameters
    ----------
    flux : ndarray of shape (n, N_FINE)
    kms : ndarray of shape (n,) or (n, lamost.PIXELS)
        Velocities within +-500 km/s; of each pixel where its wavelength is wrong as well.

    Returns
    -------
    ndarray of shape (n, lamost.PIXELS), float32
    """
    kms = np.asarray(kms, dtype=float)
    kms = kms[:, None] if kms.ndim == 1 else kms
    at = (lamost.COEFF0 - FIRST) / FINE + 2 * np.arange(lamost.PIXELS)
    at = at - np.log10(1 + kms / C_KMS) / FINE
    whole = at.astype(np.int32)
    part = (at - whole).astype(np.float32)
    left = np.take_along_axis(flux, whole, axis=1)
    return left + part * (np.take_along_axis(flux, whole + 1, axis=1) - left)
