"""The mock of all surveys as shards: whole, gone on with after a kill, never mixed with another."""

from dataclasses import replace

import numpy as np
import pytest

from common.pipeline import Shards, finished
from gasnet2.config import PAPER
from gasnet2.data import choose_split, kind_of, prepare
from gasnet2.templates import data
from gasnet2.templates.inputs import CHANNELS, N_PIXELS
from tests.archives import archives

CONFIG = replace(
    PAPER.configure("surveys-mock", "smoke", network="templates", per_class=5),
    only=("STAR_G2", "GALAXY_nan", "GALAXY_AGN", "NONE"),
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    with archives("thedoppler", "sdss-mangadap", "pypeit"):
        return prepare(CONFIG, tmp_path_factory.mktemp("mock") / "data")


def test_shards_hold_every_class_and_survey(whole):
    labels = whole.labels
    assert whole.n_pixels == CHANNELS * N_PIXELS and len(whole) == len(labels) == 30
    assert set(labels["survey"]) == {"sdss", "boss", "desi", "fourmost", "lamost"}
    assert set(labels["coarse"]) == {"STAR", "GALAXY", "NONE"} and labels["mock"].all()
    assert labels["id"].is_unique
    x = whole.rows(np.arange(len(whole)))
    assert np.isfinite(x).all() and (x != 0).any(axis=1).all()
    split = choose_split(labels, CONFIG)
    assert set(split) <= {"train", "valid", "test", ""}
    assert not [p for p in whole.folder.iterdir() if p.name.startswith("part")]


def test_killed_preparation_goes_on(whole, tmp_path, monkeypatch):
    made, one = [], data._one

    def killed(folder, k, *more):
        if len(made) == 4:
            raise KeyboardInterrupt
        made.append(k)
        return one(folder, k, *more)

    monkeypatch.setattr(data, "_one", killed)
    monkeypatch.setattr(data.os, "cpu_count", lambda: 1)
    with pytest.raises(KeyboardInterrupt):
        prepare(CONFIG, tmp_path / "data")
    assert not finished(tmp_path / "data")
    begun = list(made)
    made.clear()
    monkeypatch.setattr(data, "_one", lambda *a: made.append(a[1]) or one(*a))
    again = prepare(CONFIG, tmp_path / "data")
    assert not set(made) & set(begun)
    assert again.labels.equals(whole.labels)
    every = np.arange(len(whole))
    np.testing.assert_array_equal(again.rows(every), whole.rows(every))


def test_parts_of_another_mock_are_not_taken(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(data.os, "cpu_count", lambda: 1)
    folder, one = tmp_path / "data", data._one

    def killed(folder, k, *more):
        if k == 3:
            raise KeyboardInterrupt
        return one(folder, k, *more)

    monkeypatch.setattr(data, "_one", killed)
    with pytest.raises(KeyboardInterrupt):
        prepare(CONFIG, folder)
    monkeypatch.setattr(data, "_one", one)
    other = prepare(replace(CONFIG, seed=2), folder)
    assert not np.array_equal(other.rows([0]), whole.rows([0]))
    assert isinstance(other, Shards) and len(other) == len(whole)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("STAR_M3", "STAR_M"), ("STAR_L5.5", "STAR_M"), ("STAR_OB", "STAR_OB"),
        ("STAR_B6III (30614)", "STAR_OB"), ("STAR_WDhotter", "STAR_WD"), ("STAR_WD", "STAR_WD"),
        ("STAR_Carbon_lines", "STAR_Carbon"), ("STAR_CV", "STAR_CV"), ("STAR_A0", "STAR_A0"),
        ("STAR_K7", "STAR_K7"), ("QSO_BROADLINE", "QSO_BROADLINE"), ("GALAXY_nan", "GALAXY_nan"),
    ],
)  # fmt: skip
def test_subclasses_of_sdss_are_kinds_of_the_twenty(name, kind):
    assert kind_of(name) == kind
