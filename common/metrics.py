"""Metrics of classification and redshift, from plain arrays; each reports how many rows it used."""

from __future__ import annotations

import numpy as np

from common.errors import SuiteError

# A redshift wrong by more than this (in |dz|) is catastrophic. 0.01 is the threshold of the SDSS
# and DESI pipelines for galaxies (GaSNet-II, Sect. 4.1), which is "less strict" for quasars without
# a number given there; 0.05 (15 000 km/s) is our default: wider than any broad line's shift, so
# what lies beyond it took one line for another.
OUTLIER_LIMIT = {"galaxy": 0.01, "qso": 0.05}


def _pair(first, second, names):
    """Return two float arrays of one shape (n,), or raise SuiteError."""
    first, second = np.asarray(first, float).ravel(), np.asarray(second, float).ravel()
    if first.shape != second.shape:
        raise SuiteError(
            f"{names[0]} and {names[1]} must have equal lengths. "
            f"Received {first.size} and {second.size}."
        )
    return first, second


def _finite(*arrays):
    """Return the arrays where all of them are finite."""
    keep = np.logical_and.reduce([np.isfinite(a) for a in arrays])
    return tuple(a[keep] for a in arrays)


def bias(*, z_true, z_pred):
    """Return |ln((1+z_true)/(1+z_pred))| (GaSNet-II, Eq. 9), ndarray of shape (n,).

    A prediction at or below -1 has no logarithm: its bias is infinite.
    """
    z_true, z_pred = _pair(z_true, z_pred, ("z_true", "z_pred"))
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.abs(np.log((1 + z_true) / (1 + z_pred)))
    value[(z_pred <= -1) & np.isfinite(z_true)] = np.inf
    return value


def delta_z(*, z_true, z_pred):
    """Return |z_pred - z_true| / |1 + z_true| (GaSNet-II, Eq. 11), ndarray of shape (n,)."""
    z_true, z_pred = _pair(z_true, z_pred, ("z_true", "z_pred"))
    return np.abs(z_pred - z_true) / np.abs(1 + z_true)


def t_statistic(*, z_true, z_pred, z_err):
    """Return |z_true - z_pred| / z_err (GaSNet-II, Sect. 4.2.3), ndarray of shape (n,).

    An error of zero gives 0 where the prediction is exact and infinity elsewhere.
    """
    z_true, z_pred = _pair(z_true, z_pred, ("z_true", "z_pred"))
    z_true, z_err = _pair(z_true, z_err, ("z_true", "z_err"))
    residual = np.abs(z_true - z_pred)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(residual == 0, 0.0, residual / z_err)


def good_fraction(*, z_true, z_pred, limit):
    """Return (fraction with bias below `limit`, n) (GaSNet-II, Eq. 10).

    A prediction that is not finite is not good; a row without a true redshift does not count.
    """
    value = bias(z_true=z_true, z_pred=z_pred)
    known = np.isfinite(np.asarray(z_true, float).ravel())
    return _fraction(value[known] < limit)


def outlier_fraction(*, z_true, z_pred, limit):
    """Return (fraction with |dz| above `limit`, n); what is not finite is an outlier."""
    value = delta_z(z_true=z_true, z_pred=z_pred)
    known = np.isfinite(np.asarray(z_true, float).ravel())
    return _fraction(~(value[known] <= limit))


def mae(*, z_true, z_pred):
    """Return (mean |z_pred - z_true| over finite pairs, n) (GaSNet-II, Eq. 12)."""
    z_true, z_pred = _finite(*_pair(z_true, z_pred, ("z_true", "z_pred")))
    return _mean(np.abs(z_pred - z_true))


def mean_delta_z(*, z_true, z_pred):
    """Return (mean |dz| over finite pairs, n) (GaSNet-II, Eq. 11)."""
    (value,) = _finite(delta_z(z_true=z_true, z_pred=z_pred))
    return _mean(value)


def mad_sigma(values, *, about=None, axis=None):
    """Return 1.4826 times the median |value - middle|: the sigma of a Gaussian, blind to outliers.

    Parameters
    ----------
    values : array-like
        NaN is left out.
    about : float, optional
        The middle; the median without it.
    axis : int, optional
        One sigma for each of the other axes' places; one of all values without it.

    Returns
    -------
    float or ndarray; NaN of no value.
    """
    values = np.asarray(values)
    if about is None:
        about = np.nanmedian(values, axis=axis, keepdims=True)
    return 1.4826 * np.nanmedian(np.abs(values - about), axis=axis)


def nmad(*, z_true, z_pred):
    """Return (1.4826 median |dz - median dz| with signed dz over finite pairs, n)."""
    z_true, z_pred = _finite(*_pair(z_true, z_pred, ("z_true", "z_pred")))
    if not z_true.size:
        return float("nan"), 0
    signed = (z_pred - z_true) / (1 + z_true)
    return float(mad_sigma(signed)), signed.size


