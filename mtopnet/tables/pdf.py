"""Tables about PDFs: screening, calibration and scores, MC dropout, whom it fails (Sect. 5)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mtopnet import pdf as pdfs
from mtopnet import published
from mtopnet.tables import redshifts as tables

LEVELS = (0.38, 0.68, 0.86, 0.95)
PROPERTIES = {  # Fig. 11
    "z_true": "z",
    "sfr_true": "log SFR",
    "lgm_true": "log M",
    "f_ha": "F(Hα)",
    "f_oiii": "F([O III])",
    "m_h": "m_H",
}


def kept(df, by="entropy", suffix=""):
    """Return which PDFs pass the paper's cut (Sect. 5.2), ndarray of bool.

    Parameters
    ----------
    df : DataFrame
        With entropy and skewness.
    by : {"entropy", "skewness"}
    suffix : str
        "_mc" for the averages of MC dropout.
    """
    value = df[by + suffix].to_numpy(float)
    return value < tables.ENTROPY_CUT if by == "entropy" else value > tables.SKEWNESS_CUT


def screening_table(df):
    """Return Sect. 5.2: success with |dz| < 0.01 before and after a cut, and what it drops.

    Returns
    -------
    DataFrame
        sample, cut, n, before, after, after_err, dropped, lost_good (fraction of the good ones
        that are dropped), caught_bad (fraction of the bad ones that are), published_before,
        published_after, published_dropped.
    """
    rows = []
    wanted = {name: here for name, here in tables.samples(df).items() if "z 0.8" not in name}
    for name, here in wanted.items():
        part = df[here]
        if len(part) < tables.FEWEST:
            continue
        good = tables.success(part["dz"])
        for by, text in (("entropy", "entropy < 2"), ("skewness", "skewness > 20")):
            if by not in part or part[by].isna().all():
                continue
            keep = kept(part, by)
            after, error, n = tables.fraction(good[keep], part[keep])
            told = published.screening(name if by == "entropy" else "")
            rows.append({"sample": name, "cut": text, "n": len(part), "before": good.mean(),
                         "after": after if n >= tables.FEWEST else np.nan, "after_err": error,
                         "dropped": 1 - keep.mean(),
                         "lost_good": np.mean(~keep[good]) if good.any() else np.nan,
                         "caught_bad": np.mean(~keep[~good]) if (~good).any() else np.nan,
                         "published_before": told[0], "published_after": told[1],
                         "published_dropped": told[2]})  # fmt: skip
    return pd.DataFrame(rows)


def calibration_table(df, pdf, edges, calibrated=None):
    """Return proper scores and calibration of the PDFs, by exposure time.

    Parameters
    ----------
    df : DataFrame of n rows
    pdf : ndarray of shape (n, n_bins)
        The network's own; row i belongs to row i of `df`.
    edges : ndarray of shape (n_bins + 1,)
    calibrated : ndarray of shape (n, n_bins), optional
        The same, calibrated.

    Returns
    -------
    DataFrame
        sample, pdf ("calibrated", where there are any, and "own"), n, crps (mean),
        crps_point (mean |z_peak - z_true|: what the score would be of the
        peak alone), log_score (mean -ln of the true bin's probability, nats), coverage_LEVEL (of
        the shortest intervals), galaxies, pit_ks and pit_p (`flatness` of so many), pit_median,
        second_true (of the wrong ones, those whose second peak is right).
    """
    rows, both = [], {"own": pdf}
    if calibrated is not None:
        both = {"calibrated": calibrated, **both}
    for name, here in _calibrated(df).items():
        at = np.flatnonzero(here)
        if len(at) < tables.FEWEST:
            continue
        part = df.iloc[at]
        z = part["z_true"].to_numpy(float)
        for kind, every in both.items():
            p = every[at]
            row = {"sample": name, "pdf": kind, "n": len(at),
                   "crps": np.nanmean(pdfs.crps(p, edges, z=z)),
                   "crps_point": np.nanmean(np.abs(part["z_peak"] - z)),
                   "log_score": log_score(p, edges, z=z)}  # fmt: skip
            covered = pdfs.coverage(p, edges, z=z, levels=LEVELS)
            row |= {f"coverage_{100 * k:g}": v for k, v in zip(LEVELS, covered, strict=True)}
            row |= flatness(part, p, edges) | {"second_true": second_true(part)}
            rows.append(row)
    return pd.DataFrame(rows)


def flatness(df, pdf, edges):
    """Return how far the PIT is from flat, over one spectrum of each galaxy.

    Spectra of one galaxy fail together, so that they are not so many draws.

    Returns
    -------
    dict
        galaxies, pit_ks and pit_p (Kolmogorov-Smirnov distance from uniform, and how often a
        flat PIT has a larger one), pit_median. All of `pdfs.drawn_pit`.
    """
    from scipy.stats import kstest

    order = np.random.default_rng(0).permutation(len(df))
    one = order[~df["galaxy"].iloc[order].duplicated().to_numpy()]
    value = pdfs.drawn_pit(pdf[one], edges, z=df["z_true"].to_numpy(float)[one])
    value = value[np.isfinite(value)]
    if len(value) < tables.FEWEST:
        return {"galaxies": len(value), "pit_ks": np.nan, "pit_p": np.nan, "pit_median": np.nan}
    test = kstest(value, "uniform")
    return {"galaxies": len(value), "pit_ks": test.statistic, "pit_p": test.pvalue,
            "pit_median": np.median(value)}  # fmt: skip


def _calibrated(df):
    """Return the samples that calibration is given for: what can be known without the truth."""
    out = {k: v for k, v in tables.samples(df).items() if k == "all" or k.endswith(" h")}
    if "entropy" in df:
        keep = kept(df)
        out |= {"entropy < 2": keep, "entropy >= 2": ~keep & df["entropy"].notna().to_numpy()}
    return out


def log_score(pdf, edges, *, z):
    """Return the mean of -ln of the true bin's probability, floored at 1e-9, in nats."""
    where = pdfs.bin_of(z, edges)
    use = where >= 0
    if not use.any():
        return np.nan
    p = np.asarray(pdf)[np.flatnonzero(use), where[use]]
    return float(-np.mean(np.log(np.maximum(p, 1e-9))))


