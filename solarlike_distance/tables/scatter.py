"""Tables of an evaluation from saved predictions: scatter, distances, bins, errors (Sect. 3.3)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from common import calibration
from common.metrics import mad_sigma


@dataclass(frozen=True)
class Quantity:
    """What a column of predictions is: name for tables, for figures, unit, the paper's scatter."""

    name: str
    symbol: str
    unit: str
    published: float


LABELS = {
    "teff": Quantity("Teff", r"$T_{\rm eff}$", "K", 86.0),
    "logg": Quantity("log g", r"$\log g$", "dex", 0.07),
    "feh": Quantity("[Fe/H]", "[Fe/H]", "dex", 0.06),
    "mg": Quantity("M_G", r"$M_G$", "mag", 0.25),
    "bprp": Quantity("(BP-RP)_0", r"$(BP-RP)_0$", "mag", 0.03),
}
QUANTITIES = LABELS | {"distance": Quantity("distance", "distance", "pc", 65.0)}
MEDIAN_FRACTION, SD_FRACTION = 0.037, 0.082  # Fig. 7: of the absolute fraction
FEWEST = 20  # rows without which a bin measures nothing
SNR_EDGES = (10.0, 20.0, 30.0, 50.0, 100.0, np.inf)  # default; Fig. 6 splits at 100
EDGES = {  # default: bins of Fig. 6, whose paper states none
    "teff": np.arange(4800.0, 6801.0, 200.0),
    "logg": np.arange(3.4, 4.9, 0.2),
    "feh": np.arange(-1.0, 0.61, 0.2),
    "snr_g": np.array(SNR_EDGES),
}


def quantities_of(df, against="true"):
    """Return the quantities that have both a predicted and a `against` value in some row."""
    return tuple(
        k
        for k in QUANTITIES
        if {f"{k}_pred", f"{k}_{against}"} <= set(df)
        and (df[f"{k}_pred"].notna() & df[f"{k}_{against}"].notna()).any()
    )


def judged_rows(df):
    """Return the rows that have a label and a prediction of something."""
    known = quantities_of(df)
    if not known:
        return df.iloc[:0]
    keep = np.any([df[f"{k}_pred"].notna() & df[f"{k}_true"].notna() for k in known], axis=0)
    return df[keep].reset_index(drop=True)


def residual(df, quantity, against="true"):
    """Return predicted minus `against`, ndarray of shape (n,), NaN where either is missing."""
    return (df[f"{quantity}_pred"] - df[f"{quantity}_{against}"]).to_numpy(float)


def fraction(df, against="true"):
    """Return (predicted - geometric) / geometric distance, ndarray of shape (n,) (Sect. 3.3)."""
    if not {"distance_pred", f"distance_{against}"} <= set(df):
        return np.full(len(df), np.nan)
    return residual(df, "distance", against) / df[f"distance_{against}"].to_numpy(float)


def spread(values):
    """Return {n, bias, median, sd, sd_err, mad_sigma} of the finite values.

    The error of the standard deviation is that of any distribution with a fourth moment. All but
    n are NaN below two values, the error below `FEWEST`.
    """
    r = np.asarray(values, float)
    r = r[np.isfinite(r)]
    n = len(r)
    if n < 2:
        return {"n": n} | dict.fromkeys(("bias", "median", "sd", "sd_err", "mad_sigma"), np.nan)
    sd, middle = np.std(r, ddof=1), np.median(r)
    fourth = np.mean((r - r.mean()) ** 4) / sd**4 if sd > 0 else 1.0
    error = sd * np.sqrt(max(fourth - 1, 0) / (4 * n)) if n >= FEWEST else np.nan
    return {"n": n, "bias": r.mean(), "median": middle, "sd": sd, "sd_err": error,
            "mad_sigma": mad_sigma(r)}  # fmt: skip


def scatter_table(df, *, against="true"):
    """Return bias and scatter of the five labels and the distance (Fig. 5).

    Parameters
    ----------
    df : DataFrame
        Predictions.
    against : {"true", "planted"}
        The label, or the truth of a mock.

    Returns
    -------
    DataFrame
        quantity, unit, n, bias, median, sd, sd_err, mad_sigma (predicted minus `against`),
        published (the paper's standard deviation).
    """
    rows = []
    for key in quantities_of(df, against):
        what = QUANTITIES[key]
        found = spread(residual(df, key, against))
        rows.append({"quantity": what.name, "unit": what.unit, **found,
                     "published": what.published})  # fmt: skip
    return pd.DataFrame(rows)


