"""Train, compare, explain, evaluate and report: the whole paper by one command."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

from common.cli import parser, run, say
from common.surveys import find_files
from solarlike_distance import train as training


def _arguments():
    p = parser(
        "python -m solarlike_distance.reproduce",
        "Train, evaluate, explain and report the distances of solar-like stars.",
    )
    training.add_training_options(p)
    p.add_argument("-o", "--output", type=Path, help="run folder (default: runs/DATASET-SCALE)")
    p.add_argument("--on", type=Path, action="append", default=[],
                   help="folder of real files to test on too; repeatable")  # fmt: skip
    return p


def work(args):
    """Do what the command line asks for."""
    from common.accelerator import choose
    from solarlike_distance.baselines import baseline_run
    from solarlike_distance.evaluate import evaluate_run
    from solarlike_distance.explain import explain_run
    from solarlike_distance.galaxy import galaxy_run

    config = training.config_of(args)
    for folder in args.on:  # a wrong path is better known before the training than after it
        find_files([folder])
    accelerator = choose(args.precision)
    config = replace(config, precision=accelerator.precision)
    run_dir = args.output or training.default_run_dir(config)
    began = time.perf_counter()
    training.train(config, run_dir, accelerator=accelerator, data_dir=args.data_dir,
                   resume=args.resume, offline=args.offline)  # fmt: skip
    trained = time.perf_counter()
    baseline_run(run_dir)
    compared = time.perf_counter()
    explain_run(run_dir)
    explained = time.perf_counter()
    if config.is_mock:
        galaxy_run(run_dir, offline=args.offline)
    seen = time.perf_counter()
    for folder in args.on:
        say(f"real spectra of {folder}: {evaluate_run(run_dir, on=folder)}")
    report = evaluate_run(run_dir)
    ended = time.perf_counter()
    marks = {"data and training": trained - began, "Table C.1": compared - trained,
             "SHAP": explained - compared, "mock Galaxy": seen - explained,
             "all": ended - began}  # fmt: skip
    say(", ".join(f"{name} {seconds / 60:.1f} min" for name, seconds in marks.items()))
    say(f"report: {report}")


def main(argv=None):
    """Run the command line; return the exit status."""
    return run(work, _arguments().parse_args(argv), kept=training.KEPT)


if __name__ == "__main__":
    sys.exit(main())
