"""How people's spectrum files differ, on files made here: cards, units, ids, layouts."""

import numpy as np
import pytest
from astropy.io import fits

from common.air import air_to_vacuum
from common.errors import ReadError
from common.surveys import read, read_many
from common.surveys.cards import card, frame_of, grid_of, medium_of
from common.surveys.columns import exact_ids, stem
from common.surveys.quick import quick_hdus
from common.surveys.units import angstrom, factor
from tests.common.test_desi import coadd_hdus
from tests.common.test_fourmost import phase3
from tests.common.test_sdss import spec_hdus, table_hdus
from tests.solarlike_distance import toy

WAVE = 3600 + 2.0 * np.arange(40)


@pytest.fixture(scope="module")
def about():
    return toy.stars(3)


# --- wavelengths


@pytest.mark.parametrize(
    "cards",
    [
        {"CRVAL1": 3600, "CDELT1": 2},
        {"CRVAL1": 3620.0, "CDELT1": 2, "CRPIX1": 11},
        {"CRVAL1": 3620.0, "CD1_1": 2, "CRPIX1": 11, "CDELT1": 1},
        {"CRVAL1": 3600.0, "CDELT1": 1, "PC1_1": 2},
        {"CRVAL1": 360.0, "CDELT1": 0.2, "CUNIT1": "nm"},
        {"CRVAL1": 360.0, "CDELT1": 0.2},
        {"CRVAL1": 0.36, "CDELT1": 2e-4, "CUNIT1": "um"},
        {"CRVAL1": "3600.0", "CDELT1": "2.0"},
        {"CRVAL": 3600, "CDELT": 2, "CRPIX": 1},
    ],
    ids=str,
)
def test_linear_cards(cards):
    np.testing.assert_allclose(grid_of("f", [fits.Header(cards)], 40), WAVE, rtol=1e-12)


@pytest.mark.parametrize(
    "cards",
    [
        {"COEFF0": 3.6, "COEFF1": 1e-4, "CRPIX1": 7},
        {"CRVAL1": 3.601, "CDELT1": 1e-4, "CRPIX1": 11, "DC-FLAG": 1},
        {"CRVAL1": 3.6, "CD1_1": 1e-4},
        {"CRVAL1": 3.6, "CD1_1": 1e-4, "CUNIT1": "Angstrom"},
        {"CRVAL1": 3.6, "CD1_1": 1e-4, "CTYPE1": "LOG-LINEAR"},
        {"CRVAL1": 3.6, "CD1_1": 1e-4, "CUNIT1": "log10(Angstrom)"},
        {"CRVAL1": 2.6, "CD1_1": 1e-4, "CUNIT1": "dex(nm)"},
        {"CRVAL1": 3.6 * np.log(10), "CD1_1": 1e-4 * np.log(10)},
        {"CRVAL1": 10**3.6, "CDELT1": 10**3.6 * 1e-4 * np.log(10), "CTYPE1": "WAVE-LOG"},
        {"CRVAL": 3.6, "CDELT": 1e-4, "CRPIX": 1, "DC-FLAG": 1},
    ],
    ids=str,
)
def test_logarithmic_cards(cards):
    made = grid_of("f", [fits.Header(), fits.Header(cards)], 40)
    np.testing.assert_allclose(made, 10 ** (3.6 + 1e-4 * np.arange(40)), rtol=1e-9)


def test_cards_that_give_no_scale():
    for cards in (
        {},
        {"CRVAL1": 3600},
        {"CRVAL1": 3600, "CDELT1": 0},
        {"CRVAL1": "x", "CDELT1": 2},
    ):
        assert grid_of("f", [fits.Header(cards)], 40) is None
    with pytest.raises(ReadError, match="CUNIT1 = 'Hz'"):
        grid_of("f", [fits.Header({"CRVAL1": 1, "CDELT1": 2, "CUNIT1": "Hz"})], 40)


@pytest.mark.parametrize(
    ("text", "times"),
    [
        (text, 1.0)
        for text in ("Angstrom", "Angstroms", "ANGSTROM", "angstroem", "Ang", "AA", "A", "Å")
    ]
    + [(text, 10.0) for text in ("nm", "NM", "nanometer", "Nanometres")]
    + [(text, 1e4) for text in ("um", "micron", "microns", "Micrometers", "µm")],
)
def test_units_of_wavelength_in_any_spelling(text, times):
    np.testing.assert_allclose(angstrom("f", WAVE / times, text), WAVE)
    np.testing.assert_allclose(angstrom("f", WAVE / times), WAVE)  # and without a unit


