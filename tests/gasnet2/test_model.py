import keras
import numpy as np
import pytest

from common.ensemble import combine, mean_and_error
from common.errors import SuiteError, UsageError
from gasnet2.config import Config, make_config
from gasnet2.model import build_classifier, build_redshift, shortest_input
from tests.gasnet2.toy import tiny_config


@pytest.mark.parametrize(
    "n_pixels, classifier, redshift", [(5001, 4163325, 4160241), (3600, 3901181, 3898097)]
)
def test_parameters_are_those_of_the_paper(n_pixels, classifier, redshift):
    ours = build_classifier(n_pixels, 13).count_params()
    assert ours == classifier, f"classifier, {n_pixels} px: published {classifier}, ours {ours}"
    ours = build_redshift(n_pixels, 1).count_params()
    assert ours == redshift, f"redshift, {n_pixels} px: published {redshift}, ours {ours}"
    assert build_redshift(n_pixels, 2).count_params() == 2 * redshift


def test_desi_has_fewer_spectra_at_the_papers_scale():
    assert make_config("desi", "paper").per_class == 7000
    assert make_config("sdss-mock", "paper").per_class == 20000
    assert make_config("desi", "demo").per_class == make_config("sdss", "demo").per_class


def test_same_sums_as_the_one_dimensional_network():
    """The network over an image of height one is the paper's Conv1D network, weight by weight."""
    layers = keras.layers
    config = tiny_config()
    ours = build_classifier(320, 13, config)
    inputs = keras.Input((320,))
    x = layers.Reshape((320, 1))(inputs)
    for n in config.filters:
        shortcut = layers.Conv1D(n, 5, strides=3, padding="valid")(x)
        for stride, padding in ((1, "same"), (3, "valid")):
            x = layers.Conv1D(n, 5, strides=stride, padding=padding)(x)
            x = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.Add()([layers.MaxPooling1D(5, strides=1, padding="same")(x), shortcut])
    x = layers.Dense(config.dense, activation="relu")(layers.Dropout(0.0)(layers.Flatten()(x)))
    plain = keras.Model(inputs, layers.Dense(13, activation="softmax")(x))
    rng = np.random.default_rng(0)
    weights = [np.abs(rng.normal(0, 0.2, w.shape)).astype("f") for w in ours.weights]
    ours.set_weights(weights)
    plain.set_weights([w.reshape(p.shape) for w, p in zip(weights, plain.weights, strict=True)])
    x = rng.normal(size=(4, 320)).astype("f")
    p = ours.predict(x, verbose=0)
    assert np.ptp(p) > 0.01, "the comparison needs outputs that differ"
    assert np.allclose(p, plain.predict(x, verbose=0), atol=1e-5)


@pytest.mark.parametrize("name, spread", [("faithful", 1e-3), ("he", (2 / 5) ** 0.5)])
def test_initialiser(name, spread):
    keras.utils.set_random_seed(1)
    model = build_redshift(320, 1, tiny_config(initialiser=name, filters=(64, 16, 16)))
    kernel = next(la for la in model.layers if "conv" in la.name).get_weights()[0]
    assert np.std(kernel) == pytest.approx(spread, rel=0.25)


def test_two_members_start_apart():
    model = build_redshift(320, 2, tiny_config())
    z = model.predict(np.random.default_rng(0).normal(size=(3, 320)).astype("f"), verbose=0)
    assert z.shape == (3, 2)
    assert np.all(z[:, 0] != z[:, 1])


def test_heads_are_float32_under_mixed_precision():
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        x = np.zeros((2, 320), dtype="f")
        for build, n in ((build_redshift, 2), (build_classifier, 3)):
            model = build(320, n, tiny_config())
            assert model.compute_dtype == "bfloat16"
            assert keras.backend.standardize_dtype(model(x).dtype) == "float32"
    finally:
        keras.mixed_precision.set_global_policy(before)


def test_saved_ensemble_predicts_the_same(tmp_path):
    config = tiny_config()
    members = [build_redshift(320, 1, config) for _ in range(2)]
    x = np.random.default_rng(1).normal(size=(5, 320)).astype("f")
    alone = np.concatenate([m.predict(x, verbose=0) for m in members], axis=1)
    model = combine(members, scale=0.1)
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras", compile=False)
    assert np.allclose(again.predict(x, verbose=0), alone * 0.1, atol=1e-6)


def test_mean_and_error_are_eq_7_and_8():
    mean, error = mean_and_error([[1.0, 3.0], [2.0, 2.0]])
    assert mean.tolist() == [2.0, 2.0] and error.tolist() == [1.0, 0.0]


@pytest.mark.parametrize("call, words", [
    (lambda: build_classifier(5001, 1), "n_classes must be at least 2. Received 1"),
    (lambda: build_redshift(5001, 0), "members must be at least 1. Received 0"),
    (lambda: build_classifier(100, 13), "n_pixels must be at least 1457"),
    (lambda: build_classifier(320, 3, tiny_config(initialiser="zeros")), "initialiser"),
])  # fmt: skip
def test_bad_arguments_are_named(call, words):
    with pytest.raises(UsageError, match=words):
        call()


def test_shortest_input_builds():
    config = Config(filters=(4, 4))
    assert build_classifier(shortest_input(config), 3, config).output_shape == (None, 3)


def test_members_of_different_inputs_are_refused():
    config = tiny_config()
    with pytest.raises(SuiteError, match="one common input shape"):
        combine([build_redshift(320, 1, config), build_redshift(400, 1, config)])
