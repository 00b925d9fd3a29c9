"""Spectrum files made after public bug reports: each gives what is right, or the true reason."""

import numpy as np
import pytest
from astropy.io import fits

from common.errors import ReadError
from common.surveys import read, read_many
from common.surveys.gaia_rvs import WAVELENGTH, read_rvs

LOG = 10 ** (3.574 + 1e-4 * np.arange(3900))
LINEAR = 3700 + 1.4 * np.arange(3900)
LAMOST = 10 ** (3.5682 + 1e-4 * np.arange(3909))
TABLE = [f"9002-58002-{fibre:04d}" for fibre in (1, 2, 3, 4)]
RVS = "5853498713190525697"


@pytest.fixture(scope="module")
def inputs(shared_data):
    folder = shared_data / "inputs"
    if not folder.is_dir():
        pytest.skip(f"no inputs at {folder}")
    return folder


@pytest.mark.parametrize(
    ("name", "ids", "wave"),
    [
        ("sdss/spec-9001-58001-0019.fits", ["9001-58001-0019"], LOG[:3860]),
        ("sdss/garbage_under_ivar_0.fits", ["9001-58001-0032"], LOG[:3860]),
        ("sdss/crpix.fits", TABLE, LINEAR),
        ("sdss/log.fits", TABLE, LOG),
        ("sdss/wave_nm.fits", TABLE, LOG),
        ("sdss/spec-vector.fits", ["spec-vector"], LOG[:3860]),
        ("sdss/mwmStar-0.6.0-54459273.fits", ["54459273"],
         10 ** (3.5523 + 1e-4 * np.arange(4648))),
        ("desi/coadd-main-dark-3.fits", [f"3962770081343923{i}" for i in (5, 6, 7)],
         3600 + 0.8 * np.arange(7781)),
        ("fourmost/Angstroms.fits", ["T5"], 3700 + 0.25 * np.arange(23000)),
        ("fourmost/nounit_nm.fits", ["T14"], 3700 + 0.25 * np.arange(23000)),
        *((f"lamost/spec-58575-TEST01_sp03-0{i}.fits", [f"9000000{i}"], LAMOST)
          for i in (15, 20, 24, 25, 28, 32, 33, 37)),
        ("lamost/spec-58575-TEST01_sp03-014.fits.fz", ["900000014"], LAMOST),
        ("lamost/stack_obsid_float.fits", ["900000034", "900000035", "900000036"], LAMOST),
    ],
)  # fmt: skip
def test_ids_and_wavelengths(inputs, name, ids, wave):
    stream = read_many(inputs / name, progress=False)
    (spectra,) = list(stream)
    assert spectra.ids.tolist() == ids and stream.rejects == []
    np.testing.assert_allclose(spectra.wavelength_of(0), wave, rtol=2e-6)


def test_each_row_has_its_own_grid(inputs):
    spectra = read(inputs / "sdss/own_grids.fits")
    with fits.open(inputs / "sdss/own_grids.fits") as hdus:
        own = hdus[1].data["wavelength"]
        assert len(np.unique(own[:, 0])) == 4
        for row in range(4):
            np.testing.assert_array_equal(spectra.wavelength_of(row), own[row])


def test_values_beside_the_wavelengths(inputs):
    unsigned = read(inputs / "sdss/spec-9001-58001-0019.fits")
    with fits.open(inputs / "sdss/spec-9001-58001-0019.fits") as hdus:
        np.testing.assert_array_equal(unsigned.mask[0], hdus[1].data["and_mask"] != 0)
    assert unsigned.meta["zwarn"][0] == 0 and unsigned.meta["class"][0] == "GALAXY"
    for number in (24, 25):
        path = inputs / f"lamost/spec-58575-TEST01_sp03-0{number}.fits"
        assert read(path).medium == "air"
        assert read(path).in_vacuum().wavelength_of(0)[0] == pytest.approx(3701.04, abs=0.02)
    assert read(inputs / "lamost/spec-58575-TEST01_sp03-020.fits").meta["z"][0] == 0.0001
    dead = read(inputs / "lamost/spec-58575-TEST01_sp03-015.fits").meta.iloc[0]
    assert np.isnan(dead["lasp_rv_err"]) and dead["z"] == 0.0001 and dead["class"] == "STAR"
    stack = read(inputs / "lamost/stack_obsid_float.fits").meta["z"]
    np.testing.assert_array_equal(stack, (0.0001, np.nan, 0.0002))


def test_topocentric_wavelengths_are_refused(inputs):
    with pytest.raises(ReadError, match=r"telescope \(SPECSYS = 'TOPOCENT'\) and no HELIO_RV"):
        read(inputs / "fourmost/topocent_air.fits")


def test_arm_files_in_capitals_are_one_spectrum_and_no_reject(inputs):
    stream = read_many(inputs / "moons", progress=False)
    (spectra,) = list(stream)
    assert spectra.ids.tolist() == ["OBJ"] and stream.rejects == []
    assert len(spectra.wavelength) == 12217


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("rvs_crlf.csv", [RVS]),
        (f"RVS-Gaia DR3 {RVS}.fits", [RVS]),
        (f"RVS-Gaia DR3 {RVS}.ecsv", [RVS]),
        ("RVS_COMBINED.fits", [RVS, "5762406957886626817"]),
    ],
)
def test_rvs_spectra_of_datalink(inputs, name, ids):
    spectra = read_rvs(inputs / "gaia" / name)
    assert spectra.ids.tolist() == ids
    np.testing.assert_array_equal(spectra.wavelength, WAVELENGTH)
    assert spectra.flux[0, 0] == pytest.approx(0.9994873)
