"""The command `train`: options, device, run folder, what to do next."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from common.cli import parser, run, say

KEPT = "Finished epochs and networks are kept; go on with the same command and --resume."


def main(paper, train, argv=None, *, more=None):
    """Run the command line; return the exit status.

    Parameters
    ----------
    paper : common.paper.Paper
    train : callable
        `(config, run_dir, *, accelerator, data_dir=None, resume=False, offline=False, **more)` ->
        anything: the paper's Config; path-like, the run folder (docs/run-folder.md says what it
        holds); `common.accelerator.Accelerator`; path-like, the folder of the data set's files;
        whether to go on with an interrupted run; whether to use no network.
    argv : sequence of str, optional
    more : callable, optional
        Parsed arguments -> further keyword arguments of `train`.
    """
    p = parser(paper.module("train"), paper.about)
    paper.add_options(p)
    p.add_argument("--run-dir", type=Path, help="run folder (default: runs/DATASET-SCALE)")

    def work(args):
        run_dir, _ = trained(paper, train, args, args.run_dir, more=more)
        say(f"run folder: {run_dir}")
        say(f"next: {paper.module('evaluate')} --run-dir {run_dir}")

    return run(work, p.parse_args(argv), kept=KEPT)


def trained(paper, train, args, run_dir=None, *, more=None, before=None):
    """Train what the options of `Paper.add_options` ask for.

    Parameters
    ----------
    paper, train, more
        As of `main`.
    args : argparse.Namespace
    run_dir : path-like, optional
        As the user named it.
    before : callable, optional
        Called with the configuration before anything is done: a wrong option is better known
        before the training than after it.

    Returns
    -------
    run_dir : Path
    config : the paper's Config
    """
    from common.accelerator import choose

    config = paper.config_of(args)
    if before is not None:
        before(config)
    accelerator = choose(args.precision)
    config = replace(config, precision=accelerator.precision)
    run_dir = Path(run_dir or paper.run_dir(config))
    train(
        config,
        run_dir,
        accelerator=accelerator,
        data_dir=args.data_dir,
        resume=args.resume,
        offline=args.offline,
        **(more(args) if more else {}),
    )
    return run_dir, config
