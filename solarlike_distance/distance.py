"""The distance's posterior in closed form (Shen & Luo 2024, Eqs. 3-5)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from common.errors import UsageError
from solarlike_distance.labels import extinction

PER_MAG = np.log(10) / 5  # a magnitude of the distance modulus in ln d
Z84 = 0.994457883209753  # standard normal quantile of 0.84


def _modulus(*, g, g_error, mg, mg_sigma, ag, ag_error, correlation):
    """Return mean and standard deviation of 5 log10(d / pc), ndarrays of one shape."""
    mean = np.asarray(g, float) - np.asarray(mg, float) + 5 - np.asarray(ag, float)
    errors = [np.asarray(e, float) for e in (g_error, mg_sigma, ag_error)]
    for name, error in zip(("g_error", "mg_sigma", "ag_error"), errors, strict=True):
        if np.any(error < 0):
            raise UsageError(f"{name} must not be negative. Received {np.nanmin(error):g}.")
    if not np.all(np.abs(correlation) <= 1):
        raise UsageError(f"correlation must be within -1 and 1. Received {correlation}.")
    g_error, mg_sigma, ag_error = errors
    variance = g_error**2 + mg_sigma**2 + ag_error**2 + 2 * correlation * mg_sigma * ag_error
    return np.broadcast_arrays(mean, np.sqrt(np.maximum(variance, 0)))


def posterior(*, g, mg, mg_sigma, ag, g_error=0.0, ag_error=0.0, correlation=0.0):
    """Return mode, median and central 68 % of the distance.

    Parameters
    ----------
    g : array-like of shape (n,)
        Apparent magnitude, mag.
    mg, mg_sigma : array-like of shape (n,) or float
        Absolute magnitude and its standard deviation (mu_M and sigma_M of Eq. 3), mag.
    ag : array-like of shape (n,) or float
        Extinction in G, mag.
    g_error, ag_error : array-like of shape (n,) or float
        Their standard deviations, mag; the paper has none.
    correlation : array-like of shape (n,) or float
        Between the errors of M_G and A_G, which add up in the distance modulus.

    Returns
    -------
    DataFrame of n rows
        mode, median, p16, p84 (pc); NaN where an input is missing.

    Raises
    ------
    UsageError
        If a standard deviation is negative or a correlation beyond 1.

    Notes
    -----
    M of Eq. 3 is Gaussian, so 5 log10 d = m - M + 5 - A_G is, and d > 0 is log-normal: with mu and
    s the mean and standard deviation of ln d (s = sigma ln 10 / 5), the Jacobian of Eq. 5, which
    makes P a density in d, puts the mode at exp(mu - s^2); the quantile of probability q is
    exp(mu + s z_q). The released code finds the same mode by a minimiser, star by star, between 0
    and 10 kpc; here no distance is too large.
    """
    mean, sigma = _modulus(g=g, g_error=g_error, mg=mg, mg_sigma=mg_sigma, ag=ag,
                           ag_error=ag_error, correlation=correlation)  # fmt: skip
    mu, s = np.atleast_1d(mean * PER_MAG), np.atleast_1d(sigma * PER_MAG)
    with np.errstate(over="ignore"):
        return pd.DataFrame({
            "mode": np.exp(mu - s**2),
            "median": np.exp(mu),
            "p16": np.exp(mu - Z84 * s),
            "p84": np.exp(mu + Z84 * s),
        })  # fmt: skip


def density(d, *, g, mg, mg_sigma, ag, g_error=0.0, ag_error=0.0, correlation=0.0):
    """Return P(d) of Eq. 5, per pc.

    Parameters
    ----------
    d : array-like
        Distances, pc; the density is 0 at and below 0.
    g, mg, mg_sigma, ag, g_error, ag_error, correlation
        As of `posterior`; the total standard deviation must be above 0.

    Returns
    -------
    ndarray of the broadcast shape
    """
    mean, sigma = _modulus(g=g, g_error=g_error, mg=mg, mg_sigma=mg_sigma, ag=ag,
                           ag_error=ag_error, correlation=correlation)  # fmt: skip
    d = np.asarray(d, float)
    here = np.where(d > 0, d, 1.0)
    z = (5 * np.log10(here) - mean) / sigma
    value = np.exp(-0.5 * z**2) / (np.sqrt(2 * np.pi) * sigma) / (here * PER_MAG)
    return np.where(d > 0, value, 0.0)


def columns(table, *, sigma_m, correlation=0.0, ag=None, ag_error=None):
    """Return the distances of predicted stars.

    Parameters
    ----------
    table : DataFrame of n rows
        phot_g_mean_mag (mag), mg_pred, mg_sigma, and where A_G is not given bp_rp, bprp_pred,
        bprp_sigma; where known phot_g_mean_mag_error and bp_rp_error (mag), else 0.
    sigma_m : float
        Scatter of M_G on the test set: sigma_M of the paper's mode (Eq. 3), mag.
    correlation : float
        Between the residuals of M_G and of (BP-RP)_0.
    ag, ag_error : array-like of shape (n,), optional
        Extinction of the user's and its error (0 by default), mag; else as in the released code.

    Returns
    -------
    DataFrame of n rows
        distance_pred: the paper's, the mode with one sigma_M for all and no other error;
        distance_p50, distance_p16, distance_p84: median and central 68 % with each star's own
        error of M_G and those of G and A_G (pc); ag_pred, ag_sigma (mag). NaN where magnitudes
        are missing.
    """
    n = len(table)

    def known(name, blank):
        return table[name].to_numpy(float) if name in table else np.full(n, blank)

    g, mg = known("phot_g_mean_mag", np.nan), known("mg_pred", np.nan)
    g_error = np.nan_to_num(known("phot_g_mean_mag_error", 0.0))
    if ag is None:
        ag, ag_error = extinction.from_colour(
            bp_rp=known("bp_rp", np.nan),
            bprp=known("bprp_pred", np.nan),
            bp_rp_error=np.nan_to_num(known("bp_rp_error", 0.0)),
            bprp_sigma=known("bprp_sigma", 0.0),
        )
        rho = -correlation  # A_G falls where (BP-RP)_0 rises
    else:
        ag = np.asarray(ag, float)
        ag_error = np.nan_to_num(np.zeros(n) if ag_error is None else np.asarray(ag_error, float))
        rho = 0.0
    paper = posterior(g=g, mg=mg, mg_sigma=sigma_m, ag=ag)
    own = posterior(
        g=g, mg=mg, mg_sigma=known("mg_sigma", sigma_m), ag=ag, g_error=g_error, ag_error=ag_error,
        correlation=rho,
    )  # fmt: skip
    return pd.DataFrame({
        "distance_pred": paper["mode"], "distance_p50": own["median"],
        "distance_p16": own["p16"], "distance_p84": own["p84"],
        "ag_pred": ag, "ag_sigma": np.where(np.isfinite(ag), ag_error, np.nan),
    })  # fmt: skip
