import argparse
import json
import shutil

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from common.accelerator import choose
from common.errors import ReadError, UsageError
from common.pipeline import Shards
from mtopnet import adversarial, data, networks, reproduce, train
from mtopnet.config import PAPER, Config, make_config
from mtopnet.pdf import mass_near, summary
from mtopnet.recalibration import Recalibration
from tests.mtopnet.toy_run import galaxies, tiny_config, write_folder, write_spectra


@pytest.fixture(scope="module")
def trained(run_dir):
    return networks.load_networks(run_dir)


@pytest.fixture(scope="module")
def some(run_dir):
    return Shards(run_dir / "data").rows(np.arange(30))


def test_a_run_leaves_what_evaluation_reads(run_dir):
    table = pd.read_parquet(run_dir / "predictions.parquet")
    about = json.loads((run_dir / "config.json").read_text())
    pdf = np.load(run_dir / "pdf_test.npy")
    ids = pd.read_parquet(run_dir / "pdf_test_ids.parquet")["id"]
    test = table[table["split"] == "test"].reset_index(drop=True)
    assert (ids == test["id"]).all() and pdf.shape == (len(test), 80)
    edges, known = np.linspace(0.6, 3, 81), Recalibration.from_dict(about["pdf_calibration"]["z"])
    again = summary(pdf, edges, known.apply(pdf, edges))
    for name in ("z_peak", "entropy", "z_low95", "z_std", "p_near"):
        assert np.allclose(test[name], again[name], atol=1e-4), name
    assert not np.allclose(test["z_std"], summary(pdf, edges)["z_std"], rtol=1e-2)
    assert set(table["split"]) == {"valid", "test"} and set(table["dataset"]) == {"moons"}
    for name in ("z_peak_mc", "entropy_mc", "lgm_mc_std", "lgm_pred", "sfr_pred", "m_h", "f_ha"):
        assert np.isfinite(table[name]).all(), name
    assert table["f_oiii"].isna().all(), "unknown in this data set"
    sizes = about["sizes"]
    assert sizes["train"] + sizes["valid"] + sizes["test"] == sizes["all"] == 280
    assert sizes["galaxies"] == 140
    assert about["masked_fraction"] == 0 and 1 <= about["best_epoch"] <= 3
    history = pd.read_csv(run_dir / "history.csv")
    assert {"z_loss", "val_z_loss", "val_lines_loss", "seconds"} <= set(history)
    labels = pd.read_parquet(run_dir / "data" / "labels.parquet")
    assert labels.groupby("galaxy")["split"].nunique().max() == 1
    valid = table[table["split"] == "valid"]
    inside = np.abs(valid["lgm_pred"] - valid["lgm_true"]) <= valid["lgm_sigma"]
    assert inside.mean() == pytest.approx(0.68, abs=0.12), "calibrated on the validation split"


def test_masses_and_rates_come_in_their_own_units(run_dir, trained, some):
    labels = pd.read_parquet(run_dir / "data" / "labels.parquet")
    own = labels[labels["split"] == "train"]
    mean, std = trained.scaling["lgm"]
    assert mean == pytest.approx(own["lgm_true"].mean())
    assert std == pytest.approx(own["lgm_true"].std(ddof=0))
    table, _ = networks.predicted(trained, some)
    raw = trained.models["mtopnet"](networks.split_input(trained, some))["mass"]
    assert np.allclose(table["lgm_pred"], np.asarray(raw)[:, 0] * std + mean, atol=1e-4)


def test_predictions_do_not_depend_on_their_neighbours(trained, some):
    together, pdf = networks.predicted(trained, some)
    alone, own = networks.predicted(trained, some[7:8])
    assert np.allclose(pdf[7], own[0], atol=1e-6)
    assert together["lgm_pred"][7] == pytest.approx(alone["lgm_pred"][0], abs=1e-4)
    nothing, none = networks.predicted(trained, some[:0])
    assert len(nothing) == 0 and none.shape == (0, 80)


def test_mc_dropout_averages_passes(trained, some):
    _, once = networks.mc_predicted(trained, some, 1, seed=3)
    _, other = networks.mc_predicted(trained, some, 1, seed=4)
    table, many = networks.mc_predicted(trained, some, 200, seed=5)
    _, plain = networks.predicted(trained, some)
    assert np.allclose(many.sum(axis=1), 1, atol=1e-4)
    assert np.abs(once - other).max() > 1e-4
    _, again = networks.mc_predicted(trained, some, 1, seed=3)
    assert np.array_equal(once, again), "what was computed between must not matter"
    assert np.abs(many - plain).mean() < np.abs(once - plain).mean()
    assert (table["lgm_mc_std"] > 0).all()


