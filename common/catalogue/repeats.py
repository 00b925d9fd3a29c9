"""Ids that come more than once in the parts of a catalogue: the first in order stays."""

from __future__ import annotations

import numpy as np
import pandas as pd


def repeated(parts):
    """Return the rows whose id came before, as `common.catalogue.parts.Parts.leave_out` takes them.

    What came before is a row or a reject of an earlier part; it is told when all parts are there,
    so that it does not depend on which of them was made first, nor by whom.

    Parameters
    ----------
    parts : common.catalogue.parts.Parts

    Returns
    -------
    dict

    Notes
    -----
    Twenty-four bytes a spectrum are held, and the ids themselves only where two may be the same.
    """
    hashes = [_hashes(_ids(parts, key, [])[0]) for key in parts.keys()]
    suspects = _more_than_once(hashes)
    if not len(suspects):
        return {}
    first, left = {}, {}
    for key, own in zip(parts.keys(), hashes, strict=True):
        rows = np.flatnonzero(np.isin(own, suspects))
        if not len(rows):
            continue
        ids, files, n = _ids(parts, key, ["file"])
        gone, lost = np.zeros(n, dtype=bool), []
        for row in rows:
            before = first.setdefault(ids[row], (key, files[row]))
            if before[0] != key and row < n:  # within a part the reader has looked already
                gone[row] = True
                reason = f"duplicate id: first seen in {before[1]}"
                lost.append({"file": files[row], "id": ids[row], "reason": reason})
        if gone.any():
            left[key] = gone, lost
    return left


def _ids(parts, key, more):
    """Return ids and files of a part, lists of str, its rows first and then its rejects; rows."""
    table, lost = parts.table(key, ["id", *more]), parts.rejects_of(key)
    n = 0 if table is None else len(table)
    ids = [] if table is None else table["id"].astype(str).tolist()
    files = table["file"].astype(str).tolist() if n and more else [""] * n
    return ids + [r["id"] for r in lost], files + [r["file"] for r in lost], n


def _hashes(ids):
    return pd.util.hash_array(np.array(ids, dtype=object), categorize=False)


def _more_than_once(hashes):
    """Return the values that more than one of the arrays, or one of them twice, holds."""
    every = np.sort(np.concatenate([np.zeros(0, "uint64"), *hashes]))
    return np.unique(every[1:][every[1:] == every[:-1]])
