"""The command `reproduce`: train, explain, evaluate and report, the whole paper at once."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

from common.cli import parser, run, say
from common.commands.train import KEPT, trained
from common.errors import SuiteError
from common.surveys import find_files


def main(paper, about, argv=None, *, train, steps, evaluate, more=None, options=(), check=None,
         files=find_files):  # fmt: skip
    """Run the command line; return the exit status.

    Parameters
    ----------
    paper : common.paper.Paper
    about : str
        One sentence for --help.
    train, more
        As of `common.commands.train.main`.
    steps : sequence of (str, callable)
        What stands between training and evaluation: name, and (run_dir, config, args) -> anything.
        One that fails is told and left out: hours of training are not lost to a figure.
    evaluate : callable
        `(run_dir, *, on=None)` -> path of the report.
    argv : sequence of str, optional
    options : sequence of common.paper.Option
        Of this command alone.
    check : callable, optional
        (config, args) -> None: raises `UsageError` before the training.
    files : callable
        Folders -> files that may be tested on; raises `UsageError` where there are none.
    """
    p = parser(paper.module("reproduce"), about)
    paper.add_options(p)
    p.add_argument("-o", "--output", type=Path, help="run folder (default: runs/DATASET-SCALE)")
    p.add_argument("--on", type=Path, action="append", default=[], metavar="DIR",
                   help="folder of files with labels to test on too; repeatable")  # fmt: skip
    for option in options:
        option.add(p)

    def before(args, config):
        if check is not None:
            check(config, args)
        for folder in args.on:
            files([folder])

    def work(args):
        clock = [("", time.perf_counter())]
        run_dir, config = trained(
            paper, train, args, args.output, more=more, before=lambda c: before(args, c)
        )
        clock.append(("data and training", time.perf_counter()))
        for name, step in steps:
            try:
                step(run_dir, config, args)
            except (SuiteError, OSError, MemoryError) as error:
                say(f"no {name}: {error}")
            clock.append((name, time.perf_counter()))
        for folder in args.on:
            say(f"on {folder}: {evaluate(run_dir, on=folder)}")
        report = evaluate(run_dir)
        clock.append(("evaluation", time.perf_counter()))
        say(_told(clock))
        say(f"report: {report}")

    return run(work, p.parse_args(argv), kept=KEPT)


def _told(clock):
    """Return how many minutes each part took, and all of them."""
    spans = [(name, end - begin) for (_, begin), (name, end) in pairwise(clock)]
    spans.append(("all", clock[-1][1] - clock[0][1]))
    return ", ".join(f"{name} {seconds / 60:.1f} min" for name, seconds in spans)
