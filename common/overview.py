"""One page over several runs: what each network does, its scores beside the published ones.

``python -m common.overview -o report.html RUN_DIR...``
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pandas as pd

from common.cli import parser, run, say
from common.errors import ReadError
from common.pictures import embedded
from common.report import VERDICTS, render, show, table_of
from common.rows import MOCK_FILES

TITLE = "What the networks do, and how well"


NEWER = {  # what covers of earlier versions lack
    "package": "", "paper": "", "gives": "", "dataset": "", "n": None, "scores": [], "counts": {},
}  # fmt: skip
KINDS = {  # of an evaluation -> what stands above its numbers
    "mock": "on the mock", "mock to real": "mock → real spectra", "real": "on real data",
}  # fmt: skip
NO_SCORES = (
    "Evaluated by an earlier version: what it gives and its scores are not known here. Evaluate "
    "the run again: python -m PAPER.evaluate."
)


def read_cover(folder):
    """Return what a run's report gives to an overview.

    Parameters
    ----------
    folder : path-like
        Of a run that was evaluated.

    Returns
    -------
    dict
        title, banner, warn, text, report, tables, figures; and, empty in a cover of an earlier
        version, package, paper, gives (one line), dataset, kind ("mock", "mock to real", "real"),
        n (objects tested), scores (as `common.headline.scores` gives them), counts (verdict ->
        published numbers).

    Raises
    ------
    ReadError
        If there is none.
    """
    path = Path(folder) / "cover.json"
    allowed = "the folder of an evaluated run"
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ReadError(
            folder, "no cover.json", allowed, "Evaluate the run first: python -m PAPER.evaluate."
        ) from None
    except (OSError, ValueError) as error:
        raise ReadError(path, f"not readable ({error})", allowed) from error
    needed = {"title", "banner", "text", "report", "tables", "figures"}
    if not isinstance(about, dict) or not needed <= about.keys():
        raise ReadError(path, "no cover of a report", allowed, "Evaluate the run again.")
    return NEWER | {"kind": "mock" if about.get("warn") else "real"} | about


def on_files(folder):
    """Return [(folder, cover)] of a run's evaluations on real files, those in its on_*/.

    Those on simulated spectra have reports of their own: here they would pass for the sky.
    """
    found = [(p.parent, read_cover(p.parent)) for p in sorted(Path(folder).glob("on_*/cover.json"))]
    return [(f, c) for f, c in found if c["scores"] and MOCK_FILES not in c["dataset"]]


def overview(folders, out):
    """Write one page over several runs: what each network does, how well, and where the rest is.

    Parameters
    ----------
    folders : sequence of path-like
        Run folders, in the order of the page.
    out : path-like
        The page.

    Returns
    -------
    Path
    """
    out = Path(out)
    parts = [_part(Path(folder), f"s{i}", out) for i, folder in enumerate(folders, 1)]
    times = Counter(part["title"] for part in parts)
    for part in parts:
        if times[part["title"]] > 1:  # of one paper's runs, which
            part["title"] += f" ({os.path.dirname(part['report']) or '.'})"
    render(out, "overview.html.jinja", parts=parts, title=TITLE)
    return out


def _part(folder, name, out):
    about = read_cover(folder)
    runs = [(folder, about), *on_files(folder)]
    figures = [{"caption": k, **embedded(folder / f)} for k, f in about["figures"].items()
               if (folder / f).is_file()]  # fmt: skip
    tables = {k: pd.DataFrame(t["data"], columns=t["columns"]) for k, t in about["tables"].items()}
    return {
        "name": name,
        "title": about["package"] or about["title"],
        "name_of_report": about["title"],
        "paper": about["paper"],
        "gives": about["gives"],
        "banner": about["banner"],
        "warn": about["warn"],
        "text": [p for p in about["text"].split("\n\n") if p],
        "old": "" if about["scores"] or about["gives"] else NO_SCORES,
        "bar": about["counts"] or _counted(tables),
        "report": os.path.relpath(folder / about["report"], out.parent),
        "scores": _scores(runs),
        "columns": [_column(f, c, out) for f, c in runs if c["scores"]],
        "figure": figures[0] if figures else None,
        "more": figures[1:],
        "tables": [table_of(t, k) for k, t in tables.items()],
    }


def _scores(runs):
    """Return a row for each quantity, with a cell for each evaluation that has scores."""
    columns = [{s["quantity"]: s for s in c["scores"]} for _, c in runs if c["scores"]]
    quantities = dict.fromkeys(q for column in columns for q in column)
    return [
        {
            "quantity": q,
            "published": show(next(c[q]["published"] for c in columns if q in c)),
            "ours": [{"value": show(c[q]["ours"]) if q in c else "", "n": _n(c, q)}
                     for c in columns],
        }
        for q in quantities
    ]  # fmt: skip


def _n(column, quantity):
    n = column.get(quantity, {}).get("n")
    return "" if n is None else show(n)


def _column(folder, about, out):
    name = folder.name.removeprefix("on_") if folder.name.startswith("on_") else about["dataset"]
    return {
        "kind": KINDS.get(about["kind"], about["kind"]),
        "name": name,
        "link": os.path.relpath(folder / about["report"], out.parent),
    }


def _counted(tables):
    """Return how many numbers have each verdict, of a cover of an earlier version."""
    found = [t["verdict"] for t in tables.values() if "verdict" in t]
    counts = pd.concat(found).value_counts() if found else {}
    return {v: int(counts.get(v, 0)) for v in VERDICTS} if len(counts) else {}


def _arguments():
    p = parser("python -m common.overview", "One page over several evaluated runs.")
    p.add_argument("-o", "--output", type=Path, required=True, help="the page, .html")
    p.add_argument("folders", nargs="+", type=Path, metavar="RUN_DIR", help="run folders")
    return p


def work(args):
    """Do what the command line asks for."""
    say(f"report: {overview(args.folders, args.output)}")


def main(argv=None):
    """Run the command line; return the exit status."""
    return run(work, _arguments().parse_args(argv))


if __name__ == "__main__":
    raise SystemExit(main())
