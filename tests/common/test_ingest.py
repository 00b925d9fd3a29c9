"""Ingest: read once, added to, gone on with, and never silently less than what was given."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest

from common.errors import SuiteError, UsageError
from common.ingest import folder as folder_module
from common.ingest import ingest, run
from common.ingest.__main__ import main
from common.surveys import find_files, read_many
from common.surveys.shards import sha256_of
from tests.common.test_sdss import spec_hdus, table_hdus

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(folder_module, "FEWEST", 4)  # files of a job


def write(folder, numbers, **row):
    folder.mkdir(parents=True, exist_ok=True)
    for i in numbers:
        hdus = spec_hdus(n=50 + i % 7, first=3.6 + 1e-3 * (i % 3), FIBERID=i, **row)
        hdus.writeto(folder / f"spec-{i:04d}.fits", overwrite=True)
    return folder


def spectra_of(paths):
    """Return every spectrum by its id: wavelengths, flux, and meta as text."""
    stream = read_many(paths, progress=False)
    out = {b.ids[i]: (b.wavelength_of(i).tolist(), list(b.flux[i]), b.meta.iloc[i].to_json())
           for b in stream for i in range(len(b))}  # fmt: skip
    assert stream.rejects == []
    return out


def state(out):
    """Return all that an ingest leaves: names and checksums, the manifest and the tables."""
    files = {p.relative_to(out).as_posix(): sha256_of(p) for p in out.rglob("*") if p.is_file()}
    tables = {
        p.name: pd.read_parquet(p).to_csv() for p in sorted((out / "g001").glob("[a-z]*.parquet"))
    }
    return files, tables, json.loads((out / "manifest.json").read_text())


def test_shards_hold_what_the_files_hold_in_one_file_after_the_other(tmp_path):
    files = write(tmp_path / "in", range(1, 12))
    made = ingest([files], tmp_path / "out", workers=1)
    assert (made.rows, made.lost, made.files, made.total) == (11, 0, 11, 11)
    assert list(spectra_of([tmp_path / "out"]).items()) == list(spectra_of([files]).items())
    about = json.loads((tmp_path / "out/manifest.json").read_text())
    assert about["rows"] == 11 and [one["rows"] for one in about["shards"]] == [4, 4, 3]
    first = about["shards"][0]
    assert first["sha256"] == sha256_of(tmp_path / "out" / first["name"])
    assert (first["survey"], first["medium"], first["frame"]) == (
        ["sdss"],
        "vacuum",
        "heliocentric",
    )
    ids = pd.read_parquet(tmp_path / "out/g001/ids.parquet")
    assert ids.loc[4].tolist() == [
        "3586-55181-0005",
        str(files / "spec-0005.fits"),
        "g001/000001-000.parquet",
        0,
    ]
    sources = pd.read_parquet(tmp_path / "out/g001/sources.parquet")
    stat = (files / "spec-0001.fits").stat()
    assert sources.loc[0].tolist() == [str((files / "spec-0001.fits").resolve()), stat.st_size,
                                       stat.st_mtime_ns, 1, "000000"]  # fmt: skip


def test_processes_change_nothing(tmp_path):
    files = write(tmp_path / "in", [*range(1, 10), *range(1, 3)])
    write(tmp_path / "in/more", (2, 11))  # 2 comes again, in a job of its own
    (tmp_path / "in/bad.fits").write_bytes(b"nothing")
    for workers in (1, 2):
        made = ingest([files], tmp_path / str(workers), workers=workers)
        assert (made.rows, made.lost) == (10, 2)
    assert state(tmp_path / "1") == state(tmp_path / "2")


def test_an_id_that_came_before_is_a_reject_whatever_call_it_came_in(tmp_path):
    ingest([write(tmp_path / "a", range(1, 6))], tmp_path / "out", workers=1)
    made = ingest([write(tmp_path / "b", (5, 6))], tmp_path / "out", workers=1)
    assert (made.rows, made.lost, made.total) == (1, 1, 6)
    text = (tmp_path / "out/rejects.ecsv").read_text()
    assert "3586-55181-0005" in text and f"first seen in {tmp_path / 'a/spec-0005.fits'}" in text
    assert len(spectra_of([tmp_path / "out"])) == 6
    again = ingest([write(tmp_path / "c", (1, 2))], tmp_path / "out", workers=1)
    assert (again.rows, again.total) == (0, 6)


def test_only_what_is_new_is_read_and_what_changed_is_told(tmp_path, monkeypatch, capsys):
    files, out = write(tmp_path / "in", range(1, 4)), tmp_path / "out"
    (files / "late.fits").write_bytes(b"half a file")
    assert ingest([files], out, workers=1).lost == 1
    before = state(out)
    assert main(["-o", str(out), str(files)]) == 0
    assert "0 spectra of 0 files; 4 files were there already" in capsys.readouterr().out
    assert state(out) == before
    write(files, (9,))
    spec_hdus(FIBERID=8).writeto(files / "late.fits", overwrite=True)  # now it has arrived
    spec_hdus(FIBERID=1, CLASS="STAR").writeto(files / "spec-0001.fits", overwrite=True)
    made = ingest([files], out, workers=1)
    assert (made.rows, made.lost, made.files, made.total) == (2, 0, 2, 5)
    assert made.changed == [str(files / "spec-0001.fits")]
    assert not (out / "rejects.ecsv").exists()
    assert len(json.loads((out / "manifest.json").read_text())["calls"]) == 2


def test_a_damaged_shard_is_named_and_made_again(tmp_path, capsys):
    files, out = write(tmp_path / "in", range(1, 6)), tmp_path / "out"
    ingest([files], out, workers=1)
    before, shard = spectra_of([out]), out / "g001/000000-000.parquet"
    content = bytearray(shard.read_bytes())
    content[40] ^= 1
    shard.write_bytes(content)
    stream = read_many([out], progress=False)
    assert sum(map(len, stream)) == 2
    assert stream.rejects[0]["file"] == str(shard) and "checksum" in stream.rejects[0]["reason"]
    assert main(["-o", str(out), "--check"]) == 1
    assert "g001/000000-000.parquet" in capsys.readouterr().err
    shard.unlink()
    with pytest.raises(UsageError, match=r"000000-000.parquet: this shard of 2 is missing"):
        find_files([out])
    with pytest.raises(UsageError, match="is not among the files given"):
        ingest([files / "spec-0005.fits"], out, workers=1)
    assert ingest([files], out, workers=1).rows == 3
    assert spectra_of([out]) == before and main(["-o", str(out), "--check"]) == 0
    (out / "g002/000000-000.parquet").unlink()
    spec_hdus(FIBERID=77).writeto(files / "spec-0001.fits", overwrite=True)
    assert ingest([files], out, workers=1).rows == 3
    assert ingest([write(tmp_path / "b", (1,))], out, workers=1).rows == 1  # that id is free now


def test_another_survey_is_refused_file_by_file(tmp_path):
    files = write(tmp_path / "in", range(1, 3))
    table_hdus(5, header={"COEFF0": 3.6, "COEFF1": 1e-4}).writeto(files / "table.fits")
    with pytest.raises(SuiteError, match="None of the 3 file"):
        ingest([files], tmp_path / "out", survey="lamost", workers=1)
    text = (tmp_path / "out/rejects.ecsv").read_text()
    assert text.count("a file of the survey sdss, not of lamost") == 3
    with pytest.raises(UsageError, match="--survey must be one of"):
        ingest([files], tmp_path / "out", survey="sloan")


def test_too_many_rejects_stop_the_call_and_keep_what_is_done(tmp_path):
    files = write(tmp_path / "in", range(1, 9))
    for i in range(5):
        (files / f"spec-00{i}x.fits").write_bytes(b"nothing")
    with pytest.raises(SuiteError, match="more than --max-rejects 2 allows"):
        ingest([files], tmp_path / "out", workers=1, max_rejects=2)
    with pytest.raises(SuiteError, match=r"5 rejects beside 8 .* --max-rejects 0.3 allows"):
        ingest([files], tmp_path / "out", workers=1, max_rejects=0.3)
    assert ingest([files], tmp_path / "out", workers=1, max_rejects=0.5).rows == 8


def test_an_interrupted_call_is_gone_on_with_by_its_own_command_alone(tmp_path, monkeypatch):
    files, out, work = write(tmp_path / "in", range(1, 10)), tmp_path / "out", run.work.work

    def stopped(number):
        if number == 1:
            raise KeyboardInterrupt
        return work(number)

    monkeypatch.setattr(run.work, "work", stopped)
    with pytest.raises(KeyboardInterrupt):
        ingest([files], out, workers=1)
    with pytest.raises(UsageError, match=r"did not finish\. Repeat its command"):
        read_many([out])
    numbers = []
    monkeypatch.setattr(run.work, "work", lambda n: numbers.append(n) or work(n))
    with pytest.raises(UsageError, match="of other files or options was interrupted"):
        ingest([files], out, workers=1, survey="sdss")
    write(files, (10,))  # comes after what was planned
    assert ingest([files], out, workers=1).rows == 10
    assert numbers == [1, 2, 0]
    assert spectra_of([out]) == spectra_of([files])


def test_a_folder_of_other_things_is_left_alone(tmp_path):
    files = write(tmp_path / "in", (1,))
    with pytest.raises(UsageError, match=r"lies in .* which is to be read"):
        ingest([files], files / "shards")
    with pytest.raises(UsageError, match="holds no shards"):
        ingest([files / "spec-0001.fits"], tmp_path)
    (tmp_path / "out").mkdir()
    with run._alone(tmp_path / "out"), pytest.raises(UsageError, match="another process"):
        ingest([files], tmp_path / "out")


def test_bad_arguments(tmp_path, capsys):
    for words in ([], ["--check", "a"], ["--workers", "0", "a"], ["--max-rejects", "-1", "a"]):
        with pytest.raises(SystemExit) as end:
            main(["-o", str(tmp_path), *words])
        assert end.value.code == 2
    capsys.readouterr()


def begin(files, out, workers):
    """Start the command in a process of its own; return it once its imports are done."""
    code = (
        "import sys; from common.ingest import folder; folder.FEWEST = 4; "
        "from common.ingest.__main__ import main; print('go', flush=True); "
        "raise SystemExit(main(sys.argv[1:]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, "-o", str(out), "--workers", str(workers), str(files)],
        env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout.readline() == b"go\n", process.stderr.read().decode()
    return process


def test_what_a_killed_writer_left_is_cleared(tmp_path):
    files = write(tmp_path / "in", range(1, 4))
    left = tmp_path / "out" / ".d6e7c1ae.rejects.ecsv"
    left.parent.mkdir()
    left.write_bytes(b"")
    ingest([files], tmp_path / "out", workers=1)
    assert not left.exists()


@pytest.mark.parametrize(
    "kills, workers", [(2, [1]), pytest.param(50, [1, 2], marks=pytest.mark.slow)]
)
def test_killed_at_any_moment_it_ends_as_an_unbroken_run(tmp_path, kills, workers):
    files = write(tmp_path / "in", range(1, 41 if kills == 2 else 161))
    write(tmp_path / "in/more", (3, 200))
    (files / "bad.fits").write_bytes(b"nothing")
    rng, took, killed, left = random.Random(kills), {}, 0, set()
    for n in workers:
        process, began = begin(files, tmp_path / f"whole{n}", n), time.monotonic()
        error = process.communicate()[1].decode()
        assert process.returncode == 0, error
        took[n] = time.monotonic() - began
    expected = state(tmp_path / f"whole{workers[0]}")
    for turn in range(1000):
        out, n = tmp_path / f"out{turn}", workers[turn % len(workers)]
        while True:  # into the same folder until a run gets through
            process = begin(files, out, n)
            if killed < kills:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(rng.uniform(0, took[n]))
                process.kill()  # SIGKILL
            error = process.communicate()[1].decode()
            if process.returncode == 0:
                break
            assert process.returncode == -signal.SIGKILL, error
            killed += 1
            left.add(len([*out.glob("g001/jobs/*.json")]))
        assert state(out) == expected
        if killed == kills:
            break
    print(f"{killed} kills in {turn + 1} folders, at {sorted(left)} finished jobs")
