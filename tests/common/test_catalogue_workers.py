"""Any number of workers, whatever becomes of them: one catalogue."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.catalog import read_table
from common.catalogue import assemble, files, make, partitioned, repeats
from common.catalogue.cluster import Cluster
from common.catalogue.how import How
from common.catalogue.parts import Parts
from common.catalogue.step import Step, digest, taken
from common.errors import SuiteError, UsageError
from tests.common import toy_catalogue as toy
from tests.gasnet2.toy import write_table

ROOT = Path(__file__).resolve().parents[2]
WHOLE = toy.table(23)
SPLIT = [[5, 3], [4], [6], [2, 2, 1]]
TWO = How(workers=2)


class Rows:
    """What workers load: `bad` says what becomes of the batch that begins with a row."""

    def __init__(self, run_dir, *, bad=(), tally=None):
        self.run_dir, self.bad, self.tally = Path(run_dir), dict(bad), tally

    def __call__(self, batch):
        first = int(batch.rows["quality"].iloc[0])
        if self.tally:
            with open(self.tally, "a") as file:
                file.write(f"{first}\n")
        todo, once = self.bad.get(first), self.run_dir / f"once-{first}"
        if todo == "die" or (todo == "die once" and not once.exists()):
            once.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if todo == "fail":
            raise ValueError("a defect")
        if todo == "sleep":
            time.sleep(60)
        return toy.rows_of(batch)


def source(split=SPLIT):
    own = toy.Source(WHOLE, split)
    for job in own.jobs:
        for batch in job:
            assert len(batch)
    return own


def made(folder, name, how, split=SPLIT, **options):
    rows = Step(Rows, folder / "run", precision=None, **options)
    return make.make(toy.recipe(folder, source(split), rows=rows), folder / name, how)


@pytest.fixture
def alone(tmp_path):
    """A folder with the catalogue that one process makes."""
    assert made(tmp_path, "alone.fits", How())[:2] == (22, 5)
    return tmp_path


def same(folder, name):
    """Check that a catalogue and its rejects are those of one process, and that is all."""
    for path in (folder / name, assemble.rejects_of(folder / name)):
        other = path.with_name(path.name.replace(name, "alone.fits"))
        assert path.read_bytes() == other.read_bytes()
    assert not (folder / f"{name}.parts").exists()


def test_a_worker_that_dies_costs_a_try_of_its_task_alone(alone):
    tally = alone / "tally"
    assert made(alone, "two.fits", TWO, bad={8: "die once"}, tally=tally)[:2] == (22, 5)
    same(alone, "two.fits")
    begun = [int(line) for line in tally.read_text().split()]
    assert sorted(begun) == sorted([0, 5, 8, 8, 12, 18, 20, 22]), "others were made again"


def test_bad_tasks_stay_alone_with_their_errors(alone, capsys):
    with pytest.raises(SuiteError, match=r"2 part\(s\) could not be made"):
        made(alone, "two.fits", TWO, bad={8: "die", 12: "fail"})
    said = capsys.readouterr().err
    assert "part 2: 3 workers died at it (exit status -9)" in said
    assert "part 3: ValueError: a defect" in said
    assert said.count("Traceback") == 1, "a defect is shown where it is"
    assert len(read_table(alone / "two.partial.fits")) == 12
    tally = alone / "tally"
    made(alone, "two.fits", How(), tally=tally)
    assert tally.read_text() == "8\n12\n"
    same(alone, "two.fits")


def test_a_run_whose_parent_is_killed_ends_its_workers_and_goes_on(alone):
    code = """
        import sys
        from pathlib import Path
        from tests.common import test_catalogue_workers as t
        if __name__ == "__main__":
            t.made(Path(sys.argv[1]), "two.fits", t.TWO, bad={20: "sleep"}, tally=sys.argv[2])
    """
    tally, script = alone / "tally", alone / "script.py"
    script.write_text(textwrap.dedent(code))
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen([sys.executable, script, alone, tally], env=env)
    parts = alone / "two.fits.parts"
    while not (tally.exists() and "20" in tally.read_text().split()):
        assert parent.poll() is None, "it ended before it was killed"
        time.sleep(0.05)
    children = [p.parent.name for p in Path("/proc").glob("[0-9]*/stat") if child_of(p, parent.pid)]
    assert len(children) >= 2
    parent.kill()
    parent.wait()
    until = time.monotonic() + 30
    while any(Path("/proc", pid).exists() for pid in children):
        assert time.monotonic() < until, "a worker outlived its parent"
        time.sleep(0.05)
    known = {path.name for path in parts.glob("part-*")}
    assert known
    again = alone / "again"
    made(alone, "two.fits", How(), tally=again)
    assert len(again.read_text().split()) == 7 - len(known)
    same(alone, "two.fits")


def child_of(path, pid):
    try:
        return int(path.read_text().rpartition(")")[2].split()[1]) == pid
    except OSError:  # it has ended
        return False


def test_networks_are_loaded_once_and_others_than_the_parents_refused(tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "models" / "a.keras").write_text("1")
    order = Step(Rows, tmp_path, precision=None).order()
    batch = toy.Batch(WHOLE[:3])
    assert len(taken(order)(batch)[0]) == 3
    known = digest(tmp_path)
    (tmp_path / "models" / "a.keras").write_text("2")
    assert digest(tmp_path) != known
    assert len(taken(order)(batch)[0]) == 3, "it is in this process already"
    taken(Step(Rows, tmp_path, precision=None).order())
    with pytest.raises(SuiteError, match="other networks here"):
        taken(order)


splits = st.lists(st.lists(st.sampled_from("abcde"), min_size=1, max_size=4), min_size=1)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(jobs=splits, lost=st.sets(st.integers(0, 8)))
def test_the_first_of_ids_that_come_twice_stays_however_they_are_cut(jobs, lost, tmp_path_factory):
    """Batches are jobs here; a reject of the network counts as having come before."""
    out = tmp_path_factory.mktemp("any") / "o.csv"
    parts, seen, expected, gone = Parts(out, "m"), set(), [], 0
    for number, ids in enumerate(jobs):
        ids = list(dict.fromkeys(ids))
        reader = parts.begin(number)
        table = pd.DataFrame({"id": ids, "file": f"file {number}"})
        bad = np.isin(np.arange(len(ids)) + number, list(lost))
        why = [{"id": i, "file": f"file {number}", "reason": "bad"} for i in table["id"][bad]]
        parts.write(number, 0, None if bad.all() else table[~bad], why)
        assert not reader
        parts.finish(number)
        new = [i for i, b in zip(ids, bad, strict=True) if not b and i not in seen]
        expected += [(i, f"file {number}") for i in new]
        gone += int((~bad).sum()) - len(new)
        seen |= set(ids)
    parts.leave_out(repeats.repeated(parts))
    found = [tuple(row) for table in parts.tables() for row in table.to_numpy()]
    assert found == expected
    reasons = [row["reason"] for row in parts.rejects()]
    assert sum(r.startswith("duplicate id: first seen in file") for r in reasons) == gone
    assert len(found) + len(reasons) == sum(len(set(ids)) for ids in jobs)


def test_a_catalogue_of_many_files_has_the_rows_of_one(alone, monkeypatch):
    monkeypatch.setattr(assemble, "ROWS", 4)
    monkeypatch.setattr(partitioned, "CHUNKS", 2)
    many = How(partitioned=True)
    for _ in range(2):  # the second time over the first
        assert made(alone, "many.parquet", many)[:2] == (22, 5)
        made(alone, "one.parquet", How())
        names = sorted(path.name for path in (alone / "many.parquet").iterdir())
        assert names == ["_catalogue.json", "part-00000.parquet", "part-00001.parquet",
                         "part-00002.parquet"]  # fmt: skip
        pd.testing.assert_frame_equal(
            *(read_table(alone / f"{n}.parquet") for n in ("many", "one"))
        )
    left = {path.name for path in alone.iterdir()}
    assert not {name for name in left if name.startswith(".")}
    (alone / "mine.parquet").mkdir()
    with pytest.raises(SuiteError, match="no catalogue of many files"):
        made(alone, "mine.parquet", many)


def test_options_that_do_not_go_together_are_refused(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="--workers must not be negative"):
        How(workers=-1)
    with pytest.raises(UsageError, match="Choose one"):
        How(workers=1, dask="tcp://a:1")
    with pytest.raises(UsageError, match=r"ends in \.parquet"):
        How(partitioned=True).check(tmp_path / "a.fits")
    (tmp_path / "a.parquet").mkdir()
    with pytest.raises(UsageError, match="Add --partitioned"):
        How().check(tmp_path / "a.parquet")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"spectra-reproductions\[dask\]"):
        Cluster("tcp://127.0.0.1:1")


def test_a_big_file_is_cut_into_jobs(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "CHUNK", 8)
    monkeypatch.setattr(files, "BYTES", 100_000)  # 12 spectra of 8 kB
    n = write_table(tmp_path / "a.fits", per_class=3)
    small = tmp_path / "b.txt"
    small.write_text("no spectra")
    own = files.SpectrumFiles([small, tmp_path / "a.fits", small])
    assert [len(job) for job in own.jobs] == [1] * len(own.jobs) and len(own.jobs) == 2 + -(-n // 8)
    assert sum(own.sizes) == pytest.approx((tmp_path / "a.fits").stat().st_size, rel=0.01)
    shared, ids = own.shared(tmp_path), []
    for job in own.jobs[1:-1]:
        ids += [i for batch in shared.read(job, []) for i in batch.ids]
    assert ids == [i for batch in files.read_many([tmp_path / "a.fits"]) for i in batch.ids]


def test_a_list_on_disk_is_a_container_of_paths(tmp_path):
    own = files.SpectrumFiles([ROOT / "README.md"])
    own.shared(tmp_path)
    listed = files.Listed(tmp_path / files.LIST)
    assert ROOT / "README.md" in listed and None not in listed and ROOT / "LICENSE" not in listed


@pytest.mark.slow
def test_a_dask_cluster_makes_the_catalogue_of_one_process(alone, monkeypatch):
    distributed = pytest.importorskip("distributed", reason="the extra dask is not installed")
    options = dict(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with distributed.LocalCluster(**options) as cluster:
        how = How(dask=cluster.scheduler_address)
        monkeypatch.chdir(alone)  # its workers are elsewhere
        alone = Path()
        made(alone, "two.fits", how, bad={8: "die once"})
        same(alone, "two.fits")
        with pytest.raises(SuiteError, match=r"1 part\(s\) could not.*ValueError: a defect"):
            made(alone, "two.fits", how, bad={12: "fail"})
        tally = alone / "tally"
        made(alone, "two.fits", how, tally=tally)
        assert tally.read_text() == "12\n"
        same(alone, "two.fits")
    with pytest.raises(UsageError, match="no scheduler answers"):
        Cluster("tcp://127.0.0.1:9")
