import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from common.errors import SuiteError, UsageError
from common.surveys.gaia_xp import XPCoefficients, read_xp
from rvs_hybrid import inputs as given_inputs
from rvs_hybrid.config import EVERY_INPUT, make_config
from rvs_hybrid.fitting import kept, loss
from rvs_hybrid.inputs import input_shapes
from rvs_hybrid.model import build_model, build_precursor, stored_statistics
from rvs_hybrid.quality import distance, fit_limits, judge
from tests.rvs_hybrid.toy import make_sample

EVERY = make_config(inputs=EVERY_INPUT, rvs="semi-synthetic")


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
    for name in EVERY_INPUT:
        out = outputs(**{name: missing[name]})
        assert np.isfinite(out).all() and not np.allclose(out, whole)
    without = outputs(xp=missing["xp"])
    assert np.array_equal(without, outputs(xp=missing["xp"], xp_error=x["xp_error"] * 7))
    one = x["phot"].copy()  # one missing magnitude leaves the others
    one[:, 1] = np.nan
    for other in (outputs(phot=missing["phot"]), whole):
        assert not np.allclose(outputs(phot=one), other)


def test_bp_and_rp_coefficients_may_be_missing_apart():
    keras.utils.set_random_seed(3)
    config = make_config(inputs=("phot", "coefficients"))
    model, x = build_model(config), random_inputs(config)

    def without(*bands, **noise):
        values = x["coefficients"].copy()
        for band in bands:
            values[:, given_inputs.BANDS[band]] = np.nan
        values[:, [0, 55]] = np.nan  # the colour of BP and RP needs both
        return model.predict(x | {"coefficients": values} | noise, verbose=0)

    found = [without("bp"), without("rp"), without("bp", "rp")]
    assert np.isfinite(found).all()
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert not np.allclose(found[i], found[j])
    error = x["coefficients_error"].copy()
    error[:, given_inputs.BANDS["bp"]] *= 7  # errors of what is missing do not count
    assert np.array_equal(found[0], without("bp", coefficients_error=error))
    assert not np.array_equal(found[1], without("rp", coefficients_error=error))


def coefficients(n=200, seed=0):
    """Return XP coefficients of n sources, the first without BP, the second without RP."""
    rng = np.random.default_rng(seed)
    size = np.concatenate([[500.0], 100 / np.arange(2.0, 56.0) ** 1.5])
    bright = 10 ** rng.uniform(0, 3, (n, 1))
    bp, rp = (bright * size * (1 + 0.1 * rng.normal(size=(n, 55))) for _ in range(2))
    bp[0] = rp[1] = np.nan
    error = np.repeat(0.01 * bright, 55, axis=1)
    return XPCoefficients(np.arange(n) + 1, bp, rp, error, error * 2)


def test_coefficients_are_relative_to_the_first_of_their_band():
    xp = coefficients()
    values, errors = given_inputs.relative(xp)
    assert values.shape == errors.shape == (200, 110) and values.dtype == np.float32
    np.testing.assert_allclose(values[2:, 1:55], xp.bp[2:, 1:] / xp.bp[2:, :1], rtol=1e-6)
    np.testing.assert_allclose(errors[2:, 56:], xp.rp_error[2:, 1:] / xp.rp[2:, :1], rtol=1e-6)
    colour = np.log10(xp.bp[2:, 0] / xp.rp[2:, 0])
    np.testing.assert_allclose(values[2:, 0], colour, atol=1e-6)
    np.testing.assert_allclose(values[2:, 55], -colour, atol=1e-6)
    assert np.isnan(values[0, :56]).all() and np.isfinite(values[0, 56:]).all()
    assert np.isnan(values[1, 55:]).all() and np.isfinite(values[1, 1:55]).all()
    xp.bp, xp.rp = xp.bp * 7, xp.rp * 7  # a brighter star of the same kind
    np.testing.assert_allclose(given_inputs.relative(xp)[0], values, rtol=1e-5, atol=1e-6)
    xp.bp[5, 0] = -1.0
    assert np.isnan(given_inputs.relative(xp)[0][5, :56]).all()


def test_coefficients_of_real_sources(shared_data):
    path = shared_data / "real/gaia/xp_continuous_combined_chunk0.fits"
    if not path.is_file():
        pytest.skip(f"no {path.name}")
    values, errors = given_inputs.relative(read_xp(path))
    assert np.isfinite(values).all() and np.isfinite(errors).all() and (errors > 0).all()
    assert np.quantile(np.abs(values), 0.99) < 1
    config = make_config(inputs=("coefficients",))
    x = {"coefficients": values, "coefficients_error": errors}
    about = given_inputs.statistics(x, config)
    z = (values - about["coefficients"]["mean"]) / about["coefficients"]["scale"]
    covariance = np.cov((z @ about["coefficient_components"]).T)
    assert covariance.shape == (60, 60) and np.allclose(covariance, np.eye(60), atol=1e-2)
    one, _ = given_inputs.relative(
        read_xp(path.with_name("XP_CONTINUOUS_RAW_missing_BP_dr3int6.csv"))
    )
    assert np.isnan(one[0, :56]).all() and np.isfinite(one[0, 56:]).all()


def test_model_is_saved_with_what_it_standardises_with(tmp_path):
    config = make_config(inputs=("xp", "phot", "coefficients"))
    _, x = inputs_of_stars(config, 80)
    x |= dict(zip(("coefficients", "coefficients_error"), given_inputs.relative(coefficients(80)),
                  strict=True))  # fmt: skip
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
    ({"label_scale": "galah"}, "apogee, gspspec"),
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


def test_parallaxes_rvs_spectra_and_coefficients_have_limits():
    stars = make_sample(300).stars
    rng = np.random.default_rng(1)
    depth = 0.2 * rng.normal(size=(300, 1))
    rvs = 1 + depth * np.exp(-(((np.arange(2401) - 900) / 60) ** 2))
    rvs = (rvs + 0.01 * rng.normal(size=rvs.shape)).astype("f4")
    config = make_config(inputs=("rvs", "parallax", "coefficients"), rvs="semi-synthetic")
    made = given_inputs.relative(coefficients(300))
    x = given_inputs.inputs_of(
        stars, config, rvs=rvs, coefficients=made[0], coefficients_error=made[1]
    )
    limits = fit_limits(x, {}, given_inputs.statistics(x, config))
    far, outside = judge(x, {}, limits)
    assert outside.mean() < 0.01 and np.isnan(far[:2]).all() and np.nanmedian(far) < 1
    odd = outside.copy()
    bump = 4.0 * np.exp(-(((np.arange(2401) - 900) / 60) ** 2)).astype("f4")
    assert judge(x | {"rvs": rvs + bump}, {}, limits)[1].all()
    near = np.isfinite(x["parallax"]).all(axis=1)
    assert (judge(x | {"parallax": x["parallax"] + 30}, {}, limits)[1] == near | odd).all()
    odd = x["coefficients"] + np.float32(0.3)
    far, outside = judge(x | {"coefficients": odd}, {}, limits)
    assert outside[2:].all() and (far[2:] > 1).all()
    older = {"labels": {}}  # of a run that knew no such limits
    assert not judge(x, {}, older)[1].any()
