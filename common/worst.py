"""Which objects of an evaluation are worth a look: those whose answer is far from the truth."""

from __future__ import annotations

import numpy as np
import pandas as pd

FAR = 3.0  # errors


def farthest(df, labels, *, ids="id", sigma="sigma", more=()):
    """Return the objects whose prediction is more than `FAR` errors off in some label.

    Parameters
    ----------
    df : DataFrame
        Columns LABEL_true, LABEL_pred and LABEL_SIGMA; a label without them is not looked at.
    labels : sequence of str
    ids : str
        Column of the ids.
    sigma : str
        End of the errors' names.
    more : sequence of str
        Further columns to show, where there are any.

    Returns
    -------
    DataFrame or None
        A row an object, worst first: id, label, true, predicted, error, errors_off; None where
        no label has all three columns.
    """
    have = [k for k in labels if {f"{k}_true", f"{k}_pred", f"{k}_{sigma}"} <= set(df)]
    if not have or ids not in df:
        return None
    true, pred, error = (df[[f"{k}_{end}" for k in have]].to_numpy(float)
                         for end in ("true", "pred", sigma))  # fmt: skip
    off = np.full(true.shape, np.nan)
    np.divide(pred - true, error, out=off, where=error > 0)
    size = np.nan_to_num(np.abs(off), nan=0.0, posinf=0.0)
    which = size.argmax(axis=1)
    rows = np.flatnonzero(size.max(axis=1) > FAR)
    rows = rows[np.argsort(-size[rows, which[rows]], kind="stable")]
    at = rows, which[rows]
    return pd.DataFrame({
        "id": df[ids].astype(str).to_numpy()[rows], "label": np.array(have)[at[1]],
        "true": true[at], "predicted": pred[at], "error": error[at], "errors_off": off[at],
        **{k: df[k].to_numpy()[rows] for k in more if k in df},
    })  # fmt: skip
