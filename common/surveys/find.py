"""Finding the spectrum files under the files and folders that a user names."""

from __future__ import annotations

import os
from fnmatch import fnmatch
from pathlib import Path

from common.errors import UsageError
from common.surveys.shards import shard_files

ENDINGS = (".fits", ".fits.gz", ".fit", ".fit.gz", ".fits.fz", ".fz")
LABEL_FILES = (
    "redrock-*", "qso_cat*", "zbest-*", "index.*", "galspec*", "lamost-catalogue*",
    "labels.fits", "labels.ecsv", "labels.parquet", "labels.csv",
    "lamost-stars*", "allstar-*", "gaia_source*", "geodist*", "*_lrs_stellar*",
)  # fmt: skip


def is_label_file(path):
    """Return True for a file that labels the spectra beside it and holds none itself."""
    return any(fnmatch(Path(path).name.lower(), pattern) for pattern in LABEL_FILES)


def find_files(paths, endings=ENDINGS, *, labels=False, skip=None):
    """Return the spectrum files among files and folders.

    Parameters
    ----------
    paths : path-like or sequence of path-like
        Files are taken as they are, whatever their names; folders are searched through all
        levels for names with one of the endings. Files of labels (`LABEL_FILES`) found in
        folders are left out. Of a folder of shards (`common.ingest`) these are the files.
    endings : tuple of str
        Of the names to look for in folders, in lower case.
    labels : bool
        Take files of labels too.
    skip : callable, optional
        Path -> True for a further file found in a folder that holds no spectra.

    Returns
    -------
    list of Path
        Each file once, folders in order of name.

    Raises
    ------
    UsageError
        If a path does not exist, a folder cannot be read, or a folder holds no such file.
    """
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    paths = [Path(p) for p in paths]
    if not paths:
        raise UsageError("No files given. Name files or folders that hold spectra.")
    found = {}
    for path in paths:
        try:
            exists, folder = path.exists(), path.is_dir()
        except PermissionError:
            raise _unreadable(path) from None
        if not exists:
            raise UsageError(f"{path}: there is no such file or folder. Check the path.")
        for file in _search(path, endings, labels) if folder else [path]:
            if not (folder and skip and skip(file)):
                found.setdefault(file)
    return list(found)


def _unreadable(folder):
    return UsageError(
        f"{folder}: the folder may not be read. Allowed: folders that this user can list and "
        "enter. Change its permissions (chmod u+rx) or name another one."
    )


def _search(folder, endings, labels):
    """Return the spectrum files at all levels under a folder, in order of name."""

    def refuse(error):
        raise _unreadable(error.filename) if isinstance(error, PermissionError) else error

    files = []
    for root, folders, names in os.walk(folder, onerror=refuse):
        held = shard_files(root) if endings == ENDINGS else None
        if held is not None:  # ingested before: their sources are not looked for beside them
            files += held
            folders.clear()
            continue
        folders.sort()
        for name in sorted(names):
            if name.lower().endswith(endings) and (labels or not is_label_file(name)):
                files.append(Path(root) / name)
    if not files:
        raise UsageError(
            f"{folder}: no spectrum files in this folder. Allowed: names ending in "
            f"{', '.join(endings)}. Name a folder that holds some."
        )
    return files
