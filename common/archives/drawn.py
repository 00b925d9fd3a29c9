"""Lists of what a run drew from an archive: written once, kept with the run, held to what came."""

from __future__ import annotations

import shutil
from pathlib import Path

from common.cli import say
from common.files import atomic_path

NAME = "drawn.csv"  # in a run's data folder


def write_list(frame, path):
    """Write a list, a DataFrame, as csv; it appears under its name only when it is whole."""
    with atomic_path(path) as temporary:
        frame.to_csv(temporary, index=False)


def keep(listed, notes, *, n_here, n):
    """Copy a list to a run's folder, and say where fewer files are here than it names.

    Parameters
    ----------
    listed : path-like
    notes : path-like or None
        Folder that gets `NAME`.
    n_here, n : int
        Files that are here, and that the list names.
    """
    if notes is not None:
        Path(notes).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(listed, Path(notes) / NAME)
    if n_here < n:
        say(f"{n_here} of {n} files of {Path(listed).name} are here and are used")
