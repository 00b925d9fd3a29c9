"""LAMOST's low-resolution spectrograph: grid, line spread, noise of two arms, calibration errors.

Shapes with wavelength were measured on the inverse variances of 168 real spectra of DR1 to DR9
(stars and galaxies, S/N_r 1 to 300).
"""

from __future__ import annotations

import numpy as np

from common.mocks.instrument import MODEL_LOG0, STEP
from common.mocks.noise import FibreNoise

COEFF0, PIXELS = 3.5682, 3909  # 3700 to 9099 Å, vacuum, log10 steps of 1e-4: as in DR7's files
JOIN = 5900.0  # Å; the arms overlap from 5700 to 5900-6000 Å (Luo et al. 2015, RAA 15, 1095)
# Wavelength in Å; error between sky lines of spectra of S/N_r < 25, in units of that at 6650 Å;
# variance of bright stars (S/N_r > 120) in units of their flux, 1 at 6650 Å: 1 / throughput.
WAVE = (3700, 3800, 3900, 4000, 4200, 4400, 4700, 5000, 5300, 5500, 5600, 5700, 5800, 5900, 5950,
        6000, 6100, 6300, 6600, 7000, 7400, 7800, 8200, 8500, 8800, 9000, 9100)  # fmt: skip
DARK = (21, 13.5, 8.8, 6.5, 4.4, 3.8, 2.7, 2.1, 2.0, 2.0, 2.25, 2.4, 2.5, 2.4, 2.4,
        2.0, 1.65, 1.45, 1.03, 0.84, 0.75, 0.82, 0.85, 0.90, 0.90, 1.0, 1.15)  # fmt: skip
OBJECT = (75, 41, 23, 13, 7.8, 5.5, 3.5, 2.85, 2.65, 2.65, 2.75, 2.9, 3.15, 3.3, 3.3,
          2.5, 1.75, 1.5, 1.03, 0.82, 0.74, 0.81, 0.86, 0.95, 1.1, 1.45, 2.0)  # fmt: skip
SKY_LEVEL = 8.0  # flux, in dark errors at 6650 Å, at which object and sky add the same variance
FWHM = ((3700, 2.9), (4500, 2.8), (5800, 2.9), (6000, 4.0), (7500, 4.1), (9100, 4.4))  # Å
BANDS = {"u": (3700, 4000), "g": (4000, 5500), "r": (5600, 6900), "i": (7000, 8300),
         "z": (8300, 9000)}  # fmt: skip


def grid():
    """Return the wavelengths of the survey's spectra, ndarray of shape (PIXELS,), Å, vacuum."""
    return 10 ** (COEFF0 + STEP * np.arange(PIXELS))


def grid_slice():
    """Return the slice of the mocks' model grid (`instrument.model_grid`) that is LAMOST's."""
    first = round((COEFF0 - MODEL_LOG0) / STEP)
    return slice(first, first + PIXELS)


def lsf_kms(wavelength):
    """Return the dispersion of the line spread function in km/s (R about 1300-2000).

    Parameters
    ----------
    wavelength : ndarray
        Å, observed. The full width is near 2.8 Å in the blue and 4 Å in the red arm
        (Xiang et al. 2015, MNRAS 448, 90, Sect. 2).
    """
    wave, width = np.array(FWHM).T
    return 299792.458 * np.interp(wavelength, wave, width) / 2.3548 / np.asarray(wavelength)


def band_snr(flux, ivar):
    """Return the median S/N per pixel in u, g, r, i, z, as the headers' SNRU ... SNRZ.

    Parameters
    ----------
    flux, ivar : ndarray of shape (n, PIXELS)

    Returns
    -------
    dict of str to ndarray of shape (n,)
    """
    wave = grid()
    snr = flux * np.sqrt(ivar)
    return {
        band: np.median(snr[:, (wave > low) & (wave < high)], axis=1)
        for band, (low, high) in BANDS.items()
    }


