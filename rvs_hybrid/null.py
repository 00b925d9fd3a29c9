"""The null of each label: what a predictor says that sees no spectrum at all.

[alpha/M] goes with metallicity and log g: a predictor that knows these two alone and gives the
mean [alpha/M] of the training stars alike in them has two peaks over all giants too. What a network
finds of [alpha/M] is what it finds beyond this one, at fixed metallicity.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd

from rvs_hybrid.config import UPPER_GIANTS
from rvs_hybrid.tables import groups, kept, labels_of, residual, scatter

NAME = "null"
ABOUT = (
    "null: no spectrum; [alpha/M] is the mean of the training stars alike in metallicity and log "
    "g, other labels are the training stars' median"
)
NEIGHBOURS = 50  # default: training stars alike
SCALE = {"metal": 0.1, "logg": 0.2}  # dex, default: what counts as alike in both
EDGES = (-1.0, -0.8, -0.6, -0.4, -0.2, 0.0, 0.2, 0.4)  # dex: bins of fixed metallicity


def null_alpha(known, stars, *, metal):
    """Return the mean [alpha/M] of the training stars alike in metallicity and log g.

    Parameters
    ----------
    known : DataFrame
        Labels of training stars: logg, alpha_m and `metal`.
    stars : DataFrame
        logg_true and METAL_true of n stars: the null knows them without error.
    metal : {"m_h", "fe_h"}

    Returns
    -------
    ndarray of shape (n,)
        Mean over the 50 nearest in ([Fe/H] / 0.1, log g / 0.2); NaN where a label is missing.
    """
    from scipy.spatial import cKDTree

    scale = np.array([SCALE["metal"], SCALE["logg"]])
    known = known[[metal, "logg", "alpha_m"]].dropna()
    out = np.full(len(stars), np.nan)
    at = stars[[f"{metal}_true", "logg_true"]].to_numpy(float) / scale
    rows = np.isfinite(at).all(axis=1)
    if len(known) < NEIGHBOURS or not rows.any():
        return out
    tree = cKDTree(known[[metal, "logg"]].to_numpy(float) / scale)
    _, alike = tree.query(at[rows], k=NEIGHBOURS)
    out[rows] = known["alpha_m"].to_numpy(float)[alike].mean(axis=1)
    return out


def null_predictions(known, df, *, metal):
    """Return a table of predictions of the null for the stars of another, row by row.

    Parameters
    ----------
    known : DataFrame
        Labels of training stars.
    df : DataFrame
        Predictions.
    metal : {"m_h", "fe_h"}
        What [alpha/M] is compared at.

    Returns
    -------
    DataFrame
        `df` with LABEL_pred of the null and without errors; labels that it cannot give are left
        out.
    """
    ends = ("_pred", "_sigma", "_raw", "_ensemble", "_aleatoric", "_precursor")
    out = df[[name for name in df if not name.endswith(ends)]].copy()
    for label in labels_of(df):
        if label not in known or not known[label].notna().any():
            continue
        if label == "alpha_m" and {metal, "logg"} <= set(known) & set(labels_of(df)):
            out[f"{label}_pred"] = null_alpha(known, df, metal=metal)
        elif label != "alpha_m":
            out[f"{label}_pred"] = known[label].median()
    return out


def alpha_table(df, null, *, metal):
    """Return what a network finds of [alpha/M] at fixed metallicity, beside the null.

    Parameters
    ----------
    df, null : DataFrame
        Predictions of the network and of the null, row by row.
    metal : {"m_h", "fe_h"}

    Returns
    -------
    DataFrame
        stars, metallicity, n, mad_sigma and null_mad_sigma (dex), found: slope of predicted on true
        [alpha/M], both less the null (1: all that the null leaves, 0: nothing), and correlation of
        the two. Empty without [alpha/M], metallicity or null.
    """
    if not {metal, "alpha_m"} <= set(labels_of(df)) or "alpha_m" not in labels_of(null):
        return pd.DataFrame()
    ours, theirs = residual(df, "alpha_m"), residual(null, "alpha_m")
    known, at = np.isfinite(ours) & np.isfinite(theirs), df[f"{metal}_true"].to_numpy(float)
    stars, rows = groups(df), []
    if "logg_true" in df:
        stars[f"log g < {UPPER_GIANTS}"] = (df["logg_true"] < UPPER_GIANTS).to_numpy()
    for name, here in stars.items():
        for low, high in ((-np.inf, np.inf), *pairwise(EDGES)):
            part = here & known & (at >= low) & (at < high)
            left = -theirs[part]  # true less the null
            found = ours[part] + left
            row = {"stars": name, "metallicity": f"{low:g} to {high:g}", "n": int(part.sum())}
            if np.isinf(low):
                row["metallicity"] = "all"
            row["mad_sigma"] = scatter(ours[part])["mad_sigma"]
            row["null_mad_sigma"] = scatter(theirs[part])["mad_sigma"]
            if row["n"] > 2 and left.std() > 0 and found.std() > 0:
                row["correlation"] = float(np.corrcoef(left, found)[0, 1])
                row["found"] = row["correlation"] * found.std() / left.std()
            rows.append(row)
    return kept(rows)
