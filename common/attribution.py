"""Which inputs a prediction comes from: SHAP values and integrated gradients, and their sums."""

from __future__ import annotations

import warnings

import numpy as np

from common.errors import SuiteError
from common.graphs import graph


def gradients(model, x, *, outputs, batch_size=64):
    """Return how chosen outputs change with the flux in each pixel.

    Parameters
    ----------
    model : keras.Model
        (n, n_pixels) -> (n, n_outputs).
    x : ndarray of shape (n, n_pixels)
    outputs : sequence of int
    batch_size : int

    Returns
    -------
    ndarray of shape (n, len(outputs), n_pixels), float32
        d output / d x, with its sign.
    """
    return _walk(_function(model, outputs), np.asarray(x, "float32"), len(outputs), batch_size)


def _function(model, outputs):
    """Return a compiled function: batch -> gradients of each output, (len(outputs), n, pixels)."""
    import tensorflow as tf

    def slopes(batch):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(batch)
            y = model(batch, training=False)
            values = [y[:, k] for k in outputs]
        return tf.stack([tape.gradient(value, batch) for value in values])

    return graph(slopes, reduce_retracing=True)


def _walk(slopes, x, n_outputs, batch_size):
    out = np.zeros((len(x), n_outputs, x.shape[1]), "float32")
    for start in range(0, len(x), batch_size):
        rows = slice(start, start + batch_size)
        out[rows] = np.moveaxis(np.asarray(slopes(x[rows])), 0, 1)
    return out


def integrated_gradients(model, x, *, baseline, outputs, steps=32, batch_size=64):
    """Return integrated gradients (Sundararajan, Taly & Yan 2017, ICML).

    Parameters
    ----------
    model : keras.Model
        (n, n_pixels) -> (n, n_outputs).
    x : ndarray of shape (n, n_pixels)
    baseline : ndarray of shape (n_pixels,)
        The spectrum that has nothing to explain, such as the mean of many.
    outputs : sequence of int
    steps : int
        Points of Gauss-Legendre quadrature along the way from the baseline.
    batch_size : int

    Returns
    -------
    ndarray of shape (n, len(outputs), n_pixels), float32
        In the unit of the output. They add up to the output less that of the baseline
        (`completeness`), better with more steps.
    """
    baseline = np.asarray(baseline, "float32")
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    total, slopes = np.zeros((len(x), len(outputs), x.shape[1])), _function(model, outputs)
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        at = (baseline + node * (x - baseline)).astype("float32")
        total += weight * _walk(slopes, at, len(outputs), batch_size)
    return (total * (x - baseline)[:, None]).astype("float32")


def shap_values(model, x, *, background, outputs, n_samples=200, batch_size=50, seed=1):
    """Return SHAP values by expected gradients: `shap.GradientExplainer` (Lundberg & Lee 2017).

    shap's DeepExplainer does not know Keras 3's operations. GradientExplainer draws pairs of a
    background spectrum and a point on the way to the explained one: its values have an error of
    sampling, which falls with n_samples.

    Parameters
    ----------
    model : keras.Model
        (n, n_pixels) -> (n, n_outputs).
    x : ndarray of shape (n, n_pixels)
    background : ndarray of shape (m, n_pixels)
        Spectra whose mean prediction is the reference.
    outputs : sequence of int
    n_samples : int
        Draws for each spectrum.
    batch_size, seed : int

    Returns
    -------
    ndarray of shape (n, len(outputs), n_pixels), float32
        In the unit of the output. They add up, within the error of sampling, to the output less
        the background's mean output (`completeness`).

    Raises
    ------
    SuiteError
        Without the package shap.
    """
    try:
        import shap
    except ImportError as error:
        raise SuiteError(
            "SHAP values need the package shap: pip install 'spectra-reproductions[shap]'."
        ) from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # shap passes a list where one tensor is due
        explainer = shap.GradientExplainer(model, np.asarray(background, "float32"), batch_size)
        values = explainer.shap_values(np.asarray(x, "float32"), nsamples=n_samples, rseed=seed)
    values = np.asarray(values, "float32").reshape(len(x), x.shape[1], -1)  # of every output
    return np.moveaxis(values[:, :, list(outputs)], 2, 1)


def completeness(values, *, model, x, reference, outputs, batch_size=64):
    """Return how well attributions add up to what they explain.

    Parameters
    ----------
    values : ndarray of shape (n, len(outputs), n_pixels)
    model : keras.Model
    x : ndarray of shape (n, n_pixels)
    reference : ndarray of shape (m, n_pixels) or (n_pixels,)
        The background, or the baseline.
    outputs : sequence of int

    Returns
    -------
    ndarray of shape (len(outputs),)
        Root mean square of sum less difference, over the root mean square of the difference of
        outputs: 0 where they add up.
    """

    def predicted(values):
        starts = range(0, len(values), batch_size)
        parts = [np.asarray(model(values[i : i + batch_size], training=False)) for i in starts]
        return np.concatenate(parts)[:, list(outputs)]

    wanted = predicted(np.asarray(x, "float32"))
    wanted = wanted - predicted(np.atleast_2d(np.asarray(reference, "float32"))).mean(axis=0)
    off = values.sum(axis=2) - wanted
    size = np.sqrt((wanted**2).mean(axis=0))
    return np.sqrt((off**2).mean(axis=0)) / np.where(size > 0, size, np.nan)


def normalised(values):
    """Return the mean |value| over spectra, each output's largest 1: (len(outputs), n_pixels)."""
    mean = np.abs(np.asarray(values, float)).mean(axis=0)
    top = mean.max(axis=1, keepdims=True)
    return mean / np.where(top > 0, top, 1.0)
