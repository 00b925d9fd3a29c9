"""The template network: maps of a spectrum, templates of each class, one softmax over all z."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
from keras import layers, ops

from common.shifts import ShiftedTemplates, shift_of
from gasnet2.config import COARSE
from gasnet2.templates.inputs import CHANNELS, LOG_FIRST, N_PIXELS, STEP

RANGE = {  # default: lowest and highest redshift of a coarse class
    "STAR": (-0.0023, 0.0023), "NONE": (0.0, 0.0), "GALAXY": (-0.0023, 1.7), "QSO": (0.005, 6.3),
}  # fmt: skip
BLUEST = 800.0  # Å at rest, default: quasars have no light left below it
KERNEL = 7  # pixels of the trunk's convolutions, default
KNOT = 96  # pixels between the knots of the learned bias over redshift


@dataclass(frozen=True)
class Block:
    """The logits of classes that share a range of redshifts.

    Attributes
    ----------
    coarse : str
    classes : tuple of int
        Their numbers among all classes.
    first, last : int
        Lowest and highest shift, pixels of `STEP`.
    start : int
        Number of the block's first logit.
    """

    coarse: str
    classes: tuple
    first: int
    last: int
    start: int

    @property
    def n_shifts(self):
        """Number of redshifts."""
        return self.last - self.first + 1

    @property
    def shifts(self):
        """All shifts, ndarray of int."""
        return np.arange(self.first, self.last + 1)

    @property
    def stop(self):
        """Number after the block's last logit."""
        return self.start + len(self.classes) * self.n_shifts


def blocks(classes):
    """Return the `Block`s of logits of some classes, in order."""
    out, start = [], 0
    for coarse in ("STAR", "NONE", "GALAXY", "QSO"):
        own = tuple(k for k, name in enumerate(classes) if COARSE[name] == coarse)
        if own:
            first, last = (round(float(shift_of(z, STEP))) for z in RANGE[coarse])
            out.append(Block(coarse, own, first, last, start))
            start = out[-1].stop
    return tuple(out)


@keras.saving.register_keras_serializable("gasnet2")
class Squashed(layers.Layer):
    """From the input's rows to channels of order one: (n, 3 pixels) -> (n, pixels, 3)."""

    def call(self, x):
        """Return asinh of residuals, of the continuum's shape, and log of the continuum's S/N."""
        x = ops.reshape(x, (-1, CHANNELS, N_PIXELS))
        parts = [ops.arcsinh(x[:, 0]), ops.arcsinh(x[:, 1]), 0.5 * ops.log1p(x[:, 2])]
        return ops.stack(parts, axis=-1)

    def compute_output_shape(self, shape):
        """Return the shape of the channels."""
        return (shape[0], N_PIXELS, CHANNELS)


