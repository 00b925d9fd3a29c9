"""Positions are astropy's, lines are scipy's, and known gradients come back through errors."""

import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import Galactocentric, SkyCoord, galactocentric_frame_defaults
from scipy.stats import linregress

from common.errors import SuiteError
from solarlike_distance.tables import gradients, recovery

RADIAL, VERTICAL = -0.06, -0.2  # dex/kpc, planted


def galaxy(n=6000, seed=0, *, sigma_feh=0.06, fraction=0.12, shrink=0.85, together=0.5):
    """Return stars in a Galaxy of known gradients, as a network sees them.

    Errors of [Fe/H] and of the distance go together, predicted [Fe/H] keeps to the middle, and
    distances are 2 % too large.
    """
    rng = np.random.default_rng(seed)
    d = rng.gamma(3.0, 700.0, n)
    ra, dec = rng.uniform(0, 360, n), np.degrees(np.arcsin(rng.uniform(-0.2, 0.95, n)))
    where = gradients.positions(ra=ra, dec=dec, distance=d)
    feh = RADIAL * (where["R"] - 8) + VERTICAL * where["Z"].abs() + rng.normal(0, 0.2, n)
    first, second = rng.normal(size=(2, n))
    second = together * first + np.sqrt(1 - together**2) * second
    return pd.DataFrame({
        "ra": ra, "dec": dec, "distance_planted": d, "feh_planted": feh,
        "distance_true": d * np.exp(rng.normal(0, 0.01, n)), "feh_true": feh,
        "distance_pred": d * 1.02 * np.exp(fraction * first),
        "feh_pred": shrink * feh - 0.03 + sigma_feh * second,
    })  # fmt: skip


def test_positions_are_those_of_astropys_defaults():
    rng = np.random.default_rng(1)
    ra, dec, d = rng.uniform(0, 360, 50), rng.uniform(-90, 90, 50), rng.uniform(10, 9000, 50)
    with galactocentric_frame_defaults.set("v4.0"):
        sky = SkyCoord(ra, dec, d, unit=("deg", "deg", "pc")).transform_to(Galactocentric())
    ours = gradients.positions(ra=ra, dec=dec, distance=d)
    np.testing.assert_allclose(ours["X"], sky.x.to_value("kpc"), atol=1e-6)
    np.testing.assert_allclose(ours["Z"], sky.z.to_value("kpc"), atol=1e-6)
    near = gradients.positions(ra=[10.0], dec=[10.0], distance=[1e-3]).iloc[0]
    assert near["R"] == pytest.approx(8.122, abs=1e-3) and near["Z"] == pytest.approx(0.0208, 1e-3)
    gone = gradients.positions(ra=[1, 1, np.nan], dec=[1, 1, 1], distance=[np.nan, 0, 5])
    assert gone.isna().all().all()


def test_bins_are_those_of_the_papers_tables_and_lines_are_scipys():
    df = gradients.of_table(galaxy(), kind="planted")
    table = gradients.radial(R=df["R"], Z=df["Z"], feh=df["feh"])
    assert set(table["at"]) <= set(gradients.published("radial")["at"])
    inside = gradients.in_subsample(R=df["R"], Z=df["Z"])
    part = df[inside & df["Z"].abs().between(0.4, 0.6)]
    fit = linregress(part["R"], part["feh"])
    row = table.set_index("at").loc[0.5]
    assert row["n"] == len(part)
    found = row[["gradient", "gradient_error", "intercept", "intercept_error"]]
    theirs = fit.slope, fit.stderr, fit.intercept, fit.intercept_stderr
    np.testing.assert_allclose(found, theirs, rtol=1e-12)
    upright = gradients.vertical(R=df["R"], Z=df["Z"], feh=df["feh"])
    assert set(upright["at"]) <= set(gradients.published("vertical")["at"])
    assert upright["n"].sum() <= inside.sum()
    assert not len(gradients.radial(R=df["R"][:5], Z=df["Z"][:5], feh=df["feh"][:5]))
    # The paper's tables are in the claims.
    table = gradients.published("radial").set_index("at")
    assert len(table) == 10 and table.loc[0.1].tolist() == [-0.054, 0.001, 0.367, 0.008, 110637]
    table = gradients.published("vertical").set_index("at")
    assert len(table) == 7 and table.loc[13.5].tolist() == [-0.069, 0.006, -0.293, 0.008, 2852]
    assert table["n"].sum() == 458061  # the subsample of Sect. 4.4


def test_known_gradients_come_back_within_honest_errors_and_not_within_the_papers():
    df, known = galaxy(12000, 1), galaxy(1500, 2)
    table = recovery.recovery_table(df, known, draws=25)
    whole = table[table["at"] == "plane"].set_index("kind")
    assert whole.loc["radial", "planted"] == pytest.approx(RADIAL, abs=0.01)
    assert whole.loc["vertical", "planted"] == pytest.approx(VERTICAL, abs=0.02)
    assert (whole["off"].abs() < 3).all()
    assert (whole["corrected"] - whole["planted"]).abs().max() < 0.015
    # Without the correction the plane is off by many of the paper's errors.
    raw = (whole["gradient"] - whole["planted"]).abs() / whole["gradient_error"]
    assert raw.max() > 4
    found = recovery.summary(table).set_index("kind")
    assert (found["within_2"] >= 0.8).all()
    assert (found["paper_within_2"] < found["within_2"]).all()
    assert (table["corrected_error"] > table["gradient_error"]).mean() > 0.9


def test_without_errors_the_correction_changes_nothing():
    df = galaxy(5000, 3, sigma_feh=1e-4, fraction=1e-4, shrink=1.0)
    df["distance_true"] = df["distance_planted"]
    table = recovery.recovery_table(df, draws=10)
    off = (table["corrected"] - table["gradient"]).abs()
    assert (off < 3 * table["corrected_error"] + 1e-3).all()
    np.testing.assert_allclose(table["gradient"], table["planted"], atol=0.02)


def test_the_errors_are_learned_as_they_were_put_in():
    found = recovery.learn_errors(galaxy(8000, 4), "planted")
    assert found.slope == pytest.approx(0.85, abs=0.01)
    assert found.offset == pytest.approx(np.log10(1.02), abs=0.003)
    assert found.feh.std() == pytest.approx(0.06 / 0.85, rel=0.05)
    assert np.corrcoef(found.feh, found.log_distance)[0, 1] == pytest.approx(0.5, abs=0.05)
    np.testing.assert_allclose(found.corrected(0.85 * 0.2 - 0.03), 0.2, atol=0.01)


def test_what_is_missing_is_said():
    df = galaxy(30)
    with pytest.raises(SuiteError, match="50 stars"):
        recovery.corrected(df, df)
    with pytest.raises(SuiteError, match="distance_pred"):
        gradients.of_table(df.drop(columns="distance_pred"))
    flat = galaxy(300).assign(feh_pred=0.1)
    with pytest.raises(SuiteError, match="does not follow"):
        recovery.learn_errors(flat)
