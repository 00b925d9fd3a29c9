"""Interpolation onto a grid."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from common.errors import SuiteError
from common.resample import EDGE, to_grid
from common.spectra import Spectra

finite = st.floats(-1e3, 1e3, width=32)


def batch(wave, flux, ivar=None):
    flux = flux if isinstance(flux, list) else np.atleast_2d(flux)
    return Spectra(wavelength=wave, flux=flux, ivar=ivar, ids=np.arange(len(flux)))


@st.composite
def waves(draw, low=3800.0, at_least=3):
    steps = draw(arrays(float, st.integers(at_least, 40), elements=st.floats(0.5, 50)))
    return draw(st.floats(low, low + 400)) + np.cumsum(steps)


@given(wave=waves(), grid=waves(), value=finite)
def test_lines_are_reproduced_and_covered_is_the_range_of_the_spectrum(wave, grid, value):
    flux, covered = to_grid(batch(wave, np.full(len(wave), value)), grid)
    assert np.all(flux[covered] == np.float32(value))
    assert np.all(flux[~covered] == 0)
    inside = (grid >= wave[0] * (1 - EDGE)) & (grid <= wave[-1] * (1 + EDGE))
    np.testing.assert_array_equal(covered[0], inside)
    flux, covered = to_grid(batch(wave, (wave - 4000) / 100), grid)
    np.testing.assert_allclose(flux[covered], ((grid - 4000) / 100)[covered[0]], atol=1e-4)


@settings(max_examples=50)
@given(data=st.data())
def test_batch_equals_row_by_row_and_ragged(data):
    wave, grid = data.draw(waves()), data.draw(waves())
    own = data.draw(arrays(np.float32, (3, len(wave)), elements=finite))
    out, covered = to_grid(batch(wave, own), wave)  # its own grid is the identity
    np.testing.assert_array_equal(out, own)
    assert covered.all()
    value = st.one_of(finite, st.sampled_from([np.nan, np.inf]))
    flux = data.draw(arrays(np.float32, (4, len(wave)), elements=value))
    out, covered = to_grid(batch(wave, flux), grid)
    ragged, ragged_covered = to_grid(batch([wave] * 4, list(flux)), grid)
    np.testing.assert_array_equal(out, ragged)
    np.testing.assert_array_equal(covered, ragged_covered)
    for row in range(4):
        one, one_covered = to_grid(batch(wave, flux[row]), grid)
        np.testing.assert_array_equal(one[0], out[row])
        np.testing.assert_array_equal(one_covered[0], covered[row])
    assert np.isfinite(out).all()


def test_agrees_with_numpy():
    rng = np.random.default_rng(3)
    wave = np.sort(rng.uniform(3900, 9100, 3000))
    flux = rng.normal(size=(5, 3000)).astype(np.float32)
    grid = np.linspace(4000, 9000, 5001)
    out, covered = to_grid(batch(wave, flux), grid)
    assert covered.all()
    np.testing.assert_allclose(out, [np.interp(grid, wave, f) for f in flux], atol=2e-6)


def test_bad_pixels_are_bridged_and_shorten_the_ends():
    wave = np.arange(10.0) + 4000
    flux = np.arange(10.0)
    flux[[0, 4, 5]] = np.nan, np.inf, np.nan
    out, covered = to_grid(batch(wave, flux), wave)
    np.testing.assert_allclose(out[0], np.r_[0, np.arange(1, 10)], atol=1e-6)
    assert list(np.flatnonzero(~covered[0])) == [0]
    out, covered = to_grid(batch(wave, np.full(10, np.nan)), wave)
    assert not covered.any() and not out.any()
    flux, ivar = np.ones(10), np.ones((1, 10))
    flux[2], ivar[0, 2] = 99, 0
    for nothing in (0, -1, np.nan, np.inf):  # pixels without weight are bridged, unless not wanted
        ivar[0, 2] = nothing
        spectra = batch(wave, flux, ivar)
        assert to_grid(spectra, wave)[0][0, 2] == 1
        assert to_grid(spectra, wave, bridge=False)[0][0, 2] == 99


@pytest.mark.parametrize("grid", [[4000, 3999.0], [4000, np.nan], [], [[1.0, 2.0]]])
def test_unusable_grids_are_refused(grid):
    with pytest.raises(SuiteError, match="grid must"):
        to_grid(batch(np.arange(5.0) + 4000, np.ones(5)), grid)
