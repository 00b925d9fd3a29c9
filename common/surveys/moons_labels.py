"""Labels of MOONS spectra: a table of redshift, stellar mass and star formation rate by id."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from common.errors import MissingDataError, ReadError
from common.surveys.gaia_tables import GaiaTable, read_gaia_table

NAMES = ("labels.fits", "labels.ecsv", "labels.parquet", "labels.csv")
REQUIRED = ("id", "z")
NUMBERS = (
    "log_mass", "log_sfr", "exposure", "m_h", "f_ha", "f_oiii", "f_ha_fibre", "sersic_n", "r_e",
    "oh", "fibre_h", "line_snr_1", "line_snr_2",
)  # fmt: skip
TEXTS = ("id", "galaxy", "kind")


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
        With galaxy (the id where unknown), kind ("" where unknown) and all of `NUMBERS` (NaN, also
        where a mark such as -9999 stands).

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
        found = _columns(file)
    except ReadError as error:
        allowed = f"a table in FITS, ECSV, Parquet or CSV with columns {', '.join(REQUIRED)}"
        raise ReadError(file, error.found, allowed, error.remedy) from error
    flat = {name: v for name, v in found.columns.items() if v.ndim == 1 and name not in TEXTS}
    table = pd.DataFrame({name: found.texts(name) for name in TEXTS})
    table["galaxy"] = table["galaxy"].where(table["galaxy"] != "", table["id"])
    for name in dict.fromkeys(("z", *NUMBERS, *flat)):
        magnitude = name == "m_h" or name.startswith("mag_")
        if name in ("z", *NUMBERS) or magnitude:
            # A redshift may lie anywhere: who uses it says what is outside.
            table[name] = found.numbers(name, "magnitude" if magnitude else f"label {name}")
        else:
            table[name] = flat[name]
    table = table[table["id"] != ""].reset_index(drop=True)  # rows that no spectrum can have
    twice = table["id"][table["id"].duplicated()]
    if len(twice):
        raise ReadError(
            file, f"the id {twice.iloc[0]} in more than one row", "one row for each spectrum"
        )
    return table


def _columns(file):
    """Return the table in a file as `GaiaTable`, whose columns have lower-case names."""
    if file.suffix != ".parquet":
        return read_gaia_table(file, need=REQUIRED, texts=TEXTS, names={})
    try:
        table = pd.read_parquet(file)
    except Exception as error:  # pyarrow's own kinds
        raise ReadError(file, " ".join(str(error).split())[:200], "Parquet") from error
    columns = {str(name).lower(): table[name].to_numpy() for name in table}
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        raise ReadError(file, f"no column {', '.join(missing)}", "Parquet")
    return GaiaTable(file, columns, {})
