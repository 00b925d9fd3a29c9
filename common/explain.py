"""What a network looks at: gradients of its output along the spectrum."""

from __future__ import annotations

import numpy as np


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

    @tf.function(reduce_retracing=True)
    def gradient(batch, which):
        with tf.GradientTape() as tape:
            tape.watch(batch)
            y = model(batch, training=False)
            value = (
                tf.gather(y, which, batch_dims=1) if output is not None else tf.reduce_mean(y, 1)
            )
        return tape.gradient(value, batch)

    which = np.zeros(len(x), dtype="int32") if output is None else np.asarray(output, dtype="int32")
    parts = [
        gradient(
            tf.constant(x[i : i + batch_size], dtype=tf.float32),
            tf.constant(which[i : i + batch_size]),
        ).numpy()
        for i in range(0, len(x), batch_size)
    ]
    return np.concatenate(parts) if parts else np.zeros_like(x, dtype="float32")
