"""Gaia XP coefficients, and flux sampled from them by GaiaXPy."""

import sys
from importlib.util import find_spec

import matplotlib
import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import ReadError, SuiteError, UsageError
from common.surveys.gaia_xp import (
    SAMPLING,
    XPCoefficients,
    design_matrix,
    from_sampled,
    normalised,
    read_xp,
    to_sampled,
)

RAW = ("XP_CONTINUOUS_RAW.csv", "XP_CONTINUOUS_RAW.ecsv", "XP_CONTINUOUS_RAW.xml")
needs_gaiaxpy = pytest.mark.skipif(
    find_spec("gaiaxpy") is None, reason="GaiaXPy (extra gaia) is not installed"
)


@pytest.fixture(autouse=True)
def own_settings():
    """Keep matplotlib's settings, which an import of GaiaXPy changes."""
    with matplotlib.rc_context():
        yield


def made_up(n=3, seed=0, *, correlations=False):
    """Return coefficients that fall off as those of real sources do."""
    rng = np.random.default_rng(seed)
    order = np.arange(55)
    width = np.where(order > 0, 0.1 * np.maximum(order, 1) ** -1.5, 0)
    level = 10 ** rng.uniform(2, 5, (n, 1))
    bands = [((order == 0) + width * rng.normal(size=(n, 55))) * level for _ in range(2)]
    errors = [np.full((n, 55), 0.001) * level for _ in range(2)]
    triangle = rng.uniform(-0.01, 0.01, (n, 1485)) if correlations else None
    return XPCoefficients(np.arange(n) + 2**60, *bands, *errors, triangle, triangle)


def text(values):
    return "[" + ",".join(map(repr, map(float, values))) + "]"


def as_frame(xp):
    """Return coefficients as the archive's csv has them; nothing where a band is missing."""
    frame = {"source_id": xp.source_id}
    for band in ("bp", "rp"):
        for name, field in (("coefficients", band), ("coefficient_errors", f"{band}_error"),
                            ("coefficient_correlations", f"{band}_correlations")):  # fmt: skip
            rows = zip(getattr(xp, field), getattr(xp, f"has_{band}"), strict=True)
            frame[f"{band}_{name}"] = [text(v) if there else "" for v, there in rows]
    return pd.DataFrame(frame)


@pytest.fixture(scope="module")
def many(shared_data):
    return read_xp(shared_data / "real/gaia/xp_continuous_combined_chunk0.fits")


def test_real_files_of_every_format_agree(shared_data):
    folder = shared_data / "real/gaia"
    first = read_xp(folder / "XP_CONTINUOUS_RAW.fits")
    assert first.source_id.tolist() == [5853498713190525696, 5762406957886626816]
    assert first.bp[0, 0] == pytest.approx(56947.03696840172)
    assert first.bp_correlations.shape == (2, 1485) and np.abs(first.bp_correlations).max() < 1
    assert first.has_bp.all() and first.has_rp.all()
    for name in RAW:
        other = read_xp(folder / name)
        for field in ("bp", "rp", "bp_error", "rp_error", "bp_correlations", "rp_correlations"):
            np.testing.assert_allclose(getattr(other, field), getattr(first, field), rtol=1e-6)
    for name in ("csv", "fits"):  # a source without BP
        xp = read_xp(folder / f"XP_CONTINUOUS_RAW_missing_BP_dr3int6.{name}")
        assert xp.source_id.tolist() == [5405570973190252288]
        assert not xp.has_bp[0] and xp.has_rp[0]
        assert np.isnan(xp.bp).all() and np.isnan(xp.bp_error).all()


def test_flat_table(many, shared_data):
    table = Table.read(shared_data / "real/gaia/xp_continuous_combined_chunk0.fits")
    assert len(many) == 2000 and many.bp_correlations is None
    np.testing.assert_array_equal(many.rp[:, 54], table["rp_coeff_54"])
    np.testing.assert_array_equal(many.bp_error[:, 3], table["e_bp_coeff_3"])
    few = many[many.source_id == 38655544960]
    assert few.source_id.tolist() == [38655544960] and few.bp[0, 0] == table["bp_coeff_0"][1]