class LamostNoise(FibreNoise):
    """Noise of LAMOST's fibres on its own grid.

    `offline` and its errors are those of `common.assets.fetch`.
    """

    scatter = (0.62, 0.95)  # real spectra of S/N_r < 8: 0.66-0.68; of 8 to 25: 0.70-0.82

    def __init__(self, *, offline=False):
        super().__init__(grid(), offline=offline)
        wave = self.wavelength
        dark = np.exp(np.interp(wave, WAVE, np.log(DARK)))
        self.sigma = dark * np.sqrt(1 + np.clip(self.lines, 0, 40) * 0.6)
        self.object = np.exp(np.interp(wave, WAVE, np.log(OBJECT))) / SKY_LEVEL

    def scaled(self, flux, *, snr, rng, band="r"):
        """Scale spectra so that their median S/N per pixel in a band is the one asked for.

        Parameters
        ----------
        flux : ndarray of shape (n, PIXELS)
            Noiseless, any scale.
        snr : ndarray of shape (n,)
        rng : numpy.random.Generator
            Sky and throughput differ between exposures: errors tilt by some 10 %.
        band : str
            One of `BANDS`.

        Returns
        -------
        flux, error : ndarray of shape (n, PIXELS)
        """
        tilt = 1 + 0.2 * (rng.random((len(flux), 1)) - 0.5) * np.linspace(-1, 1, PIXELS)
        sigma = (self.sigma * tilt).astype(np.float32)
        low, high = BANDS[band]
        band = np.flatnonzero((self.wavelength > low) & (self.wavelength < high))[::5]
        # S/N = s where the scale c obeys c^2 f^2 = s^2 (sigma^2 + c o f).
        f, s = np.maximum(flux[:, band], 1e-9), np.asarray(snr)[:, None]
        b = s**2 * self.object[band] / f
        scale = np.median(0.5 * (b + np.sqrt(b**2 + (2 * s * sigma[:, band] / f) ** 2)), axis=1)
        flux = flux * scale[:, None].astype(np.float32)
        return flux, self.error(flux, sigma)

    def spoil(self, noisy, ivar, *, error, rng):
        """Add bad pixels and cosmic rays in place, as often as in 167 real spectra of DR5 to DR9.

        One spectrum in five has 1.4 runs of pixels with ivar 0 (3800-8000 Å): a core of flux 0 (of
        1 to 3 pixels; in one run of ten of 10 to 450; in three of ten none) and 2 or 3 pixels on
        either side.

        Parameters
        ----------
        noisy, ivar, error : ndarray of shape (n, PIXELS)
        rng : numpy.random.Generator
        """
        n = len(noisy)
        rows = np.repeat(np.arange(n), np.where(rng.random(n) < 0.21, 1 + rng.poisson(0.4, n), 0))
        for row in rows:
            kind = rng.random()
            core = rng.integers(1, 4) if kind < 0.6 else 0 if kind < 0.9 else rng.geometric(0.01)
            core = min(int(core), 450)
            first, margin = rng.integers(4, PIXELS - core - 4), rng.integers(2, 4)
            noisy[row, first : first + core] = 0
            ivar[row, first - margin : first + core + margin] = 0
        for row in np.repeat(np.arange(n), rng.poisson(0.4, n)):  # cosmic rays that were not found
            first, length = rng.integers(0, PIXELS - 5), rng.integers(1, 4)
            noisy[row, first : first + length] += rng.uniform(5, 12) * error[row, first]

    def miscalibrate(self, flux, rng, *, snr=None, tilt=0.04):
        """Multiply by errors of the flux calibration in place: each arm its own, and their join.

        LAMOST's relative calibration holds to about 10 % (Du et al. 2016, ApJS 227, 27). Near
        5650 Å, relative to both sides, real spectra scatter by 26 % at S/N_r < 8, by 9 % at 8 to 25
        and by 2 to 4 % above: a hump, and a step where the arms meet, beside the smooth errors.

        Parameters
        ----------
        flux : ndarray of shape (n, PIXELS)
        rng : numpy.random.Generator
        snr : ndarray of shape (n,), optional
            S/N in r; bright by default.
        tilt : float
            Standard deviation of each arm's four smooth terms in ln flux.
        """
        n, wave = len(flux), self.wavelength
        faint = np.zeros(n) if snr is None else 0.8 / np.maximum(snr, 2)
        join = 1 / (1 + np.exp(-(wave - JOIN) / 15.0))
        hump = np.exp(-0.5 * ((wave - 5650) / 110) ** 2) * (1 - join)
        log = np.zeros(flux.shape, dtype=np.float32)
        for share, low, high in ((1 - join, wave[0], JOIN), (join, JOIN, wave[-1])):
            x = np.clip(2 * (wave - low) / (high - low) - 1, -1.05, 1.05)
            basis = [np.polynomial.legendre.Legendre.basis(k)(x) / k**0.5 for k in range(1, 5)]
            shape = (np.stack(basis) * share).astype(np.float32)
            log += (tilt * rng.standard_normal((n, 4))).astype(np.float32) @ shape
        # The red arm falls back to its level within some 300 Å of the step.
        step = join * (0.4 + 0.6 * np.exp(-(wave - JOIN) / 250))
        for shape in (hump, step):
            size = np.hypot(0.02, faint) * rng.standard_normal(n)
            log += (size[:, None] * shape).astype(np.float32)
        log += (0.12 * rng.standard_normal((n, 1)) * self.telluric).astype(np.float32)
        flux *= np.exp(log)
