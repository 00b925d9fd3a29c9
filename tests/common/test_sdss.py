"""SDSS spec files and one-table forms, real and made here."""

import gzip
import io

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import ReadError
from common.surveys import read, read_many
from common.surveys.columns import native
from common.surveys.quick import quick_hdus
from common.surveys.sdss import sdss_ids, snap


def spec_hdus(n=50, first=3.6, flux=None, ivar=None, **row):
    """A spec file as the pipeline lays it out, with the pipeline's row in HDU 2."""
    columns = [
        fits.Column("flux", "E", array=np.arange(n) + 1.0 if flux is None else flux),
        fits.Column("loglam", "E", array=first + 1e-4 * np.arange(n)),
        fits.Column("ivar", "E", array=np.ones(n) if ivar is None else ivar),
        fits.Column("and_mask", "J", array=np.arange(n) == 3),
    ]
    row = {"CLASS": "QSO", "SUBCLASS": "BROADLINE", "Z": 1.5, "PLATE": 3586, "MJD": 55181,
           "FIBERID": 4, "SN_MEDIAN_ALL": 7.5, "ZWARNING": 4, "PLUG_RA": 10.0,
           "PLUG_DEC": -5.0, "VDISP": 210.0, **row}  # fmt: skip
    kinds = {str: "20A", float: "D", int: "K"}
    pipeline = [fits.Column(k, kinds[type(v)], array=[v]) for k, v in row.items() if v is not None]
    tables = [fits.BinTableHDU.from_columns(own, name=name)
              for own, name in ((columns, "COADD"), (pipeline, "SPALL"))]  # fmt: skip
    return fits.HDUList([fits.PrimaryHDU(), *tables])


def table_hdus(n=5, n_pixels=40, name="flux", header=(), ivar=True, first_fiber=1):
    flux = np.random.default_rng(0).normal(5, 1, (n, n_pixels))
    made = [("CLASS", "6A", ["STAR"] * n), ("SUBCLASS", "21A", ["F5"] * n),
            ("PLATE", "J", [266] * n), ("MJD", "J", [51602] * n),
            ("FIBERID", "J", np.arange(first_fiber, first_fiber + n)),
            ("Z", "E", np.linspace(0, 0.1, n)), ("SN_MEDIAN_ALL", "E", np.full(n, 9.0)),
            (name, f"{n_pixels}E", flux)]  # fmt: skip
    if ivar:
        made.append(("ivar", f"{n_pixels}E", np.ones((n, n_pixels))))
    table = fits.BinTableHDU.from_columns([fits.Column(k, f, array=v) for k, f, v in made])
    table.header.update(dict(header))
    return fits.HDUList([fits.PrimaryHDU(), table])


def test_every_real_spec_file_agrees_with_the_index(shared_data):
    index = pd.read_csv(shared_data / "real/sdss/index.csv", keep_default_na=False)
    index["id"] = sdss_ids(index.plate, index.mjd, index.fiber)
    stream = read_many(shared_data / "real/sdss/spec", progress=False, chunk=1000)
    (spectra,) = list(stream)
    assert stream.rejects == [] and len(spectra) == len(index) == 148
    both = index.set_index("id").loc[spectra.ids]
    meta = spectra.meta
    assert list(meta["class"]) == list(both["cls"])
    assert list(meta["subclass"]) == list(both["sub"].str.strip())
    np.testing.assert_allclose(meta["z"], both["z"], atol=1e-7)
    np.testing.assert_array_equal(meta["zwarn"].to_numpy(int), both["zwarn"])
    np.testing.assert_allclose(meta["ra"], both["ra"])
    np.testing.assert_allclose(meta["dec"], both["dec"])
    assert [len(f) for f in spectra.flux] == list(both["npix"])
    ends = [spectra.wavelength_of(i)[[0, -1]] for i in range(148)]
    np.testing.assert_allclose(ends, both[["w0", "w1"]], rtol=1e-6)
    assert (spectra.medium, spectra.frame) == ("vacuum", "heliocentric")


