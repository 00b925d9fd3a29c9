"""Real spectra: beside the survey's S/N and redshifts, reweighted to them, beside a peer."""

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from common.errors import ReadError, UsageError
from gasnet2 import evaluate, tables_peer, tables_real
from gasnet2.config import CLASSES
from gasnet2.evaluation import Evaluation


def bright_and_near(n=200, seed=0):
    """Return quasars nearer and brighter than SDSS's, well classified and measured when bright."""
    rng = np.random.default_rng(seed)
    faint = np.arange(n) % 10 == 0
    z = np.where(rng.random(n) < 0.6, rng.uniform(0.1, 0.8, n), rng.uniform(0.9, 3.0, n))
    df = pd.DataFrame({"id": [f"1000-55000-{i:04d}" for i in range(n)], "split": "real",
                       "class_true": "QSO_BROADLINE", "coarse_true": "QSO",
                       "snr": np.where(faint, 3.0, 18.0), "z_true": z})  # fmt: skip
    df["class_pred"] = np.where(faint, "GALAXY_nan", "QSO_BROADLINE")
    df["z_routed_pred"] = z + np.where(faint, 0.5, 0.0)
    df["z_routed_err"] = 0.01
    return df


def test_weights_give_the_sample_the_surveys_distribution():
    survey = tables_real.survey_of_kind("QSO")
    rng = np.random.default_rng(1)
    z, snr = rng.uniform(0.1, 3.5, 4000), rng.uniform(0.5, 30, 4000)
    weight, covered = tables_real.weights(z, snr, survey)
    assert covered == pytest.approx(1.0) and weight.sum() == pytest.approx(1.0)
    assert weight[snr < 5].sum() == pytest.approx((survey[1] < 5).mean())
    middle = np.median(survey[0])
    assert weight[z < middle].sum() == pytest.approx(0.5, abs=0.01)
    weight, covered = tables_real.weights(z[snr > 5], snr[snr > 5], survey)
    assert covered == pytest.approx((survey[1] >= 5).mean()), "what the sample lacks, it lacks"
    weight, _ = tables_real.weights(np.array([1.0, np.nan]), np.array([9.0, 9.0]), survey)
    assert weight.tolist() == [1.0, 0.0]


def test_the_surveys_mean_snr_is_that_of_table_1():
    table = tables_real.beside_survey(bright_and_near()).set_index("class")
    assert table.loc["QSO_nan", "snr_mean_survey"] == pytest.approx(2.64, abs=0.1)
    assert table.loc["QSO_BROADLINE", "snr_mean_survey"] == pytest.approx(6.54, abs=0.3)
    assert table.loc["QSO", "near_z"] == 0.85
    assert table.loc["QSO", "near"] > 0.5 and table.loc["QSO", "near_survey"] < 0.2
    assert table.loc["QSO", "snr_median"] == 18
    assert table.loc["QSO_nan", "n"] == 0 and np.isnan(table.loc["QSO_nan", "snr_median"])
    assert "GALAXY" not in table.index, "no real galaxy, no row"


def test_numbers_reweighted_to_the_survey_are_those_of_its_faint_spectra():
    df = bright_and_near()
    plain, like = (
        part.iloc[0] for _, part in tables_real.reweighted_table(df).groupby("weights", sort=False)
    )
    assert (plain["weights"], like["weights"]) == ("none", "SDSS's S/N and z")
    assert plain["accuracy"] == plain["gf"] == pytest.approx(0.9)
    faint = (tables_real.survey_of_kind("QSO")[1] < 5).mean()
    assert like["gf"] < 0.7 and like["accuracy"] == like["gf"]
    assert like["gf"] == pytest.approx(1 - faint / like["covered"], abs=0.2)
    assert plain["n_effective"] == pytest.approx(len(df))
    assert like["n_effective"] < 0.5 * len(df)
    assert like["outlier_fraction"] == pytest.approx(1 - like["gf"])
    df.loc[df.index[:5], "z_routed_pred"] = np.nan
    assert tables_real.reweighted_table(df)["n_failed"].tolist() == [5, 5]


def test_accuracy_in_13_classes_is_of_spectra_that_have_one_of_them():
    df = bright_and_near(100)
    odd = pd.DataFrame({"class_true": ["STAR_M4", "STAR_A0"], "class_pred": ["STAR_K5", "STAR_A0"]})
    table = tables_real.fine_table(pd.concat([df, odd]), CLASSES["sdss"]).set_index("class")
    assert table.loc["all", ["n", "accuracy"]].tolist() == [101, pytest.approx(91 / 101)]
    assert table.loc["average of 1 classes", "accuracy"] == pytest.approx(0.9)
    assert table.loc["STAR_A0", "n"] == 1 and "STAR_M4" not in table.index
    other = df.assign(class_13_pred="QSO_BROADLINE", class_pred="GALAXY_nan")
    table = tables_real.fine_table(other, CLASSES["sdss"]).set_index("class")
    assert table.loc["all", "accuracy"] == 1, "of networks with other classes, the best of the 13"


