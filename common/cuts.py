"""Samples cut by cut: how many spectra each cut leaves, beside the numbers that a paper prints."""

from __future__ import annotations

import numpy as np
import pandas as pd


def counted(cuts, n, published):
    """Return the table of cuts.

    Parameters
    ----------
    cuts : sequence of str
    n : sequence of int
        Spectra left after each.
    published : sequence of float
        The same as the paper prints it; NaN where it does not.

    Returns
    -------
    DataFrame
        cut, n, fraction (of the row before), published.
    """
    n = [int(k) for k in n]
    before = [np.nan, *n[:-1]]
    return pd.DataFrame(
        {
            "cut": list(cuts),
            "n": n,
            "fraction": [a / b if b and b == b else np.nan for a, b in zip(n, before, strict=True)],
            "published": list(published),
        }
    )


def printed(counts):
    """Return a table of cuts as lines of text."""
    lines = [f"{'cut':28s} {'spectra':>9s} {'of those':>9s} {'published':>10s}"]
    for row in counts.itertuples():
        part = "" if np.isnan(row.fraction) else f"{100 * row.fraction:.2f} %"
        known = "" if np.isnan(row.published) else f"{row.published:.0f}"
        lines.append(f"{row.cut:28s} {row.n:9d} {part:>9s} {known:>10s}")
    return "\n".join(lines)
