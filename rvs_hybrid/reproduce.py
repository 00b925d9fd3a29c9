"""Train, compare with networks of fewer inputs, evaluate, explain and report, from one command."""

from __future__ import annotations

import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path

from common.cli import parser, run, say
from common.errors import SuiteError, UsageError
from rvs_hybrid.baseline import NAME as MLP
from rvs_hybrid.train import KEPT, add_training_options, config_of, default_run_dir

VARIANTS = {"xp": ("xp",), "xp+phot": ("xp", "phot"), MLP: None}


def _arguments():
    p = parser("python -m rvs_hybrid.reproduce", "Train, evaluate, explain and report.")
    add_training_options(p)
    p.add_argument("-o", "--output", type=Path, help="run folder (default: runs/DATASET-SCALE)")
    p.add_argument("--variants", nargs="*", default=list(VARIANTS), metavar="NAME",
                   help=f"what to compare with on the same stars, out of {' '.join(VARIANTS)}; "
                   "none after the option: nothing")  # fmt: skip
    return p


def compare(config, run_dir, names, *, accelerator, data_dir=None, offline=False):
    """Train the variants of a finished run on the same stars.

    Parameters
    ----------
    config : Config
        Of the run.
    run_dir : path-like
        Its folder; a variant goes to variants/NAME below it.
    names : sequence of str
        Out of `VARIANTS`. One that is as the run itself is left out.
    accelerator, data_dir, offline
        As `rvs_hybrid.train.train` takes them.
    """
    from common.pipeline import Shards
    from rvs_hybrid.baseline import train_mlp
    from rvs_hybrid.networks import read_config
    from rvs_hybrid.train import train

    run_dir = Path(run_dir)
    for name in names:
        folder = run_dir / "variants" / name
        inputs = VARIANTS[name]
        if inputs == config.inputs or (name == MLP and not {"xp", "phot"} <= set(config.inputs)):
            continue
        if (folder / "predictions.parquet").exists():
            continue
        say(f"variant {name}")
        if name == MLP:
            train_mlp(Shards(run_dir / "data"), read_config(run_dir)[0], folder)
            continue
        part = replace(config, inputs=inputs, rvs="none", members=(config.members + 1) // 2)
        train(part, folder, accelerator=accelerator, data_dir=data_dir, resume=True,
              offline=offline)  # fmt: skip
        shutil.rmtree(folder / "data")


def work(args):
    """Do what the command line asks for."""
    from common.accelerator import choose
    from rvs_hybrid.evaluate import evaluate_run
    from rvs_hybrid.explain import explain_run
    from rvs_hybrid.train import train

    unknown = [name for name in args.variants if name not in VARIANTS]
    if unknown:
        raise UsageError(
            f"--variants must be out of {', '.join(VARIANTS)}. Received {', '.join(unknown)}."
        )
    config = config_of(args)
    accelerator = choose(args.precision)
    config = replace(config, precision=accelerator.precision)
    run_dir = args.output or default_run_dir(config)
    options = dict(accelerator=accelerator, data_dir=args.data_dir, offline=args.offline)
    began = time.perf_counter()
    train(config, run_dir, resume=args.resume, **options)
    compare(config, run_dir, args.variants, **options)
    trained = time.perf_counter()
    try:
        explain_run(run_dir)
    except SuiteError as error:  # a network without spectra has no gradients along them
        say(f"no gradients: {error}")
    report = evaluate_run(run_dir)
    ended = time.perf_counter()
    say(f"training {(trained - began) / 60:.1f} min, all {(ended - began) / 60:.1f} min")
    say(f"report: {report}")


def main(argv=None):
    """Run the command line; return the exit status."""
    return run(work, _arguments().parse_args(argv), kept=KEPT)


if __name__ == "__main__":
    sys.exit(main())
