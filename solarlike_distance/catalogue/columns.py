"""The columns of a catalogue: those of Table D.1, ours beside them, and what they warn of."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from solarlike_distance.config import TARGETS, UNITS
from solarlike_distance.selection import LASP, solar_like

BAD_PIXELS = 0.3  # default: a larger share of flagged pixels is warned of
REPLACED = 0.02  # default: a larger share of pixels out of range is warned of
LASP_UNITS = {"teff": "K", "logg": "dex", "feh": "dex", "rv": "km / s"}
LASP_UCDS = {"rv": "spect.dopplerVeloc.opt"}
UCDS = {
    "teff": "phys.temperature.effective", "logg": "phys.gravity", "feh": "phys.abund.Fe",
    "mg": "phys.magAbs;em.opt", "bprp": "phot.color;em.opt.B;em.opt.R",
}  # fmt: skip
WHAT = {
    "teff": "effective temperature", "logg": "surface gravity", "feh": "metallicity [Fe/H]",
    "mg": "absolute magnitude in Gaia's G", "bprp": "intrinsic colour (BP-RP)0 of Gaia",
    "rv": "radial velocity",
}  # fmt: skip


class Column(NamedTuple):
    """A column: where it comes from, type, unit, UCD1+ and one sentence."""

    source: str
    kind: str
    unit: str
    ucd: str
    text: str


def _table_d1():
    out = {
        "obsid": Column("id", "Int64", "", "meta.id;meta.main",
                        "LAMOST's observation; missing where the file has none (DR1 to DR3)"),
        "ra": Column("ra", "float64", "deg", "pos.eq.ra;meta.main", "right ascension (ICRS)"),
        "dec": Column("dec", "float64", "deg", "pos.eq.dec;meta.main", "declination (ICRS)"),
        "snrg": Column("snr_g", "float32", "", "stat.snr;em.opt.B",
                       "signal-to-noise ratio per pixel in the g band; measured where unknown"),
        "snrr": Column("snr_r", "float32", "", "stat.snr;em.opt.R",
                       "signal-to-noise ratio per pixel in the r band"),
        "flag": Column("flag", "int16", "", "meta.code.qual",
                       "1: pixels out of range were replaced"),
    }  # fmt: skip
    for name in TARGETS:
        out[f"cnn_{name}"] = Column(f"{name}_pred", "float64", UNITS[name], UCDS[name],
                                    f"{WHAT[name]} by the network")  # fmt: skip
    out["cnn_distance"] = Column(
        "distance_pred",
        "float64",
        "pc",
        "pos.distance",
        "mode of the distance's posterior, one sigma_M for all stars",
    )
    for name in LASP:
        unit, ucd = LASP_UNITS[name], UCDS.get(name) or LASP_UCDS[name]
        out[f"lasp_{name}"] = Column(f"lasp_{name}", "float32", unit, ucd,
                                     f"{WHAT[name]} by LASP")  # fmt: skip
        out[f"lasp_{name}_err"] = Column(
            f"lasp_{name}_err",
            "float32",
            unit,
            f"stat.error;{ucd}",
            f"its error, {WHAT[name]} by LASP",
        )
    parallax = "pos.parallax.trig"
    return out | {
        "gaia_source_id": Column("source_id", "Int64", "", "meta.id", "source in Gaia DR3"),
        "parallax": Column("parallax", "float64", "mas", parallax, "parallax of Gaia DR3"),
        "parallax_over_error": Column("parallax_over_error", "float64", "",
                                      f"stat.snr;{parallax}", "parallax over its error"),
        "parallax_zeropoint": Column("parallax_zeropoint", "float64", "mas", f"arith.zp;{parallax}",
                                     "zero point of Lindegren et al. (2021)"),
        "parallax_correction": Column("parallax_correction", "float64", "mas", parallax,
                                      "parallax less its zero point"),
        "gaia_g_mean_mag": Column("phot_g_mean_mag", "float64", "mag", "phot.mag;em.opt",
                                  "G magnitude of Gaia DR3"),
        "gaia_bp_rp": Column("bp_rp", "float64", "mag", UCDS["bprp"], "BP-RP of Gaia DR3"),
        "r_med_geo": Column("r_med_geo", "float64", "pc", "pos.distance",
                            "geometric distance of Bailer-Jones et al. (2021)"),
        "APOGEE_ID": Column("APOGEE_ID", "str", "", "meta.id", "star in APOGEE"),
    }  # fmt: skip


def _beyond():
    out = {}
    for name, quantile in (("p16", "16 %"), ("p50", "median"), ("p84", "84 %")):
        out[f"cnn_distance_{name}"] = Column(
            f"distance_{name}", "float64", "pc", "stat.value;pos.distance",
            f"{quantile} of the distance's posterior, with the star's own errors",
        )  # fmt: skip
    out["distance_gspphot"] = Column("distance_gspphot", "float64", "pc", "pos.distance",
                                     "distance of GSP-Phot in Gaia DR3")  # fmt: skip
    for name in TARGETS:
        out[f"cnn_{name}_err"] = Column(
            f"{name}_sigma", "float64", UNITS[name], f"stat.error;{UCDS[name]}",
            f"half-width of a 68 % interval about cnn_{name}, calibrated on stars not trained on",
        )  # fmt: skip
    return out | {
        "ag": Column("ag_pred", "float64", "mag", "phys.absorption;em.opt",
                     "extinction in G that the distance was made with"),
        "ag_err": Column("ag_sigma", "float64", "mag", "stat.error;phys.absorption;em.opt",
                         "error of ag"),
        "name": Column("name", "str", "", "meta.id",
                       "obsid, or night-plan-spectrograph-fibre, or name of the file"),
        "file": Column("file", "str", "", "meta.id;meta.file", "file of the spectrum"),
        "mock": Column("mock", "bool", "", "meta.code", "true: a mock, no observed spectrum"),
        "warnings": Column("warnings", "str", "", "meta.code.qual",
                           "semicolon-separated; empty where there is nothing to warn of"),
    }  # fmt: skip


PAPER = _table_d1()
COLUMNS = PAPER | _beyond()
FLAGS = {
    "OUTSIDE_SOLAR_LIKE": "outside Table 1's region by the network's parameters or LASP's",
    "NOT_FGK": "LAMOST's subclass is neither F, G nor K",
    "LOW_SNR": "S/N_g below 10, which no training star had",
    "FIBERMASK": "LAMOST's FIBERMASK is set",
    "BAD_PIXELS": "more than 30 % of the pixels are flagged or not finite",
    "REPLACED_PIXELS": "more than 2 % of the pixels were out of range and replaced",
    "LABEL_RANGE": "a predicted label lies beyond 0.1 or 99.9 % of the reference set's",
    "NO_PHOTOMETRY": "no G magnitude, or no colour nor extinction of the user's: no distance",
    "NO_EXTINCTION": "the user's table has no extinction of this star: no distance",
    "OTHER_SURVEY": "no LAMOST spectrum",
    "DUPLICATE_OBSID": "another spectrum of this catalogue has the same obsid",
}


def flags(table, networks, *, extinction=False):
    """Return what to warn of, dict of str to ndarray of bool, shape (n,).

    Parameters
    ----------
    table : DataFrame of n rows
        Predictions and what is known of the spectra.
    networks : Networks
    extinction : bool
        The user's extinction was asked for.
    """
    config = networks.config
    cnn = {k: table[f"{k}_pred"].to_numpy(float) for k in TARGETS}
    first = {k: cnn[k] for k in ("teff", "logg", "feh")}
    lasp = {k: table[f"lasp_{k}"].to_numpy(float) for k in first}
    known = np.all([np.isfinite(v) for v in lasp.values()], axis=0)
    inside = solar_like(**first, config=config)
    inside &= ~known | solar_like(**lasp, config=config)
    subclass = table["subclass"].fillna("").astype(str).str.strip().str.upper()
    beyond = np.zeros(len(table), dtype=bool)
    for name, value in cnn.items():
        low, high = networks.training_range.get(name, (-np.inf, np.inf))
        beyond |= (value < low) | (value > high)
    magnitude = np.isfinite(_numbers(table, "phot_g_mean_mag"))
    colour = np.isfinite(_numbers(table, "bp_rp"))
    given = np.isfinite(_numbers(table, "ag_given"))
    return {
        "OUTSIDE_SOLAR_LIKE": ~inside,
        "NOT_FGK": (subclass != "").to_numpy() & ~subclass.str[:1].isin(["F", "G", "K"]).to_numpy(),
        "LOW_SNR": ~(table["snr_g"].to_numpy(float) >= config.snr_g_min),
        "FIBERMASK": table["fibermask"].fillna(0).to_numpy(float) != 0,
        "BAD_PIXELS": table["bad_fraction"].to_numpy(float) > BAD_PIXELS,
        "REPLACED_PIXELS": table["replaced"].to_numpy(float) > REPLACED * config.n_pixels,
        "LABEL_RANGE": beyond,
        "NO_PHOTOMETRY": ~magnitude | (~colour & (not extinction)),
        "NO_EXTINCTION": magnitude & ~given if extinction else np.zeros(len(table), dtype=bool),
        "OTHER_SURVEY": ~table["survey"].isin(["", "lamost"]).to_numpy(),
    }


def observation_name(table):
    """Return what each observation is called: its obsid, else its key, else its file's name."""
    ids, keys = table["id"].astype(str), table["key"].astype(str)
    return ids.where(ids.str.isdecimal() | (keys == ""), keys)


