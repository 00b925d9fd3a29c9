"""Released networks: run folders inside the packages, trimmed, and checked before they are read."""

from __future__ import annotations

import argparse
import hashlib
import json
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from common.cli import say
from common.errors import ReadError, UsageError

MANIFEST = "manifest.json"
CARD = "README.md"
# About a file that is not as it was released.
REMEDY = "Install the package again, or name a run of your own with --run-dir."


class Released(NamedTuple):
    """A released network.

    Attributes
    ----------
    name : str
    folder : Path
        A run folder of what a prediction needs.
    about : str
        One line: what it is for and was trained on.
    files : dict of str to str
        Every file below the folder, but for its card -> sha256.
    """

    name: str
    folder: Path
    about: str
    files: dict

    def check(self):
        """Raise `ReadError` where a file is damaged, missing or not of this release."""
        allowed = "the files as they were released"
        for name, wanted in self.files.items():
            path = self.folder / name
            if not path.is_file():
                raise ReadError(path, "no such file", allowed, REMEDY)
            found = sha256(path)
            if found != wanted:
                raise ReadError(
                    path, f"sha256 {found[:12]}… instead of {wanted[:12]}…", allowed, REMEDY
                )
        for name in contents(self.folder):
            if name not in self.files:
                raise ReadError(
                    self.folder / name, "a file that is not of the release", allowed, REMEDY
                )


def sha256(path):
    """Return the sha256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def contents(folder):
    """Return the files of a released folder that are checked, sorted names relative to it.

    The card and its pictures are for people: no number comes from them.
    """
    folder = Path(folder)
    names = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    return sorted(n for n in names if n != CARD and not n.startswith("figures/"))


def room(package):
    """Return the folder of a package's released networks, which need not be there."""
    return Path(find_spec(package).origin).parent / "released"


def released(package):
    """Return the released networks of a package, {name: `Released`}; the first is the default.

    Raises
    ------
    ReadError
        If their manifest is damaged.
    """
    path = room(package) / MANIFEST
    if not path.exists():
        return {}
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return {
            name: Released(name, path.parent / name, row["about"], dict(row["files"]))
            for name, row in kept.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        allowed = "the manifest as it was released"
        raise ReadError(path, f"not readable ({error})", allowed, REMEDY) from error


def run_folder(paper, given=None):
    """Return the run folder that a command works with, a released one's after it was checked.

    Parameters
    ----------
    paper : common.paper.Paper
    given : path-like, optional
        A folder, or the name of a released network where there is no such folder; the default one
        without it.

    Raises
    ------
    UsageError
        If nothing is given and nothing is released.
    ReadError
        If a released file is damaged, missing or foreign.
    """
    if given is not None and Path(given).exists():
        return Path(given)
    every = released(paper.package)
    if given is None and not every:
        raise UsageError(
            f"--run-dir is needed: {paper.package} comes without a released network. Train one: "
            f"{paper.module('train')}"
        )
    name = next(iter(every)) if given is None else str(given)
    if name not in every:
        return Path(given)  # the reader of a run folder says what is wrong
    one = every[name]
    one.check()
    say(f"released network {name}: {one.about} (card: {one.folder / CARD})")
    return one.folder


def is_released(folder):
    """Return whether a folder is one of released networks, which nothing is written to."""
    return (Path(folder).parent / MANIFEST).is_file()


def writable(paper, folder, out=None):
    """Return where results of a run folder go: itself, but for a released network's."""
    if out is not None or not is_released(folder):
        return Path(out or folder)
    return Path("runs") / f"{paper.package}-{Path(folder).name}"


def listing(package):
    """Return what `--list` prints: a line for each released network."""
    every = released(package)
    if not every:
        return f"{package} comes without released networks."
    lines = [f"{name}{' (default)' if k == 0 else ''}: {one.about}"
             for k, (name, one) in enumerate(every.items())]  # fmt: skip
    return "\n".join(lines)


class _List(argparse.Action):
    """--list: print the released networks of a package and end."""

    def __init__(self, *args, package, **options):
        super().__init__(*args, nargs=0, **options)
        self.package = package

    def __call__(self, p, *_):
        say(listing(self.package))
        p.exit()


def add_run_dir(p, paper):
    """Add --run-dir and --list to an argument parser, or to a group of one."""
    p.add_argument("--run-dir", type=Path, metavar="DIR_OR_NAME",
                   help=f"run folder of {paper.package}.train, or the name of a released network "
                   "(default: the first of --list)")  # fmt: skip
    p.add_argument("--list", action=_List, package=paper.package, default=argparse.SUPPRESS,
                   help="list the released networks and end")  # fmt: skip
