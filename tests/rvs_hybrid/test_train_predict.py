import json
from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from common.errors import SuiteError, UsageError
from common.surveys.gaia_rvs import write_rvs
from rvs_hybrid import data, evaluate, fitting, predict, release, reproduce, train
from rvs_hybrid.inputs import inputs_of
from rvs_hybrid.networks import columns, group, load_networks, pattern_of
from rvs_hybrid.stars import sources
from tests.catalogues import killed_at, read_back
from tests.rvs_hybrid.toy import (
    LABELS,
    make_sample,
    replace_stars,
    source_table,
    tiny_config,
    trained,
)


@pytest.fixture(scope="module")
def stars():
    return make_sample()


@pytest.fixture(scope="module")
def run_dir(made_once):
    return made_once("rvs_hybrid", trained)


def rvs_file(path, source_id, unit_nm=True):
    wave = np.linspace(846, 870, 2401) * (1 if unit_nm else 10)
    table = pd.DataFrame({"wavelength": wave, "flux": 1.0, "flux_error": 0.02})
    table.assign(source_id=source_id, ra=10.0, dec=5.0).to_csv(path, index=False)


def test_run_has_what_its_contract_says(run_dir, stars):
    table = pd.read_parquet(run_dir / "predictions.parquet")
    about = json.loads((run_dir / "config.json").read_text())
    assert set(table["split"]) == {"calib", "test"}
    known = stars.stars.set_index("source_id")["split"]
    assert (table["split"].to_numpy() == known.reindex(table["source_id"]).to_numpy()).all()
    for name in LABELS:
        ends = ("true", "pred", "sigma", "pred_precursor", "ensemble_precursor")
        assert np.isfinite(table[[f"{name}_{end}" for end in ends]].to_numpy()).all()
        raw = np.hypot(table[f"{name}_aleatoric"], table[f"{name}_ensemble"])
        assert np.allclose(table[f"{name}_raw"], raw, rtol=1e-4)
    assert about["config"]["labels"] == list(LABELS)  # no [M/H] here
    assert about["sizes"]["test"] == (table["split"] == "test").sum()
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


def test_a_released_network_is_judged_again_on_its_own_test_stars(
    run_dir, stars, tmp_path, monkeypatch, capsys
):
    """Their split is a hash of the star: the same as when it was trained."""
    into = tmp_path / "released"
    assert release.main(["toy", "--run-dir", str(run_dir), "--about", "a toy",
                         "--into", str(into)]) == 0  # fmt: skip
    assert not (into / "toy" / "models" / "precursor").exists()
    monkeypatch.setattr(data, "load_sample", lambda *_, **__: stars)
    out = tmp_path / "again"
    evaluate.predict_again(into / "toy", out)
    first, again = (pd.read_parquet(d / "predictions.parquet") for d in (run_dir, out))
    assert first["source_id"].equals(again["source_id"])
    for name in LABELS:
        np.testing.assert_allclose(again[f"{name}_pred"], first[f"{name}_pred"], rtol=1e-4)
        np.testing.assert_allclose(again[f"{name}_sigma"], first[f"{name}_sigma"], rtol=1e-3)


def test_training_killed_between_members_gives_the_same_predictions(tmp_path, monkeypatch, run_dir):
    with monkeypatch.context() as patch:
        killed_at(patch, fitting.models, "save_model", 3)  # the second member's
        with pytest.raises(KeyboardInterrupt):
            trained(tmp_path)
    with pytest.raises(SuiteError, match="--resume"):
        load_networks(tmp_path)
    keras.utils.set_random_seed(99)  # another state of the random numbers must not matter
    table = trained(tmp_path, resume=True)
    whole = pd.read_parquet(run_dir / "predictions.parquet")
    assert np.allclose(table["teff_pred"], whole["teff_pred"], atol=0.5)


def test_m_h_is_learned_where_it_is_known(tmp_path):
    table = trained(tmp_path, make_sample(300, with_m_h=True), members=1, epochs=1)
    assert np.isfinite(table["m_h_pred"]).all()
    assert np.array_equal(table["m_h_sigma"], table["m_h_raw"])  # too few stars to calibrate on


