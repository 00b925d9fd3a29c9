"""Errors of predictions, and how often their intervals hold the truth."""

from __future__ import annotations

import numpy as np

from common.calibration import LEVELS, coverage
from rvs_hybrid.tables import groups, kept, labels_of, residual, scatter, star_group


def error_kinds(df, label, calibration=None):
    """Return {name: (column of predictions, {level: half-widths})} of every error of a label.

    Parameters
    ----------
    df : DataFrame
        Predictions.
    label : str
    calibration : common.calibration.Calibration, optional
        Without it the calibrated error stands for a Gaussian at the other levels.
    """
    from scipy.special import ndtri

    z = {v: ndtri(0.5 + v / 2) for v in LEVELS}
    kinds = {}
    for name, pred, column in (
        ("bare ensemble std", "pred", "ensemble"),
        ("bare ensemble std, precursors' rule", "pred_precursor", "ensemble_precursor"),
        ("aleatoric + ensemble, not calibrated", "pred", "raw"),
    ):
        if {f"{label}_{pred}", f"{label}_{column}"} <= set(df):
            sigma = df[f"{label}_{column}"].to_numpy(float)
            if np.isfinite(sigma).any():
                kinds[name] = (pred, {v: z[v] * sigma for v in LEVELS})
    if f"{label}_sigma" in df and df[f"{label}_sigma"].notna().any():
        half = df[f"{label}_sigma"].to_numpy(float)
        halves = {v: half * z[v] / z[0.68] for v in LEVELS}
        if calibration is not None and f"{label}_raw" in df:
            logg = df["logg_pred"] if "logg_pred" in df else np.full(len(df), np.nan)
            halves = calibration.intervals(sigma=df[f"{label}_raw"], group=star_group(logg))
            halves[0.68] = half
        raw = df[f"{label}_raw"].to_numpy(float) if f"{label}_raw" in df else None
        if raw is None or not np.array_equal(half, raw, equal_nan=True):
            # else the calibration failed, and what the networks say stands above already
            kinds["sigma" if raw is None else "calibrated"] = ("pred", halves)
    return kinds


def coverage_table(df, calibrations):
    """Return how often 68 and 95 % intervals hold the true label, for each kind of error.

    Parameters
    ----------
    df : DataFrame
    calibrations : dict of str to common.calibration.Calibration
        Label → calibration; may be empty.

    Returns
    -------
    DataFrame
        label, stars, error, n, cover_68, cover_68_error (binomial), cover_95; median_error (the
        half-width at 68 %, over 0.994 where that is of a Gaussian), and its mean and median over
        the true scatter: mean_over_sd, median_over_mad_sigma.
    """
    rows = []
    for label in labels_of(df):
        for name, here in groups(df).items():
            for kind, (pred, halves) in error_kinds(df, label, calibrations.get(label)).items():
                r = residual(df, label, pred)
                p68, e68, n = coverage(residual=r[here], half=halves[0.68][here])
                p95, _, _ = coverage(residual=r[here], half=halves[0.95][here])
                one = halves[0.68][here] / 0.99446  # of a Gaussian: one sigma
                s = scatter(r[here])
                rows.append({
                    "label": label, "stars": name, "error": kind, "n": n, "cover_68": p68,
                    "cover_68_error": e68, "cover_95": p95, "median_error": np.nanmedian(one),
                    "mean_over_sd": np.nanmean(one) / s["sd"],
                    "median_over_mad_sigma": np.nanmedian(one) / s["mad_sigma"],
                })  # fmt: skip
    return kept(rows)
