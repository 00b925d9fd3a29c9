"""What observed stars say of the synthetic spectra: their ratio as a smooth function of labels.

The stars are those of MILES, none of LAMOST: what is tested on real LAMOST stars was not fitted to
them.
"""

from __future__ import annotations

import numpy as np

from common.mocks import lamost
from common.mocks.miles import FWHM, LIMITS, read_miles
from solarlike_distance.mock_spectra import C_KMS, blurred, fine_grid

# Stars that are fitted, and limits to which labels are clipped when the ratio is evaluated.
TEFF, LOGG, FEH = (4300.0, 7500.0), (3.2, 5.1), (-1.6, 0.6)
TREND = 9  # degree of the smooth part that is left alone: flux calibration of both sides
RED_END = 7390.0  # Å; redder the synthetic spectra stand as they are
ROUNDS = 4
RIDGE = 0.3  # in stars: keeps the quadratic tame where labels are few


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
    """

    def __init__(self, coefficients, scatter, n_stars):
        self.coefficients = np.asarray(coefficients, dtype=np.float32)
        self.scatter, self.n_stars = scatter, n_stars

    def __call__(self, *, teff, logg, feh):
        """Return factors (n, n_pixels), float32, for synthetic spectra of these labels."""
        terms = basis(teff=teff, logg=logg, feh=feh).astype(np.float32)
        return np.exp(terms @ self.coefficients)


def log_ratio(model, wavelength, flux, stars):
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
    edge = ~ok | (share < 0.98)
    with np.errstate(all="ignore"):
        log = np.log(whole / share / model.flux(**labels))
    log[edge | ~np.isfinite(log)] = np.nan
    inside = (grid > LIMITS[0]) & (grid < LIMITS[1])
    x = np.interp(grid, (grid[inside][0], grid[inside][-1]), (-1, 1))
    legendre = np.polynomial.legendre.legvander(x, TREND)
    for row in log:
        good = np.isfinite(row)
        for _ in range(ROUNDS):
            if good.sum() < 10 * TREND:
                row[:] = np.nan
                break
            fitted = legendre @ np.linalg.lstsq(legendre[good], row[good], rcond=None)[0]
            away = np.abs(row - fitted)
            good = np.isfinite(row) & (away < 2.5 * 1.4826 * np.nanmedian(away))
        else:
            row -= fitted
    return log


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
    log = log_ratio(model, wavelength, flux, stars)
    terms = basis(**{name: stars[name].to_numpy(float) for name in ("teff", "logg", "feh")})
    known = np.flatnonzero(np.isfinite(log).sum(axis=0) > 0.5 * len(stars))
    fitted, sigma = _regress(terms, log[:, known])
    grid = fine_grid()
    last = min(grid[known[-1]], RED_END)
    taper = np.clip((grid - grid[known[0]]) / 20, 0, 1) * np.clip((last - grid) / 40, 0, 1)
    coefficients = np.zeros((terms.shape[1], grid.size))
    coefficients[:, known] = fitted.T
    scatter = np.full(grid.size, np.nan)
    scatter[known] = sigma
    return Correction(coefficients * taper, scatter, len(stars))


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
        sigma = 1.4826 * np.nanmedian(away, axis=0)
        # Huber's weights: a few labels are wrong, a few spectra too.
        weight = known / np.maximum(np.nan_to_num(away / np.maximum(1.5 * sigma, 1e-6)), 1.0)
    return fitted, sigma
