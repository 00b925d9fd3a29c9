"""PDFs drawn from known posteriors, blurred or sharpened, hold what they say once recalibrated."""

import json

import numpy as np
import pytest
from scipy import stats

from common.errors import SuiteError
from mtopnet import pdf as pdfs
from mtopnet.recalibration import Recalibration, fit_recalibration

EDGES = np.linspace(0.6, 1.2, 1201)


def peaks(z, sigma):
    p = np.diff(stats.norm.cdf(EDGES[None], z[:, None], sigma[:, None]), axis=1)
    return p / p.sum(axis=1, keepdims=True)


def drawn(n, *, seed, blur=0.0, power=1.0):
    """Return right PDFs, what a network says that blurs peaks and raises shares, and true z."""
    rng = np.random.default_rng(seed)
    first, second, noise = [*rng.uniform(0.65, 1.15, (2, n)).tolist(), rng.random(n)]
    first, second, sigma = np.array(first), np.array(second), 0.0004 + 0.003 * noise**4
    share = np.clip(1.05 - 0.8 * noise**3, 0.05, 0.99)
    shares = np.stack([share, 0.7 * (1 - share), 0.3 * (1 - share)], axis=1)

    def pdf(shares, sigma):
        shares = shares / shares.sum(axis=1, keepdims=True)
        p = shares[:, :1] * peaks(first, sigma) + shares[:, 1:2] * peaks(second, sigma)
        return p + shares[:, 2:] / p.shape[1]

    right = pdf(shares, sigma)
    at = np.minimum((np.cumsum(right, axis=1) < rng.random(n)[:, None]).sum(axis=1), 1199)
    z = EDGES[at] + 0.0005 * rng.random(n)
    return right, pdf(shares**power, np.hypot(sigma, blur)).astype("float32"), z


@pytest.mark.parametrize("blur, power", [(0.001, 1.0), (0.0, 3.0), (0.001, 0.7)])
def test_pdfs_of_known_posteriors_hold_what_they_say_again(blur, power):
    _, raw, z = drawn(2000, seed=1, blur=blur, power=power)
    known = fit_recalibration(raw, EDGES, z=z)
    right, raw, z = drawn(2000, seed=2, blur=blur, power=power)
    made = known.apply(raw, EDGES)
    np.testing.assert_allclose(made.sum(axis=1), 1, atol=1e-5)
    off = [abs(pdfs.coverage(p, EDGES, z=z, levels=(0.68,))[0] - 0.68) for p in (raw, made)]
    assert off[1] <= 0.03 < off[0]
    flat = [stats.kstest(pdfs.pit(p, EDGES, z=z), "uniform") for p in (raw, made)]
    assert flat[1].pvalue > 0.01 > flat[0].pvalue
    where, rows = pdfs.bin_of(z, EDGES), np.arange(len(z))
    score = [np.mean(np.log(p[rows, where])) for p in (raw, made, right)]
    assert score[0] < score[1] < score[2] + 0.01, "no PDF scores better than the right one"
    success = [np.mean(np.abs(pdfs.peaks(p, EDGES)["z_peak"] - z) < 0.01) for p in (raw, made)]
    assert success[1] > success[0] - 0.005


def test_right_pdfs_are_left_nearly_as_they_are():
    right, _, z = drawn(2000, seed=3)
    known = fit_recalibration(right, EDGES, z=z)
    made = known.apply(right, EDGES)
    assert np.abs(made - right).sum(axis=1).mean() < 0.12
    assert np.array_equal(Recalibration().apply(right, EDGES), right.astype("float32"))


def test_a_flat_pdf_stays_flat_and_peaks_keep_their_shares():
    flat = np.full((1, 1200), 1 / 1200)
    two = 0.7 * peaks(np.array([0.8]), np.array([0.001])) + 0.3 * peaks(
        np.array([1.0]), np.array([0.001])
    )
    sharper = Recalibration(shape=(np.log(4), 0.0))
    middle = sharper.apply(flat, EDGES)[:, 50:-50]
    np.testing.assert_allclose(middle, middle.mean(), rtol=1e-4)
    made = sharper.apply(two, EDGES)
    assert pdfs.mass_near(made, EDGES, z=[0.8])[0] == pytest.approx(0.7, abs=0.01)
    low, high = pdfs.credible_interval(made, EDGES, 0.5)
    was = pdfs.credible_interval(two, EDGES, 0.5)
    assert high - low == pytest.approx(0.5 * (was[1] - was[0]), rel=0.1), "a power of 4 halves"
    wider = Recalibration(shares=(np.log(0.5), 0.0)).apply(two, EDGES)
    assert 0.3 < pdfs.mass_near(wider, EDGES, z=[0.8])[0] < 0.7


def test_a_recalibration_comes_back_from_json_and_too_few_spectra_fit_none():
    levels = ((0.0, *np.linspace(0.2, 0.9, 9).tolist(), 1.0),) * 2
    known = Recalibration((0.1, -0.2), (0.3, 0.0), 1.0, (2.0,), levels)
    assert Recalibration.from_dict(json.loads(json.dumps(known.to_dict()))) == known
    _, raw, z = drawn(120, seed=4)
    with pytest.raises(SuiteError, match="Received 30"):
        fit_recalibration(raw, EDGES, z=np.where(np.arange(120) < 30, z, np.nan))
    assert known.apply(raw[:0], EDGES).shape == (0, 1200)
