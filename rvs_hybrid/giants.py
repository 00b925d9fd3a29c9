"""Which giants show [alpha/M], where they are, and whether it is bimodal there."""

from __future__ import annotations

import numpy as np
import pandas as pd

from common.errors import SuiteError
from rvs_hybrid import galactic
from rvs_hybrid.bimodality import bimodality_table
from rvs_hybrid.config import GIANT, UPPER_GIANTS
from rvs_hybrid.tables import labels_of, truth_of

LOW_SNR = (15, 25)  # RVS S/N of the proceedings' Fig. 1
BULGE = 4.0  # kpc: default, "the bulge region" of the proceedings has no number
PREDICTIONS, NULL = "predictions", "null: metallicity, log g alone"


def metal_of(df):
    """Return the metallicity of [alpha/M] diagrams: m_h where there is one, else fe_h."""
    return "m_h" if "m_h" in labels_of(df) else "fe_h"


def giants(df, limit, low_snr=False):
    """Return the mask of giants by predicted log g, inside the training limits.

    Parameters
    ----------
    df : DataFrame
        Predictions.
    limit : float
        Highest log g, dex.
    low_snr : bool
        Only those of RVS S/N within `LOW_SNR`.

    Raises
    ------
    SuiteError
        If there is no log g.
    """
    if "logg_pred" not in df:
        raise SuiteError("the predictions have no log g")
    keep = np.array(df["logg_pred"] < limit)
    if "outside_limits" in df:
        keep &= ~df["outside_limits"].fillna(False).to_numpy(bool)
    if low_snr:
        snr = df.get("snr_rvs", pd.Series(np.nan, df.index))
        keep &= ((snr > LOW_SNR[0]) & (snr < LOW_SNR[1])).to_numpy()
    return keep


def samples(df, keep):
    """Return {name: (metallicity, alpha)} of labels and predictions for some stars.

    Raises
    ------
    SuiteError
        If metallicity or [alpha/M] is missing.
    """
    metal = metal_of(df)
    if not {metal, "alpha_m"} <= set(labels_of(df)):
        raise SuiteError("needs a metallicity and [alpha/M], true and predicted")
    df = df[keep]
    return {
        text: tuple(df[f"{k}_{end}"].to_numpy(float) for k in (metal, "alpha_m"))
        for end, text in (("true", f"{truth_of(df)} labels"), ("pred", PREDICTIONS))
    }


def bimodality(df, places=None, null=None):
    """Return `rvs_hybrid.bimodality.bimodality_table` of giants; empty if it cannot be.

    Parameters
    ----------
    df : DataFrame
        Predictions.
    places : DataFrame, optional
        R and Z (kpc) of the same rows; no bins of them without it.
    null : DataFrame, optional
        Predictions of the null for the same rows (`rvs_hybrid.null`), which stand beside.

    Returns
    -------
    DataFrame
        With a column beyond_null: of predictions, whether they are bimodal with a valley deeper
        than the null's by two standard deviations; None where there is no null, and of others.
    """
    try:
        keep = giants(df, GIANT)
        values = samples(df, keep)
    except SuiteError:
        return pd.DataFrame()
    if null is not None and "alpha_m_pred" in null:
        true = next(iter(values.values()))[0]  # the null knows metallicity without error
        values[NULL] = true, null.loc[keep, "alpha_m_pred"].to_numpy(float)
    bins = {}
    for text, here in _selections(df, keep).items():
        bins[f"all giants, {text}"] = here
        if places is not None:
            bins |= {f"{where}, {text}": here & part for where, part in _places(places[keep])}
    return with_beyond(bimodality_table(values, bins=bins))


def _selections(df, keep):
    """Return {text: mask} of giants: all, those of the proceedings' log g, and of its S/N too."""
    out = {
        f"log g < {GIANT}": np.ones(keep.sum(), bool),
        f"log g < {UPPER_GIANTS}": giants(df, UPPER_GIANTS)[keep],
    }
    low = giants(df, UPPER_GIANTS, low_snr=True)[keep]
    if low.any():
        out[f"log g < {UPPER_GIANTS}, RVS S/N {LOW_SNR[0]} to {LOW_SNR[1]}"] = low
    return out


def _places(places):
    """Yield (text, mask) of the bulge region and of bins of R and |Z|."""
    yield f"R < {BULGE:g} kpc", (places["R"] < BULGE).to_numpy()
    r, z = galactic.R_EDGES, galactic.Z_EDGES
    for (i, j), here in galactic.bins(R=places["R"], Z=places["Z"]).items():
        yield f"R {r[i]:g}-{r[i + 1]:g}, |Z| {z[j]:g}-{z[j + 1]:g} kpc", here


def with_beyond(table):
    """Return a table of bimodality with beyond_null, see `bimodality`."""
    by = table.set_index(["bin", "metallicity", "values"])
    beyond = []
    for row in table.itertuples():
        key = (row.bin, row.metallicity, NULL)
        if row.values != PREDICTIONS or row.bimodal is None or key not in by.index:
            beyond.append(None)
            continue
        null = by.loc[key]
        if not np.isfinite(null["valley"]):
            beyond.append(None)
            continue
        error = np.hypot(np.nan_to_num(row.valley_error), np.nan_to_num(null["valley_error"]))
        beyond.append(bool(row.bimodal and row.valley + 2 * error < null["valley"]))
    return table.assign(beyond_null=pd.Series(beyond, index=table.index, dtype=object))
