import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import MissingDataError, UsageError
from common.ingest import ingest
from common.spectra import Spectra
from gasnet2 import data
from gasnet2.config import make_config
from gasnet2.data import choose_split, fingerprint, label_table, prepare
from gasnet2.preprocess import normalise, preprocess
from tests.gasnet2.toy import tiny_config, write_table


def labels(n_per_class=40, seed=0, classes=("STAR_A0", "QSO_nan", "GALAXY_AGN")):
    rng = np.random.default_rng(seed)
    n = n_per_class * len(classes)
    return pd.DataFrame({
        "id": [f"s{i}" for i in range(n)], "ra": rng.uniform(0, 360, n),
        "dec": rng.uniform(-60, 60, n), "class": np.repeat(classes, n_per_class),
        "z": rng.uniform(0, 1, n)})  # fmt: skip


@pytest.mark.parametrize("coarse, subclass, survey, name", [
    ("STAR", "F5", "sdss", "STAR_F5"), ("QSO", "", "sdss", "QSO_nan"),
    ("GALAXY ", " AGN ", "sdss", "GALAXY_AGN"), ("", "", "sdss", ""),
    ("QSO", "STARBURST BROADLINE", "sdss", "QSO_STARBURST BROADLINE"),
    ("QSO", "HIZ", "desi", "QSO"), ("WAVES", "", "fourmost", "WAVES"),
])  # fmt: skip
def test_class_names_are_table_1s(coarse, subclass, survey, name):
    assert data.fine_class(coarse, subclass, survey) == name


@pytest.mark.parametrize(
    "name, coarse",
    [("STAR_M4", "STAR"), ("QSO_STARBURST BROADLINE", "QSO"), ("WAVES", "GALAXY"), ("", "")],
)
def test_coarse_class(name, coarse):
    assert data.coarse_class(name) == coarse


def test_splits_are_70_15_15_per_class():
    table = labels(200)
    split = choose_split(table, tiny_config(per_class=100))
    for name in table["class"].unique():
        counts = pd.Series(split[table["class"] == name]).value_counts()
        assert counts.to_dict() == {"": 100, "train": 70, "valid": 15, "test": 15}


def test_no_object_in_two_splits():
    table = labels(60)
    again = table.copy()  # the same sky, observed again under another id, half an arcsec off
    again["id"] = "r" + again["id"]
    again["dec"] += 0.5 / 3600
    again.loc[::3, "class"] = "QSO_BROADLINE"  # and sometimes classified otherwise
    both = pd.concat([table, again], ignore_index=True)
    split = choose_split(both, tiny_config(per_class=10**6))
    assert np.array_equal(split[: len(table)], split[len(table) :])
    assert set(split) == {"train", "valid", "test"}


def in_files(*stems, per_class=20):
    """Return labels whose spectra lie in the files of these names, in turn."""
    table = labels(per_class)
    table["file"] = [f"/data/{stems[i % len(stems)]}.fits" for i in range(len(table))]
    return table


def test_the_authors_split_is_kept_where_the_files_are_named_so():
    table = in_files("train", "train", "valid", "test")
    split = choose_split(table, tiny_config(per_class=10**6))
    assert [f"/data/{s}.fits" for s in split] == table["file"].tolist()
    assert data.split_is_named(table)
    table["file"] += ".gz"
    assert np.array_equal(choose_split(table, tiny_config(per_class=10**6)), split)


def test_a_smaller_sample_takes_a_share_of_each_named_split():
    table = in_files("train", "valid", "test", per_class=300)
    split = choose_split(table, tiny_config(per_class=100))
    used = split != ""
    assert [Path(f).stem for f in table["file"][used]] == split[used].tolist()
    for name in table["class"].unique():
        counts = pd.Series(split[table["class"] == name]).value_counts()
        assert counts.to_dict() == {"": 200, "train": 70, "valid": 15, "test": 15}


@pytest.mark.parametrize("stems", [("train", "test"), ("train", "valid", "test", "more"), ("a",)])
def test_other_names_of_files_are_no_split(stems):
    table = in_files(*stems)
    assert not data.split_is_named(table)
    split = choose_split(table, tiny_config(per_class=10**6))
    assert np.array_equal(split, choose_split(table.drop(columns="file"), tiny_config(
        per_class=10**6)))  # fmt: skip


def test_a_mock_draws_its_split_whatever_its_files_are_called():
    table = in_files("train", "valid", "test", per_class=100)
    split = choose_split(table, tiny_config(dataset="sdss-mock", per_class=10**6))
    assert [Path(f).stem for f in table["file"]] != split.tolist()


def test_a_folder_of_three_named_tables_is_one_sample_with_their_split(tmp_path):
    for seed, (name, n) in enumerate({"train": 6, "valid": 2, "test": 3}.items()):
        write_table(tmp_path / "files" / f"{name}.fits", per_class=n, seed=seed,
                    first_plate=1000 * (seed + 1))  # fmt: skip
    shards = prepare(tiny_config(), tmp_path / "data", data_dir=tmp_path / "files")
    split = choose_split(shards.labels, tiny_config())
    counts = pd.Series(split).value_counts().to_dict()
    assert counts == {"train": 13 * 6, "valid": 13 * 2, "test": 13 * 3}
    plates = shards.labels["id"].str.split("-").str[0].astype(int) // 1000
    assert set(plates[split == "test"]) == {3}