@pytest.mark.parametrize("names", [
    {"plate": 1000, "mjd": 55000, "fiber": None}, {"PLATE": 1000, "MJD": 55000, "FIBERID": None},
    {"plate": 1000.0, "mjd": 55000.0, "fiber": None},  # as a table with a gap in it is saved
    {"id": None},
])  # fmt: skip
def test_a_peer_is_matched_by_id_or_plate_mjd_fibre(tmp_path, names):
    df = bright_and_near(40)
    number = np.arange(40)
    keys = {k: number if v is None else v for k, v in names.items()}
    if "id" in keys:
        keys = {"id": df["id"]}
    peer = pd.DataFrame(keys).assign(z=df["z_true"], spectype="QSO", cls="STAR", z_t=9.0)
    peer.to_csv(tmp_path / "peer.csv", index=False)
    table = tables_peer.peer_table(df, tables_peer.read_peer(tmp_path / "peer.csv"))
    row = table.set_index(["class", "snr"]).loc[("QSO", "lt5")]
    assert row["n"] == 4 and (row["gf"], row["gf_peer"]) == (0, 1)
    assert (row["accuracy"], row["accuracy_peer"]) == (0, 1)
    bright = table.set_index(["class", "snr"]).loc[("QSO", "gt10")]
    assert bright["n"] == 36 and bright["gf"] == bright["gf_peer"] == 1
    assert table.set_index(["class", "snr"]).loc[("QSO", "all"), "n"] == 40


def test_only_spectra_that_both_have_are_compared(tmp_path):
    df = bright_and_near(40)
    df[["id", "z_true"]].head(10).rename(columns={"z_true": "z"}).to_csv(
        tmp_path / "peer.csv", index=False
    )
    table = tables_peer.peer_table(df, tables_peer.read_peer(tmp_path / "peer.csv"))
    whole = table.set_index(["class", "snr"]).loc[("QSO", "all")]
    assert whole["n"] == 10 and np.isnan(whole["accuracy_peer"]), "it has no classes"


def test_a_table_that_is_no_peer_is_refused(tmp_path):
    df = bright_and_near(10)
    for name, columns in (("a", {"z": [1.0]}), ("b", {"id": ["x"]})):
        pd.DataFrame(columns).to_csv(tmp_path / f"{name}.csv", index=False)
        with pytest.raises(ReadError, match=f"{name}.csv"):
            tables_peer.read_peer(tmp_path / f"{name}.csv")
    pd.DataFrame({"id": ["other"], "z": [1.0]}).to_csv(tmp_path / "c.csv", index=False)
    with pytest.raises(UsageError, match=r"None of the 1 spectra of the peer .* such as other"):
        tables_peer.peer_table(df, tables_peer.read_peer(tmp_path / "c.csv"))


def test_the_authors_predictions_are_a_peer_without_classes(tmp_path):
    Table({"label": [[0.1]], "pred_bar": [[0.2]], "pred_std": [0.1], "CLASS": ["QSO"],
           "SUBCLASS": [""], "Z": [0.1], "PLATE": [7], "MJD": [8], "FIBERID": [9]}).write(
        tmp_path / "t.fits")  # fmt: skip
    peer = tables_peer.read_peer(tmp_path / "t.fits")
    assert peer["id"].tolist() == ["7-8-9"] and peer["z"].tolist() == [0.2]
    assert peer["class"].tolist() == [""], "theirs is the true class"


def test_an_evaluation_of_files_has_the_tables(tmp_path):
    df = bright_and_near()
    ev = Evaluation(df=df, classes=CLASSES["sdss"], survey="sdss", dataset="x", real=True)
    made = ev.tables(tmp_path)
    assert {"fine", "beside_survey", "reweighted"} <= set(made) and "peer" not in made
    said = "\n".join(ev.told(made))
    assert "weighted to SDSS" in said and "13 classes" in said
    titles = [s.title for s in ev.sections(made)]
    assert "Real spectra beside the survey" in titles
    ev.real = False
    assert not {"fine", "beside_survey", "reweighted"} & set(ev.tables(tmp_path))
    desi = Evaluation(df=df.assign(class_true="QSO"), classes=CLASSES["desi"], survey="desi",
                      dataset="x", real=True)  # fmt: skip
    assert "reweighted" not in desi.tables(tmp_path), "SDSS's distributions are not DESI's"


def test_a_table_of_predictions_is_compared_with_a_peer(tmp_path):
    df = bright_and_near(40)
    df.to_parquet(tmp_path / "mine.parquet")
    df[["id"]].assign(z=df["z_true"], spectype="QSO").to_csv(tmp_path / "peer.csv", index=False)
    out = tmp_path / "out"
    status = evaluate.main(["--predictions", str(tmp_path / "mine.parquet"), "-o", str(out),
                            "--peer", str(tmp_path / "peer.csv")])  # fmt: skip
    assert status == 0
    table = Table.read(out / "tables" / "peer.ecsv").to_pandas()
    assert set(table["snr"]) == {"all", "lt5", "gt10"}, "no spectrum is between"
    assert "peer.csv" in (out / "report.html").read_text()
