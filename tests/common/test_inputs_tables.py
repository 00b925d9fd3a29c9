"""Tables as people's tools leave them: text, ids, marks, units; each input of the folder of faults.

Nearly all are made here; those of shared/data/inputs are read too where they are.
"""

import gzip

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table
from hypothesis import assume, given
from hypothesis import strategies as st

from common.crossmatch import say_joined
from common.errors import ReadError
from common.rows import read_predictions
from common.surveys import read
from common.surveys.gaia_source import read_gaia_source, read_gspspec
from common.surveys.gaia_tables import columns_of, read_gaia_table
from common.surveys.ids import NO_NUMBER, NONE, ROUNDED, place_of, through_floats, whole_ids
from common.surveys.lamost_catalogue import read_star_catalogue
from common.surveys.moons_labels import read_labels
from common.surveys.mpajhu import read_mpajhu
from common.surveys.quantities import numbers_of
from tests.solarlike_distance import toy

pytestmark = pytest.mark.filterwarnings("ignore:.*parallaxes have no zero point")
IDS = [5853498713190525697, 5762406957886626817, 4408087461749558913, 2771993642553377281]
RA, PARALLAX = [10.5, 20.25, 30.125, 40.0625], [1.25, 2.5, 0.8, 3.1]
NAMES, UNITS = ["source_id", "ra", "parallax", "ruwe"], ["", "deg", "mas", ""]
ROWS = [[str(i), str(ra), str(p), "1.1"] for i, ra, p in zip(IDS, RA, PARALLAX, strict=True)]


@pytest.fixture
def inputs(shared_data):
    folder = shared_data / "inputs"
    if not folder.is_dir():
        pytest.skip(f"no folder {folder}")
    return folder


def lines(separator=",", *, names=NAMES, rows=ROWS, end="\n"):
    return [separator.join(row) + end for row in (names, *rows)]


def check(path, **options):
    table = read_gaia_source(path, **options)
    assert table["source_id"].tolist() == IDS
    np.testing.assert_allclose(table["ra"], RA)
    np.testing.assert_allclose(table["parallax"], PARALLAX)
    return table


COMMENTED, NOTES = lines(), ["note", *"äöü·"]
TEXTS = {
    "comma": "".join(lines()),
    "semicolon": "".join(lines(";")),
    "tab": "".join(lines("\t")),
    "bar": "".join(lines("|")),
    "blanks": "".join(lines("   ")),
    "framed": "".join(f"| {' | '.join(row)} |\n" for row in (NAMES, *ROWS)),
    "spaces about": "".join(lines(" , ")),
    "comments": "#\n# made by us\n\n   \n" + "".join(lines()),
    "comments within": "".join([*COMMENTED[:2], "# half\n", "\n", *COMMENTED[2:], "# 4 rows\n"]),
    "hash header": "# about it\n#" + "".join(lines()),
    "hash header, blanks": "# " + "".join(lines("  ")),
    "comma at the end": "".join(lines(end=",\n")),
    "comma at the rows' end": lines()[0] + "".join(lines(end=",\n")[1:]),
    "windows": "".join(lines(end="\r\n")),
    "old mac": "".join(lines(end="\r")),
    "BOM": "\ufeff" + "".join(lines()),
    "no end": "".join(lines()).rstrip(),
    "empty rows": "".join(lines()) + ",,,\n,,,\n",
    "decimal comma": "".join(lines(";")).replace(".", ","),
    "quotes": "".join(",".join(f'"{text}"' for text in row) + "\n" for row in (NAMES, *ROWS)),
    "index": "".join(f"{i},{line}" for i, line in zip(["", *"0123"], lines(), strict=True)),
    "capitals": lines()[0].upper() + "".join(lines()[1:]),
    "units below": "".join([lines()[0], "-,deg,mas,-\n", *lines()[1:]]),
    "rule below": "".join([lines("|")[0], "-----+----+----+---\n", *lines("|")[1:]]),
    "vizier": "#\n#RESOURCE=1\n#Column\tSource\n\n" + "".join(
        "\t".join(row) + "\n"
        for row in (["Source", "RA_ICRS", "Plx", "RUWE"], UNITS, ["-" * 19, "---", "--", "--"],
                    *ROWS)),
    "hours": "".join(f"{i}|{h}|{p}|1\n" for i, h, p in [
        ("source_id", "ra", "parallax"), ("", "hours", "arcsec"),
        *((i, ra / 15, p / 1000) for i, ra, p in zip(IDS, RA, PARALLAX, strict=True))
    ]).replace("parallax|1", "parallax|ruwe").replace("arcsec|1", "arcsec|"),
    "designation": "".join(
        ",".join(row) + "\n"
        for row in (["designation", *NAMES[1:]], *([f"Gaia DR3 {r[0]}", *r[1:]] for r in ROWS))),
}  # fmt: skip


