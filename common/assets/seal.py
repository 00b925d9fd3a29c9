"""The mark of a folder that was fetched to its end: what it is, and the hash of every file."""

from __future__ import annotations

import hashlib
from pathlib import Path

from common.assets.locks import LOCK, PARTIAL
from common.files import write_text

DONE = ".complete"


def digest(path, kind="sha256"):
    """Return the hash of a file as hex; `kind` is a name of `hashlib`."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, kind).hexdigest()


def seal(folder, word):
    """Mark a folder as whole.

    Parameters
    ----------
    folder : path-like
    word : str
        Its first line: what it is whole of.

    Notes
    -----
    A line with sha256 and path of each file follows, which `faults` compares later.
    """
    files = [f for f in sorted(Path(folder).rglob("*")) if f.is_file() and not _passing(f)]
    lines = [f"{digest(f)}  {f.relative_to(folder).as_posix()}" for f in files]
    write_text(Path(folder) / DONE, "\n".join([word, *lines]) + "\n")


def _passing(path):
    return path.name == DONE or path.name.endswith((PARTIAL, PARTIAL + ".json", LOCK))


def sealed(folder):
    """Return {path: sha256} of the files that a seal names; {} where it names none."""
    done = Path(folder) / DONE
    lines = done.read_text().splitlines()[1:] if done.is_file() else []
    return {name: sha256 for sha256, name in (line.split("  ", 1) for line in lines)}


def whole(folder, asset):
    """Return True for a folder that was finished and has every file that the asset names now."""
    folder = Path(folder)
    if not (folder / DONE).is_file():
        return False
    if asset.kind == "package":
        return all(next(folder.glob(member), None) for member in asset.members)
    if asset.kind == "record":
        return all((folder / name).is_file() for name in sealed(folder))
    return all((folder / Path(name).name).is_file() for name in asset.paths)


def faults(folder):
    """Return what is wrong with the files of a sealed folder, list of str."""
    found = []
    for name, sha256 in sealed(folder).items():
        file = Path(folder) / name
        if not file.is_file():
            found.append(f"{file}: missing")
        elif digest(file) != sha256:
            found.append(f"{file}: its sha256 is not the one that it was fetched with")
    return found
