"""The stars that the paper applies its network to (Sect. 4.1), among those of a catalogue."""

from __future__ import annotations

import numpy as np

from solarlike_distance.config import Config
from solarlike_distance.selection import solar_like
from solarlike_distance.tables.scatter import problem_sets

NAMES = ("teff", "logg", "feh")
STARS = 521424  # Sect. 4.1
SHARE = 0.9  # default: of so many; a smaller catalogue cannot confirm or miss what the paper says


def of_kind(df, config=None, *, snr=True):
    """Return which stars are of the paper's kind: solar-like (Table 1) and S/N_g of 10 or more.

    Parameters
    ----------
    df : DataFrame
        lasp_teff, lasp_logg, lasp_feh, which decide as in the paper; where LASP does not know a
        star, teff_pred, logg_pred, feh_pred; snr_g. What no row has cuts nothing.
    config : Config, optional
        Limits; the paper's by default.
    snr : bool
        Whether S/N_g counts.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    config = config or Config()
    keep = np.ones(len(df), dtype=bool)
    lasp, pred = (_all_known(df, form) for form in ("lasp_{}", "{}_pred"))
    if lasp is not None or pred is not None:
        blank = np.full((len(NAMES), len(df)), np.nan)
        lasp, pred = (blank if v is None else v for v in (lasp, pred))
        values = np.where(np.isfinite(lasp).all(axis=0), lasp, pred)
        keep = solar_like(**dict(zip(NAMES, values, strict=True)), config=config)
    if snr and "snr_g" in df and df["snr_g"].notna().any():
        keep &= df["snr_g"].to_numpy(float) >= config.snr_g_min
    return keep


def _all_known(df, form):
    """Return three parameters, ndarray of shape (3, n); None where a column is not there."""
    names = [form.format(name) for name in NAMES]
    if not set(names) <= set(df) or not df[names].notna().all(axis=1).any():
        return None
    return df[names].to_numpy(float).T


def problematic(df, config=None):
    """Return which stars lack a good distance of Gaia's, None where Gaia's columns are not there.

    No parallax, parallax_over_error of 5 or less, or no distance of GSP-Phot.
    """
    config = config or Config()
    sets = problem_sets(df, limit=config.parallax_snr_min)
    return np.logical_or.reduce(list(sets.values())) if "no_gspphot" in sets else None


def why_not(df, config):
    """Return why a star is none of the paper's application, ndarray of str, "" where it is one.

    Parameters
    ----------
    df : DataFrame of n rows
        lasp_teff, lasp_logg, lasp_feh, snr_g, parallax, parallax_over_error, distance_gspphot.
    config : Config
    """
    parameters = df[[f"lasp_{name}" for name in NAMES]].to_numpy(float)
    reasons = [
        (~np.isfinite(parameters).all(axis=1), "no parameters of LASP"),
        (~solar_like(**dict(zip(NAMES, parameters.T, strict=True)), config=config),
         "not solar-like by LASP (Table 1)"),
        (~(df["snr_g"].to_numpy(float) >= config.snr_g_min), f"S/N_g below {config.snr_g_min:g}"),
        (~problematic(df, config), "Gaia has a good distance"),
    ]  # fmt: skip
    out = np.full(len(df), "", dtype=object)
    for here, text in reversed(reasons):
        out[here] = f"not of the paper's application: {text}"
    return out