def test_errors_of_averages_are_calibrated_on_averages(run_dir, trained):
    assert set(trained.calibration) == {"lgm", "sfr", "lgm_mc", "sfr_mc"}
    table = pd.read_parquet(run_dir / "predictions.parquet")
    valid = table[table["split"] == "valid"]
    shards = Shards(run_dir / "data")
    at = pd.Series(np.arange(len(shards)), index=shards.labels["id"])
    mc, _ = networks.mc_predicted(trained, shards.rows(at[valid["id"]].to_numpy()), 3, seed=8)
    group = networks.entropy_group(mc["entropy"])
    for name in ("lgm", "sfr"):
        own = trained.calibration[f"{name}_mc"].apply(sigma=mc[f"{name}_raw"], group=group)
        assert np.allclose(mc[f"{name}_sigma"], own)
        assert trained.calibration[f"{name}_mc"] != trained.calibration[name]
        away = np.abs(valid[f"{name}_pred_mc"] - valid[f"{name}_true"])
        group_then = networks.entropy_group(valid["entropy_mc"])
        sigma = trained.calibration[f"{name}_mc"].apply(sigma=valid[f"{name}_raw_mc"],
                                                        group=group_then)  # fmt: skip
        # A group's quantile is the residual of one of its galaxies, and the file is float32.
        assert np.mean(away <= sigma * (1 + 1e-5)) == pytest.approx(0.68, abs=0.02)


def test_what_is_said_of_averages_is_of_averages_recalibrated(trained, some):
    assert set(trained.pdfs) == {"z", "z_mc"} and trained.pdfs["z"] != trained.pdfs["z_mc"]
    for call, name in ((networks.predicted, "z"), (networks.mc_predicted, "z_mc")):
        table, own = call(trained, some)
        _, made = call(trained, some, calibrated=True)
        assert np.allclose(made, trained.pdfs[name].apply(own, trained.edges), atol=1e-6)
        near = mass_near(made, trained.edges, z=table["z_peak"])
        assert np.allclose(table["p_near"], near, atol=1e-5)
        assert np.allclose(table["z_peak"], summary(own, trained.edges)["z_peak"])


def test_an_older_run_says_what_it_said_and_resume_fits_what_it_lacks(run_dir, some, tmp_path):
    old = shutil.copytree(run_dir, tmp_path / "old")
    about = json.loads((old / "config.json").read_text())
    del about["pdf_calibration"]
    (old / "config.json").write_text(json.dumps(about))
    known = networks.load_networks(old)
    table, own = networks.predicted(known, some)
    _, made = networks.predicted(known, some, calibrated=True)
    assert known.pdfs == {} and np.array_equal(own, made)
    assert np.allclose(table["z_std"], summary(own, known.edges)["z_std"])
    before = (old / "models" / "mtopnet.keras").read_bytes()
    train.train(known.config, old, accelerator=choose("float32"), data_dir=about["data_dir"],
                resume=True)  # fmt: skip
    assert (old / "models" / "mtopnet.keras").read_bytes() == before
    again, first = networks.load_networks(old), networks.load_networks(run_dir)
    assert again.pdfs["z"].shape == pytest.approx(first.pdfs["z"].shape, abs=1e-3)


def test_parts_of_the_network(trained, some):
    features = networks.shared_features(trained, some)
    assert features.shape == (30, 192) and (features >= 0).all(), "after ReLU"
    lines = networks.line_map(trained, some)
    assert lines.shape == (30, 1527) and ((lines >= 0) & (lines <= 1)).all()
    _, pdf = networks.predicted(trained, some)
    model = networks.redshift_model(trained)
    assert np.allclose(np.asarray(model(some)), pdf, atol=1e-6)


def test_a_variant_and_pdfs_of_mass_in_one_run(tmp_path):
    write_folder(tmp_path / "data", 40)
    config = tiny_config(epochs=1, scalar_pdf=True, photometry=("h", "j"), head="hierarchical",
                         mc_passes=2)  # fmt: skip
    train.train(config, tmp_path / "run", accelerator=choose("float32"),
                data_dir=tmp_path / "data", variants=("z-only",))  # fmt: skip
    known = networks.load_networks(tmp_path / "run")
    assert known.models["mtopnet"].input["continuum"].shape[1] == 12
    shards = Shards(tmp_path / "run" / "data")
    x = shards.rows(np.arange(10))
    assert np.allclose(x[:, -2], shards.labels["mag_h"][:10])
    table, _ = networks.predicted(known, x)
    pdfs = networks.scalar_pdfs(known, x)
    for name in ("lgm", "sfr"):
        pdf, edges = pdfs[name]
        assert np.allclose(pdf.sum(axis=1), 1, atol=1e-3)
        middle = (edges[1:] + edges[:-1]) / 2
        spread = table[f"{name}_raw"].to_numpy()
        assert (np.abs(pdf @ middle - table[f"{name}_pred"]) < 0.3 * spread).all()
    variant = networks.load_networks(tmp_path / "run" / "variants" / "z-only")
    assert variant.config.tasks == ("z",)
    assert not (tmp_path / "run" / "variants" / "z-only" / "data").exists()
    with pytest.raises(ReadError, match="trained with --scalar-pdf"):
        networks.scalar_pdfs(networks.Networks(Config(), {}, {}), x)


@pytest.mark.parametrize("argv, says", [
    (["--variants", "nothing"], "A variant is one of"),
    (["--dataset", "moons"], "name a folder that has them with --data-dir"),
])  # fmt: skip
def test_options_that_cannot_be_used(argv, says, tmp_path, capsys):
    status = train.main([*argv, "--run-dir", str(tmp_path / "run"), "--precision", "float32"])
    assert status in (1, 2) and says in capsys.readouterr().err


