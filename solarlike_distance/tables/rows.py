"""Rows of predictions, read from a run, a catalogue or a table made elsewhere."""

from __future__ import annotations

import numpy as np
import pandas as pd

from common import catalog
from common.errors import ReadError
from solarlike_distance.tables.scatter import LABELS, QUANTITIES

CATALOGUE = {  # column of the paper's catalogue (Table D.1) → of predictions
    "obsid": "id",
    "snrg": "snr_g",
    "snrr": "snr_r",
    "gaia_source_id": "source_id",
    "gaia_g_mean_mag": "phot_g_mean_mag",
    "gaia_bp_rp": "bp_rp",
    "cnn_distance": "distance_pred",
    **{f"cnn_{k}": f"{k}_pred" for k in LABELS},
    **{f"cnn_{k}_err": f"{k}_sigma" for k in LABELS},
    **{f"cnn_distance_{k}": f"distance_{k}" for k in ("p16", "p50", "p84")},
    "apogee_id": "APOGEE_ID",
}
TEXT = ("id", "object", "split", "file", "dataset", "survey", "APOGEE_ID", "release", "reason",
        "warning", "source_id", "subclass", "class")  # fmt: skip


def read_predictions(path):
    """Read predictions of a run, a catalogue of `solarlike_distance.catalog`, or someone's table.

    Parameters
    ----------
    path : path-like
        .parquet, .fits, .ecsv or .csv with teff_pred, logg_pred, feh_pred, mg_pred, bprp_pred or
        distance_pred (or the names of Table D.1: cnn_teff, ...), and where known the other columns
        of a run's predictions.parquet (docs/run-folder.md).

    Returns
    -------
    DataFrame
        Numbers as float, `id` made up where there is none; source_id as text, since it does not
        fit a float.

    Raises
    ------
    ReadError
        If the file cannot be read or predicts nothing.
    """
    df = catalog.read_table(path)
    lower = df.rename(columns={c: CATALOGUE.get(str(c).lower(), str(c)) for c in df})
    df = lower.loc[:, ~lower.columns.duplicated()]
    if not any(f"{k}_pred" in df for k in QUANTITIES):
        raise ReadError(
            path,
            f"columns {', '.join(map(str, df.columns[:12]))}",
            "at least one of " + ", ".join(f"{k}_pred" for k in QUANTITIES) + ", or cnn_teff, ...",
            "Rename the columns of the table.",
        )
    if "id" not in df:
        df = df.assign(id=np.arange(len(df)).astype(str))
    return with_types(df)


def any_mock(df):
    """Return whether any row of predictions is of a simulated spectrum."""
    return "mock" in df and bool(df["mock"].astype(float).gt(0).any())


def with_types(df):
    """Return predictions with numbers as float, ids as text, `binary` and `mock` as they are."""
    df = df.copy()
    for name in df.columns.difference(TEXT):
        if df[name].dtype != bool:
            df[name] = pd.to_numeric(df[name], errors="coerce").astype(float)
    for name in set(TEXT) & set(df.columns):
        if name in ("id", "source_id") and pd.api.types.is_float_dtype(df[name]):
            df[name] = df[name].astype("Int64")  # those that a missing value made floats
        df[name] = df[name].map(lambda v: "" if pd.isna(v) else str(v))
    return df
