"""From files to a trained run to a catalogue, with everything that can go wrong on the way."""

import shutil
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table

from common import runs, training
from common.accelerator import choose
from common.catalog import read_table
from common.catalogue import files as source
from common.errors import MissingDataError, ReadError, SuiteError
from common.pipeline import Shards
from common.schedules import plateau_rate
from lamost_metallicity import fitting, predict, train
from lamost_metallicity.config import Config
from lamost_metallicity.data import choose_sample
from lamost_metallicity.networks import NAMES, load_networks, snr_group
from lamost_metallicity.predict import predict_files, predict_labelled
from tests.catalogues import killed_at, read_back
from tests.lamost_metallicity import toy
from tests.lamost_metallicity.toy import tiny_config

N = 700
CONFIG = tiny_config(epochs=10, per_kind=200, learning_rate=5e-3)
DEVICE = choose("float32")
MEASURED = ["oh", "oh_err", "log_mass", "log_sfr"]
EPOCHS = dict.fromkeys(NAMES, 10) | {"error": 5}


@pytest.fixture(scope="module", autouse=True)
def loaded_once():
    """Networks that are loaded and traced once for all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predict, "load_networks", cache(predict.load_networks))
        yield


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    toy.write_files(folder, n=N)
    return folder


@pytest.fixture(scope="module")
def run_dir(files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    train.train(CONFIG, folder, accelerator=DEVICE, data_dir=files)
    return folder


@pytest.fixture(scope="module")
def catalogue(run_dir, files, tmp_path_factory):
    """A catalogue of the files with the run's own confidence."""
    out = tmp_path_factory.mktemp("catalogue") / "out.fits"
    predict_files(run_dir, [files], out)
    return out


@pytest.fixture(scope="module")
def every(run_dir, files, tmp_path_factory):
    """A catalogue with the metallicities of all galaxies."""
    out = tmp_path_factory.mktemp("catalogue") / "every.fits"
    return read_back(predict_files, run_dir, [files], out, everything=True)[0]


@pytest.fixture(scope="module")
def table(run_dir):
    return pd.read_parquet(run_dir / "predictions.parquet")


def test_run_folder_holds_what_it_promises(run_dir, table):
    config, about = runs.read_config(run_dir, Config)
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
    assert set(table["split"]) == {"valid", "test"}
    known = {"id", "ra", "dec", "z", "snr_r", "petro_r", "bptclass", "is_sf", "oh_true",
             "oh_true_err", "oh_planted", "lgm_fib_true", "sfr_true", "oh_n2", "oh_n2_err",
             "oh_o3n2", "oh_o3n2_err", "ew_ha"}  # fmt: skip
    assert known <= set(table)
    predicted = ["oh_pred", "oh_raw", "oh_sigma", "oh_half95", "oh_rf", "oh_lines", "oh_mass",
                 "oh_mlp", "oh_multi", "lgm_pred", "sfr_pred", "p_sf", "p_other"]  # fmt: skip
    assert np.isfinite(table[predicted]).all(axis=None)
    assert table.loc[~table["is_sf"].astype(bool), "oh_true"].isna().all()
    assert (table["dataset"] == "lamost").all()


@pytest.mark.parametrize(
    "name, truth, limit",
    [("oh_pred", "oh_true", 0.8), ("oh_raw", "oh_true", 0.8), ("oh_multi", "oh_true", 0.8),
     ("oh_rf", "oh_true", 0.95), ("oh_mlp", "oh_true", 0.95),  # cannot follow lines that move
     ("oh_lines", "oh_true", 0.4), ("oh_mass", "oh_true", 0.3),  # the toy's mass tells all
     ("lgm_pred", "lgm_fib_true", 0.8), ("sfr_pred", "sfr_true", 0.8)],
)  # fmt: skip
def test_every_method_learns_and_gives_the_labels_units(table, name, truth, limit):
    part = table[(table["split"] == "test") & table["in_oh"]]
    assert np.sqrt(np.mean((part[name] - part[truth]) ** 2)) < limit * part[truth].std()


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
    again = load_networks(run_dir).errors(part["oh_sigma_raw"], part["snr_r"])
    assert np.allclose(again["oh_sigma"], part["oh_sigma"])
    names = ["below 7", "7-15", "7-15", "15 and above", "unknown"]
    assert snr_group([3.0, 7.0, 14.9, 15.0, np.nan]).tolist() == names


