"""Numbers of PDFs against scipy, closed forms, and samples drawn from the PDFs themselves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from common.errors import SuiteError
from mtopnet import pdf as pdfs

EDGES = np.linspace(0.6, 3.0, 801)


@st.composite
def histograms(draw, rows=3):
    """PDFs of a few bins of unequal width, some empty."""
    n = draw(st.integers(2, 12))
    widths = draw(st.lists(st.floats(0.01, 2), min_size=n, max_size=n))
    row = st.lists(st.integers(0, 20), min_size=n, max_size=n)
    p = np.array(draw(st.lists(row, min_size=rows, max_size=rows)), float)
    p[p.sum(axis=1) == 0, 0] = 1
    return p / p.sum(axis=1, keepdims=True), np.concatenate([[0.0], np.cumsum(widths)]) + 0.6


def gaussian(z, sigma):
    total = stats.norm.cdf(EDGES[None], np.reshape(z, (-1, 1)), np.reshape(sigma, (-1, 1)))
    p = np.diff(total, axis=1)
    return p / p.sum(axis=1, keepdims=True)


@settings(deadline=None, max_examples=60)
@given(histograms())
def test_entropy_skewness_and_moments_are_scipys(made):
    p, edges = made
    np.testing.assert_allclose(pdfs.entropy(p), stats.entropy(p, axis=1), atol=1e-12)
    known = np.ptp(p, axis=1) > 1e-9
    expected = stats.skew(p[known], axis=1)
    np.testing.assert_allclose(pdfs.skewness(p)[known], expected, rtol=1e-6, atol=1e-9)
    assert (pdfs.skewness(p)[~known] == 0).all()
    for row, m, s in zip(p, pdfs.mean(p, edges), pdfs.std(p, edges), strict=True):
        made_by_scipy = stats.rv_histogram((row, edges), density=False)
        assert m == pytest.approx(made_by_scipy.mean(), abs=1e-9)
        assert s == pytest.approx(made_by_scipy.std(), abs=1e-6)


def test_the_papers_cuts_lie_between_a_peak_and_a_flat_pdf():
    one, flat = np.eye(800)[[0, 400]], np.full((1, 800), 1 / 800)
    assert (pdfs.entropy(one) == 0).all() and np.allclose(pdfs.entropy(flat), np.log(800))
    np.testing.assert_allclose(pdfs.skewness(one), 798 / np.sqrt(799))
    assert pdfs.skewness(flat)[0] == 0
    narrow, wide = gaussian([1.5], [0.003]), gaussian([1.5], [0.3])
    assert pdfs.entropy(narrow)[0] < 2 < pdfs.entropy(wide)[0]
    assert pdfs.skewness(narrow)[0] > 15 and pdfs.skewness(wide)[0] < 5


@settings(deadline=None, max_examples=60)
@given(histograms(), st.floats(0.0, 30.0))
def test_crps_is_the_integral_of_its_definition(made, where):
    p, edges = made
    z = np.full(len(p), where)
    low, high = min(edges[0], where), max(edges[-1], where)
    x = np.linspace(low, high, 40001)
    total = np.array([np.interp(x, edges, np.append(0, np.cumsum(row))) for row in p])
    expected = np.trapezoid((total - (x >= where)) ** 2, x, axis=1)
    np.testing.assert_allclose(pdfs.crps(p, edges, z=z), expected, atol=2e-3 * (high - low))


@settings(deadline=None, max_examples=80)
@given(histograms(), st.floats(0.05, 0.99))
def test_the_credible_interval_holds_its_level_and_none_is_shorter(made, level):
    p, edges = made
    low, high = pdfs.credible_interval(p, edges, level)
    inside = pdfs.pit(p, edges, z=high) - pdfs.pit(p, edges, z=low)
    np.testing.assert_allclose(inside, level, atol=1e-9)
    for q in (0.0, level, 1.0):
        x = pdfs.quantile(p, edges, q)
        np.testing.assert_allclose(pdfs.pit(p, edges, z=x), q, atol=1e-9)
    for start in np.linspace(edges[0], edges[-1], 60):
        at = pdfs.pit(p, edges, z=np.full(len(p), start))
        for i in np.flatnonzero(at + level <= 1):
            end = pdfs.quantile(p[i : i + 1], edges, at[i] + level)[0]
            assert high[i] - low[i] <= end - start + 1e-9


def test_values_drawn_from_the_pdfs_are_calibrated_and_score_best():
    rng = np.random.default_rng(1)
    n = 4000
    centre, sigma = rng.uniform(1, 2.6, n), rng.uniform(0.01, 0.1, n)
    p = 0.7 * gaussian(centre, sigma) + 0.3 * gaussian(centre - 0.3, sigma)
    total = np.cumsum(p, axis=1)
    k = (total < rng.random(n)[:, None]).sum(axis=1)
    z = EDGES[k] + 0.003 * rng.random(n)
    for value in (pdfs.pit(p, EDGES, z=z), pdfs.credible_level(p, EDGES, z=z)):
        assert stats.kstest(value, "uniform").pvalue > 1e-3
    covered = pdfs.coverage(p, EDGES, z=z, levels=(0.5, 0.68, 0.95))
    np.testing.assert_allclose(covered, (0.5, 0.68, 0.95), atol=0.025)
    own = pdfs.crps(p, EDGES, z=z).mean()
    narrow = p**3 / (p**3).sum(axis=1, keepdims=True)
    assert own < pdfs.crps(narrow, EDGES, z=z).mean()
    assert own < pdfs.crps(np.roll(p, 20, axis=1), EDGES, z=z).mean()
    too_narrow = pdfs.coverage(narrow, EDGES, z=z, levels=(0.68,))
    assert too_narrow[0] < 0.6


def test_the_drawn_pit_is_flat_wherever_in_a_bin_the_truth_lies():
    rng = np.random.default_rng(5)
    p = np.tile(rng.dirichlet(np.ones(6)), (3000, 1))
    edges = np.arange(7.0)
    at = (np.cumsum(p, axis=1) < rng.random(3000)[:, None]).sum(axis=1)
    z = np.append(at + 0.01, 9.0)  # always at the left edge of its bin
    p = np.vstack([p, p[:1]])
    value = pdfs.drawn_pit(p, edges, z=z)
    assert np.isnan(value[-1]) and stats.kstest(value[:-1], "uniform").pvalue > 0.01
    assert stats.kstest(pdfs.pit(p, edges, z=z)[:-1], "uniform").pvalue < 1e-6


def test_first_and_second_peak_are_those_that_were_put_in():
    p = 0.6 * gaussian([1.2, 2.0], [0.004] * 2) + 0.4 * gaussian([2.2, 0.9], [0.004] * 2)
    found = pdfs.peaks(p, EDGES)
    assert np.abs(found["z_peak"] - [1.2, 2.0]).max() < 0.003
    assert np.abs(found["z_peak2"] - [2.2, 0.9]).max() < 0.003
    assert (found["p_peak"] > found["p_peak2"]).all()
    alone = pdfs.peaks(np.eye(800)[[10]], EDGES)
    assert np.isnan(alone["z_peak2"][0]) and alone["p_peak"][0] == 1
    assert alone["z_peak"][0] == pytest.approx(0.6 + 10.5 * 0.003)


def test_finer_bins_are_joined_before_the_papers_cuts():
    fine = np.linspace(0.6, 3.0, 4801)
    total = stats.norm.cdf(fine[None], 1.4991, 0.002)
    p = np.diff(total, axis=1)
    joined, edges = pdfs.rebinned(p, fine)
    assert joined.shape == (1, 800) and np.allclose(edges, EDGES)
    np.testing.assert_allclose(joined, gaussian([1.4991], [0.002]), atol=1e-9)
    coarse = pdfs.summary(gaussian([1.4991], [0.002]), EDGES)
    made = pdfs.summary(p, fine)
    assert made["entropy"][0] == pytest.approx(coarse["entropy"][0], rel=1e-6)
    assert made["skewness"][0] == pytest.approx(coarse["skewness"][0], rel=1e-6)
    assert pdfs.entropy(p)[0] > coarse["entropy"][0] + 1  # what the joining is for


def test_rows_without_a_pdf_are_missing_not_wrong():
    p = np.stack([np.full(800, np.nan), np.zeros(800), np.eye(800)[5]])
    for name, value in pdfs.summary(p, EDGES).items():
        assert np.isnan(value[:2]).all(), name
    assert np.isnan(pdfs.crps(p, EDGES, z=[1.0, 1.0, 1.0])[:2]).all()
    assert np.isnan(pdfs.credible_level(p, EDGES, z=[1.0, 1.0, np.nan])).all()


@pytest.mark.parametrize("call, says", [
    (lambda: pdfs.mean(np.ones((2, 5)), np.arange(5.0)), "bins \\+ 1 edges"),
    (lambda: pdfs.mean([[0.5, -0.1, 0.6]], np.arange(4.0)), "negative"),
    (lambda: pdfs.mean([[0.5, 0.5]], [0.0, 2.0, 1.0]), "ascend"),
    (lambda: pdfs.crps(np.eye(3), np.arange(4.0), z=[1.0]), "One value"),
    (lambda: pdfs.credible_interval(np.eye(3), np.arange(4.0), 68), "level"),
])  # fmt: skip
def test_what_is_no_pdf_is_refused(call, says):
    with pytest.raises(SuiteError, match=says):
        call()


def test_a_redshift_is_in_its_bin():
    assert pdfs.bin_of([0.6, 0.6029, 0.603, 2.9999, 3.0, 0.5, np.nan], [0.6, 0.603, 0.606, 3.0]
                       ).tolist() == [0, 0, 1, 2, -1, -1, -1]  # fmt: skip
    p = gaussian([1.5], [0.005])
    assert pdfs.mass_near(p, EDGES, z=[1.5], half=0.005)[0] == pytest.approx(0.68, abs=0.03)