@pytest.mark.parametrize("kind", TEXTS)
def test_a_text_of_any_make_is_read(tmp_path, kind):
    path = tmp_path / "gaia_source.csv"
    path.write_bytes(TEXTS[kind].encode())
    check(path)
    assert {"source_id", "ra", "parallax"} <= columns_of(path)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(TEXTS[kind].encode()))
    check(tmp_path / "a.csv.gz")


@pytest.mark.parametrize("code", ["utf-8", "latin-1", "utf-16"])
def test_a_text_in_any_code_is_read(tmp_path, code):
    text = "".join(f"{line.rstrip()},{note}\n" for line, note in zip(lines(), NOTES, strict=True))
    (tmp_path / "a.csv").write_bytes(text.encode(code))
    table = read_gaia_table(tmp_path / "a.csv")
    assert table.texts("note").tolist() == NOTES[1:] and table.ids().tolist() == IDS


@given(separator=st.sampled_from([",", ";", "\t", "|", "  "]), end=st.sampled_from(["\n", "\r\n"]),
       values=st.lists(st.floats(-1e6, 1e6).map(lambda v: round(v, 6)), min_size=1, max_size=8),
       ids=st.lists(st.integers(10**8, 2**59).map(lambda i: 10 * i + 7), min_size=8, max_size=8,
                    unique=True),
       comments=st.lists(st.sampled_from(["# x, y; z", "#", "", " "]), max_size=3),
       tail=st.booleans())  # fmt: skip
def test_what_is_written_comes_back(tmp_path_factory, separator, end, values, ids, comments, tail):
    path = tmp_path_factory.mktemp("text") / "a.csv"
    rows = [[str(i), repr(v), "x"] for i, v in zip(ids, values, strict=False)]
    close = separator if tail and separator != "  " else ""
    text = [*comments, *(separator.join(row) + close for row in (["id", "value", "name"], *rows))]
    path.write_bytes(end.join([*text, ""]).encode())
    table = read_gaia_table(path, need=(), texts=("id",))
    assert table.whole_ids("id")[0].tolist() == [row[0] for row in rows]
    assert table.numbers("value").tolist() == values[: len(rows)]
    assert table.texts("name").tolist() == ["x"] * len(rows)


def test_what_a_text_lacks_is_told(tmp_path):
    path = tmp_path / "a.csv"
    for text, says in (
        ("".join(lines()[1:]), "no line with the names of the columns: the first one is '58534"),
        ("".join(lines())[:-9], r"truncated: its last line has 2 of 4 fields \('2771993642553377"),
        ("".join(lines()).replace(".", ","), "4 of 4 rows do not have 4 fields.*commas inside"),
        ("# nothing\n", "no row and no names"),
        ("".join(lines(" ")).replace(" 1.1", ""), "last line has 3 of 4"),
        ("".join(lines()).replace("1.25", "1.25 mas"), "'1.25 mas' in the column parallax, row 1"),
    ):  # fmt: skip
        path.write_text(text)
        with pytest.raises(ReadError, match=says) as error:
            read_gaia_source(path)
        assert str(path) in str(error.value)
    path.write_bytes(gzip.compress(gzip.compress("".join(lines()).encode())))
    with pytest.raises(ReadError, match="gzipped twice"):
        read_gaia_source(path)