def fraction_within(*, z_true, z_pred, z_err, k=3.0):
    """Return (fraction with t <= k over finite rows, n)."""
    z_true, z_pred = _pair(z_true, z_pred, ("z_true", "z_pred"))
    z_true, z_err = _pair(z_true, z_err, ("z_true", "z_err"))
    z_true, z_pred, z_err = _finite(z_true, z_pred, z_err)
    return _fraction(t_statistic(z_true=z_true, z_pred=z_pred, z_err=z_err) <= k)


def coverage(*, z_true, z_pred, z_err, k):
    """Return (fraction with t <= each k, the same of a Gaussian), ndarrays of the shape of `k`."""
    from scipy.special import erf

    k = np.asarray(k, float)
    found = [fraction_within(z_true=z_true, z_pred=z_pred, z_err=z_err, k=v)[0] for v in k]
    return np.asarray(found), erf(k / np.sqrt(2))


def pit(*, z_true, z_pred, z_err):
    """Return the probability integral transform of Gaussian errors, ndarray of finite rows.

    Uniform on [0, 1] if the errors are right, U-shaped if they are too small, humped if too large.
    """
    from scipy.special import ndtr

    z_true, z_pred = _pair(z_true, z_pred, ("z_true", "z_pred"))
    z_true, z_err = _pair(z_true, z_err, ("z_true", "z_err"))
    z_true, z_pred, z_err = _finite(z_true, z_pred, z_err)
    return ndtr((z_true - z_pred) / np.maximum(z_err, 1e-300))


def accuracy(*, true, pred):
    """Return (fraction of equal labels, n)."""
    true, pred = np.asarray(true), np.asarray(pred)
    if true.shape != pred.shape:
        raise SuiteError(
            f"true and pred must have equal lengths. Received {true.size} and {pred.size}."
        )
    return _fraction(true == pred)


def confusion(*, true, pred, labels):
    """Return the confusion matrix, columns = true class, each column divided by its sum.

    Parameters
    ----------
    true, pred : array-like of str, shape (n,)
    labels : sequence of str
        The classes in order. Rows of the sample whose true label is not among them are left out;
        a predicted label that is not among them counts in the column's sum.

    Returns
    -------
    matrix : ndarray of shape (n_labels, n_labels)
        matrix[i, j] = fraction of the objects of class j called i; NaN in an empty column.
    n : ndarray of shape (n_labels,), int
        Number of objects of each true class.
    """
    true, pred, labels = np.asarray(true), np.asarray(pred), list(labels)
    if true.shape != pred.shape:
        raise SuiteError(
            f"true and pred must have equal lengths. Received {true.size} and {pred.size}."
        )
    n = np.array([np.sum(true == name) for name in labels])
    counts = np.array([[np.sum((true == t) & (pred == p)) for t in labels] for p in labels], float)
    with np.errstate(invalid="ignore"):
        return counts / np.where(n > 0, n, np.nan), n


def class_average(*, true, pred, labels):
    """Return (mean over the classes present of each class's accuracy, n of all of them)."""
    matrix, n = confusion(true=true, pred=pred, labels=labels)
    diagonal = np.diag(matrix)[n > 0]
    return (float(diagonal.mean()) if diagonal.size else float("nan")), int(n.sum())


def binned(*, x, y, edges, statistic=np.median):
    """Return centres, statistic and n of y in bins of x (left edge included).

    Returns
    -------
    centres, value, n : ndarrays of shape (len(edges) - 1,)
        `value` is NaN in an empty bin.
    """
    x, y = _pair(x, y, ("x", "y"))
    x, y = _finite(x, y)
    edges = np.asarray(edges, float)
    where = np.digitize(x, edges) - 1
    parts = [y[where == i] for i in range(len(edges) - 1)]
    value = np.array([statistic(p) if p.size else np.nan for p in parts])
    return (edges[:-1] + edges[1:]) / 2, value, np.array([p.size for p in parts])


def bootstrap_error(function, *arrays, n_resamples=200, seed=1):
    """Return the standard error of ``function(*arrays)`` under resampling of rows.

    Parameters
    ----------
    function : callable
        Takes arrays of shape (n,) in the given order, returns a number.
    n_resamples : int
    seed : int
    """
    arrays = [np.asarray(a) for a in arrays]
    n = len(arrays[0])
    if n < 2:
        return float("nan")
    rng = np.random.default_rng(seed)
    draws = [function(*(a[rows] for a in arrays)) for rows in rng.integers(0, n, (n_resamples, n))]
    return float(np.std(draws, ddof=1))


def _fraction(good):
    return (float(np.mean(good)) if good.size else float("nan")), int(good.size)


def _mean(value):
    return (float(np.mean(value)) if value.size else float("nan")), int(value.size)
