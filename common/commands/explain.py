"""The command `explain`: what the networks of a run look at."""

from __future__ import annotations

from pathlib import Path

from common.cli import parser, run


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
    p.add_argument("--run-dir", type=Path, required=True,
                   help=f"run folder of {paper.package}.train")  # fmt: skip
    p.add_argument("-o", "--output", type=Path, help="output folder (default: the run folder)")
    for option in options:
        option.add(p)
    if paths:
        p.add_argument("paths", nargs="*", type=Path, metavar="FILE_OR_FOLDER", help=paths)

    def work(args):
        from common.accelerator import choose

        for option in options:
            option.checked(args)
        choose("float32")
        explain(args)

    return run(work, p.parse_args(argv))