@pytest.mark.parametrize(
    "text",
    ["erg/s/cm^2/A", "erg.cm**(-2).s**(-1).angstrom**(-1)", "ergs s-1 cm-2 AA-1",
     "erg / (s cm2 Angstrom)", "ERG/S/CM2/ANG", "10 erg/(s cm2 nm)"],
)  # fmt: skip
def test_units_of_flux_in_any_spelling(text):
    assert factor("f", text, "erg / (s cm2 Angstrom)", where="TUNIT") == pytest.approx(1)


@pytest.mark.parametrize("form", ["wavelength", "loglam", "HDU", "image"])
def test_every_row_of_a_table_has_its_own_grid(tmp_path, form):
    hdus = table_hdus(n=4)
    grids = WAVE + 5.0 * np.arange(4)[:, None]
    if form == "image":
        hdus.append(fits.ImageHDU(grids / 10, name="WAVELENGTH"))
        hdus[-1].header["BUNIT"] = "nm"
    elif form == "HDU":
        grids = np.tile(WAVE, (4, 1))
        column = fits.Column("w", "D", array=WAVE / 10, unit="nm")
        hdus.append(fits.BinTableHDU.from_columns([column], name="WAVELENGTH"))
    else:
        values = np.log10(grids) if form == "loglam" else grids
        columns = hdus[1].columns + fits.Column(form, "40D", array=values)
        hdus[1] = fits.BinTableHDU.from_columns(columns)
        hdus[1].header.update({"COEFF0": 3.0, "COEFF1": 1e-4})  # the rows know better
    hdus.writeto(tmp_path / "t.fits")
    for part in (read(tmp_path / "t.fits"), *read_many(tmp_path, progress=False, chunk=4)):
        for row in range(4):
            np.testing.assert_allclose(part.wavelength_of(row), grids[row], rtol=1e-9)


# --- medium and frame


@pytest.mark.parametrize(
    ("cards", "medium"),
    [({"VACUUM": value}, "air") for value in (False, "F", 0, "0", "false", "no", "Air")]
    + [({"VACUUM": value}, "vacuum") for value in (True, "T", 1, "1", "TRUE", "yes", "vac")]
    + [({}, "vacuum"), ({"CTYPE1": "AWAV"}, "air"), ({"AIRORVAC": "air"}, "air"),
       ({"AIRORVAC": "vac"}, "vacuum")],
)  # fmt: skip
def test_the_medium_wherever_it_is_told(tmp_path, about, cards, medium):
    assert medium_of("f", [fits.Header(), fits.Header(cards)]) == medium
    lamost = read(toy.write_image(tmp_path / "l.fits", about, 0, **{"VACUUM": None, **cards}))
    spec = spec_hdus()
    spec[0].header.update(cards)
    spec.writeto(tmp_path / "s.fits")
    table = table_hdus(header={"COEFF0": 3.6, "COEFF1": 1e-4})
    table[0].header.update(cards)
    table.writeto(tmp_path / "t.fits")
    phase3(tmp_path / "q.fits")
    with fits.open(tmp_path / "q.fits", mode="update") as hdus:
        hdus[0].header.update(cards)
    for spectra in (lamost, *(read(tmp_path / f"{name}.fits") for name in "stq")):
        assert spectra.medium == medium
        wave = spectra.wavelength_of(0)
        expected = air_to_vacuum(wave) if medium == "air" else wave
        np.testing.assert_array_equal(spectra.in_vacuum().wavelength_of(0), expected)
        assert spectra.in_vacuum().medium == "vacuum"


def test_a_medium_or_frame_of_which_nothing_is_known_is_refused(tmp_path):
    with pytest.raises(ReadError, match="VACUUM = 'perhaps'; allowed: T or F"):
        medium_of("f", [fits.Header({"VACUUM": "perhaps"})])
    for said, frame in (("BARYCENT", "barycentric"), ("heliocen", "heliocentric")):
        assert frame_of("f", [fits.Header({"SPECSYS": said})], "observed") == frame
    assert frame_of("f", [fits.Header({"SPECSYS": "TOPOCENT"})], "observed") == "observed"
    for said in ("TOPOCENT", "GEOCENTR", "LSRK"):
        with pytest.raises(ReadError, match=f"SPECSYS = '{said}'"):
            frame_of("f", [fits.Header({"SPECSYS": said})], "barycentric")


