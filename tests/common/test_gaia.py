"""Gaia RVS spectra as the archive gives them, and files that are no table of it."""

import gzip
import json

import numpy as np
import pytest
from astropy.io import fits
from astropy.io.votable import from_table
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import ReadError, SuiteError
from common.surveys.gaia_rvs import N_PIXELS, WAVELENGTH, read_rvs, rvs_array, write_rvs

NM = WAVELENGTH / 10
IDS = (1535964555128078720, 2131314401800665344)  # above 2^53: floats would round them
FORMS = ("csv", "csv.gz", "ecsv", "fits", "fits.gz", "xml")


def save(table, path):
    """Write an astropy table in the format of the path's ending, as the archive does."""
    name = path.name.removesuffix(".gz")
    plain = path.with_name(name)
    if name.endswith(".xml"):
        from_table(table).to_xml(str(plain), tabledata_format="binary2")
    elif name.endswith(".csv"):
        # The archive's csv writes arrays as JSON texts, and null where a value is missing.
        flat = table.copy()
        for column in [name for name in table.colnames if table[name].ndim > 1]:
            texts = [json.dumps(v.tolist()).replace("NaN", "null") for v in table[column]]
            flat.replace_column(column, texts)
        flat.write(plain, format="ascii.csv", fill_values=[("nan", "null"), ("--", "null")])
    elif name.endswith(".ecsv"):
        table.write(plain, format="ascii.ecsv", delimiter=",")
        plain.write_text(plain.read_text().replace(",nan", ",null").replace("NaN", "null"))
    else:
        table.write(plain)
    if path.name.endswith(".gz"):
        path.write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()
    return path


def rvs_spectra(seed=1):
    rng = np.random.default_rng(seed)
    flux = 1 - 0.5 * np.exp(-(((WAVELENGTH - 8544.44) / 3) ** 2)) + rng.normal(0, 0.02, (2, 2401))
    flux = flux.astype(np.float32)
    error = np.full_like(flux, 0.02)
    flux[0, :3] = error[0, :3] = np.nan
    return flux, error


def per_source(flux, error, wavelength=None):
    table = Table({"source_id": IDS, "ra": [183.0, 286.8], "dec": [40.3, 49.3]})
    if wavelength is not None:
        table["wavelength"] = np.tile(wavelength, (2, 1))
    table["flux"], table["flux_error"] = flux, error
    return table


def per_pixel(flux, error, wavelength=NM):
    table = Table({"source_id": np.repeat(IDS, N_PIXELS), "ra": np.repeat([183.0, 286.8], 2401)})
    table["dec"] = np.repeat([40.3, 49.3], N_PIXELS)
    table["wavelength"] = np.tile(wavelength, 2)
    table["flux"], table["flux_error"] = flux.ravel(), error.ravel()
    return table


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("layout", [per_source, per_pixel])
def test_rvs_is_the_same_from_every_format_and_layout(tmp_path, form, layout):
    flux, error = rvs_spectra()
    spectra = read_rvs(save(layout(flux, error), tmp_path / f"rvs.{form}"))
    assert list(spectra.ids) == [str(i) for i in IDS]
    np.testing.assert_allclose(spectra.flux, flux, rtol=1e-6)
    assert np.flatnonzero(spectra.mask[0]).tolist() == [0, 1, 2] and not spectra.mask[1].any()
    np.testing.assert_allclose(spectra.ivar[1], 2500, rtol=1e-5)
    assert not spectra.ivar[0, :3].any()
    assert (spectra.medium, spectra.frame, spectra.unit) == ("vacuum", "rest", "")
    assert spectra.meta["ra"].tolist() == [183.0, 286.8]
    np.testing.assert_allclose(spectra.meta["snr"], np.nanmedian(flux / 0.02, axis=1), rtol=1e-3)
    assert not spectra.meta["mock"].any()


def test_rvs_in_a_unit_that_the_file_names_is_converted_or_refused(tmp_path):
    def one(name, wavelength, unit):
        table = per_pixel(*rvs_spectra(), wavelength)
        table["wavelength"].unit = unit
        return read_rvs(save(table, tmp_path / f"{name}.ecsv"))

    for unit in ("Angstrom", "AA", "0.1nm"):
        np.testing.assert_array_equal(one(unit, WAVELENGTH, unit).wavelength, WAVELENGTH)
    for name, factor, unit, found in (
        ("a", 1.001, "nm", r"from 846\.846 to 870\.87 nm"),
        ("b", 1.0, "Angstrom", r"from 846 to 870 Angstrom"),
        ("c", 1.0, "s", r"in the unit 's'"),
    ):
        with pytest.raises(ReadError, match=found):
            one(name, NM * factor, unit)


