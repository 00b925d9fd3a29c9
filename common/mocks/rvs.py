"""Semi-synthetic Gaia RVS mean spectra: Cannon models at given labels, as the survey shows them.

Physics from the Cannon model of cool stars in the thedoppler archive; instrument, normalisation
and noise after the Gaia DR3 documentation and three real spectra. docs/mocks.md says what is known
to be unlike. Whatever is made with it carries the words "semi-synthetic RVS".
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from common.errors import UsageError
from common.mocks.cannon import NAMES, Cannon, air_to_vacuum
from common.surveys.gaia_rvs import WAVELENGTH

C_KMS = 299792.458
RESOLUTION = 11500.0  # lambda / FWHM; 10 983-12 587 by CCD (Cropper et al. 2018, Table 6)
FWHM_SIGMA = np.sqrt(8 * np.log(2))
STEP = 0.1  # Å a pixel
DETECTOR_STEP = 0.2453  # Å a CCD pixel (Cropper et al. 2018, Table 5: 0.0244-0.0246 nm)
CCDS_PER_TRANSIT = 2.8  # of 3; the three real spectra have 7/3, 47/17, 88/31
MEDIAN_TRANSITS = 18.0  # of DR3 sources with a radial velocity (Katz et al. 2023)
# Electrons a sample and CCD: ten pixels of background and one read-out (ESA's Gaia science
# performance page, Sect. 3, as are zero point, exposure and the mean flux a sample).
BACKGROUND = 10 * 4.7 + 3.2**2
ZERO_POINT, EXPOSURE, SAMPLE_SHARE = 21.317, 4.4167, DETECTOR_STEP / 240.0
FAINT = 12.0  # G_RVS; fainter spectra are scaled by their median (DR3 documentation, 14.2.7)
COOLEST_FLATTENED = 3500.0  # K; cooler ones likewise (DR3 documentation, 11.2.4)
SNR_LIMITS, SNR_SLOPE = (15.0, 100.0), 1.653  # 40 % below 25 (Guiglion 2025, Sect. 2)
VELOCITY_ERROR = 1.3  # km/s at G_RVS = 12, where S/N is about 20 (Katz et al. 2023, abstract)
# Errors of the fitted pseudo-continuum (level, tilt, bend): the spread over three real spectra.
CONTINUUM_ERROR = (0.014, 0.006, 0.006)

# Lines of alpha elements: air wavelength in Å (NIST ASD; in vacuum those of Ca II, Ca I, Mg I 8609,
# Si I and S I are as in the RVS line list of Contursi et al. 2021) and half of the window's width.
# Wings of the Ca II triplet farther out and blended lines stay with [Fe/H].
ALPHA_LINES = {
    "Ca II 8498": (8498.023, 5.0), "Ca II 8542": (8542.091, 12.0), "Ca II 8662": (8662.141, 11.0),
    "Ca I 8633": (8633.930, 0.6), "Mg I 8473": (8473.688, 0.6), "Mg I 8609": (8609.730, 0.6),
    "Si I 8556": (8556.777, 0.8), "Si I 8648": (8648.465, 0.8), "S I 8694": (8694.630, 0.6),
    "Ti I 8518": (8518.350, 0.6), "Ti I 8569": (8569.740, 0.6), "Ti I 8682": (8682.990, 0.6),
    "Ti I 8692": (8692.330, 0.6),
}  # fmt: skip
# The model's lines are deeper than the real ones: depths are multiplied by DEPTH, but by another
# number in these windows (air, half width, factor). Measured on Kepler-93 and KOI-1: see mocks.md.
DEPTH = 0.77
DEPTH_WINDOWS = (
    (8498.023, 10.0, 0.93), (8542.091, 25.0, 0.93), (8662.141, 20.0, 0.93),
    (8556.777, 0.8, 1.0), (8648.465, 0.8, 1.0),
)  # fmt: skip
ROWS = 512  # spectra made at a time


def window(centre, half, *, taper=0.5):
    """Return weights (2401,) of 1 within `half` of an air wavelength, smooth to 0 over `taper`."""
    away = np.abs(WAVELENGTH - air_to_vacuum(centre))
    x = np.clip((half + taper - away) / taper, 0, 1)
    return x * x * (3 - 2 * x)


def alpha_weight():
    """Return the share (2401,) of each pixel that answers to [alpha/M], from 0 to 1."""
    return np.max([window(*line) for line in ALPHA_LINES.values()], axis=0)


def depth_factor():
    """Return the factors (2401,) by which depths of the model are multiplied."""
    factor = np.full(WAVELENGTH.size, DEPTH)
    for centre, half, value in DEPTH_WINDOWS:
        factor += (value - factor) * window(centre, half, taper=min(2.0, half))
    return factor


def broaden(*, wavelength, values, resolution):
    """Return values on the RVS grid as a Gaussian line-spread function of constant R shows them.

    Parameters
    ----------
    wavelength : ndarray of shape (n,)
        Å, vacuum, ascending, a little beyond 8460-8700; steps of 0.05 Å or more.
    values : ndarray of shape (n, m)
    resolution : float
        lambda / FWHM.

    Returns
    -------
    ndarray of shape (2401, m)
    """
    step = 5e-6  # of ln lambda: 0.04 Å
    fine = np.arange(np.log(wavelength[0]), np.log(wavelength[-1]), step)
    even = np.stack([np.interp(np.exp(fine), wavelength, column) for column in values.T])
    even = gaussian_filter1d(even, 1 / resolution / FWHM_SIGMA / step, axis=1, mode="nearest")
    return np.stack([np.interp(np.log(WAVELENGTH), fine, row) for row in even], axis=1)


def pseudo_continuum(flux, *, degree=2, rounds=6):
    """Return polynomials (n, 2401) through the upper envelope of spectra (n, 2401).

    Least squares on every fifth pixel, dropping what lies 1 sigma below or 3 above. The survey's
    own procedure is not published; this one leaves the three real spectra as they are.
    """
    x = np.linspace(-1, 1, flux.shape[1])
    basis = np.stack([x**k for k in range(degree + 1)], axis=1)
    thin, y = basis[::5], np.asarray(flux[:, ::5], dtype=float)
    products = (thin[:, :, None] * thin[:, None, :]).reshape(len(thin), -1)
    keep = np.ones_like(y)
    for _ in range(rounds):
        normal = (keep @ products).reshape(len(y), degree + 1, degree + 1)
        fitted = np.linalg.solve(normal, ((keep * y) @ thin)[:, :, None])[:, :, 0]
        away = y - fitted @ thin.T
        sigma = np.sqrt((keep * away**2).sum(axis=1) / keep.sum(axis=1))[:, None] + 1e-6
        keep = ((away > -sigma) & (away < 3 * sigma)).astype(float)
    return fitted @ basis.T


class RVS:
    """Noiseless RVS spectra by labels; thousands a second.

    Parameters
    ----------
    resolution : float
        lambda / FWHM.
    offline : bool
        As `common.assets.fetch` takes it, with its errors.
    """

    def __init__(self, *, resolution=RESOLUTION, offline=False):
        self.cannon = cannon = Cannon(NAMES[0], offline=offline)
        near = (cannon.wavelength > WAVELENGTH[0] - 10) & (cannon.wavelength < WAVELENGTH[-1] + 10)
        theta = broaden(
            wavelength=cannon.wavelength[near], values=cannon.theta[near], resolution=resolution
        )
        # Spectrum = 1 - factor * (1 - model), which is a polynomial in the labels as well.
        theta = theta * depth_factor()[:, None]
        theta[:, 0] += 1 - depth_factor()
        self._theta = theta.T.astype(np.float32)
        self._alpha = alpha_weight().astype(np.float32)

    def outside(self, *, teff, logg, fe_h, alpha_m):
        """Return a mask (n,) of stars with a label that is missing or beyond the model's range."""
        labels = np.stack([teff, logg, fe_h], axis=1)
        return self.cannon.outside(labels) | ~np.isfinite(alpha_m)

    def __call__(self, *, teff, logg, fe_h, alpha_m):
        """Return spectra (n, 2401), float32, pseudo-continuum at 1; NaN where a label is missing.

        Parameters
        ----------
        teff, logg, fe_h, alpha_m : ndarray of shape (n,)
            K, dex, dex, dex. The first three, and [Fe/H] + [alpha/M], are clipped to the model's
            range (3500-8000 K, 0-5, -2.5-0.5).
        """
        teff, logg, fe_h, alpha_m = (
            np.atleast_1d(np.asarray(a, dtype=float)) for a in (teff, logg, fe_h, alpha_m)
        )
        if not teff.shape == logg.shape == fe_h.shape == alpha_m.shape or teff.ndim != 1:
            raise UsageError(
                "teff, logg, fe_h and alpha_m must be arrays of one length. Received shapes "
                f"{teff.shape}, {logg.shape}, {fe_h.shape} and {alpha_m.shape}."
            )
        out = np.full((len(teff), WAVELENGTH.size), np.nan, dtype=np.float32)
        full = np.isfinite(teff + logg + fe_h + alpha_m)
        if full.any():
            out[full] = self._spectra(teff[full], logg[full], fe_h[full], alpha_m[full])
        return out

    def _spectra(self, teff, logg, fe_h, alpha_m):
        def model(metallicity):
            vector = self.cannon.vector(np.stack([teff, logg, metallicity], axis=1))
            return vector.astype(np.float32) @ self._theta

        flux = model(fe_h)
        # The level comes from the spectrum without [alpha/M], which then moves its windows only.
        level = pseudo_continuum(flux)
        red = teff < COOLEST_FLATTENED
        level[red] = np.median(flux[red], axis=1)[:, None]
        flux += self._alpha * (model(fe_h + alpha_m) - flux)
        return flux / level.astype(np.float32)


