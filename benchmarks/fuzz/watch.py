"""One worker process in which files are damaged and read, watched from outside."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import queue
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from dataclasses import dataclass, field
from pathlib import Path

SECONDS = 2.0  # default: of processor time for one file
MEMORY = 2**30  # default, bytes: more than the process had when it began
WARNINGS = 20  # default: for one file
WAIT = 60.0  # default, s: without a sign of life a worker hangs
BATCH = 200  # files between two messages


class TooSlow(BaseException):
    """A file that takes more than its time; no reader may catch it."""


@dataclass
class Tally:
    """What became of the files.

    Attributes
    ----------
    files, read, refused : int
        All, those that a reader could read, and those that ended in an error of the project's own.
    failures : list of dict
        kind (foreign, memory, slow, warnings, crash, hang), case, name, reader, text.
    slowest : float
        s of processor time.
    memory : int
        Bytes by which the largest worker grew at most.
    """

    files: int = 0
    read: int = 0
    refused: int = 0
    failures: list = field(default_factory=list)
    slowest: float = 0.0
    memory: int = 0

    def add(self, other):
        """Take in another tally."""
        for name in ("files", "read", "refused", "failures"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.slowest = max(self.slowest, other.slowest)
        self.memory = max(self.memory, other.memory)


def one(seed_number, case, seeds, folder):
    """Damage one file, read it, and return a `Tally` of it."""
    from benchmarks.fuzz.mutate import mutated
    from benchmarks.fuzz.targets import name_in, reader_of
    from common.errors import SuiteError

    rng = random.Random(f"{seed_number}:{case}")
    seed = rng.choice(seeds)
    content = mutated(seed.content, rng, [s.content for s in seeds])
    reader, path = reader_of(seed.kind, rng), name_in(folder, seed)
    path.parent.mkdir(exist_ok=True)
    if seed.kind == "mpajhu":
        for start in ("galSpecInfo", "galSpecExtra"):
            path.with_name(f"{start}.fits").write_bytes(content)
    path.write_bytes(content)
    made, text = Tally(files=1), ""
    started = time.process_time()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            signal.setitimer(signal.ITIMER_PROF, 2 * SECONDS)
            try:
                with contextlib.redirect_stderr(io.StringIO()):
                    reader(path)
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
            made.read, kind = 1, ""
        except SuiteError as error:
            made.refused, kind = 1, "" if len(str(error)) < 4000 else "foreign"
        except MemoryError:
            kind, text = "memory", traceback.format_exc()
        except TooSlow:
            kind, text = "slow", traceback.format_exc()
        except Exception:
            kind, text = "foreign", traceback.format_exc()
    made.slowest = time.process_time() - started
    if not kind and made.slowest > SECONDS:
        kind, text = "slow", f"{made.slowest:.1f} s"
    if not kind and len(caught) > WARNINGS:
        kind, text = "warnings", f"{len(caught)}: {caught[0].message}"
    if kind:
        made.failures.append({"kind": kind, "case": case, "name": seed.name,
                              "reader": reader.__name__, "text": text[-3000:]})  # fmt: skip
    for file in path.parent.glob("*") if seed.kind == "mpajhu" else [path]:
        file.unlink()
    return made


def _memory(what):
    """Return bytes of this process: VmSize (address space), VmHWM (most that was resident)."""
    with open("/proc/self/status") as file:
        return next(1024 * int(line.split()[1]) for line in file if line.startswith(what))


def _work(seed_number, cases, seeds, at, results):
    """Go through cases in a process of its own, with bounded memory."""
    from benchmarks.fuzz import targets  # noqa: F401 - loaded before memory is bounded

    def alarm(*_):
        raise TooSlow

    signal.signal(signal.SIGPROF, alarm)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    limit = _memory("VmSize") + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    before = _memory("VmHWM")
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        tally = Tally()
        for case in cases:
            at.value = case
            tally.add(one(seed_number, case, seeds, folder))
            if tally.files == BATCH or tally.failures:
                tally.memory = _memory("VmHWM") - before
                results.put(tally)
                tally = Tally()
        tally.memory = _memory("VmHWM") - before
        results.put(tally)
    results.put(None)


def run(seed_number, cases, seeds, *, told=None, until=None):
    """Damage and read files in a process that is watched; a new one goes on where one died.

    Parameters
    ----------
    seed_number : int
        With the number of a case it decides what is done to which file.
    cases : range
    seeds : sequence of benchmarks.fuzz.seeds.Seed
    told : callable, optional
        Called with the `Tally` so far.
    until : float, optional
        Time (of `time.time`) at which to stop.

    Returns
    -------
    Tally
    """
    context, total = multiprocessing.get_context("spawn"), Tally()
    start = cases.start
    while start < cases.stop:
        at, results = context.Value("q", start), context.Queue()
        process = context.Process(
            target=_work,
            daemon=True,
            args=(seed_number, range(start, cases.stop), seeds, at, results),
        )
        process.start()
        last, seen, ended = time.time(), start, ""
        while not ended:
            try:
                tally = results.get(timeout=0.5)
                if tally is None:
                    ended = "done"
                    break
                total.add(tally)
                if told:
                    told(total)
            except queue.Empty:
                if not process.is_alive():
                    ended = "crash"
                elif time.time() - last > WAIT:
                    ended = "hang"
            if at.value != seen:
                last, seen = time.time(), at.value
            if until and time.time() > until:
                ended = "time"
        process.kill()
        process.join()
        if ended in ("done", "time"):
            break
        total.failures.append({"kind": ended, "case": seen, "name": "", "reader": "",
                               "text": f"exit code {process.exitcode}"})  # fmt: skip
        total.files += 1
        start = seen + 1
    return total


def again(seed_number, case, seeds):
    """Repeat one case in this process, its error shown."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        signal.signal(signal.SIGPROF, signal.default_int_handler)
        tally = one(seed_number, case, seeds, folder)
    for failure in tally.failures:
        print(failure["kind"], failure["name"], failure["reader"], failure["text"], file=sys.stderr)
    return tally


def path_of(data):
    """Return the folder of real spectra, or None."""
    folder = Path(data) / "real" if data else None
    return folder if folder and folder.is_dir() else None
