"""What one job of a catalogue leaves on disk, written by whichever process has the job."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from common.files import atomic_path

ABOUT = "about.json"  # whose parts a folder holds


class JobParts:
    """Writer of the parts of jobs: a Parquet file a batch, and a file that ends the job.

    Nothing but the names of files is kept in memory, so that any process can take any job, and
    one whose process died is gone on with by another.

    Parameters
    ----------
    folder : path-like
        OUT.parts, made by `common.catalogue.parts.Parts`.
    """

    def __init__(self, folder):
        self.folder, self.reading = Path(folder), {}

    def part(self, job, batch):
        """Return the path of a batch."""
        return self.folder / f"part-{job:06d}-{batch:06d}.parquet"

    def end(self, job):
        """Return the path of what a finished job leaves."""
        return self.folder / f"job-{job:06d}.json"

    def begin(self, job):
        """Return the list that the reader of a job fills with what it rejects."""
        self.reading = {job: []}
        return self.reading[job]

    def finish(self, job):
        """Keep what the reader rejected of a job, which is then finished."""
        write_plain(self.end(job), self.reading[job])
        self.reading = {}

    def has(self, job, batch):
        """Return whether a batch is there."""
        return self.part(job, batch).exists()

    def write(self, job, batch, table, rejects):
        """Keep a batch: its rows (a DataFrame, or None) and what could not be used of it."""
        self.keep(job, batch, arrow_of(table, rejects))

    def keep(self, job, batch, arrow):
        """Write a batch that is an Arrow table already."""
        with atomic_path(self.part(job, batch)) as temporary:
            pq.write_table(arrow, temporary)


def arrow_of(table, rejects):
    """Return a batch as an Arrow table, with what was rejected in its metadata."""
    arrow = pa.table({}) if table is None else pa.Table.from_pandas(table, preserve_index=False)
    extra = {b"rejects": json.dumps(rejects)}
    return arrow.replace_schema_metadata({**(arrow.schema.metadata or {}), **extra})


def rejects_in(schema):
    """Return what was rejected of a batch, list of dict, from its Arrow schema."""
    return json.loads(schema.metadata[b"rejects"])


def write_plain(path, value):
    """Write JSON without line ends, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(value))
