import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr

from common.calibration import Calibration, coverage, fit_calibration, pit
from common.errors import SuiteError, UsageError

NORMAL = {0.68: 0.99446, 0.95: 1.95996}  # half-widths of a unit Gaussian


def stars(n, seed, *, tails="gauss"):
    """Return residual, sigma, group: errors far too small, and not by one factor."""
    rng = np.random.default_rng(seed)
    group = np.where(rng.random(n) < 0.75, "giant", "dwarf")
    sigma = np.exp(rng.normal(-3, 0.7, n))
    true = 2.5 * sigma**0.8 * np.where(group == "dwarf", 1.9, 1.0)
    draw = rng.normal(size=n) if tails == "gauss" else rng.standard_t(2.5, n)
    return dict(residual=true * draw, sigma=sigma, group=group)


@pytest.mark.parametrize("tails", ["gauss", "heavy"])
@pytest.mark.parametrize("level, band", [(0.68, 0.03), (0.95, 0.015)])
def test_new_rows_are_covered_in_all_groups_and_at_every_sigma(tails, level, band):
    found = fit_calibration(**stars(3000, 1, tails=tails))
    new = stars(40_000, 2, tails=tails)
    half = found.interval(sigma=new["sigma"], group=new["group"], level=level)
    assert coverage(residual=new["residual"], half=new["sigma"] * NORMAL[level])[0] < level - 0.2
    for name in ("giant", "dwarf"):
        here = new["group"] == name
        assert abs(coverage(residual=new["residual"][here], half=half[here])[0] - level) < band
        edges = np.quantile(new["sigma"][here], [0, 0.1, 0.5, 0.9, 1])
        for low, high in itertools.pairwise(edges):
            part = here & (new["sigma"] >= low) & (new["sigma"] <= high)
            assert abs(coverage(residual=new["residual"][part], half=half[part])[0] - level) < 0.07


def test_heavy_tails_get_a_95_per_cent_interval_of_their_own():
    found = fit_calibration(**stars(6000, 3, tails="heavy"))
    kind = dict(sigma=np.full(1, np.exp(-3)), group="giant")
    wide = found.interval(**kind, level=0.95) / found.interval(**kind, level=0.68)
    assert wide > 2.4  # a Gaussian has 1.97; Student's t with 2.5 degrees about 2.9


def test_mean_coverage_of_small_samples_is_not_below_the_level():
    new = stars(4000, 99)
    for n in (120, 200):
        fits = [fit_calibration(**stars(n, seed)) for seed in range(40)]
        halves = [fit.apply(sigma=new["sigma"], group=new["group"]) for fit in fits]
        found = [coverage(residual=new["residual"], half=half)[0] for half in halves]
        assert np.mean(found) == pytest.approx(0.68, abs=0.025)


def test_gaussian_errors_that_are_right_stay():
    rng = np.random.default_rng(4)
    sigma = rng.uniform(0.5, 2, 20_000)
    found = fit_calibration(residual=sigma * rng.normal(size=20_000), sigma=sigma,
                            group=np.full(20_000, "giant"))  # fmt: skip
    x = np.array([0.6, 1.0, 1.8])
    for level, half in NORMAL.items():
        own = found.interval(sigma=x, group="giant", level=level)
        assert own == pytest.approx(half * x, rel=0.06 if level == 0.95 else 0.05)


def test_unknown_and_small_groups_take_the_curve_of_all():
    data = stars(500, 5)
    data["group"][:19] = "subdwarf"
    found = fit_calibration(**data)
    assert set(found.curves) == {"all", "giant", "dwarf"}
    sigma = np.array([0.03, 0.1])
    whole = found.apply(sigma=sigma, group="all")
    for name in ("subdwarf", "never seen", "nan"):
        assert np.array_equal(found.apply(sigma=sigma, group=name), whole)


