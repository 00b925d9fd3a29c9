"""The command `inspect`: a page to look at the spectra of a catalogue by eye."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from common.catalog import read_table
from common.cli import parser, run, say
from common.errors import SuiteError, UsageError
from common.inspect.page import MOST, write_page
from common.inspect.plots import check_bokeh
from common.inspect.select import EXAMPLES, chosen
from common.released import add_run_dir, released, run_folder

USUAL = 50


def main(paper, argv=None, *, view, unit="spectra"):
    """Run the command line; return the exit status.

    Parameters
    ----------
    paper : common.paper.Paper
    argv : sequence of str, optional
    view : callable
        () -> the paper's `common.inspect.view.View` class: imported when it is needed.
    unit : str
        What a row is of, in words.
    """
    p = parser(
        paper.module("inspect"),
        f"A page to look at {unit} of a catalogue by eye: one HTML file, complete in itself.",
    )
    add_run_dir(p, paper)
    p.add_argument("--catalogue", type=Path, required=True, metavar="CAT",
                   help=f"what {paper.package} made of them")  # fmt: skip
    p.add_argument("-o", "--output", type=Path, required=True, metavar="PAGE", help=".html")
    p.add_argument("--select", metavar="EXPRESSION",
                   help=f"rows by their columns, such as: {EXAMPLES}")  # fmt: skip
    p.add_argument("--ids", metavar="ID,ID", help="only these, in this order; or a text file with "
                   "an id a line")  # fmt: skip
    p.add_argument("--n", type=int, default=USUAL, help=f"the first N, at most {MOST}")
    p.add_argument("paths", nargs="*", type=Path, metavar="FILE_OR_FOLDER",
                   help="the spectra (default: the files that the catalogue names)")  # fmt: skip

    def work(args):
        if not 1 <= args.n <= MOST:
            raise UsageError(f"--n must be from 1 to {MOST}. Received {args.n}.")
        if args.output.suffix.lower() not in (".html", ".htm"):
            raise UsageError(f"-o: a page's name must end in .html. Received {args.output}.")
        check_bokeh()
        n, lost = make_page(
            paper, view(), args.catalogue, args.paths, args.output, run_dir=args.run_dir,
            select=args.select, ids=args.ids, n=args.n,
        )  # fmt: skip
        size = args.output.stat().st_size / 1e6
        say(f"{n} {unit}, {size:.1f} MB -> {args.output}")
        for reason in lost:
            say(f"not shown: {reason}")

    return run(work, p.parse_args(argv))


def make_page(paper, view, catalogue, paths, out, *, run_dir=None, select=None, ids=None, n=USUAL):
    """Write the page of some rows of a catalogue.

    Parameters
    ----------
    paper : common.paper.Paper
    view : type
        The paper's `common.inspect.view.View`.
    catalogue : path-like
    paths : sequence of path-like
        Spectra; the files that the catalogue names without any.
    out : path-like
    run_dir : path-like, optional
        Whose network says more than the catalogue; the released one by default. Without either the
        page shows what the catalogue says.
    select, ids : str, optional
        See `common.inspect.select.chosen` and `rows_of`.
    n : int
        Rows, at most.

    Returns
    -------
    int, list of str
        Objects of the page, and why others are not shown.
    """
    from common.accelerator import choose

    table = read_table(catalogue)
    if view.identity not in table:
        raise UsageError(
            f"{catalogue} is no catalogue of {paper.package}: it has no column {view.identity}. "
            f"It has: {', '.join(map(str, table.columns))}."
        )
    rows = rows_of(table, view.identity, select=select, ids=ids).head(n)
    if not paths:
        names = dict.fromkeys(rows["file"].astype(str)) if "file" in rows else {}
        paths = [Path(name) for name in names if name]
        if not paths:
            raise UsageError("Name the files of spectra: the catalogue names none.")
    choose("float32")
    facts = [f"Catalogue: {Path(catalogue).name}, {len(rows)} of {len(table)} rows"]
    facts[0] += f" ({select})." if select else "."
    if run_dir is None and not released(paper.package):
        folder = None
        facts.append(
            "No network was at hand (--run-dir): what it looks at and gives beside the catalogue "
            "is not shown."
        )
    else:
        folder = run_folder(paper, run_dir)
        facts.append(f"Network: {folder.name}.")
    objects, rejects, seen = {}, [], view(folder, table)
    names = rows[view.identity].astype(str).to_numpy()
    for spectra in seen.batches(paths, rows, rejects):
        place = [int(np.flatnonzero(names == one)[0]) for one in seen.ids_of(spectra)]
        for at, one in zip(place, seen.shown(spectra, rows.iloc[place]), strict=True):
            objects.setdefault(at, one)
    if not objects:
        why = f" ({rejects[0]['reason']})" if rejects else ""
        raise SuiteError(
            f"None of the {len(rows)} chosen rows has a spectrum in the files{why}. Name the files "
            "that the catalogue was made of."
        )
    missing = [names[at] for at in range(len(rows)) if at not in objects]
    reasons = {str(row["id"]): row["reason"] for row in rejects}
    lost = [f"{name}: {reasons.get(name, 'not in the files')}" for name in missing]
    title = f"{paper.network}: {Path(catalogue).name}"
    page = seen.page([objects[at] for at in sorted(objects)], title, facts)
    if lost:
        page.facts.append(f"Not shown: {'; '.join(lost[:20])}{' ...' * (len(lost) > 20)}.")
    write_page(page, out, key=f"{paper.package} {Path(catalogue).name}")
    return len(objects), lost


def rows_of(table, identity, *, select=None, ids=None):
    """Return the rows that an expression and a list of ids choose.

    Parameters
    ----------
    table : DataFrame
    identity : str
        The column of ids.
    select : str, optional
    ids : str, optional
        Separated by commas; or the name of a text file with an id a line.

    Raises
    ------
    UsageError
        If an id is not in the catalogue, or nothing is chosen.
    """
    rows = table[chosen(table, select)] if select else table
    if ids:
        path = Path(ids)
        given = path.read_text(encoding="utf-8").split() if path.is_file() else ids.split(",")
        given = list(dict.fromkeys(one.strip() for one in given if one.strip()))
        known = table[identity].astype(str)
        absent = [one for one in given if one not in set(known)]
        if absent:
            raise UsageError(
                f"--ids: the catalogue has no {', '.join(absent[:5])}. Its ids are such as "
                f"{', '.join(known[:3])}."
            )
        order = {one: k for k, one in enumerate(given)}
        place = rows[identity].astype(str).map(order)
        rows = rows[place.notna()].loc[place.dropna().sort_values(kind="stable").index]
    rows = rows.drop_duplicates(identity)
    if not len(rows):
        raise UsageError("No row of the catalogue is chosen. Check --select and --ids.")
    return rows.reset_index(drop=True)
