"""Which giants show [alpha/M], where they are, and whether it is bimodal there."""

from __future__ import annotations

import numpy as np
import pandas as pd

from common.errors import SuiteError
from rvs_hybrid import galactic
from rvs_hybrid.bimodality import bimodality_table
from rvs_hybrid.config import GIANT
from rvs_hybrid.tables import labels_of

UPPER_GIANTS = 2.2  # dex: the proceedings' Fig. 1 shows giants of lower log g
LOW_SNR = (15, 25)  # RVS S/N of the proceedings' Fig. 1
BULGE = 4.0  # kpc: default, "the bulge region" of the proceedings has no number
SAMPLES = (("true", "APOGEE labels"), ("pred", "predictions"))


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
        for end, text in SAMPLES
    }


def bimodality(df, places=None):
    """Return `rvs_hybrid.bimodality.bimodality_table` of giants; empty if it cannot be.

    Parameters
    ----------
    df : DataFrame
        Predictions.
    places : DataFrame, optional
        R and Z (kpc) of the same rows; no bins of them without it.
    """
    try:
        keep = giants(df, GIANT)
        values = samples(df, keep)
    except SuiteError:
        return pd.DataFrame()
    upper = giants(df, UPPER_GIANTS)[keep]
    bins = {f"all giants, log g < {GIANT}": np.ones(keep.sum(), bool),
            f"all giants, log g < {UPPER_GIANTS}": upper}  # fmt: skip
    low = giants(df, UPPER_GIANTS, low_snr=True)[keep]
    if low.any():
        bins[f"log g < {UPPER_GIANTS}, RVS S/N {LOW_SNR[0]} to {LOW_SNR[1]}"] = low
    if places is not None:
        places = places[keep]
        bins[f"R < {BULGE:g} kpc, log g < {GIANT}"] = (places["R"] < BULGE).to_numpy()
        r, z = galactic.R_EDGES, galactic.Z_EDGES
        for (i, j), here in galactic.bins(R=places["R"], Z=places["Z"]).items():
            text = f"R {r[i]:g}-{r[i + 1]:g}, |Z| {z[j]:g}-{z[j + 1]:g} kpc"
            bins[f"{text}, log g < {GIANT}"] = here
    return bimodality_table(values, bins=bins)
