"""The paper's sample: solar-like stars, their labels, and what each cut leaves (Sect. 2.1)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from common.crossmatch import nearest
from common.cuts import counted, printed

__all__ = [
    "absolute_magnitude", "candidates", "counts_table", "printed", "select", "solar_like",
]  # fmt: skip
PUBLISHED = {  # Table 2: spectra left after each cut
    "LAMOST star catalogue": 7060679,
    "solar-like by LASP": 4067525,
    "in APOGEE": 54971,
    "solar-like by APOGEE": 47557,
    "in Gaia": 44593,
    "parallax_over_error": 39416,
    "S/N_g and FIBERMASK": 18573,
}
BEYOND = ("with all five labels", "with a usable spectrum here")  # the paper prints neither
LASP = ("teff", "logg", "feh", "rv")
APOGEE = {"teff": "teff", "logg": "logg", "feh": "fe_h"}  # label: column of allStar


def solar_like(*, teff, logg, feh, config):
    """Return which stars are solar-like (Table 1).

    Parameters
    ----------
    teff, logg, feh : array-like of shape (n,)
        K, dex, dex.
    config : Config
        Limits.

    Returns
    -------
    ndarray of bool, shape (n,)
        False where a parameter is missing.

    Notes
    -----
    Table 1 prints log g <= 5.98 - 0.00035 Teff, which is the giants' side of the line: at 5772 K
    the line is at 3.96, and the Sun (4.44) would be out. Sect. 2.1 says that the line tells
    main-sequence stars from giants, the shaded side of Fig. 1 holds the Sun, and the paper is on
    solar-like stars. So the dwarfs' side is kept here: log g >= 5.98 - 0.00035 Teff.
    """
    teff, logg, feh = (np.asarray(v, dtype=float) for v in (teff, logg, feh))
    return (
        (teff >= config.teff_min)
        & (teff <= config.teff_max)
        & (logg >= config.logg_zero + config.logg_slope * teff)
        & (feh > config.feh_min)
        & (feh < config.feh_max)
    )


def _partner(ra, dec, ids, other, *, radius, other_id):
    """Return the row of `other` for each star: the nearest within a radius, else the same id."""
    row = np.full(len(ra), -1)
    if {"ra", "dec"} <= set(other) and np.isfinite(other["ra"]).any():
        row, _ = nearest(ra=ra, dec=dec, other_ra=other["ra"], other_dec=other["dec"],
                         radius_arcsec=radius)  # fmt: skip
        return row
    if ids is not None:
        where = pd.Series(np.arange(len(other)), index=other[other_id].to_numpy())
        known = ids.notna().to_numpy()
        row[known] = where.reindex(ids[known].to_numpy(dtype="int64")).fillna(-1).astype(int)
    return row


def _taken(table, row, names):
    """Return columns of a table along some of its rows; missing where the row is -1."""
    out = table[list(names)].take(np.maximum(row, 0)).reset_index(drop=True).astype(float)
    out.loc[row < 0] = np.nan
    return out


def absolute_magnitude(*, g, distance, a_g):
    """Return M_G = G - 5 log10(d) + 5 - A_G (Eq. 1), d in pc."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(g) - 5 * np.log10(np.asarray(distance, float)) + 5 - np.asarray(a_g)


def candidates(stars, apogee, config):
    """Apply the cuts of Table 2 that need no Gaia: solar-like by LASP, in APOGEE, so there too.

    Parameters
    ----------
    stars, apogee : DataFrame
        As of `solarlike_distance.labels.sources.Tables`.
    config : Config
        Limits of Tables 1 and 2.

    Returns
    -------
    stars : DataFrame
        The rows of the star catalogue that pass.
    label : DataFrame
        APOGEE's parameters of each, with errors.
    row : ndarray of int
        Row of each in `apogee`.
    n : list of int
        Spectra at first, and after each of the three cuts.
    """
    n = [len(stars)]
    stars = stars[solar_like(teff=stars["teff"], logg=stars["logg"], feh=stars["feh"],
                             config=config)].reset_index(drop=True)  # fmt: skip
    n.append(len(stars))
    row = _partner(stars["ra"], stars["dec"], None, apogee, radius=config.match_apogee,
                   other_id="apogee_id")  # fmt: skip
    stars, row = stars[row >= 0].reset_index(drop=True), row[row >= 0]
    n.append(len(stars))
    label = _taken(apogee, row, [c for name in APOGEE.values() for c in (name, f"{name}_err")])
    keep = solar_like(teff=label["teff"], logg=label["logg"], feh=label["fe_h"], config=config)
    stars, row, label = (
        stars[keep].reset_index(drop=True), row[keep], label[keep].reset_index(drop=True)
    )  # fmt: skip
    return stars, label, row, [*n, len(stars)]


