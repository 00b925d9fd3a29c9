"""Small helpers shared by the readers: columns by any case, native types, the meta table."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from common.errors import ReadError

TEXT = ("file", "survey", "class", "subclass", "objtype")
NUMBERS = ("ra", "dec", "snr", "z", "z_err", "vdisp")
SURVEY_UNIT = "1e-17 erg / (s cm2 Angstrom)"


def names_of(hdu):
    """Return {lower-case name: name} of a table HDU's columns; empty where it has none."""
    columns = getattr(hdu, "columns", None)
    return {} if columns is None else {name.lower(): name for name in columns.names}


def column(hdu, *names, rows=slice(None)):
    """Return the first of the named columns that the table has, native-endian, or None.

    Parameters
    ----------
    hdu : astropy.io.fits.BinTableHDU
    *names : str
        Names in any case, in order of preference.
    rows : slice, default all
        Rows to read; others are not touched on disk.
    """
    known = names_of(hdu)
    for name in names:
        if name.lower() in known:
            return native(hdu.data.field(known[name.lower()])[rows])
    return None


def unit_of(hdu, name):
    """Return the unit that a table names for a column, by any case; "" where it names none."""
    return str(hdu.columns[names_of(hdu)[name.lower()]].unit or "").strip()


def native(values):
    """Return an array in this machine's byte order; text comes back as stripped str."""
    values = np.asarray(values)
    if values.dtype.kind in "SU":
        return np.char.strip(values.astype(str))
    if not values.dtype.isnative:
        values = values.astype(values.dtype.newbyteorder("="))
    return values


def float32(values):
    """Return an array as native float32 of its own (never a view of a mapped file)."""
    return None if values is None else np.array(values, dtype=np.float32)


def stem(path):
    """Return a file's name without its ending and compression."""
    return re.sub(r"(?i)(\.fits?)?(\.gz|\.fz)?$", "", path.name, count=1)


def vectors(hdu, *names, rows=slice(None)):
    """Return the first of the named columns as one vector a row, or None.

    Returns
    -------
    ndarray of shape (n, n_pixels), or list of n ndarrays where their lengths differ
    """
    values = column(hdu, *names, rows=rows)
    if values is None:
        return None
    if values.dtype == object:  # cells of variable length
        values = [native(value).ravel() for value in values]
        if len({len(value) for value in values}) > 1:
            return values
        return np.stack(values) if values else np.zeros((0, 0))
    return values.reshape(len(values), int(np.prod(values.shape[1:])))


def exact_ids(path, values, *, name="id"):
    """Return ids as text, exact.

    Parameters
    ----------
    path : path-like
        For the message.
    values : array-like of shape (n,)
        Whole numbers, floats or text.
    name : str
        What the file calls them.

    Returns
    -------
    ndarray of str, shape (n,)
        "" where there is none: empty, NaN, or below zero (-9999).

    Raises
    ------
    ReadError
        If floating point has rounded one, or made a fraction of it.
    """
    values = native(np.atleast_1d(values))
    if values.dtype.kind in "iub":
        return np.where(values < 0, "", values.astype(str))
    if values.dtype.kind != "f":
        texts = np.char.strip(values.astype(str))
        return np.array([re.sub(r"^(\d+)\.0*$", r"\1", text) for text in texts], dtype=str)
    known = np.isfinite(values) & (values >= 0)
    whole = np.where(known, values, 0)
    bad = (whole != np.floor(whole)) | (whole > 2.0 ** (np.finfo(values.dtype).nmant + 1))
    if bad.any():
        raise ReadError(
            path,
            f"{name} {whole[bad][0]!r} as floating point, in {bad.sum()} of {len(values)} rows",
            "ids as whole numbers or text",
            "They were rounded when this file was written: write it again from its source.",
        )
    return np.where(known, whole.astype(np.int64).astype(str), "")


def median_snr(flux, ivar):
    """Return the median of flux sqrt(ivar) over pixels with ivar > 0, per spectrum.

    Parameters
    ----------
    flux, ivar : ndarray of shape (n, n_pixels)

    Returns
    -------
    ndarray of shape (n,)
        NaN where no pixel carries information.
    """
    out = np.full(len(flux), np.nan)
    for row, (f, w) in enumerate(zip(flux, ivar, strict=True)):
        good = (w > 0) & np.isfinite(f) & np.isfinite(w)
        if good.any():
            out[row] = np.median(f[good] * np.sqrt(w[good]))
    return out


def make_meta(n, **values):
    """Return the meta table of n spectra; what is unknown is "" (text), NaN or missing.

    Parameters
    ----------
    n : int
    **values
        Scalars, arrays of length n, or None for columns that are not known. The column
        ``class`` is passed as ``class_``.
    """
    values = {key.rstrip("_"): value for key, value in values.items() if value is not None}
    table = {}
    for name in TEXT:
        table[name] = np.broadcast_to(np.asarray(values.pop(name, ""), dtype=str), (n,)).copy()
    for name in NUMBERS:
        value = np.asarray(values.pop(name, np.nan), dtype=float)
        table[name] = np.broadcast_to(value, (n,)).copy()
    zwarn = values.pop("zwarn", None)
    if isinstance(zwarn, list):  # some of them None
        table["zwarn"] = pd.array([pd.NA if v is None else int(v) for v in zwarn], dtype="Int64")
    else:
        whole = [pd.NA] * n if zwarn is None else np.broadcast_to(zwarn, (n,)).astype("int64")
        table["zwarn"] = pd.array(whole, dtype="Int64")
    return pd.DataFrame({**table, **values})