def test_csv_with_missing_bands_gzipped(tmp_path):
    xp = made_up(3, correlations=True)
    xp.bp[1], xp.rp[2] = np.nan, np.nan
    as_frame(xp).to_csv(tmp_path / "a.csv.gz", index=False)
    back = read_xp(tmp_path / "a.csv.gz")
    assert back.has_bp.tolist() == [True, False, True]
    assert back.has_rp.tolist() == [True, True, False]
    np.testing.assert_array_equal(back.bp[[0, 2]], xp.bp[[0, 2]])
    np.testing.assert_array_equal(back.rp_correlations[:2], xp.rp_correlations[:2])


def test_bad_files(tmp_path):
    frame = as_frame(made_up(2, correlations=True))
    for table, message in (
        (pd.concat([frame, frame]), "2 sources come more than once"),
        (frame.assign(rp_coefficients=text(range(54))),
         "rp_coefficients of source 1152921504606846976 has 54 values; allowed: 55"),
        (frame.assign(bp_coefficients="[1.0, many]"),
         "bp_coefficients in row 0 is no array of numbers"),
        (frame.assign(bp_coefficients="", rp_coefficients=""), "no source has a complete BP or RP"),
        (pd.DataFrame({"source_id": [1], "flux": ["[1]"]}), "no XP coefficients.*XP_SA"),
    ):  # fmt: skip
        table.to_csv(tmp_path / "a.csv", index=False)
        with pytest.raises(ReadError, match=message):
            read_xp(tmp_path / "a.csv")
    content = frame.to_csv(index=False)
    (tmp_path / "cut.csv").write_text(content[: len(content) - 3000])
    with pytest.raises(ReadError, match="damaged or truncated"):
        read_xp(tmp_path / "cut.csv")


@needs_gaiaxpy
def test_sampled_as_gaiaxpy_reads_the_file_itself(shared_data):
    from gaiaxpy import calibrate

    for name in ("RAW", "RAW_missing_BP_dr3int6"):
        path = shared_data / f"real/gaia/XP_CONTINUOUS_{name}.csv"
        flux, error = to_sampled(read_xp(path))
        theirs, wavelength = calibrate(path, save_file=False)
        np.testing.assert_array_equal(wavelength, SAMPLING)
        np.testing.assert_allclose(flux, np.stack(theirs["flux"]), rtol=1e-10)
        np.testing.assert_allclose(error, np.stack(theirs["flux_error"]), rtol=1e-6)


@needs_gaiaxpy
def test_missing_bands_leave_their_range_empty(capsys):
    xp = made_up(4)
    xp.bp[1], xp.rp[2] = np.nan, np.nan
    xp.bp[3] = xp.rp[3] = np.nan
    flux, error = to_sampled(xp, chunk=1)
    np.testing.assert_array_equal(np.isnan(flux), np.isnan(error))
    assert np.isfinite(flux[0]).all() and np.isnan(flux[3]).all()
    np.testing.assert_array_equal(np.isnan(flux[1]), SAMPLING <= 635)
    np.testing.assert_array_equal(np.isnan(flux[2]), SAMPLING >= 643)
    out, _, median = normalised(flux, error)
    assert np.isfinite(out).all(axis=1).tolist() == [True, False, False, False]
    assert np.isnan(out[1:]).all() and np.isnan(median[1:]).all()
    assert capsys.readouterr().out == ""


