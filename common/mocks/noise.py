"""Noise of fibre spectrographs: shape with wavelength, sky residuals, bad pixels, calibration."""

from __future__ import annotations

import numpy as np
from astropy.io import fits
from scipy.ndimage import gaussian_filter1d, percentile_filter

from common import assets

# Error of SDSS sky fibres and of faint objects (1e-17 erg/s/cm2/Å per pixel) against wavelength in
# Å, between the bright sky lines: the sum of sky, read noise and throughput.
SKY_WAVE = (3560, 3758, 3845, 3935, 4120, 4315, 4518, 4731, 4954, 5188, 5432, 5688, 5821, 5956,
            6095, 6237, 6382, 6683, 7161, 7498, 7852, 8222, 8609, 9015, 9225, 9700,
            10350)  # fmt: skip
SKY_ERROR = (6.0, 3.1, 2.3, 1.75, 1.29, 1.03, 0.89, 0.79, 0.72, 0.64, 0.64, 0.70, 0.77, 0.70,
             0.66, 0.58, 0.49, 0.43, 0.40, 0.40, 0.41, 0.41, 0.42, 0.47, 0.55, 0.8,
             1.5)  # fmt: skip
SKY_LEVEL = 5.0  # flux at which the object's photons add as much variance as the dark sky
TELLURIC = ((6880, 25, 0.25), (7190, 60, 0.12), (7620, 28, 0.6), (8230, 80, 0.10), (9350, 150, 0.4))


