"""What Gaia makes of a star: errors of parallaxes, and the S/N of its mean RVS spectrum."""

from __future__ import annotations

import numpy as np

from common.mocks import rvs

# Parallax errors (mas) of Gaia DR3's stars by G (Lindegren et al. 2021, A&A 649, A2, Table 4,
# rounded).
PARALLAX_ERROR = ((9, 0.018), (12, 0.016), (14, 0.019), (15, 0.028), (16, 0.045), (17, 0.075))
PARALLAX_SPREAD = 0.15  # of ln of the error at one G; `default`
# G_RVS - RP against G - RP (Sartoretti et al. 2023, A&A 674, A6, Eq. 2), highest power first.
G_RVS = (-0.0867, -0.0330, -0.2852, -0.0397)
G_RVS_LIMITS = (-0.15, 1.2)  # of G - RP, mag


def parallax_errors(g, rng):
    """Return errors of parallaxes in mas, ndarray of shape (n,), of stars of G (n,) in mag."""
    typical = np.interp(g, *zip(*PARALLAX_ERROR, strict=True))
    return typical * np.exp(PARALLAX_SPREAD * rng.standard_normal(len(typical)))


def rvs_magnitude(*, g, rp):
    """Return G_RVS in mag, ndarray of shape (n,), of G and RP; colours beyond its range clipped."""
    colour = np.clip(np.asarray(g, dtype=float) - rp, *G_RVS_LIMITS)
    return rp + np.polyval(G_RVS, colour)


def rvs_snr(magnitude, rng):
    """Return the S/N of mean RVS spectra, a pixel of the continuum, after DR3's number of transits.

    Parameters
    ----------
    magnitude : ndarray of shape (n,)
        G_RVS, mag.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (n,)
        The inverse of `common.mocks.rvs.electrons` and `g_rvs`.
    """
    signal = 10 ** ((rvs.ZERO_POINT - np.asarray(magnitude, dtype=float)) / 2.5)
    signal *= rvs.EXPOSURE * rvs.SAMPLE_SHARE
    ccds = rvs.draw_ccds(len(signal), rng)
    return np.sqrt(ccds / (signal + rvs.BACKGROUND)) * signal
