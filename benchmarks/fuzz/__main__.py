"""Damaged files through every reader: ``python -m benchmarks.fuzz --files N --full M --seed S``.

Whatever the bytes, a reader gives spectra or a table, or an error of the project's own; within 2 s
of processor time and 1 GB of memory, and with at most 20 warnings. The files are damaged by
`benchmarks.fuzz.mutate` and read in a process whose address space is limited; the one that watches
it counts a crash or a hang too. ``--seed`` and its number tell a case: ``--case N`` repeats it.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from pathlib import Path

from benchmarks.fuzz.seeds import cut, real, written
from benchmarks.fuzz.watch import again, path_of, run


def seeds_of(data, *, whole):
    """Return the files to damage: whole real ones, or cut-down ones and those written here."""
    folder = path_of(data)
    found = real(folder) if folder else []
    if whole:
        return found or written()
    return written() + [small for small in map(cut, found) if len(small.content) < 2**18]


def told(tally, started, file):
    """Write one line of progress."""
    kinds = dict(Counter(f["kind"] for f in tally.failures))
    rate = tally.files / max(time.time() - started, 1e-9)
    print(f"{tally.files} files, {rate:.0f}/s: {tally.read} read, {tally.refused} refused, "
          f"failures {kinds or 0}, slowest {tally.slowest:.2f} s, "
          f"memory +{tally.memory / 2**20:.0f} MB", file=file, flush=True)  # fmt: skip


def main(argv=None):
    p = argparse.ArgumentParser("python -m benchmarks.fuzz", description=__doc__.split("\n")[0])
    p.add_argument("--files", type=int, default=2000, help="cut-down files")
    p.add_argument("--full", type=int, default=100, help="whole files")
    p.add_argument("--first", type=int, default=0, help="number of the first case")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--data", type=Path, default=os.environ.get("SHARED_DATA"),
                   help="folder that holds real/; SHARED_DATA by default")  # fmt: skip
    p.add_argument("--minutes", type=float, help="stop then")
    p.add_argument("--case", type=int, help="repeat one case of the cut-down files")
    p.add_argument("--whole-case", type=int, help="repeat one case of the whole files")
    args = p.parse_args(argv)
    until = time.time() + 60 * args.minutes if args.minutes else None
    wrong = 0
    for n, whole, case in ((args.full, True, args.whole_case), (args.files, False, args.case)):
        single = args.case is not None or args.whole_case is not None
        if (case is None) if single else not n:
            continue
        seeds = seeds_of(args.data, whole=whole)
        if single:
            return len(again(args.seed + whole, case, seeds).failures)
        print(f"{'whole' if whole else 'cut-down'} files: {len(seeds)} kinds", flush=True)
        started, last = time.time(), [0.0]

        def progress(tally, started=started, last=last):
            for failure in tally.failures[last[0] if isinstance(last[0], int) else 0 :]:
                print(f"--- {failure['kind']}: case {failure['case']} {failure['name']} "
                      f"{failure['reader']}\n{failure['text']}", flush=True)  # fmt: skip
            last[0] = len(tally.failures)
            if sys.stderr.isatty():
                told(tally, started, sys.stderr)

        cases = range(args.first, args.first + n)
        tally = run(args.seed + whole, cases, seeds, told=progress, until=until)
        told(tally, started, sys.stdout)
        wrong += len(tally.failures)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
