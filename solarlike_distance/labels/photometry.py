"""Gaia's columns of spectra from a table: joined by obsid, source or position."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from common.cli import say
from common.errors import ReadError, UsageError
from common.surveys.gaia_source import parallax_zero_point
from common.surveys.gaia_tables import LOST_IDS, columns_of, read_gaia_table
from common.surveys.ids import int64, lost, spoilt
from solarlike_distance.labels.sources import DISTANCE, GAIA, read_distances

NAMES = {  # ours: columns of the archive, of Table D.1 and of VizieR's copies, in this order
    **{name: (name,) for name in GAIA},
    **{name: names for name, names in DISTANCE.items()},
    "phot_g_mean_mag": ("phot_g_mean_mag", "gaia_g_mean_mag", "gmag"),
    "bp_rp": ("bp_rp", "gaia_bp_rp", "bp-rp"),
    "phot_bp_mean_mag": ("phot_bp_mean_mag", "bpmag"),
    "phot_rp_mean_mag": ("phot_rp_mean_mag", "rpmag"),
    "phot_bp_mean_flux_over_error": ("phot_bp_mean_flux_over_error",),
    "phot_rp_mean_flux_over_error": ("phot_rp_mean_flux_over_error",),
    "ra": ("ra", "ra_icrs", "gaia_ra"),
    "dec": ("dec", "de_icrs", "gaia_dec"),
}
OBSID, SOURCE = ("obsid", "obs_id"), ("source_id", "gaia_source_id", "dr3_source_id", "source")
WAYS = ("not at all", "by obsid", "by source_id", "by position")  # a spectrum is joined so
ERRORS = ("{}_err", "{}_error", "e_{}", "{}_sigma")  # names of an extinction's error
ZERO_POINT = {  # argument of parallax_zero_point: column of gaia_source
    "g": "phot_g_mean_mag", "nu_eff": "nu_eff_used_in_astrometry", "pseudocolour": "pseudocolour",
    "ecl_lat": "ecl_lat", "params_solved": "astrometric_params_solved",
}  # fmt: skip
# Errors of the zero points of G, BP and RP, mag (Gaia EDR3's photometric system, Riello et al.
# 2021, A&A 649, A3, as the archive adds them to those of the fluxes).
SYSTEM = {"g": 0.0027553202, "bp": 0.0027901700, "rp": 0.0037793818}
POGSON = 2.5 / np.log(10)


@dataclass
class Photometry:
    """Gaia's columns of many sources, and where each is found.

    Attributes
    ----------
    path : Path
    frame : DataFrame
        The archive's names (see `NAMES`), source_id (Int64), APOGEE_ID, phot_g_mean_mag_error,
        bp_rp_error (mag), parallax_zeropoint, parallax_correction (mas), and where an extinction
        was asked for ag_given, ag_given_error (mag); NaN where missing.
    radius : float
        Of the match by position, arcsec.
    extinction : str or None
        The table's column that A_G is taken from.
    """

    path: Path
    frame: pd.DataFrame
    radius: float
    extinction: str | None

    def __post_init__(self):
        obsid = self.frame["obsid"].to_numpy(object)
        self._obsid = Places(obsid)
        self._source = Places(self.frame["source_id"].astype("string").fillna("").to_numpy(object))
        self._sky = Sky(self.frame["ra"].to_numpy(), self.frame["dec"].to_numpy(), self.radius)

    def find(self, about):
        """Return the row of each spectrum, -1 for none, and how it was found.

        Parameters
        ----------
        about : DataFrame
            id (obsid as text), ra, dec (deg), and where known source_id (Int64). What is known
            goes in this order: obsid, source_id, position.

        Returns
        -------
        row : ndarray of int, shape (n,)
        way : ndarray of int8, shape (n,)
            Place in `WAYS`.
        """
        row = self._obsid.find(about["id"])
        way = (row >= 0).astype("int8")
        ways = {3: lambda a: self._sky.find(a["ra"].to_numpy(float), a["dec"].to_numpy(float))}
        if "source_id" in about:
            ways[2] = lambda a: self._source.find(a["source_id"].astype("string").fillna(""))
        for number in sorted(ways):
            left = np.flatnonzero(row < 0)
            if left.size:
                row[left] = ways[number](about.iloc[left])
                way[left[row[left] >= 0]] = number
        return row, way

    def columns(self, row):
        """Return the columns of some rows, missing where the row is -1."""
        part = self.frame.drop(columns=["obsid", "ra", "dec"]).take(np.maximum(row, 0))
        part = part.reset_index(drop=True)
        for name in part:
            blank = "" if name == "APOGEE_ID" else pd.NA if name == "source_id" else np.nan
            part.loc[row < 0, name] = blank
        return part


class Places:
    """Which row a name has; of a name that comes twice, the first.

    Names are held as 64-bit hashes: 16 bytes a row, whatever their length.
    """

    def __init__(self, names):
        names = np.asarray(names, dtype=object)
        rows = np.flatnonzero(names != "")
        keys = _hashes(names[rows])
        order = np.argsort(keys, kind="stable")
        self._keys, self._rows = keys[order], rows[order]

    def find(self, names):
        """Return the rows of some names, -1 for those unknown and for ""."""
        names = np.asarray(names, dtype=object)
        if not len(self._keys) or not len(names):
            return np.full(len(names), -1)
        wanted = _hashes(names)
        at = np.minimum(np.searchsorted(self._keys, wanted), len(self._keys) - 1)
        return np.where((self._keys[at] == wanted) & (names != ""), self._rows[at], -1)


def _hashes(names):
    if not len(names):
        return np.zeros(0, dtype="uint64")
    return pd.util.hash_array(names.astype(object), categorize=False)


class Sky:
    """The nearest of many positions, found in a tree that is made once."""

    def __init__(self, ra, dec, radius):
        from scipy.spatial import cKDTree

        self._rows = np.flatnonzero(np.isfinite(ra) & np.isfinite(dec))
        self._tree = None
        if len(self._rows):
            self._tree = cKDTree(_vectors(ra[self._rows], dec[self._rows]))
        self._chord = 2 * np.sin(np.radians(radius / 3600) / 2)

    def find(self, ra, dec):
        """Return the row nearest to each position within the radius, -1 for none."""
        out = np.full(len(ra), -1)
        known = np.flatnonzero(np.isfinite(ra) & np.isfinite(dec))
        if self._tree is not None and len(known):
            distance, at = self._tree.query(_vectors(ra[known], dec[known]))
            near = distance <= self._chord
            out[known[near]] = self._rows[at[near]]
        return out


def _vectors(ra, dec):
    ra, dec = np.radians(ra), np.radians(dec)
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)


def read_photometry(path, *, config, extinction=None, distances=None):
    """Read a table with columns of gaia_source.

    Parameters
    ----------
    path : path-like
        csv, ecsv, FITS or VOTable, plain or gzipped; columns of other tables (obsid of a
        cross-match, ag_gspphot, r_med_geo, apogee_id) may stand beside them.
    config : Config
        match_gaia, the radius of the match by position.
    extinction : str, optional
        Column with A_G in mag, which then takes the place of the released code's. Its error is
        taken from COLUMN_err, COLUMN_error or e_COLUMN, or half of COLUMN_upper - COLUMN_lower.
    distances : path-like, optional
        Bailer-Jones et al.'s distances, joined by source_id.

    Returns
    -------
    Photometry

    Raises
    ------
    ReadError
        If the file is damaged, has no G magnitude, no colour (where no extinction is given), or
        nothing to join by; or if an obsid, or without obsids a source, comes twice.
    UsageError
        If it has no column of that extinction.
    """
    path = Path(path)
    wanted = [n for names in NAMES.values() for n in names]
    wanted += [*OBSID, *SOURCE, "apogee_id", *_extinction_names(extinction)]
    known = columns_of(path)
    if not known & set(wanted):
        found = f"columns {', '.join(sorted(known)[:12])}"
        raise ReadError(path, found, "a table with columns of gaia_source")
    table = read_gaia_table(path, need=(), want=wanted, texts=(*OBSID, *SOURCE, "apogee_id"))
    have = {ours: next((n for n in theirs if n in table), None) for ours, theirs in NAMES.items()}
    _check(table, have, extinction)
    numbers = {ours: table.numbers(n, ours) if n else np.full(len(table), np.nan)
               for ours, n in have.items()}  # fmt: skip
    frame = pd.DataFrame(numbers)
    frame.insert(0, "obsid", _ids(table, OBSID))
    frame.insert(1, "source_id", int64(_ids(table, SOURCE)))
    frame["APOGEE_ID"] = table.texts("apogee_id")
    _check_ids(table, frame)
    _no_repeats(table, frame)
    two = frame["phot_bp_mean_mag"] - frame["phot_rp_mean_mag"]
    frame["bp_rp"] = frame["bp_rp"].fillna(two)
    ratio = frame["parallax"] / frame["parallax_error"]
    frame["parallax_over_error"] = frame["parallax_over_error"].fillna(ratio)
    frame["phot_g_mean_mag_error"] = _mag_error(frame, "g")
    frame["bp_rp_error"] = np.hypot(_mag_error(frame, "bp"), _mag_error(frame, "rp"))
    frame["parallax_zeropoint"] = _zero_points(frame, path)
    frame["parallax_correction"] = frame["parallax"] - frame["parallax_zeropoint"]
    if extinction:
        frame["ag_given"], frame["ag_given_error"] = _given(table, extinction)
    if distances is not None:
        known = read_distances(distances).astype({"source_id": "Int64"})
        own = frame["source_id"].isin(known["source_id"]).sum()
        say(f"{distances}: distances of {own} of the {len(frame)} sources of {path}")
        frame = frame.drop(columns=list(DISTANCE)).merge(known, on="source_id", how="left")
    return Photometry(path, frame, config.match_gaia, extinction)


def _check(table, have, extinction):
    """Raise where what a distance or a match needs is missing."""
    known = f"columns {', '.join(list(table.columns)[:12])}"
    if have["phot_g_mean_mag"] is None:
        raise table.error(f"no G magnitude ({known})", "phot_g_mean_mag or gaia_g_mean_mag",
                          "Fetch the table with this column.")  # fmt: skip
    if extinction and extinction.lower() not in table:
        raise UsageError(
            f"--extinction {extinction}: {table.path} has no such column. Received {known}; "
            "allowed: a column with A_G in mag, such as ag_gspphot. Leave the option out for the "
            "extinction of the released code, from observed and predicted colour."
        )
    bands = have["phot_bp_mean_mag"] and have["phot_rp_mean_mag"]
    if not extinction and have["bp_rp"] is None and not bands:
        raise table.error(f"no colour ({known})", "bp_rp, or phot_bp_mean_mag and phot_rp_mean_mag",
                          "Fetch the table with it, or name a column with A_G: "
                          "--extinction COLUMN.")  # fmt: skip
    if not any(n in table for n in (*OBSID, *SOURCE)) and not (have["ra"] and have["dec"]):
        raise table.error(f"nothing to join it to spectra by ({known})",
                          "obsid, source_id, or ra and dec",
                          "Fetch the table with one of them.")  # fmt: skip


def _ids(table, names):
    """Return ids as text, "" where missing; a line counts those that cannot be told."""
    name = next((n for n in names if n in table), "")
    texts, faults = table.whole_ids(name)
    if spoilt(faults):
        say(f"{table.path}: {name}: {spoilt(faults)}; these rows are not joined by it")
    return texts


def _check_ids(table, frame):
    """Raise where no row can be joined: ids are missing or spoilt, and there are no positions."""
    placed = np.isfinite(frame["ra"]) & np.isfinite(frame["dec"])
    if not ((frame["obsid"] != "") | frame["source_id"].notna() | placed).any():
        names = [n for n in (*OBSID, *SOURCE) if n in table]
        wrong = [f"{n} {table.texts(n)[0]!r}: {lost(table.whole_ids(n)[1])}" for n in names]
        raise table.error(
            f"no row to join by ({'; '.join(wrong) or 'no position'})",
            "whole numbers with all their digits", LOST_IDS,
        )  # fmt: skip


def _no_repeats(table, frame):
    """Raise where a spectrum or, of a table without obsids, a source has several rows."""
    for name in ("obsid", "source_id"):
        values = frame[name][frame[name] != ""] if name == "obsid" else frame[name].dropna()
        if len(values):
            twice = values[values.duplicated()]
            if len(twice):
                raise table.error(
                    f"{twice.nunique()} {name} in more than one row, {twice.iloc[0]} the first",
                    f"each {name} in one row", "Keep one row of each.",
                )  # fmt: skip
            return


def _mag_error(frame, band):
    """Return the error of a magnitude, mag: flux and zero point; NaN where the flux's is not."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.hypot(POGSON / frame[f"phot_{band}_mean_flux_over_error"], SYSTEM[band])


