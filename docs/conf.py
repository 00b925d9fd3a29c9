"""Sphinx configuration: pages in MyST, the reference from numpydoc docstrings."""

import os
import re
import shutil
import sys
from importlib.metadata import version as installed
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
# Pages of the reference are made anew: one of a module that is gone would be a warning.
shutil.rmtree(Path(__file__).with_name("_reference"), ignore_errors=True)

project = "spectra-reproductions"
author = "The spectra-reproductions developers"
copyright = "2026, the spectra-reproductions developers"
release = version = installed("spectra-reproductions")

extensions = [
    "myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon"
]  # fmt: skip
exclude_patterns = ["_build"]
templates_path = ["_templates"]
html_theme = "furo"
html_title = f"spectra-reproductions {release}"
default_role = "literal"  # single backquotes in docstrings are code

autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "none"  # the docstrings give types
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
myst_heading_anchors = 3

_CODE = re.compile(r"(``.*?``|`[^`]*`)")
_LOOSE = re.compile(r"(?<!\\)(\|)|(?<!\\)(?<=\w)(_)(?=[^\w]|$)")


def escape(app, what, name, obj, options, lines):
    """Keep |x|, NAME_ and `x`_y of plain-text docstrings from being read as markup."""
    for i, line in enumerate(lines):
        parts = _CODE.split(line)
        parts[::2] = [_LOOSE.sub(lambda m: "\\" + m.group(0), part) for part in parts[::2]]
        parts[2::2] = [re.sub(r"^(?=\w)", r"\\ ", part) for part in parts[2::2]]
        lines[i] = "".join(parts)


_OUTSIDE = re.compile(r"\[([^]]*)\]\(\.\./([\w/.-]+\.md)[^)]*\)")


def name_files(app, docname, source):
    """Name a file of the checkout that is no page of these, where the text links it."""
    source[0] = _OUTSIDE.sub(r"\1 (`\2`)", source[0])


def setup(app):
    """Escape what autodoc reads before napoleon does; links that leave the pages become names."""
    app.connect("autodoc-process-docstring", escape, priority=400)
    app.connect("source-read", name_files)


# Each paper has a Config and Networks of its own: a bare name in a docstring is its package's.
suppress_warnings = ["ref.python"]
