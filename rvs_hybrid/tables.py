"""Tables of an evaluation: bias and scatter of each label, by group, S/N, magnitude and variant."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd

from common.catalog import read_table
from common.errors import ReadError
from common.metrics import mad_sigma
from rvs_hybrid.config import GIANT, LABEL_SCALES, LABELS

FEWEST = 10  # stars behind a row of a table
PARALLAX_SN = 10
SYNTHETIC = "semi-synthetic RVS"
BINS = {  # column → (what it is, edges)
    "snr": ("APOGEE S/N", (0, 50, 80, 110, 150, 200, np.inf)),
    "snr_rvs": ("RVS S/N", (0, 15, 25, 40, 70, np.inf)),
    "g": ("G (mag)", (0, 10, 11, 12, 13, 14, np.inf)),
}
STATISTICS = ("n", "bias_mean", "bias_median", "sd", "mad_sigma")


def star_group(logg):
    """Return "giant" (log g below 3.5), "dwarf" or "unknown" (NaN) of each star, ndarray of str.

    Calibration goes by predicted log g, the one that is known of any star; tables by the true one.
    """
    logg = np.asarray(logg, float)
    return np.select([logg < GIANT, logg >= GIANT], ["giant", "dwarf"], "unknown")


def labels_of(df):
    """Return the labels that have both a true and a predicted value in some row."""
    return tuple(
        k
        for k in LABELS
        if {f"{k}_true", f"{k}_pred"} <= set(df)
        and (df[f"{k}_true"].notna() & df[f"{k}_pred"].notna()).any()
    )


def truth_of(df):
    """Return whose the true labels of a table are, as its data sets say: APOGEE's by default."""
    other = LABEL_SCALES["gspspec"]
    named = "dataset" in df and df["dataset"].astype(str).str.contains(other).any()
    return other if named else LABEL_SCALES["apogee"]


NUMBERS = ("ra", "dec", "k", "a_k", "parallax", "parallax_error", "parallax_zp")
"""Columns of a table made elsewhere that must be numbers (deg, mag, mas) where they are there."""


def read_predictions(path):
    """Read a table of true and predicted labels.

    Parameters
    ----------
    path : path-like
        As `common.catalog.read_table` takes it, with columns LABEL_true and LABEL_pred for at least
        one of teff, logg, m_h, fe_h, alpha_m; optional: those of predictions.parquet.

    Returns
    -------
    DataFrame
        Numbers as float64, missing ones NaN.

    Raises
    ------
    ReadError
        If the file cannot be read or holds no pair of true and predicted values.
    """
    df = read_table(path)
    for name in df:
        base = name.removesuffix("_err").rsplit("_", 1)[0]
        if base in LABELS or name in BINS or name in NUMBERS:
            try:
                df[name] = pd.to_numeric(df[name]).astype(float)
            except (TypeError, ValueError) as error:
                raise ReadError(path, f"column {name}: {error}", "numbers") from error
    if not labels_of(df):
        found = f"no label with both true and predicted values among {', '.join(map(str, df))}"
        allowed = "columns such as teff_true, teff_pred"
        raise ReadError(path, found, allowed, f"Labels: {', '.join(LABELS)}.")
    return df


def residual(df, label, pred="pred"):
    """Return predicted minus true, ndarray of shape (n,), NaN where either is missing."""
    return (df[f"{label}_{pred}"] - df[f"{label}_true"]).to_numpy(float)


def scatter(residuals):
    """Return {n, bias_mean, bias_median, sd, mad_sigma} of residuals, NaN left out.

    mad_sigma is 1.4826 times the median absolute deviation from the median.
    """
    r = np.asarray(residuals, float)
    r = r[np.isfinite(r)]
    if not r.size:
        return dict.fromkeys(STATISTICS, np.nan) | {"n": 0}
    middle = np.median(r)
    return {
        "n": int(r.size),
        "bias_mean": float(r.mean()),
        "bias_median": float(middle),
        "sd": float(r.std(ddof=1)) if r.size > 1 else np.nan,
        "mad_sigma": float(mad_sigma(r)),
    }


def groups(df):
    """Return {name: mask} of all stars, giants and dwarfs by true log g, where there are any."""
    out = {"all": np.ones(len(df), bool)}
    if "logg_true" in df:
        kind = star_group(df["logg_true"])
        out |= {f"{k}s": kind == k for k in ("giant", "dwarf")}
    return {k: v for k, v in out.items() if v.sum() >= FEWEST}


def parallax_groups(df):
    """Return {name: mask}: without a parallax, with one, with one of S/N > 10."""
    if "parallax" not in df or not df["parallax"].notna().any():
        return {}
    sn = parallax_sn(df)
    has = df["has_parallax"].to_numpy(bool) if "has_parallax" in df else np.isfinite(sn)
    out = {"without parallax": ~has, "with parallax": has,
           f"parallax S/N > {PARALLAX_SN}": sn > PARALLAX_SN}  # fmt: skip
    return {k: v for k, v in out.items() if v.sum() >= FEWEST}


def parallax_sn(df):
    """Return the zero-point corrected parallax over its error, ndarray of shape (n,)."""
    if not {"parallax", "parallax_error"} <= set(df):
        return np.full(len(df), np.nan)
    zp = df["parallax_zp"].fillna(0.0) if "parallax_zp" in df else 0.0
    return ((df["parallax"] - zp) / df["parallax_error"]).to_numpy(float)