def test_one_bad_row_costs_that_row(tmp_path):
    path, lost = tmp_path / "a.csv", []
    text = lines()
    path.write_text("".join([*text[:3], f"{IDS[0]},1,2,3,4,5\n", *text[3:]]))
    check(path, rejects=lost)
    assert [r["id"] for r in lost] == ["row 3"] and "another number of fields" in lost[0]["reason"]
    with pytest.warns(UserWarning, match="1 rows left out"):
        check(path)
    rows = lines(" ")
    path.write_text("".join([*rows[:2], "17 3.5 1.1\n", *rows[2:]]))  # which value is missing?
    check(path, rejects=lost)
    assert len(lost) == 2


@pytest.mark.parametrize("values, texts, fault", [
    (np.array([5, 7], "int64"), ["5", "7"], ""),
    (np.array([5, 2**64 - 1], "uint64"), ["5", str(2**64 - 1)], ""),
    (np.array([900000012.0, 2.0**53 - 1]), ["900000012", str(2**53 - 1)], ""),
    (np.array([16777215, 3], "f4"), ["16777215", "3"], ""),
    (["9.00000012E8", "9.0E8"], ["900000012", "900000000"], ""),  # none is rounded: one is whole
    (["900000012.0", " 0012 "], ["900000012", "12"], ""),
    (["Gaia DR3 5853498713190525697", "Gaia EDR3 7"], ["5853498713190525697", "7"], ""),
    (["5.853498713190525697E18", "'8"], ["5853498713190525697", "8"], ""),
    (["900,000,012", '="5"'], ["900000012", "5"], ""),
    (np.array([-9999, 999999]), ["", ""], NONE),
    (["", "null"], ["", ""], NONE),
    (["-9999", "N/A"], ["", ""], NONE),
    ([None, float("nan")], ["", ""], NONE),
    (np.array([-9999.0, np.nan]), ["", ""], NONE),
    (np.ma.masked_array([4, 5], [True, True]), ["", ""], NONE),
    (["9E+08", "9E+08"], ["", ""], ROUNDED),
    (["2.9949E+17", "2,9949E+17"], ["", ""], ROUNDED),
    (["5.853498713190526E18", "2.771993642553377E18"], ["", ""], ROUNDED),
    (np.array([2.0**53, 5.85e18]), ["", ""], ROUNDED),
    (np.array([2.0**24, 9e8], "f4"), ["", ""], ROUNDED),
    (["5853498713190520000", "2771993642553370000"], ["", ""], ROUNDED),  # 15 digits are left
    (["a7", "1.5"], ["", ""], NO_NUMBER),
])  # fmt: skip
def test_ids_are_exact_or_none(values, texts, fault):
    found, faults = whole_ids(values)
    assert found.tolist() == texts and set(faults) == {fault}


@given(st.lists(st.integers(1, 2**63 - 1), min_size=1, max_size=6))
def test_no_id_ever_becomes_another(ids):
    as_floats = np.array(ids, dtype=float)
    written = [str(i) for i in ids], [repr(v) for v in as_floats], [f"{v:.0E}" for v in as_floats]
    for values in (np.array(ids), as_floats, *written, [f"{v:.5G}" for v in as_floats]):
        for own, text in zip(ids, whole_ids(values)[0], strict=True):
            assert text in ("", str(own))
    assume(not any(str(i)[15:] and not str(i)[15:].strip("0") for i in ids) and 999999 not in ids)
    assert whole_ids(np.array(ids))[0].tolist() == written[0]