class FibreNoise:
    """Noise model on one wavelength grid.

    Parameters
    ----------
    wavelength : ndarray of shape (n_pixels,)
        Å, vacuum, observed.
    offline : bool
        Never touch the network.

    Attributes
    ----------
    scatter : tuple of float
        Range of the scatter between neighbouring pixels in units of the error: pipelines overstate
        it, as resampling correlates pixels.
    """

    scatter = (0.76, 0.95)

    def __init__(self, wavelength, *, offline=False):
        file = assets.fetch("pypeit", offline=offline) / "pypeit/data/sky_spec/paranal_sky.fits"
        with fits.open(file) as hdus:
            sky, own = np.asarray(hdus[0].data, float), np.asarray(hdus[1].data, float)
        wave = self.wavelength = np.asarray(wavelength, dtype=float)
        edges = np.sqrt(wave[1:] * wave[:-1])
        edges = np.concatenate([[2 * wave[0] - edges[0]], edges, [2 * wave[-1] - edges[-1]]])
        total = np.concatenate([[0], np.cumsum(sky[1:] * np.diff(own))])
        binned = np.diff(np.interp(edges, own, total)) / np.diff(edges)
        binned = gaussian_filter1d(binned, 1.5 / np.median(np.diff(wave)))  # the instrument's width
        base = gaussian_filter1d(percentile_filter(binned, 12, 301), 60)
        self.lines = np.clip(binned / np.maximum(base, 1e-9) - 1, 0, 60)
        dark = np.interp(wave, SKY_WAVE, SKY_ERROR)
        self.sigma = dark * np.sqrt(1 + np.clip(self.lines, 0, 40) * 1.1)
        # Where lines are brightest their subtraction leaves more than the photon noise.
        self.residual = np.clip(self.lines / 10.0, 0, 1)
        self.residual[np.abs(wave - 5578.9) < 6] = 2.0
        self.telluric = sum(d * np.exp(-0.5 * ((wave - c) / w) ** 2) for c, w, d in TELLURIC)
        # Read noise, which the object does not share, is part of what makes the blue end dark.
        self.object = dark**1.5 / SKY_LEVEL

    def error(self, flux, sigma):
        """Return the error of each pixel, photons of the object included (like flux)."""
        return np.sqrt(sigma**2 + self.object * np.maximum(flux, 0)).astype(np.float32)

    def scaled(self, flux, *, snr, rng):
        """Scale spectra so that their median S/N per pixel is the one asked for.

        Parameters
        ----------
        flux : ndarray of shape (n, n_pixels)
            Noiseless, any scale.
        snr : ndarray of shape (n,)
            Median of flux / error over the pixels.
        rng : numpy.random.Generator

        Returns
        -------
        flux, error : ndarray of shape (n, n_pixels)
        """
        n = len(flux)
        sigma = self.sigma * (
            1 + 0.25 * (rng.random((n, 1)) - 0.5) * np.linspace(-1, 1, flux.shape[1])
        )
        sigma = sigma.astype(np.float32)
        thin = slice(None, None, 9)
        shape, base, own = flux[:, thin], sigma[:, thin], self.object[thin]
        low = np.full(n, -6.0)
        high = np.full(n, 8.0)
        for _ in range(22):  # bisection in log10 of the scale; S/N grows with it
            middle = 0.5 * (low + high)
            seen = shape * (10**middle)[:, None].astype(np.float32)
            found = np.median(seen / np.sqrt(base**2 + own * np.maximum(seen, 0)), axis=1)
            low, high = np.where(found < snr, middle, low), np.where(found < snr, high, middle)
        flux = flux * (10**high)[:, None].astype(np.float32)
        return flux, self.error(flux, sigma)

    def observe(self, flux, error, rng):
        """Return noisy flux and inverse variance, arrays like flux.

        Adds photon noise with a slight correlation between neighbours, slow background errors,
        residuals of bright sky lines, and runs of bad pixels (ivar 0, interpolated flux).
        """
        n = len(flux)
        white = rng.standard_normal(flux.shape, np.float32)
        white[:, 1:] += 0.15 * white[:, :-1]
        coarse = rng.standard_normal((n, 24), np.float32) * rng.uniform(0.05, 0.45, (n, 1))
        knots = np.linspace(0, 23, flux.shape[1])
        k = np.minimum(knots.astype(int), 22)
        f = (knots - k).astype(np.float32)
        white *= rng.uniform(*self.scatter, (n, 1)).astype(np.float32)
        white += coarse[:, k] * (1 - f) + coarse[:, k + 1] * f
        strength = (0.5 * rng.standard_normal((n, 1))).astype(np.float32)
        white += (
            strength
            * self.residual.astype(np.float32)
            * (1 + 0.5 * rng.standard_normal(flux.shape, np.float32))
        )
        noisy = flux + error * white
        ivar = error**-2
        self.spoil(noisy, ivar, error=error, rng=rng)
        return noisy.astype(np.float32), ivar.astype(np.float32)

    def spoil(self, noisy, ivar, *, error, rng):
        """Add runs of bad pixels (ivar 0, interpolated flux) and cosmic rays in place.

        Parameters
        ----------
        noisy, ivar, error : ndarray of shape (n, n_pixels)
        rng : numpy.random.Generator
        """
        n = len(noisy)
        rows = np.repeat(np.arange(n), rng.poisson(3, n))
        for row, first, length in zip(
            rows, rng.integers(20, noisy.shape[1] - 40, len(rows)), rng.geometric(0.3, len(rows)),
            strict=True,
        ):  # fmt: skip
            last = min(first + length, noisy.shape[1] - 2)
            if rng.random() < 0.15:  # a cosmic ray that was not found
                noisy[row, first:last] += 8 * error[row, first:last]
                continue
            ivar[row, first:last] = 0
            noisy[row, first:last] = np.linspace(
                noisy[row, first - 1], noisy[row, last], last - first + 2
            )[1:-1]

    def miscalibrate(self, flux, rng, *, tilt=0.06):
        """Multiply by smooth calibration errors, an arm joint and telluric residuals, in place."""
        n = len(flux)
        x = np.linspace(-1, 1, flux.shape[1])
        basis = np.stack(
            [np.polynomial.legendre.Legendre.basis(k)(x) / k for k in range(1, 9)]
        ).astype(np.float32)
        log = (tilt * rng.standard_normal((n, 8))).astype(np.float32) @ basis
        joint = 1 / (1 + np.exp(-(self.wavelength - 6000.0) / 60.0))
        log += (0.03 * rng.standard_normal((n, 1)) * (joint - 0.5)).astype(np.float32)
        log += (0.12 * rng.standard_normal((n, 1)) * self.telluric).astype(np.float32)
        flux *= np.exp(log)
