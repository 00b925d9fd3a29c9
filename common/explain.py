"""What a network looks at: gradients of its output along the spectrum."""

from __future__ import annotations

import numpy as np

from common.errors import SuiteError
from common.graphs import graph

TRIES = 20  # a window that was placed badly may leave no room for the next


def saliency(model, x, *, output=None, batch_size=64):
    """Return how an output changes with the flux in each pixel.

    Parameters
    ----------
    model : keras.Model
        (n, n_pixels) -> (n, n_outputs).
    x : ndarray of shape (n, n_pixels)
        Network input.
    output : ndarray of int, shape (n,), optional
        Which output of each row; the mean over all outputs (an ensemble's prediction) without it.
    batch_size : int
        Rows at a time.

    Returns
    -------
    ndarray of shape (n, n_pixels), float32
        d output / d x, with its sign (Zhong et al. 2024, App. D shows the absolute value).
    """
    import tensorflow as tf

    def gradient(batch, which):
        with tf.GradientTape() as tape:
            tape.watch(batch)
            y = model(batch, training=False)
            value = (
                tf.gather(y, which, batch_dims=1) if output is not None else tf.reduce_mean(y, 1)
            )
        return tape.gradient(value, batch)

    gradient = graph(gradient, reduce_retracing=True)
    which = np.zeros(len(x), dtype="int32") if output is None else np.asarray(output, dtype="int32")
    parts = [
        gradient(
            tf.constant(x[i : i + batch_size], dtype=tf.float32),
            tf.constant(which[i : i + batch_size]),
        ).numpy()
        for i in range(0, len(x), batch_size)
    ]
    return np.concatenate(parts) if parts else np.zeros_like(x, dtype="float32")


def input_gradients(model, inputs, *, names, outputs, batch_size=128):
    """Return how chosen outputs change with each number of chosen inputs.

    Parameters
    ----------
    model : keras.Model
        {input name: (n, columns)} -> (n, n_outputs).
    inputs : dict of str to ndarray of shape (n, columns)
        All inputs of the model.
    names : sequence of str
        The inputs to look along.
    outputs : sequence of int
        The outputs to explain.
    batch_size : int
        Rows at a time.

    Returns
    -------
    dict of str to ndarray of shape (n, len(outputs), columns), float32
        d output / d input, with its sign.
    """
    import tensorflow as tf

    def gradient(batch, which):
        with tf.GradientTape() as tape:
            watched = [batch[name] for name in names]
            tape.watch(watched)
            value = tf.gather(model(batch, training=False), which, axis=1)
        return tape.gradient(value, watched, unconnected_gradients="zero")

    gradient = graph(gradient, reduce_retracing=True)
    n = len(next(iter(inputs.values())))
    out = {k: np.zeros((n, len(outputs), inputs[k].shape[1]), "float32") for k in names}
    for start in range(0, n, batch_size):
        rows = slice(start, start + batch_size)
        batch = {k: tf.constant(v[rows], dtype=tf.float32) for k, v in inputs.items()}
        for i, output in enumerate(outputs):
            for name, part in zip(names, gradient(batch, tf.constant(output)), strict=True):
                out[name][rows, i] = part.numpy()
    return out


def line_weight(gradient, wavelength, windows, *, deviation=None, n_random=1000, rng):
    """Compare how much a network looks at some lines with windows placed at random.

    Parameters
    ----------
    gradient : ndarray of shape (n, n_pixels)
        d label / d flux of n stars.
    wavelength : ndarray of shape (n_pixels,)
        Ascending, in the unit of `windows`.
    windows : sequence of (float, float)
        Centre and half width of each line's window.
    deviation : ndarray of shape (n, n_pixels), optional
        Flux of the stars minus their mean. With it the weight of windows is the standard deviation
        over stars of the label's change through them, the sum of gradient x deviation (gradient
        times input: Shrikumar et al. 2017, ICML): broad lines count as a whole, and pixels that do
        not vary do not count. Without it, it is the mean of |gradient|.
    n_random : int
        Draws. Each puts as many windows of the same widths anywhere in the range, apart from each
        other and from the lines.
    rng : numpy.random.Generator

    Returns
    -------
    dict
        weight: of the windows; random: median over the draws; ratio of the two; p_value: share of
        draws that reach the lines' weight (Phipson & Smyth 2010: the lines themselves count as a
        draw).

    Raises
    ------
    SuiteError
        If a window holds no pixel, or the range has no room for random ones.
    """
    wavelength = np.asarray(wavelength, float)
    by_pixel = np.abs(np.atleast_2d(gradient)).mean(axis=0)[None]
    if deviation is not None:
        by_pixel = np.asarray(gradient, float) * deviation
    until = np.cumsum(np.pad(by_pixel, ((0, 0), (1, 0))), axis=1)

    def weigh(some):
        first, last = _pixels(wavelength, some)
        sums = (until[:, last] - until[:, first]).sum(axis=1)
        return sums.std() if deviation is not None else sums[0] / np.sum(last - first)

    if not windows or not np.all(np.diff(_pixels(wavelength, windows), axis=0) > 0):
        raise SuiteError(
            f"Each window must hold a pixel of {wavelength[0]:g}-{wavelength[-1]:g}. "
            f"Received {[(float(c), float(h)) for c, h in windows]}."
        )
    weight = weigh(windows)
    draws = np.array([weigh(_random(wavelength, windows, rng)) for _ in range(n_random)])
    random = float(np.median(draws))
    return {
        "weight": float(weight),
        "random": random,
        "ratio": float(weight / random) if random > 0 else float("inf"),
        "p_value": float((1 + np.sum(draws >= weight)) / (1 + n_random)),
    }


def _random(wavelength, windows, rng):
    """Return windows of the same widths, apart from these and each other."""
    for _ in range(TRIES):
        taken = list(windows)
        for _, half in sorted(windows, key=lambda window: -window[1]):
            good = (wavelength - half >= wavelength[0]) & (wavelength + half <= wavelength[-1])
            for centre, other in taken:
                good &= np.abs(wavelength - centre) > half + other
            if not good.any():
                break
            taken.append((rng.choice(wavelength[good]), half))
        else:
            return taken[len(windows) :]
    raise SuiteError("The range is too short for as many random windows of this width.")


def _pixels(wavelength, windows):
    """Return the first pixel of each window and the one after its last."""
    centre, half = np.transpose(windows)
    first = np.searchsorted(wavelength, centre - half, side="left")
    return np.stack([first, np.searchsorted(wavelength, centre + half, side="right")])