def test_it_survives_json_and_keeps_nan():
    found = fit_calibration(**stars(800, 6))
    again = Calibration.from_dict(json.loads(json.dumps(found.to_dict())))
    sigma = np.array([1e-6, 0.01, np.nan, 0.0, 50.0])
    for level in (0.68, 0.95):
        one = found.interval(sigma=sigma, group="giant", level=level)
        assert np.array_equal(one, again.interval(sigma=sigma, group="giant", level=level),
                              equal_nan=True)  # fmt: skip
        assert np.isnan(one[2]) and one[3] == 0 and np.isfinite(one[[0, 1, 4]]).all()


def test_input_that_cannot_be_used():
    data = stars(100, 7)
    for name, values, says in (("sigma", data["sigma"][:-1], "equal length"),
                               ("sigma", -data["sigma"], "negative"),
                               ("residual", np.full(100, np.nan), "40 rows")):  # fmt: skip
        with pytest.raises(SuiteError, match=says):
            fit_calibration(**data | {name: values})
    with pytest.raises(UsageError, match=r"0\.9; allowed: 0\.38, 0\.68, 0\.86, 0\.95"):
        fit_calibration(**data).interval(sigma=[1.0], group="giant", level=0.9)


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(40, 400), seed=st.integers(0, 2**31), scale=st.floats(1e-6, 1e6),
    constant=st.booleans(),
)  # fmt: skip
def test_half_widths_rise_with_sigma_scale_with_the_unit_and_nest(n, seed, scale, constant):
    data = stars(n, seed, tails="heavy")
    if constant:
        data["sigma"][:] = 0.1
    found = fit_calibration(**data)
    grid = np.geomspace(1e-4, 10, 200)
    for name in ("giant", "dwarf"):
        half, wide = (found.interval(sigma=grid, group=name, level=v) for v in (0.68, 0.95))
        assert (np.diff(half) >= 0).all() and (np.diff(wide) >= 0).all()
        assert (half > 0).all() and (wide >= half).all()
    scaled = fit_calibration(residual=data["residual"] * scale, sigma=data["sigma"] * scale,
                             group=data["group"])  # fmt: skip
    assert scaled.apply(sigma=grid * scale, group="giant") == pytest.approx(
        scale * found.apply(sigma=grid, group="giant"), rel=1e-6
    )


def test_pit_is_uniform_where_errors_are_right_and_shows_what_is_wrong():
    from scipy.stats import kstest

    rng = np.random.default_rng(8)
    r = rng.normal(size=20_000)
    half = np.full(r.shape, NORMAL[0.68])
    assert kstest(pit(residual=r, intervals={0.68: half}), "uniform").pvalue > 1e-3
    small = pit(residual=r, intervals={0.68: half / 3})
    assert np.mean((small < 0.05) | (small > 0.95)) > 0.4
    heavy = stars(20_000, 9, tails="heavy")
    found = fit_calibration(**heavy)
    new = stars(20_000, 10, tails="heavy")
    kind = dict(sigma=new["sigma"], group=new["group"])
    u = pit(residual=new["residual"], intervals=found.intervals(**kind))
    counts = np.histogram(u, bins=20, range=(0, 1))[0] / len(u) * 20
    assert np.abs(counts - 1).max() < 0.25


def test_pit_and_coverage_by_hand():
    value = pit(residual=[0.0, 1.0, -2.0, np.nan, 5.0],
                intervals={0.95: [2, 2, 2, 2, 2], 0.68: [1, 1, 1, 1, np.nan]})  # fmt: skip
    assert value == pytest.approx([0.5, 0.84, 0.025])
    far = pit(residual=[3.0], intervals={0.68: [1.0], 0.95: [2.0]})  # the last piece goes on
    assert far == pytest.approx(ndtr(2 * NORMAL[0.95] - NORMAL[0.68]), abs=1e-6)
    fraction, error, n = coverage(residual=[-1, 2, 3, np.nan], half=[1.0, 1, 4, 1])
    assert (fraction, n) == (pytest.approx(2 / 3), 3)
    assert error == pytest.approx(np.sqrt(2 / 9 / 3))
    assert coverage(residual=[], half=[])[2] == 0
