"""Any split, any kill point, any format: one catalogue, and nothing finished is lost."""

import gc
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.catalog import FORMATS, read_table, write_table
from common.catalogue import assemble, make, parts
from common.catalogue.recipe import Beside
from common.errors import SuiteError, UsageError
from common.surveys import seen as seen_ids
from tests.catalogues import fill_disk
from tests.common import toy_catalogue as toy

ROOT = Path(__file__).resolve().parents[2]
N = 23
WHOLE = toy.table(N)
KEPT = WHOLE[WHOLE["quality"] != 7].reset_index(drop=True)
LOST = [("", "read: damaged"), (WHOLE["id"][7], "seven")]
pytestmark = pytest.mark.filterwarnings("ignore:.*did not parse as fits unit")


def lost_of(out):
    table = read_table(assemble.rejects_of(out))
    return list(zip(table["id"], table["reason"], strict=True))


def names(folder):
    return {path.name for path in folder.iterdir()} - {"run"}


splits = st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=4), min_size=1, max_size=4)


def whole(split):
    """Return a split that ends with all rows in it."""
    out, left = [], N
    for sizes in split:
        own = [min(size, left - sum(sizes[:i])) for i, size in enumerate(sizes)]
        own = [size for size in own if size > 0]
        left -= sum(own)
        out += [own] if own else []
    return [*out, [left]] if left else out


@pytest.mark.parametrize("ending", FORMATS)
@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(split=splits.map(whole), at=st.integers(0, 12))
def test_any_split_and_any_kill_give_the_same_catalogue(ending, split, at, tmp_path_factory):
    folder = tmp_path_factory.mktemp("any")
    one, many = folder / f"one{ending}", folder / f"many{ending}"
    made = make.make(toy.recipe(folder, toy.Source(WHOLE, [[N]])), one)
    assert made[:2] == (N - 1, 2)
    stop, _ = toy.stopper(at)
    batches = sum(map(len, split))
    if at < batches:
        with pytest.raises(KeyboardInterrupt):
            make.make(toy.recipe(folder, toy.Source(WHOLE, split), stop), many)
        assert not many.exists()
    again, calls = toy.stopper(-1)
    source = toy.Source(WHOLE, split)
    assert make.make(toy.recipe(folder, source, again), many)[0] == N - 1
    assert len(calls) == (batches - at if at < batches else batches)
    assert many.read_bytes() == one.read_bytes()
    assert sorted(lost_of(many)) == sorted(LOST[:1] * len(split) + LOST[1:])
    assert not (folder / f"{many.name}.parts").exists()


@pytest.mark.parametrize("ending", FORMATS)
def test_it_is_the_table_that_is_written_at_once(ending, tmp_path):
    make.make(toy.recipe(tmp_path, toy.Source(WHOLE, [[5, 9], [9]])), tmp_path / f"a{ending}")
    notes = {k: {n: v for n, v in d.items() if n in KEPT} for k, d in toy.NOTES.items()}
    write_table(KEPT, tmp_path / f"b{ending}", meta={"NETWORK": "toy"}, **notes)
    pd.testing.assert_frame_equal(*(read_table(tmp_path / f"{n}{ending}") for n in "ab"))
    if ending != ".parquet":
        assert (tmp_path / f"a{ending}").read_bytes() == (tmp_path / f"b{ending}").read_bytes()