def test_quick_view_agrees_with_astropy_on_a_real_file(shared_data):
    path = sorted((shared_data / "real/sdss/spec").glob("*.fits.gz"))[0]
    spectra = read(path)
    with fits.open(path) as hdus:
        np.testing.assert_array_equal(spectra.flux[0], hdus[1].data["flux"])
        np.testing.assert_array_equal(spectra.ivar[0], hdus[1].data["ivar"])
        np.testing.assert_array_equal(spectra.mask[0], hdus[1].data["and_mask"] != 0)
        loglam = hdus[1].data["loglam"]
        np.testing.assert_allclose(np.log10(spectra.wavelength), loglam, atol=3e-7)
        assert spectra.meta["snr"][0] == hdus[2].data["SN_MEDIAN_ALL"][0]
        assert spectra.meta["vdisp"][0] == hdus[2].data["VDISP"][0]


def test_real_table(shared_data):
    path = shared_data / "real/sdss/dr16_table.fits"
    spectra = read(path)
    with fits.open(path) as hdus:
        data = hdus[1].data
        np.testing.assert_array_equal(spectra.flux, data["flux"])
        np.testing.assert_array_equal(spectra.meta["z"], data["Z"])
        assert list(spectra.meta["class"]) == [c.strip() for c in data["CLASS"]]
        assert spectra.ids[0] == sdss_ids(data["PLATE"], data["MJD"], data["FIBERID"])[0]
    assert spectra.flux.dtype == np.float32 and spectra.flux.dtype.isnative
    np.testing.assert_allclose(np.log10(spectra.wavelength[[0, -1]]), [3.5563, 3.9638])


def test_balmer_lines_of_real_table_stars_are_where_they_should_be(shared_data):
    """The grid of the table is documented, not written in it: H alpha of A and F stars tells."""
    spectra = read(shared_data / "real/sdss/dr16_table.fits")
    stars = spectra[spectra.meta["subclass"].isin(["A0", "F5", "F9"]).to_numpy()]
    z = stars.meta["z"].to_numpy()
    near = []
    for flux, shift in zip(stars.flux, z, strict=True):
        rest = stars.wavelength / (1 + shift)
        window = (rest > 6545) & (rest < 6585)
        near.append(rest[window][np.argmin(flux[window])])
    assert abs(np.median(near) - 6564.6) < 1.5  # vacuum; 6562.8 in air


def test_spec_file(tmp_path):
    spec_hdus().writeto(tmp_path / "a.fits")
    spectra = read(tmp_path / "a.fits")
    assert list(spectra.ids) == ["3586-55181-0004"]
    row = spectra.meta.iloc[0]
    assert (row["class"], row["subclass"], row["z"], row["snr"]) == ("QSO", "BROADLINE", 1.5, 7.5)
    assert (row["ra"], row["dec"], row["zwarn"], row["vdisp"]) == (10.0, -5.0, 4, 210.0)
    np.testing.assert_allclose(spectra.wavelength, 10 ** (3.6 + 1e-4 * np.arange(50)), rtol=1e-12)
    assert list(np.flatnonzero(spectra.mask[0])) == [3]
    # The format is told by content, not by name.
    (tmp_path / "b.dat").write_bytes(gzip.compress((tmp_path / "a.fits").read_bytes()))
    assert list(read(tmp_path / "b.dat").ids) == ["3586-55181-0004"]


def test_spec_files_of_sdss_v_and_without_the_pipelines_row(tmp_path):
    hdus = spec_hdus(PLATE=None, FIELD=15000, MJD=59146, CATALOGID=4375924331)
    hdus.writeto(tmp_path / "a.fits")
    assert list(read(tmp_path / "a.fits").ids) == ["15000-59146-4375924331"]
    spec_hdus()[:2].writeto(tmp_path / "mine.fits")
    spectra = read(tmp_path / "mine.fits")
    assert list(spectra.ids) == ["mine"] and spectra.meta["class"][0] == ""
    assert np.isnan(spectra.meta["z"][0])
    assert spectra.meta["snr"][0] == pytest.approx(25.5)  # median of flux 1 ... 50, ivar 1