def learned(df, config=None):
    """Return which real stars are of the kind that the networks learned.

    Parameters
    ----------
    df : DataFrame
        teff_true, logg_true, feh_true of a catalogue, snr_g.
    config : Config, optional
        Limits; the paper's by default.

    Returns
    -------
    ndarray of bool, shape (n,)
        Solar-like by the catalogue's parameters (Table 1), S/N_g at least as of Table 2.
    """
    from solarlike_distance.config import Config
    from solarlike_distance.selection import solar_like

    config = config or Config()
    labels = {k: df[f"{k}_true"].to_numpy(float) for k in ("teff", "logg", "feh")}
    return solar_like(**labels, config=config) & (df["snr_g"].to_numpy(float) >= config.snr_g_min)


def real_table(df, config=None):
    """Return bias and scatter on real spectra: of stars as the networks learned, and of all.

    Returns
    -------
    DataFrame
        stars ("solar-like, S/N_g >= 10", "all with parameters"), and as `scatter_table`.
    """
    parts = {"solar-like, S/N_g >= 10": df[learned(df, config)], "all with parameters": df}
    found = {k: scatter_table(part) for k, part in parts.items()}
    return pd.concat([t.assign(stars=k)[["stars", *t.columns]] for k, t in found.items() if len(t)]
                     or [pd.DataFrame()], ignore_index=True)  # fmt: skip


def distance_table(df, *, against="true"):
    """Return the fractional distance error in bins of distance and for all (Figs. 5-7).

    Returns
    -------
    DataFrame
        distance (pc, "all" in the last row), n, bias, sd (pc), median_abs_fraction,
        sd_abs_fraction (the paper's two), and of the signed fraction median_fraction, sd_fraction,
        mad_fraction; empty without distances.
    """
    off = fraction(df, against)
    if not np.isfinite(off).sum() >= FEWEST:
        return pd.DataFrame()
    true = df[f"distance_{against}"].to_numpy(float)
    rows = []
    for low, high in [*pairwise((0.0, 250.0, 500.0, 1000.0, 2000.0, np.inf)), (0.0, np.inf)]:
        here = np.isfinite(off) & (true >= low) & (true < high)
        if here.sum() < FEWEST:
            continue
        name = f"{low:g} to {high:g}" if np.isfinite(high) else f">= {low:g}"
        plain, part = spread(residual(df[here], "distance", against)), spread(off[here])
        size = spread(np.abs(off[here]))
        rows.append({
            "distance": "all" if low == 0 and np.isinf(high) else name, "n": plain["n"],
            "bias": plain["bias"], "sd": plain["sd"], "median_abs_fraction": size["median"],
            "sd_abs_fraction": size["sd"], "median_fraction": part["median"],
            "sd_fraction": part["sd"], "mad_fraction": part["mad_sigma"],
        })  # fmt: skip
    return pd.DataFrame(rows)


def bins_of(values, edges):
    """Return the number of the bin of each value (left edge included), -1 outside."""
    values = np.asarray(values, float)
    where = np.digitize(values, edges) - 1
    return np.where(np.isfinite(values) & (where < len(edges) - 1), where, -1)


def binned(*, x, y, edges, fewest=FEWEST):
    """Return centre, mean, standard deviation and n of y in bins of x (Fig. 6's grey dots)."""
    keep = np.isfinite(x) & np.isfinite(y)
    where = bins_of(np.where(keep, x, np.nan), edges)
    rows = []
    for i in range(len(edges) - 1):
        part = np.asarray(y)[where == i]
        if len(part) >= fewest:
            rows.append({"x": np.asarray(x)[where == i].mean(), "mean": part.mean(),
                         "sd": part.std(ddof=1), "n": len(part)})  # fmt: skip
    return pd.DataFrame(rows, columns=["x", "mean", "sd", "n"])


def binned_table(df, by):
    """Return scatter of every quantity and of the fractional distance error in bins (Fig. 6).

    Parameters
    ----------
    df : DataFrame
    by : {"teff", "logg", "feh", "snr_g"}
        A label (its true value), or the S/N.

    Returns
    -------
    DataFrame
        bin, n, and for each quantity its bias and sd; fraction, fraction_sd of the distance.
    """
    column = by if by == "snr_g" else f"{by}_true"
    if column not in df or not df[column].notna().any():
        return pd.DataFrame()
    edges, rows = EDGES[by], []
    where = bins_of(df[column], edges)
    for i, (low, high) in enumerate(pairwise(edges)):
        part = df[where == i]
        if not len(part):
            continue
        name = f"[{low:.4g}, {high:.4g})" if np.isfinite(high) else f">= {low:g}"
        row = {"bin": name, "n": len(part)}
        for key in quantities_of(df):
            found = spread(residual(part, key))
            enough = found["n"] >= FEWEST
            row[f"{key}_bias"] = found["bias"] if enough else np.nan
            row[f"{key}_sd"] = found["sd"] if enough else np.nan
        found = spread(fraction(part))
        if found["n"] >= FEWEST:
            row |= {"fraction": found["bias"], "fraction_sd": found["sd"]}
        rows.append(row)
    return pd.DataFrame(rows)


