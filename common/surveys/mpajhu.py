"""The MPA-JHU value-added catalogues of SDSS: galSpec* of DR8, gal_*_dr7_v5_2 of DR7.

Masses, star formation rates and metallicities of the SDSS's galaxies (Kauffmann et al. 2003;
Brinchmann et al. 2004; Tremonti et al. 2004). DR8 gives tables joined by SPECOBJID, as FITS files
or from CasJobs as text; DR7's tables have no ids and are joined line by line. The sentinels of both
(-9999; -99.9; errors that are not positive) become NaN.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from common.errors import MissingDataError, ReadError
from common.surveys.tablefile import is_table_file, read_columns

LINES = {  # our name: theirs
    "ha": "h_alpha",
    "hb": "h_beta",
    "oiii_5007": "oiii_5007",
    "nii_6584": "nii_6584",
    "sii_6717": "sii_6717",
    "sii_6731": "sii_6731",
    "oii_3726": "oii_3726",
    "oii_3729": "oii_3729",
}
QUANTITIES = {  # our name: what DR8's columns begin with, and DR7's file
    "oh": ("oh", "gal_fiboh"),
    "lgm_fib": ("lgm_fib", "fiblgm"),
    "lgm_tot": ("lgm_tot", "totlgm"),
    "sfr_fib": ("sfr_fib", "gal_fibsfr"),
    "sfr_tot": ("sfr_tot", "gal_totsfr"),
}
BPT_CLASSES = {  # Brinchmann et al. 2004
    -1: "unclassifiable",
    1: "star-forming",
    2: "star-forming, low S/N",
    3: "composite",
    4: "AGN",
    5: "LINER, low S/N",
}
KEY = ("plateid", "mjd", "fiberid")
ABOUT = (*KEY, "ra", "dec", "z", "z_err", "z_warning", "sn_median", "reliable", "petromag_r")
REMEDY = (
    "Fetch galSpecInfo-dr8.fits, galSpecExtra-dr8.fits and galSpecLine-dr8.fits from the SDSS "
    "archive (or the tables galSpecInfo, galSpecExtra, galSpecLine from CasJobs) into that folder."
)
PLACES = {"ra": "ra", "dec": "dec"}
MISSING = -90.0  # logarithms at or below this are sentinels: -99, -99.9, -999, -9999


def read_mpajhu(folder):
    """Read the MPA-JHU catalogues in a folder.

    Parameters
    ----------
    folder : path-like
        Holds galSpecInfo*, galSpecExtra* and where wanted galSpecLine* and galSpecIndx* (DR8), or
        gal_info_dr7*, gal_fiboh_dr7*, and where wanted gal_line_dr7*, fiblgm_dr7*, totlgm_dr7*,
        gal_fibsfr_dr7*, gal_totsfr_dr7*, gal_iclass_table_dr7*; FITS or text, plain or gzipped.

    Returns
    -------
    DataFrame
        One row for each spectrum with results: specobjid (text, "" in DR7), plateid, mjd, fiberid,
        ra, dec (deg), z, z_err, z_warning, sn_median, reliable, petro_r (NaN unless a table has
        petroMag_r), bptclass (see `BPT_CLASSES`; missing where there is none), the medians
        oh_p50 (12 + log(O/H)), lgm_fib_p50, lgm_tot_p50 (log solar masses), sfr_fib_p50,
        sfr_tot_p50 (log solar masses a year) with oh_err, ... (half the 16-84 % range), and for
        each of `LINES` NAME_flux, NAME_flux_err (1e-17 erg/s/cm2) and for Ha, Hb NAME_eqw
        (Å, emission negative, theirs). NaN where a value is missing.

    Raises
    ------
    MissingDataError
        If the folder or a table that is needed is not there.
    ReadError
        If a file is damaged, lacks its columns, has ids that were rounded or are in no other file,
        or files to be joined line by line differ in length.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise MissingDataError(f"{folder}: there is no such folder. {REMEDY}")
    if _find(folder, "galspecinfo"):
        table = _read_dr8(folder)
    elif _find(folder, "gal_info_dr7"):
        table = _read_dr7(folder)
    else:
        raise MissingDataError(
            f"{folder}: no MPA-JHU tables here. Allowed: galSpecInfo* and galSpecExtra* (DR8), or "
            f"gal_info_dr7_v5_2* and gal_fiboh_dr7_v5_2* (DR7). {REMEDY}"
        )
    return _clean(table)


def _find(folder, start, *, needed=False):
    """Return the one table file whose name begins so, in any case; None where there is none."""
    found = sorted(
        p for p in folder.iterdir() if p.name.lower().startswith(start) and is_table_file(p)
    )
    if len(found) > 1:
        raise ReadError(
            folder,
            f"{len(found)} files that begin with {start}: {', '.join(p.name for p in found)}",
            "one of them",
            "Remove the others from the folder.",
        )
    if needed and not found:
        raise MissingDataError(f"{folder}: no file {start}*. {REMEDY}")
    return found[0] if found else None


