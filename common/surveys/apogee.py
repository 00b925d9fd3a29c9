"""APOGEE allStar tables (DR12 to DR17): one row a star, in the names of this suite."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from common.errors import ReadError
from common.surveys.columns import column, names_of
from common.surveys.fitsfile import open_fits
from common.surveys.ids import int64, spoilt, whole_ids

MISSING = -9990.0  # allStar writes -9999 and values near it
BAD_MAGNITUDE = 90.0  # allStar writes 99 and 99.9999
STAR_BAD = 1 << 23  # ASPCAPFLAG: the parameters of this star are not to be used
MAGNITUDES = ("g", "bp", "rp", "j", "h", "k")
ALLSTAR = {  # name here: columns, in order of preference
    "ra": ("RA",),
    "dec": ("DEC",),
    "g": ("GAIAEDR3_PHOT_G_MEAN_MAG", "GAIA_PHOT_G_MEAN_MAG"),
    "bp": ("GAIAEDR3_PHOT_BP_MEAN_MAG", "GAIA_PHOT_BP_MEAN_MAG"),
    "rp": ("GAIAEDR3_PHOT_RP_MEAN_MAG", "GAIA_PHOT_RP_MEAN_MAG"),
    "j": ("J",),
    "h": ("H",),
    "k": ("K",),
    "a_k": ("AK_TARG",),
    "snr": ("SNR",),
    "parallax": ("GAIAEDR3_PARALLAX", "GAIA_PARALLAX"),
    "parallax_error": ("GAIAEDR3_PARALLAX_ERROR", "GAIA_PARALLAX_ERROR"),
    "pmra": ("GAIAEDR3_PMRA", "GAIA_PMRA"),
    "pmdec": ("GAIAEDR3_PMDEC", "GAIA_PMDEC"),
    "teff": ("TEFF",),
    "teff_err": ("TEFF_ERR",),
    "logg": ("LOGG",),
    "logg_err": ("LOGG_ERR",),
    "m_h": ("M_H", "PARAM_M_H"),
    "m_h_err": ("M_H_ERR", "PARAM_M_H_ERR"),
    "fe_h": ("FE_H",),
    "fe_h_err": ("FE_H_ERR",),
    "alpha_m": ("ALPHA_M", "PARAM_ALPHA_M"),
    "alpha_m_err": ("ALPHA_M_ERR", "PARAM_ALPHA_M_ERR"),
}
SOURCE_IDS = {"EDR3": "GAIAEDR3_SOURCE_ID", "DR2": "GAIA_SOURCE_ID"}  # by Gaia release


def read_allstar(path):
    """Read an allStar table.

    Parameters
    ----------
    path : path-like
        FITS, plain or gzipped. Large files are mapped, and only the columns below are read.

    Returns
    -------
    DataFrame
        One row a star: apogee_id, source_id (Int64; <NA> where there is none), ra, dec (deg), g,
        bp, rp, j, h, k, a_k (mag), snr, parallax, parallax_error (mas), pmra, pmdec (mas/yr), teff
        (K), logg, m_h, fe_h, alpha_m (dex) with their errors ``*_err``, aspcapflag, starflag.
        NaN where missing. ``attrs["gaia_release"]`` says whose source_id these are: "EDR3" (the
        same in DR3), "DR2" (others: match by position) or "". Of a star with several rows the one
        with the highest S/N is kept.

    Warns
    -----
    UserWarning
        With the number of rows left out, of ids that were rounded, or if source_id is that of Gaia
        DR2.

    Raises
    ------
    ReadError
        If the file is damaged, no allStar table, or empty.
    """
    path = Path(path)
    with open_fits(path) as hdus:
        table = next((h for h in hdus[1:] if {"apogee_id", "teff", "logg"} <= {*names_of(h)}), None)
        if table is None:
            raise ReadError(
                path,
                "no table with APOGEE_ID, TEFF and LOGG",
                "an allStar file of APOGEE, DR12 to DR17",
                "Name the allStar file.",
            )
        frame, release = _columns(hdus, table)
    if not len(frame):
        raise ReadError(path, "the table has no rows", "at least one star", "Fetch it again.")
    if release == "DR2":
        warnings.warn(
            f"{path}: source_id is that of Gaia DR2, which may be another one in DR3. "
            "Match by position."
        )
    kept = _best(frame)
    if len(kept) < len(frame):
        warnings.warn(
            f"{path}: {len(frame) - len(kept)} of {len(frame)} rows left out: the star has another "
            "row with a higher S/N."
        )
    kept.attrs["gaia_release"] = release
    return kept


def _columns(hdus, table):
    """Return the table under our names, and the Gaia release of its source_id."""
    known = names_of(table)
    release = next((r for r, name in SOURCE_IDS.items() if name.lower() in known), "")
    n = int(table.header["NAXIS2"])
    frame = pd.DataFrame({"apogee_id": column(table, "APOGEE_ID").astype(object)})
    frame["source_id"] = pd.array([pd.NA] * n, dtype="Int64")
    if release:
        ids, faults = whole_ids(column(table, SOURCE_IDS[release]))
        frame["source_id"] = int64(ids)
        if spoilt(faults):
            warnings.warn(f"{SOURCE_IDS[release]}: {spoilt(faults)}; these have no source_id.")
    for name, olds in ALLSTAR.items():
        values = column(table, *olds)
        frame[name] = _clean(np.full(n, np.nan) if values is None else values, name)
    iron = None if "fe_h" in known else _iron(hdus)
    if iron is not None:
        for name, old in (("fe_h", "X_H"), ("fe_h_err", "X_H_ERR")):
            values = column(table, old)
            if values is not None:
                frame[name] = _clean(values[:, iron], name)
    for name in ("ASPCAPFLAG", "STARFLAG"):
        flags = column(table, name)
        frame[name.lower()] = np.zeros(n, np.int64) if flags is None else flags.astype(np.int64)
    return frame, release


def _iron(hdus):
    """Return the place of Fe in the X_H arrays, as the file itself lists the elements, or None."""
    for hdu in hdus[1:]:
        symbols = column(hdu, "ELEM_SYMBOL")
        if symbols is not None:
            return [s.strip().upper() for s in symbols.ravel().tolist()].index("FE")
    return None


def _clean(values, name):
    """Return float64 with NaN for what allStar writes where a value is missing."""
    values = values.astype(float)
    bad = values < MISSING
    if name in MAGNITUDES:
        bad |= values > BAD_MAGNITUDE
    return np.where(bad, np.nan, values)


def _best(frame):
    """Return one row a star: that of the highest S/N; in the order of the table."""
    star = frame["source_id"].astype("string").fillna(frame["apogee_id"].astype("string"))
    order = frame["snr"].fillna(-np.inf).sort_values(ascending=False, kind="stable").index
    first = ~star.loc[order].duplicated()
    return frame.loc[first.index[first].sort_values()].reset_index(drop=True)
