"""Catalogues of any length on disk: written chunk by chunk, never held as a whole.

Every format of `common.catalog` comes out as `write_table` would write it. Two passes over the
chunks are made for FITS, whose header needs the number of rows and the widths of the texts before
the first row; one for the others.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.io import fits
from astropy.io.votable.exceptions import W50

from common import catalog
from common.errors import SuiteError
from common.files import atomic_path

BLOCK = 2880  # bytes, FITS standard
FILLER = {"i": 0, "u": 0, "f": 0.0, "b": False}


def write_stream(chunks, path, *, units=None, ucds=None, descriptions=None, meta=None):
    """Write a catalogue from chunks of rows; it appears under its name only when it is whole.

    Parameters
    ----------
    chunks : callable
        Returns a new iterator over DataFrames of the same columns and types, at least one of
        them, of which the first may have no rows. It is called twice for FITS.
    path, units, ucds, descriptions, meta
        As of `common.catalog.write_table`.

    Returns
    -------
    int
        Rows written.

    Raises
    ------
    UsageError
        If the ending is another one, or a unit or UCD names a column that is not there.
    SuiteError
        If chunks differ in their columns, the disk is full or the folder cannot be written to.
    """
    ending = catalog.check_format(path)
    first = next(iter(chunks()))
    notes = catalog.notes_of(first, units=units, ucds=ucds, descriptions=descriptions)
    writer = {".fits": _fits, ".vot": _votable, ".xml": _votable, ".parquet": _parquet,
              ".ecsv": _ecsv, ".csv": _csv}[ending]  # fmt: skip
    with atomic_path(path) as temporary:
        return writer(lambda: _alike(chunks(), first), Path(temporary), notes, dict(meta or {}))


def _alike(chunks, first):
    """Yield the chunks; an error where one has other columns or types than the first."""
    for chunk in chunks:
        if list(chunk.columns) != list(first.columns) or (chunk.dtypes != first.dtypes).any():
            raise SuiteError(
                f"A chunk of a catalogue has columns {dict(chunk.dtypes)}; the first has "
                f"{dict(first.dtypes)}."
            )
        yield chunk.reset_index(drop=True)


def _survey(chunks):
    """Return number of rows, width of every text column, and the columns with missing values."""
    rows, widths, missing = 0, {}, set()
    for chunk in chunks:
        rows += len(chunk)
        for name in chunk:
            if catalog.is_text(chunk[name]):
                texts = chunk[name].fillna("").astype(str)
                length = max((len(t.encode("ascii", "backslashreplace")) for t in texts), default=1)
                widths[name] = max(widths.get(name, 1), length)
            elif chunk[name].isna().any():
                missing.add(name)
    return rows, widths, missing


def _with_filler(chunk, widths, missing):
    """Return a chunk with one more row that makes its FITS columns those of the whole table."""
    row = {}
    for name in chunk:
        if name in widths:
            row[name] = "x" * widths[name]
        else:
            numpy_type = getattr(chunk[name].dtype, "numpy_dtype", chunk[name].dtype)
            row[name] = pd.NA if name in missing else FILLER[numpy_type.kind]
            if name in missing and numpy_type.kind == "f":
                row[name] = np.nan
    filler = pd.DataFrame([row]).astype(chunk.dtypes.to_dict())
    return pd.concat([chunk, filler], ignore_index=True)


def _fits(chunks, path, notes, meta):
    rows, widths, missing = _survey(chunks())
    with open(path, "wb") as file:
        size = None
        for chunk in chunks():
            hdu = catalog.fits_hdu(_with_filler(chunk, widths, missing), notes, meta)
            buffer = io.BytesIO()
            hdu.writeto(buffer)
            whole = buffer.getvalue()
            held = hdu.header["NAXIS1"] * (len(chunk) + 1)
            data = whole[len(whole) - -(-held // BLOCK) * BLOCK :]
            if size is None:
                size = hdu.header["NAXIS1"]
                header = hdu.header.copy()
                header["NAXIS2"] = rows
                file.write(fits.PrimaryHDU().header.tostring().encode("ascii"))
                file.write(header.tostring().encode("ascii"))
            file.write(data[: size * len(chunk)])
        file.write(b"\0" * (-size * rows % BLOCK))
    return rows


def _votable(chunks, path, notes, meta):
    rows, end = 0, ""
    with open(path, "w", encoding="utf-8") as file:
        for chunk in chunks():
            buffer = io.BytesIO()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", W50)  # dex is no unit of the standard
                whole = catalog.votable(chunk, notes, meta)
                whole.to_xml(buffer, **catalog.VOTABLE)
            text = buffer.getvalue().decode("utf-8")
            head, _, rest = text.partition("<TABLEDATA>\n")
            body, _, tail = rest.partition("    </TABLEDATA>")
            if not len(chunk):  # astropy leaves the data out then
                empty = text
                continue
            if not end:
                file.write(f"{head}<TABLEDATA>\n")
                end = f"    </TABLEDATA>{tail}"
            file.write(body)
            rows += len(chunk)
        file.write(end or empty)
    return rows


def _ecsv(chunks, path, notes, meta):
    rows, begun = 0, False
    with open(path, "w", encoding="utf-8") as file:
        for chunk in chunks():
            if not begun:
                file.write(catalog.ecsv_text(chunk.iloc[:0], notes, meta))
                begun = True
            # Not by astropy: reading masked columns value by value leaks memory (NumPy 2.4).
            columns = [[_quoted(v) for v in _plain(chunk[name])] for name in chunk]
            file.writelines(" ".join(row) + "\n" for row in zip(*columns, strict=True))
            rows += len(chunk)
    return rows


def _plain(series):
    """Return the values of a column as texts; "" where missing."""
    values = series.to_numpy() if series.dtype == np.float32 else series.tolist()
    return ["" if pd.isna(v) else str(v) for v in values]


def _quoted(text):
    """Return a field of ECSV, quoted where that is needed."""
    if text and not any(c in text for c in ' "\n\r\t'):
        return text
    return '"' + text.replace('"', '""') + '"'


def _csv(chunks, path, notes, meta):
    rows, begun = 0, False
    with open(path, "w", encoding="utf-8", newline="") as file:
        for chunk in chunks():
            chunk.to_csv(file, index=False, header=not begun)
            begun = True
            rows += len(chunk)
    return rows


def _parquet(chunks, path, notes, meta):
    rows, writer = 0, None
    try:
        for chunk in chunks():
            table = pa.Table.from_pandas(chunk, preserve_index=False)
            if writer is None:
                schema = catalog.parquet_schema(chunk, notes, meta)
                writer = pq.ParquetWriter(path, schema)
            writer.write_table(table.cast(writer.schema))
            rows += len(chunk)
    finally:
        if writer is not None:
            writer.close()
    return rows
