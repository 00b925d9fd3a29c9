"""Time and memory of the MOONS mock, made and read again: ``python -m benchmarks.moons_mock``."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from common.surveys import read_many
from mtopnet.mock.make import make_mock


def peak():
    """Return the largest memory that this process has held, MiB, or NaN where it is not told."""
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024


def main():
    """Make a mock, read it, print a row of a table for each."""
    p = argparse.ArgumentParser(prog="python -m benchmarks.moons_mock", description=__doc__)
    p.add_argument("--n", type=int, default=3334, help="galaxies; each gives three spectra")
    args = p.parse_args()
    print("| work | spectra | s | spectra/s | peak memory, MiB |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        make_mock(n=args.n, seed=1, out_dir=folder, progress=False)
        made = time.perf_counter() - began
        n = 3 * args.n
        print(f"| make | {n} | {made:.1f} | {n / made:.0f} | {peak():.0f} |")
        began = time.perf_counter()
        n = sum(len(part) for part in read_many(folder, progress=False))
        took = time.perf_counter() - began
        print(f"| read | {n} | {took:.1f} | {n / took:.0f} | {peak():.0f} |")


if __name__ == "__main__":
    main()