@pytest.mark.parametrize("argv, variants", [
    (["--scale", "paper"], ("z-only", "z-lines", "fine")),  # the paper's own ablations
    (["--scale", "paper", "--variants", "comb"], ("comb",)),
])  # fmt: skip
def test_reproduce_trains_the_papers_ablations(argv, variants, monkeypatch, tmp_path):
    seen = {}

    def trained(paper, train, args, run_dir, *, more, before):
        seen.update(more(args))
        raise KeyboardInterrupt

    monkeypatch.setattr("common.commands.reproduce.trained", trained)
    assert reproduce.main([*argv, "-o", str(tmp_path)]) == 1
    assert seen["variants"] == variants


def test_lists_of_options_reach_the_configuration():
    parser = argparse.ArgumentParser()
    PAPER.add_options(parser)
    given = ["--tasks", "lines", "z", "--photometry", "h", "ks", "--scalar-pdf"]
    config = PAPER.config_of(parser.parse_args(given))
    assert config.tasks == ("z", "lines") and config.photometry == ("h", "ks")
    assert config.scalar_pdf and config.is_mock
    assert PAPER.config_of(parser.parse_args([])) == make_config()


def test_gradients_are_reversed():
    x = tf.constant([1.0, -2.0, 0.5])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = adversarial.reversed_gradient(x, 0.7)
        loss = tf.reduce_sum(y * [1.0, 2.0, 3.0])
    assert np.allclose(y, x) and np.allclose(tape.gradient(loss, x), [-0.7, -1.4, -2.1])
    assert adversarial.strength_of(0.0) == 0 and 0.99 < adversarial.strength_of(1.0) < 1


def test_unlabelled_halves_of_a_batch_carry_no_loss():
    def batches(value, n):
        x = {"spectrum": tf.fill([n, 5], value), "continuum": tf.fill([n, 2], value)}
        y = {"z": tf.fill([n, 3], value), "mass": tf.fill([n, 1], value)}
        return tf.data.Dataset.from_tensors((x, y))

    x, y, weight = next(iter(adversarial.joint_batches(batches(1.0, 4), batches(2.0, 2))))
    assert np.array_equal(x["spectrum"][:, 0], [1, 1, 1, 1, 2, 2])
    assert np.array_equal(y["mass"][:, 0], [1, 1, 1, 1, 0, 0])
    assert np.allclose(weight["z"], [1.5] * 4 + [0] * 2), "a mean over six rows is one over four"
    assert np.array_equal(y["domain"][:, 0], [0, 0, 0, 0, 1, 1])
    assert np.array_equal(weight["domain"], np.ones(6))


def test_adaptation_leaves_a_network_and_its_scores(run_dir, trained, tmp_path, monkeypatch):
    other = galaxies(40, seed=5)
    write_spectra(tmp_path / "other" / "spectra.fits", other, seed=9)
    other.write(tmp_path / "other" / "labels.fits")
    seen, targets = [], data.targets

    def watched(labels, *rest):
        seen.append(set(labels["id"]))
        return targets(labels, *rest)

    monkeypatch.setattr(data, "targets", watched)
    table = adversarial.adapt(run_dir, tmp_path / "out", target_dir=tmp_path / "other", epochs=1)
    assert table["network"].tolist() == ["before"] * 2 + ["control"] * 2 + ["adapted"] * 2
    assert table["tested_on"].tolist() == ["source", "target"] * 3
    ids = {str(i) for i in other["id"]}
    assert all(not ids & part for part in seen), "labels of the target must not be trained on"
    before = pd.read_parquet(run_dir / "predictions.parquet")
    assert table["n"][0] == (before["split"] == "test").sum()
    adapted = networks.load_networks(tmp_path / "out")
    old, new = (known.models["mtopnet"].get_weights() for known in (trained, adapted))
    assert any(np.abs(a - b).max() > 0 for a, b in zip(old, new, strict=True))
    shards = Shards(run_dir / "data")
    rows = np.flatnonzero(shards.labels["split"] == "valid")
    valid, _ = networks.predicted(adapted, shards.rows(rows))
    again = train.calibrate(valid.join(shards.labels.iloc[rows].reset_index(drop=True)))
    assert adapted.pdfs.keys() == {"z", "z_mc"} and adapted.pdfs != trained.pdfs
    group = networks.entropy_group(valid["entropy"])
    for name in ("lgm", "sfr"):
        own = again[name].apply(sigma=valid[f"{name}_raw"], group=group)
        assert np.allclose(valid[f"{name}_sigma"], own, rtol=1e-3), "its errors are its own"
        old = trained.calibration[name].apply(sigma=valid[f"{name}_raw"], group=group)
        assert not np.allclose(old, own, rtol=1e-3), "not those of the network before"
    with pytest.raises(UsageError, match="holds a run already"):
        adversarial.adapt(run_dir, tmp_path / "out", target_dir=tmp_path / "other")
