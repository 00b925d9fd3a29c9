import json
import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from common import runs
from common.accelerator import choose
from common.errors import SuiteError, UsageError
from rvs_hybrid import data, predict, reproduce, train
from rvs_hybrid.config import make_config
from rvs_hybrid.inputs import inputs_of
from rvs_hybrid.networks import columns, group, load_networks, pattern_of
from rvs_hybrid.stars import sources
from tests.catalogues import read_back
from tests.rvs_hybrid.stars import make_sample, source_table

SMALL = dict(members=2, epochs=2, xp_units=(32,), fusion=(32,), xp_components=20, batch_size=32)


@pytest.fixture(autouse=True)
def stars(monkeypatch):
    """Train on made-up stars in the place of the registry's."""
    sample = make_sample()
    monkeypatch.setattr(data, "load_sample", lambda *_, **__: sample)
    return sample


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rvs") / "run"
    with pytest.MonkeyPatch.context() as patch:
        sample = make_sample()
        patch.setattr(data, "load_sample", lambda *_, **__: sample)
        config = make_config(scale="smoke", most_stars=0, **SMALL)
        train.train(config, folder, accelerator=choose("float32"))
    return folder


def rvs_file(path, source_id, unit_nm=True):
    wave = np.linspace(846, 870, 2401) * (1 if unit_nm else 10)
    pd.DataFrame(
        {"source_id": source_id, "ra": 10.0, "dec": 5.0, "wavelength": wave,
         "flux": 1.0, "flux_error": 0.02}
    ).to_csv(path, index=False)  # fmt: skip
    return path


def test_run_has_what_its_contract_says(run_dir, stars):
    table = pd.read_parquet(run_dir / "predictions.parquet")
    about = json.loads((run_dir / "config.json").read_text())
    assert set(table["split"]) == {"calib", "test"}
    known = stars.stars.set_index("source_id")["split"]
    assert (table["split"].to_numpy() == known.reindex(table["source_id"]).to_numpy()).all()
    for name in ("teff", "logg", "fe_h", "alpha_m"):
        columns = [f"{name}_{end}" for end in ("true", "pred", "aleatoric", "ensemble", "raw",
                   "sigma", "pred_precursor", "ensemble_precursor")]  # fmt: skip
        assert np.isfinite(table[columns].to_numpy()).all()
        assert np.allclose(
            table[f"{name}_raw"],
            np.hypot(table[f"{name}_aleatoric"], table[f"{name}_ensemble"]),
            rtol=1e-4,
        )
    assert about["config"]["labels"] == ["teff", "logg", "fe_h", "alpha_m"]  # no [M/H] here
    assert about["sizes"]["test"] == (table["split"] == "test").sum()
    assert (run_dir / "history.csv").exists()
    assert not (run_dir / "work").exists()


def test_members_learn_and_rules_differ_only_in_the_epoch(run_dir):
    history = pd.read_csv(run_dir / "history.csv")
    about = json.loads((run_dir / "config.json").read_text())
    assert len(history) == 4
    for member, scores in enumerate(about["scores"]):
        rows = history[history["network"] == f"member_{member}"]
        assert scores["held-out"] == pytest.approx(rows["val_loss"].min())
        assert scores["precursor"] == pytest.approx(rows["test_loss"].min())
        assert rows["val_loss"].iloc[1] < rows["val_loss"].iloc[0]


def test_finished_run_is_found_again_and_another_one_refused(run_dir):
    config = make_config(scale="smoke", most_stars=0, **SMALL)
    with pytest.raises(UsageError, match="--resume"):
        runs.open_run(run_dir, config, resume=False)
    runs.open_run(run_dir, config, resume=True)
    with pytest.raises(UsageError, match="members"):
        other = make_config(scale="smoke", most_stars=0, **SMALL | {"members": 3})
        runs.open_run(run_dir, other, resume=True)


def test_killed_training_goes_on(tmp_path, monkeypatch, run_dir):
    from rvs_hybrid import fitting

    config = make_config(scale="smoke", most_stars=0, **SMALL)
    save = fitting.models.save_model

    def die(model, path):
        if path.name == "member_01.keras":
            raise KeyboardInterrupt
        save(model, path)

    monkeypatch.setattr(fitting.models, "save_model", die)
    with pytest.raises(KeyboardInterrupt):
        train.train(config, tmp_path / "r", accelerator=choose("float32"))
    with pytest.raises(SuiteError, match="--resume"):
        predict.predict_files(tmp_path / "r", [run_dir / "predictions.parquet"], tmp_path / "o.csv")
    monkeypatch.setattr(fitting.models, "save_model", save)
    keras.utils.set_random_seed(99)  # another state of the random numbers must not matter
    table = train.train(config, tmp_path / "r", accelerator=choose("float32"), resume=True)
    whole = pd.read_parquet(run_dir / "predictions.parquet")
    assert np.allclose(table["teff_pred"], whole["teff_pred"], atol=0.5)


