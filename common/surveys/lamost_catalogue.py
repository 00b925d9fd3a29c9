"""LAMOST's catalogues of stars of the low-resolution survey, of any release."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from common.errors import ReadError
from common.surveys.tablefile import read_columns

NAMES = {  # ours: theirs, of all releases, in order of preference; "cat_" in hand-made tables
    "id": ("obsid", "obs_id"),
    "ra": ("ra", "raj2000", "ra_obs", "objra"),
    "dec": ("dec", "dej2000", "dedeg", "dec_obs", "objdec"),
    "z": ("z", "redshift"),
    "z_err": ("z_err", "zerr"),
    "snr_u": ("snru", "snr_u"),
    "snr_g": ("snrg", "snr_g"),
    "snr_r": ("snrr", "snr_r"),
    "snr_i": ("snri", "snr_i"),
    "snr_z": ("snrz", "snr_z"),
    "class": ("class", "cls"),
    "subclass": ("subclass", "sub"),
    "petro_r": ("petromag_r", "petro_r"),
    "fibermask": ("fibermask", "fibermas", "fib_mask"),
    "gaia_source_id": ("gaia_source_id", "source_id", "gaia_dr3_source_id"),
    "file": ("file", "filename", "fitsname"),
    "lmjd": ("lmjd",),
    "planid": ("planid", "plate"),
    "spid": ("spid",),
    "fiberid": ("fiberid",),
    "teff": ("teff", "teff_lasp", "cat_teff"),
    "teff_err": ("teff_err", "e_teff", "teff_lasp_err"),
    "logg": ("logg", "log_g", "logg_lasp", "log(g)", "cat_logg"),
    "logg_err": ("logg_err", "e_logg", "e_log_g", "logg_lasp_err", "e_log(g)"),
    "feh": ("feh", "fe_h", "[fe/h]", "feh_lasp", "cat_feh"),
    "feh_err": ("feh_err", "e_fe_h", "e_[fe/h]", "feh_lasp_err"),
    "rv": ("rv", "hrv", "rv_lasp"),
    "rv_err": ("rv_err", "e_rv", "e_hrv", "rv_lasp_err"),
}
PARAMETERS = ("teff", "logg", "feh")
TEXT = ("id", "class", "subclass", "gaia_source_id", "file", "planid")


def read_star_catalogue(path):
    """Read a catalogue of LASP's stellar parameters ("A, F, G and K stars"), of any release.

    Parameters
    ----------
    path : path-like
        .fits or .csv (comma, "|", tab or semicolon), plain or gzipped, with the names of LAMOST's
        releases or of VizieR's copies.

    Returns
    -------
    DataFrame
        id (obsid as text), key (`observation_key`), ra, dec (deg), z, z_err, snr_u ... snr_z,
        class, subclass, petro_r, fibermask, gaia_source_id (Int64), file, lmjd, planid, spid,
        fiberid, teff (K), logg, feh (dex), rv (km/s) and their errors ``*_err``; NaN, "" or <NA>
        where the catalogue has no such column or the value is -9999.

    Raises
    ------
    ReadError
        If it is damaged, or has no obsid (nor a file name) or none of Teff, log g and [Fe/H].
    """
    path = Path(path)
    result = _read(path)
    if not (result["id"].any() or result["file"].any()):
        raise ReadError(path, "no column for the spectrum", "obsid, or file with names of spectra")
    source = result["gaia_source_id"].where(result["gaia_source_id"].str.fullmatch(r"[0-9]{2,19}"))
    result["gaia_source_id"] = source.astype("Int64")
    parts = [result[name] for name in ("lmjd", "planid", "spid", "fiberid")]
    result.insert(1, "key", observation_key(*parts))
    return result


def observation_key(lmjd, planid, spid, fiberid):
    """Return the names of observations, as in those of LAMOST's files: lmjd-planid-spid-fiberid.

    The files of DR1 to DR3 have no obsid; night, plan, spectrograph and fibre name them too.

    Parameters
    ----------
    lmjd, spid, fiberid : array-like of float, shape (n,)
    planid : array-like of str, shape (n,)

    Returns
    -------
    ndarray of str, shape (n,)
        "" where a part is missing.
    """
    numbers = np.array([np.asarray(v, dtype=float) for v in (lmjd, spid, fiberid)])
    known = np.isfinite(numbers).all(axis=0) & (np.asarray(planid, dtype=str) != "")
    day, spectrograph, fibre = np.where(known, numbers, 0).astype(int)
    rows = zip(known, day, planid, spectrograph, fibre, strict=True)
    return np.array([f"{d}-{p}-{s:02d}-{f:03d}" if k else "" for k, d, p, s, f in rows], object)


def _read(path):
    """Return the columns of a catalogue under our names."""
    every = [name for theirs in NAMES.values() for name in theirs]
    texts = [name for ours in TEXT for name in NAMES[ours]]
    table = read_columns(path, every, text=texts)
    found = {ours: next((n for n in theirs if n in table), None) for ours, theirs in NAMES.items()}
    missing = [name for name in PARAMETERS if found[name] is None]
    if missing:
        raise ReadError(
            path,
            f"no column for {', '.join(missing)}",
            "; ".join(f"{name} as {' or '.join(NAMES[name])}" for name in missing),
        )
    out = {}
    for ours, theirs in found.items():
        if ours in TEXT:
            out[ours] = table[theirs].astype(str).str.strip() if theirs else ""
        else:
            value = pd.to_numeric(table[theirs], errors="coerce") if theirs else np.nan
            value = np.asarray(value, dtype=float) * np.ones(len(table))
            out[ours] = np.where(value <= -999, np.nan, value)
    result = pd.DataFrame(out, index=table.index)
    for name in ("id", "gaia_source_id"):
        result[name] = result[name].str.removesuffix(".0")
    return result.reset_index(drop=True)