def test_killed_run_ends_where_a_whole_one_does(run_dir, files, tmp_path, monkeypatch, table):
    run = shutil.copytree(run_dir, tmp_path / "run")
    for name in ("error", "mlp"):  # as if killed before these two
        (run / "models" / f"{name}.keras").unlink()
        shutil.rmtree(run / "work" / name)
    (run / "predictions.parquet").unlink()
    again = dict(accelerator=DEVICE, data_dir=files, resume=True)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        killed_at(patch, training, "fit", 2)
        train.train(CONFIG, run, **again)
    assert (run / "models" / "error.keras").exists()
    calls = killed_at(monkeypatch, training, "fit", 0)
    ours = train.train(CONFIG, run, **again)
    assert len(calls) == 1, "finished networks are not trained again"
    for name in ("oh_pred", "p_sf", "oh_raw", "oh_mlp", "oh_rf", "oh_sigma"):
        assert np.allclose(ours[name], table[name], atol=1e-3), name
    history = pd.read_csv(run / "history.csv")
    assert history.groupby("network").size().to_dict() == EPOCHS


def test_papers_schedule_falls_with_the_validation_loss(run_dir, tmp_path):
    config = tiny_config(schedule="plateau", patience=1, epochs=8, learning_rate=0.02)
    shards = Shards(run_dir / "data")
    job = fitting.Job(config, tmp_path, shards, DEVICE, *choose_sample(shards.labels, config))
    task = fitting.task("regressor", job, {})
    model, history = fitting._train("regressor", task, job, tmp_path / "work")
    losses = [row["val_loss"] for row in history]
    rate = plateau_rate(losses[:-1], initial=0.02, factor=0.1, patience=1)
    assert rate < 0.02, "so fast a training does not get better in every epoch"
    assert float(model.optimizer.learning_rate) == pytest.approx(rate, rel=1e-5)
    target = shards.labels["oh_true"].to_numpy()
    rows = job.rows("valid", job.in_oh)
    best = np.mean((model.predict(shards.rows(rows), verbose=0)[:, 0] - target[rows]) ** 2)
    assert best == pytest.approx(min(losses), rel=1e-3), "the best validation network is kept"


def test_too_few_labels_say_where_the_others_went(tmp_path):
    about = toy.galaxies(30)
    about["sf"][:] = False
    toy.write_lamost(tmp_path / "in" / "s.fits", about)
    toy.write_mpajhu(tmp_path / "in", about)
    with pytest.raises(MissingDataError, match=r"0 star-forming galaxies with a metallicity"):
        train.train(CONFIG, tmp_path / "run", accelerator=DEVICE, data_dir=tmp_path / "in")


def test_catalogue_has_a_row_for_every_spectrum(catalogue):
    table = read_table(catalogue)
    assert len(table) == N and table["id"].is_unique
    assert {"id", "file", "ra", "dec", *predict.DESCRIPTIONS} == set(table)
    confident = table["p_sf"] >= 0.85
    assert 0.4 < confident.mean() < 0.75
    assert table.loc[confident, MEASURED].notna().all(axis=None)
    assert table.loc[~confident, MEASURED].isna().all(axis=None)
    assert (table["warnings"].str.contains("NOT_STAR_FORMING") == ~confident).all()
    noted = Table.read(catalogue)
    assert (str(noted["ra"].unit), str(noted["log_mass"].unit)) == ("deg", "dex(solMass)")
    assert "phys.abund" in fits.getheader(catalogue, 1).values()


def test_confidence_and_all(run_dir, files, every, tmp_path, capsys):
    strict, _ = read_back(predict_files, run_dir, [files], tmp_path / "a.csv", confidence=0.99)
    assert every["oh"].notna().all()
    known = strict["oh"].notna()
    assert (known == (every["p_sf"] >= 0.99)).all()
    assert 0 < known.sum() < (every["p_sf"] >= 0.5).sum()
    assert np.allclose(every.loc[known, "oh"], strict.loc[known, "oh"])
    arguments = ["--run-dir", str(run_dir), "-o", str(tmp_path / "d.csv"), str(files)]
    assert predict.main([*arguments, "--confidence", "85"]) == 2
    assert "--confidence" in capsys.readouterr().err


def test_catalogue_and_evaluation_say_the_same(every, table):
    both = every.merge(table, on="id", suffixes=("", "_held"))
    assert len(both) == len(table)
    for ours, theirs in (("oh", "oh_pred"), ("oh_err", "oh_sigma"), ("p_sf", "p_sf_held")):
        assert np.allclose(both[ours], both[theirs], atol=1e-4), ours


