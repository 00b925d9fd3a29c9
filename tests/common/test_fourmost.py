"""4MOST spectra in the ESO phase-3 layout."""

import numpy as np
import pytest
from astropy.io import fits

from common.errors import ReadError
from common.surveys import read, read_many

UNIT = "erg/(s*cm^2*Angstrom)"


def phase3(path, unit="Angstrom", factor=1.0):
    wave = np.linspace(3700, 9500, 30)
    columns = [
        fits.Column("WAVE", "30D", unit=unit, array=[wave * factor]),
        fits.Column("FLUX", "30D", unit=UNIT, array=[np.full(30, 4e-17)]),
        fits.Column("ERR_FLUX", "30D", unit=UNIT, array=[np.full(30, 2e-17)]),
        fits.Column("QUAL", "30J", array=[np.arange(30) == 7]),
    ]
    primary = fits.PrimaryHDU()
    primary.header.update(INSTRUME="QMOST", OBJECT="target-1", RA=12.5, DEC=-30.0)
    fits.HDUList([primary, fits.BinTableHDU.from_columns(columns)]).writeto(path)
    return wave


@pytest.mark.parametrize(("unit", "factor"), [("Angstrom", 1.0), ("nm", 0.1)])
def test_units_are_converted(tmp_path, unit, factor):
    wave = phase3(tmp_path / "a.fits", unit, factor)
    spectra = read(tmp_path / "a.fits")
    np.testing.assert_allclose(spectra.wavelength, wave)
    np.testing.assert_allclose(spectra.flux, 4.0, rtol=1e-6)
    np.testing.assert_allclose(spectra.ivar, 0.25, rtol=1e-6)
    assert list(spectra.ids) == ["target-1"]
    assert spectra.meta["snr"][0] == pytest.approx(2.0)
    assert (spectra.meta["ra"][0], spectra.meta["dec"][0]) == (12.5, -30.0)
    assert np.flatnonzero(spectra.mask[0]).tolist() == [7]
    assert (spectra.medium, spectra.frame) == ("vacuum", "barycentric")
    phase3(tmp_path / "b.fits", "Jy")
    with pytest.raises(ReadError, match="unit of column WAVE = 'Jy'"):
        read(tmp_path / "b.fits")


def test_table_of_many_with_common_wavelengths(tmp_path):
    wave = np.linspace(3700, 9500, 30)
    columns = [
        fits.Column("OBJECT", "12A", array=["a", "b", "c"]),
        fits.Column("CLASS", "12A", array=["ESN", "WAVES", "ClusB"]),
        fits.Column("Z", "D", array=[0.0, 0.1, 0.2]),
        fits.Column("SNR", "E", array=[3.0, 4.0, 5.0]),
        fits.Column("FLUX", "30E", unit=UNIT, array=np.outer([1, 2, 3], np.full(30, 1e-17))),
        fits.Column("ERR_FLUX", "30E", unit=UNIT, array=np.full((3, 30), 1e-18)),
        fits.Column("QUAL", "30B", array=np.zeros((3, 30))),
    ]
    table = fits.BinTableHDU.from_columns(columns, name="PHASE3SPECTRUM")
    grid = fits.BinTableHDU.from_columns([fits.Column("WAVE", "D", array=wave)], name="WAVE")
    fits.HDUList([fits.PrimaryHDU(), table, grid]).writeto(tmp_path / "m.fits")
    first, second = list(read_many(tmp_path, progress=False, chunk=2))
    np.testing.assert_allclose(first.wavelength, wave)
    assert [*first.ids, *second.ids] == ["a", "b", "c"]
    assert [*first.meta["class"], *second.meta["class"]] == ["ESN", "WAVES", "ClusB"]
    np.testing.assert_allclose(second.flux, 3, rtol=1e-6)
    np.testing.assert_allclose(second.ivar, 100, rtol=1e-5)
    assert (second.meta["z"][0], second.meta["snr"][0]) == (0.2, 5.0)


def test_real_simulated_quasar(shared_data):
    path = next((shared_data / "real/fourmost").glob("qso_*"))
    spectra = read(path)
    assert len(spectra.wavelength) == 23201
    with fits.open(path) as hdus:
        flux = hdus[1].data["FLUX"][0]
    np.testing.assert_allclose(spectra.flux[0], flux * 1e17, rtol=1e-6)
    assert 1 < spectra.meta["snr"][0] < 20
    stream = read_many(path.parent, progress=False)  # the instrument's curves are rejects
    assert sum(len(s) for s in stream) == 1 and len(stream.rejects) == 3
    assert all("curve over wavelength" in r["reason"] for r in stream.rejects)
