"""One self-contained HTML report: facts, tables with coloured verdicts, figures with captions."""

from __future__ import annotations

import datetime
import json
import math
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from common.files import write_json, write_text
from common.pictures import embedded

VERDICTS = ("reproduced", "missed", "untested")
HERE = Path(__file__).parent


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
    link, link_text : str
        Address of a page that says more, and what it is called.
    links : dict of str to str
        Object -> address of what says more of it: links of the tables' column "id".
    claims : DataFrame, optional
        Published numbers, which are shown by their verdict; how many there are of each is shown
        at the top of the page.
    """

    title: str
    text: str = ""
    tables: dict = field(default_factory=dict)
    figures: dict = field(default_factory=dict)
    link: str = ""
    link_text: str = "The whole report"
    links: dict = field(default_factory=dict)
    claims: pd.DataFrame | None = None

    @property
    def counts(self):
        """Verdict -> how many published numbers; {} where there are none."""
        if self.claims is None:
            return {}
        return {v: int((self.claims["verdict"] == v).sum()) for v in VERDICTS}


def write_report(path, *, title, banner="", facts=None, sections=(), warn=False, cover=None,
                 about=None):  # fmt: skip
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
    about : dict, optional
        What else the cover holds, see `common.overview.read_cover`.

    Returns
    -------
    Path
    """
    path = Path(path)
    render(
        path,
        "report.html.jinja",
        title=title,
        banner=banner,
        warn=warn,
        facts={k: v for k, v in (facts or {}).items() if v is not None},
        sections=[_section(s, f"s{i}") for i, s in enumerate(sections, 1)],
    )
    if cover is not None:
        _keep_cover(path, title=title, banner=banner, warn=warn, cover=cover, about=about)
    return path


def render(path, template, **values):
    """Write a page of a template beside this file, in the look of reports, as one HTML file.

    Parameters
    ----------
    path : path-like
    template : str
    **values
        What the template shows; text is escaped.
    """
    from jinja2 import Environment, PackageLoader
    from markupsafe import Markup

    found = Environment(loader=PackageLoader("common", "."), autoescape=True, trim_blocks=True)
    text = found.get_template(template).render(
        style=Markup((HERE / "report.css").read_text(encoding="utf-8")),
        script=Markup((HERE / "report.js").read_text(encoding="utf-8")),
        made=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        **values,
    )
    write_text(path, text)


def run_facts(about, keys):
    """Return what a run was made with, as facts of a report.

    Parameters
    ----------
    about : dict
        config.json of the run, or {}.
    keys : sequence of str
        Fields of the configuration that describe its training.

    Returns
    -------
    dict of str to str or None
        None where nothing is known.
    """
    config, versions = about.get("config") or {}, dict(about.get("versions") or {})
    commit = versions.pop("commit", None)
    timing = (about.get("timing") or {}).items()
    return {
        "scale": config.get("scale"),
        "spectra": ", ".join(f"{v} {k}" for k, v in _flat(about.get("sizes") or {})) or None,
        "training": ", ".join(f"{k} {config[k]}" for k in keys if k in config) or None,
        "precision": config.get("precision"),
        "device": about.get("device"),
        "seed": config.get("seed"),
        "data fingerprint": about.get("data_fingerprint"),
        "timing": ", ".join(
            f"{k} {v:.3g}" if isinstance(v, (int, float)) else f"{k} {v}" for k, v in timing
        )
        or None,
        "versions": ", ".join(f"{k} {v}" for k, v in versions.items()) or None,
        "commit": commit,
    }


def _flat(values, before=""):
    """Yield names and numbers of a dictionary whose values may be dictionaries."""
    for key, value in values.items():
        name = f"{before} {key}".strip()
        if isinstance(value, dict):
            yield from _flat(value, name)
        else:
            yield name, value


def claims_section(judged, *, dataset, survey, subject, place):
    """Return the section of published numbers: those measured here, and those that were not.

    Parameters
    ----------
    judged : DataFrame
        Claims, as `common.claims.judge` returns them.
    dataset : str
        What was measured on.
    survey : str
        Data set of the paper's claims.
    subject, place : str
        What the paper's numbers are about, and where they stay untested, in words.

    Returns
    -------
    Section
    """
    here = judged[judged["ours"].notna()]
    counts = here["verdict"].value_counts()
    untested = judged[judged["ours"].isna() & ~judged["id"].isin(here["id"])]
    text = (
        f"{len(here)} published numbers were measured on {dataset}: "
        f"{counts.get('reproduced', 0)} reproduced, {counts.get('missed', 0)} missed. A value "
        "within its tolerance, or better, counts as reproduced. "
        f"{len(untested)} numbers were not measured."
    )
    if len(here) and (here["dataset"] != survey).all():
        text += (
            f"\n\nThe paper's numbers are about {subject}; the verdicts stand for {dataset} alone. "
            f"On {place} every claim stays untested."
        )
    own = pd.concat([here, untested]).drop(columns=["dataset"])
    return Section("Published numbers", text, claims=own)


def _keep_cover(path, *, title, banner, warn, cover, about=None):
    about = (about or {}) | {
        "title": title,
        "banner": banner,
        "warn": warn,
        "text": cover.text,
        "report": path.name,
        "counts": cover.counts,
        "tables": {k: json.loads(t.to_json(orient="split")) for k, t in cover.tables.items()},
        "figures": {k: os.path.relpath(f, path.parent) for k, f in cover.figures.items()},
    }
    write_json(path.with_name("cover.json"), about)


def _section(section, name):
    return {
        "title": section.title,
        "name": name,
        "link": section.link,
        "link_text": section.link_text,
        "paragraphs": [p.strip() for p in section.text.split("\n\n") if p.strip()],
        "bar": section.counts,
        "groups": _groups(section.claims),
        "tables": [table_of(t, caption, section.links) for caption, t in section.tables.items()],
        "figures": [
            {"caption": caption, **embedded(figure)} for caption, figure in section.figures.items()
        ],
    }


def _groups(claims):
    """Return the published numbers by verdict; what nobody measured has no value of ours."""
    out = []
    for verdict in VERDICTS if claims is not None else ():
        part = claims[claims["verdict"] == verdict].drop(columns=["verdict"])
        if len(part):
            part = part.drop(columns=["ours"]) if verdict == "untested" else part
            out.append({"verdict": verdict, "table": table_of(part)})
    return out


def table_of(table, caption="", links=None):
    """Return a DataFrame as the templates take it: caption, columns, rows of cells.

    `links` are addresses by the value of the column "id".
    """
    links = links or {}
    text = {name: not np.issubdtype(dtype, np.number) for name, dtype in _kinds(table)}
    columns = [{"name": name, "text": text[name]} for name in table.columns]
    rows = [
        [
            {
                "value": show(value),
                "text": text[name],
                "verdict": name == "verdict" and value in VERDICTS,
                "link": links.get(str(value), "") if name == "id" else "",
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
