"""Train, explain, evaluate and report: the whole paper by one command."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from common.cli import parser, run, say
from common.errors import SuiteError
from common.surveys import find_files
from mtopnet import train as training
from mtopnet.config import REPRODUCED


def _arguments():
    p = parser(
        "python -m mtopnet.reproduce",
        "Train, evaluate, explain and report M-TOPnet on MOONS spectra.",
    )
    training.add_training_options(p)
    p.add_argument("-o", "--output", type=Path, help="run folder (default: runs/DATASET-SCALE)")
    p.add_argument("--on", type=Path, action="append", default=[],
                   help="folder of spectra and labels to test on too; repeatable")  # fmt: skip
    return p


def work(args):
    """Do what the command line asks for."""
    from common.accelerator import choose
    from mtopnet.evaluate import evaluate_run
    from mtopnet.explain import explain_run
    from mtopnet.latent import latent_run

    config = training.config_of(args)
    for folder in args.on:  # a wrong path is better known before the training than after it
        find_files([folder])
    accelerator = choose(args.precision)
    config = replace(config, precision=accelerator.precision)
    run_dir = args.output or training.default_run_dir(config)
    variants = REPRODUCED[config.scale] if args.variants is None else args.variants
    training.train(config, run_dir, accelerator=accelerator, data_dir=args.data_dir,
                   variants=variants, resume=args.resume, offline=args.offline)  # fmt: skip
    explain_run(run_dir)
    try:
        latent_run(run_dir)
    except SuiteError as error:  # few spectra, or no umap-learn: the report names what is missing
        say(f"no Fig. 13: {error}")
    for folder in args.on:
        say(f"spectra of {folder}: {evaluate_run(run_dir, on=folder)}")
    report = evaluate_run(run_dir)
    say(f"report: {report}")


def main(argv=None):
    """Run the command line; return the exit status."""
    return run(work, _arguments().parse_args(argv), kept=training.KEPT)


if __name__ == "__main__":
    sys.exit(main())
