"""The sample: which stars are solar-like, what each cut leaves, and how labels are made."""

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st

from common.crossmatch import nearest
from common.errors import MissingDataError, ReadError, UsageError
from solarlike_distance import selection
from solarlike_distance.config import make_config
from solarlike_distance.labels import sources
from tests.solarlike_distance import toy

CONFIG = make_config("lamost")


def test_the_sun_is_in_and_a_giant_is_out():
    inside = selection.solar_like(
        teff=[5772, 4800, 5772, 4700, 6900, 5772, np.nan],
        logg=[4.44, 2.5, 3.9, 4.6, 4.2, 4.44, 4.44],
        feh=[0.0, 0.0, 0.0, 0.0, 0.0, -1.2, 0.0],
        config=CONFIG,
    )
    assert inside.tolist() == [True, False, False, False, False, False, False]
    # With the sign that Table 1 prints, the Sun would be out and the giant in.
    line = CONFIG.logg_zero + CONFIG.logg_slope * np.array([5772, 4800])
    assert 4.44 > line[0] and 2.5 < line[1]


@settings(max_examples=50, deadline=None)
@given(st.floats(4800, 6800), st.floats(0, 6), st.floats(-0.999, 0.999))
def test_raising_log_g_never_takes_a_star_out(teff, logg, feh):
    two = dict(teff=[teff, teff], logg=[logg, logg + 0.5], feh=[feh, feh])
    low, high = selection.solar_like(**two, config=CONFIG)
    assert high or not low


@pytest.fixture
def folder(tmp_path):
    about = toy.stars(40)
    about["teff"][:4] = 4500  # not solar-like
    toy.write_labels(tmp_path, about)
    return tmp_path, about


def rewrite(path, **columns):
    """Change columns of a table that is there, or add one; each is (rows, value)."""
    table = Table.read(path)
    for name, (rows, value) in columns.items():
        if name not in table.colnames:
            table[name] = np.zeros(len(table))
        table[name][rows] = value
    table.write(path, overwrite=True)


def test_counts_after_each_cut_and_labels(folder):
    path, about = folder
    nowhere = (slice(6), np.nan)
    rewrite(path / "allStar-dr17.fits", RA=nowhere, DEC=nowhere, LOGG=(6, 2.0))
    rewrite(path / "gaia_source.fits", ra=(slice(8), 0.0), parallax_error=(8, 1.0),
            ag_gspphot=(11, np.nan))  # fmt: skip
    rewrite(path / "dr9_v1.1_LRS_stellar.fits", snrg=(9, 9.0), fibermask=(10, 64))
    sample, counts = selection.select(sources.read_tables(path), CONFIG)
    assert counts["n"].tolist() == [40, 36, 34, 33, 32, 31, 29, 28]
    assert counts["published"].tolist()[:7] == list(selection.PUBLISHED.values())
    assert np.isnan(counts["published"].iloc[7])
    assert 'in APOGEE within 1"' in selection.printed(counts)
    assert sample["id"].tolist() == [str(about["obsid"][i]) for i in range(12, 40)]
    np.testing.assert_allclose(sample["mg_true"], 4.7 - (about["teff"][12:] - 5772) / 500)
    np.testing.assert_allclose(sample["bprp_true"], 0.8)
    np.testing.assert_allclose(sample["teff_true"], about["teff"][12:])
    np.testing.assert_allclose(sample["lasp_teff"] - sample["teff_true"], 20)
    np.testing.assert_allclose(sample["parallax_over_error"], 100)
    assert sample["lasp_logg_err"].isna().all()  # -9999 in the catalogue
    assert sample["source_id"].tolist() == [10**18 + 128 * i for i in range(12, 40)]
    assert sample["object"].iloc[0] == str(10**18 + 128 * 12)
    assert sample["APOGEE_ID"].iloc[0] == "2M00000012"


def test_spectra_of_one_star_share_its_name_and_labels(folder):
    path, about = folder
    rewrite(path / "dr9_v1.1_LRS_stellar.fits", ra=(11, about["ra"][10]),
            dec=(11, about["dec"][10] + 0.5 / 3600))  # fmt: skip
    sample, _ = selection.select(sources.read_tables(path), CONFIG)
    pair = sample[sample["id"].isin(["1010", "1011"])]
    assert len(pair) == 2 and pair["object"].nunique() == 1 and pair["teff_true"].nunique() == 1


def test_gaia_without_positions_is_matched_by_source(tmp_path):
    toy.write_labels(tmp_path, toy.stars(12), gaia_positions=False)
    rewrite(tmp_path / "dr9_v1.1_LRS_stellar.fits", gaia_source_id=(slice(12), "-9999"))
    sample, counts = selection.select(sources.read_tables(tmp_path), CONFIG)
    assert counts["n"].tolist() == [12] * 8  # by APOGEE's source_id
    np.testing.assert_allclose(sample["bprp_true"], 0.8)


def test_distances_may_stand_in_the_gaia_table(tmp_path):
    toy.write_labels(tmp_path, toy.stars(12))
    (tmp_path / "geodist.fits").unlink()
    with pytest.raises(MissingDataError, match=r"Bailer-Jones.*lamost-mock, which runs now"):
        sources.read_tables(tmp_path)
    rewrite(tmp_path / "gaia_source.fits", r_med_geo=(slice(12), 250.0))
    sample, _ = selection.select(sources.read_tables(tmp_path), CONFIG)
    assert (sample["r_med_geo"] == 250).all()


def test_vizier_names_of_distances(tmp_path):
    path = tmp_path / "geodist.csv"
    path.write_text("Source,rgeo,b_rgeo,B_rgeo\n1000000000000000001,250.5,240,260\n")
    table = sources.read_distances(path)
    assert table["source_id"][0] == 1000000000000000001 and table["r_med_geo"][0] == 250.5
    path.write_text("Source,Plx\n1,2\n")
    with pytest.raises(ReadError, match="r_med_geo"):
        sources.read_distances(path)


def test_missing_and_doubled_tables_are_named(tmp_path):
    with pytest.raises(MissingDataError, match=r"allStar.*gaia_source"):
        sources.read_tables(tmp_path)
    toy.write_labels(tmp_path, toy.stars(3))
    pd.DataFrame({"a": [1]}).to_csv(tmp_path / "other_stellar.csv")
    with pytest.raises(ReadError, match=r"other_stellar.csv"):
        sources.read_tables(tmp_path)


def test_nearest_gives_repeated_rows_the_same_partner():
    row, separation = nearest(ra=[10, 10.0001, 50, np.nan], dec=[0] * 4, other_ra=[10.00005, 70],
                              other_dec=[0, 0], radius_arcsec=1)  # fmt: skip
    assert row.tolist() == [0, 0, -1, -1]
    np.testing.assert_allclose(separation[:2], 0.18, atol=0.01)
    assert np.isnan(separation[2:]).all()
    empty, _ = nearest(ra=[1.0], dec=[1.0], other_ra=[], other_dec=[], radius_arcsec=1)
    assert empty.tolist() == [-1]
    with pytest.raises(UsageError, match="above 0"):
        nearest(ra=[1.0], dec=[1.0], other_ra=[1.0], other_dec=[1.0], radius_arcsec=0)
