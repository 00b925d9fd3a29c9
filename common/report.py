"""One self-contained HTML report: facts, tables with coloured verdicts, figures with captions."""

from __future__ import annotations

import base64
import datetime
import io
import json
import math
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

VERDICTS = ("reproduced", "missed", "untested")
WIDEST = 1500  # pixels: wider images are no clearer on a page of 1180


@dataclass
class Section:
    """A part of a report.

    Attributes
    ----------
    title : str
    text : str
        Plain paragraphs, separated by empty lines.
    tables : dict of str to DataFrame
        Caption → table; a column "verdict" is coloured.
    figures : dict of str to (path-like or matplotlib Figure)
        Caption → PNG file or figure.
    link : str
        Address of a page that says more.
    """

    title: str
    text: str = ""
    tables: dict = field(default_factory=dict)
    figures: dict = field(default_factory=dict)
    link: str = ""


def write_report(path, *, title, banner="", facts=None, sections=(), warn=False, cover=None):
    """Write a report as one HTML file without outside links, through a temporary name.

    Parameters
    ----------
    path : path-like
        Where to.
    title : str
    banner : str
        What a reader must know first, such as that the data are mock.
    facts : dict of str to object
        Name → value: data set, sizes, seed, versions; None is left out.
    sections : sequence of Section
    warn : bool
        Show the banner in the colour of a warning.
    cover : Section, optional
        What an overview of several reports shows of this one (`common.overview`); its figures are
        PNG files. Kept as cover.json beside the report.

    Returns
    -------
    Path
    """
    from jinja2 import Environment, PackageLoader

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    template = Environment(
        loader=PackageLoader("common", "."), autoescape=True, trim_blocks=True
    ).get_template("report.html.jinja")
    text = template.render(
        title=title,
        banner=banner,
        warn=warn,
        facts={k: v for k, v in (facts or {}).items() if v is not None},
        sections=[_section(s) for s in sections],
        made=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
    if cover is not None:
        _keep_cover(path, title=title, banner=banner, warn=warn, cover=cover)
    return path


def _keep_cover(path, *, title, banner, warn, cover):
    about = {
        "title": title,
        "banner": banner,
        "warn": warn,
        "text": cover.text,
        "report": path.name,
        "tables": {k: json.loads(t.to_json(orient="split")) for k, t in cover.tables.items()},
        "figures": {k: os.path.relpath(f, path.parent) for k, f in cover.figures.items()},
    }
    temporary = path.with_name(".cover.json.part")
    temporary.write_text(json.dumps(about, indent=1), encoding="utf-8")
    os.replace(temporary, path.with_name("cover.json"))


def _section(section):
    return {
        "title": section.title,
        "link": section.link,
        "paragraphs": [p.strip() for p in section.text.split("\n\n") if p.strip()],
        "tables": [_table(caption, table) for caption, table in section.tables.items()],
        "figures": [
            {"caption": caption, "data": _image(figure)}
            for caption, figure in section.figures.items()
        ],
    }


def _table(caption, table):
    text = {name: not np.issubdtype(dtype, np.number) for name, dtype in _kinds(table)}
    columns = [{"name": name, "text": text[name]} for name in table.columns]
    rows = [
        [
            {
                "value": show(value),
                "text": text[name],
                "verdict": name == "verdict" and value in VERDICTS,
            }
            for name, value in zip(table.columns, row, strict=True)
        ]
        for row in table.itertuples(index=False, name=None)
    ]
    return {"caption": caption, "columns": columns, "rows": rows}


def _kinds(table):
    for name, dtype in table.dtypes.items():
        yield name, dtype if isinstance(dtype, np.dtype) else np.dtype(object)


def show(value):
    """Return a cell's text: four significant digits, a dash where there is no number."""
    if value is None:
        return "–"
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (int, np.integer)):
        return f"{value:,}".replace(",", " ")
    if isinstance(value, (float, np.floating)):
        if math.isnan(value):
            return "–"
        if value == int(value) and abs(value) < 1e6:
            return f"{value:.0f}"
        return f"{value:.4g}" if abs(value) >= 1e-3 else f"{value:.3g}"
    return str(value)


def _image(figure):
    """Return a PNG file or a matplotlib figure as base64 text."""
    if hasattr(figure, "savefig"):
        stream = io.BytesIO()
        width = figure.get_size_inches()[0]
        figure.savefig(stream, format="png", dpi=min(130, WIDEST / width))
        data = stream.getvalue()
    else:
        data = Path(figure).read_bytes()
    return base64.b64encode(data).decode("ascii")
