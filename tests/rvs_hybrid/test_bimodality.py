import numpy as np
import pytest

from rvs_hybrid.bimodality import COLUMNS, bimodality, bimodality_table

RNG = np.random.default_rng(3)
ONE = {
    "gauss": RNG.normal(0.05, 0.05, 3000),
    "few": RNG.normal(0.05, 0.05, 150),
    "skewed": 0.02 + RNG.gamma(2.0, 0.04, 3000),
    "long-tailed": 0.05 + 0.03 * RNG.standard_t(2.5, 3000),
    "flat": RNG.uniform(0, 0.3, 2000),
    "a few outliers": np.concatenate([RNG.normal(0.05, 0.03, 1000), RNG.normal(0.6, 0.01, 12)]),
}


def two(n, weight=0.3, apart=0.22, sigma=0.035, seed=1):
    rng = np.random.default_rng(seed)
    high = rng.random(n) < weight
    return np.where(high, 0.04 + apart, 0.04) + sigma * rng.normal(size=n)


@pytest.mark.parametrize("n", [150, 2000])
def test_two_sequences_are_found_where_they_were_planted(n):
    found = bimodality(two(n))
    assert found["bimodal"] is True
    assert found["bic_difference"] > 10
    assert found["mean_low"] == pytest.approx(0.04, abs=0.015)
    assert found["mean_high"] == pytest.approx(0.26, abs=0.025)
    assert found["weight_high"] == pytest.approx(0.3, abs=0.1)
    assert found["sigma_low"] == pytest.approx(0.035, abs=0.01)
    assert found["p_valley"] == 1.0


def test_valley_against_the_density_it_was_planted_with():
    x = np.linspace(0, 0.3, 2001)
    p = sum(w * np.exp(-0.5 * ((x - m) / 0.05) ** 2) for m, w in ((0.04, 0.7), (0.22, 0.3)))
    inside = (x > 0.06) & (x < 0.2)
    planted = p[inside].min() / p[x > 0.2].max()
    found = bimodality(two(20_000, apart=0.18, sigma=0.05), n_resamples=5)
    assert found["valley"] == pytest.approx(planted, abs=0.05)
    assert 0 < found["valley_error"] < 0.1


def test_counted_valley_needs_no_gaussians():
    rng = np.random.default_rng(5)
    boxes = np.concatenate([rng.uniform(0, 0.1, 2000), rng.uniform(0.1, 0.2, 300),
                            rng.uniform(0.2, 0.3, 1200)])  # fmt: skip
    found = bimodality(boxes)
    assert found["bimodal"] is True
    assert found["valley_counted"] == pytest.approx(300 / 1200, abs=0.05)


def test_bootstrap_error_is_that_of_repeated_samples():
    kind = dict(apart=0.16, sigma=0.045)
    values = [bimodality(two(400, seed=s, **kind), n_resamples=0)["valley"] for s in range(30)]
    error = bimodality(two(400, seed=99, **kind), n_resamples=60)["valley_error"]
    assert 0.4 < error / np.std(values) < 2.5


@pytest.mark.parametrize("name", ONE)
def test_one_population_is_not_called_bimodal(name):
    assert bimodality(ONE[name])["bimodal"] is False


def test_skewed_sample_is_two_gaussians_to_the_bic_but_has_no_valley():
    found = bimodality(ONE["skewed"])
    assert found["bic_difference"] > 100
    assert found["valley"] == 1.0 and np.isnan(found["p_valley"])


def test_the_unit_does_not_matter():
    x = two(500)
    one, other = bimodality(x), bimodality(1000 * x - 40)
    assert other["valley"] == pytest.approx(one["valley"], rel=1e-4)
    assert other["bic_difference"] == pytest.approx(one["bic_difference"], rel=1e-4)


@pytest.mark.parametrize("x", [[], np.full(500, 0.1), np.full(500, np.nan), two(99)])
def test_what_cannot_be_measured_is_not(x):
    found = bimodality(x)
    assert found["bimodal"] is None and np.isnan(found["valley"])
    assert set(found) == set(COLUMNS)


def test_table_has_a_row_for_each_bin_slice_and_sample():
    alpha = two(900)
    metal = np.where(alpha > 0.15, -0.4, 0.1)
    bins = {"all": np.ones(900, bool), "half": np.arange(900) < 450, "few": np.arange(900) < 20}
    table = bimodality_table(
        {"labels": (metal, alpha), "flat": (metal, np.full(900, np.nan))}, bins=bins, n_resamples=3
    )
    assert list(table["bin"].unique()) == ["all", "half"]  # the bin of 20 stars is left out
    every = table[(table["metallicity"] == "all") & (table["values"] == "labels")]
    assert every["bimodal"].all() and list(every["n"]) == [900, 450]
    cut = table[(table["metallicity"] != "all") & (table["values"] == "labels")]
    assert list(cut["n"]) == [np.sum(metal == -0.4), np.sum(metal[:450] == -0.4)]
    assert not cut["bimodal"].any()  # only the upper sequence is in the slice