def _read_dr8(folder):
    parts = {
        "galspecinfo": ABOUT,
        "galspecextra": (
            "bptclass",
            "petromag_r",
            *(f"{q}_{p}" for q, _ in QUANTITIES.values() for p in ("p16", "p50", "p84")),
        ),
        "galspecline": _line_columns(),
        "galspecindx": ("d4000_n", "lick_hd_a"),
    }
    table = None
    for start, wanted in parts.items():
        path = _find(folder, start, needed=start in ("galspecinfo", "galspecextra"))
        if path is None:
            continue
        part = read_columns(path, ("specobjid", *wanted), ids=("specobjid",), quantities=PLACES)
        if "specobjid" not in part:
            raise ReadError(path, "no column SPECOBJID", "a galSpec table with SPECOBJID")
        wrong = part.attrs["spoilt"]["specobjid"]  # none at all: a spectrum without results
        if wrong:
            raise ReadError(
                path, f"SPECOBJID: {wrong}", "SPECOBJID with all its digits",
                "Take the table as the archive gives it, not as a spreadsheet has saved it.",
            )  # fmt: skip
        part = part[part["specobjid"] != ""].drop_duplicates("specobjid")
        if table is not None and not part["specobjid"].isin(table["specobjid"]).any():
            raise ReadError(
                path, f"none of its {len(part)} SPECOBJID is in galSpecInfo",
                "tables of one release", REMEDY,
            )  # fmt: skip
        if table is not None:
            part = part.drop(columns=[c for c in part if c in table and c != "specobjid"])
            part = table.merge(part, on="specobjid", how="left")
        table = part
    return table


def _read_dr7(folder):
    path = _find(folder, "gal_info_dr7")
    table = read_columns(path, ABOUT, quantities=PLACES).assign(specobjid="")
    files = {f"{file}_dr7": name for name, (_, file) in QUANTITIES.items()}
    for start in ("gal_line_dr7", "gal_iclass_table_dr7", *files):
        part_path = _find(folder, start, needed=start == "gal_fiboh_dr7")
        if part_path is None:
            continue
        if start in files:
            # Their MEDIAN is DR8's p50; older files of masses have P50 beside it.
            part = read_columns(part_path, ("median", "p16", "p84"))
            part = part.rename(columns={"median": "p50"})
            part.columns = [f"{files[start]}_{c}" for c in part]
        elif "iclass" in start:
            part = read_columns(part_path, ("i_class",)).rename(columns={"i_class": "bptclass"})
        else:
            part = read_columns(part_path, _line_columns())
        if len(part) != len(table):
            raise ReadError(
                part_path,
                f"{len(part)} rows, while {path.name} has {len(table)}",
                "files of one release, which correspond line by line",
                "Fetch all files of gal_*_dr7_v5_2 again.",
            )
        table = pd.concat([table, part], axis=1)
    return table


def _line_columns():
    flux = [f"{name}_{what}" for name in LINES.values() for what in ("flux", "flux_err")]
    return (*flux, "h_alpha_eqw", "h_beta_eqw")


def _clean(table):
    """Return the table with our names, and NaN for everything that is missing."""
    out = {"specobjid": table["specobjid"].astype(str).to_numpy()}
    for name in KEY:
        out[name] = pd.to_numeric(_of(table, name), errors="coerce").astype("Int64")
    for name in ("ra", "dec", "z", "z_err", "z_warning", "sn_median", "reliable"):
        out[name] = _number(table, name)
    out["petro_r"] = _number(table, "petromag_r")
    klass = _number(table, "bptclass")
    out["bptclass"] = pd.array(np.where(np.isnan(klass), 0, klass).astype("int64"), dtype="Int64")
    out["bptclass"][np.isnan(klass)] = pd.NA
    for name in QUANTITIES:
        low, middle, high = (_number(table, f"{name}_{p}") for p in ("p16", "p50", "p84"))
        out[f"{name}_p50"] = middle
        out[f"{name}_err"] = np.where(np.isfinite(middle) & (high > low), (high - low) / 2, np.nan)
    for name, theirs in LINES.items():
        flux, error = (_number(table, f"{theirs}_{what}") for what in ("flux", "flux_err"))
        measured = error > 0
        out[f"{name}_flux"] = np.where(measured, flux, np.nan)
        out[f"{name}_flux_err"] = np.where(measured, error, np.nan)
    for name in ("ha", "hb"):
        out[f"{name}_eqw"] = _number(table, f"{LINES[name]}_eqw")
    for name in ("d4000_n", "lick_hd_a"):
        if name in table:
            out[name] = _number(table, name)
    result = pd.DataFrame(out)
    placed = np.isfinite(result["ra"]) & np.isfinite(result["dec"])
    return result[placed & (result["plateid"].fillna(0) >= 0)].reset_index(drop=True)


def _of(table, name):
    return table[name] if name in table else pd.Series(np.nan, index=table.index)


def _number(table, name):
    """Return a column as float64 with sentinels as NaN; all NaN where it is not there."""
    value = pd.to_numeric(_of(table, name), errors="coerce").to_numpy(dtype=float)
    sentinel = (value <= -9990) if "flux" in name or name in ("ra", "dec") else value <= MISSING
    if name == "dec":
        sentinel = value < -90
    return np.where(sentinel, np.nan, value)
