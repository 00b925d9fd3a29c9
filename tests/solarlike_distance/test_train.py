"""A training leaves what its run folder promises, resumes, and refuses what it should."""

import json

import numpy as np
import pandas as pd
import pytest

from common.errors import MissingDataError, ReadError, SuiteError, UsageError
from common.pipeline import Shards
from solarlike_distance import fitting, reproduce, train
from solarlike_distance.config import TARGETS
from solarlike_distance.networks import load_networks, members_predict, model_path, predicted
from tests.solarlike_distance import toy_run as run


@pytest.fixture
def data_dir(made_run):
    return made_run / "in"


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
    assert kept["id"].tolist() == table["id"].tolist() and (kept["dataset"] == "lamost").all()
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
    for star in table[table["split"] == "reference"].itertuples():
        own = members[networks.folds.index(star.fold), row[star.id], 0]
        assert star.teff_pred == pytest.approx(own, abs=0.05)
    for star in table[table["split"] == "test"].itertuples():
        assert star.teff_pred == pytest.approx(members[:, row[star.id], 0].mean(), abs=0.05)


def test_saved_networks_speak_in_physical_units(made):
    folder, table = made
    networks, shards = load_networks(folder), Shards(folder / "data")
    out = predicted(networks, shards.rows(np.arange(10)), np.full(10, 50.0))
    assert out["teff_pred"].between(3000, 9000).all() and out["logg_pred"].between(2, 7).all()
    assert (out[[f"{k}_sigma" for k in TARGETS[:4]]] > 0).all().all()  # all have one colour
    scatter = np.std(table.eval("teff_pred - teff_true")[table["split"] == "test"])
    assert networks.scatter["teff"] == pytest.approx(scatter, rel=1e-3)


def test_a_run_is_not_overwritten_and_not_mixed(made, data_dir):
    folder = made[0]
    with pytest.raises(UsageError, match="--resume"):
        run.make_run(folder, data_dir)
    with pytest.raises(UsageError, match=r"another configuration.*epochs"):
        run.make_run(folder, data_dir, resume=True, changes={"epochs": 3})


def test_a_killed_training_goes_on_and_ends_as_if_nothing_had_happened(
    made, data_dir, tmp_path, monkeypatch
):
    whole = fitting._train
    trained = []

    def second_is_killed(fold, *rest):
        trained.append(fold)
        if trained == [0, 1]:
            raise KeyboardInterrupt
        return whole(fold, *rest)

    monkeypatch.setattr(fitting, "_train", second_is_killed)
    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        run.make_run(folder, data_dir)
    assert model_path(folder, 0).exists() and not model_path(folder, 1).exists()
    with pytest.raises(ReadError, match=r"training is finished.*--resume"):
        load_networks(folder)
    table = run.make_run(folder, data_dir, resume=True)
    assert trained == [0, 1, 1]  # the finished network is not trained again
    np.testing.assert_allclose(table["teff_pred"], made[1]["teff_pred"], rtol=1e-5)


def test_a_folder_that_is_no_run_and_a_damaged_network_say_so(made, tmp_path):
    with pytest.raises(ReadError, match=r"config\.json"):
        load_networks(tmp_path)
    about = json.loads((made[0] / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(about))
    (tmp_path / "models").mkdir()
    for fold in (0, 1):
        model_path(tmp_path, fold).write_bytes(b"no network")
    with pytest.raises(ReadError, match="not a readable Keras model"):
        load_networks(tmp_path)


def test_too_few_stars_are_an_error_that_says_where_they_went(tmp_path):
    run.files(tmp_path / "in", n=3)
    with pytest.raises(MissingDataError, match=r"selection\.ecsv"):
        run.make_run(tmp_path / "run", tmp_path / "in")


@pytest.mark.parametrize("option, value", [("epochs", "0"), ("learning-rate", "-1"),
                                           ("members", "-1"), ("stars", "0")])  # fmt: skip
def test_options_out_of_range_are_refused(option, value, tmp_path, capsys):
    assert train.main([f"--{option}", value, "--run-dir", str(tmp_path / "run")]) == 2
    assert f"--{option} must" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_observed_data_without_a_folder_says_what_runs_now(tmp_path, capsys):
    code = train.main(["--dataset", "lamost", "--run-dir", str(tmp_path / "run"), "--precision",
                       "float32"])  # fmt: skip
    assert code == 1 and "lamost-mock" in capsys.readouterr().err


def test_shap_that_fails_is_told_and_the_report_is_made(tmp_path, monkeypatch, capsys):
    def fails(run_dir):
        raise SuiteError("shap is not installed")

    done = []
    for name in ("train", "baseline_run", "galaxy_run"):
        monkeypatch.setattr(reproduce, name, lambda *args, name=name, **more: done.append(name))
    monkeypatch.setattr(reproduce, "explain_run", fails)
    monkeypatch.setattr(reproduce, "evaluate_run", lambda run_dir: run_dir / "report.html")
    assert reproduce.main(["--precision", "float32", "-o", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "no SHAP: shap is not installed" in said and f"report: {tmp_path}" in said
    assert done == ["train", "baseline_run", "galaxy_run"]
