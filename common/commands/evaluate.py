"""The command `evaluate`: a run on its test split or on files, or a table made elsewhere."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from common import rows, runs
from common.catalog import FORMATS
from common.cli import parser, run, say
from common.errors import UsageError
from common.evaluation import write
from common.paper import Option
from common.released import add_run_dir, is_released, run_folder, writable

INSPECTED = Option(
    "--inspected",
    "verdicts that a page of inspection exported: labels of the files of --on in place of their own"
    " (quality 3 or better; others are left out)",
    more={"type": Path, "metavar": "CSV"},
)


def main(paper, about, argv=None, *, of_run, of_table, options=(), of_run_only=(), again=None,
         unseen=""):  # fmt: skip
    """Run the command line; return the exit status.

    Parameters
    ----------
    paper : common.paper.Paper
    about : str
        One sentence for --help.
    argv : sequence of str, optional
    of_run : callable
        `(run_dir, out=None, on=None, **options)` -> Path of report.html: path-like, the run folder;
        path-like, where figures/, tables/, claims.ecsv and report.html go, by default the run
        folder or, with `on`, its subfolder on_NAME; path-like, a folder of files with labels to
        predict and evaluate in place of the test split. It raises `ReadError` where the folder
        holds no finished run, `SuiteError` where there is nothing to evaluate.
    of_table : callable
        `(path, out, **options)` -> Path of report.html: path-like, a table of true and predicted
        values made elsewhere; path-like, the output folder.
    options, of_run_only : sequence of common.paper.Option
        Further options of both, and of runs alone; `INSPECTED` where an inspector's verdicts can
        be labels.
    again : callable, optional
        `(released, out)`: predicts the test split of a released network anew, into a run folder
        `out`, for a paper whose data anyone can fetch.
    unseen : str
        What the paper is judged by, where no eye can see it, in words.
    """
    p = parser(paper.module("evaluate"), about)
    source = p.add_mutually_exclusive_group()
    add_run_dir(source, paper)
    source.add_argument("--predictions", type=Path, metavar="FILE", help="table of true and "
                        f"predicted values made elsewhere ({', '.join(FORMATS)})")  # fmt: skip
    p.add_argument("--on", type=Path, metavar="DIR",
                   help="folder of files with labels to test the run on")  # fmt: skip
    for option in (*of_run_only, *options):
        option.add(p)
    if INSPECTED not in of_run_only:
        INSPECTED.add(p)
    p.add_argument("-o", "--output", type=Path, help="output folder (default: the run folder)")
    p.add_argument("--offline", action="store_true", help="use no network")

    def work(args):
        more = {o.key: o.checked(args) for o in options}
        only = {o.key: o.checked(args) for o in of_run_only}
        if args.inspected is not None:
            if INSPECTED not in of_run_only:
                raise UsageError(
                    f"--inspected: {paper.package} is judged by {unseen}, which no eye can see in "
                    "a spectrum. Use the verdicts to leave spectra out of what it is tested on."
                )
            if args.on is None and args.predictions is None:
                raise UsageError("--inspected goes with --on, the files that were inspected.")
        if args.predictions is None:
            run_dir = run_folder(paper, args.run_dir)
            out = args.output
            if is_released(run_dir):
                if args.on is not None:
                    out = out or writable(paper, run_dir) / f"on_{args.on.resolve().name}"
                elif again is None:
                    raise UsageError(
                        f"--on is needed: the released network {run_dir.name} comes without "
                        "predictions of its own; its card says what it scored."
                    )
                else:
                    out = out or writable(paper, run_dir)
                    again(run_dir, out)
                    run_dir = out
            if args.inspected is not None and args.output is None:  # beside that by its own labels
                out = Path(out or run_dir / f"on_{args.on.resolve().name}")
                out = out.with_name(f"{out.name}_inspected")
            say(f"report: {of_run(run_dir, out, args.on, **only, **more)}")
            return
        if args.output is None:
            raise UsageError("--predictions needs -o DIR, the folder to write to.")
        if args.on is not None or any(only.values()):
            names = " and ".join(["--on", *(o.name for o in of_run_only)])
            raise UsageError(
                f"{names} go with --run-dir: a table of predictions has no networks."
                if only
                else "--on goes with --run-dir: a table of predictions has no networks."
            )
        say(f"report: {of_table(args.predictions, args.output, **more)}")

    return run(work, p.parse_args(argv))


def evaluate_run(kind, labelled, run_dir, out=None, on=None, *, wanted=0):
    """Evaluate a run of a paper whose predictions are all that its evaluation needs.

    Parameters
    ----------
    kind : type
        The paper's `common.evaluation.Evaluation`.
    labelled : callable
        `(run_dir, paths)` -> predictions of labelled files, with a dataset, and the rejects: as
        `common.rows.collected` gives them.
    run_dir, out, on
        As `main` says of `of_run`.
    wanted : int
        Spectra that the paper tested, see `common.rows.name_of`.
    """
    config, about = runs.read_config(run_dir, kind.paper.config)
    how = dict(config=config, about=about, run_dir=Path(run_dir), history=runs.history_of(run_dir))
    if on is None:
        df = rows.held_out(pd.read_parquet(runs.predictions_of(run_dir, kind.paper.package)))
        ev = kind(df=df, dataset=rows.name_of(kind.paper, config, len(df), wanted), **how)
        return write(ev, out or run_dir)
    df, rejects = labelled(run_dir, [on])
    out = rows.kept(df, run_dir, on, out)
    ev = kind(df=df, dataset=rows.name_on(config, df, on), real=True, **how)
    return write(ev, out, rejects=rejects)


def evaluate_table(kind, needs, path, out):
    """Evaluate a table made elsewhere, which must have the columns `needs`; else as above."""
    df = rows.held_out(rows.read_predictions(path, needs))
    ev = kind(df=df, dataset=rows.name_of_table(path, df, kind.survey))
    return write(ev, out, source=path)
