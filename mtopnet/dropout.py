"""Many passes with dropout left on as one graph (MC dropout, Sect. 4.1)."""

from __future__ import annotations

from typing import NamedTuple


class Passes(NamedTuple):
    """Passes of MC dropout.

    Attributes
    ----------
    seed : callable
        int -> None: what was computed before in this process makes no difference to what follows.
    run : callable
        Features of shape (n, n_features), passes -> mean and mean square of the answers, two
        ndarrays of shape (n, n_answers).
    """

    seed: object
    run: object


def side_by_side(trunk):
    """Return a Keras model's several outputs as one, so that they travel as one array."""
    import keras

    return keras.Model(trunk.input, keras.layers.Concatenate(name="features")(trunk.outputs))


def passes_of(heads, answers):
    """Return the `Passes` of a network's dense layers.

    Parameters
    ----------
    heads : keras.Model
        From `mtopnet.model.build_heads`.
    answers : sequence of str
        Its outputs that are averaged, side by side.
    """
    import tensorflow as tf

    widths = [t.shape[1] for t in heads.inputs]
    drops = [layer.seed_generator for layer in heads.layers if hasattr(layer, "seed_generator")]

    def seed(number):
        for k, one in enumerate(drops):
            one.state.assign([number, k << 16])

    @tf.function
    def averages(features, passes):
        parts = tf.split(features, widths, axis=1)

        def one():
            out = heads(parts)
            return tf.concat([out[task] for task in answers], axis=1)

        total = one()
        square = total**2
        for _ in tf.range(passes - 1):
            value = one()
            total += value
            square += value**2
        scale = 1.0 / tf.cast(passes, tf.float32)
        return total * scale, square * scale

    def run(features, passes):
        mean, square = averages(tf.constant(features), tf.constant(passes))
        return mean.numpy(), square.numpy()

    return Passes(seed, run)