def draw_snr(n, rng):
    """Return n values of S/N, 15 to 100: 40 % below 25, as "15 < S/N < 25" in Guiglion 2025.

    A truncated power law; the survey publishes no mean spectrum below 15. `rng` may be a seed.
    """
    low, high = (limit ** (1 - SNR_SLOPE) for limit in SNR_LIMITS)
    return (low + (high - low) * np.random.default_rng(rng).random(n)) ** (1 / (1 - SNR_SLOPE))


def draw_ccds(n, rng):
    """Return numbers of CCD spectra that are averaged for n stars, at least 3 transits each."""
    transits = np.maximum(rng.gamma(4.0, MEDIAN_TRANSITS / 3.672, n), 3.0)
    return np.round(CCDS_PER_TRANSIT * transits)


def electrons(*, snr, ccds):
    """Return electrons a sample and CCD (n,) that give the S/N (n,) after `ccds` (n,) spectra."""
    square = np.asarray(snr, dtype=float) ** 2 / ccds
    return 0.5 * (square + np.sqrt(square**2 + 4 * square * BACKGROUND))


def g_rvs(signal):
    """Return the G_RVS (n,) of stars from their electrons a sample and CCD (n,)."""
    return ZERO_POINT - 2.5 * np.log10(signal / (EXPOSURE * SAMPLE_SHARE))