@needs_gaiaxpy
@settings(max_examples=4, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_design_matrix_is_what_gaiaxpy_does(seed, correlations):
    xp = made_up(2, seed, correlations=correlations)
    flux, error = to_sampled(xp)
    matrix = design_matrix()
    np.testing.assert_allclose(np.hstack([xp.bp, xp.rp]) @ matrix, flux, rtol=1e-9, atol=1e-26)
    if not correlations:
        spread = np.sqrt(np.hstack([xp.bp_error, xp.rp_error]) ** 2 @ matrix**2)
        np.testing.assert_allclose(error, spread, rtol=1e-6)
    again, _ = to_sampled(from_sampled(flux))  # they follow the prior: their flux comes again
    np.testing.assert_allclose(again, flux, atol=1e-5 * np.abs(flux).mean())
    with pytest.raises(ValueError, match="read-only"):
        matrix[0, 0] = 1


@needs_gaiaxpy
def test_round_trip_of_real_sources(many):
    """Flux comes back; coefficients do where the samples fix them."""
    flux, error = to_sampled(many)
    back = from_sampled(flux, source_id=many.source_id)
    np.testing.assert_array_equal(back.source_id, many.source_id)
    again = np.hstack([back.bp, back.rp]) @ design_matrix()
    worst = np.abs(again - flux).max(axis=1) / np.median(flux, axis=1)
    assert np.median(worst) < 2e-6 and worst.max() < 1e-4
    assert np.abs((again - flux) / error).max() < 1e-3
    first = np.abs(back.rp[:, 0] - many.rp[:, 0]) / many.rp_error[:, 0]
    assert np.median(first) < 0.1
    assert np.isnan(back.bp_error).all() and back.bp_correlations is None
    bright = np.median(flux / error, axis=1) > 30
    fitted = from_sampled(flux[bright][:100], error[bright][:100])
    again, spread = to_sampled(fitted)
    pull = (again - flux[bright][:100]) / error[bright][:100]
    assert np.sqrt(np.mean(pull**2)) < 0.3  # the prior pulls by less than the noise
    # The fit is known better than each sample, except where BP and RP overlap: that they are
    # correlated there is lost.
    apart = (SAMPLING < 634) | (SAMPLING > 644)
    assert np.all(spread[:, apart] < 1.01 * error[bright][:100][:, apart])


@needs_gaiaxpy
def test_from_sampled_with_gaps():
    flux, error = to_sampled(made_up(4))
    flux[1], flux[2, 100:120], error[3, :5] = np.nan, np.nan, 0
    for back in (from_sampled(flux), from_sampled(flux, error)):
        assert back.has_bp.tolist() == back.has_rp.tolist() == [True, False, True, True]
    again, _ = to_sampled(from_sampled(flux))
    whole = np.isfinite(flux)
    np.testing.assert_allclose(again[whole], flux[whole], rtol=1e-3, atol=1e-5 * np.nanmean(flux))
    with pytest.raises(SuiteError, match=r"shape \(n, 343\). Received \(1, 100\)"):
        from_sampled(np.ones(100))
    with pytest.raises(SuiteError, match=r"\(4, 343\) and \(1, 343\)"):
        from_sampled(flux, error[0])


@settings(max_examples=30, deadline=None)
@given(st.floats(1e-19, 1e-12), st.integers(0, 2**32 - 1))
def test_normalised(level, seed):
    rng = np.random.default_rng(seed)
    flux = level * rng.uniform(0.5, 2, (5, 343))
    error = 0.01 * flux
    flux[1, 7], flux[2] = np.nan, -flux[2]
    out, out_error, median = normalised(flux, error)
    good = [0, 3, 4]
    assert out.dtype == out_error.dtype == np.float32
    np.testing.assert_allclose(np.median(out[good], axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(out[good] * median[good, None], flux[good], rtol=1e-6)
    np.testing.assert_allclose(out_error[good], 0.01 * out[good], rtol=1e-5)
    assert np.isnan(out[[1, 2]]).all() and np.isnan(out_error[[1, 2]]).all()
    assert np.isnan(median[[1, 2]]).all()


def test_without_gaiaxpy_the_error_names_the_extra(monkeypatch):
    for name in [n for n in sys.modules if n.split(".")[0] == "gaiaxpy"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "gaiaxpy", None)
    with pytest.raises(UsageError, match=r'pip install -e "\.\[gaia\]"'):
        to_sampled(made_up(1))


def test_joined_coefficients_are_those_of_the_parts():
    first, second = made_up(3), made_up(2, 1, correlations=True)
    joined = XPCoefficients.concatenate([first, second])
    assert len(joined) == 5
    assert np.array_equal(joined.bp[3:], second.bp)
    assert np.array_equal(joined.source_id[:3], first.source_id)
    assert not joined.bp_correlations[:3].any()
    assert np.allclose(joined.rp_correlations[3:], second.rp_correlations)
    assert XPCoefficients.concatenate([first, first]).bp_correlations is None


@needs_gaiaxpy
def test_sampling_leaves_the_settings_of_figures_alone():
    for name in [m for m in sys.modules if m.split(".")[0] == "gaiaxpy"]:
        del sys.modules[name]
    with matplotlib.rc_context({"text.usetex": False}):  # whoever imported it before
        to_sampled(made_up())
        assert not matplotlib.rcParams["text.usetex"]