@pytest.mark.parametrize(
    ("header", "expected"),
    [({"COEFF0": 3.6, "COEFF1": 1e-4}, 10 ** (3.6 + 1e-4 * np.arange(40))),
     ({"CRVAL1": 3600.0, "CDELT1": 2.0}, 3600.0 + 2 * np.arange(40)),
     ({}, np.linspace(3600, 9200, 40))],
    ids=["COEFF0", "CRVAL1", "HDU"],
)  # fmt: skip
def test_authors_table_takes_its_grid_from_the_header_or_an_hdu(tmp_path, header, expected):
    hdus = table_hdus(name="int_flux", header=header, ivar=False)
    if not header:
        hdus.append(fits.ImageHDU(expected, name="WAVELENGTH"))
    hdus.writeto(tmp_path / "train.fits")
    spectra = read(tmp_path / "train.fits")
    np.testing.assert_allclose(spectra.wavelength, expected)
    assert spectra.ivar is None
    assert list(spectra.meta["snr"]) == [9.0] * 5


def test_table_without_grid_asks_for_it(tmp_path):
    table_hdus(name="int_flux").writeto(tmp_path / "train.fits")
    with pytest.raises(ReadError, match=r"no wavelength grid.*COEFF0.*Give the grid"):
        read(tmp_path / "train.fits")
    grid = np.linspace(3600, 9200, 40)
    np.testing.assert_array_equal(read(tmp_path / "train.fits", grid=grid).wavelength, grid)
    with pytest.raises(ReadError, match="grid of 39 wavelengths"):
        read(tmp_path / "train.fits", grid=grid[:-1])


def test_table_chunks_equal_the_whole(tmp_path):
    header = {"COEFF0": 3.6, "COEFF1": 1e-4}
    table_hdus(n=25, header=header).writeto(tmp_path / "t.fits")
    whole = read(tmp_path / "t.fits")
    parts = list(read_many(tmp_path / "t.fits", chunk=7, progress=False))
    assert [len(p) for p in parts] == [7, 7, 7, 4]
    np.testing.assert_array_equal(np.concatenate([p.flux for p in parts]), whole.flux)
    np.testing.assert_array_equal(np.concatenate([p.ids for p in parts]), whole.ids)


def test_snap_leaves_other_grids_alone():
    loglam = 3.6 + 1.37e-4 * np.arange(100)
    np.testing.assert_array_equal(snap(loglam), loglam)
    exact = 3.5534 + 1e-4 * np.arange(4600)
    np.testing.assert_allclose(snap(exact.astype(np.float32)), exact, atol=1e-12)


FORMATS = st.sampled_from(["E", "D", "J", "K", "I", "B", "3E", "2J", "5A", "12A"])


@settings(max_examples=40, deadline=None)
@given(
    formats=st.lists(FORMATS, min_size=1, max_size=8), rows=st.integers(1, 4),
    text=st.text("ab '/=T1", max_size=20),
    number=st.one_of(st.integers(-(10**6), 10**6), st.floats(-1e6, 1e6), st.booleans()),
)  # fmt: skip
def test_quick_view_agrees_with_astropy_on_any_table(formats, rows, text, number):
    rng = np.random.default_rng(len(formats))
    columns = []
    for i, form in enumerate(formats):
        count = int(form[:-1] or 1)
        values = rng.integers(0, 100, (rows, count) if count > 1 else rows)
        if form[-1] == "A":
            values = np.array([str(v)[:count] for v in np.atleast_1d(values[..., 0])])
        columns.append(fits.Column(f"C{i}", form, array=values))
    table = fits.BinTableHDU.from_columns(columns, name="SOME")
    table.header["ATEXT"], table.header["ANUMBER"] = text, number
    buffer = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(np.ones(7)), table]).writeto(buffer)
    hdu = quick_hdus(buffer.getvalue())[1]
    assert hdu.is_table and hdu.name == "SOME"
    assert hdu.get("ATEXT") == table.header["ATEXT"].rstrip()
    assert hdu.get("ANUMBER") == pytest.approx(number, rel=1e-12)
    assert hdu.get("NONE", "no") == "no"
    quick = hdu.table()
    for i in range(len(formats)):
        theirs = table.data[f"C{i}"]
        np.testing.assert_array_equal(native(quick[f"c{i}"]), native(theirs))
