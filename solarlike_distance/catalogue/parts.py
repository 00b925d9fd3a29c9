"""Finished parts of a catalogue on disk, from which it is put together at the end."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from common.catalog_stream import write_stream
from common.errors import UsageError
from common.files import write_json, write_parquet

FILES, BYTES = 256, 2**28  # default: at most so many files, or bytes of files, in a job
HIDDEN = ("_name", "_content")  # columns of parts that the catalogue does not have
REJECT = ("file", "id", "reason")


def jobs_of(files):
    """Return the files in groups that are worked on one after the other, list of lists.

    A group ends where it has `FILES` files or `BYTES` bytes.
    """
    jobs, size = [[]], 0
    for path in files:
        own = Path(path).stat().st_size
        if jobs[-1] and (len(jobs[-1]) >= FILES or size + own > BYTES):
            jobs.append([])
            size = 0
        jobs[-1].append(path)
        size += own
    return jobs


def fingerprint(files, options):
    """Return a hash of files (names, sizes, times) and of options.

    Parameters
    ----------
    files : sequence of path-like
    options : dict
        Of what JSON can hold.
    """
    digest = hashlib.sha256(json.dumps(options, sort_keys=True, default=str).encode())
    for path in files:
        about = Path(path).stat()
        digest.update(f"\n{Path(path).resolve()}|{about.st_size}|{about.st_mtime_ns}".encode())
    return digest.hexdigest()[:32]


class Parts:
    """The folder OUT.parts: one Parquet file a batch of spectra, and what was rejected.

    Parameters
    ----------
    out : path-like
        The catalogue that is being made.
    mark : str
        From `fingerprint`: parts of anything else are not mixed in.

    Raises
    ------
    UsageError
        If the folder holds parts of another run, other options or other files.
    """

    def __init__(self, out, mark):
        out = Path(out)
        self.folder = out.with_name(out.name + ".parts")
        about = self.folder / "about.json"
        if about.is_file():
            if json.loads(about.read_text()).get("fingerprint") != mark:
                raise UsageError(
                    f"{self.folder} holds finished parts of another catalogue: the run, an option, "
                    "a table or the spectrum files differ. Repeat that command to go on with it, "
                    "name another output, or delete the folder."
                )
        elif self.folder.exists() and any(self.folder.iterdir()):
            raise UsageError(
                f"{self.folder} is there and holds no parts of a catalogue. Name another output, "
                "or move it away."
            )
        else:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_json(about, {"fingerprint": mark})

    def _part(self, job, batch):
        return self.folder / f"part-{job:06d}-{batch:06d}.parquet"

    def finished(self, job):
        """Return whether all batches of a job are there."""
        return (self.folder / f"job-{job:06d}.json").is_file()

    def has(self, job, batch):
        """Return whether a batch is there."""
        return self._part(job, batch).is_file()

    def write(self, job, batch, table, rejects):
        """Keep a batch: its rows and what could not be used of it."""
        path = self._part(job, batch)
        write_json(path.with_suffix(".json"), rejects)
        write_parquet(table, path)

    def finish(self, job, rejects):
        """Keep what the reader rejected of a job, which is then finished."""
        write_json(self.folder / f"job-{job:06d}.json", rejects)

    def remove(self):
        """Delete the folder: the catalogue stands."""
        shutil.rmtree(self.folder)

    def tables(self, columns=None):
        """Yield the parts in order."""
        for path in sorted(self.folder.glob("part-*.parquet")):
            yield pd.read_parquet(path, columns=columns)

    def rejects(self):
        """Yield what was rejected, dicts of `REJECT`: of each job the reader's, then the rest."""
        for path in sorted(self.folder.glob("job-*.json")):
            yield from json.loads(path.read_text())
            number = path.stem.removeprefix("job-")
            for part in sorted(self.folder.glob(f"part-{number}-*.json")):
                yield from json.loads(part.read_text())


def repeated(parts):
    """Tell which rows of the parts are not alone.

    Returns
    -------
    copies : ndarray of bool, shape (n,)
        The same observation with the same values came before.
    shared : ndarray of bool, shape (n,)
        Another row that is no copy has the same observation.
    """
    pairs = [t.to_numpy(np.int64) for t in parts.tables(list(HIDDEN))]
    pairs = np.concatenate([np.zeros((0, 2), np.int64), *pairs])
    order = np.lexsort((np.arange(len(pairs)), pairs[:, 1], pairs[:, 0]))
    same_name = np.zeros(len(pairs), dtype=bool)
    same_name[1:] = np.diff(pairs[order, 0]) == 0
    same = same_name.copy()
    same[1:] &= np.diff(pairs[order, 1]) == 0
    copies = np.zeros(len(pairs), dtype=bool)
    copies[order] = same
    # Without the copies, rows that share a name lie side by side.
    kept = order[~same]
    beside = np.diff(pairs[kept, 0]) == 0
    shared = np.zeros(len(pairs), dtype=bool)
    shared[kept[1:][beside]] = True
    shared[kept[:-1][beside]] = True
    return copies, shared


def assemble(parts, out, *, options):
    """Put a catalogue together from its parts, and the table of rejects beside it.

    Parameters
    ----------
    parts : Parts
    out : path-like
        See `common.catalog_stream.write_stream`; rejects go to OUT.rejects.ecsv.
    options : dict
        units, ucds, descriptions and meta.

    Returns
    -------
    rows, lost : int
        Spectra in the catalogue and in the table of rejects.
    """
    copies, shared = repeated(parts)

    def chunks():
        start = 0
        for table in parts.tables():
            here = slice(start, start + len(table))
            start += len(table)
            twice = np.where(shared[here], "DUPLICATE_OBSID", "")
            gap = np.where((table["warnings"] != "") & shared[here], ";", "")
            table["warnings"] = table["warnings"] + gap + twice
            yield table[~copies[here]].drop(columns=list(HIDDEN)).reset_index(drop=True)

    rows = int((~copies).sum())
    if rows:
        write_stream(chunks, out, **options)
    lost = _write_rejects(parts, copies, Path(out).with_name(Path(out).name + ".rejects.ecsv"))
    return rows, lost


def _copied(parts, copies):
    """Yield the rejects of spectra that were there before with the same values."""
    start = 0
    for table in parts.tables(["file", "name"]):
        here = table[copies[start : start + len(table)]]
        start += len(table)
        for row in here.itertuples():
            yield {"file": row.file, "id": row.name, "reason": "the same spectrum came before"}


def _write_rejects(parts, copies, path, size=4096):
    """Write the rejects piece by piece; return how many they are."""

    def pieces():
        held, blank = [], pd.DataFrame({name: pd.Series(dtype=str) for name in REJECT})
        yield blank
        for source in (parts.rejects(), _copied(parts, copies)):
            for row in source:
                held.append(row)
                if len(held) >= size:
                    yield pd.DataFrame(held, columns=REJECT).astype(str)
                    held = []
        if held:
            yield pd.DataFrame(held, columns=REJECT).astype(str)

    n = sum(len(piece) for piece in pieces())
    if n:
        write_stream(pieces, path)
    else:
        path.unlink(missing_ok=True)  # of an earlier call
    return n