@pytest.mark.parametrize("ucd", ["em.wl;obs.air", "em.wl;obs.atmos"])
def test_eso_says_air_by_the_columns_ucd_and_names_its_instrument(tmp_path, ucd):
    phase3(tmp_path / "q.fits", "Angstroms")
    with fits.open(tmp_path / "q.fits", mode="update") as hdus:
        hdus[0].header["INSTRUME"], hdus[1].name = "UVES", "PHASE3SPECTRUM"
        hdus[1].header["TUCD1"] = ucd
    spectra = read(tmp_path / "q.fits")
    assert (spectra.medium, spectra.meta["survey"][0]) == ("air", "uves")


# --- ids


@pytest.mark.parametrize(
    ("values", "ids"),
    [
        ([900000034.0, np.nan, -9999.0], ["900000034", "", ""]),
        (np.array([5853498713190525697, -1]), ["5853498713190525697", ""]),
        (np.array([2**64 - 1], dtype="u8"), ["18446744073709551615"]),
        ([" 900000028", "900000034.0", "a.0", ""], ["900000028", "900000034", "a.0", ""]),
    ],
)
def test_ids_are_exact(values, ids):
    assert exact_ids("f", values).tolist() == ids


@pytest.mark.parametrize("values", [[2.0**60], [1.5], np.array([900000034], dtype="f4")])
def test_ids_that_were_rounded_are_refused(values):
    with pytest.raises(ReadError, match=r"as floating point.*rounded"):
        exact_ids("f", values)


@pytest.mark.parametrize("kind", ["u2", "u4", "u8", "i1"])
def test_unsigned_columns_are_read_as_astropy_does(tmp_path, kind):
    largest = np.iinfo(kind).max
    values = np.array([0, 1, largest - 1, largest], dtype=kind)
    form, zero = {"u2": ("I", 2**15), "u4": ("J", 2**31), "u8": ("K", 2**63),
                  "i1": ("B", -128)}[kind]  # fmt: skip
    made = [fits.Column("V", form, bzero=zero, array=values),
            fits.Column("T", "I", array=np.array([0, 1, 2, 4])),
            fits.Column("A", "3A", array=["x"] * 4),
            fits.Column("N", "2J", array=[[1, 2]] * 4)]  # fmt: skip
    path = tmp_path / "t.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(made)]).writeto(path)
    with fits.open(path, mode="update", do_not_scale_image_data=True, uint=False) as hdus:
        hdus[1].header["TSCAL2"], hdus[1].header["TZERO2"] = 0.5, 10.0
    quick = quick_hdus(path.read_bytes())[1].table()
    assert quick["v"].tolist() == values.tolist()
    assert quick["t"].tolist() == [10.0, 10.5, 11, 12]
    assert quick["n"].tolist() == [[1, 2]] * 4 and quick["a"].tolist() == [b"x"] * 4
    with fits.open(path) as hdus:
        assert hdus[1].data["V"].tolist() == values.tolist()
        assert hdus[1].data["T"].tolist() == quick["t"].tolist()


@pytest.mark.parametrize("said", ["900000028", 900000028.0, 900000028, " 900000028 "])
def test_obsid_of_a_card_in_any_type(tmp_path, about, said):
    path = toy.write_image(tmp_path / "a.fits", about, 0, OBSID=said)
    assert read(path).ids.tolist() == ["900000028"]
    path = toy.write_image(tmp_path / "b.fits", about, 0, OBSID=-9999)
    assert read(path).ids.tolist() == ["b"]


