"""What mass and star formation rate a fit reaches that knows the redshift: the mock's own floor.

Fluxes of lines and levels of the continuum, fitted at the true redshift with their errors, and
boosted trees from these to log M and log SFR, learned on the galaxies that the network learns from.
"""

from __future__ import annotations

import numpy as np

from mtopnet.mock.population import COSMOLOGY
from mtopnet.peer.fit import TINY

BINS = 40  # default: of the continuum at rest
RIDGE = 1e-6  # of a template's own square: keeps what is barely seen from growing
RIDGE_MEAN = 10.0  # default: of the regression
DEEP = 0.02  # default: share of a line's profile that must be seen


def features(grid, templates, weight, product, z):
    """Return what a spectrum says at its redshift.

    Parameters
    ----------
    grid : mtopnet.peer.fit.Grid
    templates : mtopnet.peer.templates.Templates
    weight, product : ndarray of shape (n_pixels,)
        A row of each of `Grid.sums`.
    z : float

    Returns
    -------
    ndarray of shape (1 + 2 n_lines + 2 BINS,), float32
        z; of each line log of its luminosity (or of its error, where that is more) and its S/N;
        the same of the level of the continuum without lines in bins at rest. NaN where unseen.
    """
    lines = grid.under(templates.lines, z)
    own = np.concatenate([grid.under(templates.continua, z), lines])
    square, right = (own * weight) @ own.T, own @ product
    n = len(templates.continua)
    scale = np.diagonal(square).copy()
    whole = np.square(templates.lines).sum(axis=1) * np.median(weight)
    seen = np.concatenate([scale[:n] > 0, scale[n:] > DEEP * whole])
    inner = square[np.ix_(seen, seen)] + np.diag(RIDGE * scale[seen])
    amplitude, error = np.zeros(len(own)), np.full(len(own), np.nan)
    if seen.any():
        inverse = np.linalg.inv(inner)
        amplitude[seen], error[seen] = inverse @ right[seen], np.sqrt(np.diagonal(inverse))
    # What a source of this flux density shines at its distance, up to a constant.
    far = 2 * np.log10(COSMOLOGY.luminosity_distance(z).value)
    left = product - weight * (amplitude[n:] @ lines)
    start = int(grid.offset[np.abs(grid.z - z).argmin()])
    place = (start + np.arange(grid.n_pixels)) * BINS // grid.n_rest
    total = np.bincount(place, weights=weight, minlength=BINS)
    level = np.bincount(place, weights=left, minlength=BINS) / np.maximum(total, TINY)
    noise = np.where(total > 0, 1 / np.sqrt(np.maximum(total, TINY)), np.nan)
    values = np.concatenate([amplitude[n:], level])
    errors = np.concatenate([error[n:], noise])
    ratio = values / errors
    return np.concatenate(
        [[z], np.log10(np.maximum(values, errors)) + far, np.arcsinh(ratio)]
    ).astype("float32")


def learned(x, y, *, seed):
    """Return a function from features to a quantity, learned by boosted trees.

    Parameters
    ----------
    x : ndarray of shape (n, m)
        NaN where unknown.
    y : ndarray of shape (n,)
        NaN rows are left out.
    seed : int

    Returns
    -------
    callable
        (n, m) -> (n,).

    Notes
    -----
    A ridge regression first, with means in place of what is unknown: trees alone are coarse where a
    quantity follows a luminosity straight. The trees learn what it leaves.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    use = np.isfinite(y)
    y, columns = y[use], np.isfinite(x[use]).any(axis=0)
    x = x[np.ix_(use, columns)]
    straight = make_pipeline(SimpleImputer(), StandardScaler(), Ridge(RIDGE_MEAN))
    straight.fit(x, y)
    trees = HistGradientBoostingRegressor(
        learning_rate=0.05, max_iter=400, early_stopping=False, random_state=seed
    )
    trees.fit(x, y - straight.predict(x))

    def predict(new):
        return straight.predict(new[:, columns]) + trees.predict(new[:, columns])

    return predict