def second_true(df):
    """Return which fraction of wrong redshifts has a right second peak; NaN where few are wrong."""
    if "z_peak2" not in df:
        return np.nan
    wrong = df[~tables.success(df["dz"])]
    if len(wrong) < tables.FEWEST:
        return np.nan
    return float(np.mean(tables.success(wrong["z_peak2"] - wrong["z_label"])))


def confidence_table(df, n_bins=10):
    """Return how often z is right for each probability that the PDF gives to it.

    Parameters
    ----------
    df : DataFrame
        With p_near: the probability within 0.01 of the peak.
    n_bins : int

    Returns
    -------
    DataFrame
        low, high, n, claimed (mean p_near), right (fraction with |z_peak - z_true| < 0.01), error.
    """
    columns = ["low", "high", "n", "claimed", "right", "error"]
    if "p_near" not in df:
        return pd.DataFrame(columns=columns)
    known = df[df["p_near"].notna()]
    right = tables.success(known["z_peak"] - known["z_true"])
    edges = np.linspace(0, 1, n_bins + 1)
    where = np.clip(np.digitize(known["p_near"], edges) - 1, 0, n_bins - 1)
    rows = []
    for i in range(n_bins):
        part = known[where == i]
        if len(part) >= tables.FEWEST:
            p, error, n = tables.fraction(right[where == i], part)
            rows.append({"low": edges[i], "high": edges[i + 1], "n": n,
                         "claimed": part["p_near"].mean(), "right": p, "error": error})  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def mc_table(df):
    """Return MC dropout against a single pass (Sect. 4.1), on the same spectra.

    Returns
    -------
    DataFrame
        sample, n, threshold, single, mc, relative (mc / single - 1), mended (wrong in one pass,
        right by MC; fraction of all), spoiled (the reverse), mended_second (of the mended ones,
        those whose second peak of the single pass was the right one).
    """
    columns = ["sample", "n", "threshold", "single", "mc", "relative", "mended", "spoiled",
               "mended_second"]  # fmt: skip
    if "z_peak_mc" not in df or df["z_peak_mc"].isna().all():
        return pd.DataFrame(columns=columns)
    df = df[df["z_peak_mc"].notna()]
    rows = []
    for name, here in tables.samples(df).items():
        part = df[here]
        if "z 0.8" in name or len(part) < tables.FEWEST:
            continue
        for limit in (0.003, 0.01, 0.1):
            single = tables.success(part["dz"], limit)
            mc = tables.success(part["z_peak_mc"] - part["z_label"], limit)
            mended = mc & ~single
            second = np.nan
            if "z_peak2" in part and mended.sum() >= 5:
                other = tables.success(part["z_peak2"] - part["z_label"], limit)
                second = np.mean(other[mended])
            rows.append({"sample": name, "n": len(part), "threshold": limit,
                         "single": single.mean(), "mc": mc.mean(),
                         "relative": mc.mean() / single.mean() - 1 if single.any() else np.nan,
                         "mended": mended.mean(), "spoiled": np.mean(single & ~mc),
                         "mended_second": second})  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def failure_table(df):
    """Return Fig. 11 in numbers: medians of good and of poor predictions in each property.

    Returns
    -------
    DataFrame
        property, n_good, n_poor, good, poor (medians), ks (Kolmogorov-Smirnov distance), p_value.
    """
    from scipy.stats import ks_2samp

    good = tables.success(df["dz"])
    rows = []
    for column, name in PROPERTIES.items():
        if column not in df:
            continue
        value = df[column].to_numpy(float)
        first, second = value[good & np.isfinite(value)], value[~good & np.isfinite(value)]
        if min(len(first), len(second)) < tables.FEWEST:
            continue
        test = ks_2samp(first, second)
        rows.append({"property": name, "n_good": len(first), "n_poor": len(second),
                     "good": np.median(first), "poor": np.median(second), "ks": test.statistic,
                     "p_value": test.pvalue})  # fmt: skip
    return pd.DataFrame(rows)


