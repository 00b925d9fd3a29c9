"""Redshift from a comb of lines: a head that is ours, for fine bins and small training sets.

A dense output layer learns for each redshift bin by itself where the lines then are, so that bins a
sixth as wide need six times the spectra. Lines, however, move together: on a grid of log wavelength
by log(1 + z). This head takes a few maps of evidence for lines from the spectrum's first block,
reads them at the wavelengths of all lines of the table for each redshift, and scores the pattern
with weights that are the same at every redshift.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import layers, ops

from mtopnet.data import line_windows

STEP = 1.5e-4  # default: of log wavelength, 45 km/s, about a channel


def log_grid(config):
    """Return where the head reads a spectrum.

    Returns
    -------
    left : ndarray of int, shape (m,)
        Channel to the left of each point of the grid of log wavelength.
    share : ndarray of shape (m,)
        How far it is to the next channel, 0 to 1.
    known : ndarray of shape (m,)
        1 inside the arms, 0 beyond the ends and in gaps.
    first : ndarray of int, shape (n_lines,)
        Point at which each line stands at the lowest redshift.
    n_shifts : int
        Points from there to the highest redshift.
    """
    wave, rest = line_windows(config)
    low = np.log(rest.min() * (1 + config.z_min))
    n_shifts = int(np.ceil(np.log((1 + config.z_max) / (1 + config.z_min)) / STEP)) + 2
    first = np.round((np.log(rest * (1 + config.z_min)) - low) / STEP).astype(int)
    at = np.exp(low + STEP * np.arange(first.max() + n_shifts))
    left = np.clip(np.searchsorted(wave, at, side="right") - 1, 0, len(wave) - 2)
    width = wave[left + 1] - wave[left]
    share = np.clip((at - wave[left]) / width, 0, 1)
    gap = width > 5 * np.median(np.diff(wave))
    known = (at >= wave[0]) & (at <= wave[-1]) & ~gap
    return left, share, known.astype("float32"), first, n_shifts


@keras.saving.register_keras_serializable("mtopnet")
class LineComb(layers.Layer):
    """Score of each fine redshift from evidence maps: (n, n_pixels, k) -> (n, n_bins).

    Parameters
    ----------
    settings : dict
        n_pixels, z_min, z_max, dz of a `Config`.
    patterns : int
        Weighted sums over the lines, joined by a small network at each redshift.
    """

    def __init__(self, settings, patterns=8, **options):
        super().__init__(**options)
        self.settings, self.patterns = dict(settings), patterns

    def get_config(self):
        """Return what rebuilds the layer."""
        return super().get_config() | {"settings": self.settings, "patterns": self.patterns}

    def build(self, shape):
        """Make the weights: (n_lines, k, patterns) and those that join the patterns."""
        from mtopnet.config import Config

        config = Config(**self.settings)
        left, share, known, first, self.n_shifts = log_grid(config)
        self.first = first.tolist()
        self.left = left.astype("int32")
        self.share = share.astype("float32")[:, None]
        self.known = known[:, None]
        middle = (config.edges[1:] + config.edges[:-1]) / 2
        at = (np.log(1 + middle) - np.log(1 + config.z_min)) / STEP
        self.below = np.floor(at).astype("int32")
        self.beyond = (at - self.below).astype("float32")
        k, n = shape[-1], len(self.first)
        spread = keras.initializers.RandomNormal(stddev=1 / np.sqrt(10 * k))  # ~10 lines seen
        self.weight = self.add_weight(shape=(n, k, self.patterns), initializer=spread, name="lines")
        self.offset = self.add_weight(shape=(self.patterns,), initializer="zeros", name="offset")
        self.join = self.add_weight(shape=(self.patterns, 1), name="join",
                                    initializer=keras.initializers.Constant(0.3))  # fmt: skip

    def call(self, evidence):
        """Return scores: logarithms of unnormalised probabilities per bin."""
        x = ops.cast(evidence, "float32")
        left = ops.take(x, self.left, axis=1)
        right = ops.take(x, self.left + 1, axis=1)
        fine = (left + (right - left) * self.share) * self.known
        total = self.offset
        for i, start in enumerate(self.first):
            part = fine[:, start : start + self.n_shifts]
            total = total + ops.matmul(part, self.weight[i])
        score = ops.matmul(ops.relu(total), self.join)[..., 0]
        low = ops.take(score, self.below, axis=1)
        return low + (ops.take(score, self.below + 1, axis=1) - low) * self.beyond

    def compute_output_shape(self, shape):
        """Return the shape of the scores."""
        s = self.settings
        return (shape[0], round((s["z_max"] - s["z_min"]) / s["dz"]))


@keras.saving.register_keras_serializable("mtopnet")
class JoinBins(layers.Layer):
    """Probabilities of wide bins from logits of fine ones: (n, wide x each) -> logits (n, wide)."""

    def __init__(self, each, **options):
        super().__init__(**options)
        self.each = each

    def get_config(self):
        """Return what rebuilds the layer."""
        return super().get_config() | {"each": self.each}

    def call(self, logits):
        """Return log of the sum of exponentials over each wide bin."""
        parts = ops.reshape(logits, (-1, logits.shape[1] // self.each, self.each))
        return ops.logsumexp(parts, axis=-1)

    def compute_output_shape(self, shape):
        """Return the shape of the joined logits."""
        return (shape[0], shape[1] // self.each)
