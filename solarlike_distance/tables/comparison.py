"""Other catalogues beside ours: distances (Sect. 4.2, Fig. 10), parameters (Sect. 4.3, Fig. 11)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from common.crossmatch import by_id, by_position, say_joined
from common.errors import ReadError, SuiteError
from common.surveys.quantities import numbers_of
from solarlike_distance.tables import scatter as tables

RADIUS = 1.0  # arcsec, default: where only positions are there
OURS = "this work"
ORDER = ("astronn", "distmass", "starhorse")  # of pairs: Fig. 10's lower panels, first minus second


@dataclass(frozen=True)
class Kind:
    """A catalogue whose columns are known by name (lower case).

    Attributes
    ----------
    name : str
        For tables and figures.
    distance : str
        Column of the distance; "" for a catalogue of parameters.
    scale : float
        pc per unit of that column.
    needs : tuple of str
        Columns by which it is known, one of `any_of` at least.
    """

    name: str
    distance: str = ""
    scale: float = 1.0
    needs: tuple = ()
    any_of: tuple = ()


KINDS = {
    "starhorse": Kind("StarHorse", "dist50", 1000.0, ("dist50", "dist16", "dist84")),
    "astronn": Kind("astroNN", "weighted_dist", 1.0, ("weighted_dist",)),
    "distmass": Kind("DistMass", "distance", 1.0, ("distance",),
                     ("mass", "age_cor_ss", "age_uncor_ss", "age_uncor_st", "mag_err", "absmag_k")),
    "geometric": Kind("Bailer-Jones, geometric", "r_med_geo", 1.0, ("r_med_geo",)),
    "gspphot": Kind("GSP-Phot", "distance_gspphot", 1.0, ("distance_gspphot",)),
    "galah": Kind("GALAH", needs=("teff", "logg", "fe_h", "flag_sp")),
    "apogee": Kind("APOGEE", needs=("teff", "logg", "fe_h", "starflag")),
}  # fmt: skip
OTHER = ("distance_pc", "distance", "dist", "dist50", "d_pc")  # of a catalogue not known by name
SOURCE_IDS = ("source_id", "gaia_source_id", "gaiaedr3_source_id", "gaiadr3_source_id",
              "dr3_source_id", "edr3_source_id", "gaiaedr3_sourceid", "gaia_id")  # fmt: skip
LIMITS = {"teff": 200.0, "logg": 0.2, "feh": 0.2}  # largest error of a survey's value, Sect. 4.3
SNR_G = 50.0  # Sect. 4.3
PARAMETERS = {"teff": "teff", "logg": "logg", "feh": "fe_h"}  # ours → the surveys' column
ERRORS = {"galah": {"teff": "e_teff", "logg": "e_logg", "feh": "e_fe_h"},
          "apogee": {"teff": "teff_err", "logg": "logg_err", "feh": "fe_h_err"}}  # fmt: skip
FLAGS = {"galah": ("flag_sp", "flag_fe_h", "red_flag"), "apogee": ("starflag",)}


@dataclass
class External:
    """Another catalogue.

    Attributes
    ----------
    kind : str
        A key of `KINDS`, or the file's name.
    name : str
    df : DataFrame
        Lower-case columns as in the file; `distance_pc` in pc where it gives distances.
    """

    kind: str
    name: str
    df: pd.DataFrame

    @property
    def is_survey(self):
        """True for a catalogue of stellar parameters."""
        return self.kind in ERRORS


def read_external(path):
    """Read another catalogue: .fits, .parquet, .ecsv or .csv.

    StarHorse, DistMass and astroNN (APOGEE's value-added catalogues), Bailer-Jones et al. (2021),
    GSP-Phot, APOGEE's allStar and GALAH DR3 are known by their columns. Any other table gives a
    distance as distance_pc, distance or dist; "distance" and "dist" in the column's unit (pc
    without one), or in kpc as distance_kpc.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    External

    Raises
    ------
    ReadError
        If the file cannot be read, gives neither distances nor parameters, or nothing to match by.
    """
    path = Path(path)
    df, units = _read(path)
    kind = _kind(df, path)
    if kind is None:
        column, scale = _distance(df)
        if column is None:
            raise ReadError(
                path,
                f"columns {', '.join(df.columns[:12])}",
                "a catalogue known by name (" + ", ".join(k.name for k in KINDS.values()) + "), "
                "or a distance column: distance_pc, distance_kpc, distance, dist",
            )
        kind, name = path.stem, path.stem
    else:
        name, column, scale = KINDS[kind].name, KINDS[kind].distance, KINDS[kind].scale
    if column:
        value, unit = pd.to_numeric(df[column], errors="coerce").to_numpy(float), units.get(column)
        try:
            value = numbers_of(value if unit else value * scale, "r_med_geo", unit)
        except ValueError as error:
            raise ReadError(path, f"column {column} has {error}", "a distance") from None
        df = df.assign(distance_pc=value)
    if not (_source_id(df) or "apogee_id" in df or {"ra", "dec"} <= set(df)):
        allowed = f"{', '.join(SOURCE_IDS[:4])}, apogee_id, or ra and dec"
        raise ReadError(path, "no identifier and no position", allowed)
    return External(kind, name, df)


def _read(path):
    """Return a table with lower-case columns of one value a row, and {column: unit}."""
    from common import catalog
    from common.surveys.gaia_tables import read_gaia_table

    if path.suffix.lower() != ".parquet":
        table = read_gaia_table(path, need=(), texts=(*SOURCE_IDS, "apogee_id"), names={})
        flat = [name for name, values in table.columns.items() if values.ndim == 1]
        columns = {name: table.columns[name] for name in flat}
        for name in ("apogee_id", *SOURCE_IDS):
            if name in columns:
                text = name == "apogee_id"
                columns[name] = table.texts(name) if text else table.whole_ids(name)[0]
        columns |= {name: table.numbers(name) for name in ("ra", "dec") if name in columns}
        return pd.DataFrame(columns), table.units
    df = catalog.read_table(path)
    df = df.rename(columns={c: str(c).lower() for c in df})
    return df.loc[:, ~df.columns.duplicated()], {}


def _kind(df, path):
    """Return which known catalogue a table is, None for another one."""
    have = set(df)
    for key, kind in KINDS.items():
        named = key in path.name.lower() and kind.distance in have if kind.distance else False
        known = set(kind.needs) <= have and (not kind.any_of or set(kind.any_of) & have)
        if named or known:
            return key
    return None


def _distance(df):
    if "distance_kpc" in df:
        return "distance_kpc", 1000.0
    for name in OTHER:
        if name in df:
            return name, 1.0
    return None, 1.0


def _source_id(df):
    return next((name for name in SOURCE_IDS if name in df), None)


def match(df, other):
    """Match predictions with another catalogue: by Gaia's source_id, APOGEE_ID, or position.

    Parameters
    ----------
    df : DataFrame
        Predictions.
    other : External

    Returns
    -------
    left, right : ndarrays of int
        Rows of `df` and of `other.df`; of several spectra of one star the best S/N_g counts.
    str
        How they were matched.

    Raises
    ------
    SuiteError
        If the two have nothing in common to match by.
    """
    snr = df["snr_g"].to_numpy(float) if "snr_g" in df else np.zeros(len(df))
    order = np.argsort(-np.nan_to_num(snr), kind="stable")
    name = _source_id(other.df)
    tries = []
    if name and "source_id" in df and (df["source_id"].astype(str) != "").any():
        tries.append(("Gaia source_id", _whole(df["source_id"]), _whole(other.df[name])))
    if "apogee_id" in other.df and "APOGEE_ID" in df and (df["APOGEE_ID"] != "").any():
        tries.append(("APOGEE_ID", df["APOGEE_ID"], other.df["apogee_id"].astype(str)))
    for how, left, right in tries:
        found = by_id(left=left.iloc[order].reset_index(drop=True),
                      right=right.reset_index(drop=True))  # fmt: skip
        if len(found):
            return order[found.left], found.right, how
    if {"ra", "dec"} <= set(df) and {"ra", "dec"} <= set(other.df):
        found = by_position(
            ra=df["ra"].to_numpy(float)[order], dec=df["dec"].to_numpy(float)[order],
            other_ra=other.df["ra"].to_numpy(float), other_dec=other.df["dec"].to_numpy(float),
            radius_arcsec=RADIUS,
        )  # fmt: skip
        return order[found.left], found.right, f"position within {RADIUS:g} arcsec"
    if tries:
        return np.zeros(0, int), np.zeros(0, int), tries[0][0]
    raise SuiteError(
        f"{other.name}: nothing to match by: the predictions need source_id, APOGEE_ID, or ra and "
        "dec, and the catalogue the same."
    )


def _whole(ids):
    """Return identifiers as text without a decimal point; "" where there is none."""
    if pd.api.types.is_integer_dtype(ids):
        return ids.astype("Int64").astype(str).where(ids > 0, "")
    text = ids.map(lambda v: "" if pd.isna(v) else str(v).strip())
    return text.where(text.str.fullmatch(r"[1-9]\d*"), "")


def distances(df, others):
    """Return our distances and those of other catalogues, one row a star of ours.

    Parameters
    ----------
    df : DataFrame
        Predictions with distance_pred.
    others : sequence of External

    Returns
    -------
    DataFrame
        Index of `df`; column "cnn" and one for each catalogue of distances, pc.
    """
    out = pd.DataFrame({"cnn": df["distance_pred"].to_numpy(float)}, index=df.index)
    for other in others:
        if "distance_pc" in other.df:
            left, right, how = match(df, other)
            say_joined(other.name, np.isin(np.arange(len(df)), left), ("not at all", f"by {how}"))
            value = np.full(len(df), np.nan)
            value[left] = other.df["distance_pc"].to_numpy(float)[right]
            out[other.kind] = value
    return out


def pairs(columns):
    """Return the pairs of Fig. 10: ours with each, then the others among each other."""
    others = [c for c in columns if c != "cnn"]
    rank = {name: i for i, name in enumerate(ORDER)}
    others.sort(key=lambda name: rank.get(name, len(rank)))
    wanted = [("cnn", "starhorse"), ("cnn", "distmass"), ("cnn", "astronn")]
    first = [p for p in wanted if p[1] in others]
    first += [("cnn", o) for o in others if ("cnn", o) not in first]
    among = [("astronn", "starhorse"), ("distmass", "starhorse"), ("distmass", "astronn")]
    second = [p for p in among if set(p) <= set(others)]
    for pair in combinations(others, 2):
        if pair not in second and pair[::-1] not in second:
            second.append(pair)
    return first + second


def label_of(key, others=()):
    """Return the name of a column of `distances`."""
    names = {other.kind: other.name for other in others}
    return OURS if key == "cnn" else names.get(key, KINDS[key].name if key in KINDS else key)


def difference(table, first, second):
    """Return n, mean and sd of first - second (pc), and of the same over second."""
    off = (table[first] - table[second]).to_numpy(float)
    plain, part = tables.spread(off), tables.spread(off / table[second].to_numpy(float))
    return {"n": plain["n"], "mean": plain["bias"], "sd": plain["sd"],
            "mean_fraction": part["bias"], "median_fraction": part["median"],
            "sd_fraction": part["sd"]}  # fmt: skip


def distance_table(table, others=()):
    """Return Fig. 10 as a table: every pair of distances.

    Parameters
    ----------
    table : DataFrame
        From `distances`.
    others : sequence of External
        For their names.
    """
    rows = [{"first": label_of(a, others), "second": label_of(b, others),
             **difference(table, a, b)} for a, b in pairs(table.columns)]  # fmt: skip
    return pd.DataFrame([row for row in rows if row["n"] >= 2])


def parameters(df, other):
    """Return our and a survey's parameters of common stars after the cuts of Sect. 4.3.

    Flags 0, errors below 200 K, 0.2 and 0.2 dex, S/N_g above 50.

    Parameters
    ----------
    df : DataFrame
        Predictions.
    other : External
        APOGEE or GALAH.

    Returns
    -------
    DataFrame
        LABEL_pred, LABEL_true (the survey's) of teff, logg, feh.
    int
        Stars in common before the cuts.
    """
    left, right, _ = match(df, other)
    ours, theirs = df.iloc[left].reset_index(drop=True), other.df.iloc[right].reset_index(drop=True)
    keep = np.ones(len(ours), bool)
    for name in FLAGS[other.kind]:
        if name in theirs:
            keep &= pd.to_numeric(theirs[name], errors="coerce").to_numpy(float) == 0
    if "snr_g" in ours:
        keep &= ours["snr_g"].to_numpy(float) > SNR_G
    out = {}
    for key, column in PARAMETERS.items():
        value = pd.to_numeric(theirs[column], errors="coerce").to_numpy(float)
        value = np.where(value > -900, value, np.nan)  # APOGEE's -9999.99
        error = ERRORS[other.kind][key]
        if error in theirs:
            keep &= pd.to_numeric(theirs[error], errors="coerce").to_numpy(float) < LIMITS[key]
        out[f"{key}_pred"] = ours[f"{key}_pred"] if f"{key}_pred" in ours else np.nan
        out[f"{key}_true"] = value
    keep &= np.isfinite(np.array([out[f"{key}_true"] for key in PARAMETERS])).all(axis=0)
    return pd.DataFrame(out)[keep].reset_index(drop=True), len(left)


def parameter_table(df, others):
    """Return Fig. 11 as a table: survey, matched (before the cuts), quantity, and the spread."""
    rows = []
    for other in others:
        if not other.is_survey:
            continue
        both, matched = parameters(df, other)
        for key in PARAMETERS:
            what = tables.LABELS[key]
            row = {"survey": other.name, "matched": matched, "quantity": what.name}
            rows.append(row | {"unit": what.unit} | tables.spread(tables.residual(both, key)))
    return pd.DataFrame(rows)
