"""Figures of tests are made, and rendered only where a test looks at the files.

Rendering takes six sevenths of an evaluation's time. What `reproduce` and `evaluate` draw is
rendered in tests/reproduction and in each paper's test_evaluate.
"""

import base64
from contextlib import contextmanager
from pathlib import Path

from matplotlib.figure import Figure

EMPTY = {  # the least that others take for a picture
    "png": base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="
    ),
    "pdf": b"%PDF-1.4\n%%EOF\n",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
}
DPI = 40
_render = Figure.savefig
_wanted = None  # names in the files to render: () all, None none
_svg = False


@contextmanager
def rendered(*names, svg=False):
    """Render in this block or test: files with one of the names in theirs, or all files.

    SVGs, which show the same as the others, stay empty without `svg`.
    """
    global _wanted, _svg
    before, _wanted, _svg = (_wanted, _svg), names, svg
    try:
        yield
    finally:
        _wanted, _svg = before


def _save(self, target, *, format="png", **options):
    named = isinstance(target, (str, Path))
    wanted = _wanted == () or (_wanted and named and any(n in Path(target).name for n in _wanted))
    if wanted and (format != "svg" or _svg):
        if format == "png":  # what they show does not depend on their size
            options["dpi"] = min(options.get("dpi") or DPI, DPI)
        _render(self, target, format=format, **options)
    elif named:
        Path(target).write_bytes(EMPTY[format])
    else:
        target.write(EMPTY[format])


def render_on_demand():
    """Let figures be saved empty outside of `rendered`, in this process."""
    Figure.savefig = _save