@keras.saving.register_keras_serializable("gasnet2")
class SmoothBias(layers.Layer):
    """Add a learned bias to scores (n, classes, shifts), straight between knots in the shift."""

    def build(self, shape):
        """Make the bias at the knots."""
        n = shape[2]
        knots = max(1, -(-(n - 1) // KNOT) + 1)
        at = np.linspace(0, knots - 1, n)
        left = np.minimum(at.astype(int), max(knots - 2, 0))
        matrix = np.zeros((knots, n), dtype="float32")
        matrix[left, np.arange(n)] = 1 - (at - left)
        if knots > 1:
            matrix[left + 1, np.arange(n)] += at - left
        self.matrix = matrix
        self.bias = self.add_weight(shape=(shape[1], knots), initializer="zeros", name="bias",
                                    dtype="float32", autocast=False)  # fmt: skip

    def call(self, scores):
        """Return the scores with their bias."""
        return scores + ops.matmul(ops.convert_to_tensor(self.bias), self.matrix)


def _residual(x, channels, kernel):
    y = layers.Conv1D(channels, kernel, padding="same", activation="relu")(x)
    y = layers.Conv1D(channels, kernel, padding="same", kernel_initializer="zeros")(y)
    return layers.Add()([x, y])


def build_templates(config):
    """Build the template network.

    Parameters
    ----------
    config : gasnet2.config.Config
        classes; channels and depth of the trunk; maps; roughness.

    Returns
    -------
    keras.Model
        (n, 3 N_PIXELS), see `gasnet2.templates.inputs.channels`, -> (n, n_logits), float32: for
        each of `blocks`, each class of it and each redshift, the logarithm of the unnormalised
        probability of both together.

    Notes
    -----
    A redshift is a shift in log wavelength (Tonry & Davis 1979, AJ 84, 1511): what a template
    learns at one redshift holds at all.
    """
    inputs = keras.Input((CHANNELS * N_PIXELS,), name="spectrum")
    x = Squashed(dtype="float32")(inputs)
    x = layers.Conv1D(config.channels, 9, padding="same", activation="relu")(x)
    for _ in range(config.depth):
        x = _residual(x, config.channels, KERNEL)
    side = layers.AveragePooling1D(8)(x)
    side = layers.Conv1D(32, 7, strides=4, padding="same", activation="relu")(side)
    side = layers.Dense(128, activation="relu")(layers.Flatten()(side))
    maps = layers.Conv1D(config.maps, 1, dtype="float32", name="maps")(x)
    parts = []
    for block in blocks(config.classes):
        name = block.coarse.lower()
        rest = None
        if block.coarse == "QSO":
            rest = int(np.ceil((np.log10(BLUEST) - LOG_FIRST) / STEP))
        n = len(block.classes)
        scores = ShiftedTemplates(n, first=block.first, last=block.last, rest_first=rest,
                                  rough=config.roughness, dtype="float32",
                                  name=f"templates_{name}")(maps)  # fmt: skip
        scores = SmoothBias(dtype="float32", name=f"bias_{name}")(scores)
        logit = layers.Dense(n, dtype="float32", name=f"class_{name}")(side)
        scores = layers.Add(dtype="float32")([scores, layers.Reshape((n, 1))(logit)])
        parts.append(layers.Flatten(dtype="float32")(scores))
    logits = layers.Concatenate(dtype="float32")(parts) if len(parts) > 1 else parts[0]
    return keras.Model(inputs, logits, name="templates")


class SoftTarget(keras.losses.Loss):
    """Cross-entropy with a Gaussian about the true redshift, in the true class.

    The target (n, 2) holds the class's number and the shift in pixels.

    Parameters
    ----------
    classes : sequence of str
    width : float
        Standard deviation of the Gaussian, pixels.
    """

    def __init__(self, classes, width=1.0, name="loss"):
        super().__init__(name=name)
        self.owner, self.shift = logit_table(classes)
        self.width = width

    def call(self, y_true, y_pred):
        """Return the loss of each spectrum."""
        y_true = ops.cast(y_true, "float32")
        off = (self.shift[None] - y_true[:, 1:]) / self.width
        weight = ops.exp(-0.5 * ops.square(ops.clip(off, -9.0, 9.0)))
        weight = ops.where(ops.abs(off) < 5.0, weight, 0.0)
        weight = ops.where(self.owner[None] == y_true[:, :1], weight, 0.0)
        total = ops.sum(weight, axis=1)
        log_p = y_pred - ops.logsumexp(y_pred, axis=1, keepdims=True)
        return -ops.sum(weight * log_p, axis=1) / ops.maximum(total, 1e-6)


def logit_table(classes):
    """Return class number and shift of every logit, two ndarrays of shape (n_logits,), float32."""
    owner, shift = [], []
    for block in blocks(classes):
        owner.append(np.repeat(block.classes, block.n_shifts))
        shift.append(np.tile(block.shifts, len(block.classes)))
    return np.concatenate(owner).astype("float32"), np.concatenate(shift).astype("float32")


def right_class(classes):
    """Return a metric: the fraction of spectra whose most probable logit is of the true class."""
    owner, _ = logit_table(classes)

    def accuracy(y_true, y_pred):
        best = ops.take(ops.convert_to_tensor(owner), ops.argmax(y_pred, axis=1))
        return ops.cast(best == ops.cast(y_true[:, 0], "float32"), "float32")

    return accuracy


def good_redshift(classes):
    """Return a metric: the fraction whose most probable shift is within three pixels of the true.

    Whatever class it belongs to.
    """
    _, shift = logit_table(classes)

    def good_z(y_true, y_pred):
        best = ops.take(ops.convert_to_tensor(shift), ops.argmax(y_pred, axis=1))
        return ops.cast(ops.abs(best - ops.cast(y_true[:, 1], "float32")) <= 3.0, "float32")

    return good_z
