"""Networks of a run trained on, on other stars with LASP's parameters."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from common.accelerator import choose
from common.catalog import read_table
from common.errors import MissingDataError, ReadError, SuiteError, UsageError
from common.pipeline import Shards
from solarlike_distance import baselines, evaluate, fitting, release, tune
from solarlike_distance.data import learned
from solarlike_distance.networks import load_networks, members_predict
from tests.catalogues import killed_at
from tests.solarlike_distance import toy

QUICK = dict(epochs=1, learning_rate=1e-9, batch_size=16)  # leaves the networks as they are


@pytest.fixture(scope="module")
def stars(tmp_path_factory):
    """A folder of other stars than the run's, of which three are giants."""
    folder = tmp_path_factory.mktemp("real")
    about = toy.stars(60, seed=7)
    about["logg"][:3] = 2.5
    toy.write_table(folder / "spectra" / "stars.fits", about)
    toy.write_labels(folder / "labels", about)
    return folder


def tuned(run, out, stars, *, resume=False, **changes):
    config = tune.tuned_config(load_networks(run).config, run, **changes)
    return tune.tune(config, out, accelerator=choose("float32"), data_dir=stars, resume=resume)


@pytest.fixture(scope="module")
def quick(made_run, stars, tmp_path_factory):
    out = tmp_path_factory.mktemp("tuned")
    return out, tuned(made_run / "run", out, stars, **QUICK)


def test_it_begins_with_the_networks_of_the_run(made_run, quick):
    out, table = quick
    before, after, shards = (
        load_networks(made_run / "run"),
        load_networks(out),
        Shards(out / "data"),
    )
    assert len(before.models) == 2 and after.folds == [0, 1, 2]
    x = shards.rows(np.arange(len(shards)))
    first, then = members_predict(before, x), members_predict(after, x)
    np.testing.assert_allclose(then, first[[0, 1, 0]], rtol=1e-4, atol=1e-3)
    assert len(table) == len(shards) and table["teff_pred"].std() > 0


def test_the_labels_are_lasps_and_what_lasp_lacks_is_kept(made_run, quick):
    out, table = quick
    before, after = load_networks(made_run / "run"), load_networks(out)
    about = toy.stars(60, seed=7)
    teff = dict(zip(about["obsid"].astype(str), about["teff"] + 20, strict=True))
    np.testing.assert_allclose(table["teff_true"], table["id"].map(teff))
    assert not table[["mg_true", "bprp_true", "distance_true"]].notna().any().any()
    assert after.scaler == before.scaler
    for name in ("mg", "bprp"):
        assert after.scatter[name] == before.scatter[name]
    assert after.correlation == before.correlation
    assert after.scatter["teff"] != before.scatter["teff"]
    assert np.isfinite(table[["mg_sigma", "bprp_sigma", "teff_sigma"]].to_numpy()).all()
    for name, (low, high) in before.training_range.items():
        assert after.training_range[name][0] <= low and high <= after.training_range[name][1]


def test_stars_are_cut_counted_and_held_apart(quick):
    out, table = quick
    counts = json.loads((out / "data" / "counts.json").read_text())
    assert list(counts.values()) == [60, 60, 60, 57, 57] and len(table) == 57
    test = set(table["object"][table["split"] == "test"])
    assert 5 < len(test) < 40 and not test & set(table["object"][table["split"] == "reference"])
    about = json.loads((out / "config.json").read_text())
    assert about["config"]["dataset"] == "lamost-lasp" and about["config"]["tuned_from"]
    assert about["begun_as"] == "lamost (scaled-input network)"
    assert set(table["dataset"]) == {"lamost-lasp (scaled-input-tuned network)"}


def test_spectra_of_one_place_are_of_one_star(made_run):
    config = tune.tuned_config(toy.tiny_config(), "run")
    about = pd.DataFrame({"id": ["1", "2", "3", "4"], "ra": [10.001, 10.002, 11.0, np.nan],
                          "dec": [1.0, 1.0, 1.0, np.nan]})  # fmt: skip
    about = about.assign(**{f"lasp_{k}{e}": 1.0 for k in tune.BASIC for e in ("", "_err")})
    objects = tune.labelled(about, config)["object"]
    assert objects[0] == objects[1] and objects.nunique() == 3 and objects[3] == "4"


def test_it_learns_from_the_stars_and_leaves_what_they_do_not_tell(made_run, stars, tmp_path):
    table = tuned(made_run / "run", tmp_path, stars, epochs=25, learning_rate=3e-3, batch_size=8,
                  members=1)  # fmt: skip
    before, shards = load_networks(made_run / "run"), Shards(tmp_path / "data")
    test = (shards.labels["split"] == "test").to_numpy()
    first = members_predict(before, shards.rows(np.flatnonzero(test)))[0]
    table = table[table["split"] == "test"].set_index("id").loc[shards.labels["id"][test]]
    old = first[:, 0] - table["teff_true"].to_numpy()
    new = (table["teff_pred"] - table["teff_true"]).to_numpy()
    print(
        f"Teff: rms {np.sqrt(np.mean(old**2)):.0f} K before, {np.sqrt(np.mean(new**2)):.0f} after"
    )
    assert np.mean(new**2) < 0.5 * np.mean(old**2)
    drift = table["mg_pred"].to_numpy() - first[:, 3]
    print("M_G: drift", np.sqrt(np.mean(drift**2)), "of", before.scaler["std"][3])
    assert np.sqrt(np.mean(drift**2)) < 0.5 * before.scaler["std"][3]


