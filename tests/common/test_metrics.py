import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from common import metrics
from common.errors import SuiteError

Z = hnp.arrays(float, st.integers(1, 30), elements=st.floats(0, 7))


def test_hand_computed_values():
    found = metrics.bias(z_true=[0.0, 1.0, 3.0], z_pred=[0.0, 0.5, 7.0])
    np.testing.assert_allclose(found, [0.0, np.log(2 / 1.5), np.log(2.0)], rtol=1e-12)
    assert metrics.bias(z_true=[0.1, 0.1], z_pred=[-1.5, -1.0]).tolist() == [np.inf] * 2
    pair = dict(z_true=[1.0, 0.0], z_pred=[1.2, 0.1])
    np.testing.assert_allclose(metrics.delta_z(**pair), [0.1, 0.1])
    assert metrics.mae(**pair) == (pytest.approx(0.15), 2)
    assert metrics.mean_delta_z(**pair) == (pytest.approx(0.1), 2)
    t = metrics.t_statistic(z_true=[1.0, 1.0, 1.0], z_pred=[1.0, 1.3, 1.3], z_err=[0, 0, 0.1])
    np.testing.assert_allclose(t, [0, np.inf, 3.0])
    # An edge belongs to the upper bin.
    _, value, n = metrics.binned(x=[0.0, 1.0, 1.5, 9.0], y=[1.0, 2.0, 4.0, 8.0], edges=[0, 1, 2, 3])
    assert n.tolist() == [1, 2, 0]
    np.testing.assert_allclose(value, [1, 3, np.nan])


@given(Z, st.integers(0, 2**31))
def test_bias_is_symmetric_and_close_to_delta_z(z, seed):
    other = z + np.random.default_rng(seed).normal(0, 1e-4, z.shape)
    one, two = metrics.bias(z_true=z, z_pred=other), metrics.bias(z_true=other, z_pred=z)
    np.testing.assert_allclose(one, two, atol=1e-12)
    # ln(1 + x) = x - x^2/2: for small residuals the two measures differ at second order only.
    dz = metrics.delta_z(z_true=z, z_pred=other)
    np.testing.assert_allclose(one, dz, atol=1e-6)


@given(Z)
def test_perfect_predictions_are_perfect(z):
    pair = dict(z_true=z, z_pred=z)
    assert metrics.good_fraction(**pair, limit=0.0015) == (1.0, z.size)
    assert metrics.outlier_fraction(**pair, limit=0.01) == (0.0, z.size)
    assert metrics.mae(**pair) == (0.0, z.size)
    assert metrics.fraction_within(**pair, z_err=np.zeros_like(z)) == (1.0, z.size)


def test_a_missing_prediction_is_a_failure_but_a_missing_truth_does_not_count():
    pair = dict(z_true=[0.1, 0.1, np.nan], z_pred=[0.1, np.nan, 0.1])
    assert metrics.good_fraction(**pair, limit=0.01) == (0.5, 2)
    assert metrics.outlier_fraction(**pair, limit=0.01) == (0.5, 2)
    assert metrics.mae(**pair) == (0.0, 1)


def test_nmad_is_the_width_of_a_gaussian_and_a_mean_has_its_error():
    rng = np.random.default_rng(3)
    z = rng.uniform(0, 2, 50_000)
    value, n = metrics.nmad(z_true=z, z_pred=z + 0.02 * (1 + z) * rng.normal(size=z.size))
    assert n == z.size and value == pytest.approx(0.02, rel=0.03)
    x = np.random.default_rng(5).normal(size=400)
    error = metrics.bootstrap_error(np.mean, x, n_resamples=400, seed=2)
    assert error == pytest.approx(x.std() / 20, rel=0.15)
    assert error == metrics.bootstrap_error(np.mean, x, n_resamples=400, seed=2)


def test_mad_sigma_leaves_out_nan_and_takes_a_middle_or_an_axis():
    x = np.array([1.0, np.nan, 2.0, 4.0, -9.0])
    assert metrics.mad_sigma(x) == 1.4826 * 1.5  # |x - 1.5| = 0.5, 0.5, 2.5, 10.5
    assert metrics.mad_sigma(x, about=0) == 1.4826 * 3
    both = np.stack([x, 2 * x])
    assert list(metrics.mad_sigma(both, axis=1)) == [1.4826 * 1.5, 1.4826 * 3]
    rng = np.random.default_rng(8)
    for n in (1, 2, 7, 640, 641):
        y = rng.normal(size=n).astype(np.float32)
        assert metrics.mad_sigma(y) == 1.4826 * np.median(np.abs(y - np.median(y)))


def test_coverage_and_pit_of_right_errors():
    rng = np.random.default_rng(4)
    z = rng.uniform(0, 2, 40_000)
    err = rng.uniform(0.001, 0.1, z.size)
    values = dict(z_true=z, z_pred=z + err * rng.normal(size=z.size), z_err=err)
    found, gauss = metrics.coverage(**values, k=[1, 2, 3])
    np.testing.assert_allclose(gauss, [0.6827, 0.9545, 0.9973], atol=1e-4)
    np.testing.assert_allclose(found, gauss, atol=0.01)
    counts, _ = np.histogram(metrics.pit(**values), bins=10, range=(0, 1))
    np.testing.assert_allclose(counts / z.size, 0.1, atol=0.01)


def test_confusion_has_the_truth_in_columns_and_the_average_weighs_classes():
    true = ["a", "a", "a", "b", "c"]
    pred = ["a", "b", "b", "b", "elsewhere"]
    matrix, n = metrics.confusion(true=true, pred=pred, labels=["a", "b", "c", "d"])
    np.testing.assert_allclose(matrix[:, 0], [1 / 3, 2 / 3, 0, 0])
    np.testing.assert_allclose(matrix[:, 1], [0, 1, 0, 0])
    np.testing.assert_allclose(matrix[:, 2], 0)  # called something that is no label
    assert np.isnan(matrix[:, 3]).all()
    assert n.tolist() == [3, 1, 1, 0]
    true, pred = np.array(["a"] * 9 + ["b"]), np.array(["a"] * 10)
    assert metrics.accuracy(true=true, pred=pred) == (0.9, 10)
    assert metrics.class_average(true=true, pred=pred, labels=["a", "b"]) == (0.5, 10)


def test_pit_without_errors_is_at_the_ends_however_far_off():
    far = metrics.pit(z_true=[5.0, 0.0, 0.1], z_pred=[0.0, 5.0, 0.1], z_err=[0.0, 0.0, 0.0])
    assert far.tolist() == [1.0, 0.0, 0.5]


def test_lengths_must_agree_and_arrays_go_by_name():
    with pytest.raises(SuiteError, match="2 and 3"):
        metrics.bias(z_true=[0, 1], z_pred=[0, 1, 2])
    with pytest.raises(TypeError):
        metrics.bias([0.1], [0.1])
