"""Reading any number of survey files in chunks; what cannot be used goes to a list of rejects."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from common import cli
from common.errors import ReadError, SuiteError, UsageError, short
from common.rejects import code_of
from common.spectra import KIND, Spectra
from common.surveys.cards import is_mock
from common.surveys.checks import faults
from common.surveys.find import find_files
from common.surveys.read import open_survey
from common.surveys.single import gathered

LONGEST_ID, LONGEST_REASON = 100, 1500  # characters in a reject


def read_many(
    paths,
    *,
    progress=True,
    chunk=512,
    labels=False,
    grid=None,
    duplicates="reject",
    rejects=None,
    seen=None,
    beside=(),
    rows=slice(None),
):
    """Read files and folders as a stream of Spectra.

    Parameters
    ----------
    paths : path-like or sequence of path-like
        Files and folders, see `find_files`.
    progress : bool
        Show a progress bar over the files on stderr.
    chunk : int
        Largest number of spectra per batch.
    labels : bool
        Reject spectra without a known redshift and class.
    grid : ndarray of shape (n_pixels,), optional
        Wavelengths in Å (vacuum) for tables that do not carry theirs.
    duplicates : {"reject", "keep"}
        What becomes of an id that was seen before.
    rejects : list, optional
        List to append to; a new one by default.
    seen : dict-like of str to str, optional
        Ids of earlier calls and the file of each, such as `common.surveys.seen.Seen`; filled.
    beside : container of Path
        Files that other calls read: one whose spectrum is read by the name of one of them, or of
        another one of `paths`, is passed over.
    rows : slice
        The spectra of each file that are read, by number.

    Returns
    -------
    SpectraStream
        Iterate over it for batches of `Spectra`; its `rejects` is a list of dict(file, hdu, id,
        code, reason), complete once the stream is used up. One bad file costs one reject and not
        the run.

    Raises
    ------
    UsageError
        If a path does not exist or holds no files, or an option is unknown.
    """
    if duplicates not in ("reject", "keep"):
        raise UsageError(f'duplicates must be "reject" or "keep". Received {duplicates!r}.')
    if chunk < 1:
        raise UsageError(f"chunk must be at least 1. Received {chunk}.")
    files, unique = find_files(paths), duplicates == "reject"
    return SpectraStream(
        files, progress, int(chunk), labels, grid, unique, rejects, seen, beside or set(files), rows
    )


class SpectraStream:
    """Iterator over batches of Spectra; made by `read_many`.

    Attributes
    ----------
    files : list of Path
        The files to read.
    rejects : list of dict
        file, hdu (HDU and row), id ("" where a whole file is meant), code and reason (see
        `common.rejects`) of everything left out so far.
    """

    def __init__(self, files, progress, chunk, labels, grid, unique, rejects, seen, beside, rows):
        self.files = files
        self.rejects = [] if rejects is None else rejects
        self._progress, self._chunk, self._labels = progress, chunk, labels
        self._grid, self._unique = grid, unique
        self._seen = {} if seen is None else seen
        self._beside, self._rows = beside, rows
        self._batches = self._join(self._parts())

    def __iter__(self):
        return self

    def __next__(self):
        return next(self._batches)

    def _reject(self, file, identity, reason, place=""):
        identity, reason = short(identity, LONGEST_ID), short(reason, LONGEST_REASON)
        row = {"file": str(file), "hdu": place, "id": identity, "code": code_of(reason)}
        self.rejects.append(row | {"reason": reason})

    def _parts(self):
        """Yield the usable spectra of each file, at most one chunk at a time.

        Those of files that hold one each are put together.
        """
        singles = []
        for path in cli.progress(self.files, desc="reading", unit="file", shown=self._progress):
            done = 0
            try:
                with open_survey(path) as (reader, hdus):
                    if hasattr(reader, "single"):
                        one = reader.single(Path(path), hdus).checked()
                        one.meta["mock"] = is_mock(hdus)
                        if singles and (one.kind != singles[0].kind or len(singles) == self._chunk):
                            yield from self._gathered(singles)
                        singles.append(one)
                        continue
                    yield from self._gathered(singles)
                    if _read_elsewhere(reader, Path(path), hdus) in self._beside:
                        continue
                    total = reader.count(hdus)
                    place = _place_of(hdus, total)
                    if total == 0:
                        self._reject(path, "", "the file holds no spectra")
                    # A plain FITS table is mapped into memory: only these rows are touched.
                    first, last, _ = self._rows.indices(total)
                    for start in range(first, last, self._chunk):
                        rows = slice(start, min(start + self._chunk, last))
                        part = reader.read(Path(path), hdus, rows=rows, grid=self._grid)
                        if "mock" not in part.meta:
                            part.meta["mock"] = is_mock(hdus)
                        part = self._usable(path, part, place, rows.start)
                        if len(part):
                            yield part
                        done = rows.stop
            except ReadError as error:
                reason = str(error).removeprefix(f"{error.path}: ")
                self._reject(path, "", reason + (f" (after {done} spectra)" if done else ""))
            except (SuiteError, MemoryError) as error:
                self._reject(path, "", str(error) or type(error).__name__)
        yield from self._gathered(singles)

    def _gathered(self, singles):
        """Yield what is usable of the spectra of single files, and empty their list."""
        if singles:
            part = gathered(singles)
            singles.clear()
            part = self._usable(None, part)
            if len(part):
                yield part

    def _usable(self, path, part, place="", start=0):
        keep, alone = np.zeros(len(part), dtype=bool), path is None  # of a file each
        for row, fault in enumerate(faults(part)):
            identity = part.ids[row]
            path = part.meta["file"].iat[row] if alone else path
            if fault is None and self._labels:
                fault = _label_fault(part.meta.iloc[row])
            if fault is None and self._unique and identity in self._seen:
                fault = f"duplicate id: first seen in {self._seen[identity]}"
            if fault is None:
                keep[row] = True
                if self._unique:
                    self._seen.setdefault(identity, str(path))
            else:
                where = f"{place}row {start + row + 1}" if place else ""
                self._reject(path, identity, fault, where)
        return part if keep.all() else part[keep]

    def _join(self, parts):
        """Yield the parts joined to batches of `chunk` spectra that can stand in one object."""
        held, size = [], 0
        for part in parts:
            if held and _kind(part) != _kind(held[0]):
                yield Spectra.concatenate(held)
                held, size = [], 0
            while size + len(part) >= self._chunk:
                take = self._chunk - size
                yield Spectra.concatenate([*held, part[:take]]) if held else part[:take]
                held, size, part = [], 0, part[take:]
            if len(part):
                held.append(part)
                size += len(part)
        if held:
            yield Spectra.concatenate(held)


def _read_elsewhere(reader, path, hdus):
    """Return the file by whose name this one is read, where a spectrum comes in several files."""
    return reader.belongs_to(path, hdus) if hasattr(reader, "belongs_to") else None


def _place_of(hdus, total):
    """Return the HDU with as many rows as there are spectra, in words; "" where there is one."""
    if total < 2 or not isinstance(hdus, list):  # one spectrum, or a shard
        return ""
    headers = [getattr(hdu, "header", hdu) for hdu in hdus]
    found = next((i for i, h in enumerate(headers) if h.get("NAXIS2") == total), None)
    return "" if found is None else f"HDU {found}, "


def _kind(part):
    """Return what must agree between spectra of one batch."""
    absent = (value is None for value in (part.ivar, part.mask, part.or_mask))
    return (*(getattr(part, name) for name in KIND), *absent)


def _label_fault(row):
    if not row["class"]:
        return "no label: class unknown"
    if not np.isfinite(row["z"]):
        return "no label: redshift unknown"
    return None
