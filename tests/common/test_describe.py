"""`python -m common.surveys`, broken files told as what they are, and every real file."""

import json
from fnmatch import fnmatch

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from common.errors import ReadError
from common.surveys import read
from common.surveys.__main__ import main
from common.surveys.describe import describe
from tests.common.test_apogee import aspcap
from tests.common.test_desi import coadd_hdus
from tests.common.test_sdss import spec_hdus, table_hdus
from tests.solarlike_distance import toy

GRID = [("COEFF0", 3.6), ("COEFF1", 1e-4)]
# Of the real files that no reader is for: the reason that is to be found.
TRUE_REASONS = {
    "med-*": "a LAMOST medium-resolution spectrum",
    "efficiency_*": "curve over wavelength",
    "sky_*.fits.gz": "curve over wavelength",
    "sdss/index.csv": "a table of no known catalogue (columns: plate, mjd, fiber",
}


def without(hdus, number, *names, where=None):
    """Return HDUs, one of them without some columns or cards."""
    for name in names if where == "header" else ():
        hdus[number].header.remove(name, ignore_missing=True)
    if where != "header":
        old = hdus[number]
        kept = [column for column in old.columns if column.name not in names]
        hdus[number] = fits.BinTableHDU.from_columns(kept, name=old.name)
        for card in ("COEFF0", "COEFF1"):
            if card in old.header:
                hdus[number].header[card] = old.header[card]
    return hdus


def loaded(path):
    with fits.open(path, memmap=False) as hdus:
        return fits.HDUList([hdu.copy() for hdu in hdus])


def lamost(tmp_path):
    return loaded(toy.write_table(tmp_path / "whole.fits", toy.stars(2), ormask=False))


BROKEN = {
    "sdss": (lambda p: without(spec_hdus(), 1, "ivar"), "SDSS spec.*no column ivar in HDU 1"),
    "sdss table": (lambda p: without(table_hdus(header=GRID), 1, "PLATE", "CLASS"),
                   "table of SDSS spectra.*no column (CLASS|PLATE)"),
    "desi": (lambda p: without_hdus(coadd_hdus(), "FIBERMAP"), "DESI co-add: no HDU FIBERMAP"),
    "lamost": (lambda p: without(lamost(p), 1, "IVAR"), "LAMOST.*no column IVAR"),
    "lamost card": (lambda p: without(lamost(p), 0, "TELESCOP", "ORIGIN", where="header"),
                    "LAMOST.*no card TELESCOP or ORIGIN"),
    "desi table": (lambda p: table(FLUX=np.ones((3, 9)), VALID=np.ones((3, 9), bool)),
                   "normalised DESI spectra.*no column Z"),
    "aspcap": (lambda p: loaded(aspcap(p / "whole.fits"))[:4], "aspcapStar.*4 HDUs of five"),
    "apstar": (lambda p: apstar()[:2], "apStar.*no images of one length"),
    "rvs": (lambda p: table(source_id=[1, 2], flux=np.ones((2, 2401))),
            "Gaia RVS mean spectra: no column flux_error"),
    "xp": (lambda p: table(source_id=[1], bp_coefficients=np.ones((1, 55))),
           "XP continuous .*no column rp_coefficients"),
}  # fmt: skip


def without_hdus(hdus, name):
    return fits.HDUList([hdu for hdu in hdus if hdu.name != name])


def table(**columns):
    return fits.HDUList([fits.PrimaryHDU(), fits.table_to_hdu(Table(columns))])


def apstar(bits=0, wave=4.179):
    flux = np.stack([np.linspace(1, 2, 60), np.full(60, 9.0)]).astype("f4")
    mask = np.zeros((2, 60), "i4")
    mask[0, 5] = bits
    primary = fits.PrimaryHDU()
    primary.header.update({"OBJID": "2M1", "NVISITS": 2, "VHELIO": -12.5, "SNR": 80.0, "RA": 3.0})
    images = [fits.ImageHDU(values) for values in (flux, flux / 50, mask)]
    for image in images:
        image.header.update({"CRVAL1": wave, "CDELT1": 6e-6, "CRPIX1": 1})
    return fits.HDUList([primary, *images])


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_told_as_what_it_is(tmp_path, name):
    make, reason = BROKEN[name]
    make(tmp_path).writeto(tmp_path / "a.fits")
    with pytest.raises(ReadError, match=f"a broken .*{reason}"):
        read(tmp_path / "a.fits")