def test_ids_that_floats_have_rounded_and_wrote_as_whole_numbers_are_refused(tmp_path):
    rng = np.random.default_rng(0)
    true = rng.integers(2**61, 2**62, 40) // 128 * 128 + 1
    rounded = true.astype(float).astype("int64")
    assert through_floats(rounded) and not through_floats(true) and not through_floats(true[:1])
    Table({"source_id": rounded, "ra": np.zeros(40)}).write(tmp_path / "a.fits")
    with pytest.raises(ReadError, match="every source_id is one that a float can hold"):
        read_gaia_source(tmp_path / "a.fits")


def test_an_id_is_found_by_its_number_where_that_is_plain():
    assert place_of(["12", "13", "g"], ["0012", "13", "g", "14", ""]).tolist() == [0, 1, 2, -1, -1]
    assert place_of(["012", "12"], ["0012", "12", "012"]).tolist() == [-1, 1, 0]
    assert place_of(["12"], ["0012", "012"]).tolist() == [-1, -1]  # two objects, one row


@given(quantity=st.sampled_from(["magnitude", "ruwe", "parallax", "pmra", "rv", "z", "r_med_geo"]),
       mark=st.sampled_from([-9999.0, -999.0, 999999.0, 1e20, np.inf, -9999.99]),
       form=st.sampled_from(["f8", "f4"]))  # fmt: skip
def test_marks_are_missing_values(quantity, mark, form):
    values = np.array([1.5, mark], form)
    assert np.isnan(numbers_of(values, quantity)).tolist() == [False, True]


def test_marks_of_magnitudes_and_values_that_only_look_like_marks():
    marks = np.array([99, 99.99, -99, 999, -9999])
    assert np.isnan(numbers_of(marks, "magnitude")).all()
    assert numbers_of([-99.0, -998.7], "pmra").tolist() == [-99.0, -998.7]
    assert numbers_of([99.0, 99.99], "ra").tolist() == [99.0, 99.99]
    assert np.isnan(numbers_of([-99.0, 5.0], "f_ha")).tolist() == [True, False]


@pytest.mark.parametrize("quantity, unit, factor", [
    ("parallax", "arcsec", 1000), ("parallax", "milliarcsec", 1), ("parallax", "mas", 1),
    ("ra", "hourangle", 15), ("ra", "h", 15), ("ra", "rad", 180 / np.pi), ("ra", "Degrees", 1),
    ("pmra", "arcsec/yr", 1000), ("pmra", "mas.yr**-1", 1), ("r_med_geo", "kpc", 1000),
    ("rv", "m/s", 1e-3), ("magnitude", "[mag]", 1), ("teff", "Kelvin", 1), ("logg", "dex", 1),
])  # fmt: skip
def test_units_are_turned_into_ours(quantity, unit, factor):
    np.testing.assert_allclose(numbers_of([1.0], quantity, unit), [factor])


def test_a_unit_of_another_kind_is_refused(tmp_path):
    table = Table({"source_id": IDS, "ra": RA, "parallax": PARALLAX})
    for name, unit in (("ra", "mag"), ("parallax", "pc"), ("ra", "furlong")):
        table[name].unit = unit
        table.write(tmp_path / "a.ecsv", overwrite=True)
        with pytest.raises(ReadError, match=f"column {name} has the unit '{unit}'"):
            read_gaia_source(tmp_path / "a.ecsv")
        table[name].unit = None


@pytest.mark.parametrize("form", ["fits", "ecsv", "vot", "csv"])
def test_a_masked_id_costs_its_row_in_every_format(tmp_path, form):
    table = Table({"source_id": MaskedColumn(IDS, mask=[0, 1, 0, 0]), "ra": RA})
    path, lost = tmp_path / f"a.{form}", []
    table.write(path, **({"format": "votable"} if form == "vot" else {}))
    table = read_gaia_source(path, rejects=lost)
    assert table["source_id"].tolist() == [IDS[0], *IDS[2:]]
    assert table["ra"].tolist() == [RA[0], *RA[2:]]
    assert [r["id"] for r in lost] == ["row 2"] and "no id" in lost[0]["reason"]


