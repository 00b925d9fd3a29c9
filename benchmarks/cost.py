"""What one spectrum costs the cores in GaSNet-II, by what runs: ``python -m benchmarks.cost``.

Networks of the paper's size with their first weights: the cost does not depend on them. The
classes are even, as in the paper's test set (7 of 13 are stars, which need no redshift network).
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

from benchmarks.__main__ import N_PIXELS, machine


def seconds(work, n, rounds):
    """Return the median seconds of all cores, and of the clock, per spectrum."""
    work()  # traces
    cores, clock = [], []
    for _ in range(rounds):
        began = time.process_time(), time.perf_counter()
        work()
        cores.append((time.process_time() - began[0]) / n)
        clock.append((time.perf_counter() - began[1]) / n)
    return statistics.median(cores), statistics.median(clock)


def main():
    """Print the table of costs."""
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--spectra", type=int, default=260)
    args = p.parse_args()

    from common.accelerator import choose
    from common.inference import predict
    from gasnet2.config import SDSS_CLASSES, extragalactic, make_config
    from gasnet2.model import build_classifier, build_redshift
    from gasnet2.networks import Networks, routed

    choose("float32")
    x = np.random.default_rng(0).normal(size=(args.spectra, N_PIXELS)).astype("float32")
    classifier = build_classifier(N_PIXELS, 13)
    config, names = make_config("sdss-mock", "paper"), extragalactic(SDSS_CLASSES)
    even = np.full((len(x), 13), 0.01)
    even[np.arange(len(x)), np.arange(len(x)) % 13] = 0.88
    rows = [("class alone", *seconds(lambda: predict(classifier, x), len(x), args.rounds))]
    for members in (2, 10):
        redshift = {name: build_redshift(N_PIXELS, members) for name in names}
        networks = Networks(config, classifier, redshift)

        def both(networks=networks):
            predict(classifier, x)
            routed(networks, x, even)

        name = f"class and redshift, {members} members"
        rows.append((name, *seconds(both, len(x), args.rounds)))
    print(f"{machine()}; {args.spectra} spectra, {args.rounds} rounds\n")
    print("| what runs | core seconds per spectrum | seconds of the clock |\n|---|---|---|")
    for name, cores, clock in rows:
        print(f"| {name} | {cores:.4f} | {clock:.4f} |")


if __name__ == "__main__":
    main()
