"""The command `predict`: from files to one catalogue."""

from __future__ import annotations

from pathlib import Path

from common.catalogue.assemble import rejects_of
from common.catalogue.how import add_how, how_of
from common.cli import parser, run, say
from common.released import add_run_dir, run_folder

KEPT = "Finished parts are kept; go on with the same command."


def main(paper, about, argv=None, *, predict, options=(), verb="predict",
         paths="what to predict", unit="spectra"):  # fmt: skip
    """Run the command line; return the exit status.

    Parameters
    ----------
    paper : common.paper.Paper
    about : str
        One sentence for --help.
    argv : sequence of str, optional
    predict : callable
        `(run_dir, paths, out, *, precision, how, **options)` -> `common.catalogue.recipe.Made`.
    options : sequence of common.paper.Option
    verb : str
        How the module is called.
    paths : str
        Help of the files and folders.
    unit : str
        What a row is of, in words.
    """
    p = parser(paper.module(verb), about)
    add_run_dir(p, paper)
    p.add_argument("-o", "--output", type=Path, required=True, metavar="OUT",
                   help="catalogue: .fits, .vot, .parquet, .ecsv or .csv")  # fmt: skip
    for option in options:
        option.add(p)
    p.add_argument("--precision", default="auto", help=f"as in {paper.package}.train")
    add_how(p)
    p.add_argument("--offline", action="store_true", help="use no network")
    p.add_argument("paths", nargs="+", type=Path, metavar="FILE_OR_FOLDER", help=paths)

    def work(args):
        from common.accelerator import choose

        how = how_of(args)
        how.check(args.output)
        own = {option.key: option.checked(args) for option in options}
        own["precision"] = choose(args.precision).precision
        made = predict(run_folder(paper, args.run_dir), args.paths, args.output, how=how, **own)
        say(f"{made.rows} {unit}{made.told} -> {args.output}")
        for name, path in made.beside:
            say(f"{name} -> {path}")
        if made.lost:
            say(f"{made.lost} could not be used -> {rejects_of(args.output)}")

    return run(work, p.parse_args(argv), kept=KEPT)
