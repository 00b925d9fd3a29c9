"""From files to shards: splits, joins, rejects, mocks and what is missing."""

import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import MissingDataError, UsageError
from common.rows import MOCK_FILES
from common.runs import read_config
from solarlike_distance import data
from solarlike_distance.config import PAPER, Config, make_config
from tests.solarlike_distance import toy

CONFIG = make_config("lamost", "smoke")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "in", toy.write_files(tmp_path / "in", 30)


def test_from_files_to_shards(folder, tmp_path):
    path, about = folder
    shards = data.prepare(CONFIG, tmp_path / "out", data_dir=path)
    labels = shards.labels
    assert len(shards) == 30 and shards.n_pixels == 4875
    assert labels["id"].tolist() == [str(i) for i in about["obsid"]]
    for name in ("teff", "logg", "feh"):
        np.testing.assert_allclose(labels[f"{name}_true"], about[name])
    np.testing.assert_allclose(labels["snr_g"], about["snr"])
    np.testing.assert_allclose(labels["lasp_teff"], about["teff"] + 20)
    assert not labels["mock"].any() and (labels["flag"] >= 0).all()
    assert set(labels["split"]) == {"reference", "test"}
    assert (labels["fold"][labels["split"] == "test"] == -1).all()
    assert set(labels["fold"][labels["split"] == "reference"]) <= set(range(5))
    assert "FIBERMASK" not in labels and (labels["fibermask"] == 0).all()
    counts = Table.read(tmp_path / "out" / "selection.ecsv")
    assert list(counts["n"]) == [30] * 9 and counts.meta["DATASET"] == "lamost"
    assert not (tmp_path / "out" / "rejects.ecsv").exists()
    # A second call takes what is there.
    again = data.prepare(CONFIG, tmp_path / "out", data_dir=tmp_path / "nowhere")
    assert data.fingerprint(again.labels) == data.fingerprint(labels)


def test_bad_and_repeated_spectra_are_rejects(folder, tmp_path):
    path, about = folder
    some = {k: v[:1] for k, v in about.items()}
    toy.write_image(path / "spectra" / "z_again.fits", some, 0)  # an obsid seen before
    other = {k: v + 500 if k == "obsid" else v for k, v in some.items()}
    toy.write_image(path / "spectra" / "z_missing.fits", other, 0, Z=999.0)
    (path / "spectra" / "z_broken.fits").write_bytes(b"SIMPLE  =  ")
    shards = data.prepare(CONFIG, tmp_path / "out", data_dir=path)
    rejects = Table.read(tmp_path / "out" / "rejects.ecsv").to_pandas()
    assert len(shards) == 30 and len(rejects) == 3
    said = dict(zip(rejects["file"].str.rsplit("/", n=1).str[1], rejects["reason"], strict=True))
    assert "duplicate id: first seen in" in said["z_again.fits"]
    assert "no redshift" in said["z_missing.fits"]
    assert "truncated" in said["z_broken.fits"] or "damaged" in said["z_broken.fits"]


def test_spectra_without_obsid_are_found_by_night_plan_and_fibre(folder, tmp_path):
    path, about = folder
    (path / "spectra" / "stars.fits").unlink()
    for row in range(20):
        toy.write_image(path / "spectra" / f"spec-57000-F1_sp01-{row + 1:03d}.fits", about, row,
                        OBSID=None)  # fmt: skip
    shards = data.prepare(CONFIG, tmp_path / "out", data_dir=path)
    np.testing.assert_allclose(shards.labels["teff_true"], about["teff"][:20])
    assert shards.labels["id"].iloc[0] == "spec-57000-F1_sp01-001"


def test_mocks_and_unknown_stars_are_refused(folder, tmp_path):
    path, about = folder
    (path / "spectra" / "stars.fits").unlink()
    toy.write_table(path / "spectra" / "mock.fits", about, mock=True)
    with pytest.raises(UsageError, match=r"MOCK = T.*lamost-mock"):
        data.prepare(CONFIG, tmp_path / "out", data_dir=path)
    (path / "spectra" / "mock.fits").unlink()  # nor are stars that no table knows
    toy.write_table(path / "spectra" / "others.fits", toy.stars(3, seed=9))
    with pytest.raises(MissingDataError, match=r"None of the spectra.*pass the cuts"):
        data.prepare(CONFIG, tmp_path / "out", data_dir=path)
    assert not (tmp_path / "out" / "shards.json").exists()
    with pytest.raises(MissingDataError, match="--dataset lamost-mock` runs now"):
        data.prepare(CONFIG, "unused", data_dir=None, offline=True)