def observe(flux, *, snr, rng):
    """Return noisy spectra and their errors as DR3 gives them, two float32 arrays (n, 2401).

    Parameters
    ----------
    flux : ndarray of shape (n, 2401)
        Noiseless, pseudo-continuum at 1.
    snr : ndarray of shape (n,)
        S/N a pixel of the continuum.
    rng : numpy.random.Generator

    Notes
    -----
    Object photons, background and read-out share the variance as the S/N and the number of CCD
    spectra (drawn) imply. CCD pixels of 0.245 Å are interpolated on 0.1 Å, so noise is correlated
    over 4 pixels. The error is the scatter over the CCD spectra, so it scatters itself; its mean
    square is that of the noise. The continuum's level is uncertain; spectra fainter than
    G_RVS = 12 are scaled to a median of 1.
    """
    ccds = draw_ccds(len(flux), rng)
    signal = electrons(snr=snr, ccds=ccds)[:, None]
    speed = VELOCITY_ERROR * np.minimum(20.0 / snr, 1.0) * rng.standard_normal(len(flux))
    shift = (speed / C_KMS)[:, None] * (WAVELENGTH / STEP)  # pixels, a small part of the line width
    flux = flux - shift.astype(np.float32) * np.gradient(flux, axis=1)
    x = np.linspace(-1, 1, flux.shape[1])
    shape = np.stack([x**0, x, 1.5 * x**2 - 0.5], axis=1) * CONTINUUM_ERROR
    level = (1 + rng.standard_normal((len(flux), 3)) @ shape.T).astype(np.float32)
    share = (np.maximum(flux, 0) * signal + BACKGROUND) / (signal + BACKGROUND)
    sigma = np.sqrt(share) / np.asarray(snr, dtype=float)[:, None]
    flux = (flux + sigma * _noise(flux.shape, rng)) * level
    error = sigma * _scatter(flux.shape, ccds - 1, rng) * level
    faint = g_rvs(signal[:, 0]) > FAINT
    median = np.where(faint, np.median(flux, axis=1), 1.0)[:, None]
    return (flux / median).astype(np.float32), (error / median).astype(np.float32)


