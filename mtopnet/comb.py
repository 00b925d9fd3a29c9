"""Redshift from a comb of lines: a head that is ours, for fine bins and small training sets.

A dense output layer learns for each redshift bin by itself where the lines then are, so that bins a
sixth as wide need six times the spectra. Lines, however, move together: on a grid of log wavelength
by log(1 + z). This head takes a few maps of evidence for lines from the spectrum's first block,
reads them at the wavelengths of all lines of the table for each redshift, and scores the pattern
with weights that are the same at every redshift.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
from keras import layers, ops

from mtopnet.data import line_windows

STEP = 2e-4  # default: of log wavelength, 60 km/s, two channels


@dataclass(frozen=True)
class Grid:
    """Where the head reads a spectrum.

    Attributes
    ----------
    left : ndarray of int, shape (m,)
        Channel to the left of each point of the grid of log wavelength, which spans the channels.
    share : ndarray of shape (m,)
        How far it is to the next channel, 0 to 1.
    known : ndarray of shape (m,)
        1 inside the arms, 0 in gaps between them.
    n_shifts : int
        Points of the grid of log(1 + z), from the lowest to beyond the highest redshift.
    lines : tuple of (int, int, int)
        Of each line that the channels see at some redshift: the point of the wavelength grid and
        the shift from which on it is seen, and at how many shifts.
    """

    left: np.ndarray
    share: np.ndarray
    known: np.ndarray
    n_shifts: int
    lines: tuple


def make_grid(config):
    """Return the `Grid` of a configuration."""
    wave, rest = line_windows(config)
    low = np.log(wave[0])
    m = int((np.log(wave[-1]) - low) / STEP) + 1
    at = np.exp(low + STEP * np.arange(m))
    left = np.clip(np.searchsorted(wave, at, side="right") - 1, 0, len(wave) - 2)
    width = wave[left + 1] - wave[left]
    share = np.clip((at - wave[left]) / width, 0, 1)
    gap = width > 5 * np.median(np.diff(wave))
    n = int(np.ceil(np.log((1 + config.z_max) / (1 + config.z_min)) / STEP)) + 2
    lines = []
    for line in rest:
        first = int(np.round((np.log(line * (1 + config.z_min)) - low) / STEP))
        shift = max(0, -first)
        count = min(n, m - first) - shift
        if count > 0:
            lines.append((first + shift, shift, count))
    return Grid(left, share, 1.0 - gap, n, tuple(lines))


@keras.saving.register_keras_serializable("mtopnet")
class LineComb(layers.Layer):
    """Score of each redshift bin from evidence maps: (n, n_pixels, k) -> (n, n_bins).

    The score is a sum over lines and maps with one weight each, as logarithms of likelihood ratios
    of independent lines would be.

    Parameters
    ----------
    settings : dict
        n_pixels, z_min, z_max, dz of a `Config`.
    """

    def __init__(self, settings, **options):
        super().__init__(**options)
        self.settings = dict(settings)

    def get_config(self):
        """Return what rebuilds the layer."""
        return super().get_config() | {"settings": self.settings}

    def build(self, shape):
        """Make the weights, (n_lines, k), and look up where lines are read."""
        from mtopnet.config import Config

        config = Config(**self.settings)
        grid = make_grid(config)
        self.lines, self.n_shifts = grid.lines, grid.n_shifts
        self.left = grid.left.astype("int32")
        self.share = grid.share.astype("float32")[:, None]
        self.known = grid.known.astype("float32")[:, None]
        middle = (config.edges[1:] + config.edges[:-1]) / 2
        at = (np.log(1 + middle) - np.log(1 + config.z_min)) / STEP
        self.below = np.floor(at).astype("int32")
        self.beyond = (at - self.below).astype("float32")
        spread = keras.initializers.RandomNormal(mean=0.3, stddev=0.1)
        self.weight = self.add_weight(
            shape=(len(self.lines), shape[-1]), initializer=spread, name="lines"
        )

    def call(self, evidence):
        """Return scores: logarithms of unnormalised probabilities per bin."""
        x = ops.cast(evidence, "float32")
        left = ops.take(x, self.left, axis=1)
        right = ops.take(x, self.left + 1, axis=1)
        fine = (left + (right - left) * self.share) * self.known
        # All lines' weighted sums first, as one product of matrices, then one array a line: the
        # gradient of a slice is as large as what it was cut from.
        n = ops.shape(fine)[0]
        weight = ops.broadcast_to(self.weight[None], (n, *self.weight.shape))
        mixed = ops.unstack(ops.matmul(weight, ops.transpose(fine, (0, 2, 1))), axis=1)
        parts = []
        for i, (point, shift, count) in enumerate(self.lines):
            part = mixed[i][:, point : point + count]
            parts.append(ops.pad(part, ((0, 0), (shift, self.n_shifts - shift - count))))
        score = sum(parts[1:], parts[0])
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
