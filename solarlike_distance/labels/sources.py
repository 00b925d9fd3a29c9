"""The tables beside the spectra: LASP's star catalogue, APOGEE, Gaia, geometric distances."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pandas as pd

from common.errors import MissingDataError, ReadError
from common.surveys.apogee import read_allstar
from common.surveys.gaia_tables import read_gaia_table
from common.surveys.lamost_catalogue import read_star_catalogue

ENDINGS = (".fits", ".fit", ".csv", ".tsv", ".txt", ".ecsv", ".vot", ".xml")  # and these gzipped
PATTERNS = {  # kind of table: names of its files, in lower case
    "stars": ("lamost-stars*", "*stellar*", "*lasp*", "*afgk*"),
    "apogee": ("allstar*",),
    "gaia": ("gaia_source*", "gaiasource*", "gaia-source*", "gaia_dr3*"),
    "geodist": ("geodist*", "*bailer*", "*geometric*", "edr3distance*", "gedr3dist*"),
}
WHAT = {
    "stars": "LAMOST's catalogue of stellar parameters, such as dr9_v1.1_LRS_stellar.fits.gz",
    "apogee": "APOGEE's allStar file, such as allStar-dr17-synspec_rev1.fits",
    "gaia": "gaia_source columns of these stars, such as gaia_source.fits",
    "geodist": "their distances of Bailer-Jones et al. (2021), such as geodist.fits",
}
GAIA = (  # columns of gaia_source, and of astrophysical_parameters, that are kept
    "ra", "dec", "phot_g_mean_mag", "phot_g_mean_flux_over_error", "bp_rp", "parallax",
    "parallax_error", "parallax_over_error", "nu_eff_used_in_astrometry", "pseudocolour",
    "ecl_lat", "astrometric_params_solved", "ruwe", "ag_gspphot", "ag_gspphot_lower",
    "ag_gspphot_upper", "ebpminrp_gspphot", "distance_gspphot",
)  # fmt: skip
DISTANCE = {  # ours: columns of Bailer-Jones et al.'s table and of VizieR's copy (I/352)
    "r_med_geo": ("r_med_geo", "rgeo"),
    "r_lo_geo": ("r_lo_geo",),
    "r_hi_geo": ("r_hi_geo",),
}


@dataclass
class Tables:
    """What labels are made of.

    Attributes
    ----------
    stars : DataFrame
        As `common.surveys.lamost_catalogue.read_star_catalogue` gives it.
    apogee : DataFrame
        As `common.surveys.apogee.read_allstar` gives it.
    gaia : DataFrame
        As `read_gaia` gives it, with r_med_geo where there is a table of distances.
    """

    stars: pd.DataFrame
    apogee: pd.DataFrame
    gaia: pd.DataFrame


def kind_of(path):
    """Return which table a file's name says it is, a key of `PATTERNS`; None for others."""
    name = Path(path).name.lower()
    if not name.removesuffix(".gz").endswith(ENDINGS):
        return None
    return next((k for k, ps in PATTERNS.items() if any(fnmatch(name, p) for p in ps)), None)


def find_tables(folder):
    """Return {kind: path} of the tables in a folder or in labels/ in it.

    Raises
    ------
    MissingDataError
        If there is no such folder.
    ReadError
        If there are several files of a kind.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise MissingDataError(f"{folder}: there is no such folder. Name one with spectra.")
    found = {}
    for place in (folder, folder / "labels"):
        for path in sorted(place.iterdir()) if place.is_dir() else ():
            kind = kind_of(path) if path.is_file() else None
            if kind is None:
                continue
            if kind in found:
                raise ReadError(
                    folder, f"{found[kind].name} and {path.name}", f"one file with {WHAT[kind]}",
                    "Take one of them out of the folder.",
                )  # fmt: skip
            found[kind] = path
    return found


def read_gaia(path):
    """Read a table with columns of gaia_source, under the archive's names.

    Parameters
    ----------
    path : path-like
        csv, ecsv, FITS or VOTable, plain or gzipped. Columns of other tables of the archive
        (ag_gspphot, r_med_geo of Bailer-Jones et al.) may stand beside them, as a join gives them.

    Returns
    -------
    DataFrame
        source_id (int64) and the columns of `GAIA` and `DISTANCE`; NaN where the file has none.
        parallax_over_error is made of parallax and its error where it is missing.

    Raises
    ------
    ReadError
        If the file is damaged, or has no source_id.
    """
    distance = [name for names in DISTANCE.values() for name in names]
    table = read_gaia_table(path, want=[*GAIA, *distance])
    frame = pd.DataFrame({"source_id": table.ids(), **{n: table.numbers(n) for n in GAIA}})
    for name, names in DISTANCE.items():
        known = next((n for n in names if n in table), name)
        frame[name] = table.numbers(known, name)
    ratio = frame["parallax"] / frame["parallax_error"]
    frame["parallax_over_error"] = frame["parallax_over_error"].fillna(ratio)
    return frame


def read_distances(path):
    """Read geometric distances of Bailer-Jones et al. (2021, AJ 161, 147).

    Returns
    -------
    DataFrame
        source_id (int64), r_med_geo, r_lo_geo, r_hi_geo (pc), NaN where missing.

    Raises
    ------
    ReadError
        If the file is damaged, or has no source_id or no distance.
    """
    names = [name for several in DISTANCE.values() for name in several]
    table = read_gaia_table(path, need=(), want=["source_id", *names])
    if "source_id" not in table or not any(n in table for n in DISTANCE["r_med_geo"]):
        raise table.error(
            f"columns {', '.join(table.columns)}", "source_id and r_med_geo (or Source and rgeo)"
        )
    table.keep_identified()
    frame = pd.DataFrame({"source_id": table.ids()})
    for name, several in DISTANCE.items():
        frame[name] = table.numbers(next((n for n in several if n in table), name), name)
    return frame


def read_tables(folder):
    """Read the tables that labels are made of.

    Parameters
    ----------
    folder : path-like
        With one file of each kind of `PATTERNS`, here or in labels/; distances may stand in the
        Gaia table.

    Returns
    -------
    Tables

    Raises
    ------
    MissingDataError
        If a table is not there.
    ReadError
        If one cannot be read, or there are several of a kind.
    """
    found = find_tables(folder)
    missing = [kind for kind in ("stars", "apogee", "gaia") if kind not in found]
    gaia = None
    if "gaia" in found:
        gaia = read_gaia(found["gaia"])
        if "geodist" in found:
            distances = read_distances(found["geodist"])
            gaia = gaia.drop(columns=list(DISTANCE)).merge(distances, on="source_id", how="left")
        elif not np.isfinite(gaia["r_med_geo"]).any():
            missing.append("geodist")
    if missing:
        raise MissingDataError(
            f"{folder} lacks " + "; ".join(f"{WHAT[k]} ({' or '.join(PATTERNS[k])})"
                                           for k in missing)
            + ". data/README.md says where they are. Without them: --dataset lamost-mock, which "
            "runs now."
        )  # fmt: skip
    return Tables(*_stars_and_apogee(found), gaia)


def _stars_and_apogee(found):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*rows left out: the star has another")
        apogee = read_allstar(found["apogee"])
    return read_star_catalogue(found["stars"]), apogee


def read_stars_and_apogee(folder):
    """Read LASP's and APOGEE's tables of a folder that has no Gaia table yet; as `Tables` has them.

    Returns
    -------
    stars, apogee : DataFrame
    """
    return _stars_and_apogee(find_tables(folder))
