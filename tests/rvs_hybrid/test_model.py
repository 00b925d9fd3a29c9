import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from common.errors import SuiteError, UsageError
from rvs_hybrid import inputs as given_inputs
from rvs_hybrid.config import INPUTS, make_config
from rvs_hybrid.fitting import kept, loss
from rvs_hybrid.inputs import input_shapes
from rvs_hybrid.model import build_model, build_precursor, stored_statistics
from rvs_hybrid.quality import distance, fit_limits, judge
from tests.rvs_hybrid.toy import make_sample

EVERY = make_config(inputs=INPUTS, rvs="semi-synthetic")


def random_inputs(config, n=6, seed=0):
    rng = np.random.default_rng(seed)
    return {k: rng.uniform(0.5, 1.5, (n, m)).astype("f") for k, m in input_shapes(config).items()}


def inputs_of_stars(config, n=600):
    """Return a table of n made-up stars and the network's inputs of them."""
    sample = make_sample(n)
    x = given_inputs.inputs_of(sample.stars, config, xp=sample.xp, xp_error=sample.xp_error)
    return sample.stars, x


def test_precursors_have_their_parameters():
    assert build_precursor("guiglion2020").count_params() == 58_549
    # Nepal 2023: 8 k10, pool, 6 k15, pool, 4 k10 on 6861 pixels leave 1697 x 4 numbers.
    convolutions = (10 + 1) * 8 + (15 * 8 + 1) * 6 + (10 * 6 + 1) * 4
    dense = (1697 * 4 + 1) * 64 + (64 + 1) * 128 + (128 + 1) * 32 + 33
    assert build_precursor("nepal2023").count_params() == convolutions + dense
    with pytest.raises(UsageError, match="guiglion2020"):
        build_precursor("guiglion2021")


def test_any_branch_can_be_left_out():
    for wanted in (("xp",), ("rvs",), ("rvs", "xp", "phot"), ("phot", "parallax")):
        rvs = "semi-synthetic" if "rvs" in wanted else "none"
        config = make_config(inputs=wanted, rvs=rvs)
        model = build_model(config)
        x = random_inputs(config)
        assert {t.name for t in model.inputs} == set(x)
        assert model.predict(x, verbose=0).shape == (6, 8)


def test_missing_inputs_count_for_nothing():
    keras.utils.set_random_seed(3)
    model, x = build_model(EVERY), random_inputs(EVERY)

    def outputs(**changes):
        return model.predict(x | changes, verbose=0)

    missing, whole = {name: np.full_like(values, np.nan) for name, values in x.items()}, outputs()
    for name in INPUTS:
        out = outputs(**{name: missing[name]})
        assert np.isfinite(out).all() and not np.allclose(out, whole)
    without = outputs(xp=missing["xp"])
    assert np.array_equal(without, outputs(xp=missing["xp"], xp_error=x["xp_error"] * 7))
    one = x["phot"].copy()  # one missing magnitude leaves the others
    one[:, 1] = np.nan
    for other in (outputs(phot=missing["phot"]), whole):
        assert not np.allclose(outputs(phot=one), other)


def test_model_is_saved_with_what_it_standardises_with(tmp_path):
    config = make_config(inputs=("xp", "phot"))
    _, x = inputs_of_stars(config, 80)
    model = build_model(config, statistics=given_inputs.statistics(x, config))
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras", compile=False)
    assert np.array_equal(model.predict(x, verbose=0), again.predict(x, verbose=0))
    built = build_model(config, statistics=stored_statistics(again))
    built.set_weights(again.get_weights())
    assert np.allclose(model.predict(x, verbose=0), built.predict(x, verbose=0), atol=1e-4)


@pytest.mark.parametrize("wanted, says", [
    ({"inputs": ()}, "rvs, xp, phot, parallax"), ({"inputs": ("rvs", "xp")}, "--rvs"),
    ({"inputs": ("xp", "uv")}, "rvs, xp, phot, parallax"),
    ({"inputs": ("xp",), "rvs": "semi-synthetic"}, "--rvs"),
])  # fmt: skip
def test_inputs_that_cannot_be_are_refused(wanted, says):
    with pytest.raises(UsageError, match=says):
        make_config(**wanted)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_loss_is_a_gaussian_likelihood_over_known_labels(seed):
    rng = np.random.default_rng(seed)
    y, mean, log_var = rng.normal(size=(3, 5, 2)).astype("f")
    y[0, 1] = y[2] = np.nan
    found = np.array(loss(0.0)(y, np.concatenate([mean, log_var], axis=1)))
    each = -norm.logpdf(y, mean, np.exp(log_var / 2)) - 0.5 * np.log(2 * np.pi)
    expected = [0 if np.isnan(row).all() else np.nanmean(row) for row in each]
    assert np.allclose(found, expected, atol=1e-5)


