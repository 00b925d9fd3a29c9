"""The command `explain`: what the networks of a run look at."""

from __future__ import annotations

from pathlib import Path

from common.cli import parser, run
from common.errors import UsageError
from common.released import add_run_dir, is_released, run_folder, writable


def main(paper, about, explain, argv=None, *, options=(), paths=""):
    """Run the command line; return the exit status.

    Parameters
    ----------
    paper : common.paper.Paper
    about : str
        One sentence for --help.
    explain : callable
        Parsed arguments -> anything; it says what it found.
    argv : sequence of str, optional
    options : sequence of common.paper.Option
    paths : str
        Help of the files that may be explained in place of the run's own; "" where none may.
    """
    p = parser(paper.module("explain"), about)
    add_run_dir(p, paper)
    p.add_argument("-o", "--output", type=Path, help="output folder (default: the run folder)")
    p.add_argument("--offline", action="store_true", help="use no network")
    for option in options:
        option.add(p)
    if paths:
        p.add_argument("paths", nargs="*", type=Path, metavar="FILE_OR_FOLDER", help=paths)

    def work(args):
        from common.accelerator import choose

        for option in options:
            option.checked(args)
        args.run_dir = run_folder(paper, args.run_dir)
        args.output = writable(paper, args.run_dir, args.output)
        if is_released(args.run_dir) and not getattr(args, "paths", None):
            raise UsageError(
                f"Name the files to explain: the released network {args.run_dir.name} has no data "
                "of its own."
                if paths
                else f"{paper.module('explain')} explains a run's own data, which no released "
                "network has. Name a run with --run-dir."
            )
        choose("float32")
        explain(args)

    return run(work, p.parse_args(argv))