def test_configuration():
    config = make_config("lamost-mock", "paper")
    np.testing.assert_array_equal(config.grid, np.arange(3925, 8800))
    assert config.is_mock and not CONFIG.is_mock and config.out_of_range == "one"
    assert make_config("lamost", n_stars=None).n_stars == make_config("lamost").n_stars
    for bad in ({"dataset": "sdss"}, {"scale": "huge"}, {"out_of_range": "two"},
                {"input": "two"}):  # fmt: skip
        with pytest.raises(UsageError, match=f"Received '{next(iter(bad.values()))}'"):
            make_config(**{"dataset": "lamost"} | bad)


@pytest.mark.parametrize("scale, asked, words", [
    ("demo", None, "lamost-mock-scaled-input-demo"), ("demo", "paper", "lamost-mock-demo"),
    ("paper", None, "lamost-mock-paper"), ("paper", "scaled", "lamost-mock-scaled-input-paper"),
])  # fmt: skip
def test_a_run_of_the_scaled_input_is_named_so(scale, asked, words):
    config = make_config("lamost-mock", scale, input=asked)
    assert PAPER.run_dir(config).name == words
    assert ("scaled-input network" in config.trained) == ("scaled" in words)


def test_a_run_from_before_there_was_a_choice_has_the_papers_input(tmp_path):
    about = {k: v for k, v in asdict(make_config("lamost", "demo")).items() if k != "input"}
    (tmp_path / "config.json").write_text(json.dumps({"config": about}))
    assert read_config(tmp_path, Config)[0].input == "paper"


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 10**6).map(str), min_size=1, max_size=60), st.randoms())
def test_a_stars_split_depends_on_nothing_else(names, random):
    split, fold = data.split_of(names, CONFIG)
    assert len(split) == len(fold) == len(names)
    shuffled = random.sample(range(len(names)), len(names))
    again, folds = data.split_of([names[i] for i in shuffled], CONFIG)
    assert (again == split[shuffled]).all() and (folds == fold[shuffled]).all()
    assert len(set(zip(names, split, fold, strict=True))) == len(set(names))


def test_sizes_of_splits_are_the_papers():
    names = [str(i) for i in range(20000)]
    split, fold = data.split_of(names, CONFIG)
    assert abs(np.mean(split == "test") - 0.2) < 0.01
    share = np.bincount(fold[fold >= 0]) / np.sum(fold >= 0)
    assert len(share) == 5 and np.abs(share - 0.2).max() < 0.02
    other, _ = data.split_of(names, make_config("lamost", "smoke", seed=7))
    assert 0.25 < np.mean(other != split) < 0.4


def test_fingerprint_tells_labels_apart_and_not_their_order():
    labels = toy.predictions(9)
    other = labels.assign(mg_true=labels["mg_true"] + 1e-3)
    assert data.fingerprint(labels) == data.fingerprint(labels.iloc[::-1])
    assert data.fingerprint(labels) != data.fingerprint(other)


def test_stars_of_a_mock_of_another_seed_are_none_that_a_run_learned_from(tmp_path):
    """Where a run is kept without its data, as a released one, the rule of the splits tells."""
    from solarlike_distance.mock.make import SOURCE_IDS

    config = make_config("lamost-mock", "smoke")
    frames = {seed: pd.DataFrame({"id": np.arange(400).astype(str), "dataset": MOCK_FILES,
                                  "object": SOURCE_IDS.of(np.arange(400), seed).astype(str)})
              for seed in (config.seed, 101)}  # fmt: skip
    own = data.learned(frames[config.seed], tmp_path, config)
    assert 0.7 < own.mean() < 0.9, "all but the test split"
    assert not data.learned(frames[101], tmp_path, config).any()