def test_apstar_is_the_combination_of_the_visits(tmp_path):
    apstar(bits=1).writeto(tmp_path / "a.fits")
    spectra = read(tmp_path / "a.fits")
    about = spectra.meta.iloc[0]
    assert spectra.ids.tolist() == ["2M1"] and spectra.frame == "rest"
    assert (about["visits"], about["vhelio"], about["snr"]) == (2, -12.5, 80)
    np.testing.assert_allclose(spectra.wavelength, 10 ** (4.179 + 6e-6 * np.arange(60)))
    np.testing.assert_allclose(spectra.flux[0], np.linspace(1, 2, 60), rtol=1e-6)
    assert np.flatnonzero(spectra.mask[0]).tolist() == [5] and spectra.ivar[0, 5] == 0
    np.testing.assert_allclose(
        spectra.ivar[0, 6:], 2500 / np.linspace(1, 2, 60)[6:] ** 2, rtol=1e-4
    )
    apstar(bits=1 << 12).writeto(tmp_path / "b.fits")  # a sky line is no defect
    assert not read(tmp_path / "b.fits").mask.any()


def test_matrix_of_spectra(tmp_path):
    flux = np.arange(1, 13, dtype="f4").reshape(3, 4)
    sigma = np.full((3, 4), 2, "f4")
    sigma[1, 2] = 0
    hdus = [
        fits.PrimaryHDU(),
        fits.CompImageHDU(flux, name="FLUX", quantize_level=-0.001),
        fits.ImageHDU(sigma, name="SIGMA"),
        fits.ImageHDU(np.arange(400, 404.0), name="WAVE"),
        fits.BinTableHDU(Table({"NAME": ["a", "b", ""], "Z": [3.0, 4.0, 5.0]}), name="LABELS"),
    ]
    hdus[3].header["BUNIT"] = "nm"
    hdus[1].header["BUNIT"] = "1e-17 erg/s/cm2/Angstrom"
    fits.HDUList(hdus).writeto(tmp_path / "m.fits")
    spectra = read(tmp_path / "m.fits")
    assert spectra.ids.tolist() == ["a", "b", "m-2"] and spectra.meta["z"].tolist() == [3, 4, 5]
    np.testing.assert_allclose(spectra.wavelength, [4000, 4010, 4020, 4030])
    np.testing.assert_allclose(spectra.flux, flux, atol=0.01)
    assert spectra.ivar[1].tolist() == [0.25, 0.25, 0, 0.25]


def test_one_block_a_file_and_the_exit_status(tmp_path, capsys):
    spec_hdus(CLASS="QSO", Z=1.5).writeto(tmp_path / "a.fits")
    assert main([str(tmp_path)]) == 0
    text = capsys.readouterr().out
    for part in ("SDSS spec or spec-lite file", "vacuum, heliocentric", "1 QSO", "1 known, 1.5"):
        assert part in text
    (tmp_path / "b.csv").write_text("source_id,parallax,phot_g_mean_mag\n5,1,2\n6,1,2\n")
    (tmp_path / "c.fits").write_bytes(b"SIMPLE  = nothing")
    assert main(["--json", str(tmp_path)]) == 1
    out = capsys.readouterr()
    a, b, c = (json.loads(line) for line in out.out.splitlines())
    assert (a["kind"], a["spectra"], a["labels"]["class"]) == ("spectra", 1, {"QSO": 1})
    assert (b["kind"], b["rows"], b["survey"]) == ("table", 2, "Gaia gaia_source")
    assert "damaged" in c["error"] and "1 of 3 files cannot be read" in out.err


def test_tables_are_told_from_each_other(tmp_path):
    cases = {
        "targetid,z,zwarn,spectype\n1,2,0,QSO\n": "DESI redshifts",
        "obsid,teff,logg,feh\n1,5777,4.4,0\n": "LAMOST catalogue",
        "id,z,log_mass\n1,2,10\n": "labels of MOONS",
        "source_id,teff_gspspec\n1,5000\n": "GSP-Spec",
    }
    for text, survey in cases.items():
        (tmp_path / "a.csv").write_text(text)
        about = describe(tmp_path / "a.csv")
        assert about["survey"].startswith(survey) or survey in about["survey"]
        assert about["rows"] == 1 and set(about["columns"]) <= set(text.split("\n")[0].split(","))


def _expected(path):
    name = f"{path.parent.name}/{path.name}"
    return next((r for p, r in TRUE_REASONS.items() if fnmatch(path.name, p) or name == p), None)


def _check(files):
    for path in files:
        reason = _expected(path)
        if reason is None:
            about = describe(path)
            assert about.get("usable", about.get("rows")) > 0, path
        else:
            with pytest.raises(ReadError) as caught:
                describe(path)
            assert reason in str(caught.value)


def test_real_files_are_identified(shared_data):
    """All but the folders of many alike, of which every thirtieth; all of them under --slow."""
    files = sorted(p for p in (shared_data / "real").rglob("*") if p.is_file())
    alike = [p for p in files if p.parent.name == "spec"]
    large = [p for p in files if p.stat().st_size > 5e6]
    assert len(alike) == 404 and len(large) == 3
    _check([p for p in files if p not in alike and p not in large] + alike[::30])


@pytest.mark.slow
def test_all_real_files_are_identified(shared_data):
    _check(sorted(p for p in (shared_data / "real").rglob("*") if p.is_file()))
