"""One page over several runs: the score card of each, its first figures, and where the rest is.

``python -m common.overview -o report.html RUN_DIR...``
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pandas as pd

from common.cli import parser, run, say
from common.errors import ReadError
from common.report import Section, write_report


def read_cover(folder):
    """Return what a run's report gives to an overview.

    Parameters
    ----------
    folder : path-like
        Of a run that was evaluated.

    Returns
    -------
    dict
        title, banner, warn, text, report, tables, figures.

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
    return about


def overview(folders, out):
    """Write one page over several runs.

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
    out, sections, counts = Path(out), [], {}
    for folder in map(Path, folders):
        about = read_cover(folder)
        tables = {k: pd.DataFrame(t["data"], columns=t["columns"])
                  for k, t in about["tables"].items()}  # fmt: skip
        sections.append(
            Section(
                about["title"],
                "\n\n".join(part for part in (about["banner"], about["text"]) if part),
                tables,
                {k: folder / name for k, name in about["figures"].items()},
                link=os.path.relpath(folder / about["report"], out.parent),
            )
        )
        verdicts = pd.concat([t["verdict"] for t in tables.values() if "verdict" in t] or
                             [pd.Series(dtype=object)])  # fmt: skip
        found = verdicts.value_counts()
        counts[f"{about['title']} ({folder.name})"] = (
            ", ".join(f"{n} {k}" for k, n in found.items()) or "no claims"
        )
    return write_report(
        out,
        title="Published numbers against ours",
        banner="Each part says what it was measured on. A number measured on a mock is none of "
        "the survey's.",
        facts=counts,
        sections=sections,
    )


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