def test_beta_of_one_moves_means_as_squared_errors_do():
    import tensorflow as tf

    y = np.array([[1.0], [2.0]], "f")
    out = tf.Variable([[0.0, 3.0], [0.0, -2.0]])
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(loss(1.0)(y, out))
    assert np.allclose(tape.gradient(value, out).numpy()[:, 0], [-1.0, -2.0], atol=1e-6)


def test_ensemble_keeps_the_best_share():
    assert kept([3, 1, 2, 5, 4], 0.8) == [0, 1, 2, 4]
    assert kept([2.0, 1.0], 0.8) == [0, 1]
    assert len(kept(np.arange(30.0), 0.8)) == 24


def test_negative_parallax_is_an_input_as_any_other():
    stars = pd.DataFrame(
        {"g": [12.0, 12.0, 12.0, np.nan], "parallax": [1.0, -1.0, np.nan, 1.0],
         "parallax_error": [0.1] * 4, "parallax_zp": [-0.05, -0.05, np.nan, np.nan]}
    )  # fmt: skip
    x = given_inputs.parallax(stars)
    assert np.isfinite(x[:2]).all() and (x[0, :2] > 0).all() and (x[1, :2] < 0).all()
    assert np.isnan(x[2:]).all()
    # asinh(10 w 10^(G/5-2)): a star of w = 1.05 mas and G = 12
    assert x[0, 0] == pytest.approx(np.arcsinh(1.05 * 10**0.4 / 0.1), rel=1e-5)


def test_rows_and_inputs_are_two_views_of_the_same_numbers():
    config = make_config()
    _, x = inputs_of_stars(config, 20)
    back = given_inputs.split_row(given_inputs.join_row(x), config)
    assert list(back) == list(x)
    for name in x:
        assert np.array_equal(back[name], x[name], equal_nan=True)


def test_components_are_whitened():
    config = make_config(inputs=("xp",))
    _, x = inputs_of_stars(config)
    about = given_inputs.statistics(x, config)
    z = (np.arcsinh(x["xp"] / 0.2) - about["xp"]["mean"]) / about["xp"]["scale"]
    covariance = np.cov((z @ about["components"]).T)
    assert np.allclose(covariance, np.eye(len(covariance)), atol=1e-3)


def test_input_that_no_star_has():
    config = make_config(inputs=("phot",))
    x = given_inputs.inputs_of(make_sample(20).stars.assign(bp=np.nan), config)
    with pytest.raises(SuiteError, match="--inputs"):
        given_inputs.statistics(x, config)


def test_what_is_unlike_the_training_set_is_outside():
    config = make_config(inputs=("xp", "phot"))
    stars, x = inputs_of_stars(config)
    about = given_inputs.statistics(x, config)
    limits = fit_limits(x, {"teff": stars["teff"].to_numpy()}, about)
    middle = {"teff": np.full(600, 5000.0)}
    far, outside = judge(x, middle, limits)
    assert outside.mean() < 0.01 and np.nanmedian(far) < 1
    odd = x | {"xp": x["xp"] + np.sin(np.arange(343)).astype("f")}
    assert judge(odd, middle, limits)[1].all()
    assert judge(x, {"teff": np.full(600, 9000.0)}, limits)[1].all()
    assert judge(x | {"phot": x["phot"] + 10}, middle, limits)[1].all()
    gone = x | {"xp": np.full_like(x["xp"], np.nan)}
    assert np.isnan(judge(gone, middle, limits)[0]).all()
    whole = {k: np.asarray(v) for k, v in limits["xp"].items()}
    assert np.sqrt(np.mean(distance(x["xp"], whole) ** 2)) == pytest.approx(1, abs=0.01)
