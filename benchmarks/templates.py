"""Classes and redshifts: the template network beside the paper's, alone and from files.

``python -m benchmarks.templates --templates RUN --paper RUN FILES...``: both runs on the same
files, in turns, in one process. The medians over the rounds are printed: spectra a second of the
networks alone (prepared input in memory), of files to a catalogue, and of reading alone. Redrock
0.21, one process, took 0.87 s for a spectrum of SDSS on such a machine, with its own templates.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np


def seconds(work):
    """Return the wall time of a call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def prepared(networks, paths):
    """Return prepared input of all usable spectra, repeated to at least 2048 rows."""
    from gasnet2.predict import usable_chunks

    x = np.concatenate([x for _, x in usable_chunks(networks.config, paths, [])])
    return np.concatenate([x] * -(-2048 // len(x)))[:2048]


def alone(networks, x):
    """Return a call that takes prepared input to class, redshift and error."""
    from common.inference import predict
    from gasnet2.networks import routed

    if networks.config.is_templates:
        from gasnet2.templates.networks import solved

        return lambda: solved(networks, lambda rows: x[rows], len(x))
    return lambda: routed(networks, x, predict(networks.classifier, x))


def main():
    """Time both networks in turns and print the medians."""
    from common.accelerator import choose
    from common.surveys import find_files, read_many
    from gasnet2.networks import load_networks
    from gasnet2.predict import predict_files

    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--templates", type=Path, required=True, help="run of the template network")
    p.add_argument("--paper", type=Path, required=True, help="run of the paper's networks")
    p.add_argument("--precision", default="float32")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("files", nargs="+", type=Path)
    args = p.parse_args()
    choose(args.precision)
    runs = {"templates": args.templates, "paper": args.paper}
    loaded = {name: load_networks(run) for name, run in runs.items()}
    paths = find_files(args.files)
    n = sum(len(s) for s in read_many(paths))
    inputs = {name: prepared(networks, paths) for name, networks in loaded.items()}
    rates = {}
    for round_ in range(args.rounds + 1):  # the first warms up
        found = {"reading": n / seconds(lambda: [len(s) for s in read_many(paths)])}
        for name, networks in loaded.items():
            found[f"{name}, network alone"] = 2048 / seconds(alone(networks, inputs[name]))
            with tempfile.TemporaryDirectory() as folder:
                out = Path(folder) / "out.fits"
                found[f"{name}, files to catalogue"] = n / seconds(
                    lambda run=runs[name], out=out: predict_files(run, paths, out)
                )
        if round_:
            for name, rate in found.items():
                rates.setdefault(name, []).append(rate)
    print(f"{n} spectra in {len(paths)} files, {args.rounds} rounds, {args.precision}")
    for name, values in rates.items():
        spread = f"{min(values):.0f}-{max(values):.0f}"
        print(f"{name:32} {statistics.median(values):8.1f} spectra/s ({spread})")


if __name__ == "__main__":
    main()