def _zero_points(frame, path):
    """Return the zero points of the parallaxes (Lindegren et al. 2021), mas; NaN where unknown."""
    if not np.isfinite(frame["parallax"]).any():
        return np.full(len(frame), np.nan)
    lacking = [n for n in ZERO_POINT.values() if not np.isfinite(frame[n]).any()]
    lacking = [n for n in lacking if n != "pseudocolour"]  # of six-parameter solutions only
    why = f"{path} has no {', '.join(lacking)}" if lacking else ""
    if not why:
        try:
            return parallax_zero_point(**{k: frame[v].to_numpy() for k, v in ZERO_POINT.items()})
        except UsageError as error:
            why = str(error)
    say(f"no zero points of parallaxes: {why}")
    return np.full(len(frame), np.nan)


def _extinction_names(extinction):
    if not extinction:
        return []
    name = extinction.lower()
    return [name, *(e.format(name) for e in ERRORS), f"{name}_lower", f"{name}_upper"]


def _given(table, extinction):
    """Return A_G and its error as the user's columns have them; an error of 0 where none is."""
    name = extinction.lower()
    ag = table.numbers(name, "extinction")
    error = next((e.format(name) for e in ERRORS if e.format(name) in table), None)
    if error is not None:
        return ag, table.numbers(error, "extinction_error")
    if f"{name}_lower" in table and f"{name}_upper" in table:
        low, high = (table.numbers(f"{name}_{end}", "extinction") for end in ("lower", "upper"))
        return ag, (high - low) / 2
    return ag, np.zeros(len(table))
