"""The user's table of Gaia's columns: what it must hold, and how its rows are found."""

import numpy as np
import pandas as pd
import pytest

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
