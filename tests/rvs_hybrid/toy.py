"""A small made-up table of predictions with planted truth: labels, errors, a Galaxy."""

import numpy as np
import pandas as pd

from common.calibration import fit_calibration
from rvs_hybrid.tables import residual, star_group

LABELS = ("teff", "logg", "fe_h", "alpha_m")
SCATTER = {"teff": 60.0, "logg": 0.12, "fe_h": 0.08, "alpha_m": 0.02}
ZERO_POINT = -0.04


def true_m_k(teff, logg, fe_h):
    """The toy's absolute Ks magnitude: what distances are planted with."""
    return 2.5 * logg - 8.2 + 3.0 * (np.log10(teff) - 3.7) - 0.2 * fe_h


def predictions(n=1500, seed=0, dataset="gaia-apogee", offset=0.0, scale=1.0):
    """Return predictions of calib and test stars; true scatter is 1 to 3 times SCATTER x scale.

    Giants are two sequences of [alpha/M] (0.03 and 0.27), a third of them in the upper one. The
    raw errors are half the true scatter and the ensemble's std a quarter of it.
    """
    rng = np.random.default_rng(seed)
    giant = rng.random(n) < 0.7
    logg = np.where(giant, rng.uniform(0.8, 3.2, n), rng.uniform(3.9, 4.7, n))
    teff = np.where(giant, 3900 + 350 * logg, rng.uniform(4200, 6400, n)) + rng.normal(0, 60, n)
    high = rng.random(n) < 1 / 3
    fe_h = np.where(high, rng.normal(-0.45, 0.2, n), rng.normal(-0.1, 0.2, n))
    truth = {"teff": teff, "logg": logg, "fe_h": fe_h,
             "alpha_m": np.where(high, 0.27, 0.03) + rng.normal(0, 0.025, n)}  # fmt: skip
    distance = np.where(giant, rng.uniform(0.2, 1.2, n), rng.uniform(0.05, 0.6, n))
    a_k = rng.uniform(0, 0.3, n)
    k = true_m_k(teff, logg, fe_h) + 5 * np.log10(distance * 100) + a_k
    g = k + 2.5
    error = np.full(n, 0.03)
    has = rng.random(n) < 0.5
    df = pd.DataFrame({
        "source_id": np.arange(n, dtype="int64") * 1000 + 7,
        "split": np.where(rng.random(n) < 0.5, "calib", "test"),
        "ra": rng.uniform(0, 360, n), "dec": np.degrees(np.arcsin(rng.uniform(-1, 1, n))),
        "g": g, "bp": g + 0.5, "rp": g - 0.6, "k": k, "a_k": a_k,
        "snr": rng.uniform(20, 250, n), "snr_rvs": np.nan,
        "parallax": np.where(has, 1 / distance + ZERO_POINT + error * rng.normal(size=n), np.nan),
        "parallax_error": np.where(has, error, np.nan),
        "parallax_zp": np.where(has, ZERO_POINT, np.nan),
        "has_rvs": False, "has_xp": True, "has_phot": True, "has_parallax": has,
        "limit_distance": 0.1, "outside_limits": rng.random(n) < 0.02, "dataset": dataset,
        "planted_distance": distance,
    })  # fmt: skip
    for label in LABELS:
        width = SCATTER[label] * scale * rng.uniform(1, 3, n)
        df[f"{label}_true"] = truth[label]
        df[f"{label}_true_err"] = 0.2 * SCATTER[label]
        df[f"{label}_pred"] = truth[label] + width * rng.normal(size=n) + offset * SCATTER[label]
        df[f"{label}_ensemble"] = width / 4
        df[f"{label}_aleatoric"] = width * np.sqrt(3) / 4
        df[f"{label}_raw"] = width / 2
        df[f"{label}_pred_precursor"] = df[f"{label}_pred"]
        df[f"{label}_ensemble_precursor"] = width / 5
    for label in LABELS:
        calib = df[df["split"] == "calib"]
        fitted = fit_calibration(residual=residual(calib, label), sigma=calib[f"{label}_raw"],
                                 group=star_group(calib["logg_pred"]))  # fmt: skip
        df[f"{label}_sigma"] = fitted.apply(
            sigma=df[f"{label}_raw"], group=star_group(df["logg_pred"])
        )
    return df
