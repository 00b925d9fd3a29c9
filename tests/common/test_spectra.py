"""Spectra: lengths, picking, joining, and the way to and from specutils."""

import numpy as np
import pandas as pd
import pytest

from common.errors import SuiteError
from common.spectra import Spectra


def make(n=3, m=8, ragged=False, **options):
    wave = np.linspace(4000, 5000, m)
    flux, ivar = np.arange(n * m, dtype=np.float32).reshape(n, m) + 1, np.ones((n, m))
    if ragged:
        wave, flux, ivar = [wave] * n, list(flux), list(ivar)
    meta = pd.DataFrame({"z": np.arange(n) / 10})
    ids = [f"s{i}" for i in range(n)]
    return Spectra(wavelength=wave, flux=flux, ivar=ivar, ids=ids, meta=meta, **options)


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("rows", [slice(1, 3), [0, 2], np.array([True, False, True]), 1])
def test_rows_are_picked_together(ragged, rows):
    spectra = make(ragged=ragged)
    chosen = spectra[rows]
    want = np.atleast_1d(np.arange(3)[rows])
    assert list(chosen.ids) == [f"s{i}" for i in want]
    np.testing.assert_array_equal(chosen.meta["z"], want / 10)
    np.testing.assert_array_equal(np.stack(list(chosen.flux)), np.stack(list(spectra.flux))[want])
    assert list(chosen.meta.index) == list(range(len(want)))


def test_joining_one_grid_and_two():
    joined = Spectra.concatenate([make(), make()])
    assert not joined.is_ragged and joined.flux.shape == (6, 8)
    mixed = Spectra.concatenate([make(), make(m=5)])
    assert mixed.is_ragged
    for rows in (mixed.wavelength, mixed.flux):
        assert [len(row) for row in rows] == [8, 8, 8, 5, 5, 5]


def test_what_makes_no_sense_is_refused():
    for change in ({"medium": "water"}, {"frame": "lunar"}):
        with pytest.raises(SuiteError, match=f"{next(iter(change))} must be one of"):
            make(**change)
    for shape, message in (((1, 4), "equal lengths"), ((2, 3), "flux must have one row for each")):
        with pytest.raises(SuiteError, match=message):
            Spectra(wavelength=np.arange(3.0), flux=np.ones(shape), ivar=None, ids=["a"])
    with pytest.raises(SuiteError, match="medium"):
        Spectra.concatenate([make(), make(medium="air")])
    with pytest.raises(SuiteError, match="no spectra"):
        Spectra.concatenate([])


@pytest.mark.parametrize("ragged", [False, True])
def test_to_specutils_and_back(ragged):
    pytest.importorskip("specutils")
    spectra = make(ragged=ragged)
    objects = spectra.to_specutils()
    assert len(objects) == 3
    assert objects[1].meta["id"] == "s1"
    back = Spectra.from_specutils(objects, medium="vacuum", frame="heliocentric")
    assert list(back.ids) == list(spectra.ids)
    np.testing.assert_allclose(back.wavelength, np.linspace(4000, 5000, 8))
    np.testing.assert_allclose(back.flux, np.stack(list(spectra.flux)))
    np.testing.assert_allclose(back.ivar, 1)
    np.testing.assert_allclose(back.meta["z"], spectra.meta["z"])
    assert back.unit == spectra.unit


def test_specutils_units_are_converted():
    specutils = pytest.importorskip("specutils")
    from astropy import units as u
    from astropy.nddata import StdDevUncertainty

    one = specutils.Spectrum(
        spectral_axis=np.linspace(400, 500, 5) * u.nm,
        flux=np.full(5, 2e-17) * u.Unit("erg / (s cm2 Angstrom)"),
        uncertainty=StdDevUncertainty(np.full(5, 1e-17)),
    )
    spectra = Spectra.from_specutils(one, ["x"], medium="air", frame="rest")
    np.testing.assert_allclose(spectra.wavelength, np.linspace(4000, 5000, 5))
    np.testing.assert_allclose(spectra.flux, 2, rtol=1e-6)
    np.testing.assert_allclose(spectra.ivar, 1, rtol=1e-6)
    assert (spectra.medium, spectra.frame) == ("air", "rest")