def coverage_table(df, *, against="true"):
    """Return how often the 68 % interval of each prediction holds the label.

    Returns
    -------
    DataFrame
        quantity, n, cover_68, cover_68_error (binomial), median_error (half-width), error_over_sd
        (root mean square of the error over the residual's); for the distance the interval is 16 to
        84 % of the posterior.
    """
    rows = []
    for key in quantities_of(df, against):
        off = residual(df, key, against)
        if key == "distance":
            if not {"distance_p16", "distance_p84"} <= set(df):
                continue
            true = df[f"distance_{against}"]
            inside = (true >= df["distance_p16"]) & (true <= df["distance_p84"])
            half = ((df["distance_p84"] - df["distance_p16"]) / 2).to_numpy(float)
            known = np.isfinite(off) & np.isfinite(half)
            n, p = int(known.sum()), float(inside[known].mean()) if known.any() else np.nan
            error = np.sqrt(max(p * (1 - p), 1e-12) / n) if n else np.nan
        else:
            if f"{key}_sigma" not in df:
                continue
            half = df[f"{key}_sigma"].to_numpy(float)
            p, error, n = calibration.coverage(residual=off, half=half)
            known = np.isfinite(off) & np.isfinite(half)
        if n < FEWEST:
            continue
        ratio = np.sqrt(np.mean(half[known] ** 2) / np.mean(off[known] ** 2))
        rows.append({"quantity": QUANTITIES[key].name, "n": n, "cover_68": p,
                     "cover_68_error": error, "median_error": np.median(half[known]),
                     "error_over_sd": ratio})  # fmt: skip
    return pd.DataFrame(rows)


def binary_table(df):
    """Return what unresolved binaries do to M_G and the distance (Sect. 3.3), of a mock.

    Returns
    -------
    DataFrame
        stars ("single", "unresolved binary"), n, mg_bias (predicted - label: above 0 is called
        too faint), fraction (mean fractional distance error), fraction_median, fraction_sd; empty
        where the predictions do not say who is a binary.
    """
    if "binary" not in df or "mg" not in quantities_of(df):
        return pd.DataFrame()
    binary = df["binary"].astype(float).fillna(0).to_numpy() > 0
    rows = []
    for name, here in (("single", ~binary), ("unresolved binary", binary)):
        if here.sum() < FEWEST:
            continue
        part = spread(fraction(df[here]))
        rows.append({"stars": name, "n": int(here.sum()),
                     "mg_bias": spread(residual(df[here], "mg"))["bias"], "fraction": part["bias"],
                     "fraction_median": part["median"], "fraction_sd": part["sd"]})  # fmt: skip
    return pd.DataFrame(rows)


def problem_sets(df, *, limit=5.0):
    """Return the three sets of Fig. 8 as masks, or {} where no Gaia columns are there.

    Returns
    -------
    dict of str to ndarray of bool
        no_parallax, low_parallax (parallax_over_error <= limit), no_gspphot.
    """
    if not {"parallax", "parallax_over_error"} & set(df):
        return {}
    if "parallax_over_error" in df:
        ratio = df["parallax_over_error"].to_numpy(float)
    elif "parallax_error" in df:
        ratio = (df["parallax"] / df["parallax_error"]).to_numpy(float)
    else:
        return {}
    parallax = df["parallax"].to_numpy(float) if "parallax" in df else ratio
    sets = {"no_parallax": ~np.isfinite(parallax), "low_parallax": ratio <= limit}
    if "distance_gspphot" in df:
        sets["no_gspphot"] = df["distance_gspphot"].isna().to_numpy()
    return sets


def problem_counts(df):
    """Return the numbers of Fig. 8, {} where the columns are not there."""
    sets = problem_sets(df)
    if "no_gspphot" not in sets:
        return {}
    union = np.logical_or.reduce(list(sets.values()))
    return {
        "all": int(union.sum()),
        "fraction": float(union.mean()) if len(df) else np.nan,
        **{k: int(v.sum()) for k, v in sets.items()},
        "gspphot_without_parallax": int((sets["no_parallax"] & ~sets["no_gspphot"]).sum()),
    }
