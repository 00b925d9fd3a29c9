"""Redshift as what it is, a shift in log wavelength: templates read at every shift at once."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops
from scipy.fft import next_fast_len

FEW = 64  # default: as few shifts are summed one by one, which is then faster than a transform


def shift_of(z, step):
    """Return log10(1 + z) in units of `step`, the shift of a spectrum in pixels."""
    return np.log10(1 + np.asarray(z, dtype=float)) / step


def redshift_of(shift, step):
    """Return the redshift of a shift in pixels; the inverse of `shift_of`."""
    return 10 ** (np.asarray(shift, dtype=float) * step) - 1


@keras.saving.register_keras_serializable("common")
class ShiftedTemplates(keras.layers.Layer):
    """Score of classes at every redshift: maps of a spectrum against learned templates at rest.

    The score of class c at shift s is the sum over pixels i and maps k of
    maps[i, k] T[c, k, i - s], where a template pixel left of `rest_first` or right of the
    spectrum's last pixel at the lowest shift counts as 0. The templates are the same at all
    shifts, so that a line learned at one redshift is known at every other.

    Parameters
    ----------
    n_classes : int
    first, last : int
        Lowest and highest shift, pixels (see `shift_of`).
    rest_first : int, optional
        Bluest template pixel, counted in pixels from the spectrum's first; by default all that any
        shift sees, -`last`.
    rough : float
        Weight of the penalty on templates that are not smooth: the mean square of the difference
        between neighbouring pixels.

    Notes
    -----
    Input (n, n_pixels, n_maps), output (n, n_classes, last - first + 1), float32. Where there are
    more than `FEW` shifts the sums are a product of Fourier transforms, after Tonry & Davis 1979,
    AJ 84, 1511.
    """

    def __init__(self, n_classes, *, first, last, rest_first=None, rough=0.0, **options):
        super().__init__(**options)
        self.n_classes, self.first, self.last = n_classes, first, last
        self.rest_first = -last if rest_first is None else max(rest_first, -last)
        self.rough = rough

    def get_config(self):
        """Return what rebuilds the layer."""
        own = {name: getattr(self, name) for name in ("n_classes", "first", "last", "rest_first",
                                                      "rough")}  # fmt: skip
        return super().get_config() | own

    @property
    def n_shifts(self):
        """Number of shifts."""
        return self.last - self.first + 1

    def build(self, shape):
        """Make the templates, (n_classes, n_maps, n_rest)."""
        self.measure(shape)
        self.templates = self.add_weight(
            shape=(self.n_classes, shape[2], self.n_rest),
            initializer=keras.initializers.RandomNormal(stddev=0.01),
            name="templates",
            dtype="float32",
            autocast=False,
        )

    def measure(self, shape):
        """Set how many pixels spectrum, templates and their transform have."""
        self.n_pixels = shape[1]
        self.n_rest = self.n_pixels - self.first - self.rest_first
        low, high = -self.rest_first - self.last, -self.rest_first - self.first
        # What a transform wraps around must fall on zeros.
        size = max(self.n_pixels + max(high, 0), self.n_rest + max(-low, 0))
        self.n_fft = next_fast_len(int(size), real=True)

    def at_rest(self):
        """Return the templates, tensor of shape (n_classes, n_maps, n_rest)."""
        return ops.convert_to_tensor(self.templates)

    def call(self, maps):
        """Return the scores."""
        maps = ops.transpose(ops.cast(maps, "float32"), (0, 2, 1))
        templates = self.at_rest()
        if self.rough:
            step = templates[..., 1:] - templates[..., :-1]
            self.add_loss(self.rough * ops.mean(ops.square(step)))
        return self._one_by_one(maps, templates) if self.n_shifts <= FEW else (
            self._transformed(maps, templates))  # fmt: skip

    def _one_by_one(self, maps, templates):
        """Sum over pixels for one shift after the other."""
        left = max(0, self.last + self.rest_first)
        flat = ops.reshape(maps, (-1, maps.shape[1] * self.n_pixels))
        templates = ops.pad(templates, ((0, 0), (0, 0), (left, 0))) if left else templates
        out = []
        for shift in range(self.first, self.last + 1):
            start = left - self.rest_first - shift
            part = ops.slice(templates, (0, 0, start), (*templates.shape[:2], self.n_pixels))
            part = ops.reshape(part, (self.n_classes, -1))
            out.append(ops.matmul(flat, ops.transpose(part)))
        return ops.stack(out, axis=2)

    def _transformed(self, maps, templates):
        """Sum over pixels for all shifts: a correlation by Fourier transforms."""
        a, b = ops.rfft(maps, fft_length=self.n_fft)
        c, d = ops.rfft(templates, fft_length=self.n_fft)
        # conj(maps) x templates, summed over maps: one real product of matrices a frequency.
        own = ops.concatenate([a, b], axis=1)
        real = ops.concatenate([c, d], axis=1)
        imaginary = ops.concatenate([d, -c], axis=1)
        weights = ops.concatenate([real, imaginary], axis=0)
        product = ops.matmul(ops.transpose(own, (2, 0, 1)), ops.transpose(weights, (2, 1, 0)))
        product = ops.transpose(product, (1, 2, 0))
        scores = ops.irfft(
            (product[:, : self.n_classes], product[:, self.n_classes :]), fft_length=self.n_fft
        )
        # Index j of the result: pixel i of the spectrum over template pixel i + j.
        start = -self.rest_first - self.last
        whole = ops.roll(scores, -start, axis=-1)[..., : self.n_shifts]
        return ops.flip(whole, axis=-1)

    def compute_output_shape(self, shape):
        """Return the shape of the scores."""
        return (shape[0], self.n_classes, self.n_shifts)
