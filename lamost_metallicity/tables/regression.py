"""Tables of an evaluation from saved predictions: methods, bins, classes (Sect. 4, 5)."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd

from common import catalog
from common.errors import ReadError
from common.metrics import mad_sigma
from lamost_metallicity.pipelinelines import PREFIX
from lamost_metallicity.stronglines import TO_T04, to_t04

SNR_EDGES = (3.0, 5.0, 7.0, 10.0, 15.0, 25.0, np.inf)  # Fig. 5a
Z_EDGES = (0.0, 0.03, 0.05, 0.07, 0.10, 0.15, 0.30)  # Fig. 5b
EDGES = {"snr_r": SNR_EDGES, "z": Z_EDGES}
PUBLISHED_SIGMA = {  # Fig. 5, read off the curves; NaN where the text names no value
    "snr_r": (0.11, np.nan, np.nan, np.nan, np.nan, 0.05),
    "z": (np.nan, np.nan, 0.07, 0.07, 0.07, np.nan),
}
PUBLISHED_WORST = {"z": 0.10}  # Sect. 4.4: the maximum of both ends, of which it names neither
METHODS = {  # column: name, in the order of the tables
    "oh_pred": "CNN of this run",
    "oh_rf": "random forest, 100 trees",
    "oh_mlp": "MLP, 3 x 1024",
    "oh_multi": "CNN, multi-task",
    "oh_raw": "CNN that predicts its error",
    "oh_lines": "boosting on measured lines and continuum",
    "oh_mass": "boosting on colour, mass and z, no line",
    "oh_n2": "N2, Pettini & Pagel 2004",
    "oh_o3n2": "O3N2, Pettini & Pagel 2004",
    "oh_n2_m13": "N2, Marino et al. 2013",
    "oh_o3n2_m13": "O3N2, Marino et al. 2013",
    "oh_n2_t04": "N2, to T04 by Kewley & Ellison 2008",
    "oh_o3n2_t04": "O3N2, to T04 by Kewley & Ellison 2008",
    "oh_n2_cal": "N2, on the labels' scale",
    "oh_o3n2_cal": "O3N2, on the labels' scale",
}
CALIBRATED = {"oh_n2_cal": "n2", "oh_o3n2_cal": "o3n2"}
FEWEST = 20  # rows without which a bin measures nothing
NEEDED = ("oh_true", "oh_pred")
FLAGS = ("is_sf", "in_oh", "in_class")


def read_predictions(path):
    """Read a table of true and predicted metallicities.

    Parameters
    ----------
    path : path-like
        .parquet, .fits, .ecsv or .csv with oh_true and oh_pred, and where known the other columns
        of a run's predictions.parquet (docs/run-folder.md).

    Returns
    -------
    DataFrame
        Numbers as float, flags as nullable booleans; `id` is made up where there is none.

    Raises
    ------
    ReadError
        If the file cannot be read or has no metallicities to compare.
    """
    df = catalog.read_table(path)
    df = df.rename(columns={c: str(c).lower() for c in df})
    missing = [name for name in NEEDED if name not in df]
    if missing:
        raise ReadError(
            path,
            f"columns {', '.join(map(str, df.columns[:12]))}",
            "oh_true and oh_pred: the label and the predicted 12 + log(O/H)",
            "Rename the columns of the table.",
        )
    if "id" not in df:
        df["id"] = np.arange(len(df)).astype(str)
    return with_types(df)


def with_types(df):
    """Return predictions with numbers as float, flags and classes nullable, ids as text."""
    df = df.copy()
    text = ("id", "split", "file", "dataset", "survey", "specobjid", "class", "subclass", *FLAGS)
    for name in df.columns.difference([*text, "bptclass"]):
        df[name] = pd.to_numeric(df[name], errors="coerce").astype(float)
    for name in FLAGS:
        if name in df:
            df[name] = _flag(df[name])
    if "bptclass" in df:
        df["bptclass"] = pd.to_numeric(df["bptclass"], errors="coerce").astype("Int64")
    return df.assign(id=df["id"].astype(str))


def _flag(values):
    """Return true, false, 1, 0 and blanks, however a file spells them, as nullable booleans."""
    text = values.map(lambda v: "" if pd.isna(v) else str(v).strip().lower())
    known = {"true": True, "1": True, "1.0": True, "t": True,
             "false": False, "0": False, "0.0": False, "f": False}  # fmt: skip
    return text.map(known).astype("boolean")


def regression_rows(df):
    """Return the rows that the regression is judged by: star-forming, with a label."""
    rows = df["oh_true"].notna() & df["oh_pred"].notna()
    if "in_oh" in df:
        rows &= df["in_oh"].fillna(False).astype(bool)
    elif "is_sf" in df:
        rows &= df["is_sf"].fillna(False).astype(bool)
    return df[rows].reset_index(drop=True)


def fit_scale(df, index, *, degree=3, clip=3.0):
    """Fit the polynomial that puts a line index on the scale of the labels.

    The labels come from models of all lines (Tremonti et al. 2004) and differ from Pettini &
    Pagel's scale by up to 0.3 dex (Kewley & Ellison 2008): without this the comparison would be
    of scales.

    Parameters
    ----------
    df : DataFrame
        Galaxies that the comparison does not use: `index` and oh_true.
    index : {"n2", "o3n2"}
    degree : int
    clip : float
        Rows beyond so many sigma are left out, three times over.

    Returns
    -------
    numpy.polynomial.Polynomial or None
        None where fewer than 40 rows have both, or the index is the same in all.
    """
    if index not in df:
        return None
    x, y = df[index].to_numpy(float), df["oh_true"].to_numpy(float)
    keep = np.isfinite(x) & np.isfinite(y)
    if keep.sum() < 40 or np.ptp(x[keep]) == 0:
        return None
    for _ in range(4):
        polynomial = np.polynomial.Polynomial.fit(x[keep], y[keep], degree)
        residual = y - polynomial(x)
        keep = np.isfinite(residual) & (np.abs(residual) <= clip * np.std(residual[keep]))
    return polynomial


def scales_of(df):
    """Return {oh_n2_cal, oh_o3n2_cal: polynomial} from the validation split: test stays unseen."""
    if "split" not in df:
        return dict.fromkeys(CALIBRATED)
    valid = regression_rows(df[df["split"] == "valid"])
    return {name: fit_scale(valid, index) for name, index in CALIBRATED.items()}


def kept_scales(scales):
    """Return what config.json keeps of `scales_of`, for `scales_from`."""
    return {name: None if p is None else {"coef": p.coef.tolist(), "domain": p.domain.tolist()}
            for name, p in scales.items()}  # fmt: skip


def scales_from(kept):
    """Return `scales_of` a run from what its config.json keeps."""
    return {name: None if p is None else np.polynomial.Polynomial(**p) for name, p in kept.items()}


def on_label_scale(df, scales):
    """Return the predictions with the strong-line estimates on the labels' scale.

    NAME_cal by a fit to labels, NAME_t04 by a published conversion; so too those of a pipeline's
    lines (pipe_NAME). Outside the range of indices that a polynomial was fitted in, its value at
    the end is taken.

    Parameters
    ----------
    df : DataFrame
    scales : dict of str to Polynomial or None
        oh_n2_cal, oh_o3n2_cal → what `fit_scale` gave.
    """
    out = df.copy()
    for prefix in ("", PREFIX):
        for name in TO_T04:
            if prefix + name in df:
                out[f"{prefix}{name}_t04"] = to_t04(df[prefix + name], name)
        for name, polynomial in scales.items():
            index = prefix + CALIBRATED[name]
            if polynomial is not None and index in df:
                value = np.clip(df[index].to_numpy(float), *polynomial.domain)
                out[prefix + name] = polynomial(value)
    return out


def sigma_of(residual):
    """Return (standard deviation, its error) of the finite values; NaN below `FEWEST` of them.

    The error is that of any distribution with a fourth moment, not of a Gaussian alone.
    """
    residual = np.asarray(residual, float)
    residual = residual[np.isfinite(residual)]
    n = len(residual)
    if n < FEWEST:
        return np.nan, np.nan
    sigma = np.std(residual, ddof=1)
    fourth = np.mean((residual - residual.mean()) ** 4) / sigma**4 if sigma > 0 else 1.0
    return float(sigma), float(sigma * np.sqrt(max(fourth - 1, 0) / (4 * n)))


def method_table(df, *, against="oh_true"):
    """Return Table 1: mean and standard deviation of each method's residual.

    Parameters
    ----------
    df : DataFrame
        Rows of `regression_rows`.
    against : {"oh_true", "oh_planted"}
        The label, or the truth of a mock.

    Returns
    -------
    DataFrame
        method, column, n, share (of the galaxies that get an estimate), mean, sigma, sigma_err,
        nmad; dex.
    """
    rows = []
    for column, name in METHODS.items():
        if column not in df or df[column].notna().sum() < FEWEST:
            continue
        residual = (df[column] - df[against]).dropna().to_numpy(float)
        sigma, error = sigma_of(residual)
        nmad = mad_sigma(residual)
        rows.append({"method": name, "column": column, "n": len(residual),
                     "share": len(residual) / len(df), "mean": residual.mean(), "sigma": sigma,
                     "sigma_err": error, "nmad": nmad})  # fmt: skip
    columns = ["method", "column", "n", "share", "mean", "sigma", "sigma_err", "nmad"]
    return pd.DataFrame(rows, columns=columns)


def bins_of(values, edges):
    """Return the number of the bin of each value (left edge included), -1 outside."""
    values = np.asarray(values, float)
    where = np.digitize(values, edges) - 1
    return np.where(np.isfinite(values) & (where < len(edges) - 1), where, -1)


def binned_table(df, by, *, columns=("oh_pred",), edges=None):
    """Return Fig. 5: sigma of the residual in bins of S/N_r or redshift.

    Parameters
    ----------
    df : DataFrame
        Rows of `regression_rows`.
    by : {"snr_r", "z"}
    columns : sequence of str
        Methods; each adds COLUMN, COLUMN_err, and from the second on COLUMN_share.
    edges : sequence of float, optional
        The paper's by default.

    Returns
    -------
    DataFrame
        bin, low, n, published, mean (of the first method), sigma and error of each method.
    """
    edges = EDGES[by] if edges is None else edges
    published = PUBLISHED_SIGMA[by] if edges is EDGES[by] else [np.nan] * (len(edges) - 1)
    where = bins_of(df[by], edges)
    rows = []
    for i, (low, high) in enumerate(pairwise(edges)):
        part = df[where == i]
        name = f"[{low:g}, {high:g})" if np.isfinite(high) else f">= {low:g}"
        row = {"bin": name, "low": float(low), "n": len(part), "published": published[i]}
        row["mean"] = (part[columns[0]] - part["oh_true"]).mean()
        for k, column in enumerate(c for c in columns if c in df):
            row[column], row[f"{column}_err"] = sigma_of(part[column] - part["oh_true"])
            if k:
                row[f"{column}_share"] = part[column].notna().mean() if len(part) else np.nan
        rows.append(row)
    return pd.DataFrame(rows)
