"""Pre-processing of solar-like spectra, vectorised against step by step.

``python -m benchmarks.solarlike_preprocess FILE_OR_FOLDER...`` (LAMOST spectra; run it in the root
of the repository). The slow side is tests/solardis_reference.py, one spectrum after the other with
numpy.polyfit and scipy's filter. Reading is left out on both sides. Rounds alternate, and the
median ratio of the rounds is what to quote.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from pathlib import Path

import numpy as np

from benchmarks.__main__ import machine


def rounds_of(sides, n, rounds):
    """Return {side: spectra per second in each round}; sides take turns."""
    rates = {name: [] for name in sides}
    for _ in range(rounds):
        for name, work in sides.items():
            began = time.perf_counter()
            work()
            rates[name].append(n / (time.perf_counter() - began))
    return rates


def main():
    """Print one row for each way of working, and the largest difference of the results."""
    from threadpoolctl import threadpool_limits

    from common.spectra import Spectra
    from common.surveys import read_many
    from solarlike_distance import preprocess as fast
    from solarlike_distance.config import make_config
    from tests.solarlike_distance.solardis_reference import prepare_one

    p = argparse.ArgumentParser(prog="python -m benchmarks.solarlike_preprocess",
                                description=__doc__)  # fmt: skip
    p.add_argument("files", nargs="+", type=Path)
    p.add_argument("--rounds", type=int, default=5)
    args = p.parse_args()
    config = make_config("lamost")
    spectra = Spectra.concatenate(list(read_many(args.files, progress=False, duplicates="keep")))
    spectra = spectra[fast.preprocess(spectra, config).usable]
    n, slow = len(spectra), {}
    no_flags = np.zeros(len(spectra.flux[0]), dtype=bool)

    def step_by_step():
        for i in range(n):
            marks = [m[i] if m is not None else no_flags for m in (spectra.mask, spectra.or_mask)]
            slow[i] = prepare_one(
                wave=spectra.wavelength_of(i).astype("float32"), grid=config.grid,
                flux=np.asarray(spectra.flux[i], dtype=float), and_mask=marks[0],
                or_mask=marks[1], z=float(spectra.meta["z"].iloc[i]),
            )[0]  # fmt: skip

    def step_by_step_one_thread():
        with threadpool_limits(limits=1, user_api="blas"):
            step_by_step()

    def vectorised():
        return fast.preprocess(spectra, config).x

    def vectorised_one_core():
        if not hasattr(os, "sched_setaffinity"):
            return vectorised()
        mine = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(mine)})
        try:
            return vectorised()
        finally:
            os.sched_setaffinity(0, mine)

    sides = {
        "step by step, as NumPy comes": step_by_step,
        "step by step, one BLAS thread": step_by_step_one_thread,
        "vectorised, one core": vectorised_one_core,
        f"vectorised, {fast.cores()} cores": vectorised,
    }
    vectorised()
    rates = rounds_of(sides, n, args.rounds)
    print(machine())
    print(f"{n} spectra, {args.rounds} rounds\n")
    print("| way | spectra/s | against step by step, as NumPy comes | against one BLAS thread |")
    print("|---|---|---|---|")
    plain, single = (rates[name] for name in list(sides)[:2])
    for name, rate in rates.items():
        ratios = [statistics.median(a / b for a, b in zip(rate, other, strict=True))
                  for other in (plain, single)]  # fmt: skip
        print(f"| {name} | {statistics.median(rate):.0f} | {ratios[0]:.1f} | {ratios[1]:.1f} |")
    made = vectorised()
    worst = max(np.abs(made[i] - slow[i]).max() for i in range(n))
    print(f"\nlargest difference of a pixel: {worst:.1e}")


if __name__ == "__main__":
    main()
