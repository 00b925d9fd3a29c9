"""Table D.1's columns with units, distances, and a row or a reject for each spectrum."""

import shutil
from functools import cache

import numpy as np
import pandas as pd
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.io.votable.ucd import parse_ucd
from astropy.table import Table, vstack

from common.catalog import read_table, write_table
from common.catalogue import files as source
from common.catalogue import parts
from common.errors import ReadError, SuiteError, UsageError
from common.pipeline import Shards
from solarlike_distance import catalog, distance, evaluate
from solarlike_distance import networks as nets
from solarlike_distance.catalogue import columns as catalog_columns
from solarlike_distance.labelled import on_one_scale
from solarlike_distance.labels import extinction
from solarlike_distance.tables import application
from solarlike_distance.tables.rows import read_predictions as read_rows
from tests.catalogues import killed_at
from tests.solarlike_distance import toy
from tests.solarlike_distance.toy import photometry

pytestmark = pytest.mark.filterwarnings("ignore:'dex':astropy.units.UnitsWarning")
PRINTED = """obsid ra dec snrg snrr flag cnn_teff cnn_logg cnn_feh cnn_mg cnn_bprp cnn_distance
lasp_teff lasp_teff_err lasp_logg lasp_logg_err lasp_feh lasp_feh_err lasp_rv lasp_rv_err
gaia_source_id parallax parallax_over_error parallax_zeropoint parallax_correction gaia_g_mean_mag
gaia_bp_rp r_med_geo APOGEE_ID""".split()


@pytest.fixture(scope="module")
def trained(made_run):
    return made_run / "run"