def test_a_row_without_an_id_is_named_by_its_place(tmp_path):
    for number, name in enumerate(("OBJECT", "TARGETID")):
        ids = ["a", "", ""] if name == "OBJECT" else [7.0, np.nan, -9999.0]
        values = np.arange(1.0, 41) + np.arange(3)[:, None]
        columns = [fits.Column(name, "9A" if name == "OBJECT" else "D", array=ids),
                   fits.Column("WAVE", "40D", array=np.tile(WAVE, (3, 1))),
                   fits.Column("FLUX", "40E", array=values),
                   fits.Column("VALID", "40L", array=values > 0),
                   fits.Column("Z", "D", array=[0.1, 0.2, 0.3])]  # fmt: skip
        kind = {"OBJECT": "PHASE3SPECTRUM", "TARGETID": "SPECTRA"}[name]
        table = fits.BinTableHDU.from_columns(columns, name=kind)
        fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / f"{number}.fits")
        stream = read_many(tmp_path / f"{number}.fits", progress=False)
        (part,) = list(stream)
        first = {"OBJECT": "a", "TARGETID": "7"}[name]
        assert part.ids.tolist() == [first, f"{number}-1", f"{number}-2"] and not stream.rejects


def test_plates_as_floats_or_text_and_a_row_without_one(tmp_path):
    for form, plates in (("D", [266.0, np.nan, -9999.0]), ("5A", ["266", "", "-9999"])):
        hdus = table_hdus(n=3, header={"COEFF0": 3.6, "COEFF1": 1e-4})
        columns = [c for c in hdus[1].columns if c.name != "PLATE"]
        columns.append(fits.Column("PLATE", form, array=plates))
        table = fits.BinTableHDU.from_columns(columns)
        table.header.update({"COEFF0": 3.6, "COEFF1": 1e-4})
        fits.HDUList([hdus[0], table]).writeto(tmp_path / f"{form}.fits")
        ids = read(tmp_path / f"{form}.fits").ids.tolist()
        assert ids == ["0266-51602-0001", f"{form}-1", f"{form}-2"]


# --- layouts


def test_lamost_as_people_save_it_again(tmp_path, about):
    one = {k: v[:1] for k, v in about.items()}
    plain = read(toy.write_table(tmp_path / "a.fits", one, many=False))
    with fits.open(tmp_path / "a.fits") as hdus:
        for name in set(hdus[0].header) - {"SIMPLE", "BITPIX", "NAXIS", "EXTEND"}:
            hdus[1].header[name] = hdus[0].header[name]
        columns = fits.ColDefs(hdus[1].columns)
        again = fits.BinTableHDU.from_columns(columns, header=hdus[1].header)
        again.data["WAVELENGTH"] /= 10
        again.columns["WAVELENGTH"].unit = "nm"
        again.writeto(tmp_path / "b.fits")  # cards in HDU 1, nm
    image = toy.write_image(tmp_path / "c.fits", about, 0)
    with fits.open(image) as hdus:
        packed = fits.CompImageHDU(hdus[0].data, hdus[0].header, compression_type="GZIP_2")
        fits.HDUList([fits.PrimaryHDU(), packed]).writeto(tmp_path / "d.fits.fz")
    for name in ("b.fits", "c.fits", "d.fits.fz"):
        other = read(tmp_path / name)
        assert other.ids.tolist() == plain.ids.tolist() == ["1000"]
        np.testing.assert_allclose(other.wavelength_of(0), plain.wavelength_of(0), rtol=1e-6)
        np.testing.assert_allclose(other.flux, plain.flux, rtol=1e-3)
        assert other.meta["z"][0] == plain.meta["z"][0]


def test_a_card_that_cannot_be_parsed_does_no_harm(tmp_path, about):
    path = toy.write_image(tmp_path / "a.fits", about, 0, RV_ERR=1.0, Z="0.0002")
    content = bytearray(path.read_bytes())
    at = content.index(b"RV_ERR  =")
    content[at : at + 80] = b"RV_ERR  =                 -nan".ljust(80)
    path.write_bytes(content)
    spectra = read(path)
    assert spectra.meta["z"][0] == 0.0002 and np.isnan(spectra.meta["lasp_rv_err"][0])
    with fits.open(path) as hdus:
        assert card([hdus[0].header], "RV_ERR", "MJD") == 56999


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("form", ["50E", "PE()"])
def test_spec_columns_whose_cells_are_vectors(tmp_path, rows, form):
    flux = np.arange(50.0) + np.arange(1, rows + 1)[:, None]
    made = {"flux": flux, "loglam": 3.6 + 1e-4 * np.arange(50) + 0 * flux, "ivar": flux**0}
    columns = [fits.Column(k, form, array=v.astype("f4")) for k, v in made.items()]
    table = fits.BinTableHDU.from_columns(columns, name="COADD")
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / "v.fits")
    spectra = read(tmp_path / "v.fits")
    assert len(spectra) == rows and len(set(spectra.ids)) == rows
    np.testing.assert_allclose(spectra.flux, flux)
    np.testing.assert_allclose(spectra.wavelength_of(0)[[0, -1]], 10 ** np.array([3.6, 3.6049]),
                               rtol=1e-6)  # fmt: skip