def test_too_few_stars(tmp_path):
    with pytest.raises(UsageError, match="too few"):
        trained(tmp_path, make_sample(3))


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
    path = tmp_path / "out" / "labels.fits"
    out, rejects = read_back(predict.predict_files, run_dir, [tmp_path], path)
    flags = out.set_index("source_id")["warnings"].reindex(frame["source_id"]).tolist()
    assert "NEGATIVE_PARALLAX" in flags[1]
    assert "NO_PHOT" in flags[2]
    without_magnitudes = str(frame["source_id"][3])  # a parallax says nothing without G
    assert flags.pop(3) != "" and without_magnitudes in set(rejects["id"])
    assert "HIGH_RUWE" in flags[3]
    assert all("NO_XP" in f for f in flags)
    assert np.isfinite(out[["teff", "teff_err", "logg_err"]].to_numpy()).all()
    reasons = dict(zip(rejects["file"].str.rsplit("/").str[-1], rejects["reason"], strict=True))
    assert "inputs" in reasons["rvs.csv"] and "nm" in reasons["angstrom.csv"]
    assert {"text.fits", "empty.csv"} <= set(reasons)
    written = Table.read(path)
    assert str(written["teff"].unit) == "K" and str(written["parallax"].unit) == "mas"
    assert len(out) == 7


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
    sentinels = dict(parallax=-9999.0, phot_bp_mean_mag=99.0)
    source_table(tmp_path / "s.csv", table, [2], **sentinels)
    found = sources.read_sources([tmp_path]).stars.set_index("source_id")
    one, two, odd = (found.loc[source] for source in table["source_id"][:3])
    assert len(found) == 3 and two["has_rvs"] and not one["has_rvs"]
    assert two["g"] == pytest.approx(table["g"][1])
    assert two["snr_rvs"] == pytest.approx(50, rel=0.01)
    assert np.isnan(odd["bp"]) and np.isnan(odd["parallax"])  # as in training


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


def test_stars_of_the_training_do_not_count_in_an_evaluation(run_dir, stars):
    known = stars.stars
    seen = predict._seen(run_dir, known["source_id"])
    assert np.array_equal(seen, (known["split"] != "test").to_numpy())
    assert not predict._seen(run_dir, pd.Series([5])).any()  # a star that the run has not met


def test_labels_are_needed_to_evaluate_on_files(run_dir, stars, tmp_path):
    source_table(tmp_path / "a.csv", stars.stars, [0, 1])
    with pytest.raises(SuiteError, match="allStar"):
        predict.predict_labelled(run_dir, [tmp_path])


def test_rvs_folder_without_any_of_the_stars(tmp_path, monkeypatch):
    replace_stars(monkeypatch)
    rvs_file(tmp_path / "r.csv", 5)
    config = tiny_config(inputs=("rvs", "xp"), rvs=str(tmp_path))
    with pytest.raises(UsageError, match="source_id"):
        data.prepare(config, tmp_path / "data")


def test_sampled_xp_spectra_are_not_taken_for_rvs(tmp_path):
    wave = np.arange(336, 1021, 2.0)
    long = pd.DataFrame({"source_id": 7, "wavelength": wave, "flux": 1e-16, "flux_error": 1e-18})
    long.to_csv(tmp_path / "long.csv", index=False)
    wide = {"source_id": [7, 8], "flux": np.ones((2, 343)), "flux_error": np.ones((2, 343))}
    Table(wide).write(tmp_path / "wide.fits")
    for name in ("long.csv", "wide.fits"):
        with pytest.raises(SuiteError, match=r"XP_SAMPLED.*XP_CONTINUOUS"):
            sources.read_sources([tmp_path / name])


def test_every_unusable_file_has_its_reason(run_dir, tmp_path):
    files, out = tmp_path / "files", tmp_path / "labels.csv"
    files.mkdir()
    (files / "a.csv").write_text("a,b\n1,2\n")
    (files / "b.fits").write_text("no FITS at all")
    (files / "c.csv").write_text("")
    with pytest.raises(SuiteError, match=r"None of the 3 file\(s\) can be read"):
        predict.predict_files(run_dir, [files], out)
    rejects = Table.read(out.with_name("labels.csv.rejects.ecsv")).to_pandas()
    assert [name.rsplit("/")[-1] for name in rejects["file"]] == ["a.csv", "b.fits", "c.csv"]
    with pytest.raises(SuiteError, match=r"None of the 3 file\(s\).*; .*; "):
        sources.read_sources([files])


