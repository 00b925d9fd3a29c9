"""Which versions made a result."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("spectra-reproductions", "keras", "tensorflow", "numpy", "scipy", "astropy", "pandas")


def versions():
    """Return the versions of Python, of what computes, and the commit where it is known.

    Returns
    -------
    dict of str to str
    """
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    commit = git_commit()
    return found | ({"commit": commit} if commit else {})


def git_commit():
    """Return the commit of the checkout that the code runs from; "+" where it was changed."""
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return ""

    def git(*words):
        done = subprocess.run(["git", "-C", root, *words], capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else ""

    commit = git("rev-parse", "--short=12", "HEAD")
    return commit + ("+" if commit and git("status", "--porcelain", "-uno") else "")
