"""Catalogues as a folder of Parquet files, cut by rows alone."""

from __future__ import annotations

import os
import shutil
from itertools import groupby
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from common import catalog
from common.errors import UsageError
from common.files import atomic_path, temporary_of, write_json

CHUNKS = 256  # default: chunks of a file, which `common.catalogue.assemble` makes of 4096 rows
MARK = "_catalogue.json"  # what Arrow, Spark and dask pass over, as they do all names with "_"


def write_partitioned(chunks, folder, *, units=None, ucds=None, descriptions=None, meta=None):
    """Write a catalogue as files part-00000.parquet ..., which appear together when all are whole.

    Parameters
    ----------
    chunks, units, ucds, descriptions, meta
        As of `common.catalogue.stream.write_stream`; in every file.
    folder : path-like
        New, or a catalogue that was written so before.

    Returns
    -------
    int
        Rows written.

    Raises
    ------
    UsageError
        If the folder is there and holds something else, or a unit or UCD names no column.
    SuiteError
        If the disk is full or the folder cannot be written to.
    """
    folder = Path(folder)
    if folder.exists() and not (folder / MARK).is_file():
        raise UsageError(f"{folder} is there and no catalogue of many files. Name another output.")
    first = next(iter(chunks()))
    notes = catalog.notes_of(first, units=units, ucds=ucds, descriptions=descriptions)
    schema = catalog.parquet_schema(first, notes, dict(meta or {}))
    new = temporary_of(folder)
    try:
        files = {}
        for number, some in groupby(enumerate(chunks()), key=lambda pair: pair[0] // CHUNKS):
            name = f"part-{number:05d}.parquet"
            with atomic_path(new / name) as path, pq.ParquetWriter(path, schema) as writer:
                files[name] = 0
                for _, chunk in some:
                    table = pa.Table.from_pandas(chunk, preserve_index=False)
                    writer.write_table(table.cast(schema))
                    files[name] += len(chunk)
        write_json(new / MARK, {"rows": sum(files.values()), "files": files})
        if folder.exists():
            old = temporary_of(folder)
            os.replace(folder, old)
            os.replace(new, folder)
            shutil.rmtree(old)
        else:
            os.replace(new, folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return sum(files.values())
