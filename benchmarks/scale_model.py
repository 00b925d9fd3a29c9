"""How long a catalogue of any size takes: costs measured here, and a simulation of many workers.

``python -m benchmarks.scale_model --measure FOLDER`` measures the costs on spectra that
`benchmarks.scale` wrote; ``--costs FILE`` takes them from a file; the table of 1e6, 1e7, 1e8
spectra on a laptop, a node and a cluster follows (docs/scale.md).

The simulation hands tasks one by one to the worker that is free first. A worker reads a task's
bytes through its share of the file system, or as fast as it can unpack them, whichever takes
longer; computes; writes. The scheduler takes its time for each task, one at a time. A worker that
dies is replaced, after the start of a process, and its task begun again. Before and after stands
what one process does alone: to look at all files, and to put the parts together.
"""

from __future__ import annotations

import argparse
import heapq
import json
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Costs:
    """What was measured on one core, in seconds, for the released template network.

    Attributes
    ----------
    read, compute, write : float
        Core seconds per spectrum, by a worker.
    assemble : float
        Core seconds per spectrum, by the one process that puts the parts together.
    start : float
        Until a new process is ready for its first task: imports and networks.
    first : float
        What the first batch takes longer than others: the network is traced.
    file : float
        Per file, by the one process that looks for them.
    task : float
        Per task, by the scheduler.
    bytes : float
        Per spectrum, read.
    out : float
        Per spectrum, written, parts and catalogue together.
    memory : float
        MiB of a worker.
    """

    read: float
    compute: float
    write: float
    assemble: float
    start: float
    first: float
    file: float
    task: float
    bytes: float
    out: float
    memory: float


@dataclass(frozen=True)
class Site:
    """Where a catalogue is made.

    Attributes
    ----------
    workers : int
        Of one core each.
    bandwidth : float
        Bytes per second that the file system gives to all of them together.
    share : float
        Part of a core that each process gets; 1 where the machine is not shared.
    deaths : float
        Deaths of a worker per hour of its work.
    """

    workers: int
    bandwidth: float = 1e9
    share: float = 1.0
    deaths: float = 0.0


