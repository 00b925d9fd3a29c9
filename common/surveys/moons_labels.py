"""Labels of MOONS spectra: a table of redshift, stellar mass and star formation rate by id."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from astropy.table import Table

from common.errors import MissingDataError, ReadError

NAMES = ("labels.fits", "labels.ecsv", "labels.parquet", "labels.csv")
REQUIRED = ("id", "z")
NUMBERS = (
    "log_mass", "log_sfr", "exposure", "m_h", "f_ha", "f_oiii", "f_ha_fibre", "sersic_n", "r_e",
    "oh", "fibre_h", "line_snr_1", "line_snr_2",
)  # fmt: skip


def find_labels(path):
    """Return the file of labels of a folder (`NAMES`), or the path itself where it is a file.

    Raises
    ------
    MissingDataError
        If there is none.
    """
    path = Path(path)
    if path.is_file():
        return path
    for folder in (path, path.parent):  # a mock keeps its spectra one level below
        for name in NAMES:
            if (folder / name).is_file():
                return folder / name
    raise MissingDataError(
        f"{path}: no labels here: a file {', '.join(NAMES)} with columns {', '.join(REQUIRED)} "
        "belongs beside the spectra. Training and evaluation need it; predict does not."
    )


def read_labels(path):
    """Read labels of spectra.

    Parameters
    ----------
    path : path-like
        A table (FITS, ECSV, Parquet, CSV) or the folder that holds it, see `find_labels`. Columns:
        id, as the spectra have it; z; where known log_mass and log_sfr (log10 solar masses, a
        year), galaxy (groups exposures of one object), kind, the rest of `NUMBERS`, mag_x.

    Returns
    -------
    DataFrame
        With galaxy (the id where unknown), kind ("" where unknown) and all of `NUMBERS` (NaN).

    Raises
    ------
    MissingDataError
        If there is no such file.
    ReadError
        If it is no table, a column of `REQUIRED` is missing, a number is none, or an id stands
        twice.
    """
    file = find_labels(path)
    try:
        # Text as text: an id such as 0012 is not a number.
        options = {"converters": {"id": str, "galaxy": str}} if file.suffix == ".csv" else {}
        if file.suffix == ".parquet":
            table = pd.read_parquet(file)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of damage, which ends in the error below
                table = Table.read(file, **options).to_pandas()
    except Exception as error:  # astropy's readers raise nearly every kind
        text = " ".join(str(error).split())[:200] or type(error).__name__
        raise ReadError(file, text, "a table in FITS, ECSV, Parquet or CSV") from error
    table.columns = [str(name).lower() for name in table.columns]
    missing = [name for name in REQUIRED if name not in table]
    if missing:
        raise ReadError(
            file, f"no column {', '.join(missing)} (it has {', '.join(table.columns[:12])})",
            f"a table with columns {', '.join(REQUIRED)}",
        )  # fmt: skip
    table = _text(table)
    for name in ("z", *NUMBERS):
        values = table.get(name, pd.Series(np.nan, index=table.index))
        numbers = pd.to_numeric(values, errors="coerce").astype(float)
        wrong = numbers.isna() & values.notna() & (values.astype(str).str.strip() != "")
        if wrong.any():
            bad = values[wrong].iloc[0]
            raise ReadError(
                file, f"{bad!r} in the column {name}, row {np.flatnonzero(wrong)[0] + 1}",
                "numbers; leave unknown ones empty",
            )  # fmt: skip
        table[name] = numbers
    twice = table["id"][table["id"].duplicated()]
    if len(twice):
        raise ReadError(
            file, f"the id {twice.iloc[0]} in more than one row", "one row for each spectrum"
        )
    return table


def _text(table):
    """Return the table with id, galaxy and kind as stripped text."""
    for name in ("id", "galaxy", "kind"):
        values = table.get(name, pd.Series("", index=table.index))
        values = values.map(lambda v: v.decode() if isinstance(v, bytes) else v)
        table[name] = values.fillna("").astype(str).str.strip()
    table["galaxy"] = table["galaxy"].where(table["galaxy"] != "", table["id"])
    return table
