"""Networks on disk in half precision, and what that changes in a catalogue."""

from __future__ import annotations

import io
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import numpy as np
import pandas as pd

BITS = 11  # significant bits of half precision
ALLOWED = 0.1  # of an error: what a catalogue may change by
SHARE = 0.99  # of the rows


def rounded(values):
    """Return float32 values with the significant bits of half precision, exponents as they are."""
    values = np.ascontiguousarray(values, dtype=np.float32)
    drop = 24 - BITS
    up = np.uint32(1 << (drop - 1))  # half a unit of the last bit that stays: away from zero
    bits = (values.view(np.uint32) + up) & ~np.uint32((1 << drop) - 1)
    return np.where(np.isfinite(bits.view(np.float32)), bits.view(np.float32), values)


def halved(path, out):
    """Copy a .keras file with its weights rounded, and compressed, which they now can be."""
    import h5py

    with ZipFile(path) as source, ZipFile(out, "w", ZIP_DEFLATED) as target:
        for name in sorted(source.namelist()):
            data = source.read(name)
            if name.endswith(".h5"):
                buffer = io.BytesIO(data)
                with h5py.File(buffer, "r+") as file:
                    file.visititems(_round)
                data = buffer.getvalue()
            info = ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))  # the same bytes every time
            target.writestr(info, data, compress_type=ZIP_DEFLATED, compresslevel=9)


def _round(_, item):
    if getattr(item, "dtype", None) == np.float32:
        item[...] = rounded(item[...])


def compare(before, after, errors):
    """Return how much a catalogue changed, in units of its errors.

    Parameters
    ----------
    before, after : DataFrame
        The same rows.
    errors : dict of str to str
        Column -> that of its error; those that the catalogue lacks are passed over.

    Returns
    -------
    DataFrame
        column, n, median and largest |change| / error, `within`: the share of the rows that change
        by at most `ALLOWED`; enough: at least `SHARE` of them.
    """
    rows = []
    for name, error in errors.items():
        if name not in before or error not in before:
            continue
        change = (after[name] - before[name]).abs().to_numpy(float)
        change = change / before[error].to_numpy(float)
        change = change[np.isfinite(change)]
        within = float(np.mean(change <= ALLOWED)) if len(change) else np.nan
        rows.append(
            {
                "column": name,
                "n": len(change),
                "median": np.median(change) if len(change) else np.nan,
                "largest": change.max() if len(change) else np.nan,
                "within": within,
                "enough": within >= SHARE,
            }
        )
    return pd.DataFrame(rows)
