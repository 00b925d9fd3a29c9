"""Spectra that are none of the network's kind: learned, told in catalogues, judged apart."""

import json
from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest

from common.accelerator import choose
from common.catalog import read_table
from common.fitting import Job
from common.pipeline import Shards
from mtopnet import adversarial, data, evaluate, fitting, latent, networks, predict, train
from mtopnet.catalogue import columns
from mtopnet.config import Config, make_config
from mtopnet.kinds import other_kind
from mtopnet.model import Standardise, build_model
from mtopnet.tables import kinds as tables_kinds
from mtopnet.tables import redshifts as tables
from tests.mtopnet import toy
from tests.mtopnet.toy_run import fluxes, galaxies, tiny_config, write_spectra

BRIGHT = 3000.0  # times a galaxy's flux: what a star has here


def write_mixed(folder, n, *, seed=0, others=True):
    """Write a toy data set; of ten galaxies one is a star, one failed, one outside the bins."""
    labels = galaxies(n, seed=seed)
    number = np.repeat(np.arange(n), 2)
    flux, error = fluxes(labels, seed=seed)
    if others:
        labels["kind"] = np.array(labels["kind"], dtype="U16")
        for digit, kind, z in ((0, "star", 0.0), (1, "failed", np.nan), (2, "outside", 3.4)):
            rows = number % 10 == digit
            labels["kind"][rows], labels["z"][rows] = kind, z
            if kind != "outside":
                labels["log_mass"][rows] = labels["log_sfr"][rows] = np.nan
        flux[number % 10 == 0] *= BRIGHT
        flux[number % 10 == 1] = error[number % 10 == 1] * np.random.default_rng(seed).normal(
            size=flux[number % 10 == 1].shape
        )
    write_spectra(folder / "spectra" / "toy.fits", labels, flux=flux, error=error)
    labels.write(folder / "labels.fits", overwrite=True)
    return labels


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A run on a data set with spectra of another kind, and the folder of that set."""
    folder = tmp_path_factory.mktemp("mixed")
    write_mixed(folder / "data", 150)
    train.train(tiny_config(none=True, input="errors"), folder / "run",
                accelerator=choose("float32"), data_dir=folder / "data")  # fmt: skip
    return folder / "run"


def test_the_option_is_off_for_the_paper_and_on_where_the_mock_has_such_spectra():
    assert not Config().none and set(build_model(tiny_config()).output) == set(Config().tasks)
    for mock in ("realistic", "both"):
        config = make_config(scale="smoke", mock=mock)
        assert config.none and config.loss_weights["none"] == config.weight_none == 1
    assert not make_config(scale="smoke", mock="faint").none
    assert "none" not in make_config().loss_weights
    old = Standardise().get_config()
    assert not Standardise.from_config({k: v for k, v in old.items() if k != "bounded"}).bounded


def test_labels_of_another_kind_need_no_redshift():
    labels = pd.DataFrame({"z_true": [1.0, 0.0, np.nan, 3.5, np.nan],
                           "kind": ["agn", "star", "failed", "outside", "quiescent"]})  # fmt: skip
    assert other_kind(labels).tolist() == [False, True, True, True, False]
    assert not other_kind(labels[["z_true"]]).any()
    told = data.label_faults(labels, Config(none=True))
    assert [bool(text) for text in told] == [False, False, False, False, True]
    told = data.label_faults(labels, Config())
    assert [bool(text) for text in told] == [False, True, True, True, True]


def test_their_tasks_carry_no_loss(mixed):
    config = tiny_config(none=True)
    shards = Shards(mixed / "data")
    y = data.targets(shards.labels, {"lgm": (0, 1), "sfr": (0, 1)}, config)
    other = other_kind(shards.labels)
    assert y.shape == (300, 4) and np.array_equal(y[:, 3], other) and other.mean() == 0.3
    index = np.arange(60)
    _, targets, weights = next(iter(data.dataset(shards, index, y[index], config=config,
                                                 batch_size=60)))  # fmt: skip
    assert set(targets) == set(weights) == {"z", "lines", "mass", "sfr", "none"}
    np.testing.assert_array_equal(targets["none"][:, 0], other[:60])
    np.testing.assert_allclose(weights["none"], 1)
    for task in ("z", "lines", "mass", "sfr"):
        np.testing.assert_allclose(weights[task], np.where(other[:60], 0, 1 / 0.7), rtol=1e-5)
    assert np.isfinite(targets["z"]).all()


def test_a_few_bright_stars_do_not_set_the_scale_of_the_continuum(mixed):
    """With means and std of all, validation diverged: stars stand 30 std away."""
    shards = Shards(mixed / "data")
    config = tiny_config(none=True, input="errors")
    job = Job(config, mixed, shards, choose("float32"))
    own = job.rows("train", ~other_kind(shards.labels))
    points = shards.rows(own)[:, config.n_pixels :]
    np.testing.assert_array_equal(fitting.continuum_rows(job), points)
    model, _ = fitting.fresh(job)
    mean, std = model.get_layer("continuum_standard").get_weights()
    np.testing.assert_allclose(mean, points.mean(axis=0), rtol=1e-4)
    every = shards.rows(job.rows("train"))[:, config.n_pixels :]
    assert (every.std(axis=0)[:10] > 50 * std[:10]).all(), "stars alone would set it"
    scaled = keras.ops.convert_to_numpy(model.get_layer("continuum_standard")(every))
    assert np.abs(scaled).max() < 15, "and they stay within the network's reach"
    free = Standardise()
    free(every)
    free.set_weights([mean, std])
    unbound = keras.ops.convert_to_numpy(free(every))
    assert np.abs(unbound).max() > 100
    np.testing.assert_allclose(np.arcsinh(unbound), scaled, rtol=1e-4, atol=1e-5)
    scaling = fitting.scaling_of(job)
    lgm = shards.labels["lgm_true"].to_numpy()[own]
    assert scaling["lgm"] == pytest.approx((lgm.mean(), lgm.std()))
    history = pd.read_csv(mixed / "history.csv")
    assert (history["val_loss"] < 1.5 * history["val_loss"].iloc[0]).all()
    assert history["val_loss"].max() < 30


def test_a_run_tells_them_and_judges_galaxies_alone(mixed, tmp_path):
    df = pd.read_parquet(mixed / "predictions.parquet")
    other = other_kind(df)
    assert df["p_none"].between(0, 1).all() and 0.2 < other.mean() < 0.4
    assert df.loc[df["kind"] == "star", "p_none"].median() > df.loc[~other, "p_none"].median()
    about = json.loads((mixed / "config.json").read_text())
    assert about["training_range"]["z"][0] > 0.6
    assert evaluate.main(["--run-dir", str(mixed), "-o", str(tmp_path)]) == 0
    test = df[df["split"] == "test"]
    success = read_table(tmp_path / "tables" / "success.ecsv").set_index("sample")
    assert success.loc["all", "n"] == (~other_kind(test)).sum()
    none = read_table(tmp_path / "tables" / "none.ecsv").set_index(["kind", "exposure"])
    assert none.loc[(tables_kinds.OTHERS, "all"), "n"] == other_kind(test).sum()
    assert {"star", "failed", "outside"} <= set(none.index.get_level_values("kind"))
    sample = read_table(tmp_path / "tables" / "sample.ecsv").set_index("quantity")
    assert sample.loc["z", "q0.1"] > 0.65 and sample.loc["z", "q99.9"] < 3
    text = (tmp_path / "report.html").read_text()
    assert "Spectra of another kind" in text
    worst = evaluate.Evaluation(df=tables.labelled(tables.with_dz(test)), everything=test,
                                dataset="x").worst()  # fmt: skip
    assert not set(worst["id"]) & set(df.loc[other, "id"])


def test_the_others_of_a_run_go_on_with_galaxies(mixed, tmp_path, monkeypatch):
    monkeypatch.setattr(latent, "FEWEST", 20)
    seen = []
    monkeypatch.setattr(latent, "score_table", lambda f, about, **k: seen.append(about) or about)
    latent.latent_run(mixed, tmp_path, umap=False)
    assert len(seen[0]) and not other_kind(seen[0]).any()
    table = adversarial.adapt(mixed, tmp_path / "adapted", target_dir=mixed.parent / "data",
                              epochs=1)  # fmt: skip
    df = pd.read_parquet(mixed / "predictions.parquet")
    df = df[(df["split"] == "test") & ~other_kind(df)]
    assert (table.loc[table["tested_on"] == "source", "n"] == len(df)).all()
    assert np.isfinite(table["success_0.1"]).all()


def test_catalogues_say_it_in_a_column_and_in_a_word(mixed, tmp_path, run_dir):
    write_mixed(tmp_path / "new", 20, seed=7)
    for folder, has in ((mixed, True), (run_dir, False)):
        out = tmp_path / f"{has}.fits"
        assert predict.main(["--run-dir", str(folder), "-o", str(out), str(tmp_path / "new")]) == 0
        table = read_table(out)
        assert ("p_none" in table) == has
        flag = table["warnings"].str.split(";").map(lambda words: "OTHER_KIND" in words)
        assert (flag == (table["p_none"] > 0.5)).all() if has else not flag.any()
    assert "p_none" in columns.DESCRIPTIONS and "p_none" in columns.UCDS
    x = Shards(mixed / "data").rows(np.arange(12))
    known = networks.load_networks(mixed)
    values, _ = networks.predicted(known, x)
    averaged, _ = networks.mc_predicted(known, x, 2)
    model = known.models["mtopnet"](networks.split_input(known, x))
    np.testing.assert_allclose(values["p_none"], np.asarray(model["none"])[:, 0], atol=1e-5)
    mean, std = known.scaling["sfr"]
    np.testing.assert_allclose(values["sfr_pred"], np.asarray(model["sfr"])[:, 0] * std + mean,
                               atol=1e-3)  # fmt: skip
    assert np.isfinite(averaged["sfr_pred"]).all()


def test_a_run_is_judged_on_either_mock(mixed, run_dir, tmp_path):
    """Files with and without spectra of another kind, by runs that know them or not."""
    write_mixed(tmp_path / "hard", 40, seed=11)
    write_mixed(tmp_path / "plain", 40, seed=12, others=False)
    for run, own in ((mixed, True), (run_dir, False)):
        for name, n in (("hard", 56), ("plain", 80)):
            out = tmp_path / f"{own}-{name}"
            arguments = ["--run-dir", str(run), "--on", str(tmp_path / name), "-o", str(out)]
            assert evaluate.main(arguments) == 0
            success = read_table(out / "tables" / "success.ecsv").set_index("sample")
            assert success.loc["all", "n"] == n and success.loc["8 h", "n"] == n / 2
            assert (out / "tables" / "none.ecsv").exists() == own


def test_completeness_and_purity_by_hand():
    df = pd.DataFrame({
        "kind": ["star"] * 4 + ["failed"] * 4 + ["agn"] * 2 + ["star-forming"] * 10,
        "p_none": [0.9, 0.8, 0.7, 0.1, 0.9, 0.9, 0.2, 0.1, 0.6, 0.1] + [0.05] * 9 + [0.7],
        "galaxy": [f"g{i // 2}" for i in range(20)], "exposure": [2.0, 8.0] * 10,
    })  # fmt: skip
    table = tables_kinds.none_table(df).set_index(["kind", "exposure"])
    others, own = table.loc[(tables_kinds.OTHERS, "all")], table.loc[(tables_kinds.OWN, "all")]
    assert others["marked"] == 5 / 8 and others["share"] == 5 / 7, "completeness, purity"
    assert own["marked"] == 2 / 12 and own["galaxies"] == 6
    assert table.loc[("star", "all"), "marked"] == 0.75
    assert table.loc[("failed", "all"), "share"] == 2 / 7
    assert table.loc[(tables_kinds.OTHERS, "8 h"), "n"] == 4
    assert table.loc[(tables_kinds.OTHERS, "8 h"), "share"] == 2 / 3
    blank = tables_kinds.none_table(df.drop(columns="kind"))
    assert set(blank["kind"]) == {tables_kinds.OWN, "unknown"}


def test_passive_hosts_of_active_nuclei_and_blends_are_known_by_their_shape():
    df, _ = toy.predictions(60)
    df["kind"] = np.where(df["sersic_n"] > 2.5, "agn", "blend")
    assert np.array_equal(tables.quiescent(df), df["sersic_n"] > 2.5)
    assert not tables.quiescent(df.drop(columns="sersic_n")).any()


def test_flags_of_networks_without_it_are_as_before():
    values = pd.DataFrame({"z_peak": [1.5], "p_peak": 0.5, "p_peak2": [0.1], "lgm_pred": [10],
                           "sfr_pred": 0.0})  # fmt: skip
    about = pd.DataFrame({"bad_fraction": [0.0]})
    known = SimpleNamespace(config=replace(tiny_config(), dz=0.003), training_range={})
    warn = columns.flags(known, about, values, np.array([1.0]))
    assert not warn["OTHER_KIND"].any()
    warn = columns.flags(known, about, values.assign(p_none=0.6), np.array([1.0]))
    assert warn["OTHER_KIND"].all()