def test_tables_of_sdss_v_of_both_telescopes(tmp_path):
    hdus, cards = [fits.PrimaryHDU()], {"CRVAL": 3.6, "CDELT": 1e-4, "CRPIX": 1, "DC-FLAG": 1}
    for name, n in (("BOSS/APO", 0), ("BOSS/LCO", 3), ("APOGEE/APO", 1)):
        flux = np.arange(1.0, n + 1)[:, None] + np.zeros((n, 40))
        columns = [fits.Column("sdss_id", "K", array=[54459273, 54459273, 7][:n]),
                   fits.Column("flux", "40E", array=flux),
                   fits.Column("ivar", "40E", array=flux**0)]  # fmt: skip
        hdus.append(fits.BinTableHDU.from_columns(columns, name=name))
        hdus[-1].header.update(cards)
    fits.HDUList(hdus).writeto(tmp_path / "mwmVisit.fits")
    stream = read_many(tmp_path, progress=False, chunk=2)
    parts = list(stream)
    assert stream.rejects == [] and [p.frame for p in parts] == ["rest"] * 2
    assert [i for p in parts for i in p.ids] == ["54459273-0", "54459273-1", "7"]
    np.testing.assert_allclose(parts[0].wavelength, 10 ** (3.6 + 1e-4 * np.arange(40)))


def test_desi_fibermap_of_either_name_and_of_another_length(tmp_path):
    for name in ("FIBERMAP", "COADD_FIBERMAP"):
        hdus = coadd_hdus()
        hdus["FIBERMAP"].name = name
        hdus.writeto(tmp_path / f"coadd-{name}.fits")
        (part,) = read_many(tmp_path / f"coadd-{name}.fits", progress=False)
        assert part.ids.tolist() == ["11", "12"]
    hdus = coadd_hdus()
    hdus[1] = fits.BinTableHDU(hdus[1].data[:2], name="FIBERMAP")
    hdus.writeto(tmp_path / "coadd-short.fits")
    with pytest.raises(ReadError, match="2 targets in FIBERMAP and 3 spectra in arm B"):
        read(tmp_path / "coadd-short.fits")


def test_names_without_endings():
    names = ("a.fits", "a.FITS", "a.fits.gz", "a.FIT.GZ", "a.fits.fz", "a.fz", "a")
    assert {stem(type("P", (), {"name": name})) for name in names} == {"a"}
    assert stem(type("P", (), {"name": "a.b.fits"})) == "a.b"


# --- what looks like a survey's file and is broken


def without(hdus, name):
    columns = [c for c in hdus[1].columns if c.name != name]
    hdus[1] = fits.BinTableHDU.from_columns(columns, name=hdus[1].name)
    return hdus


@pytest.mark.parametrize(
    ("hdus", "says"),
    [
        (without(spec_hdus(), "loglam"), "a broken SDSS spec.*no column loglam in HDU 1"),
        (without(without(spec_hdus(), "ivar"), "flux"), "broken SDSS.*no column flux, ivar"),
        (fits.HDUList([coadd_hdus()[0], *coadd_hdus()[2:]]), "a broken DESI co-add: no HDU FIBER"),
        (coadd_hdus()[:3], "a broken DESI co-add: no arm"),
        (fits.HDUList([fits.PrimaryHDU(header=fits.Header({"INST": "MOONS_SIM"}))]),
         "a broken MOONS1D spectrum"),
        (fits.HDUList([fits.PrimaryHDU(header=fits.Header({"INSTRUME": "QMOST"}))]),
         "a broken 4MOST spectrum"),
        (fits.HDUList([fits.PrimaryHDU(header=fits.Header({"TELESCOP": "SDSS 2.5-M"}))]),
         "a broken SDSS.*no table in HDU 1"),
    ],
)  # fmt: skip
def test_a_broken_file_is_told_as_what_it_is(tmp_path, hdus, says):
    hdus.writeto(tmp_path / "x.fits")
    with pytest.raises(ReadError, match=says):
        read(tmp_path / "x.fits")
