"""What observed stars say of the synthetic spectra: their ratio as a smooth function of labels.

The stars are those of MILES, none of LAMOST: what is tested on real LAMOST stars was not fitted to
them.
"""

from __future__ import annotations

import numpy as np

from common.metrics import mad_sigma
from common.mocks import lamost
from common.mocks.miles import FWHM, LIMITS, read_miles
from solarlike_distance.mock.spectra import C_KMS, RED, TAPER, blurred, fine_grid

# Stars that are fitted, and limits to which labels are clipped when the ratio is evaluated.
TEFF, LOGG, FEH = (4300.0, 7500.0), (3.2, 5.1), (-1.6, 0.6)
ROUNDS = 4
LEAST_PIXELS = 1000  # of 0.5 Å or so: a spectrum with fewer shows no trend to take off
RIDGE = 0.3  # in stars: keeps the quadratic tame where labels are few
TREND = 9  # degree of the smooth part that is left alone: flux calibration of both sides


def basis(*, teff, logg, feh):
    """Return the ten terms of a quadratic in the labels, ndarray of shape (n, 10)."""
    t = (5040 / np.clip(teff, *TEFF) - 0.87) / 0.1
    g = (np.clip(logg, *LOGG) - 4.3) / 0.4
    m = (np.clip(feh, *FEH) + 0.2) / 0.5
    one = np.ones_like(t)
    return np.stack([one, t, g, m, t * t, t * g, t * m, g * g, g * m, m * m], axis=1)


class Correction:
    """The ratio of observed to synthetic spectra.

    Parameters
    ----------
    coefficients : ndarray of shape (10, n_pixels)
        Of ln ratio on the pixels of `mock_spectra.fine_grid`.
    scatter : ndarray of shape (n_pixels,)
        Standard deviation of the stars about the fit, in ln flux; NaN where none was fitted.
    n_stars : int
        Stars fitted.
    """

    def __init__(self, coefficients, scatter, n_stars):
        self.coefficients = np.asarray(coefficients, dtype=np.float32)
        self.scatter, self.n_stars = scatter, n_stars

    def __call__(self, *, teff, logg, feh):
        """Return factors (n, n_pixels), float32, for synthetic spectra of these labels."""
        terms = basis(teff=teff, logg=logg, feh=feh).astype(np.float32)
        return np.exp(terms @ self.coefficients)


def log_ratio(model, *, wavelength, flux, stars):
    """Return ln (observed / synthetic) on `fine_grid` without its smooth part.

    Parameters
    ----------
    model : StarSpectra
        Without a correction.
    wavelength : ndarray of shape (m,)
        Å, vacuum.
    flux : ndarray of shape (n, m)
        Observed at rest, NaN where missing.
    stars : DataFrame
        teff, logg, feh.

    Returns
    -------
    ndarray of shape (n, n_pixels); NaN where the observation does not reach.
    """
    grid = fine_grid()
    labels = {name: stars[name].to_numpy(float) for name in ("teff", "logg", "feh")}
    seen = np.stack([np.interp(grid, wavelength, row) for row in flux])
    ok = np.isfinite(seen)
    kms = FWHM / 2.3548 / grid * C_KMS
    extra = np.sqrt(np.maximum(lamost.lsf_kms(grid) ** 2 - kms**2, 0))
    whole = blurred(np.where(ok, seen, 0).T, extra).T
    share = blurred(ok.astype(float).T, extra).T
    with np.errstate(all="ignore"):
        log = np.log(whole / share / model.flux(**labels))
    log[~ok | (share < 0.98) | ~np.isfinite(log)] = np.nan
    x = np.interp(grid, LIMITS, (-1, 1))
    legendre = np.polynomial.legendre.legvander(x, TREND)
    for row in log:
        _remove_trend(row, legendre)
    return log


def _remove_trend(row, legendre):
    """Subtract a robustly fitted smooth curve in place; NaN where too little is known."""
    usable = good = np.isfinite(row)
    for _ in range(ROUNDS):
        if good.sum() < LEAST_PIXELS:
            row[:] = np.nan
            return
        fitted = legendre @ np.linalg.lstsq(legendre[good], row[good], rcond=None)[0]
        away = np.abs(row - fitted)
        good = usable & (away < 2.5 * mad_sigma(away[usable], about=0))
    row -= fitted


def fit_correction(model, *, offline=False, stars_used=None):
    """Fit the ratio on MILES's dwarfs and subgiants.

    Parameters
    ----------
    model : StarSpectra
        Without a correction.
    offline : bool
        Never touch the network.
    stars_used : callable, optional
        Called with the table of stars, returns a mask: a part of them, for cross-validation.

    Returns
    -------
    Correction

    Raises
    ------
    MissingDataError
        If the archive is neither cached nor fetchable.
    """
    wavelength, flux, stars = read_miles(offline=offline)
    keep = stars["teff"].between(*TEFF) & stars["logg"].between(*LOGG) & stars["feh"].between(*FEH)
    if stars_used is not None:
        keep &= stars_used(stars)
    stars, flux = stars[keep].reset_index(drop=True), flux[keep.to_numpy()]
    log = log_ratio(model, wavelength=wavelength, flux=flux, stars=stars)
    grid = fine_grid()
    known = np.flatnonzero((np.isfinite(log).sum(axis=0) > 0.5 * len(stars)) & (grid < RED))
    terms = basis(**{name: stars[name].to_numpy(float) for name in ("teff", "logg", "feh")})
    fitted, sigma = _regress(terms, log[:, known])
    own = grid[known]
    fade = np.clip(np.minimum(own - own[0], own[-1] - own) / TAPER, 0, 1)
    coefficients, scatter = np.zeros((terms.shape[1], grid.size)), np.full(grid.size, np.nan)
    coefficients[:, known], scatter[known] = fitted.T * fade, sigma
    return Correction(coefficients, scatter, len(stars))


def _regress(terms, values):
    """Fit each pixel's values (n, p) by terms (n, k), robustly; return (p, k) and scatter (p,)."""
    weight = known = np.isfinite(values).astype(float)
    value = np.nan_to_num(values)
    ridge = RIDGE * np.diag([0.0, *np.ones(terms.shape[1] - 1)])
    for _ in range(ROUNDS):
        products = (terms[:, :, None] * terms[:, None, :]).reshape(len(terms), -1)
        normal = (weight.T @ products).reshape(-1, *ridge.shape) + ridge
        fitted = np.linalg.solve(normal, ((weight * value).T @ terms)[:, :, None])[:, :, 0]
        away = np.abs(values - terms @ fitted.T)
        sigma = mad_sigma(away, about=0, axis=0)
        # Huber's weights: a few labels are wrong, a few spectra too.
        weight = known / np.maximum(np.nan_to_num(away / np.maximum(1.5 * sigma, 1e-6)), 1.0)
    return fitted, sigma
