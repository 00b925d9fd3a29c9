"""What cannot be read: each gets its message, and costs a reject and not the run."""

import gzip
import io
import os
from unittest.mock import Mock

import numpy as np
import pytest
from astropy.io import fits

from common.errors import ReadError, SuiteError, UsageError
from common.surveys import find_files, read, read_many
from tests.common.test_sdss import spec_hdus, table_hdus


def whole(hdus=None, **options):
    """Return the bytes of a file of one spectrum, or of other HDUs."""
    file = io.BytesIO()
    (hdus or spec_hdus(**options)).writeto(file)
    return file.getvalue()


def step_back():
    hdus = spec_hdus()
    hdus[1].data["loglam"][20] = 3.6
    return hdus


LONG = whole(n=4000)
ZIPPED = gzip.compress(LONG)
PHOTO = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.zeros((5, 5)), name="PHOTO")])
GRID = {"COEFF0": 3.6, "COEFF1": 1e-4}
BAD = {
    "truncated": (LONG[:30000], "damaged or truncated"),
    "header": (whole()[:3000], "damaged or truncated"),
    "half a gzip": (ZIPPED[: len(ZIPPED) // 2], "gzip stream is damaged or truncated"),
    "bad gzip": (ZIPPED[:500] + bytes(100) + ZIPPED[600:], "gzip stream is damaged or truncated"),
    "empty": (b"", "the file is empty"),
    "text": (b"wavelength flux\n4000 1.0\n", r"not a FITS file: it starts with b'wavel"),
    "html": (b"<!DOCTYPE html><title>404", r"not a FITS file: it starts with b'<!DOC"),
    "photo": (whole(PHOTO), r"without spectra in a known layout .*PHOTO.*allowed: SDSS spec"),
    "NaN": (whole(flux=np.full(50, np.nan)), "flux is NaN everywhere"),
    "zero": (whole(flux=np.zeros(50)), "flux is zero everywhere"),
    "no weight": (whole(ivar=np.zeros(50)), "ivar is zero everywhere"),
    "step back": (whole(step_back()), "wavelength does not increase"),
    "no rows": (whole(table_hdus(n=0, header=GRID)), "the file holds no spectra"),
    "no pixels": (whole(n=0), "no pixels"),
}


@pytest.mark.parametrize("kind", BAD)
def test_each_bad_file_has_its_message(tmp_path, kind):
    path = tmp_path / "bad.fits"
    path.write_bytes(BAD[kind][0])
    with pytest.raises(ReadError, match=BAD[kind][1]) as caught:
        read(path)
    assert str(path) in str(caught.value) and "allowed:" in str(caught.value)


def test_bad_files_cost_rejects_and_not_the_run(tmp_path):
    bad = [tmp_path / f"{number:02d}.fits" for number in range(len(BAD))]
    for path, (content, _) in zip(bad, BAD.values(), strict=True):
        path.write_bytes(content)
    spec_hdus().writeto(tmp_path / "good.fits")
    rejects = []
    stream = read_many(tmp_path, progress=False, rejects=rejects)
    (spectra,) = list(stream)
    assert list(spectra.ids) == ["3586-55181-0004"]
    assert stream.rejects is rejects and all(r["reason"] for r in rejects)
    assert [r["file"] for r in rejects] == [str(path) for path in bad]


def test_every_cut_of_a_file_is_read_whole_or_refused(tmp_path):
    """Wherever a transfer stopped, the result is the spectrum or a ReadError."""
    content = whole(n=300)
    (tmp_path / "whole.fits").write_bytes(content)
    flux = read(tmp_path / "whole.fits").flux
    for size in range(1, len(content), 997):
        (tmp_path / "cut.fits").write_bytes(content[:size])
        try:
            spectra = read(tmp_path / "cut.fits")
        except ReadError:
            continue
        np.testing.assert_array_equal(spectra.flux, flux)
        assert size > 2880 * 3  # the co-add is whole


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(ReadError, match="no such file"):
        read(tmp_path / "no.fits")
    with pytest.raises(ReadError, match="this is a folder"):
        read(tmp_path)
    with pytest.raises(UsageError, match="no such file or folder"):
        find_files([tmp_path / "no"])
    with pytest.raises(UsageError, match="No files given"):
        find_files([])


def test_unreadable_file(tmp_path, monkeypatch):
    spec_hdus().writeto(tmp_path / "a.fits")
    refuse = Mock(side_effect=PermissionError(13, "Permission denied"))
    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(ReadError, match="may not be read"):
        read(tmp_path / "a.fits")


def test_unreadable_folder(tmp_path, monkeypatch):
    (tmp_path / "inner").mkdir()
    spec_hdus().writeto(tmp_path / "a.fits")
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("inner"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UsageError, match=r"inner: the folder may not be read.*chmod"):
        find_files(tmp_path)


def test_folder_without_spectra(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "redrock-1.fits").write_text("x")
    with pytest.raises(UsageError, match=r"no spectrum files.*\.fits\.gz"):
        find_files(tmp_path)


def test_find_files_recurses_and_keeps_order(tmp_path):
    for name in ("b/2.fits.gz", "b/1.fits", "a/x.FIT", "QSO_cat_1.fits", "c.fits.fz", "d.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    found = find_files([tmp_path / "d.csv", tmp_path, tmp_path / "b"])
    names = [str(p.relative_to(tmp_path)) for p in found]
    assert names == ["d.csv", "c.fits.fz", "a/x.FIT", "b/1.fits", "b/2.fits.gz"]


def test_duplicate_ids_are_reported_once_each(tmp_path):
    for name, z in (("a", 0.1), ("b", 0.2), ("c", 0.3)):
        spec_hdus(Z=z).writeto(tmp_path / f"{name}.fits")
    stream = read_many(tmp_path, progress=False)
    (spectra,) = list(stream)
    assert spectra.meta["z"].tolist() == [0.1]
    assert [r["file"][-6:] for r in stream.rejects] == ["b.fits", "c.fits"]
    assert all("duplicate id: first seen in" in r["reason"] for r in stream.rejects)
    (kept,) = list(read_many(tmp_path, progress=False, duplicates="keep"))
    assert kept.meta["z"].tolist() == [0.1, 0.2, 0.3]


def test_rows_of_a_table_are_judged_one_by_one(tmp_path):
    hdus = table_hdus(n=6, header=GRID)
    hdus[1].data["flux"][1] = np.nan
    hdus[1].data["ivar"][4] = 0
    hdus.writeto(tmp_path / "t.fits")
    stream = read_many(tmp_path / "t.fits", progress=False)
    assert [len(s) for s in stream] == [4]
    assert [(r["id"], r["reason"]) for r in stream.rejects] == [
        ("0266-51602-0002", "flux is NaN everywhere"),
        ("0266-51602-0005", "ivar is zero everywhere"),
    ]


def test_labels_can_be_demanded(tmp_path):
    spec_hdus(FIBERID=1, CLASS="").writeto(tmp_path / "a.fits")
    spec_hdus(FIBERID=2, Z=float("nan")).writeto(tmp_path / "b.fits")
    spec_hdus(FIBERID=3).writeto(tmp_path / "c.fits")
    stream = read_many(tmp_path, progress=False, labels=True)
    assert [list(s.ids) for s in stream] == [["3586-55181-0003"]]
    reasons = [r["reason"] for r in stream.rejects]
    assert reasons == ["no label: class unknown", "no label: redshift unknown"]


@pytest.mark.parametrize("options", [{"duplicates": "maybe"}, {"chunk": 0}])
def test_unknown_options(tmp_path, options):
    spec_hdus().writeto(tmp_path / "a.fits")
    with pytest.raises(SuiteError, match="Received"):
        read_many(tmp_path, **options)


def test_medium_resolution_lamost_is_refused(shared_data):
    with pytest.raises(ReadError, match=r"medium-resolution.*allowed: low-resolution"):
        read(next((shared_data / "real/lamost_mrs").glob("*.gz")))


def test_a_spectrum_that_ends_early_keeps_its_range(tmp_path):
    loglam_7000 = round((np.log10(7000) - 3.58) * 1e4)
    spec_hdus(n=loglam_7000, first=3.58).writeto(tmp_path / "short.fits")
    assert read(tmp_path / "short.fits").wavelength[-1] == pytest.approx(7000, abs=2)


def test_text_without_its_closing_quote_in_a_header(tmp_path):
    content = whole()
    at = content.index(b"TFORM3  = 'E       '")
    (tmp_path / "a.fits").write_bytes(content[: at + 19] + b" " + content[at + 20 :])
    assert np.isfinite(read(tmp_path / "a.fits").ivar).all()


def test_damaged_header_of_a_table(tmp_path):
    content = whole(table_hdus(header=GRID))
    (tmp_path / "a.fits").write_bytes(content.replace(b"TFORM3  = 'J", b"TFORM3  =\xff'J"))
    with pytest.raises(ReadError, match="damaged"):
        read(tmp_path / "a.fits")
