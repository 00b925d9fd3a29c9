"""The network: the paper's layers and parameter count, precision, saving, bad settings."""

import keras
import numpy as np
import pytest
from keras import layers

from common.errors import UsageError
from solarlike_distance.config import make_config
from solarlike_distance.model import build_model


def tiny(**changes):
    return make_config("lamost-mock", "smoke", n_pixels=96, filters=(4, 4, 8), units=(8, 6),
                       **changes)  # fmt: skip


def test_parameters_and_layers_are_those_of_the_paper():
    model = build_model()
    assert model.count_params() == 23_849_605
    assert model.input_shape == (None, 4875) and model.output_shape == (None, 5)
    kinds = {layers.Dropout, layers.BatchNormalization, layers.LayerNormalization}
    assert not kinds & {type(layer) for layer in model.layers}
    shapes = [la.output.shape[1:] for la in model.layers if isinstance(la, layers.Conv1D)]
    assert [tuple(s) for s in shapes] == [(4875, 64), (1625, 128), (541, 256)]
    flat = next(la for la in model.layers if isinstance(la, layers.Flatten))
    assert flat.output.shape[1] == 46_080
    dense = [la.units for la in model.layers if isinstance(la, layers.Dense)]
    assert dense == [512, 256, 5]


def test_the_order_of_pool_and_leaky_relu_does_not_matter():
    config = tiny()
    model = build_model(config)
    x = inputs = keras.Input((config.n_pixels,))
    x = layers.Reshape((config.n_pixels, 1))(x)
    for filters in config.filters:
        x = layers.Conv1D(filters, 3, padding="same")(x)
        x = layers.MaxPooling1D(3)(layers.LeakyReLU(config.leaky_slope)(x))
    x = layers.Flatten()(x)
    for units in config.units:
        x = layers.LeakyReLU(config.leaky_slope)(layers.Dense(units)(x))
    other = keras.Model(inputs, layers.Dense(5)(x))
    other.set_weights(model.get_weights())
    flux = np.random.default_rng(0).normal(size=(6, config.n_pixels)).astype("float32")
    np.testing.assert_allclose(model(flux), other(flux), rtol=1e-4, atol=1e-5)


def test_output_is_float32_under_mixed_precision():
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        out = build_model(tiny())(np.zeros((2, 96), dtype="float32"))
    finally:
        keras.mixed_precision.set_global_policy(before)
    assert keras.ops.convert_to_numpy(out).dtype == np.float32


def test_a_saved_network_says_the_same(tmp_path):
    model = build_model(tiny())
    flux = np.random.default_rng(1).random((4, 96), dtype="float32")
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_array_equal(model(flux), again(flux))


def test_it_learns_a_line():
    rng, config = np.random.default_rng(2), tiny()
    depth = rng.random((64, 1))
    flux = (1 - depth * np.exp(-0.5 * ((np.arange(96) - 50) / 2) ** 2)).astype("float32")
    keras.utils.set_random_seed(3)
    model = build_model(config)
    model.compile(keras.optimizers.Adam(3e-3), loss="mse")
    target = np.repeat(depth, 5, axis=1).astype("float32")
    history = model.fit(flux, target, epochs=30, batch_size=16, verbose=0).history["loss"]
    assert history[-1] < 0.2 * history[0]


def test_too_few_pixels_are_refused():
    with pytest.raises(UsageError, match=r"at least 27 for 3 pools of 3\. Received 20"):
        build_model(make_config("lamost-mock", "smoke", n_pixels=20))