def test_warnings_name_lines_outside_the_window_and_the_training_range(run_dir, tmp_path):
    about = toy.galaxies(6, seed=3, star_forming=2.0)
    about["z"][:] = [0.22, 0.2, 0.1, 0.01, np.nan, 0.1]
    about["snr"][5] = 500.0
    made = toy.fluxes(about | {"z": np.nan_to_num(about["z"])})
    toy.write_lamost(tmp_path / "s.fits", about, made=made)
    table, rejects = read_back(predict_files, run_dir, [tmp_path / "s.fits"], tmp_path / "o.csv")
    assert not len(rejects)
    warned = [set(w.split(";")) for w in table["warnings"]]
    for name, row in (("HA_NII_OUTSIDE", 0), ("OII_OUTSIDE", 3), ("NO_Z", 4)):
        assert [name in w for w in warned] == [k == row for k in range(6)], name
    assert "Z_RANGE" in warned[0] and "Z_RANGE" not in warned[2] and "SNR_RANGE" in warned[5]
    assert not warned[2] & {"BAD_PIXELS", "OTHER_SURVEY"}


def test_bad_input_is_rejected_and_touches_nothing_else(run_dir, files, catalogue, tmp_path):
    """Issue 5, item 5: each with its own reason, and the other rows as they were."""
    folder = shutil.copytree(files, tmp_path / "mixed")
    about = toy.galaxies(7, seed=9)
    flux, ivar = toy.fluxes(about)
    about["z"][0], about["snr"][1], about["class"][2] = 0.3, 2.0, "STAR"
    flux[3, 520:] = np.nan
    ivar[4, :450] = 0
    flux[5], flux[6] = np.nan, 0.0
    toy.write_lamost(folder / "bad.fits", about, made=(flux, ivar))
    (folder / "empty.fits").touch()
    (folder / "text.fits").write_text("not a FITS file\n" * 300)
    (folder / "cut.fits").write_bytes((files / "spectra.fits").read_bytes()[:4_000_000])
    shutil.copy(files / "spectra.fits", folder / "z_again.fits")
    clean = read_table(catalogue)
    table, rejects = read_back(predict_files, run_dir, [folder], tmp_path / "mixed.fits")
    both = clean.merge(table, on="id")
    assert len(both) == len(clean) == len(table)
    assert np.allclose(both["oh_x"], both["oh_y"], atol=1e-5, equal_nan=True)
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
        toy.write_lamost(tmp_path / "in" / f"{name}.fits", toy.galaxies(n, seed=seed))
    out = tmp_path / "o.parquet"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        killed_at(patch, predict, "catalogue", 2)
        predict_files(run_dir, [tmp_path / "in"], out)
    table, rejects = read_back(predict_files, run_dir, [tmp_path / "in"], out)
    assert len(table) == 35 and table["id"].is_unique and len(rejects) == 60
    first = str(tmp_path / "in" / "a.fits")
    assert set(rejects["reason"]) == {f"duplicate id: first seen in {first}"}


def test_run_that_is_not_finished(run_dir, tmp_path):
    shutil.copy(run_dir / "config.json", tmp_path)
    with pytest.raises(ReadError, match="--resume"):
        load_networks(tmp_path)


def test_labelled_files_give_labels_and_strong_lines(run_dir, files, table, tmp_path):
    real, rejects = predict_labelled(run_dir, [files])
    assert len(real) == N and not len(rejects)
    assert set(real["split"]) == {"real"} and set(real["dataset"]) == {"real files"}
    both = real.merge(table, on="id", suffixes=("", "_held"))
    for name in ("oh_pred", "oh_true", "oh_sigma", "flux_ha"):
        assert np.allclose(both[name], both[f"{name}_held"], atol=1e-4, equal_nan=True), name
    toy.write_lamost(tmp_path / "s.fits", toy.galaxies(20))  # without the tables
    bare, _ = predict_labelled(run_dir, [tmp_path / "s.fits"])
    assert bare["oh_true"].isna().all() and bare["flux_ha"].notna().any()


def test_real_galaxies_are_judged_by_the_lines_of_their_pipeline(run_dir, shared_data, tmp_path):
    from lamost_metallicity.evaluate import evaluate_run

    path = shared_data / "real" / "sdss" / "galaxies_dr14.fits.gz"
    evaluate_run(run_dir, tmp_path / "out", on=path)
    table = read_table(tmp_path / "out" / "tables" / "agreement.ecsv")
    row = table[table["estimate"] == "O3N2 of the survey's pipeline, to T04"].set_index("galaxies")
    assert row.loc["star-forming by their lines", "n"] >= 10
    judged = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    assert judged["pipe_n2"].notna().sum() >= 15 and judged["oh_true"].isna().all()
    assert np.nanmedian(judged["pipe_n2"] - judged["n2"]) == pytest.approx(0, abs=0.06)


