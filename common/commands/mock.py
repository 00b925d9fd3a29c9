"""The command `mock`: simulated spectra in the survey's own files, with labels beside them."""

from __future__ import annotations

from pathlib import Path

from common.cli import parser, run, say
from common.errors import UsageError


def main(paper, argv=None, *, make, about, unit, n, options=()):
    """Run the command line; return the exit status.

    Parameters
    ----------
    paper : common.paper.Paper
    argv : sequence of str, optional
    make : callable
        `(n, seed, out_dir, offline, **options)` -> the files of spectra.
    about, unit : str
        One sentence for --help, and what is counted.
    n : int
        How many by default.
    options : sequence of common.paper.Option
    """
    p = parser(paper.module("mock"), about)
    p.add_argument("--n", type=int, default=n, help=unit)
    p.add_argument("--seed", type=int, default=101,
                   help="same seed, same mock; trainings have 1 or 42")  # fmt: skip
    for option in options:
        option.add(p)
    p.add_argument("--offline", action="store_true", help="use no network")
    p.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the files go")

    def work(args):
        if args.out.exists() and any(args.out.iterdir()):
            raise UsageError(f"--out {args.out} is there and not empty. Name a new folder.")
        own = {option.key: option.checked(args) for option in options}
        files = make(n=args.n, seed=args.seed, out_dir=args.out, offline=args.offline, **own)
        say(f"{len(files)} files of simulated spectra, which nobody observed -> {args.out}")

    return run(work, p.parse_args(argv))
