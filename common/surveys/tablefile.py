"""Chosen columns of a survey's catalogue file, FITS or text, under lower-case names."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from common.errors import ReadError
from common.surveys.gaia_tables import read_gaia_table
from common.surveys.ids import spoilt

ENDINGS = (".fits", ".fit", ".csv", ".tsv", ".txt", ".dat", ".ecsv", ".vot", ".xml")


def is_table_file(path):
    """Return True for a name that `read_columns` can read: one of `ENDINGS`, plain or gzipped."""
    return Path(path).name.lower().removesuffix(".gz").endswith(ENDINGS)


def read_columns(path, wanted, *, text=(), ids=(), quantities=None):
    """Read some columns of a catalogue.

    Parameters
    ----------
    path : path-like
        FITS (the first table with rows of these columns), VOTable, ecsv, or text as
        `common.surveys.delimited.read_text` reads it, plain or gzipped.
    wanted : sequence of str
        Names in lower case; those that the file does not have are left out.
    text : sequence of str
        Columns that are kept as text, "" where missing.
    ids : sequence of str
        Columns of whole numbers, kept as exact text; "" where missing or rounded. What
        `common.surveys.ids.spoilt` says of them is in ``attrs["spoilt"]``, by name.
    quantities : dict of str to str, optional
        What columns measure, see `common.surveys.gaia_tables.GaiaTable.numbers`: these are float64
        in the quantity's unit, NaN where missing.

    Returns
    -------
    DataFrame
        Lower-case names, in the order of `wanted`. Sentinels such as -9999 are still in columns
        that are neither ids nor `quantities`.

    Raises
    ------
    ReadError
        If the file is damaged, has another ending or none of the columns, or a unit that is none
        of its quantity.
    """
    path = Path(path)
    if not is_table_file(path):
        raise ReadError(path, f"the ending {path.suffix!r}", f"a table: {', '.join(ENDINGS)}, .gz")
    quantities = quantities or {}
    table = read_gaia_table(path, need=(), want=list(wanted), texts=(*text, *ids), names={})
    columns, wrong = {}, {}
    for name in wanted:
        values = table.columns.get(name)
        if values is not None and values.ndim == 2 and values.shape[1] == 1:
            table.columns[name] = values = values[:, 0]
        if values is None or values.ndim != 1:
            continue
        if name in ids:
            columns[name], faults = table.whole_ids(name)
            wrong[name] = spoilt(faults)
        elif name in text:
            columns[name] = table.texts(name)
        else:
            known = name in quantities
            columns[name] = table.numbers(name, quantities[name]) if known else values
    out = pd.DataFrame(columns)
    out.attrs["spoilt"] = wrong
    return out