def label_table(df, pred="pred", null=None):
    """Return bias and scatter of each label for all stars, by kind and by parallax.

    Parameters
    ----------
    df : DataFrame
        Predictions.
    pred : str
        End of the columns that are judged.
    null : DataFrame, optional
        Predictions of the null for the same rows (`rvs_hybrid.null`).

    Returns
    -------
    DataFrame
        label, stars, `STATISTICS`; null_mad_sigma, of the null on the same stars; and medians of
        the errors in play, in the label's unit: label_error (the label's own), aleatoric, ensemble.
    """
    rows, nulls = [], () if null is None else labels_of(null)
    for label in labels_of(df):
        for name, here in (groups(df) | parallax_groups(df)).items():
            row = {"label": label, "stars": name, **scatter(residual(df[here], label, pred))}
            if label in nulls:
                row["null_mad_sigma"] = scatter(residual(null[here], label))["mad_sigma"]
            for key, column in (("label_error", "true_err"), ("aleatoric", "aleatoric"),
                                ("ensemble", "ensemble")):  # fmt: skip
                known = f"{label}_{column}" in df
                row[key] = df.loc[here, f"{label}_{column}"].median() if known else np.nan
            rows.append(row)
    return kept(rows)


def limits_table(df):
    """Return what makes up the scatter of each label: shares of the squared MAD-sigma.

    Returns
    -------
    DataFrame
        label, stars, n, mad_sigma; label_share and ensemble_share: median square of APOGEE's
        error and of the ensemble std over the square of mad_sigma (1: all of it); other_sigma:
        what is left, in the label's unit (aleatoric: what the inputs do not tell; and what all
        members get wrong together).
    """
    rows = []
    for label in labels_of(df):
        for name, here in groups(df).items():
            s = scatter(residual(df[here], label))
            row, total = {"label": label, "stars": name, "n": s["n"]}, s["mad_sigma"] ** 2
            row["mad_sigma"], left = s["mad_sigma"], total
            for key, column in (("label_share", "true_err"), ("ensemble_share", "ensemble")):
                known = f"{label}_{column}" in df
                part = (df.loc[here, f"{label}_{column}"] ** 2).median() if known else np.nan
                row[key] = part / total if total > 0 else np.nan
                left -= part if np.isfinite(part) else 0
            row["other_sigma"] = np.sqrt(max(left, 0))
            rows.append(row)
    return kept(rows)


def binned_table(df, column):
    """Return bias and scatter of each label in bins of "snr", "snr_rvs" or "g".

    Empty if no star has a value there.
    """
    rows = []
    if column in df and df[column].notna().any():
        edges = BINS[column][1]
        value = df[column].to_numpy(float)
        for label in labels_of(df):
            for low, high in pairwise(edges):
                part = df[(value >= low) & (value < high)]
                text = f"≥ {low:g}" if np.isinf(high) else f"{low:g} to {high:g}"
                rows.append({"label": label, BINS[column][0]: text,
                             **scatter(residual(part, label))})  # fmt: skip
    return kept(rows)


def variant_table(variants, members=None):
    """Return bias and scatter of several networks on the same stars.

    Parameters
    ----------
    variants : dict of str to DataFrame
        Name → predictions with source_id.
    members : dict of str to int, optional
        Name → networks of the ensemble.

    Returns
    -------
    DataFrame
        label, stars, network, members, `STATISTICS`: for each label the stars for which every
        network has a prediction; empty with fewer than two networks.
    """
    if len(variants) < 2 or not all("source_id" in d for d in variants.values()):
        return pd.DataFrame()
    by_id = {k: d.drop_duplicates("source_id").set_index("source_id") for k, d in variants.items()}
    first = next(iter(by_id.values()))
    common = first.index
    for d in by_id.values():
        common = common.intersection(d.index)
    rows = []
    for label in labels_of(first):
        having = {k: d.loc[common] for k, d in by_id.items() if label in labels_of(d)}
        r = {k: residual(d, label) for k, d in having.items()}
        known = np.isfinite(list(r.values())).all(axis=0)
        stars = first.loc[common]
        for name, here in (groups(stars) | parallax_groups(stars)).items():
            for network, values in r.items():
                row = {"label": label, "stars": name}
                row["network"] = variant_name(network, variants[network])
                row["members"] = (members or {}).get(network, np.nan)
                rows.append(row | scatter(values[here & known]))
    return kept(rows)


def variant_name(name, df):
    """Return a variant's name, with "(semi-synthetic RVS)" where its spectra are."""
    made = "dataset" in df and df["dataset"].astype(str).str.contains(SYNTHETIC).any()
    return f"{name} ({SYNTHETIC})" if made and SYNTHETIC not in name else name


def protocol_table(df):
    """Return both ensemble rules side by side: this one's, and the precursors'.

    The precursors stop training on the test set and choose the runs that enter the ensemble by
    their loss on it. Empty where the table has no ``LABEL_pred_precursor``.
    """
    rows = []
    for label in labels_of(df):
        if f"{label}_pred_precursor" not in df:
            continue
        for name, here in groups(df).items():
            for rule, end in (("never sees the test set", ""), ("precursors' rule", "_precursor")):
                row = {"label": label, "stars": name, "ensemble": rule,
                       **scatter(residual(df[here], label, f"pred{end}"))}  # fmt: skip
                std = f"{label}_ensemble{end}"
                row["mean_std"] = df.loc[here, std].mean() if std in df else np.nan
                row["std_over_sd"] = row["mean_std"] / row["sd"]
                rows.append(row)
    return kept(rows)


def kept(rows):
    """Return rows with enough stars as a table."""
    return pd.DataFrame([r for r in rows if r["n"] >= FEWEST])
