"""Run folders: what a second command on the same folder may and may not do."""

import json
from dataclasses import dataclass

import pytest

from common import runs
from common.accelerator import Accelerator
from common.errors import ReadError, UsageError


@dataclass(frozen=True)
class Config:
    size: int = 3
    labels: tuple = ()


def device(worker=0):
    return Accelerator("a device", "float32", strategy=None, worker=worker)


def begin(folder, config=None, **options):
    return runs.begin(folder, config or Config(), accelerator=device(), **options)


def test_a_new_folder_is_made_and_says_what_runs(tmp_path):
    folder, about = begin(tmp_path / "run")
    assert json.loads((folder / "config.json").read_text()) == json.loads(json.dumps(about))
    assert about["config"] == {"size": 3, "labels": ()} and about["device"] == "a device"
    assert runs.read_config(folder, Config)[0] == Config()


def test_what_lies_in_a_folder_without_a_configuration_is_not_taken_over(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "work").mkdir()
    (tmp_path / "data" / "shards.json").write_text("{}")
    begin(tmp_path)
    assert not (tmp_path / "data" / "shards.json").exists() and not (tmp_path / "work").exists()


def test_a_second_run_is_refused_and_a_resumed_one_keeps_what_was_noted(tmp_path):
    _, about = begin(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(about | {"timing": {"data_s": 1.0}}))
    with pytest.raises(UsageError, match="holds a run already"):
        begin(tmp_path)
    assert begin(tmp_path, resume=True)[1]["timing"] == {"data_s": 1.0}


def test_another_configuration_is_refused_but_for_what_is_known_later(tmp_path):
    begin(tmp_path, Config(labels=("a",)))
    with pytest.raises(UsageError, match=r"size \(3 there, 4 here\)"):
        begin(tmp_path, Config(size=4), resume=True)
    with pytest.raises(UsageError, match="labels"):
        begin(tmp_path, resume=True)
    begin(tmp_path, resume=True, later=("labels",))


def test_other_data_and_data_inside_the_run_are_refused(tmp_path):
    begin(tmp_path / "run", data_dir="here")
    with pytest.raises(UsageError, match="other data: --data-dir here there, elsewhere here"):
        begin(tmp_path / "run", data_dir="elsewhere", resume=True)
    with pytest.raises(UsageError, match="lies in"):
        begin(tmp_path / "b", data_dir=tmp_path / "b" / "data" / "x")


def test_later_workers_have_a_folder_of_their_own(tmp_path):
    folder, _ = runs.begin(tmp_path / "run", Config(), accelerator=device(worker=2))
    assert folder == tmp_path / "run-worker2" and not (tmp_path / "run").exists()


def test_a_folder_without_a_run_and_one_of_another_paper(tmp_path):
    with pytest.raises(ReadError, match=r"no config.json.*tests.common.train --run-dir"):
        runs.read_config(tmp_path, Config)
    for text in ('{"config": {"colour": 1}}', "[1"):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(ReadError, match=r"config\.json.*not a configuration"):
            runs.read_config(tmp_path, Config)
