"""A training leaves what its run folder promises, and resumes."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from common.errors import MissingDataError, ReadError
from common.pipeline import Shards
from solarlike_distance import fitting
from solarlike_distance.config import TARGETS
from solarlike_distance.networks import load_networks, members_predict, model_path, predicted
from tests.catalogues import killed_at
from tests.solarlike_distance import toy


@pytest.fixture
def made(made_run):
    return made_run / "run", pd.read_pickle(made_run / "table.pkl")


def test_the_run_has_what_its_contract_says(made):
    folder, table = made
    about = json.loads((folder / "config.json").read_text())
    labels = Shards(folder / "data").labels
    assert about["folds"] == [0, 1] and about["parameters"]["cnn"] > 0
    assert set(about["scatter"]) == set(TARGETS) and about["sizes"]["test"] > 5
    kept = pd.read_parquet(folder / "predictions.parquet")
    assert kept["id"].tolist() == table["id"].tolist()
    assert set(kept["dataset"]) == {"lamost (scaled-input network)"}
    test = kept["split"] == "test"
    assert set(kept["id"][test]) == set(labels["id"][labels["split"] == "test"])
    assert set(kept["fold"][~test]) == {0, 1}  # the third fold has no network
    columns = [f"{k}_{end}" for k in TARGETS for end in ("true", "pred", "sigma")]
    columns += ["distance_pred", "distance_p50", "distance_p16", "distance_p84", "distance_true"]
    assert np.isfinite(kept[columns].to_numpy()).all()
    assert (kept["distance_p16"] < kept["distance_p50"]).all()
    history = pd.read_csv(folder / "history.csv")
    assert len(history) == 4 and history["val_loss"].notna().all()  # two epochs of two networks


def test_a_reference_star_is_predicted_by_the_network_that_has_not_seen_it(made):
    folder, table = made
    networks, shards = load_networks(folder), Shards(folder / "data")
    members = members_predict(networks, shards.rows(np.arange(len(shards))))
    row = dict(zip(shards.labels["id"], range(len(shards)), strict=True))
    for star in table.itertuples():
        own = members[:, row[star.id], 0]
        own = own.mean() if star.split == "test" else own[networks.folds.index(star.fold)]
        assert star.teff_pred == pytest.approx(own, abs=0.05)
    # Saved networks speak in physical units.
    out = predicted(networks, shards.rows(np.arange(10)), np.full(10, 50.0))
    assert out["teff_pred"].between(3000, 9000).all() and out["logg_pred"].between(2, 7).all()
    assert (out[[f"{k}_sigma" for k in TARGETS[:4]]] > 0).all().all()  # all have one colour
    scatter = np.std(table.eval("teff_pred - teff_true")[table["split"] == "test"])
    assert networks.scatter["teff"] == pytest.approx(scatter, rel=1e-3)


def test_a_killed_training_ends_as_if_nothing_had_happened(made, tmp_path, monkeypatch):
    folder, data_dir = tmp_path / "run", made[0].parent / "in"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        killed_at(patch, fitting, "_train", 2)
        toy.make_run(folder, data_dir)
    assert model_path(folder, 0).exists() and not model_path(folder, 1).exists()
    with pytest.raises(ReadError, match=r"training is finished.*--resume"):
        load_networks(folder)
    calls = killed_at(monkeypatch, fitting, "_train", 0)
    table = toy.make_run(folder, data_dir, resume=True)
    assert len(calls) == 1  # the finished network is not trained again
    np.testing.assert_allclose(table["teff_pred"], made[1]["teff_pred"], rtol=1e-5)


def test_a_damaged_network_says_so(made, tmp_path):
    shutil.copy(made[0] / "config.json", tmp_path)
    (tmp_path / "models").mkdir()
    for fold in (0, 1):
        model_path(tmp_path, fold).write_bytes(b"no network")
    with pytest.raises(ReadError, match="not a readable Keras model"):
        load_networks(tmp_path)


def test_too_few_stars_are_an_error_that_says_where_they_went(tmp_path):
    toy.write_files(tmp_path / "in", n=3)
    with pytest.raises(MissingDataError, match=r"selection\.ecsv"):
        toy.make_run(tmp_path / "run", tmp_path / "in")
