"""Redshift from a comb of lines: a head that is ours, for fine bins and small training sets.

A dense output layer learns for each redshift bin by itself where the lines then are, so that bins a
sixth as wide need six times the spectra. Lines, however, move together: on a grid of log wavelength
by log(1 + z). This head takes a few maps of evidence for lines from the spectrum's first block,
lays them over a template at rest whose only pixels are the lines of the table, one weight each, and
scores every redshift (`common.shifts`). `RestTemplates` learns the pixels between the lines too.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
from keras import layers, ops

from common.shifts import ShiftedTemplates
from mtopnet.data import line_windows

STEP = 2e-4  # default: of log wavelength, 60 km/s, two channels
ROUGH = 1.0  # default: penalty on learned templates that are not smooth, as gasnet2's


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
class LineComb(ShiftedTemplates):
    """Score of each redshift bin from evidence maps: (n, n_pixels, k) -> (n, n_bins).

    The score is a sum over lines and maps with one weight each, as logarithms of likelihood ratios
    of independent lines would be.

    Parameters
    ----------
    settings : dict
        n_pixels, z_min, z_max, dz of a `Config`.
    """

    def __init__(self, settings, **options):
        from mtopnet.config import Config

        self.settings = dict(settings)
        self.grid = make_grid(Config(**self.settings))
        super().__init__(1, first=0, last=self.grid.n_shifts - 1, **options)

    def get_config(self):
        """Return what rebuilds the layer."""
        return layers.Layer.get_config(self) | {"settings": self.settings}

    def build(self, shape):
        """Make the weights, (n_lines, k), and look up where lines are read."""
        from mtopnet.config import Config

        config, grid = Config(**self.settings), self.grid
        self.left = grid.left.astype("int32")
        self.share = grid.share.astype("float32")[:, None]
        self.known = grid.known.astype("float32")[:, None]
        middle = (config.edges[1:] + config.edges[:-1]) / 2
        at = (np.log(1 + middle) - np.log(1 + config.z_min)) / STEP
        self.below = np.floor(at).astype("int32")
        self.beyond = (at - self.below).astype("float32")
        self.measure((shape[0], len(grid.left), shape[2]))
        # Lines may share a pixel at rest (a doublet): a product of matrices adds their weights up.
        self.places = np.zeros((len(grid.lines), self.n_rest), "float32")
        for row, (point, shift, _) in enumerate(grid.lines):
            self.places[row, point - shift - self.rest_first] = 1
        spread = keras.initializers.RandomNormal(mean=0.3, stddev=0.1)
        self.weight = self.add_weight(
            shape=(len(grid.lines), shape[-1]), initializer=spread, name="lines"
        )

    def at_rest(self):
        """Return the template: the weight of each line at its pixel, 0 elsewhere."""
        return ops.matmul(ops.transpose(ops.cast(self.weight, "float32")), self.places)[None]

    def call(self, evidence):
        """Return scores: logarithms of unnormalised probabilities per bin."""
        x = ops.cast(evidence, "float32")
        left = ops.take(x, self.left, axis=1)
        right = ops.take(x, self.left + 1, axis=1)
        fine = (left + (right - left) * self.share) * self.known
        score = super().call(fine)[:, 0]
        low = ops.take(score, self.below, axis=1)
        return low + (ops.take(score, self.below + 1, axis=1) - low) * self.beyond

    def compute_output_shape(self, shape):
        """Return the shape of the scores."""
        s = self.settings
        return (shape[0], round((s["z_max"] - s["z_min"]) / s["dz"]))


@keras.saving.register_keras_serializable("mtopnet")
class RestTemplates(LineComb):
    """The comb with all pixels between its lines: absorption, breaks and blends are learned.

    They begin at 0, where it is the comb.
    """

    def build(self, shape):
        """Make the weights of the lines and of the template, (1, k, n_rest)."""
        super().build(shape)
        self.learned = self.add_weight(
            shape=(1, shape[-1], self.n_rest), initializer="zeros", name="template"
        )

    def at_rest(self):
        """Return the template: lines and what is learned between them."""
        learned = ops.cast(self.learned, "float32")
        step = learned[..., 1:] - learned[..., :-1]
        self.add_loss(ROUGH * ops.mean(ops.square(step)))
        return super().at_rest() + learned


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
