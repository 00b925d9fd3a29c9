"""Light of stars and galaxies through a round fibre: image quality, dispersion in the air, Sersic.

Image quality and dispersion after the formulae of ESO's exposure time calculators and Filippenko
1982, PASP 94, 715; profiles after Sersic 1968 with Ciotti & Bertin 1999, A&A 352, 447.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.special import chndtr, gammainc

FWHM_SIGMA = np.sqrt(8 * np.log(2))
OUTER_SCALE = 46.0  # m, of the atmosphere's turbulence at Paranal


def image_quality(wavelength, *, seeing, airmass, mirror=8.2):
    """Return the FWHM of a star's image in arcsec.

    Parameters
    ----------
    wavelength : ndarray
        Å.
    seeing : float
        FWHM at 5000 Å at the zenith, arcsec.
    airmass : float
    mirror : float
        Diameter in m.
    """
    x = np.asarray(wavelength, dtype=float) / 5000.0
    fried = 0.100 / seeing * x**1.2 * airmass**-0.6  # m
    kolb = -0.981644  # ESO's constant for the VLT
    atmosphere = seeing * airmass**0.6 * x**-0.2
    atmosphere = atmosphere * np.sqrt(1 + kolb * 2.183 * (fried / OUTER_SCALE) ** 0.356)
    return np.hypot(atmosphere, 0.000212 * (500.0 * x) / mirror)


def dispersion_shift(wavelength, *, airmass, reference=12000.0, pressure=743.0, celsius=11.5):
    """Return how far the air shifts an image from where it is at `reference`, arcsec.

    Dry air (Filippenko 1982, Eqs. 1-4), Paranal's pressure in mbar and temperature.
    """

    def index(wave):
        s = (1e4 / np.asarray(wave, dtype=float)) ** 2
        sea = 64.328 + 29498.1 / (146 - s) + 255.4 / (41 - s)
        mmhg = pressure * 0.750062
        local = mmhg * (1 + (1.049 - 0.0157 * celsius) * 1e-6 * mmhg)
        return 1e-6 * sea * local / (720.883 * (1 + 0.003661 * celsius))

    tangent = np.sqrt(airmass**2 - 1)
    return 206265.0 * (index(reference) - index(wavelength)) * tangent


def sersic_b(n):
    """Return b_n, with which half of the light lies within r_e (Ciotti & Bertin 1999, Eq. 18)."""
    return 2 * n - 1 / 3 + 4 / (405 * n) + 46 / (25515 * n**2)


def _inside(radius, *, sigma, aperture, shift):
    """Return the share of light from a distance `radius` that lands in the aperture, (w, r).

    A Gaussian image of a point off the centre has Rice's distribution of radii; the mean over
    position angles takes the shift in.
    """
    angle = (np.arange(12) + 0.5) * np.pi / 12
    square = (
        radius[None, :, None] ** 2
        + shift[:, None, None] ** 2
        + 2 * radius[None, :, None] * shift[:, None, None] * np.cos(angle)
    )
    s2 = (sigma**2)[:, None, None]
    # Light from far outside (square / s2 large) does not reach the aperture; chndtr is slow there.
    return chndtr((aperture / 2) ** 2 / s2, 2.0, np.minimum(square / s2, 400.0)).mean(axis=2)


@lru_cache(maxsize=16)
def _kernel(wavelength, seeing, airmass, aperture):
    wave = np.array(wavelength)
    radius = np.concatenate([[0.0], np.geomspace(1e-3, 12.0, 240)])
    sigma = image_quality(wave, seeing=seeing, airmass=airmass) / FWHM_SIGMA
    shift = np.abs(dispersion_shift(wave, airmass=airmass))
    return radius, _inside(radius, sigma=sigma, aperture=aperture, shift=shift)


def sersic_loss(wavelength, *, r_e, n, seeing, airmass, aperture):
    """Return the share of galaxies' light in the fibre.

    Parameters
    ----------
    wavelength : ndarray of shape (w,)
        Å; some tens of knots, as the share varies slowly.
    r_e : ndarray of shape (g,)
        Half-light radius, arcsec (circularised).
    n : ndarray of shape (g,)
        Sersic index.
    seeing, airmass, aperture : float
        arcsec, -, arcsec (diameter).

    Returns
    -------
    ndarray of shape (g, w)
    """
    radius, inside = _kernel(tuple(map(float, wavelength)), seeing, airmass, aperture)
    r_e, n = np.asarray(r_e, dtype=float), np.asarray(n, dtype=float)
    # Light within each radius in closed form; what lies beyond the last one never enters.
    x = sersic_b(n)[:, None] * (radius[None] / r_e[:, None]) ** (1 / n)[:, None]
    share = np.diff(gammainc(2 * n[:, None], x), axis=1)
    return share @ (0.5 * (inside[:, 1:] + inside[:, :-1])).T
