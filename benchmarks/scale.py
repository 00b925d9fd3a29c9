"""One catalogue by 1, 2 and 4 workers and through a dask cluster: ``python -m benchmarks.scale``.

SDSS mock spectra are written once, in the survey's one-table form: spectra of the mock universe,
each of them many times with further noise. The template network that is released makes a catalogue
of them with each number of workers; one worker is killed in the middle of its work. All catalogues
must be the same files. Rates are of spectra between the first finished part and the last one, so
that what a start costs is a number of its own; the overhead of a task is measured with tasks that
do nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from astropy.io import fits

from benchmarks.__main__ import machine
from common.catalogue import files as source
from common.catalogue.crew import Processes, completed

BASE = 40  # spectra of each class that are made; the others are these with more noise
ROWS = 500  # of a file
PROGRAM = """
from common.catalogue import files
files.BYTES = {size}
from gasnet2.predict import main
if __name__ == "__main__":
    raise SystemExit(main())
"""
POLL = 0.5  # s


def write_spectra(folder, n, *, seed=1):
    """Write n mock spectra into tables of `ROWS`; return the files."""
    from gasnet2.mock.make import make_mock

    with tempfile.TemporaryDirectory() as base:
        made = make_mock(survey="sdss", n_per_class=BASE, seed=seed, out_dir=base, offline=True)
        tables = [fits.getdata(path, 1) for path in made]
        header = fits.getheader(made[0], 1)
        rows = np.concatenate([np.asarray(table) for table in tables])
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for start in range(0, n, ROWS):
        number = np.arange(start, min(start + ROWS, n))
        part = rows[number % len(rows)].copy()
        sigma = np.where(part["ivar"] > 0, np.maximum(part["ivar"], 1e-30) ** -0.5, 0)
        part["flux"] += rng.normal(size=sigma.shape) * sigma
        part["ivar"] /= 2
        part["PLATE"], part["FIBERID"] = 20000 + number // 1000, number % 1000 + 1
        table = fits.BinTableHDU(part, name="SPECTRA")
        for card in ("COEFF0", "COEFF1", "MOCK"):
            table.header[card] = header[card]
        primary = fits.PrimaryHDU()
        primary.header["MOCK"] = True
        paths.append(folder / f"sdss-mock-{start // ROWS:04d}.fits")
        fits.HDUList([primary, table]).writeto(paths[-1], overwrite=True)
    return paths


def children(pid):
    """Return the processes that a process started and that hold a network's memory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text()
            command = (path.parent / "cmdline").read_text()
        except OSError:  # it has ended
            continue
        if int(text.rpartition(")")[2].split()[1]) == pid and "spawn_main" in command:
            found.append(int(path.parent.name))
    return found


class Watch:
    """What processes held and worked, looked at now and then.

    Attributes
    ----------
    memory : float
        MiB, the most that one of them held.
    """

    def __init__(self):
        self.memory, self._seen = 0.0, {}

    def look(self, pids):
        """Look at processes that may have ended."""
        now = time.monotonic()
        for pid in pids:
            try:
                status = Path("/proc", str(pid), "status").read_text()
                stat = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if "VmHWM:" not in status:  # it is ending
                continue
            self.memory = max(self.memory, int(status.split("VmHWM:")[1].split()[0]) / 1024)
            worked = (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
            first = self._seen.get(pid, (now, worked, 0, 0))[:2]
            self._seen[pid] = (*first, now, worked)

    def share(self):
        """Return the part of a core that each of them got."""
        spans = [(b - a, w - v) for a, v, b, w in self._seen.values() if b > a]
        return sum(w for _, w in spans) / max(sum(s for s, _ in spans), 1e-9)


def catalogue(spectra, out, options, *, jobs, kill=False):
    """Make a catalogue by the command line; return what was seen of it.

    Returns
    -------
    dict
        seconds of the whole command, of its start (until a part is finished) and of its end (after
        the last part was); jobs between and their seconds; MiB of the largest worker; share of a
        core that each worker got; the worker that was killed.
    """
    command = [sys.executable, "-c", PROGRAM.format(size=source.BYTES), "-o", out,
               "--precision", "float32", *options, spectra]  # fmt: skip
    began = time.monotonic()
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL)
    times, watch, killed = [], Watch(), None
    while process.poll() is None:
        time.sleep(POLL)
        done = len(list(Path(f"{out}.parts").glob("job-*.json")))
        times += [time.monotonic() - began] * (done - len(times))
        own = children(process.pid)
        if done < jobs:  # not while they wait for the last
            watch.look(own or [process.pid])
        if kill and killed is None and len(times) >= 2 and own:
            killed = own[0]
            os.kill(killed, signal.SIGKILL)
    if process.returncode:
        raise RuntimeError(f"exit status {process.returncode}")
    seconds = time.monotonic() - began
    between = (len(times) - 1, times[-1] - times[0]) if len(times) > 1 else (0, 0.0)
    return {"seconds": seconds, "start": times[0], "end": seconds - times[-1], "between": between,
            "memory": watch.memory, "share": watch.share(), "killed": killed}  # fmt: skip