def catalogue(table):
    """Return predictions under the names, in the order and with the types of `COLUMNS`.

    Parameters
    ----------
    table : DataFrame
        `source` of each column; those that are not there are missing in every row.
    """
    out = {}
    for name, column in COLUMNS.items():
        if column.source == "id":
            ids = table["id"].astype(str)
            out[name] = pd.array([int(i) if i.isdecimal() and int(i) < 2**63 else pd.NA
                                  for i in ids], dtype="Int64")  # fmt: skip
        elif column.source not in table:
            blank = {"str": "", "Int64": pd.NA, "bool": False}.get(column.kind, np.nan)
            out[name] = pd.Series([blank] * len(table), dtype=column.kind)
        else:
            value = table[column.source].reset_index(drop=True)
            value = value.fillna("") if column.kind == "str" else value
            out[name] = value.astype(column.kind)
    return pd.DataFrame(out)


def notes():
    """Return units, ucds and descriptions of all columns, as `common.catalog` takes them."""
    return {
        "units": {n: c.unit for n, c in COLUMNS.items() if c.unit},
        "ucds": {n: c.ucd for n, c in COLUMNS.items() if c.ucd},
        "descriptions": {n: c.text for n, c in COLUMNS.items()},
    }


def _numbers(table, name):
    return table[name].to_numpy(float) if name in table else np.full(len(table), np.nan)
