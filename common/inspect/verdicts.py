"""What inspectors found, as a page of inspection exports it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from common.catalog import read_table
from common.errors import ReadError

COLUMNS = ("id", "file", "class", "z", "quality", "comment", "class_network", "z_network", "when")
CERTAIN = 3  # default: verdicts of a lower quality are no labels
QUALITIES = {0: "nothing to be seen", 1: "a guess", 2: "possible", 3: "probable", 4: "certain"}


def read_verdicts(path, *, certain=CERTAIN, kinds=None):
    """Return the verdicts that are good enough to be labels.

    Parameters
    ----------
    path : path-like
        The CSV that a page of inspection exports; columns may be left out but for id and quality.
    certain : int
        Lowest quality that counts.
    kinds : container of str, optional
        Classes that are known.

    Returns
    -------
    DataFrame
        Index id; class ("" where the inspector named none), z (NaN likewise), quality, comment.

    Raises
    ------
    ReadError
        If it cannot be read, lacks a column, names an unknown class or a wrong quality or redshift,
        gives an id two verdicts that differ, or holds none that counts.
    """
    allowed = f"a CSV of {', '.join(COLUMNS)}, with quality from 0 to 4"
    table = read_table(path)
    missing = [name for name in ("id", "quality") if name not in table]
    if missing:
        raise ReadError(path, f"no column {', '.join(missing)}", allowed)
    out = pd.DataFrame({"id": table["id"].astype(str)})
    for name in ("class", "comment"):
        out[name] = table[name].astype(str) if name in table else ""
    for name in ("z", "quality"):
        values = table[name] if name in table else pd.Series(np.nan, index=table.index)
        out[name] = pd.to_numeric(values, errors="coerce")
        wrong = out[name].isna() & values.notna() & (values.astype(str).str.strip() != "")
        if wrong.any():
            raise ReadError(path, f"{name} {values[wrong].iloc[0]!r}", allowed)
    out = out[out["quality"].notna()]
    wrong = ~out["quality"].isin(list(QUALITIES))
    if wrong.any():
        raise ReadError(path, f"quality {out.loc[wrong, 'quality'].iloc[0]:g}", allowed)
    strange = [] if kinds is None else sorted(set(out["class"]) - set(kinds) - {""})
    if strange:
        raise ReadError(path, f"the class {strange[0]!r}", f"the classes {', '.join(kinds)}")
    out = out.drop_duplicates().set_index("id")
    if out.index.has_duplicates:
        twice = out.index[out.index.duplicated()][0]
        raise ReadError(path, f"{twice} has two verdicts", "one an id", "Remove one of them.")
    kept = out[(out["quality"] >= certain) & ((out["class"] != "") | out["z"].notna())]
    if not len(kept):
        raise ReadError(
            path,
            f"{len(out)} verdicts, none with a class or a redshift of quality {certain} or better",
            "at least one",
            "Inspect some spectra, or lower what counts as certain.",
        )
    return kept
