"""From finished parts to one catalogue and the table of rejects beside it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from common.catalogue.partitioned import write_partitioned
from common.catalogue.stream import write_stream
from common.rejects import reject_table

ROWS = 4096  # default: rows that are written at once


def rejects_of(out):
    """Return the path of the table of rejects of a catalogue."""
    return Path(out).with_name(Path(out).name + ".rejects.ecsv")


def assemble(parts, out, *, notes=None, meta=None, revise=None, partitioned=False):
    """Put a catalogue together from its parts; its bytes do not depend on how they were cut.

    Parameters
    ----------
    parts : common.catalogue.parts.Parts
    out : path-like
        See `common.catalog.check_format`; rejects go to OUT.rejects.ecsv.
    notes : dict, optional
        units, ucds and descriptions; those of columns that are not there are left out.
    meta : dict, optional
        Of the whole table.
    revise : callable, optional
        () -> iterator over (DataFrame, list of rejects), in place of `parts.tables`: what can be
        said of a row only when all are there. It is called more than once.
    partitioned : bool
        `out` becomes a folder of Parquet files.

    Returns
    -------
    rows, lost : int
        Spectra in the catalogue and in the table of rejects.

    Raises
    ------
    SuiteError
        If the disk is full or the folder cannot be written to.
    """
    kinds = parts.kinds()
    known = [name for name in kinds.index if not name.startswith("_")]
    kinds = kinds[known].to_dict()
    notes = {k: {n: v for n, v in values.items() if n in kinds}
             for k, values in (notes or {}).items()}  # fmt: skip

    def revised():
        return revise() if revise else ((table, []) for table in parts.tables())

    def chunks():
        return _even(table.astype(kinds) for table, _ in revised())

    def lost():
        yield from parts.rejects()
        if revise:
            for _, rejects in revise():
                yield from rejects

    rows = 0
    if any(True for _ in chunks()):
        rows = (write_partitioned if partitioned else write_stream)(chunks, out, meta=meta, **notes)
    return rows, write_rejects(lost, rejects_of(out))


def write_rejects(lost, path):
    """Write the table of rejects piece by piece, or remove an older one where there are none.

    Parameters
    ----------
    lost : callable
        () -> iterator over dicts as `common.rejects.reject_table` takes them.
    path : path-like

    Returns
    -------
    int
        Rejects.
    """

    def pieces():
        held = []
        for row in lost():
            held.append(row)
            if len(held) == ROWS:
                yield reject_table(held)
                held = []
        if held:
            yield reject_table(held)

    if any(True for _ in pieces()):
        return write_stream(pieces, path)
    Path(path).unlink(missing_ok=True)  # of an earlier call
    return 0


def _even(tables):
    """Yield the rows of many tables as tables of `ROWS` rows, the last with what is left."""
    held, n = [], 0
    for table in tables:
        while len(table):
            take = table.iloc[: ROWS - n]
            held.append(take)
            n += len(take)
            table = table.iloc[len(take) :]
            if n == ROWS:
                yield pd.concat(held, ignore_index=True)
                held, n = [], 0
    if held:
        yield pd.concat(held, ignore_index=True)