@pytest.mark.parametrize("kept", [True, False])
def test_what_a_run_learned_from_is_left_out_of_its_evaluation(run_dir, files, tmp_path, kept):
    """By id and by galaxy; where the prepared spectra were removed, by the rule of the splits."""
    from lamost_metallicity.evaluate import evaluate_run

    run = shutil.copytree(run_dir, tmp_path / "run")
    folder = shutil.copytree(files, tmp_path / "in")
    again = {k: v[:40] for k, v in toy.galaxies(N).items()}  # once more, under other ids
    again["obsid"] = again["obsid"] + 5000000
    toy.write_lamost(folder / "again.fits", again, seed=5)
    if not kept:
        shutil.rmtree(run / "data")
    evaluate_run(run, tmp_path / "out", on=folder)
    judged = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    split = Shards(run_dir / "data").labels.set_index("id")["split"]
    test = set(split.index[split == "test"])
    repeats = {str(int(i) + 5000000) for i in again["obsid"] - 5000000 if str(i) in test}
    assert 0 < len(repeats) < 40 and set(judged["id"]) == test | repeats
    rejects = read_table(tmp_path / "out" / "tables" / "rejects.ecsv")
    assert len(rejects) == N + 40 - len(judged)
    assert rejects["reason"].str.contains("trained, stopped or calibrated").all()
    few = toy.galaxies(N)
    chosen = np.flatnonzero(~np.isin(few["obsid"].astype(str), list(test)))[:5]
    toy.write_lamost(tmp_path / "seen" / "s.fits", {k: v[chosen] for k, v in few.items()})
    toy.write_mpajhu(tmp_path / "seen", few)
    with pytest.raises(SuiteError, match="All 5 spectra are of galaxies"):
        evaluate_run(run, tmp_path / "none", on=tmp_path / "seen")


def test_real_files_give_a_row_or_a_reject_each(run_dir, shared_data, tmp_path):
    """Issue 5: real galaxies of both surveys give network input, and stars their reason."""
    for survey, at_least in (("lamost", 2), ("sdss", 5)):
        folder, out = shared_data / "real" / survey, tmp_path / f"{survey}.fits"
        table, rejects = read_back(predict_files, run_dir, [folder / "spec"], out, everything=True)
        classes = pd.read_csv(folder / "index.csv").set_index("file")["cls"]
        kept, lost = (t["file"].map(lambda f: f"spec/{Path(f).name}") for t in (table, rejects))
        assert set(classes.index) <= {*kept, *lost}
        assert (kept.map(classes) == "GALAXY").sum() >= at_least
        assert not (kept.map(classes) == "STAR").any()
        stars = rejects["reason"][(lost.map(classes) == "STAR").to_numpy()]
        assert len(stars) and stars.str.contains("a star|duplicate").all()
        assert np.isfinite(table["oh"]).all()
        assert table["warnings"].str.contains("OTHER_SURVEY").all() == (survey == "sdss")


def test_errors_as_input_go_the_whole_way(files, tmp_path):
    """Training, catalogue and saliency with two values a pixel; 40 galaxies have no labels."""
    from lamost_metallicity.evaluate import evaluate_run
    from lamost_metallicity.explain import explain_run

    run, files = tmp_path / "run", shutil.copytree(files, tmp_path / "files")
    toy.write_lamost(files / "more.fits", toy.galaxies(40, seed=77), seed=77)
    few = tiny_config(input="ivar", epochs=1, per_kind=60)
    table = train.train(few, run, accelerator=DEVICE, data_dir=files)
    assert (table["dataset"] == "lamost (ivar network)").all()
    bare = table[table["split"] == "unmatched"]
    assert len(bare) == 40 and bare["oh_true"].isna().all() and bare["is_sf"].isna().all()
    assert np.isfinite(bare[["oh_pred", "oh_sigma", "p_sf"]]).all(axis=None)
    assert bare[["oh_lines", "oh_mass"]].isna().all(axis=None)
    evaluate_run(run, tmp_path / "evaluation")
    judged = read_table(tmp_path / "evaluation" / "claims.ecsv")
    ours = judged[judged["dataset"] == "lamost (ivar network)"].set_index("id")["ours"]
    assert ours["unmatched"] == 40 and ours["matched"] == N
    assert Shards(run / "data").rows([0]).shape == (1, 842)
    again, _ = read_back(predict_files, run, [files], tmp_path / "o.fits", everything=True)
    both = again.merge(table, on="id", suffixes=("", "_held"))
    assert len(both) == len(table) and np.allclose(both["oh"], both["oh_pred"], atol=1e-4)
    windows = explain_run(run, out=tmp_path / "out", per_bin=5)
    assert windows["weight"].notna().any()


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
