"""The network: the paper's layers and parameter count, bad settings."""

import keras
import numpy as np
import pytest
from keras import layers

from common.errors import UsageError
from solarlike_distance.config import make_config
from solarlike_distance.figures import network as figures_network
from solarlike_distance.model import build_model


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
    config = make_config(input="paper", n_pixels=96, filters=(4, 4, 8), units=(8, 6))
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


def test_the_scaled_input_is_the_papers_network_on_scaled_flux(tmp_path):
    sizes = dict(n_pixels=96, filters=(4, 4, 8), units=(8, 6))
    paper, ours = (build_model(make_config(input=name, **sizes)) for name in ("paper", "scaled"))
    ours.set_weights(paper.get_weights())
    assert build_model(make_config("lamost", "demo")).count_params() == 23_849_605
    flux = 1 + 0.1 * np.random.default_rng(0).normal(size=(6, 96)).astype("float32")
    np.testing.assert_allclose(ours(flux), paper((flux - 1) / 0.1), rtol=1e-4, atol=1e-5)
    assert np.abs(ours(flux) - paper(flux)).max() > 0.01
    np.testing.assert_allclose(ours(np.ones((1, 96))), paper(np.zeros((1, 96))), atol=1e-5)
    ours.save(tmp_path / "ours.keras")
    again = keras.models.load_model(tmp_path / "ours.keras", compile=False)
    np.testing.assert_allclose(again(flux), ours(flux), rtol=1e-6)


def test_too_few_pixels_are_refused():
    with pytest.raises(UsageError, match=r"at least 27 for 3 pools of 3\. Received 20"):
        build_model(make_config(n_pixels=20))


def test_the_compact_network_is_a_twentieth_and_named_so():
    config = make_config("lamost-mock", "night")
    assert config.network == "compact" and config.trained.count("compact") == 1
    model = build_model(config)
    assert model.count_params() == 1_275_757
    assert model.input_shape == (None, 4875) and model.output_shape == (None, 5)
    told = figures_network.layers(config)
    assert told[7][1] == str(407 * 24) and told[-1][0] == "Dense 5, linear"
    with pytest.raises(UsageError, match="--network must be one of paper, compact"):
        make_config("lamost-mock", "night", network="small")
