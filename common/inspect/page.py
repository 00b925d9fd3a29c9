"""Writing a page of inspection: one HTML file that is complete in itself."""

from __future__ import annotations

import datetime
import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from common.files import write_text
from common.inspect.pack import ERROR_STEP, Grids, packed, signed, text_of
from common.inspect.plots import DASHES, check_bokeh, limits, plots, script
from common.inspect.verdicts import COLUMNS, QUALITIES

MOST = 500  # objects of a page
SCRIPTS = ("decode.js", "page.js", "verdict.js")


def write_page(page, path, *, key):
    """Write a page, whole or not at all.

    Parameters
    ----------
    page : common.inspect.shown.Page
        Its objects are at most `MOST`.
    path : path-like
    key : str
        What the browser keeps the verdicts under: pages of one catalogue share them.

    Returns
    -------
    Path

    Raises
    ------
    UsageError
        If Bokeh is not installed.
    SuiteError
        If the disk is full or the folder cannot be written to.
    """
    from jinja2 import Environment, PackageLoader

    check_bokeh()
    page = replace(page, diagrams=[d for d in page.diagrams if limits(d, page.objects)])
    grids, arrays, objects = Grids(), [], []
    for one in page.objects:
        data, about = packed(one, grids)
        arrays.append(data)
        objects.append(_words(one) | {"arrays": about})
    told = {
        "title": page.title, "key": key, "kinds": page.kinds, "objects": objects,
        "templates": {name: _template(curve, grids) for name, curve in page.templates.items()},
        "grids": grids.kept, "errorStep": ERROR_STEP, "zRange": page.z_range,
        "diagrams": [d.name for d in page.diagrams], "stripWords": page.strip_words,
        "asksZ": page.asks_z, "asksKind": page.asks_kind, "columns": COLUMNS,
        "pdfZ": None if page.pdf_z is None else text_of(np.asarray(page.pdf_z, "<f4").tobytes()),
    }  # fmt: skip
    here = Path(__file__).parent
    environment = Environment(loader=PackageLoader("common.inspect", "."), autoescape=True)
    text = environment.get_template("page.html.jinja").render(
        page=page,
        bokeh=script(),
        told=_json(told),
        plots=_json(plots(page)),
        arrays=arrays,
        qualities=QUALITIES,
        dashes=DASHES,
        scripts="\n".join((here / name).read_text(encoding="utf-8") for name in SCRIPTS),
        style=(here / "page.css").read_text(encoding="utf-8"),
        made=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )
    path = Path(path)
    write_text(path, text)
    return path


def objects_of(path):
    """Return the ids of the objects that a page shows, list of str; none where it is no page."""
    text = Path(path).read_text(encoding="utf-8", errors="replace")
    found = re.search(r'id="told">(.*?)</script>', text, re.S)
    return [one["id"] for one in json.loads(found[1])["objects"]] if found else []


def _template(curve, grids):
    """Return a template, for JSON; its sign and shape count, not its size."""
    return {"grid": grids.number_of(curve.wavelength), "data": text_of(signed(curve.values)[0])}


def _words(one):
    """Return what is said of an object, for JSON."""
    return {
        "id": one.id, "file": Path(one.file).name if one.file else "", "headline": one.headline,
        "kind": one.kind, "z": one.z, "flags": one.flags, "numbers": one.numbers,
        "solutions": [vars(s) for s in one.solutions],
        "places": {name: vars(place) for name, place in one.places.items()},
    }  # fmt: skip


def _json(value):
    """Return JSON that can stand in a page: no number that JSON lacks, no end of the script."""
    text = json.dumps(_plain(value), separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _plain(value):
    match value:
        case dict():
            return {str(k): _plain(v) for k, v in value.items()}
        case list() | tuple():
            return [_plain(v) for v in value]
        case np.generic():
            return _plain(value.item())
        case float() if not math.isfinite(value):
            return None
    return value
