"""What the galaxies are, beside what Sect. 2 and Fig. 1 say of the paper's."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mtopnet import published
from mtopnet.tables import redshifts as tables

LEVELS = (0.001, 0.16, 0.5, 0.84, 0.999)
COLUMNS = {  # quantity: column, begin of its claims' ids, width of the bins of its peak
    "z": ("z_true", "z", None),
    "log M": ("lgm_true", "mass", 0.25),
    "log SFR": ("sfr_true", "sfr", 0.25),
    "m_H": ("m_h", "m_h", 0.5),
    "log F(Hα)": ("f_ha", None, None),
}


def of_galaxies(df, column):
    """Return what is known of a column, one value a galaxy, or None below `tables.FEWEST`."""
    value = df.drop_duplicates("galaxy")[column].dropna() if column in df else ()
    return np.asarray(value, float) if len(value) >= tables.FEWEST else None


def peak(value, width):
    """Return the middle of the fullest bin; bins are centred on multiples of their width."""
    at, count = np.unique(np.rint(value / width), return_counts=True)
    return width * at[count.argmax()]


def sample_table(df):
    """Return quantiles of the galaxies beside the paper's ranges and peaks.

    Parameters
    ----------
    df : DataFrame
        galaxy, and those of the columns of `COLUMNS` that are known.

    Returns
    -------
    DataFrame
        quantity, n (galaxies), q0.1, q16, q50, q84, q99.9 (percentiles), peak; the published range
        (low, high), peak and median, NaN where none is printed.
    """
    rows = []
    for quantity, (column, name, width) in COLUMNS.items():
        value = of_galaxies(df, column)
        if value is None:
            continue
        row = {"quantity": quantity, "n": len(value)}
        at = np.quantile(value, LEVELS)
        if column == "f_ha":
            at = np.log10(np.maximum(at, 1e-30))
            row["published_q50"] = published.value("median-ha")
        row |= {f"q{100 * k:g}": v for k, v in zip(LEVELS, at, strict=True)}
        if name is not None:
            row["published_low"] = published.value(f"{name}-lowest")
            row["published_high"] = published.value(f"{name}-highest")
        if width is not None:
            row["peak"], row["published_peak"] = peak(value, width), published.value(f"{name}-peak")
        rows.append(row)
    columns = ["quantity", "n", *(f"q{100 * k:g}" for k in LEVELS), "peak", "published_low",
               "published_high", "published_peak", "published_q50"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)