@pytest.fixture(scope="module", autouse=True)
def loaded_once():
    """Networks that are loaded and traced once for all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog, "load_networks", cache(nets.load_networks))
        yield


def made(trained, paths, out, **options):
    catalog.make_catalogue(trained, paths, out, **options)
    return read_table(out)


def flags_of(table):
    return [set(filter(None, str(w).split(";"))) for w in table["warnings"]]


def test_table_d1_with_units(trained, few, tmp_path):
    out = tmp_path / "cat.fits"
    made = catalog.make_catalogue(trained, [few[0]], out, photometry=tmp_path / "gaia.csv")
    assert made[:2] == (9, 0) and not (tmp_path / "cat.fits.parts").exists()
    read = Table.read(out)
    assert read.colnames[:29] == PRINTED == list(catalog_columns.PAPER)
    assert set(read["obsid"]) == set(few[1]["obsid"])
    assert sorted(read["gaia_source_id"]) == list(range(10**18, 10**18 + 9))
    for name, unit in catalog_columns.notes()["units"].items():
        assert str(read[name].unit) == unit, name
    assert (read["cnn_distance"].quantity.to("kpc").value > 0).all()
    assert read["lasp_rv"].unit == u.km / u.s
    header, at = fits.getheader(out, 1), read.colnames.index("cnn_distance") + 1
    assert header[f"TUCD{at}"] == "pos.distance" and "mode" in header[f"TCOMM{at}"]
    assert header["TRAINED"] == "lamost" and header["SPECTRA"] == "observed"


def test_every_column_has_a_ucd_that_the_standard_knows():
    for column in catalog_columns.COLUMNS.values():
        assert parse_ucd(column.ucd, check_controlled_vocabulary=True)
        assert column.text and u.Unit(column.unit) is not None


def test_distances_are_the_posteriors_and_parallaxes_corrected(trained, few, tmp_path):
    table = made(trained, [few[0]], tmp_path / "a.fits", photometry=tmp_path / "gaia.csv")
    known = nets.load_networks(trained)
    ag, _ = extinction.from_colour(bp_rp=table["gaia_bp_rp"], bprp=table["cnn_bprp"])
    star = dict(g=table["gaia_g_mean_mag"], mg=table["cnn_mg"])
    mode = distance.posterior(**star, mg_sigma=known.scatter["mg"], ag=ag)["mode"]
    np.testing.assert_allclose(table["cnn_distance"], mode, rtol=1e-6)
    np.testing.assert_allclose(table["ag"], ag, atol=1e-9)
    assert (table["cnn_distance_p16"] < table["cnn_distance_p50"]).all()
    mine = made(trained, [few[0]], tmp_path / "b.fits", photometry=tmp_path / "gaia.csv",
                extinction="my_ag")  # fmt: skip
    mode = distance.posterior(**star, mg_sigma=known.scatter["mg"], ag=0.3)["mode"]
    np.testing.assert_allclose(mine["cnn_distance"], mode, rtol=1e-6)
    np.testing.assert_allclose(mine["ag_err"], 0.1)
    zpt = pytest.importorskip("zero_point").zpt
    zpt.load_tables()
    bright = table["gaia_g_mean_mag"].to_numpy(float)[:1]
    first = zpt.get_zpt(bright, *(np.array([v]) for v in (1.5, -99.0, 20.0, 31)))[0]
    assert table["parallax_zeropoint"][0] == pytest.approx(first, abs=1e-9)
    np.testing.assert_allclose(table["parallax_correction"], 2.0 - table["parallax_zeropoint"])
    np.testing.assert_allclose(table["parallax_over_error"], 100.0)


@pytest.mark.parametrize("way", ["obsid", "source_id", "position"])
@pytest.mark.parametrize("ending", [".csv", ".fits", ".ecsv", ".vot"])
def test_photometry_is_joined_by_obsid_source_or_position(trained, few, tmp_path, way, ending):
    folder, about = few
    table = photometry(about).iloc[::-1]
    drop = {"obsid": ["ra", "dec", "source_id"], "source_id": ["obsid", "ra", "dec"],
            "position": ["obsid", "source_id"]}[way]  # fmt: skip
    table = table.drop(columns=drop)
    if way == "position":
        table["dec"] += 1 / 3600
    write_table(table, tmp_path / f"g{ending}")
    toy.write_labels(tmp_path / "labels", about)  # LASP's table says which source it is
    stars = Table.read(tmp_path / "labels" / "dr9_v1.1_LRS_stellar.fits")
    stars["gaia_source_id"] = (10**18 + np.arange(9)).astype(str)
    stars.write(tmp_path / "lasp.fits")
    got = made(trained, [folder], tmp_path / "a.fits", photometry=tmp_path / f"g{ending}",
               lasp=tmp_path / "lasp.fits")  # fmt: skip
    got = got.set_index("obsid").loc[about["obsid"]]
    np.testing.assert_allclose(got["gaia_g_mean_mag"], 13 + 0.1 * np.arange(9))
    np.testing.assert_allclose(got["lasp_teff"], about["teff"] + 20, rtol=1e-6)
    assert np.isfinite(got["cnn_distance"]).all()


def test_the_papers_application_is_selected_by_lasp_signal_and_gaia(
    trained, few, tmp_path, monkeypatch
):
    folder, about = few
    toy.write_labels(tmp_path / "labels", about)
    stars = Table.read(tmp_path / "labels" / "dr9_v1.1_LRS_stellar.fits")
    stars["logg"][0], stars["teff"][1] = 2.5, np.nan
    toy.write_image(folder / "dim.fits", about, 2, OBSID=77, SNRG=3.0)
    more = stars[2:3].copy()
    more["obsid"], more["planid"] = 77, "F2"
    vstack([stars, more]).write(tmp_path / "lasp.fits")
    gaia = toy.photometry(about, distance_gspphot=500.0)
    gaia.loc[3, "parallax_error"] = 0.5
    gaia.loc[4, ["parallax", "parallax_error"]] = np.nan
    gaia.loc[5, "distance_gspphot"] = np.nan
    gaia.to_csv(tmp_path / "g.csv", index=False)
    seen, predicted = [], catalog.predicted
    monkeypatch.setattr(
        catalog, "predicted", lambda n, x, s: seen.append(len(x)) or predicted(n, x, s)
    )
    tables = dict(photometry=tmp_path / "g.csv", lasp=tmp_path / "lasp.fits")
    table = made(trained, [folder], tmp_path / "a.fits", select="paper", **tables)
    assert sorted(table["obsid"]) == sorted(about["obsid"][3:6]) and sum(seen) == 3
    assert fits.getheader(tmp_path / "a.fits", 1)["SELECTED"] == "paper"
    lost = Table.read(tmp_path / "a.fits.rejects.ecsv").to_pandas()
    assert len(lost) == 7
    reason = dict(zip(lost["id"].astype(int), lost["reason"], strict=True))
    assert "not solar-like by LASP" in reason[about["obsid"][0]]
    assert "no parameters of LASP" in reason[about["obsid"][1]]
    assert "S/N_g below 10" in reason[77] and "good distance" in reason[about["obsid"][8]]
    assert len(made(trained, [folder], tmp_path / "b.fits", **tables)) == 10
    # What reads the catalogue of all comes to the same stars, where LASP knows them.
    df = read_rows(tmp_path / "b.fits")
    df = df[df["lasp_teff"].notna()].reset_index(drop=True)
    keep = application.of_kind(df) & application.problematic(df)
    assert sorted(df["id"][keep].astype(int)) == sorted(about["obsid"][3:6])


def test_a_selection_says_what_it_needs(trained, few, tmp_path):
    with pytest.raises(UsageError, match="--select paper needs --photometry"):
        made(trained, [few[0]], tmp_path / "cat.fits", select="paper")
    with pytest.raises(UsageError, match=r"gaia\.csv has no distance_gspphot"):
        made(trained, [few[0]], tmp_path / "cat.fits", select="paper",
             photometry=tmp_path / "gaia.csv")  # fmt: skip


def test_a_catalogue_says_what_joined_and_shouts_of_what_did_not(trained, few, tmp_path, capsys):
    folder, about = few
    table = photometry(about)
    table["obsid"] = table["obsid"].astype(object)
    table.loc[0, ["obsid", "ra"]] = "", 0.0  # joined by nothing
    table.loc[1, "obsid"] = ""  # by position
    table.to_csv(tmp_path / "gaia.csv", index=False)
    lasp = pd.DataFrame({"obsid": [1, 2], "teff": 5700.0, "logg": 4.4, "feh": 0.0})
    lasp.to_csv(tmp_path / "lasp.csv", index=False)
    made(trained, [folder], tmp_path / "a.csv", photometry=tmp_path / "gaia.csv",
         lasp=tmp_path / "lasp.csv")  # fmt: skip
    said = capsys.readouterr().out
    assert "gaia.csv: 8 of 9 rows joined (1 not at all, 7 by obsid, 1 by position)" in said
    assert f"WARNING: {tmp_path / 'lasp.csv'} joins NONE of 9 rows" in said


def test_stars_without_photometry_have_no_distance_and_a_flag(trained, few, tmp_path):
    table = photometry(few[1]).iloc[:5]
    table.loc[0, "phot_g_mean_mag"] = np.nan
    table.loc[1, "my_ag"] = np.nan
    table.to_csv(tmp_path / "gaia.csv", index=False)
    got = made(trained, [few[0]], tmp_path / "a.fits", photometry=tmp_path / "gaia.csv",
               extinction="my_ag").set_index("obsid").loc[few[1]["obsid"]]  # fmt: skip
    assert np.isnan(got["cnn_distance"]).tolist() == [True, True] + [False] * 3 + [True] * 4
    warn = flags_of(got)
    assert "NO_PHOTOMETRY" in warn[0] and "NO_EXTINCTION" in warn[1] and "NO_PHOTOMETRY" in warn[8]
    assert not warn[2] & {"NO_PHOTOMETRY", "NO_EXTINCTION"}
    bare = made(trained, [few[0]], tmp_path / "b.fits")
    assert bare["cnn_distance"].isna().all() and bare["ag_err"].isna().all()
    assert all("NO_PHOTOMETRY" in w for w in flags_of(bare))


def test_bad_spectra_are_rejects_and_odd_ones_are_flagged(trained, few, tmp_path):
    folder, about = few
    (folder / "broken.fits").write_bytes(b"SIMPLE  =  ")
    mask = np.zeros(toy.PIXELS)
    mask[300:1200] = mask[2200:3000] = 1
    odd = {"z_missing": {"Z": None}, "z_999": {"Z": 999.0}, "negative": {"flux": -5.0},
           "dim": {"SNRG": 3.0}, "fibre": {"FIBERMAS": 128}, "hot": {"SUBCLASS": "A5"},
           "giant": {"TEFF": 4800.0, "LOGG": 2.5, "FEH": -0.2},
           "masked": {"and_mask": mask}}  # fmt: skip
    for obsid, (name, changes) in enumerate(odd.items(), 1):
        toy.write_image(folder / f"{name}.fits", about, 0, OBSID=obsid, **changes)
    table = made(trained, [folder], tmp_path / "a.fits")
    lost = Table.read(tmp_path / "a.fits.rejects.ecsv").to_pandas()
    assert len(table) + len(lost) == len(list(folder.iterdir()))  # one row or one reject each
    reasons = {f.rsplit("/")[-1]: r for f, r in zip(lost["file"], lost["reason"], strict=True)}
    assert set(reasons) == {"z_missing.fits", "z_999.fits", "negative.fits", "broken.fits"}
    assert "redshift" in reasons["z_missing.fits"] and "redshift" in reasons["z_999.fits"]
    assert "negative everywhere" in reasons["negative.fits"]
    warn = dict(zip(table["obsid"], flags_of(table), strict=True))
    for obsid, flag in ((4, "LOW_SNR"), (5, "FIBERMASK"), (6, "NOT_FGK"),
                        (7, "OUTSIDE_SOLAR_LIKE"), (8, "BAD_PIXELS")):  # fmt: skip
        assert flag in warn[obsid], flag
        if flag != "OUTSIDE_SOLAR_LIKE":  # two epochs of a tiny network may say anything
            assert flag not in warn[about["obsid"][1]]
    assert set.union(*warn.values()) <= set(catalog_columns.FLAGS)
    giant = table[table["obsid"] == 7].iloc[0]
    assert giant["lasp_logg"] == pytest.approx(2.5) and np.isfinite(giant["cnn_teff"])


def test_stars_outside_the_region_by_the_networks_parameters_are_flagged(trained):
    known = nets.load_networks(trained)
    blank = {f"lasp_{k}": np.nan for k in ("teff", "logg", "feh")}
    row = dict(subclass="G2", snr_g=50.0, fibermask=0.0, bad_fraction=0.0, replaced=0,
               survey="lamost", mg_pred=4.7, bprp_pred=0.8, **blank)  # fmt: skip
    stars = [(5772, 4.44, 0.0), (4800, 2.5, 0.0), (6900, 4.2, 0.0), (5772, 4.4, -1.2)]
    table = pd.DataFrame([row | dict(zip(("teff_pred", "logg_pred", "feh_pred"), s, strict=True))
                          for s in stars])  # fmt: skip
    warn = catalog_columns.flags(table, known)
    assert warn["OUTSIDE_SOLAR_LIKE"].tolist() == [False, True, True, True]
    assert warn["NO_PHOTOMETRY"].all() and not warn["OTHER_SURVEY"].any()


def test_two_spectra_of_one_obsid_have_a_row_each_and_copies_one_between_them(
    trained, few, tmp_path
):
    folder, about = few
    toy.write_image(folder / "x-again.fits", about, 1, OBSID=int(about["obsid"][0]))
    (folder / "y-copy.fits").write_bytes((folder / "star-3.fits").read_bytes())
    for row in (0, 1):  # no obsid, same name of file: two stars all the same
        (tmp_path / "in" / str(row)).mkdir()
        toy.write_image(folder / str(row) / "spec.fits", about, row, OBSID=None, PLANID=None)
    table = made(trained, [folder], tmp_path / "a.fits")
    twice = [n for n, w in zip(table["obsid"], flags_of(table), strict=True)
             if "DUPLICATE_OBSID" in w]  # fmt: skip
    assert twice == [about["obsid"][0]] * 2 and len(table) == 12
    lost = Table.read(tmp_path / "a.fits.rejects.ecsv").to_pandas()
    assert lost["file"][0].endswith("y-copy.fits") and "same spectrum" in lost["reason"][0]


def test_copies_are_found_over_a_kill_and_other_tables_not_mixed_in(
    trained, few, tmp_path, monkeypatch
):
    monkeypatch.setattr(source, "CHUNK", 2)
    monkeypatch.setattr(source, "FILES", 3)
    (few[0] / "a-copy.fits").write_bytes((few[0] / "star-8.fits").read_bytes())
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        killed_at(patch, parts.Parts, "write", 4)
        made(trained, [few[0]], tmp_path / "a.fits")
    with pytest.raises(UsageError, match=r"a\.fits\.parts.*another catalogue"):
        made(trained, [few[0]], tmp_path / "a.fits", photometry=tmp_path / "gaia.csv")
    assert len(made(trained, [few[0]], tmp_path / "a.fits")) == 9
    lost = Table.read(tmp_path / "a.fits.rejects.ecsv").to_pandas()
    assert lost["file"][0].endswith("star-8.fits") and "came before" in lost["reason"][0]


def test_tables_that_are_missing_are_named(trained, few, tmp_path):
    with pytest.raises(UsageError, match="--photometry"):
        made(trained, [few[0]], tmp_path / "cat.fits", extinction="a_g")
    with pytest.raises(ReadError, match=r"no\.csv"):
        made(trained, [few[0]], tmp_path / "cat.fits", photometry=tmp_path / "no.csv")
    assert not list(tmp_path.glob("cat*"))


def test_nothing_to_evaluate_on_is_an_error_with_its_reasons(trained, tmp_path):
    toy.write_image(tmp_path / "a.fits", toy.stars(1), 0, Z=-9999.0)
    with pytest.raises(SuiteError, match=r"No spectrum to evaluate on: .*redshift"):
        catalog.predict_labelled(trained, [tmp_path])


def test_an_evaluation_takes_labels_that_lie_with_the_spectra(trained, tmp_path):
    about = toy.write_files(tmp_path / "all", n=8, seed=7)
    table, lost = catalog.predict_labelled(trained, [tmp_path / "all"])
    assert len(table) == 8 and not len(lost) and set(table["split"]) == {"real"}
    np.testing.assert_allclose(table["teff_true"], about["teff"])  # APOGEE's, not LASP's + 20
    assert set(table["labels"]) == {"APOGEE"} and set(table["dataset"]) == {"real files"}
    np.testing.assert_allclose(table["distance_true"], 500.0)
    np.testing.assert_allclose(table["bprp_true"], 0.8)
    assert (table["object"] == table["source_id"].astype(str)).all()
    (tmp_path / "all" / "labels" / "allStar-dr17.fits").unlink()
    table, _ = catalog.predict_labelled(trained, [tmp_path / "all"])
    np.testing.assert_allclose(table["teff_true"], about["teff"] + 20)
    assert set(table["labels"]) == {"LASP"}


def test_what_a_run_learned_from_is_left_out_of_its_evaluation(made_run, tmp_path):
    files = shutil.copytree(made_run / "in", tmp_path / "in")
    again = {k: v[:20] for k, v in toy.stars(60).items()}  # once more, under other ids
    again["obsid"] = again["obsid"] + 500000
    toy.write_table(files / "spectra" / "again.fits", again)
    evaluate.evaluate_run(made_run / "run", tmp_path / "out", on=files)
    judged = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    labels = Shards(made_run / "run" / "data").labels
    test = set(labels["id"][labels["split"] == "test"])
    repeats = {str(int(i) + 500000) for i in again["obsid"] - 500000 if str(i) in test}
    assert test <= set(judged["id"]) and not set(labels["id"]) - test & set(judged["id"])
    assert set(judged["id"]) & {str(i) for i in again["obsid"]} == repeats and repeats
    seen = labels["id"][labels["split"] == "reference"].astype(int) - 1000
    few = {k: v[seen[:5]] for k, v in toy.stars(60).items()}
    toy.write_table(tmp_path / "seen" / "s.fits", few)
    with pytest.raises(SuiteError, match="All 5 spectra are of stars that the run was trained"):
        evaluate.evaluate_run(made_run / "run", tmp_path / "none", on=tmp_path / "seen")


def test_stars_are_judged_on_one_scale(trained, tmp_path, capsys):
    about = toy.write_files(tmp_path / "all", n=8, seed=7)
    path = tmp_path / "all" / "labels" / "allStar-dr17.fits"
    apogee = Table.read(path)
    for kept, scale, off in ((6, "APOGEE", 0.0), (2, "LASP", 20.0)):
        apogee[:kept].write(path, overwrite=True)
        df, _ = catalog.predict_labelled(trained, [tmp_path / "all"])
        assert set(df["labels"]) == {"APOGEE", "LASP"}
        df = on_one_scale(df)
        known = df["teff_true"].notna()
        assert known.sum() == 6 and set(df["labels"][known]) == {scale}
        np.testing.assert_allclose(df["teff_true"][known], about["teff"][known.to_numpy()] + off)
        assert f"judged against {scale}'s parameters of 6 stars; 2" in capsys.readouterr().out
        assert df[["teff_pred", "lasp_teff"]].notna().all().all()


@pytest.mark.parametrize("by", ["file", "key"])
def test_an_index_names_spectra_without_obsid_by_file_or_observation(trained, tmp_path, by):
    about = toy.stars(4, seed=2)
    for row in range(4):
        toy.write_image(tmp_path / f"s{row}.fits", about, row, OBSID=None)
    index = {"cat_teff": about["teff"], "cat_logg": about["logg"], "cat_feh": about["feh"]}
    if by == "file":
        index["file"] = [f"spec/s{row}.fits.gz" for row in range(4)]
    else:
        index |= {"obsid": "", "lmjd": 57000, "planid": "F1", "spid": 1, "fiberid": range(1, 5),
                  "file": ""}  # fmt: skip
        index["obsid"] = ["123", "", "", ""]
    pd.DataFrame(index).iloc[[2, 0, 3]].to_csv(tmp_path / "index.csv", index=False)
    table, _ = catalog.predict_labelled(trained, [tmp_path])
    expected = about["teff"].copy()
    expected[1] = np.nan
    np.testing.assert_allclose(table["teff_true"], expected)
    assert table["labels"].tolist() == ["LASP", "", "LASP", "LASP"]


def test_real_stars_have_a_row_or_a_reject_each(trained, shared_data, tmp_path):
    files = sorted((shared_data / "real" / "lamost" / "spec").iterdir())[::8]
    rows, lost, *_ = catalog.make_catalogue(trained, files, tmp_path / "cat.fits")
    assert rows + lost == len(files) and rows > 0.9 * len(files)
