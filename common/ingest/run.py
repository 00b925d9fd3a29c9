"""Files of any survey to shards, by all cores; what is there already is not read again."""

from __future__ import annotations

import fcntl
import os
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from common.cli import progress
from common.errors import SuiteError, UsageError
from common.files import clear_temporary
from common.ingest import work
from common.ingest.folder import REJECTS, Folder
from common.surveys import find_files
from common.surveys.shards import manifest_of, sha256_of

SURVEYS = ("sdss", "lamost", "desi", "fourmost", "moons", "apogee")
AHEAD = 3  # default: jobs a worker that are given out before the first of them is kept
ENOUGH = 100  # default: spectra and rejects before a share of rejects stops a call


class Ingested(NamedTuple):
    """What became of the files.

    Attributes
    ----------
    rows, lost : int
        Spectra that this call added, and rejects of it.
    files, held : int
        Files that it read, and that were there before.
    changed : list of str
        Files that changed since their spectra were read: these stand as they are.
    total : int
        Spectra of the folder.
    """

    rows: int
    lost: int
    files: int
    held: int
    changed: list
    total: int


def cores():
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def ingest(paths, out, *, survey=None, workers=None, max_rejects=None, grid=None):
    """Read files and folders into a folder of shards, or go on with that after a kill.

    Parameters
    ----------
    paths : sequence of path-like
        Files, or folders to search.
    out : path-like
        The folder: new, or one that is added to.
    survey : str, optional
        One of `SURVEYS`: files of others are rejects.
    workers : int, optional
        Processes; as many as there are cores by default. What is written does not depend on it.
    max_rejects : float, optional
        Stop where there are more: a number of them, or below 1 a share of all that was read.
    grid : (float, float, int), optional
        First, last wavelength (vacuum Å) and pixels, of tables that do not carry theirs.

    Returns
    -------
    Ingested

    Raises
    ------
    UsageError
        If a path does not exist, or the folder is something else's or another process's.
    SuiteError
        If there are too many rejects, no spectrum in the folder, a full disk, or a worker that
        was killed.
    """
    if survey is not None and survey not in SURVEYS:
        raise UsageError(f"--survey must be one of {', '.join(SURVEYS)}. Received {survey!r}.")
    out = Path(out)
    above = [path for path in map(Path, paths) if out.resolve().is_relative_to(path.resolve())]
    if above:
        raise UsageError(f"{out} lies in {above[0]}, which is to be read. Name a folder elsewhere.")
    files = find_files(paths)
    out.mkdir(parents=True, exist_ok=True)
    with _alone(out):
        clear_temporary(out / REJECTS, every=True)  # of a writer that was killed
        folder, options = Folder(out), {"survey": survey, "grid": list(grid) if grid else None}
        rows = lost = n = 0
        changed = folder.begin(files, options)
        while folder.plan:  # one that was killed, then what came since
            receipts = folder.receipts()
            _make(folder, receipts, workers or cores(), max_rejects)
            n += sum(map(len, folder.plan["jobs"]))
            rows += sum(one["rows"] for r in receipts.values() for one in r["shards"])
            lost += sum(len(receipt["rejects"]) for receipt in receipts.values())
            folder.finish(receipts)
            folder.begin(files, options)
        total = sum(one["rows"] for one in folder.shards)
    if not total:
        raise SuiteError(
            f"None of the {len(files)} file(s) holds a spectrum that can be used; the reasons are "
            f"in {out / REJECTS}."
        )
    return Ingested(rows, lost, n, len(files) - n, changed, total)


@contextmanager
def _alone(folder):
    """Hold the folder: the lock goes with the process, however it ends."""
    with open(folder / ".lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(f"{folder}: another process is adding to this folder. Wait for it, or "
                             "name another one.") from None  # fmt: skip
        yield


def _make(folder, receipts, workers, max_rejects):
    """Do the jobs of the plan that have no receipt yet, and keep each in the order of the files."""
    jobs = folder.plan["jobs"]
    left = [number for number in range(len(jobs)) if number not in receipts]
    with progress(desc="ingest", unit="file", total=sum(map(len, jobs))) as bar:
        made = _made(folder.path, left, min(workers, len(left)))
        for number, job in enumerate(jobs):
            if number in receipts:
                folder.take(receipts[number])
            else:
                receipts[number] = folder.commit(number, next(made))
            bar.update(len(job))
            if max_rejects is not None:
                _check(receipts, max_rejects, last=number + 1 == len(jobs))


def _made(path, left, workers):
    """Yield the receipts of some jobs in their order."""
    if workers <= 1:
        work.begin(path)
        yield from map(work.work, left)
        return
    context = get_context("forkserver")  # not forked from here: Arrow has threads by now
    context.set_forkserver_preload([work.__name__])
    pool = ProcessPoolExecutor(workers, context, initializer=work.begin, initargs=(str(path),))
    try:
        rest, given = iter(left), deque()
        while True:
            while len(given) < AHEAD * workers and (number := next(rest, None)) is not None:
                given.append(pool.submit(work.work, number))
            if not given:
                return
            yield given.popleft().result()
    except BrokenProcessPool:
        raise SuiteError(
            f"A worker was killed, perhaps for want of memory. What is finished is kept in {path}: "
            "go on with the same command, with fewer --workers."
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _check(receipts, most, *, last):
    """Stop a call that is plainly fed the wrong thing."""
    lost = [row for receipt in receipts.values() for row in receipt["rejects"]]
    seen = len(lost) + sum(one["rows"] for r in receipts.values() for one in r["shards"])
    share = most < 1
    if len(lost) > (most * seen if share else most) and (not share or last or seen >= ENOUGH):
        raise SuiteError(
            f"{len(lost)} rejects beside {seen - len(lost)} spectra are more than --max-rejects "
            f"{most:g} allows. The first: {lost[0]['file']}: {lost[0]['reason']} What is finished "
            "is kept: go on with the same command and a larger --max-rejects, or start anew in "
            "another folder."
        )


def damaged(out):
    """Return the shards of a folder that are missing or whose checksum is wrong, list of str.

    Raises
    ------
    UsageError
        If there is no manifest.
    """
    about, wrong = manifest_of(out), []
    if about is None:
        raise UsageError(f"{out}: no finished folder of shards. Name one that was ingested into.")
    for shard in about["shards"]:
        path = Path(out) / shard["name"]
        if not path.exists() or sha256_of(path) != shard["sha256"]:
            wrong.append(shard["name"])
    return wrong
