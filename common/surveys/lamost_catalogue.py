"""LAMOST's general and galaxy catalogues of the low-resolution survey, whatever the release."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from common.errors import MissingDataError, ReadError
from common.surveys.tablefile import is_table_file, read_columns

NAMES = {  # ours: theirs, of all releases, in order of preference
    "id": ("obsid", "obs_id"),
    "ra": ("ra", "ra_obs", "objra"),
    "dec": ("dec", "dec_obs", "objdec"),
    "z": ("z", "redshift"),
    "z_err": ("z_err", "zerr"),
    "snr_u": ("snru", "snr_u"),
    "snr_g": ("snrg", "snr_g"),
    "snr_r": ("snrr", "snr_r"),
    "snr_i": ("snri", "snr_i"),
    "snr_z": ("snrz", "snr_z"),
    "class": ("class",),
    "subclass": ("subclass",),
    "petro_r": ("petromag_r", "petro_r"),
}
NEEDED = ("id", "ra", "dec", "z", "snr_r")
TEXT = ("obsid", "obs_id", "class", "subclass")


def read_lamost_catalogue(path, *, galaxies=True):
    """Read a LAMOST catalogue: obsid, position, redshift and signal-to-noise.

    Parameters
    ----------
    path : path-like
        The file, .fits or .csv (comma or "|"), plain or gzipped; or a folder with one such file
        whose name begins with "dr" or has "catalogue", "catalog" or "galaxy" in it.
    galaxies : bool
        Keep only rows of class GALAXY, where the catalogue has classes.

    Returns
    -------
    DataFrame
        id (obsid as text), ra, dec (deg), z, z_err, snr_u, snr_g, snr_r, snr_i, snr_z, class,
        subclass, petro_r; NaN or "" where the catalogue has no such column or the value is -9999.

    Raises
    ------
    MissingDataError
        If there is no file.
    ReadError
        If it is damaged, or has no obsid, position, redshift or S/N_r.
    """
    path = _file_of(Path(path))
    every = [name for names in NAMES.values() for name in names]
    table = read_columns(path, every, text=TEXT)
    found = {ours: next((n for n in names if n in table), None) for ours, names in NAMES.items()}
    missing = [name for name in NEEDED if found[name] is None]
    if missing:
        raise ReadError(
            path,
            f"no column for {', '.join(missing)}",
            "; ".join(f"{name} as {' or '.join(NAMES[name])}" for name in missing),
        )
    out = {}
    for ours, theirs in found.items():
        if ours in ("id", "class", "subclass"):
            out[ours] = table[theirs].astype(str).str.strip() if theirs else ""
        else:
            value = pd.to_numeric(table[theirs], errors="coerce") if theirs else np.nan
            value = np.asarray(value, dtype=float) * np.ones(len(table))
            out[ours] = np.where(value <= -999, np.nan, value)
    result = pd.DataFrame(out, index=table.index)
    result["id"] = result["id"].str.removesuffix(".0")
    if galaxies and found["class"] is not None:
        result = result[result["class"].str.upper() == "GALAXY"]
    return result.reset_index(drop=True)


def _file_of(path):
    if path.is_file():
        return path
    if not path.is_dir():
        raise MissingDataError(
            f"{path}: there is no such file or folder. Fetch the LAMOST LRS general catalogue "
            "(dr10_v2.0_LRS_catalogue.fits.gz or .csv.gz) from the LAMOST archive."
        )
    words = ("catalog", "galaxy", "galaxies")
    found = sorted(
        p
        for p in path.iterdir()
        if is_table_file(p)
        and not p.name.lower().startswith(("galspec", "gal_"))
        and (p.name.lower().startswith("dr") or any(w in p.name.lower() for w in words))
    )
    names = ", ".join(p.name for p in found[:5])
    allowed = 'one file whose name begins with "dr" or has "catalogue" in it'
    if not found:
        raise MissingDataError(f"{path}: no LAMOST catalogue here; allowed: {allowed}.")
    if len(found) > 1:
        raise ReadError(
            path, f"{len(found)} catalogues ({names})", allowed, "Name the file itself."
        )
    return found[0]