@pytest.mark.parametrize("form", ["csv", "ecsv", "fits", "xml"])
@pytest.mark.parametrize("layout", [per_pixel, per_source])
def test_rvs_with_angstrom_for_nm_is_refused(tmp_path, form, layout):
    table = layout(*rvs_spectra(), WAVELENGTH)
    if form != "csv":
        table["wavelength"].unit = "nm"
    claim = "without a unit" if form == "csv" else "whose unit is nm"
    with pytest.raises(ReadError, match=rf"8460 to 8700 in a column {claim}: these are Å, not nm"):
        read_rvs(save(table, tmp_path / f"a.{form}"))


def test_rvs_with_missing_or_repeated_pixels_is_refused(tmp_path):
    pixels, sources = per_pixel(*rvs_spectra()), per_source(*rvs_spectra())
    cases = [
        (pixels[2401:-1], "fits", rf"{IDS[1]} has 2400 pixels, as 1 of 1 .*allowed: 2401"),
        (pixels.copy(), "fits", r"4802 pixels \(it comes more than once\)"),
        (sources, "fits", f"come more than once, {IDS[0]} the first"),
        (per_source(*(v[:, :2400] for v in rvs_spectra())), "csv",
         f"flux of source {IDS[0]} has 2400 values; allowed: 2401"),
    ]  # fmt: skip
    for table, _, _ in cases[1:3]:
        table["source_id"] = IDS[0]
    for i, (table, form, message) in enumerate(cases):
        with pytest.raises(ReadError, match=message):
            read_rvs(save(table, tmp_path / f"{i}.{form}"))


def test_rvs_source_without_all_pixels_costs_itself(tmp_path):
    path, rejects = save(per_pixel(*rvs_spectra())[:-1], tmp_path / "a.fits"), []
    spectra = read_rvs(path, rejects=rejects)
    assert spectra.ids.tolist() == [str(IDS[0])]
    np.testing.assert_array_equal(spectra.flux, rvs_spectra()[0][:1])
    assert [(r["id"], r["reason"]) for r in rejects] == [(str(IDS[1]), "RVS: not 2401 pixels")]
    with pytest.warns(UserWarning, match="1 rows left out: RVS: not 2401 pixels"):
        read_rvs(path)


def test_rvs_of_several_tables_in_one_votable_or_shuffled(tmp_path):
    """DataLink gives a table a source, and a source_id that stands in no column as a parameter."""
    flux, error = rvs_spectra()
    whole = per_pixel(flux, error)
    shuffled = whole[np.random.default_rng(0).permutation(len(whole))]
    spectra = read_rvs(save(shuffled, tmp_path / "a.fits"))
    order = [list(spectra.ids).index(str(i)) for i in IDS]
    np.testing.assert_array_equal(spectra.flux[order], flux)
    parts = []
    for number, one in enumerate(IDS):
        table = whole[number * N_PIXELS : (number + 1) * N_PIXELS]
        table.remove_columns(["source_id", "ra", "dec"])
        save(table, tmp_path / "one.xml")
        text = (tmp_path / "one.xml").read_text()
        start, end = text.index("<TABLE"), text.index("</TABLE>") + len("</TABLE>")
        param = f'<PARAM name="source_id" datatype="long" value="{one}"/>'
        at = text.index(">", start) + 1
        parts.append(text[start:at] + param + text[at:end])
    (tmp_path / "all.xml").write_text(text[:start] + "".join(parts) + text[end:])
    spectra = read_rvs(tmp_path / "all.xml")
    assert list(spectra.ids) == [str(i) for i in IDS]
    np.testing.assert_array_equal(spectra.flux, flux)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 4), st.integers(0, 40), st.booleans(), st.integers(0, 2**32 - 1))
def test_written_rvs_comes_back(tmp_path_factory, n, n_bad, mock, seed):
    rng = np.random.default_rng(seed)
    path = tmp_path_factory.mktemp("rvs") / "w.fits"
    ids = rng.choice(2**62, n, replace=False) + 1
    flux = rng.normal(1, 0.1, (n, N_PIXELS)).astype(np.float32)
    error = rng.uniform(0.01, 0.1, (n, N_PIXELS)).astype(np.float32)
    bad = rng.choice(N_PIXELS, n_bad, replace=False)
    flux[0, bad] = np.nan
    write_rvs(path, source_id=ids, flux=flux, flux_error=error, ra=np.arange(n), mock=mock)
    spectra = read_rvs(path)
    assert list(spectra.ids) == [str(i) for i in ids]
    np.testing.assert_array_equal(spectra.flux, flux)
    np.testing.assert_allclose(spectra.ivar[~spectra.mask], error[~spectra.mask] ** -2, rtol=1e-5)
    assert spectra.meta["ra"].tolist() == list(range(n)) and spectra.meta["dec"].isna().all()
    assert (spectra.meta["mock"] == mock).all()
    with fits.open(path) as hdus:
        assert hdus[0].header["MOCK"] is mock
    array, reasons = rvs_array(spectra)
    assert array.dtype == np.float32 and np.isfinite(array).all()
    assert (array[0, bad] == 1).all()
    np.testing.assert_array_equal(array[1:], flux[1:])
    assert [r is not None for r in reasons] == [n_bad > 24] + [False] * (n - 1)  # 1 % of 2401


