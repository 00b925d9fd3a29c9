"""The user's table of Gaia's columns: what it must hold, and how its rows are found."""

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from common.errors import ReadError, UsageError
from solarlike_distance.labels.photometry import Places, Sky, read_photometry
from tests.solarlike_distance.toy import photometry, tiny_config


def test_obsid_goes_before_position(few):
    about = few[1]
    swapped = photometry(about, ra=about["ra"][::-1], dec=about["dec"][::-1])
    swapped.to_csv(few[0] / "gaia_source.csv", index=False)
    found, way = read_photometry(few[0] / "gaia_source.csv", config=tiny_config()).find(
        pd.DataFrame({"id": about["obsid"].astype(str), "ra": about["ra"], "dec": about["dec"]})
    )
    assert found.tolist() == list(range(9)) and set(way) == {1}


@pytest.mark.parametrize("change, message", [
    (lambda t: t.drop(columns="phot_g_mean_mag"), "no G magnitude.*phot_g_mean_mag"),
    (lambda t: t.drop(columns="bp_rp"), "no colour.*--extinction"),
    (lambda t: t.drop(columns=["obsid", "source_id", "ra"]), "nothing to join.*obsid, source_id"),
    (lambda t: t[["my_ag"]], "a table with columns of gaia_source"),
    (lambda t: pd.concat([t, t[:1]]), "1 obsid in more than one row, 5000"),
    (lambda t: pd.concat([t, t[:1]]).drop(columns="obsid"), "1 source_id in more than one row"),
    (lambda t: t.assign(source_id="1.5e18").drop(columns=["obsid", "ra"]),
     "no row to join by.*source_id '1.5e18': 9 of 9 rows: rounded"),
])  # fmt: skip
def test_photometry_that_cannot_be_used_says_what_it_lacks(few, tmp_path, change, message):
    change(photometry(few[1])).to_csv(tmp_path / "gaia.csv", index=False)
    with pytest.raises(ReadError, match=message) as error:
        read_photometry(tmp_path / "gaia.csv", config=tiny_config())
    assert "gaia.csv" in str(error.value)


def test_an_extinction_that_is_not_there_is_refused(few, tmp_path):
    with pytest.raises(UsageError, match=r"--extinction a_v.*no such column"):
        read_photometry(tmp_path / "gaia.csv", config=tiny_config(), extinction="a_v")


def test_names_and_positions_are_found():
    place = Places(["a", "", "b", "a"])
    assert place.find(["b", "a", "", "c"]).tolist() == [2, 0, -1, -1]
    assert Places([]).find(["a"]).tolist() == [-1]
    sky = Sky(np.array([0.0, 359.9999, np.nan]), np.array([10.0, 10.0, 0.0]), 3.0)
    ra = np.array([0.0002, 359.99991, 0.01, np.nan])
    assert sky.find(ra, np.full(4, 10.0)).tolist() == [0, 1, -1, -1]


def of_rows(path, rows):
    """Return G, source and A_G's colour of the rows that these obsids are joined to by obsid."""
    table = read_photometry(path, config=tiny_config())
    row, way = table.find(pd.DataFrame({"id": [str(i) for i in rows], "ra": np.nan, "dec": np.nan}))
    return table.columns(row), way


def lamost_table(path, *, separator=",", **changes):
    """Write a cross-match with LAMOST's own names, as its releases give them."""
    columns = {"obsid": ["101", "102", "103"], "gaia_source_id": ["7000000001", "-9999", ""],
               "gaia_g_mean_mag": ["11.2", "12.1", "13.3"], "bp_rp": ["0.8", "0.9", "1.0"],
               "ra": ["1", "2", "3"], "dec": ["4", "5", "6"]} | changes  # fmt: skip
    rows = [columns, *zip(*columns.values(), strict=True)]
    path.write_text("".join(separator.join(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("separator", [",", "|", ";", "\t"])
def test_a_row_without_a_source_is_a_row_without_a_source(tmp_path, separator):
    found, way = of_rows(lamost_table(tmp_path / "a.csv", separator=separator), (101, 102, 103))
    assert found["source_id"].isna().tolist() == [False, True, True] and set(way) == {1}
    assert found["phot_g_mean_mag"].tolist() == [11.2, 12.1, 13.3]


@pytest.mark.parametrize(
    "mark", ["-9999", "-9999.0", "99", "99.99", "-999", "null", "", "NaN", "--"]
)
def test_a_mark_is_no_magnitude(tmp_path, mark):
    marked = {name: ["11.2", mark, "13.3"] for name in ("gaia_g_mean_mag", "bp_rp")}
    found, _ = of_rows(lamost_table(tmp_path / "a.csv", **marked), (101, 102, 103))
    for name in ("phot_g_mean_mag", "bp_rp"):
        assert found[name].isna().tolist() == [False, True, False]


def test_rounded_obsids_join_nothing_by_obsid_and_are_counted(tmp_path, capsys):
    path = lamost_table(tmp_path / "a.csv", obsid=["9E+08", "9E+08", "900000035"])
    found, way = of_rows(path, (900000000, 900000012, 900000035))
    assert way.tolist() == [0, 0, 1] and found["phot_g_mean_mag"].isna().tolist() == [True] * 2 + [
        False
    ]
    assert "obsid: 2 of 3 rows: rounded" in capsys.readouterr().out


def test_units_of_the_file_are_turned_into_ours(few, tmp_path):
    table = Table.from_pandas(photometry(few[1])[["obsid", "phot_g_mean_mag", "bp_rp", "parallax"]])
    table["parallax"] /= 1000
    table["parallax"].unit = "arcsec"
    table.write(tmp_path / "a.fits")
    found, _ = of_rows(tmp_path / "a.fits", few[1]["obsid"])
    np.testing.assert_allclose(found["parallax"], 2.0)


@pytest.mark.parametrize("name, lost", [
    ("good.csv", None), ("mag_9999.csv", "magnitudes"), ("g_9999.csv", "g"),
    ("mag_99.csv", "g"), ("lamost_9999.csv", "all"), ("lamost_pipe.csv", "all"),
    ("id_one_empty.csv", "id"), ("masked.fits", "masked"), ("masked2.fits", "masked2"),
])  # fmt: skip
def test_photometry_of_the_folder(shared_data, name, lost):
    path = shared_data / "inputs/photometry" / name
    if not path.is_file():
        pytest.skip(f"no {path}")
    found, way = of_rows(path, range(900000034, 900000037))
    joined = [True, True, lost != "masked2"]
    assert (way > 0).tolist() == joined
    assert found["phot_g_mean_mag"].tolist()[:2] == [13.3, 10.4]
    assert found["source_id"].isna().tolist() == [False, False, lost in ("id", "masked2")]
    second, way = of_rows(path, [900000013, 900000028, 999999])
    assert way.tolist() == [1, 0 if lost in ("masked", "masked2") else 1, 0]
    gone = second.loc[0, ["phot_g_mean_mag", "bp_rp", "source_id"]].isna().tolist()
    assert gone == {"magnitudes": [True, True, False], "g": [True, False, False],
                    "all": [True, True, True], "masked": [False, False, True]
                    }.get(lost, [False] * 3)  # fmt: skip
