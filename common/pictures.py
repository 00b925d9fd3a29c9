"""Pictures inside of a page: sharp on any screen, none of them another file."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import matplotlib

SMALL = 150_000
"""Bytes of the largest SVG that is shown; a larger one is shown as PNG."""
DENSE = 200
"""Dots an inch of a PNG that stands alone: two for each pixel of a page."""
PLAIN = 150
"""Dots an inch of a PNG beside its SVG."""
DRAWN = 100
"""Pixels of a page for an inch of a figure."""
VECTOR = {"svg.hashsalt": "figure", "svg.fonttype": "path"}  # the same bytes at each call
TYPES = {"svg": "image/svg+xml", "png": "image/png"}
_PDF = 60_000  # bytes of a PDF, packed, whose SVG, not packed, may be small


def save_vector(figure, path, pdf):
    """Write a figure as SVG unless that is large; return whether it is there.

    Parameters
    ----------
    figure : matplotlib Figure
    path : Path
        Where to; an earlier file is removed if the figure's is large.
    pdf : Path
        The same figure as PDF: how large it is tells whether to try.
    """
    from common.files import atomic_path

    path.unlink(missing_ok=True)
    if pdf.stat().st_size > _PDF:
        return False
    with atomic_path(path) as temporary, matplotlib.rc_context(VECTOR):
        figure.savefig(temporary, format="svg", metadata={"Date": None})
    if path.stat().st_size > SMALL:
        path.unlink()
    return path.exists()


def embedded(figure):
    """Return a picture as a page holds it.

    Parameters
    ----------
    figure : path-like or matplotlib Figure
        A PNG, shown as the SVG beside it where there is a small one; or a figure.

    Returns
    -------
    dict
        data (a data: address), width (pixels of the page; None: as large as it comes).
    """
    if hasattr(figure, "savefig"):
        return _of_figure(figure)
    path = Path(figure)
    vector = path.with_suffix(".svg")
    if vector.is_file() and vector.stat().st_size <= SMALL:
        path = vector
    data = path.read_bytes()
    width = _width(path, data)
    data = _light(data) if path.suffix == ".png" else data
    return {"data": _address(path.suffix[1:].lower(), data), "width": width}


def _of_figure(figure):
    stream, kind = io.BytesIO(), "svg"
    with matplotlib.rc_context(VECTOR):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    if len(stream.getvalue()) > SMALL:
        stream, kind = io.BytesIO(), "png"
        figure.savefig(stream, format="png", dpi=DENSE)
        stream = io.BytesIO(_light(stream.getvalue()))
    width = round(figure.get_size_inches()[0] * DRAWN)
    return {"data": _address(kind, stream.getvalue()), "width": width}


def _light(data):
    """Return a large PNG in 256 colours, which a plot seldom has more of, if that is smaller."""
    if len(data) <= SMALL:
        return data
    from PIL import Image

    stream = io.BytesIO()
    with Image.open(io.BytesIO(data)) as image:
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(stream, format="png")
    return min(data, stream.getvalue(), key=len)


def _address(kind, data):
    return f"data:{TYPES[kind]};base64,{base64.b64encode(data).decode('ascii')}"


def _width(path, data):
    """Return the width at which a PNG has its dots an inch doubled; an SVG knows its own."""
    if path.suffix != ".png":
        return None
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        dots = image.info.get("dpi", (PLAIN, PLAIN))[0]
        return max(1, round(image.width * DRAWN / dots))
