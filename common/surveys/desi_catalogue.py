"""DESI's tables of redshifts: redrock's, the zcatalogs, and QSO_cat, joined by TARGETID.

``redrock-*.fits`` has HDU REDSHIFTS (ZBEST in early releases), zall-pix and
zall-tilecumulative have ZCATALOG, with the same columns (https://desidatamodel.readthedocs.io,
pages redrock and zcatalog).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from common.errors import ReadError
from common.surveys.columns import column, exact_ids, names_of
from common.surveys.fitsfile import open_fits

ALLOWED = "a table of DESI with TARGETID and Z: redrock, zcatalog or QSO_cat"
TABLES = ("REDSHIFTS", "ZBEST", "ZCATALOG", "QSO_CAT")  # the first one counts
COLUMNS = {  # ours: theirs, in order of preference
    "class": ("SPECTYPE",),
    "subclass": ("SUBTYPE",),
    "z": ("Z",),
    "z_err": ("ZERR",),
    "zwarn": ("ZWARN",),
    "deltachi2": ("DELTACHI2",),
    "ra": ("TARGET_RA", "RA"),
    "dec": ("TARGET_DEC", "DEC"),
    "survey": ("SURVEY",),
    "program": ("PROGRAM",),
    "primary": ("ZCAT_PRIMARY", "MAIN_PRIMARY"),
}
TEXT = ("class", "subclass", "survey", "program")


def table_of(hdus):
    """Return the table of redshifts of an open file, or None."""
    named = {hdu.name.upper(): hdu for hdu in reversed(list(hdus)[1:])}
    order = [named[name] for name in TABLES if name in named] + list(hdus)[1:]
    return next((hdu for hdu in order if {"targetid", "z"} <= set(names_of(hdu))), None)


def read_redshifts(path):
    """Read a table of redshifts.

    Parameters
    ----------
    path : path-like
        FITS, plain or gzipped. A large one is mapped, and only the columns below are read.

    Returns
    -------
    DataFrame
        targetid (text, "" where masked; negative for what is no target), class ("QSO" where
        there is no SPECTYPE), subclass, z, z_err, zwarn, deltachi2, ra, dec (deg), survey,
        program, primary (bool: the best of several rows of one target, where a zcatalog says so).
        NaN, "" or <NA> where the table does not say.

    Raises
    ------
    ReadError
        If the file is damaged, has no such table, or TARGETID has been rounded.
    """
    path = Path(path)
    with open_fits(path) as hdus:
        table = table_of(hdus)
        if table is None:
            layout = ", ".join(hdu.name or type(hdu).__name__ for hdu in hdus)
            raise ReadError(path, f"no table with TARGETID and Z (HDUs: {layout})", ALLOWED)
        n, target = int(table.header["NAXIS2"]), column(table, "TARGETID")
        _check_single(path, target, "TARGETID")
        whole = target.dtype.kind in "iu"  # below zero: sky positions and stuck fibres
        out = {
            "targetid": target.astype(str) if whole else exact_ids(path, target, name="TARGETID")
        }
        for ours, theirs in COLUMNS.items():
            values = column(table, *theirs)
            if values is not None:
                _check_single(path, values, theirs[0].upper())
            if ours in TEXT:
                out[ours] = np.full(n, "") if values is None else values.astype(str)
            elif ours in ("zwarn", "primary"):
                kind = "Int64" if ours == "zwarn" else "boolean"
                none = pd.array([pd.NA] * n, dtype=kind)
                out[ours] = none if values is None else pd.array(values, dtype=kind)
            else:
                out[ours] = np.full(n, np.nan) if values is None else values.astype(float)
    if "spectype" not in names_of(table):  # a QSO_cat
        out["class"] = np.full(n, "QSO")
    return pd.DataFrame(out)


def _check_single(path, values, name):
    """Raise `ReadError` where the cells of a column hold arrays."""
    if values.ndim != 1:
        raise ReadError(path, f"column {name} with arrays", "one value in a row")