def sha256(path):
    """Return the hash of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def nothing(number):
    """Be a task that does nothing."""
    return number


def per_task(crew, n=200):
    """Return the milliseconds that a crew takes for a task that does nothing."""
    list(completed(crew, nothing, ((i,) for i in range(2 * crew.window))))  # all have begun
    began = time.perf_counter()
    list(completed(crew, nothing, ((i,) for i in range(n))))
    return 1e3 * (time.perf_counter() - began) / n


@contextmanager
def dask_workers(n):
    """Give the address of a scheduler with n worker processes of one thread each."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=n, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster.scheduler_address


def main():
    """Make the catalogues and print the table."""
    p = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    p.add_argument("--spectra", type=int, default=20000)
    p.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    p.add_argument("--dask", type=int, default=2, help="workers of the dask cluster; 0: none")
    p.add_argument("--folder", type=Path, help="where the spectra stay (default: a temporary one)")
    p.add_argument("--job", type=float, metavar="MB", help="of a job, in place of the command's")
    args = p.parse_args()
    source.BYTES = int(1e6 * args.job) if args.job else source.BYTES
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        spectra = folder / f"spectra-{args.spectra}"
        if not (spectra / "whole").exists():
            write_spectra(spectra, args.spectra)
            (spectra / "whole").touch()
        inputs = sorted(spectra.glob("*.fits"))
        jobs, _ = source.jobs_of(inputs)
        print(f"{machine()}\n{args.spectra} spectra in {len(inputs)} files, {len(jobs)} jobs\n")
        head = ("by", "seconds", "until the first part", "spectra/s between", "after the last",
                "MiB of the largest", "of a core each", "sha256")  # fmt: skip
        print("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|", flush=True)
        hashes = {}

        def run(name, options, kill=False):
            out = Path(temporary) / f"{len(hashes)}.fits"
            seen = catalogue(spectra, out, options, jobs=len(jobs), kill=kill)
            n, seconds = seen["between"]
            rate = n / len(jobs) * args.spectra / seconds if seconds else float("nan")
            numbers = (seen["seconds"], seen["start"], rate, seen["end"], seen["memory"])
            hashes[name] = sha256(out)
            row = [name, *(f"{number:.0f}" for number in numbers), f"{seen['share']:.3f}",
                   hashes[name][:12]]  # fmt: skip
            print("| " + " | ".join(row) + " |", flush=True)
            if kill and seen["killed"] is None:
                raise RuntimeError("no worker was killed: more spectra are needed")

        for n in args.workers:
            run(f"{n} worker{'s' * (n > 1)}", ["--workers", n])
        run("2 workers, one killed", ["--workers", 2], kill=True)
        overheads = {}
        with Processes(2) as crew:
            overheads["processes"] = statistics.median(per_task(crew) for _ in range(3))
        if args.dask:
            from common.catalogue.cluster import Cluster

            with dask_workers(args.dask) as address:
                run(f"dask, {args.dask} workers", ["--dask", address])
                with Cluster(address) as crew:
                    overheads["dask"] = statistics.median(per_task(crew) for _ in range(3))
    told = ", ".join(f"{name} {ms:.1f} ms" for name, ms in overheads.items())
    print(f"\na task that does nothing: {told}")
    same = len(set(hashes.values())) == 1
    print(f"catalogues: {'the same, byte for byte' if same else hashes}")
    return int(not same)


if __name__ == "__main__":
    raise SystemExit(main())
