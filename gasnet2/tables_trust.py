"""What the probabilities of a catalogue are worth: fraction right by p, and cuts in p."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd

from common import metrics

C_KMS = 299792.458
EDGES = (0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)
CUTS = (0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995)
FEWEST = 20  # rows of a bin that is stated
LIMIT = {"STAR": 0.0015, "GALAXY": 0.0015, "QSO": 0.015}  # Bias (Sect. 4.1); stars: 450 km/s


def right(*, coarse_true, coarse_pred, z_true, z_pred):
    """Return which solutions have the right coarse class and redshift, ndarray of bool.

    Parameters
    ----------
    coarse_true, coarse_pred : ndarray of str, shape (n,)
    z_true, z_pred : ndarray of shape (n,)
        Where no true redshift is known (NaN) the class alone decides.
    """
    off = metrics.bias(z_true=z_true, z_pred=z_pred)
    limit = np.array([LIMIT.get(kind, np.inf) for kind in coarse_true])
    return (coarse_true == coarse_pred) & ((off < limit) | ~np.isfinite(z_true))


def _judged(df):
    """Return which rows are right, and their true redshifts, those of stars among them."""
    z = df["z_true"].to_numpy(float)
    if "v_true" in df:
        z = np.where(np.isfinite(z), z, df["v_true"].to_numpy(float))
    good = right(
        coarse_true=df["coarse_true"].to_numpy(str),
        coarse_pred=df["coarse_pred"].to_numpy(str),
        z_true=z,
        z_pred=df["z_routed_pred"].to_numpy(float),
    )
    return good, z


def _kinds(df):
    """Yield the predicted coarse classes and the rows of each, all of them first."""
    pred = df["coarse_pred"].to_numpy(str)
    yield "all", np.ones(len(df), dtype=bool)
    for kind in ("STAR", "GALAXY", "QSO", "NONE"):
        if (pred == kind).any():
            yield kind, pred == kind


def reliability_table(df):
    """Return the fraction right in bins of the probability that a catalogue gives.

    Parameters
    ----------
    df : DataFrame
        coarse_true, coarse_pred, p_right, z_true (v_true for stars), z_routed_pred.

    Returns
    -------
    DataFrame
        coarse (as predicted), p_low, p_high, n, p_mean, right, right_se; bins with at least
        `FEWEST` rows.
    """
    (good, _), p = _judged(df), df["p_right"].to_numpy(float)
    rows = []
    for kind, here in _kinds(df):
        for low, high in pairwise(EDGES):
            inside = here & (p >= low) & ((p < high) | (high == EDGES[-1]))
            n = int(inside.sum())
            if n >= FEWEST:
                share = good[inside].mean()
                rows.append((kind, low, high, n, p[inside].mean(), share,
                             np.sqrt(max(share * (1 - share), 0.25 / n) / n)))  # fmt: skip
    names = ["coarse", "p_low", "p_high", "n", "p_mean", "right", "right_se"]
    return pd.DataFrame(rows, columns=names)


def cut_table(df):
    """Return completeness and purity against a cut in the probability.

    Parameters
    ----------
    df : DataFrame
        As of `reliability_table`.

    Returns
    -------
    DataFrame
        coarse (as predicted), cut, n (kept), completeness (right and kept among the objects that
        are truly of the class), purity (right among the kept).
    """
    (good, _), p = _judged(df), df["p_right"].to_numpy(float)
    true = df["coarse_true"].to_numpy(str)
    rows = []
    for kind, here in _kinds(df):
        total = len(df) if kind == "all" else int((true == kind).sum())
        for cut in CUTS:
            kept = here & (p >= cut)
            if kept.any() and total:
                rows.append((kind, cut, int(kept.sum()), good[kept].sum() / total,
                             good[kept].mean()))  # fmt: skip
    return pd.DataFrame(rows, columns=["coarse", "cut", "n", "completeness", "purity"])


def error_table(df):
    """Return how often the truth lies within 1 and 2 z_err of right solutions, by coarse class.

    Parameters
    ----------
    df : DataFrame
        As of `reliability_table`, and z_routed_err.
    """
    good, z = _judged(df)
    t = np.abs(df["z_routed_pred"].to_numpy(float) - z) / df["z_routed_err"].to_numpy(float)
    rows = []
    for kind, here in _kinds(df):
        use = here & good & np.isfinite(t)
        if use.sum() >= FEWEST:
            rows.append((kind, int(use.sum()), float((t[use] < 1).mean()),
                         float((t[use] < 2).mean()), float(np.median(
                             df["z_routed_err"].to_numpy(float)[use] / (1 + z[use])))))  # fmt: skip
    names = ["coarse", "n", "within_1", "within_2", "median_err"]
    return pd.DataFrame(rows, columns=names)


def velocity_table(df):
    """Return how well velocities of stars are found, km/s.

    Parameters
    ----------
    df : DataFrame
        As of `reliability_table`, with v_true (z of stars).

    Returns
    -------
    DataFrame
        n (stars with a velocity), called_star (fraction of them), median (of predicted minus
        true), spread (1.4826 times the median absolute deviation), beyond (fraction of those
        called stars off by more than 450 km/s); no row without such stars.
    """
    known = df["v_true"].notna() if "v_true" in df else pd.Series(False, index=df.index)
    rows = df[known & (df["coarse_true"] == "STAR")]
    if not len(rows):
        return pd.DataFrame()
    star = rows["coarse_pred"].to_numpy(str) == "STAR"
    off = C_KMS * (rows["z_routed_pred"] - rows["v_true"]).to_numpy(float)[star]
    return pd.DataFrame({
        "n": [len(rows)],
        "called_star": [star.mean()],
        "median": [np.median(off) if len(off) else np.nan],
        "spread": [metrics.mad_sigma(off) if len(off) else np.nan],
        "beyond": [(np.abs(off) > 1e-3 * 1.5 * C_KMS).mean() if len(off) else np.nan],
    })  # fmt: skip
