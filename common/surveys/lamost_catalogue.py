"""LAMOST's catalogues of stars of the low-resolution survey, of any release."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from common.cli import say
from common.errors import ReadError
from common.surveys.ids import int64
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
TEXT = ("class", "subclass", "file", "planid")
IDS = ("id", "gaia_source_id")
MEASURES = {"petro_r": "magnitude", **{f"snr_{band}": "snr" for band in "ugriz"}}  # else its name


def read_star_catalogue(path):
    """Read a catalogue of LASP's stellar parameters ("A, F, G and K stars"), of any release.

    Parameters
    ----------
    path : path-like
        As `common.surveys.tablefile.read_columns` takes it, with the names of LAMOST's releases or
        of VizieR's copies.

    Returns
    -------
    DataFrame
        id (obsid as text), key (`observation_key`), ra, dec (deg), z, z_err, snr_u ... snr_z,
        class, subclass, petro_r, fibermask, gaia_source_id (Int64), file, lmjd, planid, spid,
        fiberid, teff (K), logg, feh (dex), rv (km/s) and their errors ``*_err``; NaN, "" or <NA>
        where the catalogue has no such column or the value is -9999. An obsid that a spreadsheet
        has rounded is "", and a line says how many are.

    Raises
    ------
    ReadError
        If it is damaged, has no good obsid (nor a file name) or none of Teff, log g and [Fe/H].
    """
    path = Path(path)
    result, wrong = _read(path)
    parts = [result[name] for name in ("lmjd", "planid", "spid", "fiberid")]
    result.insert(1, "key", observation_key(*parts))
    if not (result["id"].any() or result["file"].any() or (wrong and result["key"].any())):
        found = f"obsid: {wrong}" if wrong else "no column for the spectrum"
        raise ReadError(path, found, "obsid with all its digits, or file with names of spectra")
    if wrong:
        say(f"{path}: obsid: {wrong}; these rows are not joined by it")
    result["gaia_source_id"] = int64(result["gaia_source_id"])
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


def read_general_catalogue(path):
    """Read LAMOST's general catalogue of low-resolution spectra, of all kinds of objects.

    Parameters
    ----------
    path : path-like
        As `read_star_catalogue` takes it.

    Returns
    -------
    DataFrame
        id, ra, dec (deg), z, snr_r, class, petro_r (mag); NaN or "" where missing. Rows without a
        good obsid are left out.

    Raises
    ------
    ReadError
        If it is damaged, or has no obsid, position, redshift, S/N of the r band or class.
    """
    names = {name: NAMES[name] for name in ("id", "ra", "dec", "z", "snr_r", "class", "petro_r")}
    table, _ = _read(path, names, needed=tuple(names)[:-1])
    return table[table["id"] != ""].reset_index(drop=True)


def _read(path, names=NAMES, needed=PARAMETERS):
    """Return the columns of a catalogue under our names, and what is wrong with its obsids."""
    every = [name for theirs in names.values() for name in theirs]
    texts, ids = ([n for ours in group if ours in names for n in names[ours]]
                  for group in (TEXT, IDS))  # fmt: skip
    numbers = {name: MEASURES.get(ours, ours) for ours, theirs in names.items() for name in theirs
               if ours not in (*TEXT, *IDS)}  # fmt: skip
    table = read_columns(path, every, text=texts, ids=ids, quantities=numbers)
    found = {ours: next((n for n in theirs if n in table), None) for ours, theirs in names.items()}
    missing = [name for name in needed if found[name] is None]
    if missing:
        raise ReadError(
            path,
            f"no column for {', '.join(missing)}",
            "; ".join(f"{name} as {' or '.join(names[name])}" for name in missing),
        )
    blank = {name: "" if name in (*TEXT, *IDS) else np.nan for name in names}
    out = {ours: table[theirs] if theirs else blank[ours] for ours, theirs in found.items()}
    return pd.DataFrame(out, index=table.index), table.attrs["spoilt"].get(found["id"], "")
