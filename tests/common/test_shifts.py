"""Templates read at every shift, against the plain sum."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import shifts

PIXELS, MAPS, CLASSES = 40, 3, 2


def plain(layer, maps):
    """Sum over pixels, one by one."""
    templates = layer.get_weights()[0]
    out = np.zeros((len(maps), layer.n_classes, layer.n_shifts))
    for j, shift in enumerate(range(layer.first, layer.last + 1)):
        for i in range(PIXELS):
            at = i - shift - layer.rest_first
            if 0 <= at < templates.shape[2]:
                out[:, :, j] += maps[:, i] @ templates[:, :, at].T
    return out


@given(
    first=st.integers(-6, 20),
    n=st.integers(1, 150),
    cut=st.one_of(st.none(), st.integers(0, 60)),
)
def test_scores_are_the_plain_sums(first, n, cut):
    last = first + n - 1
    rest_first = None if cut is None else min(cut - last, PIXELS - first - 1)
    layer = shifts.ShiftedTemplates(CLASSES, first=first, last=last, rest_first=rest_first)
    maps = np.random.default_rng(n).normal(size=(4, PIXELS, MAPS)).astype("float32")
    scores = layer(maps).numpy()
    assert scores.shape == layer.compute_output_shape(maps.shape)
    np.testing.assert_allclose(scores, plain(layer, maps), atol=2e-6)


def test_transform_is_no_longer_than_needed():
    layer = shifts.ShiftedTemplates(2, first=11, last=3962, rest_first=-3200)
    layer.build((None, 2224, 12))
    assert layer.n_fft < 6400


@pytest.mark.parametrize("z", [-0.002, 0.0, 0.5, 5.2])
def test_shift_and_redshift_are_inverse(z):
    assert shifts.redshift_of(shifts.shift_of(z, 2e-4), 2e-4) == pytest.approx(z, abs=1e-12)


def test_rough_templates_cost():
    import keras

    layer = shifts.ShiftedTemplates(1, first=0, last=3, rough=2.0)
    layer(np.zeros((1, PIXELS, MAPS), "float32"))
    weights = layer.get_weights()[0]
    layer.set_weights([np.ones_like(weights)])
    layer(np.zeros((1, PIXELS, MAPS), "float32"))
    assert float(layer.losses[-1]) == 0
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    assert again.get_config() == layer.get_config()
    step = np.zeros_like(weights)
    step[..., ::2] = 1.0
    layer.set_weights([step])
    layer(np.zeros((1, PIXELS, MAPS), "float32"))
    assert float(layer.losses[-1]) == pytest.approx(2.0)