def simulate(costs, site, spectra, *, per_task=2000, per_file=500, seed=0):
    """Return the seconds of a catalogue, and of its parts.

    Parameters
    ----------
    costs : Costs
    site : Site
    spectra, per_task, per_file : int
        Spectra in all, of a task, of a file.
    seed : int
        Of the deaths.

    Returns
    -------
    dict
        seconds, and of these before, work, after; idle: part of the workers' time without a task;
        tasks; again: tasks that were begun again.
    """
    rng, tasks = np.random.default_rng(seed), -(-spectra // per_task)
    before = (costs.start + costs.file * -(-spectra // per_file)) / site.share
    after = costs.assemble * spectra / site.share
    own = site.bandwidth / site.workers  # the worst case: all read at once
    reading = max(costs.read / site.share, costs.bytes / own)
    each = reading + (costs.compute + costs.write) / site.share
    start = costs.start / site.share
    free = [(start, False)] * site.workers  # (when, has it traced its network)
    heapq.heapify(free)
    scheduler, busy, again, ends = 0.0, 0.0, 0, []
    for task in range(tasks):
        n = min(per_task, spectra - task * per_task)
        while True:
            ready, traced = heapq.heappop(free)
            scheduler = max(ready, scheduler) + costs.task
            took = n * each + (0.0 if traced else costs.first / site.share)
            dies = rng.exponential(3600 / site.deaths) if site.deaths else np.inf
            if took <= dies:
                break
            heapq.heappush(free, (scheduler + dies + start, False))
            again += 1
        busy += took
        ends.append(scheduler + took)
        heapq.heappush(free, (ends[-1], True))
    work = max(ends, default=0.0)
    idle = 1 - busy / (site.workers * (work - start)) if work > start else 0.0
    return {"seconds": before + work + after, "before": before, "work": work, "after": after,
            "idle": idle, "tasks": tasks, "again": again}  # fmt: skip


SITES = {
    "laptop, 4 workers": Site(4, 5e8),
    "node, 64 workers": Site(64, 2e9),
    "cluster, 512 workers": Site(512, 1e10, deaths=1 / 24),
}


def table(costs, sizes=(10**6, 10**7, 10**8)):
    """Yield the rows of the table of docs/scale.md, lists of str."""
    for size in sizes:
        for name, site in SITES.items():
            per_task = int(min(20000, max(2000, size // (site.workers * 50))))
            made = simulate(costs, site, size, per_task=per_task)
            core = size * (costs.read + costs.compute + costs.write + costs.assemble) / 3600
            yield [
                f"{size:.0e}".replace("+0", ""), name, _long(made["seconds"]),
                _long(made["work"]), _long(made["after"]), f"{100 * made['idle']:.0f} %",
                str(made["tasks"]), f"{core:.0f}", f"{size * costs.bytes / 1e12:.2f}",
                f"{size * costs.out / 1e9:.0f}", f"{site.workers * costs.memory / 1024:.0f}",
            ]  # fmt: skip


def _long(seconds):
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def assembling(table, *, few=20, many=100):
    """Return the core seconds per row that it takes to put parts of a table together.

    The difference of many and few parts is taken: what is done once does not count.
    """
    from common.catalogue.assemble import assemble
    from common.catalogue.parts import Parts
    from common.catalogue.repeats import repeated
    from gasnet2.predict import UNITS

    spent = {}
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary) / "a.parquet"
        parts, made = Parts(out, "mark"), 0
        for n in (few, many):
            for number in range(made, n):
                parts.begin(number)
                parts.write(number, 0, table.assign(id=table["id"] + f" {number}"), [])
                parts.finish(number)
            made, began = n, time.process_time()
            parts.leave_out({})
            parts.leave_out(repeated(parts))
            assemble(parts, out, notes={"units": UNITS})
            spent[n] = time.process_time() - began
    return (spent[many] - spent[few]) / ((many - few) * len(table))


def measure(folder, *, task=0.003):
    """Return the `Costs` on this machine, in seconds that one core worked.

    Parameters
    ----------
    folder : path-like
        Spectra of `benchmarks.scale`, a few thousand.
    task : float
        Seconds per task of the scheduler, which `benchmarks.scale` prints.
    """
    start = time.process_time()
    from common.accelerator import choose

    choose("float32")
    from common.catalogue.assemble import assemble
    from common.catalogue.files import SpectrumFiles
    from common.catalogue.parts import Parts
    from common.catalogue.step import Step
    from common.released import run_folder
    from common.surveys import find_files
    from gasnet2.config import PAPER
    from gasnet2.predict import UNITS, Rows

    run = run_folder(PAPER, "surveys")
    rows = Step(Rows, run, all_classes=False, min_probability=0.1, pdfs=False).here
    start = time.process_time() - start
    began = time.perf_counter()
    found = find_files([folder])
    source = SpectrumFiles(found)
    file = (time.perf_counter() - began) / len(found)
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary) / "a.parquet"
        parts, spent, n, batch = Parts(out, "mark"), dict(read=0.0, compute=0.0, write=0.0), 0, 0
        clock, first = time.process_time(), None

        def lap(name):
            nonlocal clock
            now = time.process_time()
            spent[name] += now - clock
            took, clock = now - clock, now
            return took

        for number, job in enumerate(source.jobs):
            for batch, spectra in enumerate(source.read(job, parts.begin(number))):
                lap("read")
                made = rows(spectra)
                took = lap("compute")
                if first is None:  # it traced
                    first = took
                    spent["compute"], n = 0.0, -len(spectra)
                    spent["read"] = 0.0
                parts.write(number, batch, *made)
                lap("write")
                n += len(spectra)
            parts.finish(number)
        table = next(parts.tables())
        whole, joined = n + len(table), assembling(table)
        assemble(parts, out, notes={"units": UNITS})
        size = sum(path.stat().st_size for path in [*parts.folder.iterdir(), out])
    status = Path("/proc/self/status").read_text()
    memory = int(status.split("VmHWM:")[1].split()[0]) / 1024
    each = {name: seconds / n for name, seconds in spent.items()}
    return Costs(**each, assemble=joined, start=start, first=first, file=file, task=task,
                 bytes=sum(source.sizes) / whole, out=size / whole, memory=memory)  # fmt: skip


def wait(seconds):
    """Be a task that takes so long and needs no core."""
    time.sleep(seconds)
    return seconds


def stand_in(workers, *, tasks=40, seconds=1.0):
    """Return seconds that tasks took by workers here, and what the model expects.

    The tasks wait in place of computing, so that a machine that others use too can be a judge.
    """
    from common.catalogue.crew import Processes, completed

    with Processes(workers) as crew:
        list(completed(crew, wait, [(0.0,)] * 4 * workers))  # all have begun
        began = time.perf_counter()
        list(completed(crew, wait, [(0.0,)] * 100))
        each = (time.perf_counter() - began) / 100
        began = time.perf_counter()
        list(completed(crew, wait, [(seconds,)] * tasks))
        took = time.perf_counter() - began
    nothing = dict.fromkeys(Costs.__dataclass_fields__, 0.0)
    costs = Costs(**nothing | {"compute": seconds, "task": each})
    return took, simulate(costs, Site(workers), tasks, per_task=1)["work"], each


def main():
    """Measure where asked to, and print the table."""
    p = argparse.ArgumentParser(prog="python -m benchmarks.scale_model", description=__doc__)
    p.add_argument("--measure", type=Path, metavar="FOLDER")
    p.add_argument("--costs", type=Path, help="JSON; written by --measure, else read")
    p.add_argument("--task", type=float, default=0.003, help="seconds per task of the scheduler")
    p.add_argument("--check", type=int, nargs=2, metavar=("SPECTRA", "PER_TASK"),
                   help="print what is expected of 1, 2 and 4 workers instead")  # fmt: skip
    p.add_argument("--share", type=float, nargs="+", default=[1.0],
                   help="of a core, that each process got, for each of --check")  # fmt: skip
    p.add_argument("--stand-in", action="store_true",
                   help="compare with 1, 2 and 4 workers here, whose tasks wait")  # fmt: skip
    args = p.parse_args()
    if args.stand_in:
        print("| workers | tasks of 1 s | seconds | expected | ms a task |\n|---|---|---|---|---|")
        for n in (1, 2, 4):
            took, expected, each = stand_in(n)
            print(f"| {n} | 40 | {took:.1f} | {expected:.1f} | {1e3 * each:.1f} |", flush=True)
        return
    if args.measure:
        costs = measure(args.measure, task=args.task)
        if args.costs:
            args.costs.write_text(json.dumps(asdict(costs), indent=1))
    else:
        costs = Costs(**json.loads(args.costs.read_text()))
    print(json.dumps(asdict(costs), indent=1))
    if args.check:
        for k, n in enumerate((1, 2, 4)):
            share = args.share[min(k, len(args.share) - 1)]
            made = simulate(replace(costs), Site(n, share=share), args.check[0],
                            per_task=args.check[1])  # fmt: skip
            parts = ", ".join(f"{made[k]:.1f} {k}" for k in ("before", "work", "after"))
            print(f"{n} workers, {share:.2f} of a core each: {made['seconds']:.0f} s ({parts})")
        return
    head = ("spectra", "where", "in all", "work", "putting together", "workers idle", "tasks",
            "core hours", "TB read", "GB written", "GiB of memory")  # fmt: skip
    print("\n| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
    for row in table(costs):
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
