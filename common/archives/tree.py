"""Many files of a public tree: a few at a time, each whole or not there, what lacks is told."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from common.assets.registry import said_size
from common.assets.transfer import download
from common.assets.web import REFUSED
from common.catalog import write_table
from common.cli import progress, say
from common.errors import MissingDataError, SuiteError

MOST_FAILED = 20  # in a row: then the server is left alone
LACKING = "not-fetched.csv"


@dataclass(frozen=True)
class Item:
    """One file to fetch.

    Attributes
    ----------
    id : str
        Of the spectrum or whatever it holds.
    url : str
    name : str
        Path in the folder that it goes to.
    params : dict
        Of the address; never written anywhere.
    """

    id: str
    url: str
    name: str
    params: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Fetched:
    """What came.

    Attributes
    ----------
    paths : list of Path
        Files that are here.
    lacking : list of dict
        id, file and reason of the others.
    """

    paths: list
    lacking: list


def fetch_many(items, folder, *, web, label="files", shown=True, fetch=download):
    """Fetch files into a folder; those that are there already are not asked for again.

    Parameters
    ----------
    items : sequence of Item
    folder : path-like
    web : common.assets.web.Web
        Its `workers` is how many are fetched at once.
    label : str
        What they are, in words.
    shown : bool
        Show a progress bar, and say what is here in the end.
    fetch : callable
        As `download`, for tests.

    Returns
    -------
    Fetched
        A part can be used: the rest is listed in `LACKING` in the folder, with reasons, and asked
        for by the next call.

    Raises
    ------
    MissingDataError
        If no file could be had. After `MOST_FAILED` failures in a row, or a first refusal, no more
        are asked for.
    """
    folder, work = Path(folder), _Work(web, folder, fetch)
    with ThreadPoolExecutor(max_workers=web.workers) as pool:
        try:
            done = pool.map(work.one, items)
            reasons = list(progress(done, total=len(items), desc=label, unit="file", shown=shown))
        except BaseException:  # Ctrl-C: those under way end, no other begins
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    lacking = [
        {"id": item.id, "file": item.name, "reason": reason}
        for item, reason in zip(items, reasons, strict=True)
        if reason
    ]
    paths = [folder / item.name for item, r in zip(items, reasons, strict=True) if not r]
    _tell(folder, lacking, paths, label, shown)
    return Fetched(paths, lacking)


def _tell(folder, lacking, paths, label, shown):
    """Write what lacks, and say it; raise where nothing came."""
    note = folder / LACKING
    if not lacking:
        note.unlink(missing_ok=True)
    elif paths:
        write_table(pd.DataFrame(lacking), note)
    first = next((row["reason"] for row in lacking if row["reason"] != _Work.LEFT), "")
    if lacking and not paths:
        raise MissingDataError(f"None of {len(lacking)} {label} could be fetched. {first}")
    if shown:
        size = said_size(sum(path.stat().st_size for path in paths))
        say(f"{len(paths)} of {len(paths) + len(lacking)} {label} are in {folder} ({size})")
        if lacking:
            say(f"{len(lacking)} are not, listed in {note}. The first: {first} The same command "
                "asks for them again; what is here can be used.")  # fmt: skip


class _Work:
    """Fetches one item after the other, in several threads, until too many fail."""

    LEFT = "not asked for: too many others had failed."

    def __init__(self, web, folder, fetch):
        self.web, self.folder, self.fetch = web, folder, fetch
        self.lock, self.failed = threading.Lock(), 0

    def one(self, item):
        """Fetch an item; return "" or why it is not here."""
        target = self.folder / item.name
        if target.is_file():
            return ""
        if self.failed >= MOST_FAILED:
            return self.LEFT
        try:
            self.fetch(item.url, target, web=self.web, params=item.params or None, shown=False)
        except SuiteError as error:
            refused = getattr(error, "status", None) in REFUSED
            with self.lock:
                # A file that is not there says nothing of the others.
                known = getattr(error, "status", None) in (404, 410)
                self.failed += 0 if known else MOST_FAILED if refused else 1
            return str(error)
        with self.lock:
            self.failed = 0 if self.failed < MOST_FAILED else self.failed
        return ""
