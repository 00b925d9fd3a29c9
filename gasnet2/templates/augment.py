"""Batches that differ from epoch to epoch: more noise, and ranges without information."""

from __future__ import annotations

import tensorflow as tf

from common.pipeline import dataset
from gasnet2.templates.inputs import CHANNELS, N_PIXELS

NOISIER = 0.35  # share of the spectra that get more noise
MOST = 4.0  # factor on the error, at most
HIDDEN = 0.2  # share of which a range is hidden
RANGE = (100, 900)  # pixels of a hidden range


def augmented(shards, index, targets, *, seed=None, **options):
    """Return `common.pipeline.dataset`; in training its batches are made worse at random.

    Parameters
    ----------
    shards, index, targets, seed, options
        As of `common.pipeline.dataset`.
    """
    batches = dataset(shards, index, targets, seed=seed, **options)
    if seed is None:
        return batches
    dice = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True).batch(2)
    both = tf.data.Dataset.zip((batches, dice))
    return both.map(_worse, num_parallel_calls=2).prefetch(2)


def _worse(batch, dice):
    """Add noise to some spectra of a batch, and hide a range of some."""
    x, y = batch
    seeds = [tf.cast(dice, tf.int32) + i for i in range(6)]
    n = tf.shape(x)[0]
    x = tf.reshape(x, (-1, CHANNELS, N_PIXELS))
    residual, shape, weight = x[:, 0], x[:, 1], x[:, 2]

    def uniform(i, low=0.0, high=1.0):
        return tf.random.stateless_uniform((n, 1), seeds[i], low, high)

    factor = tf.exp(uniform(0, 0.0, tf.math.log(MOST)))
    factor = tf.where(uniform(1) < NOISIER, factor, 1.0)
    more = tf.sqrt(tf.square(factor) - 1)
    noise = tf.random.stateless_normal(tf.shape(residual), seeds[2])
    known = weight > 0
    residual = tf.where(known, (residual + more * noise) / factor, 0.0)
    weight = weight / factor
    length = uniform(3, *map(float, RANGE))
    first = uniform(4, -0.5 * RANGE[1], float(N_PIXELS))
    pixel = tf.range(N_PIXELS, dtype=tf.float32)[None]
    hidden = (pixel >= first) & (pixel < first + length)
    hidden &= uniform(5) < HIDDEN
    parts = [tf.where(hidden, 0.0, part) for part in (residual, shape, weight)]
    return tf.reshape(tf.stack(parts, axis=1), (-1, CHANNELS * N_PIXELS)), y