def test_mock_rvs_files_are_semi_synthetic_wherever_they_lie(run_dir, tmp_path, monkeypatch):
    made = make_sample()
    flux = np.ones((len(made), 2401))
    ids = made.stars["source_id"].to_numpy()
    for name, mock in (("mock", True), ("real", False)):
        (tmp_path / name).mkdir()
        write_rvs(tmp_path / name / "rvs.fits", source_id=ids, flux=flux, flux_error=flux / 30,
                  mock=mock)  # fmt: skip
        config = tiny_config(inputs=("rvs",), rvs=str(tmp_path / name))
        replace_stars(monkeypatch, made)
        shards = data.prepare(config, tmp_path / name / "data")
        assert shards.labels["rvs_made"].all() == mock == shards.labels["rvs_made"].any()
        assert ("semi-synthetic RVS" in data.named(config, own=False, made=mock)) == mock
        found = sources.read_sources([tmp_path / name / "rvs.fits"]).stars
        flags = predict.flags_of(found, data.presence({"rvs": flux}), load_networks(run_dir), False)
        assert flags["MADE_RVS"].all() == mock == flags["MADE_RVS"].any()


def test_stars_without_any_input_are_left_out_and_counted(tmp_path, monkeypatch):
    made = make_sample(50)
    made.stars.loc[:9, "g"] = np.nan
    replace_stars(monkeypatch, made)
    shards = data.prepare(tiny_config(inputs=("phot",)), tmp_path)
    assert len(shards.labels) == 40 == len(shards)
    assert pd.read_csv(tmp_path / "selection.csv").iloc[-1].tolist()[1:] == [10, 40]


def test_parallaxes_of_another_release_are_told_of(run_dir, stars, tmp_path):
    networks = load_networks(run_dir)
    assert networks.gaia == "DR2"  # the registry's stars
    near = stars.stars["parallax"].notna().to_numpy()
    source_table(tmp_path / "a.csv", stars.stars, np.r_[np.flatnonzero(near)[:3],
                                                        np.flatnonzero(~near)[:2]])  # fmt: skip
    out, _ = read_back(predict.predict_files, run_dir, [tmp_path / "a.csv"], tmp_path / "o.fits")
    told = out.set_index("source_id")["warnings"].str.contains("DR2_TRAINED")
    known = stars.stars.set_index("source_id")["parallax"].notna()
    assert (told == known.reindex(told.index)).all() and told.sum() == 3
    assert Table.read(tmp_path / "o.fits").meta["PARALLAX"] == "Gaia DR2"
    own = replace(networks, gaia="DR3")
    sources_ = sources.read_sources([tmp_path / "a.csv"])
    inputs = inputs_of(sources_.stars, own.config, xp=sources_.xp, xp_error=sources_.xp_error)
    assert not predict.catalogue(own, sources_.stars, inputs)["warnings"].str.contains("DR2").any()


def test_an_error_that_is_not_calibrated_is_not_called_so(run_dir):
    networks = load_networks(run_dir)
    assert set(networks.calibration) == set(LABELS)
    texts = predict.notes_of(LABELS, {"teff"})["descriptions"]
    assert "calibrated 68 %" in texts["teff_err"] and "not calibrated" in texts["logg_err"]


@pytest.mark.parametrize("command, options, says", [
    (train, ["--rvs", "nowhere"], "no folder"), (train, ["--inputs", "rvs"], "--rvs"),
    (train, ["--rvs", "data-dir"], "--data-dir"),
    (train, ["--dataset", "gaia-rvs", "--rvs", "semi-synthetic", "--data-dir", "."], "gaia-apogee"),
    (reproduce, ["--variants", "phot"], "--variants"),
])  # fmt: skip
def test_command_line_refuses_what_does_not_go_together(command, options, says, tmp_path, capsys):
    folder = "-o" if command is reproduce else "--run-dir"
    assert command.main([folder, str(tmp_path / "run"), *options]) == 2
    assert says in capsys.readouterr().err and not (tmp_path / "run").exists()