def test_a_killed_tuning_ends_as_if_nothing_had_happened(
    made_run, quick, stars, tmp_path, monkeypatch
):
    out = tmp_path / "run"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        killed_at(patch, fitting, "_train", 2)
        tuned(made_run / "run", out, stars, **QUICK)
    with pytest.raises(ReadError, match=r"solarlike_distance\.tune --from .*--resume"):
        load_networks(out)
    calls = killed_at(monkeypatch, fitting, "_train", 0)
    table = tuned(made_run / "run", out, stars, resume=True, **QUICK)
    assert len(calls) == 2
    np.testing.assert_allclose(table["teff_pred"], quick[1]["teff_pred"], rtol=1e-5)


def test_the_report_says_what_it_is_of_and_judges_no_claim_of_the_survey(quick):
    out, _ = quick
    assert evaluate.main(["--run-dir", str(out)]) == 0
    text = (out / "report.html").read_text()
    assert "of stars that were held apart" in text
    assert "tuned from" in text and "MOCK DATA" not in text
    from astropy.table import Table

    judged = Table.read(out / "claims.ecsv").to_pandas()
    assert set(judged["verdict"][judged["dataset"] == "lamost"]) == {"untested"}
    with pytest.raises(SuiteError, match=r"no stars with all five labels"):
        baselines.baseline_run(out)


@pytest.mark.parametrize("prepared", [True, False])
def test_what_a_tuned_run_learned_from_is_left_out_of_its_evaluation(
    made_run, quick, stars, tmp_path, prepared
):
    """By id and by place; where the prepared spectra were removed, by the rule of the splits."""
    out, table = quick
    run = shutil.copytree(out, tmp_path / "run")
    config = load_networks(run).config
    # The toy's sources have the same names in both samples: by them the first run learned most.
    table = table.assign(object=[str(10**18 + 128 * (int(i) - 8000)) for i in table["id"]])
    assert learned(table.assign(dataset="real files"), run, config).mean() > 0.9
    if not prepared:
        shutil.rmtree(run / "data")
    about = json.loads((run / "config.json").read_text())
    about["config"]["tuned_from"] = "gone"
    (run / "config.json").write_text(json.dumps(about))
    evaluate.evaluate_run(run, tmp_path / "out", on=stars)
    judged = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    reference = set(table["id"][table["split"] == "reference"])
    assert len(reference) > 20 and not reference & set(judged["id"])
    assert set(table["id"][table["split"] == "test"]) <= set(judged["id"])
    rejects = read_table(tmp_path / "out" / "tables" / "rejects.ecsv")
    assert rejects["reason"].str.contains("trained or calibrated").sum() == 60 - len(judged)


def test_the_command(made_run, stars, tmp_path, capsys):
    argv = ["--from", made_run / "run", "--data-dir", stars, "--run-dir", tmp_path / "out",
            "--members", "1", "--epochs", "1", "--precision", "float32"]  # fmt: skip
    assert tune.main([str(a) for a in argv]) == 0
    text = capsys.readouterr().out
    assert "57 with S/N_g > 10" in text and "evaluate --run-dir" in text
    assert tune.main([str(a) for a in [*argv[:-4], "--epochs", "0"]]) == 2
    assert tune.main([str(a) for a in ["--from", tmp_path, *argv[2:]]]) == 1


def test_the_release_of_a_tuned_run_names_both_commands_and_no_place(quick, made_run, tmp_path):
    out, _ = quick
    assert evaluate.main(["--run-dir", str(out)]) == 0
    given = ["--run-dir", str(out), "--about", "a toy", "--into", str(tmp_path), "stars"]
    assert release.main(given) == 0
    card = (tmp_path / "stars" / "README.md").read_text()
    config = (tmp_path / "stars" / "config.json").read_text()
    train = card.index("python -m solarlike_distance.train --dataset lamost --scale smoke")
    assert train < card.index("python -m solarlike_distance.tune --from run --data-dir")
    assert "--epochs 1 --learning-rate 1e-09" in card and json.loads(config)["config"]
    for text in (card, config):
        assert str(made_run) not in text and str(out) not in text
    assert load_networks(tmp_path / "stars").config.tuned_from == "run"


def test_mocks_and_folders_without_parameters_are_refused(made_run, tmp_path):
    about = toy.stars(4, seed=8)
    for name, mock in (("mock", True), ("bare", False)):
        toy.write_table(tmp_path / name / "stars.fits", about, mock=mock)
    with pytest.raises(UsageError, match=r"is a mock .*observed spectra"):
        tuned(made_run / "run", tmp_path / "a", tmp_path / "mock")
    with pytest.raises(MissingDataError, match=r"no star to tune on .4 read, 4 usable, 0 with"):
        tuned(made_run / "run", tmp_path / "b", tmp_path / "bare")


def test_real_stars_bring_their_parameters_along(shared_data, tmp_path):
    path = shared_data / "real" / "lamost" / "dr10_afg.fits.gz"
    if not path.is_file():
        pytest.skip("no dr10_afg.fits.gz")
    with fits.open(path) as hdus:
        table = fits.BinTableHDU(hdus[1].data[:40], hdus[1].header)
        fits.HDUList([hdus[0], table]).writeto(tmp_path / "some.fits")
        labels = np.array([table.data[k] for k in ("TEFF", "LOGG", "FEH")], dtype=float)
    config = tune.tuned_config(toy.tiny_config(), "run")
    shards = tune.prepare(config, tmp_path / "data", data_dir=tmp_path / "some.fits")
    assert 5 < len(shards) < 40
    found = shards.labels[["teff_true", "logg_true", "feh_true"]].to_numpy()
    off = np.abs(found[:, :, None] - labels).max(axis=1).min(axis=1)
    assert off.max() < 1e-3 and (found[:, 1] > 3.5).all()