def dark_table(df):
    """Return failures by redshift (Sect. 5.1): z 2.7-3 has no bright line in sight.

    Returns
    -------
    DataFrame
        low, high, n, poor (fraction with |dz| >= 0.01), error, excess (over that of all others).
    """
    z = df["z_true"].to_numpy(float)
    rows = []
    for low, high in ((0.6, 0.8), (0.8, 1.2), (1.2, 1.7), (1.7, 2.2), (2.2, 2.7), tables.DARK_Z):
        here = (z >= low) & (z < high)
        if here.sum() < tables.FEWEST:
            continue
        poor, error, n = tables.fraction(~tables.success(df.loc[here, "dz"]), df[here])
        rest = np.mean(~tables.success(df.loc[~here, "dz"])) if (~here).any() else np.nan
        rows.append({"low": low, "high": high, "n": n, "poor": poor, "error": error,
                     "excess": poor / rest if rest > 0 else np.nan})  # fmt: skip
    return pd.DataFrame(rows, columns=["low", "high", "n", "poor", "error", "excess"])


def error_table(df):
    """Return how far the errors of log M and log SFR can be trusted.

    Parameters
    ----------
    df : DataFrame
        With lgm_sigma, sfr_sigma: half-widths of 68 % intervals.

    Returns
    -------
    DataFrame
        quantity, n, median_error, coverage_68 (|residual| within the error), coverage_95 (within
        twice the error: a Gaussian's 95 %), spread (1.4826 MAD of the residuals), all in dex.
    """
    columns = ["quantity", "n", "median_error", "coverage_68", "coverage_95", "spread"]
    rows = []
    for quantity, name in (("log M", "lgm"), ("log SFR", "sfr")):
        value = tables.residual(df, quantity)
        if value is None or f"{name}_sigma" not in df:
            continue
        sigma = df[f"{name}_sigma"].to_numpy(float)
        use = np.isfinite(value) & np.isfinite(sigma)
        if use.sum() < tables.FEWEST:
            continue
        pull = np.abs(value[use]) / sigma[use]
        rows.append({"quantity": quantity, "n": int(use.sum()),
                     "median_error": np.median(sigma[use]), "coverage_68": np.mean(pull <= 1),
                     "coverage_95": np.mean(pull <= 2),
                     "spread": tables.gaussian_fit(value[use])["spread"]})  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def scalar_table(found, labels):
    """Return scores and calibration of the PDFs of log M and log SFR.

    Parameters
    ----------
    found : dict of str to (pdf, edges)
        lgm and sfr, as `mtopnet.networks.scalar_pdfs` gives them, of n rows.
    labels : DataFrame of n rows
        lgm_true, sfr_true.

    Returns
    -------
    DataFrame
        quantity, n, crps, crps_point (mean |mean of the PDF - label|), width_68 (median full width
        of the shortest 68 % interval), coverage_LEVEL; dex.
    """
    rows = []
    for quantity, name in (("log M", "lgm"), ("log SFR", "sfr")):
        pdf, edges = found[name]
        true = labels[f"{name}_true"].to_numpy(float)
        use = np.isfinite(true)
        if use.sum() < tables.FEWEST:
            continue
        pdf, true = pdf[use], true[use]
        low, high = pdfs.credible_interval(pdf, edges, 0.68)
        row = {"quantity": quantity, "n": len(true),
               "crps": pdfs.crps(pdf, edges, z=true).mean(),
               "crps_point": np.abs(pdfs.mean(pdf, edges) - true).mean(),
               "width_68": np.median(high - low)}  # fmt: skip
        covered = pdfs.coverage(pdf, edges, z=true, levels=LEVELS)
        row |= {f"coverage_{100 * k:g}": v for k, v in zip(LEVELS, covered, strict=True)}
        rows.append(row)
    return pd.DataFrame(rows)
