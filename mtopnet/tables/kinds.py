"""How well the network tells what is none of its kind."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mtopnet.kinds import LIMIT, OTHER_KINDS, other_kind
from mtopnet.tables import redshifts as tables

OTHERS, OWN = "all of another kind", "all galaxies of its kind"


def none_table(df):
    """Return what p_none above `LIMIT` marks, of each kind.

    Parameters
    ----------
    df : DataFrame
        p_none, kind, galaxy and, where known, exposure (h).

    Returns
    -------
    DataFrame
        kind, exposure ("all", "2 h" ...), n, galaxies, marked (fraction of them that is marked),
        marked_err, share (of all that is marked), p_none (median). The rows `OTHERS` and `OWN` are
        sums: marked and share of the first are completeness and purity.
    """
    df = df[df["p_none"].notna()]
    kind = df["kind"] if "kind" in df else pd.Series("", index=df.index)
    kind = kind.where(kind != "", "unknown")
    other = other_kind(df)
    parts = [(OTHERS, "all", other), (OWN, "all", ~other)]
    for hours in tables.EXPOSURES:
        here = tables.exposed(df, hours)
        parts += [(OTHERS, f"{hours:g} h", other & here), (OWN, f"{hours:g} h", ~other & here)]
    names = sorted(set(kind), key=lambda name: (name not in OTHER_KINDS, name))
    parts += [(name, "all", (kind == name).to_numpy()) for name in names]
    marked, rows = (df["p_none"] > LIMIT).to_numpy(), []
    every = {when: tables.exposed(df, float(when[:-2])) for _, when, _ in parts if when != "all"}
    for name, when, here in parts:
        if not here.any():
            continue
        value, error, n = tables.fraction(marked[here], df[here])
        found = (marked & every.get(when, True)).sum()
        rows.append({"kind": name, "exposure": when, "n": n,
                     "galaxies": df.loc[here, "galaxy"].nunique(), "marked": value,
                     "marked_err": error,
                     "share": (marked & here).sum() / found if found else np.nan,
                     "p_none": float(np.median(df.loc[here, "p_none"]))})  # fmt: skip
    return pd.DataFrame(rows)
