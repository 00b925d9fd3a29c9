"""Real spectra: the network against the strong lines of the same spectrum, object by object."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from astropy.stats import binom_conf_interval

from common.metrics import mad_sigma
from lamost_metallicity.selection import star_forming
from lamost_metallicity.stronglines import bpt_kind

AGAINST = {
    "oh_o3n2_cal": "O3N2, on the labels' scale",
    "oh_n2_cal": "N2, on the labels' scale",
    "oh_o3n2_t04": "O3N2, to T04 by Kewley & Ellison 2008",
    "oh_n2_t04": "N2, to T04 by Kewley & Ellison 2008",
    "oh_o3n2": "O3N2, Pettini & Pagel 2004",
    "oh_n2": "N2, Pettini & Pagel 2004",
    "pipe_oh_o3n2_cal": "O3N2 of the survey's pipeline, on the labels' scale",
    "pipe_oh_n2_cal": "N2 of the survey's pipeline, on the labels' scale",
    "pipe_oh_o3n2_t04": "O3N2 of the survey's pipeline, to T04",
    "oh_o3n2_m13": "O3N2, Marino et al. 2013",
    "oh_n2_m13": "N2, Marino et al. 2013",
}


def with_kind(df):
    """Return the predictions with `lines_say`, the class of the measured lines."""
    if not {"n2", "o3n2"} <= set(df):
        return df.assign(lines_say="")
    return df.assign(lines_say=bpt_kind(df))


def agreement_table(df):
    """Return how network and strong lines agree on the same spectra.

    Parameters
    ----------
    df : DataFrame
        Predictions of real files, `with_kind`.

    Returns
    -------
    DataFrame
        galaxies ("star-forming by their lines" or "all with these lines"), survey, estimate, n,
        mean, sigma (network minus estimate, dex; sigma from two rows on), nmad, within_2 (fraction
        whose difference is within two errors of the network's interval and the line's noise).
    """
    surveys = sorted(set(df["survey"])) if "survey" in df else []
    rows = []
    for galaxies, keep in (
        ("star-forming by their lines", df["lines_say"] == "star-forming"),
        ("all with these lines", pd.Series(True, index=df.index)),
    ):
        for survey in ["all", *surveys] if len(surveys) > 1 else ["all"]:
            part = df[keep & ((df["survey"] == survey) if survey != "all" else True)]
            for column, name in AGAINST.items():
                if column not in part or part[column].notna().sum() < 1:
                    continue
                both = part.dropna(subset=[column, "oh_pred"])
                rows.append({"galaxies": galaxies, "survey": survey, "estimate": name}
                            | _agreement(both, column))  # fmt: skip
    return pd.DataFrame(rows)


def _agreement(rows, column):
    off = (rows["oh_pred"] - rows[column]).to_numpy(float)
    line = rows[f"{column}_err"] if f"{column}_err" in rows else 0.0
    sigma = np.hypot(rows["oh_sigma"] if "oh_sigma" in rows else np.nan, line)
    return {
        "n": len(off),
        "mean": off.mean(),
        "sigma": off.std(ddof=1) if len(off) > 1 else np.nan,
        "nmad": mad_sigma(off) if len(off) > 1 else np.nan,
        "within_2": float(np.mean(np.abs(off) <= 2 * sigma))
        if np.isfinite(sigma).any()
        else np.nan,
    }


def kind_table(df, confidence):
    """Return what the classifier says of each class that the measured lines give.

    Parameters
    ----------
    df : DataFrame
        Predictions of real files, `with_kind`: lines_say, p_sf, p_other.
    confidence : float
        p_sf from which a galaxy counts as star-forming.

    Returns
    -------
    DataFrame
        lines_say ("star-forming", "composite", "AGN", "not all four lines"), n, median_p_sf,
        called (fraction with p_sf above p_other), kept (with p_sf of `confidence` and more, whose
        metallicity the catalogue gives), kept_err (half of Wilson's interval, 68 %).
    """
    told = df[df["p_sf"].notna()]
    rows = []
    for name in ("star-forming", "composite", "AGN", ""):
        part = told[told["lines_say"] == name]
        if not len(part):
            continue
        kept = star_forming(p_sf=part["p_sf"], p_other=part["p_other"], confidence=confidence)
        low, high = binom_conf_interval(kept.sum(), len(kept), interval="wilson")
        rows.append({
            "lines_say": name or "not all four lines", "n": len(part),
            "median_p_sf": part["p_sf"].median(),
            "called": float((part["p_sf"] > part["p_other"]).mean()),
            "kept": float(np.mean(kept)), "kept_err": float(high - low) / 2,
        })  # fmt: skip
    return pd.DataFrame(rows)


def object_table(df):
    """Return the real spectra one by one, galaxies with lines first."""
    names = ["id", "file", "survey", "class", "z", "snr_r", "lines_say", "p_sf", "oh_pred",
             "oh_sigma", "oh_o3n2_cal", "oh_n2_cal", "oh_o3n2_t04", "oh_o3n2", "oh_n2",
             "pipe_oh_o3n2_cal", "pipe_oh_n2_cal", "ew_ha", "oh_true"]  # fmt: skip
    table = df[[n for n in names if n in df and df[n].notna().any()]].copy()
    if "file" in table:
        table["file"] = [Path(str(f)).name for f in table["file"]]
    order = np.argsort(df["lines_say"].eq("").to_numpy(), kind="stable")
    return table.iloc[order].reset_index(drop=True)