def test_a_star_catalogue_joins_by_exact_ids_or_says_so(tmp_path, capsys):
    path = tmp_path / "lasp.csv"
    for ids, found in ((["9.00000012E8", "9.00000013E8"], ["900000012", "900000013"]),
                       (["900000012", "9E+08"], ["900000012", ""])):  # fmt: skip
        path.write_text("obsid,teff,logg,feh,rv\n" + "".join(f"{i},5700,4,-9999,0\n" for i in ids))
        table = read_star_catalogue(path)
        assert table["id"].tolist() == found and table["feh"].isna().all()
    assert "obsid: 1 of 2 rows: rounded" in capsys.readouterr().out
    path.write_text("obsid,teff,logg,feh\n9E+08,5700,4.3,0\n9E+08,5800,4.4,0\n")
    with pytest.raises(ReadError, match=r"obsid: 2 of 2 rows: rounded.*all its digits"):
        read_star_catalogue(path)


def test_galaxies_with_rounded_ids_are_refused_and_tables_of_two_releases(tmp_path):
    def write(ids, others):
        info = [f"{i},266,51602,{n},158.2,35.7,0.06" for n, i in enumerate(ids)]
        text = "\n".join(["specObjID,plateid,mjd,fiberid,ra,dec,z", *info, ""])
        (tmp_path / "galSpecInfo.csv").write_text(text)
        text = "\n".join(["specObjID,bptclass,oh_p50", *(f"{i},1,8.9" for i in others), ""])
        (tmp_path / "galSpecExtra.csv").write_text(text)
        return read_mpajhu(tmp_path)

    good = ["299489677444933632", "299490777444933632"]
    assert write(good, good)["specobjid"].tolist() == good
    with pytest.raises(ReadError, match=r"galSpecInfo.*SPECOBJID: 2 of 2 rows: rounded"):
        write(["2.9949E+17"] * 2, good)
    with pytest.raises(ReadError, match=r"galSpecExtra.*SPECOBJID: 1 of 2 rows: rounded"):
        write(good, [good[0], "2.9949E+17"])
    with pytest.raises(ReadError, match=r"galSpecExtra.*none of its 1 SPECOBJID is in galSpecInfo"):
        write(good, ["299489677444933999"])


def test_a_join_says_what_it_did(capsys):
    say_joined("t.csv", [0, 1, 1, 2], ("not at all", "by id", "by position"))
    say_joined("t.csv", [0, 0], ("not at all", "by id"))
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "t.csv: 3 of 4 rows joined (1 not at all, 2 by id, 1 by position)"
    assert said[1].startswith("WARNING: t.csv joins NONE of 2 rows")


@pytest.mark.parametrize("name", [
    "good.csv", "comment_blank.csv", "decimal_comma.csv", "hash_header.csv", "latin1.csv",
    "semicolon.csv", "tab.tsv", "tail_comma.csv", "trailing_comment.csv", "vizier.tsv",
    "parallax_arcsec.fits", "ra_hour.ecsv",
])  # fmt: skip
def test_gaia_tables_of_the_folder(inputs, name):
    check(inputs / "gaia" / name)


@pytest.mark.parametrize("name", ["id_masked.fits", "id_missing.csv"])
def test_rows_without_ids_of_the_folder(inputs, name):
    lost = []
    table = read_gaia_source(inputs / "gaia" / name, rejects=lost)
    assert table["source_id"].tolist() == [IDS[0], *IDS[2:]] and len(lost) == 1