def test_spectra_without_a_position_are_told_apart_by_id():
    table = pd.DataFrame({"id": ["a", "b", "a"], "ra": np.nan, "dec": np.nan})
    group = data.objects(table)
    assert group[0] == group[2] != group[1]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_splits_depend_on_the_seed_alone(seed):
    table = labels(30)
    config = tiny_config(seed=seed)
    assert np.array_equal(choose_split(table, config), choose_split(table, config))
    order = np.random.default_rng(seed).permutation(len(table))
    assert fingerprint(table) == fingerprint(table.iloc[order])


def test_fingerprint_sees_a_changed_label():
    table = labels(3)
    other = table.copy()
    other.loc[0, "z"] += 0.01
    assert fingerprint(table) != fingerprint(other)


@settings(max_examples=40, deadline=None)
@given(scale=st.floats(1e-15, 1e15), seed=st.integers(0, 1000), unit_rms=st.booleans())
def test_normalised_whatever_the_flux_unit(scale, seed, unit_rms):
    flux = np.random.default_rng(seed).normal(1, 1, (2, 50)).astype("f") * np.float32(scale)
    x = normalise(flux, unit_rms=unit_rms)
    wanted = 50 if unit_rms else 1
    assert np.allclose((x.astype(float) ** 2).sum(axis=1), wanted, rtol=1e-4)


def spectrum(last=9200.0, flux=1.0, ivar=1.0, first=3600.0):
    flux, ivar = (np.full((1, 800), value, dtype="f") for value in (flux, ivar))
    return Spectra(np.linspace(first, last, 800), flux, ivar, ["one"])


@pytest.mark.parametrize("options, words", [
    (dict(last=7000.0), "covers 3600-7000 Å, 60% of the network's 4000-9000 Å"),
    (dict(first=9100, last=9500.0), "covers 9100-9500"),
    (dict(flux=0.0), "flux is zero everywhere"), (dict(ivar=0.0), "ivar is 0 in every pixel"),
    (dict(flux=np.nan), "covers|not finite"),
])  # fmt: skip
def test_unusable_spectra_say_why(options, words):
    prepared = preprocess(spectrum(**options), tiny_config())
    assert not prepared.usable[0]
    assert re.search(words, prepared.reason[0]), prepared.reason[0]
    assert not prepared.x.any()


def test_usable_spectrum_next_to_a_bad_one_is_untouched():
    good, bad = spectrum(), spectrum(flux=0.0)
    bad.ids = np.array(["two"])
    alone = preprocess(good, tiny_config()).x
    both = preprocess(Spectra.concatenate([good, bad]), tiny_config())
    assert both.usable.tolist() == [True, False]
    assert np.array_equal(both.x[:1], alone)


def test_prepare_reads_labels_from_the_files(tmp_path):
    n = write_table(tmp_path / "files" / "t.fits", per_class=4)
    config = tiny_config()
    shards = prepare(config, tmp_path / "data", data_dir=tmp_path / "files")
    assert len(shards) == n
    assert set(shards.labels["class"]) == set(config.classes)
    assert prepare(config, tmp_path / "data", data_dir="/nowhere") is not None, "shards are reused"


def test_from_shards_comes_what_comes_from_the_files(tmp_path):
    files = tmp_path / "files"
    write_table(files / "t.fits", per_class=3)
    ingest([files], tmp_path / "shards", workers=1)
    config = tiny_config()
    one, other = (prepare(config, tmp_path / name, data_dir=folder)
                  for name, folder in (("a", files), ("b", tmp_path / "shards")))  # fmt: skip
    pd.testing.assert_frame_equal(one.labels, other.labels)
    rows = np.arange(len(one))
    assert len(rows) and np.array_equal(one.rows(rows), other.rows(rows))


def test_files_without_the_classes_are_named(tmp_path):
    write_table(tmp_path / "files" / "t.fits", per_class=2, classes=("STAR_M4",))
    with pytest.raises(MissingDataError, match=r"2 of other or no class, 0 rejected"):
        prepare(tiny_config(), tmp_path / "data", data_dir=tmp_path / "files")


@pytest.mark.parametrize("name", ["desi", "fourmost"])
def test_surveys_that_are_not_here_name_the_mock(name):
    with pytest.raises(MissingDataError, match=f"train --dataset {name}-mock` runs now"):
        data.find_data(make_config(name, "smoke"), offline=True)


def test_a_mock_is_refused_as_the_survey(tmp_path):
    write_table(tmp_path / "files" / "t.fits", per_class=2)
    with fits.open(tmp_path / "files" / "t.fits", mode="update") as hdus:
        hdus[0].header["MOCK"] = True
    with pytest.raises(UsageError, match=r"t\.fits is a mock .* Use --dataset sdss-mock"):
        prepare(tiny_config(), tmp_path / "data", data_dir=tmp_path / "files")


def test_spectra_of_another_survey_get_no_sdss_subclass():
    one = spectrum()
    one.meta["class"], one.meta["subclass"], one.meta["survey"] = "QSO", "", "desi"
    assert label_table(one, "sdss")["class"].tolist() == ["QSO"]
    assert label_table(one, "sdss")["coarse"].tolist() == ["QSO"]


@pytest.mark.parametrize("snr, zwarn, kept", [(5, 0, True), (1.5, 0, False), (5, 4, False)])
def test_desi_keeps_the_papers_selection(snr, zwarn, kept):
    one = spectrum()
    one.meta["class"], one.meta["snr"], one.meta["zwarn"] = "QSO", float(snr), zwarn
    config = make_config("desi", "smoke")
    assert data.poor(one, label_table(one, "desi"), config).tolist() == [not kept]
