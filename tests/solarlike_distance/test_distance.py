"""The distance's posterior in closed form against numerical integration, and the extinction."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import minimize_scalar

from common.errors import UsageError
from solarlike_distance.distance import columns, density, posterior
from solarlike_distance.labels import extinction

STAR = dict(g=15.0, mg=4.0, mg_sigma=0.2, ag=0.3)


def integral(star, low, high):
    """Integrate P(d) over d with the substitution d = e^x, which keeps the integrand smooth."""
    return quad(lambda x: float(density(np.exp(x), **star)) * np.exp(x), np.log(low),
                np.log(high), limit=200)[0]  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(g=st.floats(6, 19), mg=st.floats(1, 8), mg_sigma=st.floats(0.03, 1), ag=st.floats(-0.3, 4),
       g_error=st.floats(0, 0.2), ag_error=st.floats(0, 0.5),
       correlation=st.floats(-0.9, 0.9))  # fmt: skip
def test_quantiles_norm_and_mode_agree_with_numerical_ones(**star):
    found = posterior(**star).iloc[0]
    low, high = found["median"] * 1e-4, found["median"] * 1e4
    assert integral(star, low, high) == pytest.approx(1, abs=1e-6)
    for name, share in (("p16", 0.16), ("median", 0.5), ("p84", 0.84)):
        assert integral(star, low, found[name]) == pytest.approx(share, abs=1e-5)
    mode = found["mode"]  # the released code minimises -P(d) star by star; in pc, with the Jacobian
    best = minimize_scalar(
        lambda d: -float(density(d, **star)) * mode,
        bounds=(0.3 * mode, 3 * mode), method="bounded", options={"xatol": 1e-6 * mode},
    )  # fmt: skip
    assert best.x == pytest.approx(mode, rel=1e-4)


def test_the_paper_case_by_hand():
    """m = 14.5, M = 4.67 +- 0.255, no extinction: ln d = 0.2 ln 10 (14.83), s = 0.11743."""
    found = posterior(g=14.5, mg=4.67, mg_sigma=0.255, ag=0.0).iloc[0]
    assert found["median"] == pytest.approx(10 ** (14.83 / 5))
    assert found["mode"] / found["median"] == pytest.approx(np.exp(-(0.11743**2)), rel=1e-4)
    assert found["p84"] / found["median"] == pytest.approx(np.exp(0.11743 * 0.994458), rel=1e-4)


def test_errors_of_magnitude_and_extinction_widen_and_their_correlation_counts():
    def width(**more):
        found = posterior(**STAR, **more).iloc[0]
        return np.log(found["p84"] / found["p16"])

    assert width(g_error=0.1) / width() == pytest.approx(np.hypot(0.2, 0.1) / 0.2)
    assert width(ag_error=0.2) / width() == pytest.approx(np.sqrt(2))
    assert width(ag_error=0.2, correlation=-1.0) == pytest.approx(0, abs=1e-6)
    assert width(ag_error=0.2, correlation=1.0) / width() == pytest.approx(2)


def test_many_stars_at_once_are_each_as_alone():
    rng = np.random.default_rng(1)
    stars = {k: rng.uniform(0.1, 1, 50) for k in ("mg", "mg_sigma", "ag", "g_error", "ag_error")}
    stars["g"] = rng.uniform(10, 17, 50)
    together = posterior(**stars)
    alone = pd.concat([posterior(**{k: v[i] for k, v in stars.items()}) for i in range(50)])
    np.testing.assert_allclose(together.to_numpy(), alone.to_numpy(), rtol=1e-12)


def test_nothing_lies_at_or_below_zero_and_missing_inputs_stay_missing():
    assert (density(np.array([-5.0, 0.0]), **STAR) == 0).all()
    assert posterior(**(STAR | {"g": np.nan})).isna().all(axis=None)


def test_negative_errors_and_a_correlation_beyond_one_are_refused_by_name():
    for name in ("mg_sigma", "g_error", "ag_error"):
        with pytest.raises(UsageError, match=f"{name} must not be negative. Received -0.1"):
            posterior(**STAR | {name: -0.1})
    with pytest.raises(UsageError, match="within -1 and 1"):
        posterior(**STAR, correlation=1.5)


def test_extinction_is_the_released_codes():
    ag, error = extinction.from_colour(bp_rp=[1.0, 0.7], bprp=[0.8, 0.8],
                                       bp_rp_error=[0.003, 0.0], bprp_sigma=0.034)  # fmt: skip
    np.testing.assert_allclose(ag, [0.83627 * 0.2 / 0.44898, -0.83627 * 0.1 / 0.44898])
    np.testing.assert_allclose(error, 1.862600 * np.hypot([0.003, 0.0], 0.034), rtol=1e-5)


def test_columns_give_the_papers_mode_and_each_stars_own_interval():
    stars = pd.DataFrame(dict(phot_g_mean_mag=14.0, phot_g_mean_mag_error=0.003, bp_rp=0.95,
                              bp_rp_error=0.004, mg_pred=4.5, mg_sigma=0.3, bprp_pred=0.85,
                              bprp_sigma=0.03), index=[0])  # fmt: skip
    found = columns(stars, sigma_m=0.255).iloc[0]
    ag, error = extinction.from_colour(bp_rp=[0.95], bprp=[0.85], bp_rp_error=0.004,
                                       bprp_sigma=0.03)  # fmt: skip
    paper = posterior(g=14.0, mg=4.5, mg_sigma=0.255, ag=ag)
    own = posterior(g=14.0, g_error=0.003, mg=4.5, mg_sigma=0.3, ag=ag, ag_error=error)
    assert found["distance_pred"] == pytest.approx(paper["mode"].iloc[0])
    for ours, theirs in (("p16", "p16"), ("p50", "median"), ("p84", "p84")):
        assert found[f"distance_{ours}"] == pytest.approx(own[theirs].iloc[0])
    assert found["ag_pred"] == pytest.approx(ag[0]) and found["ag_sigma"] == pytest.approx(error[0])
    # The user's extinction is taken instead; without magnitudes there is no distance.
    given_ag = columns(stars, sigma_m=0.255, ag=[0.5], ag_error=[0.05]).iloc[0]
    paper = posterior(g=14.0, mg=4.5, mg_sigma=0.255, ag=0.5)["mode"].iloc[0]
    assert given_ag["ag_pred"] == 0.5 and given_ag["distance_pred"] == pytest.approx(paper)
    bare = stars.drop(columns=["phot_g_mean_mag", "phot_g_mean_mag_error"])
    assert columns(bare, sigma_m=0.255).filter(like="distance").isna().all(axis=None)