def test_rvs_writer_and_array_refuse_what_is_no_rvs(tmp_path):
    flux = np.ones((2, N_PIXELS))
    with pytest.raises(SuiteError, match=r"shape \(2, 2401\). Received \(2, 2400\)"):
        write_rvs(tmp_path / "a", source_id=[1, 2], flux=flux[:, 1:], flux_error=flux)
    with pytest.raises(SuiteError, match="may come once"):
        write_rvs(tmp_path / "a", source_id=[1, 1], flux=flux, flux_error=flux)
    assert not list(tmp_path.iterdir())
    write_rvs(tmp_path / "a.fits", source_id=[1, 2], flux=flux, flux_error=flux)
    spectra = read_rvs(tmp_path / "a.fits")
    spectra.wavelength = spectra.wavelength + 1
    with pytest.raises(SuiteError, match="no Gaia RVS spectra"):
        rvs_array(spectra)


def test_real_rvs_spectra(shared_data):
    files = [f for f in (shared_data / "real/gaia").glob("*.csv") if "XP" not in f.name]
    assert len(files) == 3
    for file in files:
        spectra = read_rvs(file)
        assert str(spectra.ids[0]) in file.read_text()
        assert spectra.flux.shape == (1, N_PIXELS)
        flux, reasons = rvs_array(spectra)
        assert reasons == [None] and 1 <= spectra.mask.sum() <= 10
        assert 15 < spectra.meta["snr"][0] < 150
        for line in (8500.36, 8544.44, 8664.52):  # Ca II triplet, vacuum, Å
            near = np.abs(WAVELENGTH - line) < 5
            assert abs(WAVELENGTH[near][np.argmin(flux[0][near])] - line) < 0.3
            assert flux[0][near].min() < 0.75


def test_each_bad_file_has_its_message(tmp_path):
    flux, error = rvs_spectra()
    whole = save(per_source(flux, error), tmp_path / "whole.fits").read_bytes()
    zipped = gzip.compress(whole)
    csv = save(per_pixel(flux, error), tmp_path / "whole.csv").read_bytes()
    xml = save(per_source(flux, error), tmp_path / "whole.xml").read_bytes()
    head, wave = b"source_id,flux,flux_error", b"source_id,wavelength,flux,flux_error\n"
    cases = {
        "text.fits": (head + b"\n1,2,3\n", "not a FITS file: it starts with b'so"),
        "cut.fits": (whole[: len(whole) // 2], "damaged or truncated"),
        "cut_header.fits": (whole[:4000], "damaged or truncated"),
        "cut.fits.gz": (zipped[: len(zipped) // 2], "gzip stream is damaged or truncated"),
        "empty.fits": (b"", "the file is empty"),
        "empty.csv": (b"  \n", "the file is empty"),
        "other.csv": (b"ra,dec\n1,2\n", r"no column source_id, flux.*\(columns: ra, dec\)"),
        "no_rows.csv": (head + b"\n", "the table has no rows"),
        "page.xml": (b"<!DOCTYPE html><title>404</title>", "no table: it starts with b'<!DOC"),
        "cut.xml": (xml[: len(xml) // 2], "damaged or truncated"),
        "cut.csv": (csv[: csv.rindex(b",")], "truncated: its last line has 5 of 6 fields"),
        "archive.zip": (b"PK\x03\x04\0\0", "Unpack an archive"),
        "rounded.csv": (wave + b"1.5359645551e+18,1,1,1\n",
                        r"source_id '1.5359645551e\+18'.*[Ff]loating point"),
        "large.csv": (wave + b"99999999999999999999,1,1,1\n",
                      "source_id '99999999999999999999' in 1 of 1 rows"),
    }  # fmt: skip
    for name, (content, message) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ReadError, match=message) as caught:
            read_rvs(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value) and "allowed:" in str(caught.value)
    with pytest.raises(ReadError, match="cannot be read"):
        read_rvs(tmp_path / "nowhere.csv")


@pytest.mark.parametrize("form", ["fits", "xml", "csv.gz"])
def test_every_cut_of_a_file_is_read_whole_or_refused(tmp_path, form):
    flux, error = rvs_spectra()
    content = save(per_source(flux, error), tmp_path / f"whole.{form}").read_bytes()
    cut = tmp_path / f"cut.{form}"
    for size in np.linspace(1, len(content) - 1, 25).astype(int):
        cut.write_bytes(content[:size])
        try:
            spectra = read_rvs(cut)
        except ReadError:
            continue
        np.testing.assert_array_equal(spectra.flux, flux)
