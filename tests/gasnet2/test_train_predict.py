"""From files to a trained run to a catalogue, with everything that can go wrong on the way."""

import argparse
import json
import shutil
import subprocess
import sys
from dataclasses import asdict
from functools import cache

import numpy as np
import pandas as pd
import pytest

from common import runs, training
from common.accelerator import choose
from common.errors import ReadError, UsageError
from gasnet2 import predict, samples, train
from gasnet2.config import PAPER, Config, extragalactic
from gasnet2.networks import routed
from gasnet2.predict import predict_files, predict_labelled
from tests.catalogues import read_back
from tests.eager import train_eagerly
from tests.gasnet2.toy import tiny_config, write_table

CONFIG = tiny_config()


@pytest.fixture(scope="module", autouse=True)
def eager():
    with pytest.MonkeyPatch.context() as patch:
        train_eagerly(patch)
        yield


@pytest.fixture(scope="module", autouse=True)
def loaded_once():
    """Networks that are loaded and traced once for all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predict, "load_networks", cache(predict.load_networks))
        yield


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    write_table(folder / "t.fits", per_class=40)
    return folder


@pytest.fixture(scope="module")
def run_dir(files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    train.train(CONFIG, folder, accelerator=choose("float32"), data_dir=files)
    return folder


def test_run_folder_holds_what_it_promises(run_dir):
    config, about = runs.read_config(run_dir, Config)
    assert config == CONFIG
    assert about["sizes"] == {"train": 364, "valid": 78, "test": 78}
    assert {"python", "keras", "tensorflow"} <= set(about["versions"])
    assert len(about["data_fingerprint"]) == 16
    assert set(about["validation_mae"]) == set(extragalactic(CONFIG.classes))
    names = {f"redshift_{c}.keras" for c in extragalactic(CONFIG.classes)}
    assert {p.name for p in (run_dir / "models").iterdir()} == {"classifier.keras"} | names
    history = pd.read_csv(run_dir / "history.csv")
    assert len(history) == 2 * (1 + 6 * 2)
    assert {"network", "epoch", "loss", "val_loss", "accuracy", "val_mae"} <= set(history)
    loss = history[history["network"] == "classifier"]["loss"].to_numpy()
    assert loss[-1] < loss[0], "it learns"


def test_commands_choose_the_precision_before_tensorflow_is_imported():
    code = "import sys, gasnet2.predict, gasnet2.contaminate; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_speed_is_what_the_cores_worked(run_dir):
    networks = predict.load_networks(run_dir)
    x = np.random.default_rng(0).normal(size=(256, CONFIG.n_pixels)).astype("f")
    cores = train.seconds_each(networks, x, on_cpu=True)
    wall = train.seconds_each(networks, x, on_cpu=False)
    assert set(cores) == {"classify_seconds_per_spectrum", "seconds_per_spectrum_core"}
    assert wall["classify_seconds_per_spectrum"] <= wall["seconds_per_spectrum_core"]
    assert 0 < cores["seconds_per_spectrum_core"] < 1


def test_speed_is_measured_on_every_class_alike(run_dir):
    """Stars, which files often begin with, need no redshift network."""
    names = np.repeat(CONFIG.classes, 50)
    drawn = names[samples.evenly(names, 130, seed=1)]
    assert set(np.unique(drawn, return_counts=True)[1]) == {10}
    assert len(samples.evenly(names, 10**4, seed=1)) == len(names)
    few = np.array(["STAR_A0"] * 100 + ["QSO_nan"] * 3)
    assert (few[samples.evenly(few, 20, seed=1)] == "QSO_nan").sum() == 3
    _, about = runs.read_config(run_dir, Config)
    assert about["timed"] == {name: 12 for name in CONFIG.classes}


def test_run_keeps_its_sample_without_flux(run_dir):
    sample = samples.before_split(run_dir)
    assert sample["split"].value_counts().to_dict() == {"train": 364, "valid": 78, "test": 78}
    assert set(sample) == {"id", "class_true", "z_true", "snr", "split"}
    assert sample["class_true"].value_counts().to_dict() == {c: 40 for c in CONFIG.classes}


def test_predictions_are_of_held_out_spectra(run_dir):
    table = pd.read_parquet(run_dir / "predictions.parquet")
    assert table["split"].value_counts().to_dict() == {"valid": 78, "test": 78}
    star = table["coarse_true"] == "STAR"
    assert table.loc[star, ["z_true", "z_pred", "z_err"]].isna().all(axis=None)
    assert table.loc[~star, ["z_true", "z_pred", "z_err"]].notna().all(axis=None)
    p = table[[f"p_{c}" for c in CONFIG.classes]].to_numpy()
    assert np.allclose(p.sum(axis=1), 1, atol=1e-5)
    assert (table["class_pred"] == np.array(CONFIG.classes)[p.argmax(axis=1)]).all()


def test_killed_run_goes_on_and_keeps_what_was_finished(files, tmp_path, monkeypatch, run_dir):
    real, calls = training.fit, []

    def killed(*args, name, **options):
        if len(calls) == 4:
            raise KeyboardInterrupt
        calls.append(name)
        return real(*args, name=name, **options)

    monkeypatch.setattr(training, "fit", killed)
    accelerator = choose("float32")
    with pytest.raises(KeyboardInterrupt):
        train.train(CONFIG, tmp_path / "run", accelerator=accelerator, data_dir=files)
    finished = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "run" / "models").iterdir()}
    assert set(finished) == {"classifier.keras", "redshift_GALAXY_nan.keras"}
    later = []

    def watched(*args, name, **options):
        later.append(name)
        return real(*args, name=name, **options)

    monkeypatch.setattr(training, "fit", watched)
    options = dict(accelerator=accelerator, data_dir=files, resume=True)
    table = train.train(CONFIG, tmp_path / "run", **options)
    assert calls[:3] == ["classifier", "GALAXY_nan/0", "GALAXY_nan/1"]
    assert not set(calls[:3]) & set(later), "finished networks are not trained again"
    for name, when in finished.items():
        assert (tmp_path / "run" / "models" / name).stat().st_mtime_ns == when
    whole = pd.read_parquet(run_dir / "predictions.parquet")
    same = np.allclose(table["z_pred"], whole["z_pred"], atol=1e-4, equal_nan=True)
    assert same, "an interrupted run ends where an uninterrupted one does"
    assert len(pd.read_csv(tmp_path / "run" / "history.csv")) == 2 * (1 + 6 * 2)


def test_data_folder_of_the_user_is_never_touched(files, tmp_path, capsys):
    shutil.copytree(files, tmp_path / "run" / "data")
    arguments = ["--dataset", "sdss", "--run-dir", str(tmp_path / "run")]
    assert train.main([*arguments, "--data-dir", str(tmp_path / "run" / "data")]) == 2
    assert "Name another run folder" in capsys.readouterr().err
    assert (tmp_path / "run" / "data" / "t.fits").exists()


def test_a_grid_that_is_named_is_taken_even_where_it_is_the_default():
    def config(*options):
        parser = argparse.ArgumentParser()
        PAPER.add_options(parser)
        return PAPER.config_of(parser.parse_args(["--dataset", "sdss", *options]))

    assert config().table_grid is None
    named = config("--grid", "4000", "9000", "5001")
    assert named.table_grid is not None and np.array_equal(named.table_grid, config().grid)
    assert len(config("--grid", "3600", "9200", "3600").table_grid) == 3600
    with pytest.raises(UsageError, match="FIRST < LAST"):
        config("--grid", "9000", "4000", "5001")


def test_runs_from_before_a_setting_existed_go_on_and_damaged_ones_are_named(tmp_path):
    config = tiny_config()
    old = json.loads(json.dumps(asdict(config)))
    del old["grid_named"]
    (tmp_path / "config.json").write_text(json.dumps({"config": old}))
    assert runs.open_run(tmp_path, config, resume=True)["config"] == old
    assert runs.read_config(tmp_path, Config)[0] == config
    (tmp_path / "config.json").write_text(json.dumps({"config": {"nonsense": 1}}))
    with pytest.raises(ReadError, match="not a configuration"):
        runs.read_config(tmp_path, Config)


def test_catalogue_of_every_spectrum_has_all_classes_on_demand(run_dir, files, tmp_path):
    table, _ = read_back(predict_files, run_dir, [files], tmp_path / "o.parquet", all_classes=True)
    for name in CONFIG.classes:
        assert table[f"z_{name}"].notna().all()
    assert (table["sigma_z_STAR_A0"] == 0).all()
    some, rejects = read_back(predict_files, run_dir, [files], tmp_path / "p.parquet")
    assert np.allclose(some["z"], table["z"], atol=1e-5)
    assert len(some) == 520 and some["id"].is_unique and not len(rejects)
    star = some["class"].str.startswith("STAR")
    assert (some.loc[star, "z"] == 0).all() and some.loc[~star, "z"].notna().all()


def test_only_the_networks_that_matter_run(run_dir):
    networks = predict.load_networks(run_dir)
    x = np.random.default_rng(0).normal(size=(3, CONFIG.n_pixels)).astype("f")
    p = np.zeros((3, 13))
    p[0, 0], p[1, 8], p[2, 11], p[2, 12] = 1, 1, 0.6, 0.4
    mean, _, _ = routed(networks, x, p)
    ran = [sorted(np.flatnonzero(np.isfinite(row))) for row in mean]
    assert ran == [[], [8], [11, 12]]


def test_bad_files_go_to_the_rejects_and_touch_nothing_else(run_dir, files, tmp_path):
    folder = tmp_path / "mixed"
    shutil.copytree(files, folder)
    (folder / "empty.fits").touch()
    (folder / "text.fits").write_text("not a FITS file\n" * 300)
    whole = (files / "t.fits").read_bytes()
    (folder / "cut.fits").write_bytes(whole[: len(whole) // 3])
    shutil.copy(files / "t.fits", folder / "z_again.fits")
    clean, _ = read_back(predict_files, run_dir, [files], tmp_path / "clean.csv")
    table, rejects = read_back(predict_files, run_dir, [folder], tmp_path / "mixed.csv")
    assert sorted(table["id"]) == sorted(clean["id"])
    both = clean.merge(table, on="id")
    assert np.allclose(both["z_x"], both["z_y"], atol=1e-5)
    text = " ".join(rejects["file"] + ": " + rejects["reason"])
    for name in ("empty.fits", "text.fits", "cut.fits"):
        assert name in text
    assert rejects["reason"].str.contains("duplicate").any()
    assert rejects["reason"].str.len().gt(10).all()


def test_labelled_files_give_both_protocols(run_dir, files):
    table, rejects = predict_labelled(run_dir, [files])
    assert len(table) == 520 and len(rejects) == 0
    same = (table["class_true"] == table["class_pred"]) & table["z_pred"].notna()
    assert same.any()
    assert np.allclose(table.loc[same, "z_pred"], table.loc[same, "z_routed_pred"])


def test_real_files_give_a_row_or_a_reject_each(shared_data, tmp_path):
    """On a network of the paper's grid that need not be a good one."""
    classes = ("GALAXY_AGN", "QSO_nan", "STAR_K5")
    config = tiny_config(n_pixels=5001, filters=(4, 4), epochs=1, members=1, only=classes)
    folder = shared_data / "real" / "sdss"
    train.train(config, tmp_path / "run", accelerator=choose("float32"), data_dir=folder)
    table, rejects = read_back(predict_files, tmp_path / "run", [folder], tmp_path / "out.fits")
    spec = {p.name for p in (folder / "spec").glob("*.fits.gz")}
    assert spec <= {f.split("/")[-1] for f in (*table["file"], *rejects["file"])}
    assert len(table) >= 148