def select(tables, config):
    """Apply the cuts of Table 2 one after the other, and make the labels.

    Parameters
    ----------
    tables : solarlike_distance.labels.sources.Tables
    config : Config
        Limits of Tables 1 and 2.

    Returns
    -------
    sample : DataFrame
        One row for each spectrum that passes all cuts and has all five labels: id, key, object
        (one name for all spectra of a star), ra, dec, snr_g, snr_r, class, subclass, fibermask,
        LABEL_true of teff, logg, feh, mg, bprp, LABEL_err of APOGEE's three, lasp_* with errors,
        the columns of `sources.GAIA` and `sources.DISTANCE`, source_id, APOGEE_ID.
    counts : DataFrame
        cut, n, fraction (of the row before), published (Table 2). Another LAMOST, APOGEE or Gaia
        release has other numbers.
    """
    apogee, gaia = tables.apogee, tables.gaia
    stars, label, row, n = candidates(tables.stars, apogee, config)
    source = stars["gaia_source_id"]
    if apogee.attrs.get("gaia_release") == "EDR3":
        source = source.fillna(apogee["source_id"].take(row).reset_index(drop=True))
    at = _partner(stars["ra"], stars["dec"], source, gaia, radius=config.match_gaia,
                  other_id="source_id")  # fmt: skip
    sample = _labelled(stars, label, apogee["apogee_id"].to_numpy()[row], gaia, at, config)
    passed = at >= 0
    n.append(int(passed.sum()))
    passed &= sample["parallax_over_error"].to_numpy() > config.parallax_snr_min
    n.append(int(passed.sum()))
    # Releases before DR6 do not say FIBERMASK: what is not known to be bad passes.
    passed &= sample["snr_g"].to_numpy() > config.snr_g_min
    passed &= (sample["fibermask"].fillna(0) == 0).to_numpy()
    n.append(int(passed.sum()))
    whole = sample[[f"{name}_true" for name in ("teff", "logg", "feh", "mg", "bprp")]]
    passed &= np.isfinite(whole.to_numpy(float)).all(axis=1)
    n.append(int(passed.sum()))
    return sample[passed].reset_index(drop=True), counts_table(n, config)


def _labelled(stars, label, apogee_id, gaia, at, config):
    """Return stars with labels and Gaia's columns."""
    names = ["id", "key", "ra", "dec", "snr_g", "snr_r", "class", "subclass", "fibermask"]
    out = stars[names].copy()
    out["source_id"] = pd.array(gaia["source_id"].to_numpy()[np.maximum(at, 0)], dtype="Int64")
    out.loc[at < 0, "source_id"] = pd.NA
    out["APOGEE_ID"] = apogee_id
    out.insert(2, "object", np.where(at >= 0, out["source_id"].astype(str), apogee_id))
    for name, theirs in APOGEE.items():
        out[f"{name}_true"], out[f"{name}_err"] = label[theirs], label[f"{theirs}_err"]
    for name in LASP:
        out[f"lasp_{name}"], out[f"lasp_{name}_err"] = stars[name], stars[f"{name}_err"]
    columns = [c for c in gaia if c not in ("source_id", "ra", "dec")]
    out = pd.concat([out, _taken(gaia, at, columns)], axis=1)
    out["mg_true"] = absolute_magnitude(
        g=out["phot_g_mean_mag"], distance=out["r_med_geo"], a_g=out["ag_gspphot"]
    )
    out["bprp_true"] = out["bp_rp"] - out["ebpminrp_gspphot"]
    return out


def counts_table(n, config):
    """Return the table of cuts from the numbers of spectra left.

    Parameters
    ----------
    n : sequence of int
        As many as there are cuts in `PUBLISHED`, and those of `BEYOND` as far as known.
    config : Config
        Limits, for the names.
    """
    said = {
        "in APOGEE": f'in APOGEE within {config.match_apogee:g}"',
        "in Gaia": f'in Gaia within {config.match_gaia:g}"',
        "parallax_over_error": f"parallax_over_error > {config.parallax_snr_min:g}",
        "S/N_g and FIBERMASK": f"S/N_g > {config.snr_g_min:g}, FIBERMASK = 0",
    }
    cuts = [*PUBLISHED, *BEYOND][: len(n)]
    return counted(
        [said.get(cut, cut) for cut in cuts], n, [PUBLISHED.get(c, np.nan) for c in cuts]
    )
