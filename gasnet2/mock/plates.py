"""Noise of five surveys' spectrographs, drawn anew for every plate so that no detail is learnt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.special import expit

from common.mocks import instrument
from common.mocks.noise import TELLURIC, FibreNoise

PIXEL_KMS = 69.0  # of the templates


@dataclass(frozen=True)
class Survey:
    """What a survey's spectra look like.

    Attributes
    ----------
    name : str
    wavelength : ndarray of shape (n_pixels,)
        Å, vacuum.
    spread : tuple of float
        Range of the line spread beyond the templates' own 69 km/s (R = 1850), km/s.
    joins : tuple of (float, float)
        Where two arms meet: first and last wavelength of the overlap, Å.
    noise : tuple of (float, float)
        Wavelength in Å and factor on `FibreNoise.sigma` there; linear between.
    sky : float
        Strength of what is left of the sky's lines, in units of the error.
    calibration : float
        Size of the smooth errors of the flux calibration (ln flux at three places).
    unjoined : float
        Share of the plates without data where two arms meet.
    snr : tuple of float
        Range of S/N per pixel of the spectra that do not follow SDSS's distribution.
    """

    name: str
    wavelength: np.ndarray
    spread: tuple
    joins: tuple
    noise: tuple
    sky: float = 0.5
    calibration: float = 0.06
    unjoined: float = 0.03
    snr: tuple = (1.0, 40.0)


def _log_grid(first, last):
    low, high = (round((np.log10(w) - instrument.MODEL_LOG0) / 1e-4) for w in (first, last))
    return instrument.model_grid()[low : high + 1]


SURVEYS = {
    survey.name: survey
    for survey in (
        # R 1850-2200, dichroic at 5900-6100 Å (Smee et al. 2013, AJ 146, 32, Table 4; York et al.
        # 2000, AJ 120, 1579; Stoughton et al. 2002, AJ 123, 485). `FibreNoise` is SDSS's own.
        Survey(
            "sdss", _log_grid(3800, 9200), (0.0, 20.0), ((5900.0, 6100.0),),
            ((3800, 1.1), (4000, 1.0), (5600, 1.0), (5900, 1.15), (6200, 1.0), (9200, 1.0)),
            sky=0.5,
        ),
        # R 1560 at 3700 Å to 2650 at 9000 Å (Smee et al. 2013, Table 4; Dawson et al. 2013,
        # AJ 145, 10): better in the blue and, with thick detectors, in the red.
        Survey(
            "boss", _log_grid(3600, 9900), (0.0, 35.0), ((5900.0, 6300.0),),
            ((3600, 1.1), (3750, 0.9), (4300, 1.0), (7500, 1.0), (8500, 0.8), (9900, 0.5)),
            sky=0.4, snr=(0.7, 40.0),
        ),
        # Three arms that overlap at 5760-5800 and 7520-7620 Å, 0.8 Å a pixel, R 2000-5500 (DESI
        # Collaboration 2022, AJ 164, 207; Guy et al. 2023, AJ 165, 144).
        Survey(
            "desi", instrument.linear_grid(3600.0, 9824.0, 0.8), (0.0, 0.0),
            ((5760.0, 5800.0), (7520.0, 7620.0)),
            ((3600, 1.25), (3800, 1.15), (4200, 1.25), (4500, 1.3), (5400, 1.15), (5700, 1.2),
             (5790, 1.4), (5800, 0.85), (6500, 1.0), (7400, 0.85), (7560, 1.3), (7630, 1.4),
             (7900, 0.9), (8800, 0.7), (9600, 0.5), (9824, 0.5)),
            sky=0.5, snr=(0.6, 40.0),
        ),
        # R 4000-7500 (de Jong et al. 2019, Msngr 175, 3); the arms meet near 5540 and 6950 Å.
        Survey(
            "fourmost", instrument.linear_grid(*instrument.FOURMOST), (0.0, 0.0),
            ((5500.0, 5580.0), (6900.0, 7000.0)),
            ((3700, 1.0), (4300, 1.0), (5540, 1.2), (5700, 0.95), (6950, 1.15), (7100, 1.0),
             (9000, 0.9), (9500, 1.0)),
            sky=0.5,
        ),
        # R 1800, arms join at 5700-5900 Å, few photons below 4000 Å, calibrated on stars of the
        # same plate without photometry (Cui et al. 2012, RAA 12, 1197; Luo et al. 2015, RAA 15,
        # 1095; Du et al. 2016, ApJS 227, 27: errors of 10 % of the slope and more in the blue). The
        # error's curve is near that of `common.mocks.lamost`, measured on spectra.
        Survey(
            "lamost", _log_grid(3700, 9000), (0.0, 45.0), ((5700.0, 5900.0),),
            ((3700, 3.2), (3900, 2.6), (4200, 2.0), (4500, 1.65), (5000, 1.35), (5600, 1.5),
             (5950, 1.4), (6100, 1.0), (6500, 1.0), (7000, 0.85), (9000, 0.85)),
            sky=1.0, calibration=0.12, unjoined=0.2, snr=(2.0, 60.0),
        ),
    )
}  # fmt: skip


def waves(n_knots, n_pixels):
    """Return smooth bumps that sum to 1, ndarray of shape (n_knots, n_pixels), float32."""
    at = np.linspace(0, n_knots - 1, n_pixels)
    x = np.clip(1 - np.abs(at - np.arange(n_knots)[:, None]), 0, 1)
    return (x * x * (3 - 2 * x)).astype(np.float32)


class Plates:
    """The noise of one survey.

    Parameters
    ----------
    survey : Survey
    offline : bool
        As `common.assets.fetch` takes it, with its errors.
    """

    def __init__(self, survey, *, offline=False):
        self.survey = survey
        wave = survey.wavelength
        fibre = FibreNoise(wave, offline=offline)
        self.onto_grid = instrument.Resampler(wave)
        self.lines = fibre.lines.astype(np.float32)
        at, factor = zip(*survey.noise, strict=True)
        factor = np.interp(wave, at, factor)
        self.sigma = (fibre.sigma * factor).astype(np.float32)
        self.object = (fibre.object * factor**1.5).astype(np.float32)
        self.bright = (np.clip(fibre.lines, 0, 40) * 1.1).astype(np.float32)
        seen = fibre.lines / np.sqrt(1 + np.clip(fibre.lines, 0, 40) * 1.1)
        self.residual = np.clip(seen / 2.5, 0, 1.6)
        self.residual[np.abs(wave - 5578.9) < 6] *= 1.5
        self.residual[(wave > 6290) & (wave < 6375)] *= 0.6  # lines that stand alone fit better
        width = max(1.0, 1.2 / np.median(np.diff(wave)))
        first = np.gradient(gaussian_filter1d(self.residual, width)) * 2 * width
        self.shapes = np.stack([self.residual, first, np.gradient(first) * width])
        pixels = len(wave)
        self.tilt, self.coarse, self.medium, self.fine = (waves(k, pixels) for k in (3, 7, 22, 70))
        steps = [expit((wave - (a + b) / 2) / max((b - a) / 6, 8.0)) - 0.5 for a, b in survey.joins]
        bands = [d * np.exp(-0.5 * ((wave - c) / w) ** 2) for c, w, d in TELLURIC]
        self.extra = np.stack(steps + bands).astype(np.float32)

    def miscalibrate(self, flux, plate, rng):
        """Multiply by smooth errors, joins that do not fit and telluric residuals, in place.

        Parameters
        ----------
        flux : ndarray of shape (n, n_pixels)
        plate : ndarray of int, shape (n,)
            Number of each row's plate; what a plate shares is drawn once for it.
        rng : numpy.random.Generator
        """
        n, size, joins = len(flux), self.survey.calibration, len(self.survey.joins)
        shared = plate.max() + 1

        def both(columns, own, common):
            common = common * rng.standard_normal((shared, columns))[plate]
            return own * rng.standard_normal((n, columns)) + common

        step = both(joins, 0.025, 0.015) * rng.choice([1, 1, 1, 1, 3], (n, 1))
        bands = both(len(TELLURIC), 0.06, 0.10)
        ripple = 0.15 * size * rng.lognormal(0, 0.5, (n, 1))
        log = np.hstack([step, bands]).astype(np.float32) @ self.extra
        log += both(len(self.tilt), size, size).astype(np.float32) @ self.tilt
        log += both(len(self.coarse), 0.35 * size, 0.35 * size).astype(np.float32) @ self.coarse
        log += (ripple * both(len(self.fine), 1.0, 0.7)).astype(np.float32) @ self.fine
        flux *= np.exp(log)

    def errors(self, plate, rng):
        """Return the error without an object's photons, (n, n_pixels): smooth curves per plate."""
        shared, n = plate.max() + 1, len(plate)
        log = (0.10 * rng.standard_normal((shared, len(self.coarse)))).astype(np.float32)
        log = log @ self.coarse
        log += (0.12 * rng.standard_normal((shared, len(self.tilt)))).astype(np.float32) @ self.tilt
        log += (0.05 * rng.standard_normal((shared, len(self.medium)))).astype(np.float32) @ (
            self.medium
        )
        contrast = rng.lognormal(0, 0.5, (shared, 1)).astype(np.float32)  # of the sky's lines
        sigma = self.sigma * np.exp(log)
        sigma *= np.sqrt((1 + contrast * self.bright) / (1 + self.bright))
        own = rng.lognormal(0, 0.05, (n, 1)).astype(np.float32)
        return sigma[plate] * own

    def scaled(self, flux, sigma, snr):
        """Scale spectra in place to the median S/N asked for; return their errors, like flux.

        Rows whose `snr` is NaN are in the unit of the errors already.
        """
        thin = slice(3, None, 11)
        shape, base, own = flux[:, thin], sigma[:, thin] ** 2, self.object[thin]
        ask = np.isfinite(snr)
        level = np.median(shape / sigma[:, thin], axis=1)
        low = np.log(np.maximum(snr, 1e-3) / np.maximum(level, 1e-9)) - 0.1
        high = low + 4.0  # with its own photons an object needs more light
        for _ in range(14):
            middle = 0.5 * (low + high)
            seen = shape * np.exp(middle).astype(np.float32)[:, None]
            found = np.median(seen / np.sqrt(base + own * np.maximum(seen, 0)), axis=1)
            low, high = np.where(found < snr, middle, low), np.where(found < snr, high, middle)
        flux *= np.where(ask, np.exp(high), 1.0).astype(np.float32)[:, None]
        return np.sqrt(sigma**2 + self.object * np.maximum(flux, 0))

    def sky_patterns(self, plate, rng):
        """Return what is left of sky lines in units of the error, (n, n_pixels).

        A plate's spectra share its shape (too much or too little light, lines displaced or
        broadened, other from line to line), each at a strength of its own.
        """
        shared, n = plate.max() + 1, len(plate)
        pattern = np.zeros((shared, len(self.residual)), dtype=np.float32)
        for shape, size in zip(self.shapes, (1.0, 1.0, 0.5), strict=True):
            knots = size * (
                rng.standard_normal((shared, 1))
                + 0.6 * rng.standard_normal((shared, len(self.fine)))
            )
            pattern += (knots.astype(np.float32) @ self.fine) * shape.astype(np.float32)
        strength = self.survey.sky * rng.standard_normal((n, 1)) * rng.lognormal(0, 0.4, (n, 1))
        strength *= np.where(rng.random((n, 1)) < 0.06, 4.0, 1.0)
        return pattern[plate] * strength.astype(np.float32)

    def observe(self, flux, snr, rng):
        """Return spectra as the survey would give them.

        Parameters
        ----------
        flux : ndarray of shape (n, MODEL_PIXELS)
            Noiseless, any scale.
        snr : ndarray of shape (n,)
            Median S/N per pixel asked for; NaN where flux is in 1e-17 erg/s/cm2/Å already.
        rng : numpy.random.Generator

        Returns
        -------
        flux, ivar : ndarray of shape (n, n_pixels), float32
            On the survey's grid; ivar is 0 where a pixel is bad.
        """
        n = len(flux)
        sizes = rng.integers(15, 60, n // 15 + 1)
        plate = np.repeat(np.arange(len(sizes)), sizes)[:n]
        kms = rng.uniform(*self.survey.spread)
        if kms > 0.35 * PIXEL_KMS:
            flux = gaussian_filter1d(flux, kms / PIXEL_KMS, axis=1, mode="nearest", truncate=3)
        flux = self.onto_grid(flux)
        self.miscalibrate(flux, plate, rng)
        error = self.scaled(flux, self.errors(plate, rng), snr)
        white = rng.standard_normal(flux.shape, np.float32)
        white[:, 1:] += rng.uniform(0.0, 0.3) * white[:, :-1]
        # The errors given are wrong: by 10-25 % as a whole and by a few per cent along the way.
        white *= np.exp(rng.choice([-1, 1], (n, 1), p=(0.7, 0.3)) * rng.uniform(0, 0.25, (n, 1)))
        slow = rng.standard_normal((n, len(self.medium))) * rng.uniform(0.05, 0.4, (n, 1))
        white += slow.astype(np.float32) @ self.medium
        white += self.sky_patterns(plate, rng)
        noisy = flux + error * white.astype(np.float32)
        ivar = error**-2
        spoil(noisy, ivar, error=error, rng=rng)
        self.lose(noisy, ivar, plate, rng)
        return noisy, ivar

    def lose(self, flux, ivar, plate, rng):
        """Take ranges away in place: edges, and in a tenth of the spectra an arm or a range."""
        wave, n = self.survey.wavelength, len(flux)
        shared = plate.max() + 1
        cut = rng.exponential(35.0, (2, shared)) * (rng.random((2, shared)) < 0.5)
        cut = np.minimum(cut, 250.0)[:, plate]
        lost = np.stack([np.full(n, -1.0), wave[0] + cut[0], wave[-1] - cut[1], np.full(n, 1e9)])
        bounds = [wave[0], *(0.5 * (a + b) for a, b in self.survey.joins), wave[-1]]
        gap = np.zeros((2, n))
        for row in np.flatnonzero(rng.random(n) < 0.1):
            if rng.random() < 0.5:
                arm = rng.integers(len(bounds) - 1)
                gap[:, row] = bounds[arm], bounds[arm + 1]
            else:
                gap[0, row] = rng.uniform(wave[0], wave[-1])
                gap[1, row] = gap[0, row] + rng.uniform(60, 1200)
        bad = (wave < lost[1][:, None]) | (wave > lost[2][:, None])
        rows = np.flatnonzero(gap[1])
        bad[rows] |= (wave > gap[0, rows, None]) & (wave < gap[1, rows, None])
        ivar[bad] = 0
        for first, last in self.survey.joins:  # some pipelines give nothing where arms meet
            inside = (wave > first) & (wave < last)
            bad[:, inside] |= ((rng.random(shared) < self.survey.unjoined)[plate])[:, None]
        empty = rng.random(n) < 0.5  # pipelines write 0 or leave what was there
        flux[bad & empty[:, None]] = 0


def spoil(flux, ivar, *, error, rng):
    """Add runs of bad pixels (ivar 0, interpolated flux) and cosmic rays in place.

    Parameters
    ----------
    flux, ivar, error : ndarray of shape (n, n_pixels)
    rng : numpy.random.Generator
    """
    n, pixels = flux.shape
    reach = np.arange(14)
    rows = np.repeat(np.arange(n), rng.poisson(3 * rng.lognormal(0, 0.7, n)))
    first = rng.integers(20, pixels - 40, len(rows))
    inside = reach < np.minimum(rng.geometric(0.3, len(rows)), len(reach))[:, None]
    column = first[:, None] + reach
    left, right = flux[rows, first - 1], flux[rows, first + len(reach)]
    bridge = left[:, None] + (right - left)[:, None] * (reach + 1) / (len(reach) + 1)
    at = (np.broadcast_to(rows[:, None], column.shape)[inside], column[inside])
    flux[at], ivar[at] = bridge[inside], 0
    rows = np.repeat(np.arange(n), rng.poisson(0.8, n))  # cosmic rays that were not found
    first = rng.integers(20, pixels - 40, len(rows))
    height = rng.lognormal(np.log(8), 0.7, len(rows))
    for step in range(3):
        some = rng.random(len(rows)) < (1.0, 0.7, 0.3)[step]
        at = rows[some], first[some] + step
        flux[at] += (height[some] * rng.uniform(0.3, 1.0, some.sum())) * error[at]
