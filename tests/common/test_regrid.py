"""Air and vacuum by published values; regridding keeps constants, integrals and errors."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.air import air_to_vacuum, vacuum_to_air
from common.errors import UsageError
from common.regrid import edges_of, overlap, regrid
from common.resample import to_grid
from common.spectra import Spectra
from tests.common.test_resample import batch, finite, waves


def test_air_and_vacuum_by_the_lines_that_sdss_lists():
    """https://classic.sdss.org/dr7/products/spectra/vacwavelength.html, to the digits given."""
    air = np.array([4861.363, 4958.911, 5006.843, 6562.801, 6583.45, 6716.44, 6730.82])
    vacuum = np.array([4862.721, 4960.295, 5008.239, 6564.614, 6585.27, 6718.29, 6732.68])
    np.testing.assert_allclose(air_to_vacuum(air), vacuum, atol=0.005)
    np.testing.assert_allclose(vacuum_to_air(vacuum), air, atol=0.005)
    assert air_to_vacuum(6056.125) == pytest.approx(6057.8019, abs=2e-4)  # IDL's AIRTOVAC


@given(st.floats(2001, 20000))
def test_the_index_is_that_of_birch_and_downs_and_the_way_back_is_exact(vacuum):
    """Birch & Downs (1994) by Morton (2000), Eq. 8; Ciddor (1996), Eq. 1, is 1 mÅ from it."""
    s2 = (1e4 / vacuum) ** 2
    ciddor = 1e-8 * (5792105 / (238.0185 - s2) + 167917 / (57.362 - s2))
    birch = 8.34254e-5 + 2.406147e-2 / (130 - s2) + 1.5998e-4 / (38.9 - s2)
    air = vacuum_to_air(vacuum)
    assert air_to_vacuum(air) == pytest.approx(vacuum, rel=1e-14)
    assert vacuum / air - 1 == pytest.approx(birch, abs=4e-9)
    assert air * (1 + ciddor) == pytest.approx(vacuum, abs=1e-3)


def test_below_2000_angstrom_there_is_no_air_and_the_order_stays():
    wave = np.arange(800.0, 2100.0, 0.5)
    for convert in (air_to_vacuum, vacuum_to_air):
        new = convert(wave)
        assert np.array_equal(new[wave < 1999], wave[wave < 1999])
        assert not np.any(new[wave > 2001] == wave[wave > 2001])
    assert np.all(np.diff(air_to_vacuum(wave)) > 0)
    assert air_to_vacuum(1900.0) == 1900.0


@settings(max_examples=50)
@given(wave=waves(), grid=waves(), value=finite, method=st.sampled_from(["conserve", "linear"]))
def test_a_constant_stays_one_and_errors_shrink_by_averaging_alone(wave, grid, value, method):
    ivar = np.full((1, len(wave)), 4.0)
    out = regrid(batch(wave, np.full(len(wave), value), ivar), grid, method=method)
    known = out.ivar[0] > 0
    np.testing.assert_allclose(out.flux[0, known], value, rtol=1e-6, atol=1e-6)
    assert not out.flux[0, ~known].any() and np.array_equal(out.mask[0], ~known)
    assert np.all(out.ivar[0, known] >= 4 * (1 - 1e-6))  # a mean is not worse than one pixel


@settings(max_examples=50)
@given(wave=waves(), grid=waves(), seed=st.integers(0, 99))
def test_integrals_over_whole_pixels_are_kept(wave, grid, seed):
    """Against the integral of the step function, at the edges of the grid's pixels."""
    flux = np.random.default_rng(seed).normal(size=len(wave))
    out = regrid(batch(wave, flux), grid)
    own, new = edges_of(wave), edges_of(grid)
    integral = np.concatenate([[0], np.cumsum(flux * np.diff(own))])
    whole = (new[:-1] >= own[0]) & (new[1:] <= own[-1])
    expected = np.diff(np.interp(new, own, integral)) / np.diff(new)
    np.testing.assert_allclose(out.flux[0, whole], expected[whole], rtol=1e-5, atol=1e-5)
    total = overlap(wave, grid).sum(axis=0)  # no Å is counted twice
    assert np.all(total <= np.diff(own) * (1 + 1e-9))


@given(wave=waves(), seed=st.integers(0, 99), method=st.sampled_from(["conserve", "linear"]))
@settings(max_examples=30)
def test_its_own_grid_changes_nothing_and_halving_pixels_goes_and_comes(wave, seed, method):
    rng = np.random.default_rng(seed)
    flux, ivar = rng.normal(size=(2, len(wave))), rng.uniform(0.1, 9, (2, len(wave)))
    spectra = batch(wave, flux.astype("f4"), ivar.astype("f4"))
    same = regrid(spectra, wave, method=method)
    np.testing.assert_allclose(same.flux, spectra.flux, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(same.ivar, spectra.ivar, rtol=1e-5)
    if method == "conserve":  # each pixel cut in two, on an even grid, and put together again
        even = 4000 + 2.0 * np.arange(len(wave))
        fine = 3999.5 + np.arange(2 * len(wave))
        there = regrid(replace(spectra, wavelength=even), fine)
        back = regrid(there, even)
        np.testing.assert_allclose(back.flux, spectra.flux, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("method", ["conserve", "linear"])
def test_errors_are_those_of_many_draws(method):
    rng = np.random.default_rng(5)
    wave, grid = np.arange(4000.0, 4060), np.arange(4003.3, 4050, 2.7)
    ivar = rng.uniform(0.2, 5, len(wave))
    draws = rng.normal(size=(4000, len(wave))) / np.sqrt(ivar)
    out = regrid(batch(wave, draws, np.tile(ivar, (4000, 1))), grid, method=method)
    np.testing.assert_allclose(out.flux.var(axis=0), 1 / out.ivar[0], rtol=0.12)


@pytest.mark.parametrize("method", ["conserve", "linear"])
@pytest.mark.parametrize("ragged", [False, True])
def test_pixels_without_weight_count_for_nothing(method, ragged):
    wave = np.arange(4000.0, 4020)
    flux, ivar = np.full((2, 20), 3.0, "f4"), np.ones((2, 20), "f4")
    flux[0, 5:9], ivar[0, 5:9] = 1e6, 0
    flux[1, 2] = np.nan
    spectra = batch(wave, flux, ivar)
    if ragged:
        spectra = replace(spectra, wavelength=[wave] * 2, flux=list(flux), ivar=list(ivar))
    out = regrid(spectra, np.arange(4000.5, 4019, 2), method=method)
    known = out.ivar > 0
    np.testing.assert_allclose(out.flux[known], 3, rtol=1e-6)
    if method == "conserve":  # the pixel between 4006 and 4008 is not known at all
        assert np.flatnonzero(~known[0]).tolist() == [3] and known[1].all()
    else:
        np.testing.assert_array_equal(known, to_grid(spectra, out.wavelength)[1])


def test_without_errors_what_is_not_known_is_nan_and_bad_calls_are_told():
    out = regrid(batch(np.arange(4000.0, 4010), np.ones(10)), [3980.0, 4004, 4005, 4006, 4060])
    assert out.ivar is None and np.isnan(out.flux[0]).tolist() == [True, True, False, True, True]
    empty = regrid(Spectra(np.arange(3.0), np.zeros((0, 3)), None, []), [1.0, 2.0])
    assert len(empty) == 0
    with pytest.raises(UsageError, match="method must be one of"):
        regrid(out, [1.0, 2.0], method="cubic")
    with pytest.raises(UsageError, match="one wavelength"):
        regrid(out, [1.0])