def test_a_process_that_is_killed_goes_on(tmp_path):
    code = """
        import os, sys
        from pathlib import Path
        from common.catalogue.make import make
        from tests.common import toy_catalogue as toy
        folder, calls = Path(sys.argv[1]), []
        def stop(batch):
            calls.append(1)
            if len(calls) == 4:
                os._exit(9)
        source = toy.Source(toy.table(23), [[5, 5], [5, 5], [3]])
        make(toy.recipe(folder, source, stop if sys.argv[2] == "kill" else None), folder / "a.fits")
        print(len(calls), len(source.begun))
    """
    run = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)]
    options = dict(env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert subprocess.run([*run, "kill"], **options).returncode == 9
    assert names(tmp_path) == {"a.fits.parts"}
    done = subprocess.run([*run, "go on"], **options)
    assert done.stdout.split() == ["0", "2"], done.stderr  # a finished job is not read again
    make.make(toy.recipe(tmp_path, toy.Source(WHOLE, [[N]])), tmp_path / "b.fits")
    assert (tmp_path / "a.fits").read_bytes() == (tmp_path / "b.fits").read_bytes()


@pytest.mark.parametrize("ending", [".fits", ".vot", ".ecsv"])
def test_ctrl_c_leaves_rows_rejects_and_parts(ending, tmp_path, capsys):
    out, split = tmp_path / f"o{ending}", [[8, 4], [6, 5]]
    stop, _ = toy.stopper(3)
    with pytest.raises(KeyboardInterrupt):
        make.make(toy.recipe(tmp_path, toy.Source(WHOLE, split), stop), out)
    partial = tmp_path / f"o.partial{ending}"
    assert names(tmp_path) == {f"o{ending}.parts", partial.name, f"{partial.name}.rejects.ecsv"}
    assert read_table(partial)["id"].tolist() == KEPT["id"][:17].tolist()
    assert lost_of(partial) == [*LOST, ("", "read: damaged")]
    said = capsys.readouterr().err
    assert f"finished rows are in {partial}" in said and "o" + ending + ".parts" in said
    stop, calls = toy.stopper(-1)
    make.make(toy.recipe(tmp_path, toy.Source(WHOLE, split), stop), out)
    assert calls == [5] and len(read_table(out)) == N - 1


def test_a_kill_while_the_parts_are_removed_costs_no_row(tmp_path, monkeypatch):
    """Of a folder that is half deleted a later call would make half a catalogue."""
    out, split = tmp_path / "o.fits", [[8, 4], [6, 5]]

    def killed(folder, **_):
        next(folder.glob("part-*")).unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(parts.shutil, "rmtree", killed)
        make.make(toy.recipe(tmp_path, toy.Source(WHOLE, split)), out)
    whole = out.read_bytes()
    (tmp_path / ".01234567.o.fits").write_text("half a catalogue")
    (tmp_path / ".01234567.other.fits").write_text("another one's")
    assert make.make(toy.recipe(tmp_path, toy.Source(WHOLE, split)), out)[0] == N - 1
    assert out.read_bytes() == whole
    assert names(tmp_path) == {"o.fits", "o.fits.rejects.ecsv", ".01234567.other.fits"}


def test_a_disk_that_is_full_in_the_middle_costs_no_row(tmp_path, monkeypatch, capsys):
    out, written, true = tmp_path / "o.parquet", [], parts.pq.write_table

    def write(table, path):
        written.append(path)
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        true(table, path)

    with monkeypatch.context() as patch, pytest.raises(SuiteError, match="disk or quota is full"):
        patch.setattr(parts.pq, "write_table", write)
        fill_disk(patch, tmp_path)  # and stays full
        make.make(toy.recipe(tmp_path, toy.Source(WHOLE, [[8, 4, 6, 5]])), out)
    spare = Path(capsys.readouterr().err.split(" is at ")[1].split(" instead")[0])
    assert spare.name == "o.partial.parquet" and tmp_path not in spare.parents
    assert len(read_table(spare)) == 17  # the batch that found no room is among them
    assert lost_of(spare) == LOST
    stop, calls = toy.stopper(-1)
    make.make(toy.recipe(tmp_path, toy.Source(WHOLE, [[8, 4, 6, 5]]), stop), out)
    assert calls == [6, 5] and read_table(out)["id"].tolist() == KEPT["id"].tolist()


def test_parts_of_another_catalogue_are_not_mixed_in(tmp_path):
    file, out = tmp_path / "in.txt", tmp_path / "o.csv"
    file.write_text("spectra")

    def work(stop=None, **options):
        source = toy.Source(WHOLE, [[9, N - 9]], [file])
        return make.make(toy.recipe(tmp_path, source, stop, options=options), out)

    with pytest.raises(KeyboardInterrupt):
        work(toy.stopper(1)[0], cut=2)
    with pytest.raises(UsageError, match=r"o\.csv\.parts.*another catalogue"):
        work(cut=3)
    for changed in (file, tmp_path / "run" / "config.json"):
        before = changed.stat().st_mtime_ns
        text = changed.read_text()
        changed.write_text(text + " ")
        with pytest.raises(UsageError, match=r"o\.csv\.parts.*another catalogue"):
            work(cut=2)
        changed.write_text(text)
        os.utime(changed, ns=(before, before))
    assert work(cut=2)[:2] == (N - 1, 2)
    mine = tmp_path / "p.csv.parts" / "mine.txt"  # a folder of the user's under that name
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(UsageError, match="holds no parts"):
        make.make(toy.recipe(tmp_path, toy.Source(WHOLE, [[N]])), tmp_path / "p.csv")
    assert mine.read_text() == "mine"


def test_what_is_held_does_not_grow_with_the_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(assemble, "ROWS", 8)
    sizes, streamed = [], assemble.write_stream

    def counted(chunks, path, **options):
        def again():
            for chunk in chunks():
                sizes.append(len(chunk))
                yield chunk

        return streamed(again, path, **options)

    monkeypatch.setattr(assemble, "write_stream", counted)
    most = {}
    for n in (20, 200):
        gc.collect()
        toy.Batch.held.clear()
        toy.Batch.most = 0
        source = toy.Source(toy.table(n), [[2] * (n // 4), [2] * (n // 4)])
        make.make(toy.recipe(tmp_path, source), tmp_path / "o.csv")
        most[n] = toy.Batch.most
    assert most[200] <= 6 and max(sizes) == 8
    assert sum(sizes) > 200


def test_hidden_columns_and_a_file_beside(tmp_path, capsys):
    def rows(batch):
        return batch.rows.assign(_twice=batch.rows["p"] * 2), []

    def write(parts, path):
        text = "".join(f"{v}\n" for t in parts.tables(["_twice"]) for v in t["_twice"])
        Path(path).write_text(text)

    def work(rows):
        beside = (Beside("doubles", tmp_path / "d.txt", write),)
        source = toy.Source(WHOLE, [[9, N - 9]])
        return make.make(toy.recipe(tmp_path, source, rows=rows, beside=beside), tmp_path / "o.csv")

    calls = []

    def killed(batch):
        calls.append(batch)
        return rows(batch) if len(calls) < 2 else 1 / 0

    with pytest.raises(ZeroDivisionError):
        work(killed)
    assert "doubles are in" in capsys.readouterr().err
    assert len((tmp_path / "d.partial.txt").read_text().split()) == 9
    made = work(rows)
    assert made.beside == (("doubles", tmp_path / "d.txt"),)
    assert len((tmp_path / "d.txt").read_text().split()) == N
    assert list(read_table(tmp_path / "o.csv")) == list(WHOLE)


def test_what_only_the_whole_shows_is_said_of_each_row_and_types_become_one(tmp_path):
    def revise(parts):
        best = max(table["p"].max() for table in parts.tables(["p"]))

        def rows():
            for table in parts.tables():
                dim = table["p"] < best / 2
                lost = [{"file": "f", "id": i, "reason": "dim"} for i in table["id"][dim]]
                yield table[~dim].reset_index(drop=True), lost

        return rows

    def mixed(batch):
        kind = "float32" if len(batch) == 9 else "float64"
        return batch.rows[["id", "z"]].astype({"z": kind}), []

    source = toy.Source(WHOLE, [[9, N - 9]])
    rows, lost, *_ = make.make(toy.recipe(tmp_path, source, revise=revise), tmp_path / "o.csv")
    dim = (KEPT["p"] < KEPT["p"].max() / 2).sum()
    assert (rows, lost) == (len(KEPT) - dim, 2 + dim)
    assert [reason for _, reason in lost_of(tmp_path / "o.csv")][2:] == ["dim"] * dim
    make.make(toy.recipe(tmp_path, source, rows=mixed), tmp_path / "o.fits")
    expected = pd.concat([WHOLE["z"][:9].astype("float32"), WHOLE["z"][9:]])
    assert read_table(tmp_path / "o.fits")["z"].equals(expected)


def test_nothing_usable_or_nothing_finished_leaves_the_reasons_alone(tmp_path):
    seven, out = WHOLE[WHOLE["quality"] == 7], tmp_path / "o.csv"
    with pytest.raises(SuiteError, match=r"None of the 0 file.*The first: read: damaged"):
        make.make(toy.recipe(tmp_path, toy.Source(seven, [[1]])), out)
    assert names(tmp_path) == {"o.csv.rejects.ecsv"} and lost_of(out) == LOST
    stop, _ = toy.stopper(0, ValueError)
    with pytest.raises(ValueError):
        make.make(toy.recipe(tmp_path, toy.Source(WHOLE, [[N]]), stop), tmp_path / "p.csv")
    assert names(tmp_path) == {"o.csv.rejects.ecsv", "p.partial.csv.rejects.ecsv"}


@settings(max_examples=25, deadline=None)
@given(ids=st.lists(st.text(max_size=3), max_size=60), new=st.integers(1, 9))
def test_ids_are_remembered_as_by_a_dict(ids, new):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seen_ids, "NEW", new)
        seen, known = seen_ids.Seen(), {}
        for number, name in enumerate(ids):
            assert (name in seen) == (name in known)
            seen.setdefault(name, f"file {number % 3}")
            known.setdefault(name, f"file {number % 3}")
            assert seen[name] == known[name]
        assert "not there" not in seen
        with pytest.raises(KeyError):
            seen["not there"]