def _smoothed(shape, weights, rng):
    """Return Gaussian fields of unit variance, correlated along pixels by these weights."""
    weights = np.asarray(weights) / np.linalg.norm(weights)
    white = rng.standard_normal((shape[0], shape[1] + len(weights) - 1), np.float32)
    return sum(np.float32(w) * white[:, k : k + shape[1]] for k, w in enumerate(weights))


def _noise(shape, rng):
    """Noise after linear interpolation between CCD pixels at any phase: a triangular kernel."""
    reach = DETECTOR_STEP / STEP
    return _smoothed(shape, [1 - abs(k) / reach for k in range(-2, 3)], rng)


def _scatter(shape, freedom, rng):
    """Ratios of an estimated to the true error, sqrt(chi2 / freedom), correlated like noise²."""
    spread = (2 / (9 * freedom))[:, None].astype(np.float32)
    cube = 1 - spread + np.sqrt(spread) * _smoothed(shape, (0.5, 1, 0.5), rng)
    return np.maximum(cube, 0.1) ** 1.5  # chi2 as a cube (Wilson & Hilferty 1931)


def make_rvs(*, teff, logg, fe_h, alpha_m, snr, rng, model=None, offline=False):
    """Return semi-synthetic RVS spectra of stars.

    Parameters
    ----------
    teff, logg, fe_h, alpha_m : ndarray of shape (n,)
        K, dex, dex, dex; clipped to the model's range.
    snr : ndarray of shape (n,)
        S/N a pixel of the continuum, above 0 (see `draw_snr`).
    rng : numpy.random.Generator or int
        Or a seed.
    model : RVS, optional
        Made here if it is not given.
    offline : bool
        Never touch the network.

    Returns
    -------
    flux, flux_error : ndarray of shape (n, 2401)
        float32, on 846.00-870.00 nm in steps of 0.01 nm, vacuum, rest frame, normalised; NaN for
        a star with a missing label.
    outside : ndarray of shape (n,)
        True for a star with a label that was clipped or missing.

    Raises
    ------
    UsageError
        If lengths differ or an S/N is not above 0.
    MissingDataError
        If the archive is neither cached nor fetchable.
    """
    rng = np.random.default_rng(rng)
    labels = {
        name: np.atleast_1d(np.asarray(value, dtype=float))
        for name, value in dict(teff=teff, logg=logg, fe_h=fe_h, alpha_m=alpha_m).items()
    }
    snr = np.atleast_1d(np.asarray(snr, dtype=float))
    if snr.shape != labels["teff"].shape or not (snr > 0).all():
        raise UsageError(
            f"snr must be above 0, one for each of {labels['teff'].size} stars. Received "
            f"{snr.size} values, the lowest {snr.min(initial=np.inf):g}."
        )
    model = model or RVS(offline=offline)
    flux = np.empty((len(snr), WAVELENGTH.size), dtype=np.float32)
    error = np.empty_like(flux)
    for first in range(0, len(snr), ROWS):
        part = slice(first, first + ROWS)
        noiseless = model(**{name: value[part] for name, value in labels.items()})
        flux[part], error[part] = observe(noiseless, snr=snr[part], rng=rng)
    return flux, error, model.outside(**labels)
