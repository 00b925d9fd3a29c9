"""Chosen columns of a survey's catalogue file, FITS or text, under lower-case names."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pandas as pd

from common.errors import ReadError
from common.surveys.columns import column, names_of
from common.surveys.fitsfile import open_fits

ENDINGS = (".fits", ".fit", ".csv", ".txt")


def is_table_file(path):
    """Return True for a name that `read_columns` can read: .fits, .fit, .csv or .txt, or .gz."""
    return Path(path).name.lower().removesuffix(".gz").endswith(ENDINGS)


def read_columns(path, wanted, *, text=()):
    """Read some columns of a catalogue.

    Parameters
    ----------
    path : path-like
        .fits or .fit (the first table with rows of these columns), .csv or .txt (comma, "|", tab
        or semicolon), plain or gzipped. In text files the lines before the header that start with
        "#" are comments ("#Table1" by CasJobs); an empty field, "null" or "nan" is missing.
    wanted : sequence of str
        Names in lower case; those that the file does not have are left out.
    text : sequence of str
        Columns that are kept as text: ids of 19 digits do not fit a float.

    Returns
    -------
    DataFrame
        Lower-case names, in the order of `wanted`. Sentinels such as -9999 are still in it.

    Raises
    ------
    ReadError
        If the file is damaged, has another ending, or has none of the columns.
    """
    path = Path(path)
    if not is_table_file(path):
        raise ReadError(
            path, f"the ending {path.suffix!r}", "a table: .fits, .fit, .csv, .txt, .gz"
        )
    kind = path.name.lower().removesuffix(".gz")
    reader = _from_fits if kind.endswith((".fits", ".fit")) else _from_text
    table, known = reader(path, list(wanted), set(text))
    if not len(table.columns):
        shown = ", ".join(known[:12]) + (" ..." if len(known) > 12 else "")
        raise ReadError(
            path, f"columns {shown or 'none'}", f"a table with columns {', '.join(wanted)}"
        )
    return table


def _from_fits(path, wanted, text):
    known = []
    with open_fits(path) as hdus:
        for hdu in hdus:
            names = names_of(hdu)
            known += list(names)
            found = [name for name in wanted if name in names]
            if found:
                values = {name: column(hdu, name) for name in found}
                break
        else:
            return pd.DataFrame(), known
    for name in text & set(values):
        values[name] = _as_text(values[name])
    values = {k: v[:, 0] if v.ndim == 2 and v.shape[1] == 1 else v for k, v in values.items()}
    return pd.DataFrame({k: v for k, v in values.items() if v.ndim == 1}), known


def _as_text(values):
    return np.char.strip(np.asarray(values).astype(str))


def _from_text(path, wanted, text):
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8", errors="replace") as file:
            lines = enumerate(file)
            skipped, head = next(((i, x) for i, x in lines if x.strip() and x[0] != "#"), (0, ""))
        separator = max(",|\t;", key=head.count)
        names = next(csv.reader([head], delimiter=separator), [])
        original = {name.strip().lower(): name for name in names}
        found = [name for name in wanted if name in original]
        if not found:
            return pd.DataFrame(), list(original)
        table = pd.read_csv(
            path,
            sep=separator,
            usecols=[original[name] for name in found],
            dtype={original[name]: str for name in found if name in text},
            skiprows=skipped,
            na_values=["null", "NULL"],
            skipinitialspace=True,
        )
    except FileNotFoundError:
        raise ReadError(path, "there is no such file", "a catalogue", "Check the path.") from None
    except (OSError, EOFError, ValueError, pd.errors.ParserError) as error:
        text_ = " ".join(str(error).split())[:200]
        raise ReadError(path, f"{type(error).__name__}: {text_}", "a readable table") from error
    table = table.rename(columns={original[name]: name for name in found})[found]
    for name in text & set(found):
        table[name] = table[name].fillna("").astype(str).str.strip()
    return table, list(original)