def test_networks_compute_in_the_precision_of_now(run_dir, stars):
    networks = load_networks(run_dir)
    x = inputs_of(stars.stars[:100], networks.config, xp=stars.xp[:100],
                  xp_error=stars.xp_error[:100])  # fmt: skip
    before = columns(networks, x)
    try:
        choose("mixed_bfloat16")  # the run was trained in float32
        again = load_networks(run_dir)
        assert again.members[0].get_layer("fusion_0").compute_dtype == "bfloat16"
        assert again.members[0].get_layer("labels").compute_dtype == "float32"
        found = columns(again, x)
    finally:
        choose("float32")
    assert np.std(found["teff_pred"] - before["teff_pred"]) < 0.1 * np.std(before["teff_pred"])


def test_m_h_is_learned_where_it_is_known(tmp_path, monkeypatch):
    sample = make_sample(300, with_m_h=True)
    monkeypatch.setattr(data, "load_sample", lambda *_, **__: sample)
    config = make_config(scale="smoke", **SMALL | {"members": 1, "epochs": 1})
    table = train.train(config, tmp_path / "r", accelerator=choose("float32"))
    assert np.isfinite(table["m_h_pred"]).all()
    assert np.array_equal(table["m_h_sigma"], table["m_h_raw"])  # too few stars to calibrate on


def test_too_few_stars(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "load_sample", lambda *_, **__: make_sample(3))
    with pytest.raises(UsageError, match="too few"):
        train.train(make_config(scale="smoke", **SMALL), tmp_path, accelerator=choose("float32"))


def test_catalogue_has_a_row_or_a_reject_for_each_source(run_dir, stars, tmp_path):
    table = stars.stars
    near = np.flatnonzero(table["parallax"].notna())[:8]
    mixed = source_table(tmp_path / "a.csv", table, near)
    frame = pd.read_csv(mixed)
    frame.loc[1, "parallax"] = -2.0
    frame.loc[2, "phot_bp_mean_mag"] = np.nan
    frame.loc[3, ["phot_g_mean_mag", "phot_bp_mean_mag", "phot_rp_mean_mag"]] = np.nan
    frame.loc[4, "ruwe"] = 3.0
    frame.to_csv(mixed, index=False)
    rvs_file(tmp_path / "rvs.csv", 77)  # a source with RVS, and neither XP nor photometry
    rvs_file(tmp_path / "angstrom.csv", 78, unit_nm=False)
    (tmp_path / "text.fits").write_text("no FITS at all")
    (tmp_path / "empty.csv").write_text("")
    out, rejects = read_back(
        predict.predict_files, run_dir, [tmp_path], tmp_path / "out" / "labels.fits"
    )
    flags = out.set_index("source_id")["warnings"].reindex(frame["source_id"]).tolist()
    assert "NEGATIVE_PARALLAX" in flags[1]
    assert "NO_PHOT" in flags[2]
    without_magnitudes = str(frame["source_id"][3])  # a parallax says nothing without G
    assert flags.pop(3) != "" and without_magnitudes in set(rejects["id"])
    assert "HIGH_RUWE" in flags[3]
    assert all("NO_XP" in f for f in flags)
    assert np.isfinite(out[["teff", "teff_err", "logg_err"]].to_numpy()).all()
    reasons = dict(zip(rejects["file"].str.rsplit("/").str[-1], rejects["reason"], strict=True))
    assert "inputs" in reasons["rvs.csv"]
    assert "nm" in reasons["angstrom.csv"]
    assert {"text.fits", "empty.csv"} <= set(reasons)
    written = Table.read(tmp_path / "out" / "labels.fits")
    assert str(written["teff"].unit) == "K" and str(written["parallax"].unit) == "mas"
    assert len(written) == len(out) == 7
    assert len(Table.read(tmp_path / "out" / "labels.fits.rejects.ecsv")) == len(rejects)


def test_same_source_twice_is_used_once(run_dir, stars, tmp_path):
    source_table(tmp_path / "a.csv", stars.stars, [0, 1])
    source_table(tmp_path / "b.csv", stars.stars, [1, 2])
    out, rejects = read_back(predict.predict_files, run_dir, [tmp_path], tmp_path / "o.csv")
    assert len(out) == 3
    assert "a.csv" in rejects["reason"].iloc[0] and "b.csv" in rejects["file"].iloc[0]


def test_nothing_usable_is_one_error(run_dir, tmp_path):
    rvs_file(tmp_path / "rvs.csv", 77)
    with pytest.raises(SuiteError, match="inputs"):
        predict.predict_files(run_dir, [tmp_path], tmp_path / "o.csv")
    (tmp_path / "rvs.csv").write_text("a,b\n1,2\n")
    with pytest.raises(SuiteError, match="None of the 1"):
        predict.predict_files(run_dir, [tmp_path / "rvs.csv"], tmp_path / "o.csv")


