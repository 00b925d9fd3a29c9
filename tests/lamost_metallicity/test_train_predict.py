"""From files to a trained run to a catalogue, with everything that can go wrong on the way."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table

from common.accelerator import choose
from common.catalog import read_table
from common.catalogue import files as source
from common.errors import MissingDataError, ReadError
from lamost_metallicity import fitting, predict, train
from lamost_metallicity.data import choose_sample
from lamost_metallicity.networks import NAMES, load_networks, read_config, snr_group
from lamost_metallicity.predict import predict_files, predict_labelled
from tests.catalogues import killed_at, read_back
from tests.lamost_metallicity.toy import (
    fluxes,
    galaxies,
    tiny_config,
    write_lamost,
    write_mpajhu,
    write_survey,
)

N = 700
CONFIG = tiny_config(epochs=10, per_kind=200, learning_rate=5e-3)
EPOCHS = dict.fromkeys(NAMES, 10) | {"error": 5}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    write_survey(folder, n=N)
    return folder


@pytest.fixture(scope="module")
def run_dir(files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    train.train(CONFIG, folder, accelerator=choose("float32"), data_dir=files)
    return folder


@pytest.fixture(scope="module")
def table(run_dir):
    return pd.read_parquet(run_dir / "predictions.parquet")


def test_run_folder_holds_what_it_promises(run_dir, table):
    config, about = read_config(run_dir)
    assert config == CONFIG
    assert {p.name for p in (run_dir / "models").iterdir()} == {f"{n}.keras" for n in NAMES}
    assert set(about["parameters"]) == set(NAMES)
    assert {"python", "keras", "tensorflow"} <= set(about["versions"])
    assert len(about["data_fingerprint"]) == 16
    assert set(about["training_range"]) == {"oh", "z", "snr_r"}
    assert about["forest"]["rows"] == about["sizes"]["regression"]["train"]
    assert "curves" in about["calibration"]
    history = pd.read_csv(run_dir / "history.csv")
    assert history.groupby("network").size().to_dict() == EPOCHS
    held = sum(about["sizes"]["regression"][s] for s in ("valid", "test"))
    assert table["in_oh"].sum() == held


def test_predictions_have_every_column_of_the_evaluation(table):
    assert set(table["split"]) == {"valid", "test"}
    wanted = {"id", "ra", "dec", "z", "snr_r", "petro_r", "bptclass", "is_sf", "oh_true",
              "oh_true_err", "oh_planted", "lgm_fib_true", "sfr_true", "oh_pred", "oh_raw",
              "oh_sigma", "oh_half95", "oh_rf", "oh_mlp", "oh_multi", "lgm_pred", "sfr_pred",
              "p_sf", "p_other", "oh_n2", "oh_n2_err", "oh_o3n2", "oh_o3n2_err", "ew_ha",
              "dataset"}  # fmt: skip
    assert wanted <= set(table)
    predicted = ["oh_pred", "oh_raw", "oh_sigma", "oh_half95", "oh_rf", "oh_mlp", "oh_multi",
                 "lgm_pred", "sfr_pred", "p_sf", "p_other"]  # fmt: skip
    assert np.isfinite(table[predicted].to_numpy()).all()
    assert table.loc[~table["is_sf"].astype(bool), "oh_true"].isna().all()
    assert (table["dataset"] == "lamost").all()


def test_every_method_learns_the_metallicity(table):
    part = table[(table["split"] == "test") & table["in_oh"]]
    spread = part["oh_true"].std()
    for name in ("oh_pred", "oh_raw", "oh_multi", "oh_rf", "oh_mlp"):
        rms = np.sqrt(np.mean((part[name] - part["oh_true"]) ** 2))
        limit = 0.95 if name in ("oh_rf", "oh_mlp") else 0.8  # these cannot follow lines that move
        assert rms < limit * spread, f"{name}: {rms:.3f} of {spread:.3f}"


def test_multitask_network_gives_the_labels_units(table):
    part = table[(table["split"] == "test") & table["in_oh"]]
    for name, truth in (("lgm_pred", "lgm_fib_true"), ("sfr_pred", "sfr_true")):
        rms = np.sqrt(np.mean((part[name] - part[truth]) ** 2))
        assert rms < 0.8 * part[truth].std(), name


def test_classifier_tells_emission_lines_from_none(table):
    part = table[(table["split"] == "test") & table["in_class"]]
    right = (part["p_sf"] > part["p_other"]) == part["is_sf"].astype(bool)
    assert right.mean() > 0.9


def test_errors_are_calibrated_on_the_validation_split(run_dir, table):
    part = table[table["in_oh"]]
    inside = (part["oh_pred"] - part["oh_true"]).abs() <= part["oh_sigma"]
    valid = (part["split"] == "valid").to_numpy()
    assert inside[valid].mean() == pytest.approx(0.68, abs=0.12)
    assert inside[~valid].mean() == pytest.approx(0.68, abs=0.2)
    assert (part["oh_half95"] >= part["oh_sigma"]).all()
    networks = load_networks(run_dir)
    again = networks.errors(part["oh_sigma_raw"], part["snr_r"])
    assert np.allclose(again["oh_sigma"], part["oh_sigma"])


def test_groups_of_errors():
    assert snr_group([3.0, 7.0, 14.9, 15.0, np.nan]).tolist() == [
        "below 7", "7-15", "7-15", "15 and above", "unknown"
    ]  # fmt: skip


def test_killed_run_goes_on_and_ends_where_a_whole_one_does(
    run_dir, files, tmp_path, monkeypatch, table
):
    from common import training

    run = tmp_path / "run"
    shutil.copytree(run_dir, run)
    for name in ("error", "mlp"):  # as if killed before these two
        (run / "models" / f"{name}.keras").unlink()
        shutil.rmtree(run / "work" / name)
    (run / "predictions.parquet").unlink()
    real, calls = training.fit, []

    def killed(*args, name, **options):
        calls.append(name)
        if name == "mlp":
            raise KeyboardInterrupt
        return real(*args, name=name, **options)

    accelerator = choose("float32")
    monkeypatch.setattr(training, "fit", killed)
    with pytest.raises(KeyboardInterrupt):
        train.train(CONFIG, run, accelerator=accelerator, data_dir=files, resume=True)
    monkeypatch.setattr(training, "fit", real)
    assert calls == ["error", "mlp"], "finished networks are not trained again"
    again = train.train(CONFIG, run, accelerator=accelerator, data_dir=files, resume=True)
    for name in ("oh_pred", "p_sf", "oh_raw", "oh_mlp", "oh_rf", "oh_sigma"):
        assert np.allclose(again[name], table[name], atol=1e-3), name
    history = pd.read_csv(run / "history.csv")
    assert history.groupby("network").size().to_dict() == EPOCHS


def test_papers_schedule_falls_with_the_validation_loss(run_dir, tmp_path):
    from common.pipeline import Shards
    from common.schedules import plateau_rate

    config = tiny_config(schedule="plateau", patience=1, epochs=8, learning_rate=0.02)
    shards = Shards(run_dir / "data")
    job = fitting.Job(config, tmp_path, shards, choose("float32"),
                      *choose_sample(shards.labels, config))  # fmt: skip
    model, history = fitting._train(
        "regressor", fitting.task("regressor", job, {}), job, tmp_path / "work"
    )
    losses = [row["val_loss"] for row in history]
    rate = plateau_rate(losses[:-1], initial=0.02, factor=0.1, patience=1)
    assert rate < 0.02, "so fast a training does not get better in every epoch"
    assert float(model.optimizer.learning_rate) == pytest.approx(rate, rel=1e-5)
    target = shards.labels["oh_true"].to_numpy()
    rows = job.rows("valid", job.in_oh)
    best = np.mean((model.predict(shards.rows(rows), verbose=0)[:, 0] - target[rows]) ** 2)
    assert best == pytest.approx(min(losses), rel=1e-3), "the best validation network is kept"


def test_run_folder_is_not_overwritten(run_dir, files, capsys):
    arguments = ["--dataset", "lamost", "--run-dir", str(run_dir), "--data-dir", str(files)]
    assert train.main(arguments) == 2
    assert "--resume" in capsys.readouterr().err
    assert train.main([*arguments, "--resume", "--seed", "7"]) == 2
    assert "seed (1 there, 7 here)" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--epochs", "--galaxies", "--learning-rate", "--trees"])
def test_numbers_that_mean_nothing_exit_with_2(option, tmp_path, capsys):
    assert train.main(["--run-dir", str(tmp_path / "r"), option, "0"]) == 2
    assert f"{option} must be above 0" in capsys.readouterr().err


def test_real_data_set_needs_its_files(tmp_path, capsys):
    assert train.main(["--dataset", "lamost", "--run-dir", str(tmp_path / "r")]) == 1
    assert "lamost-mock, which runs now" in capsys.readouterr().err


def test_too_few_labels_say_where_the_others_went(tmp_path):
    about = galaxies(30)
    about["sf"][:] = False
    write_lamost(tmp_path / "in" / "s.fits", about)
    write_mpajhu(tmp_path / "in", about)
    with pytest.raises(MissingDataError, match=r"0 star-forming galaxies with a metallicity"):
        train.train(
            CONFIG, tmp_path / "run", accelerator=choose("float32"), data_dir=tmp_path / "in"
        )


@pytest.mark.parametrize("ending", [".fits", ".vot", ".parquet", ".ecsv", ".csv"])
def test_catalogue_has_a_row_for_every_spectrum(run_dir, files, tmp_path, ending):
    out = tmp_path / f"out{ending}"
    status = predict.main(["--run-dir", str(run_dir), "-o", str(out), str(files)])
    assert status == 0
    table = read_table(out)
    assert len(table) == N
    assert table["id"].is_unique
    assert {"id", "file", "ra", "dec", *predict.DESCRIPTIONS} == set(table)
    confident = table["p_sf"] >= 0.85
    assert 0.4 < confident.mean() < 0.75
    assert table.loc[confident, ["oh", "oh_err", "log_mass", "log_sfr"]].notna().all(axis=None)
    other = table["warnings"].str.contains("NOT_STAR_FORMING")
    assert table.loc[other, ["oh", "oh_err", "log_mass", "log_sfr"]].isna().all(axis=None)
    assert (other == ~confident).all()
    if ending == ".fits":
        assert str(Table.read(out)["ra"].unit) == "deg"
        header = fits.getheader(out, 1)
        assert "phys.abund" in [header.get(f"TUCD{i}") for i in range(1, 15)]
    if ending == ".ecsv":
        assert str(Table.read(out)["log_mass"].unit) == "dex(solMass)"


def test_confidence_and_all(run_dir, files, tmp_path):
    strict, _ = read_back(predict_files, run_dir, [files], tmp_path / "a.csv", confidence=0.99)
    loose, _ = read_back(predict_files, run_dir, [files], tmp_path / "b.csv", confidence=0.5)
    assert strict["oh"].notna().sum() < loose["oh"].notna().sum()
    every, _ = read_back(predict_files, run_dir, [files], tmp_path / "c.csv", everything=True)
    assert every["oh"].notna().all()
    known = strict["oh"].notna()
    assert np.allclose(every.loc[known, "oh"], strict.loc[known, "oh"])
    arguments = ["--run-dir", str(run_dir), "-o", str(tmp_path / "d.csv"), str(files)]
    assert predict.main([*arguments, "--confidence", "85"]) == 2


def test_catalogue_and_evaluation_say_the_same(run_dir, files, tmp_path, table):
    every, _ = read_back(predict_files, run_dir, [files], tmp_path / "c.fits", everything=True)
    both = every.merge(table, on="id")
    assert len(both) == len(table)
    assert np.allclose(both["oh"], both["oh_pred"], atol=1e-4)
    assert np.allclose(both["oh_err"], both["oh_sigma"], atol=1e-4)
    assert np.allclose(both["p_sf_x"], both["p_sf_y"], atol=1e-4)


def test_warnings_name_lines_outside_the_window_and_the_training_range(run_dir, tmp_path):
    about = galaxies(6, seed=3, star_forming=2.0)
    about["z"][:] = [0.22, 0.2, 0.1, 0.01, np.nan, 0.1]
    about["snr"][5] = 500.0
    made = fluxes(about | {"z": np.nan_to_num(about["z"])})
    write_lamost(tmp_path / "s.fits", about, flux=made[0], ivar=made[1])
    table, rejects = read_back(predict_files, run_dir, [tmp_path / "s.fits"], tmp_path / "o.csv")
    assert not len(rejects)
    warned = [set(w.split(";")) for w in table["warnings"]]
    has = {f: [f in w for w in warned] for f in ("HA_NII_OUTSIDE", "OII_OUTSIDE", "NO_Z")}
    assert has["HA_NII_OUTSIDE"] == [True, False, False, False, False, False]
    assert has["OII_OUTSIDE"] == [False, False, False, True, False, False]
    assert has["NO_Z"] == [False, False, False, False, True, False]
    assert {"Z_RANGE"} <= warned[0]
    assert "Z_RANGE" not in warned[2]
    assert "SNR_RANGE" in warned[5]
    assert not warned[2] & {"BAD_PIXELS", "OTHER_SURVEY"}


def test_bad_input_goes_to_the_rejects_and_touches_nothing_else(run_dir, files, tmp_path):
    """Issue 5, item 5: each with its own reason, and the other rows as they were."""
    folder = tmp_path / "mixed"
    shutil.copytree(files, folder)
    about = galaxies(7, seed=9)
    flux, ivar = fluxes(about)
    about["z"][0], about["snr"][1], about["class"][2] = 0.3, 2.0, "STAR"
    flux[3, 520:] = np.nan
    ivar[4, :450] = 0
    flux[5], flux[6] = np.nan, 0.0
    write_lamost(folder / "bad.fits", about, flux=flux, ivar=ivar)
    (folder / "empty.fits").touch()
    (folder / "text.fits").write_text("not a FITS file\n" * 300)
    whole = (files / "spectra.fits").read_bytes()
    (folder / "cut.fits").write_bytes(whole[: len(whole) // 3])
    shutil.copy(files / "spectra.fits", folder / "z_again.fits")
    clean, _ = read_back(predict_files, run_dir, [files], tmp_path / "clean.csv")
    table, rejects = read_back(predict_files, run_dir, [folder], tmp_path / "mixed.csv")
    both = clean.merge(table, on="id")
    assert len(both) == len(clean) == len(table)
    assert np.allclose(both["oh_x"], both["oh_y"], atol=1e-5, equal_nan=True)
    assert len(read_table(tmp_path / "mixed.csv.rejects.ecsv")) == len(rejects)
    reason = rejects.set_index("id")["reason"]
    words = ["z = 0.3000; allowed is z < 0.25", "S/N_r = 2.00", "a star", "only the blue arm",
             "only the red arm", "flux is NaN everywhere", "flux is zero everywhere"]  # fmt: skip
    for i, word in zip(about["obsid"].astype(str), words, strict=True):
        assert word in reason[i]
    text = " ".join(rejects["file"] + ": " + rejects["reason"])
    assert all(name in text for name in ("empty.fits", "text.fits", "cut.fits"))
    assert rejects["reason"].str.contains("duplicate").any()


def test_nothing_usable_fails_and_lists_the_reasons(run_dir, tmp_path, capsys):
    (tmp_path / "text.fits").write_text("x" * 3000)
    out = tmp_path / "o.csv"
    assert predict.main(["--run-dir", str(run_dir), "-o", str(out), str(tmp_path)]) == 1
    assert "o.csv.rejects.ecsv" in capsys.readouterr().err
    assert not out.exists()


def test_ids_that_come_twice_are_rejected_over_jobs_and_a_kill(run_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(source, "FILES", 1)
    (tmp_path / "in").mkdir()
    for name, seed, n in (("a", 11, 30), ("b", 12, 5), ("c", 11, 30), ("d", 11, 30)):
        write_lamost(tmp_path / "in" / f"{name}.fits", galaxies(n, seed=seed))
    out = tmp_path / "o.parquet"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        killed_at(patch, predict, "catalogue", 2)
        predict_files(run_dir, [tmp_path / "in"], out)
    table, rejects = read_back(predict_files, run_dir, [tmp_path / "in"], out)
    assert len(table) == 35 and table["id"].is_unique and len(rejects) == 60
    first = str(tmp_path / "in" / "a.fits")
    assert set(rejects["reason"]) == {f"duplicate id: first seen in {first}"}


def test_unknown_ending_exits_with_2(run_dir, files, tmp_path, capsys):
    out = tmp_path / "out.txt"
    assert predict.main(["--run-dir", str(run_dir), "-o", str(out), str(files)]) == 2
    assert ".parquet" in capsys.readouterr().err


def test_folders_without_a_finished_run(run_dir, tmp_path, files, capsys):
    arguments = ["--run-dir", str(tmp_path), "-o", str(tmp_path / "o.csv"), str(files)]
    assert predict.main(arguments) == 1
    assert "no config.json" in capsys.readouterr().err
    shutil.copy(run_dir / "config.json", tmp_path / "config.json")
    with pytest.raises(ReadError, match="--resume"):
        load_networks(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"config": {"nonsense": 1}}))
    with pytest.raises(ReadError, match="not a configuration"):
        read_config(tmp_path)


def test_labelled_files_give_labels_and_strong_lines(run_dir, files, table):
    real, rejects = predict_labelled(run_dir, [files])
    assert len(real) == N
    assert not len(rejects)
    assert (real["split"] == "real").all()
    assert (real["dataset"] == "real files").all()
    both = real.merge(table, on="id", suffixes=("", "_held"))
    for name in ("oh_pred", "oh_true", "oh_sigma", "flux_ha"):
        assert np.allclose(both[name], both[f"{name}_held"], atol=1e-4, equal_nan=True), name


def test_files_without_tables_have_no_labels(run_dir, files):
    real, _ = predict_labelled(run_dir, [files / "spectra.fits"])
    assert real["oh_true"].isna().all()
    assert real["flux_ha"].notna().any()


def test_networks_of_another_precision_give_the_same(run_dir, table):
    import keras

    before = keras.mixed_precision.global_policy()
    x = np.random.default_rng(0).random((4, CONFIG.n_pixels), dtype="f")
    plain = load_networks(run_dir).models["regressor"].predict(x, verbose=0)
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        model = load_networks(run_dir).models["regressor"]
        assert model.compute_dtype == "bfloat16"
        assert np.allclose(model.predict(x, verbose=0), plain, atol=0.1)
    finally:
        keras.mixed_precision.set_global_policy(before)


def test_real_files_give_a_row_or_a_reject_each(run_dir, shared_data, tmp_path):
    for survey in ("lamost", "sdss"):
        folder = shared_data / "real" / survey / "spec"
        table, rejects = read_back(
            predict_files, run_dir, [folder], tmp_path / f"{survey}.fits", everything=True
        )
        named = set(table["file"].map(lambda f: f.split("/")[-1]))
        named |= set(rejects["file"].map(lambda f: f.split("/")[-1]))
        assert {p.name for p in folder.iterdir()} <= named
        assert len(table) >= 2
        assert np.isfinite(table["oh"]).all()
        assert table["warnings"].str.contains("OTHER_SURVEY").all() == (survey == "sdss")
