"""Finished parts of a catalogue on disk, which survive a kill, an error and a full disk."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from common.catalogue.jobparts import ABOUT, JobParts, arrow_of, rejects_in, write_plain
from common.errors import UsageError
from common.files import clear_temporary, temporary_of

HIDDEN = "_"  # columns whose names begin so are of the parts alone


def stamp(path):
    """Return what tells a file from another and from its other versions, None without one."""
    if path is None:
        return None
    about = Path(path).stat()
    return [str(Path(path).resolve()), about.st_size, about.st_mtime_ns]


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
        digest.update("\n{}|{}|{}".format(*stamp(path)).encode())
    return digest.hexdigest()[:32]


class Parts(JobParts):
    """The folder OUT.parts as a whole: the rows of all batches, and what was rejected.

    Batches are numbered within jobs. A batch that cannot be written is held in memory, so that at
    least the partial catalogue has it.

    Parameters
    ----------
    out : path-like
        The catalogue that is being made.
    mark : str
        From `fingerprint`: parts of anything else are not mixed in.

    Raises
    ------
    UsageError
        If the folder holds parts of another run, other options or other files, or is the user's.
    """

    def __init__(self, out, mark):
        out = Path(out)
        super().__init__(out.with_name(out.name + ".parts"))
        clear_temporary(out)
        clear_temporary(self.folder / ABOUT, every=True)
        self._held, self._left = {}, {}
        about = self.folder / ABOUT
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
            write_plain(about, {"fingerprint": mark})
        self.look()

    def look(self):
        """Take in what is in the folder, which other processes may have added to."""
        found = [path.stem.split("-") for path in self.folder.glob("[jp]*-*")]
        self._finished = {int(job) for kind, job, *_ in found if kind == "job"}
        self._batches = {}  # job -> set of its batches
        for job, batch in [
            *((int(j), int(b[0])) for k, j, *b in found if k == "part"),
            *self._held,
        ]:
            self._batches.setdefault(job, set()).add(batch)

    def finished(self, job):
        """Return whether all batches of a job are there."""
        return job in self._finished

    def finish(self, job):
        """Keep what the reader rejected of a job, which is then finished."""
        super().finish(job)
        self._finished.add(job)

    def has(self, job, batch):
        """Return whether a batch is there."""
        return batch in self._batches.get(job, ())

    def write(self, job, batch, table, rejects):
        """Keep a batch: its rows (a DataFrame, or None) and what could not be used of it."""
        self._held[job, batch] = arrow_of(table, rejects)
        self._batches.setdefault(job, set()).add(batch)
        self.keep(job, batch, self._held[job, batch])
        del self._held[job, batch]

    def leave_out(self, left):
        """Pass over some rows from now on.

        Parameters
        ----------
        left : dict
            (job, batch) -> (ndarray of bool, shape (rows of the batch,), True for rows that go;
            their rejects, list of dict).
        """
        self._left = left

    def remove(self):
        """Delete the folder: the catalogue stands."""
        # At once for all who look: of half a folder a later call would make half a catalogue.
        gone = temporary_of(self.folder)
        os.replace(self.folder, gone)
        shutil.rmtree(gone)

    def clean(self):
        """Delete the folder if nothing in it is finished; return whether that is so."""
        empty = not self._batches and not self._finished
        if empty:
            self.remove()
        return empty

    def keys(self, job=None):
        """Return (job, batch) of the batches that are there, on disk or held, in order."""
        jobs = sorted(self._batches) if job is None else [job]
        return [
            (number, batch) for number in jobs for batch in sorted(self._batches.get(number, ()))
        ]

    def _schema(self, key):
        return self._held[key].schema if key in self._held else pq.read_schema(self.part(*key))

    def kinds(self):
        """Return the types of columns that hold the values of all parts, as DataFrame.dtypes."""
        seen = {}
        for key in self.keys():
            schema = self._schema(key)
            if len(schema):
                seen.setdefault((*schema.names, *map(str, schema.types)), schema)
        empty = [schema.empty_table().to_pandas() for schema in seen.values()]
        return pd.concat(empty).dtypes if empty else pd.Series(dtype=object)

    def tables(self, columns=None, *, job=None):
        """Yield the rows of each part in order, those without any left out.

        Parameters
        ----------
        columns : sequence of str, optional
            All but the hidden ones by default.
        job : int, optional
            All jobs by default.
        """
        for key in self.keys(job):
            table = self.table(key, columns)
            if table is None:
                continue
            if key in self._left:
                table = table[~self._left[key][0]].reset_index(drop=True)
            if len(table):
                yield table

    def table(self, key, columns=None):
        """Return all rows of a part as a DataFrame, None where it has none; see `tables`."""
        names = self._schema(key).names
        if not names:
            return None
        wanted = [n for n in names if not n.startswith(HIDDEN)] if columns is None else columns
        if key in self._held:
            return self._held[key].select(wanted).to_pandas()
        # Not by pandas, which takes twice as long to open a small file.
        with pq.ParquetFile(self.part(*key)) as file:
            return file.read(columns=list(wanted), use_threads=False).to_pandas()

    def rejects_of(self, key):
        """Return what was rejected of a part when its rows were made, list of dict."""
        return rejects_in(self._schema(key))

    def rejects(self, *, job=None, reader=True):
        """Yield what was rejected, dicts of file, id and reason.

        Parameters
        ----------
        job : int, optional
            All jobs by default.
        reader : bool
            Of each job, what its reader rejected goes before the rest.
        """
        jobs = self._finished | set(self._batches) | set(self.reading)
        for number in sorted(jobs) if job is None else [job]:
            if reader and number in self.reading:
                yield from list(self.reading[number])
            elif reader and self.finished(number):
                yield from json.loads(self.end(number).read_text())
            for key in self.keys(number):
                yield from self.rejects_of(key)
                yield from self._left.get(key, (None, ()))[1]