def test_files_are_joined_by_source(stars, tmp_path):
    table = stars.stars
    source_table(tmp_path / "a.csv", table, [0, 1])
    rvs_file(tmp_path / "r.csv", int(table["source_id"][1]))
    found = sources.read_sources([tmp_path])
    assert len(found) == 2
    row = found.stars["source_id"].tolist().index(table["source_id"][1])
    assert found.stars["has_rvs"].tolist() == [i == row for i in range(2)]
    assert found.stars["g"][row] == pytest.approx(table["g"][1])
    assert found.stars["snr_rvs"][row] == pytest.approx(50, rel=0.01)


def test_errors_of_stars_with_less_are_calibrated_on_such_stars(run_dir, stars):
    networks = load_networks(run_dir)
    assert set(networks.partial) >= {"xp", "phot"}
    assert not {"xp+phot", "xp+phot+parallax"} & set(networks.partial)  # as in training
    config, table = networks.config, stars.stars[:200]
    bare = inputs_of(table, config)  # no XP spectrum
    bare["parallax"][:] = np.nan
    assert set(pattern_of(bare, config)) == {"phot"}
    found = columns(networks, bare)
    groups = group(np.stack([found[f"{n}_pred"] for n in config.labels], axis=1), config)
    for name in config.labels:
        calibration = networks.partial["phot"][name]
        expected = calibration.apply(sigma=found[f"{name}_raw"], group=groups)
        assert np.allclose(found[f"{name}_sigma"], expected)


def test_sentinels_are_missing_in_prediction_as_in_training(run_dir, stars, tmp_path):
    file = source_table(tmp_path / "a.csv", stars.stars, [0, 1], parallax=-9999.0,
                        phot_bp_mean_mag=99.0)  # fmt: skip
    found = sources.read_sources([file])
    assert found.stars[["bp", "parallax"]].isna().to_numpy().all()


def test_stars_of_the_training_do_not_count_in_an_evaluation(run_dir, stars):
    known = stars.stars
    seen = predict._seen(run_dir, known["source_id"])
    assert np.array_equal(seen, (known["split"] != "test").to_numpy())
    assert not predict._seen(run_dir, pd.Series([5])).any()  # a star that the run has not met


def test_run_on_other_data_is_not_resumed(run_dir):
    config = make_config(scale="smoke", most_stars=0, **SMALL)
    with pytest.raises(UsageError, match="other data"):
        runs.open_run(run_dir, config, resume=True, data_dir="elsewhere")


def test_labels_are_needed_to_evaluate_on_files(run_dir, stars, tmp_path):
    source_table(tmp_path / "a.csv", stars.stars, [0, 1])
    with pytest.raises(SuiteError, match="allStar"):
        predict.predict_labelled(run_dir, [tmp_path])


def test_rvs_folder_without_any_of_the_stars(stars, tmp_path):
    rvs_file(tmp_path / "r.csv", 5)
    config = make_config(inputs=("rvs", "xp"), rvs=str(tmp_path), scale="smoke", **SMALL)
    with pytest.raises(UsageError, match="source_id"):
        data.rvs_spectra(stars.stars, config, tmp_path)


def test_reproduce_goes_on_to_the_report(tmp_path, monkeypatch, capsys):
    done = []

    def fails(*args, **kwargs):
        raise MemoryError("too little memory")

    def evaluate(run_dir, on=None):
        done.append(on)
        return "report.html"

    monkeypatch.setattr(reproduce, "train", lambda config, run_dir, **_: done.append("train"))
    monkeypatch.setattr(reproduce, "compare", fails)
    monkeypatch.setattr("rvs_hybrid.explain.explain_run", fails)
    monkeypatch.setattr(reproduce, "evaluate_run", evaluate)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "xp.csv").write_text("")
    options = ["--precision", "float32", "-o", str(tmp_path / "run")]
    assert reproduce.main([*options, "--variants", "phot"]) == 2 and not done
    assert reproduce.main([*options, "--on", str(tmp_path / "mine")]) == 0
    assert done == ["train", tmp_path / "mine", None]
    out = capsys.readouterr().out
    assert "no variants: too little memory" in out and "no gradients: too little memory" in out


def test_commands_load_no_tensorflow_before_the_device_is_chosen():
    code = ("import sys, rvs_hybrid.train, rvs_hybrid.evaluate, rvs_hybrid.reproduce; "
            "sys.exit('tensorflow' in sys.modules)")  # fmt: skip
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_command_line_refuses_what_does_not_go_together(tmp_path, capsys):
    assert train.main(["--run-dir", str(tmp_path), "--rvs", "nowhere"]) == 2
    assert "no folder" in capsys.readouterr().err
    assert train.main(["--run-dir", str(tmp_path), "--inputs", "rvs"]) == 2
    assert train.main(["--run-dir", str(tmp_path), "--members", "0"]) == 2
    assert predict.main(["--run-dir", str(tmp_path), "-o", "x.txt", "a"]) == 2
    assert predict.main(["--run-dir", str(tmp_path), "-o", "x.csv", "a"]) == 1