def test_marks_and_labels_of_the_folder(inputs):
    table = read_gaia_source(inputs / "gaia/m9999.csv")
    assert np.isnan(table.loc[1, ["ruwe", "parallax", "bp"]].to_numpy(float)).all()
    assert table["ruwe"][[0, 2, 3]].tolist() == [1.0, 1.6, 0.95]
    labels = read_labels(inputs / "moons_labels")
    assert labels["z"][0] == 1.2 and labels.loc[1, ["z", "log_mass"]].isna().all()
    assert place_of(labels["id"], ["0012", "13"]).tolist() == [0, 1]
    with pytest.raises(ReadError, match="SPECOBJID: 3 of 3 rows: rounded"):
        read_mpajhu(inputs / "mpajhu")
    stars = read_star_catalogue(inputs / "lasp/sci.csv")
    assert stars["id"].tolist() == ["900000012", "900000013"]
    stars = read_star_catalogue(inputs / "lasp/dr9_LRS_stellar.csv")
    assert stars["gaia_source_id"].isna().tolist() == [False, True]
    with pytest.raises(ReadError, match="rounded"):
        read_star_catalogue(inputs / "lasp/excel.csv")


@pytest.mark.parametrize("obsid, found", [
    (900000028, "900000028"), ("900000028", "900000028"), (900000028.0, "900000028"),
    ("9E+08", "a"), (-9999, "a"),
])  # fmt: skip
def test_an_obsid_of_any_type_is_exact_or_the_files_name(tmp_path, obsid, found):
    toy.write_image(tmp_path / "a.fits", toy.stars(1), 0, OBSID=obsid)
    assert read(tmp_path / "a.fits").ids.tolist() == [found]


def test_obsids_of_the_folder(inputs):
    spectra = read(inputs / "lamost/spec-58575-TEST01_sp03-028.fits")
    assert spectra.ids.tolist() == ["900000028"]
    spectra = read(inputs / "lamost/stack_obsid_float.fits")
    assert spectra.ids.tolist() == [f"9000000{n}" for n in (34, 35, 36)]


def test_marks_in_predictions_made_elsewhere_are_missing(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("id;z_true;z_pred;class\n0012;0,5;-9999,0;nan\nb;1,5;1,25;GALAXY\n")
    df = read_predictions(path, ["z_true", "z_pred"])
    np.testing.assert_array_equal(df["z_pred"], [np.nan, 1.25])
    assert df["id"].tolist() == ["0012", "b"] and df["class"].tolist() == ["nan", "GALAXY"]


def test_marks_in_gspspec_are_missing(tmp_path):
    columns = {f"{name}_gspspec{end}": [value, -9999.0] for name, value in
               (("teff", 5000.0), ("logg", 4.0), ("mh", 0.1), ("fem", 0.0), ("alphafe", 0.0))
               for end in ("", "_lower", "_upper")}  # fmt: skip
    Table({"source_id": IDS[:2], **columns}).write(tmp_path / "a.fits")
    table = read_gspspec(tmp_path / "a.fits")
    for name in ("teff", "teff_err", "logg", "m_h", "fe_h", "fe_h_err", "alpha_m"):
        assert table[name].isna().tolist() == [False, True]


def test_a_row_with_too_few_fields_is_told(tmp_path):
    """Cut off, or with a value left out: which one it is cannot be told."""
    path = tmp_path / "a.csv"
    ids = [f"{5853498713190525696 + i}" for i in range(4)]
    path.write_text(
        f"source_id,ra,dec,parallax\n{ids[0]},1,2,3\n{ids[1]},1,2\n{ids[2]},1,2,\n{ids[3]},1,2,5\n"
    )
    rejects = []
    frame = read_gaia_source(path, rejects=rejects)
    assert frame["source_id"].astype(str).tolist() == [ids[0], ids[2], ids[3]]
    np.testing.assert_array_equal(frame["parallax"], [3, np.nan, 5])
    assert [r["reason"] for r in rejects] == ["another number of fields than the 4 names"]
    assert rejects[0]["id"] == "row 2"
