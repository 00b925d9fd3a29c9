"""Run folders: what a second command on the same folder may and may not do."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from common import runs
from common.accelerator import Accelerator
from common.errors import ReadError, UsageError
from common.paper import BaseConfig


@dataclass(frozen=True)
class Config:
    size: int = 3
    labels: tuple = ()


def begin(folder, config=None, worker=0, **options):
    device = Accelerator("a device", "float32", strategy=None, worker=worker)
    return runs.begin(folder, config or Config(), accelerator=device, **options)


def test_a_new_folder_says_what_runs_and_a_resumed_run_keeps_what_was_noted(tmp_path):
    folder = tmp_path / "run"
    for name in ("data", "work"):  # without a configuration: not taken over
        (folder / name).mkdir(parents=True)
    (folder / "data" / "shards.json").write_text("{}")
    made, about = begin(folder)
    assert made == folder
    assert not (folder / "data" / "shards.json").exists() and not (folder / "work").exists()
    assert json.loads((folder / "config.json").read_text()) == json.loads(json.dumps(about))
    assert about["config"] == {"size": 3, "labels": ()} and about["device"] == "a device"
    assert runs.read_config(folder, Config)[0] == Config()
    (folder / "config.json").write_text(json.dumps(about | {"timing": {"data_s": 1.0}}))
    with pytest.raises(UsageError, match="holds a run already"):
        begin(folder)
    assert begin(folder, resume=True)[1]["timing"] == {"data_s": 1.0}


def test_what_a_killed_training_left_half_written_is_taken_away(tmp_path):
    begin(tmp_path)
    mine = tmp_path / "models" / ".hidden.keras"
    half = [
        tmp_path / ".15c80896.predictions.parquet",
        tmp_path / "models" / ".15c80896.classifier.keras",
        tmp_path / "models" / "inner" / ".0a0a0a0a.regressor.keras",
        tmp_path / ".15c80896.mock-x" / "spectra.fits",
    ]
    for path in [mine, *half]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("half")
    begin(tmp_path, resume=True)
    assert not any(path.exists() for path in half) and mine.exists()
    assert not half[-1].parent.exists()


def test_the_files_of_a_mock_lie_where_a_killed_training_clears_them(tmp_path):
    @dataclass(frozen=True)
    class OfMock(BaseConfig):
        is_mock = True

    def killed(config, folder, *, data_dir, offline):
        (Path(data_dir) / "spectra.fits").write_text("a mock's")
        shutil.copytree(tmp_path, tmp_path.parent / "left")
        raise KeyboardInterrupt

    device = Accelerator("a device", "float32", strategy=None, worker=0)
    with pytest.raises(KeyboardInterrupt):
        runs.start(OfMock(), tmp_path, killed, accelerator=device)
    left = tmp_path.parent / "left"
    assert len(list(left.rglob("spectra.fits"))) == 1
    runs.begin(left, OfMock(), accelerator=device, resume=True)
    assert [path.name for path in left.iterdir()] == ["config.json"]


def test_another_configuration_is_refused_but_for_what_is_known_later(tmp_path):
    begin(tmp_path, Config(labels=("a",)))
    with pytest.raises(UsageError, match=r"size \(3 there, 4 here\)"):
        begin(tmp_path, Config(size=4), resume=True)
    with pytest.raises(UsageError, match="labels"):
        begin(tmp_path, resume=True)
    begin(tmp_path, resume=True, later=("labels",))
    (tmp_path / "config.json").write_text('{"config": {"colour": 1}}')  # of another paper
    with pytest.raises(ReadError, match="not a configuration"):
        runs.read_config(tmp_path, Config)


def test_other_data_and_data_inside_the_run_are_refused_and_workers_have_their_own_folder(tmp_path):
    begin(tmp_path / "run", data_dir="here")
    with pytest.raises(UsageError, match="other data: --data-dir here there, elsewhere here"):
        begin(tmp_path / "run", data_dir="elsewhere", resume=True)
    with pytest.raises(UsageError, match="lies in"):
        begin(tmp_path / "b", data_dir=tmp_path / "b" / "data" / "x")
    folder, _ = begin(tmp_path / "c", worker=2)
    assert folder == tmp_path / "c-worker2" and not (tmp_path / "c").exists()


@pytest.mark.parametrize("dataset, named", [("a-mock", False), ("a-mock", True), ("a", False)])
def test_files_of_a_mock_stay_only_in_a_folder_that_is_named(dataset, named, tmp_path):
    (tmp_path / "named").mkdir()
    given = []

    def prepare(config, folder, *, data_dir, offline):
        given.append(data_dir)
        if data_dir:
            (Path(data_dir) / "spectra.fits").touch()

    device = Accelerator("a device", "float32", strategy=None)
    run_dir, about, _ = runs.start(BaseConfig(dataset), tmp_path / "run", prepare,
                                   accelerator=device,
                                   data_dir=tmp_path / "named" if named else None)  # fmt: skip
    assert (given == [None]) == (dataset == "a")
    assert [p.name for p in tmp_path.rglob("*.fits")] == ["spectra.fits"] * named
    table = runs.finish(BaseConfig(dataset), run_dir, about, pd.DataFrame({"id": ["1"]}))
    assert set(pd.read_parquet(run_dir / "predictions.parquet")["dataset"]) == {dataset}
    assert list(table) == ["id", "dataset"]
    assert json.loads((run_dir / "config.json").read_text())["timing"]["data_s"] >= 0
