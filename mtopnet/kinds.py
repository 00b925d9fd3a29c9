"""Spectra that are none of the network's kind: stars, redshifts beyond the bins, failed fibres."""

from __future__ import annotations

import numpy as np

OTHER_KINDS = ("star", "outside", "failed")  # what they are called in the column kind of labels
LIMIT = 0.5  # default: p_none above which a spectrum is called one of them


def other_kind(labels):
    """Return which rows are none of the network's kind, ndarray of bool, shape (n,).

    Parameters
    ----------
    labels : DataFrame of n rows
        With kind; without it none is.
    """
    if "kind" not in labels:
        return np.zeros(len(labels), dtype=bool)
    return labels["kind"].isin(OTHER_KINDS).to_numpy()
