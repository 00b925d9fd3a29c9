"""Tables of an evaluation from saved predictions: residuals, success, samples (Sect. 4)."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd

from common import catalog
from common.errors import ReadError
from common.metrics import mad_sigma
from mtopnet import pdf as pdfs
from mtopnet import published
from mtopnet.kinds import other_kind

EXPOSURES = (2.0, 4.0, 8.0)  # h, Sect. 2
THRESHOLDS = (0.003, 0.005, 0.01, 0.1)  # Fig. 7
GOOD = 0.01  # Sect. 4.1, 5: |dz| of a good redshift
CATASTROPHIC = 0.5  # Sect. 4
SLACK = 1e-5  # bins that differ by exactly a threshold must not pass by rounding
ENTROPY_CUT, SKEWNESS_CUT = 2.0, 20.0  # Sect. 5.2
BRIGHT = 1e-17  # erg/s/cm2, Sect. 4.1
BEST_Z = (0.8, 1.7)  # Sect. 4.1
DARK_Z = (2.7, 3.0)  # Sect. 5.1: no bright line is in sight
M_H_EDGES = (19.0, 20.0, 21.0, 22.0, 23.0, 24.0, 25.0, 26.0, 27.0)  # default; Fig. 8 has 19-27
EXPECTED_HOURS = 2.0  # default: what MOONRISE gives star-forming galaxies (Sect. 4)
FEWEST = 20  # rows without which a bin measures nothing
NEEDED = ("z_true", "z_peak")
TEXT = ("id", "galaxy", "split", "file", "dataset", "kind", "survey")
QUANTITIES = {  # Fig. 4: name, true, predicted
    "z": ("z_true", "z_peak"),
    "log M": ("lgm_true", "lgm_pred"),
    "log SFR": ("sfr_true", "sfr_pred"),
}


def read_predictions(path):
    """Read a table of true and predicted redshifts.

    Parameters
    ----------
    path : path-like
        .fits, .vot, .parquet, .ecsv or .csv with z_true and z_peak, and where known the other
        columns of a run's predictions.parquet (docs/run-folder.md).

    Returns
    -------
    DataFrame
        As `with_types` gives it; `id` is made up where there is none.

    Raises
    ------
    ReadError
        If the file cannot be read or has no redshifts to compare.
    """
    df = catalog.read_table(path)
    df = df.rename(columns={c: str(c).lower() for c in df})
    missing = [name for name in NEEDED if name not in df]
    if missing:
        raise ReadError(
            path,
            f"columns {', '.join(map(str, df.columns[:12]))}",
            "z_true and z_peak: the true redshift and the peak of the predicted PDF",
            "Rename the columns of the table.",
        )
    if "id" not in df:
        df["id"] = np.arange(len(df)).astype(str)
    return with_types(df)


def with_types(df):
    """Return predictions with numbers as float, ids and kinds as text, a galaxy for each row."""
    df = df.copy()
    for name in df.columns.difference(TEXT):
        df[name] = pd.to_numeric(df[name], errors="coerce").astype(float)
    for name in TEXT:
        if name in df:
            df[name] = df[name].map(lambda v: "" if pd.isna(v) else str(v))
    if "galaxy" not in df:
        df["galaxy"] = df["id"]
    return df


def with_dz(df, edges=None):
    """Return predictions with z_label and dz = z_peak - z_label.

    Parameters
    ----------
    df : DataFrame
    edges : ndarray, optional
        Edges of the bins: z_label is then the centre of the true redshift's bin, as in the paper,
        which compares "the peaks of both labelled and predicted PDFs" (Sect. 4); z_true itself
        without them and outside them.
    """
    label = df["z_true"].to_numpy(float).copy()
    if edges is not None:
        where = pdfs.bin_of(label, edges)
        label = np.where(where >= 0, pdfs.centres(edges)[np.maximum(where, 0)], label)
    return df.assign(z_label=label, dz=df["z_peak"].to_numpy(float) - label)


def labelled(df):
    """Return the rows that redshifts are judged by: `judged`."""
    return df[judged(df)].reset_index(drop=True)


def judged(df):
    """Return which rows redshifts are judged by: those with a label, of the network's own kind."""
    return df["z_label"].notna().to_numpy() & ~other_kind(df)


def success(dz, limit=GOOD):
    """Return which redshifts are right, ndarray of bool; a missing prediction is not."""
    return np.abs(np.asarray(dz, float)) < limit - SLACK


def catastrophic(dz):
    """Return which redshifts are off by more than 0.5, ndarray of bool; a missing one is."""
    return ~(np.abs(np.asarray(dz, float)) <= CATASTROPHIC)


def fraction(hits, df):
    """Return (fraction, its standard error, n): spectra of one galaxy count as one.

    Parameters
    ----------
    hits : ndarray of bool, shape (n,)
    df : DataFrame of n rows
        With `galaxy`.
    """
    n = len(df)
    if not n:
        return np.nan, np.nan, 0
    p = float(np.mean(hits))
    return p, float(np.sqrt(max(p * (1 - p), 0) / max(df["galaxy"].nunique(), 1))), n


def quiescent(df):
    """Return which rows are passive galaxies: by kind, else by the Sersic index 4 (Sect. 2)."""
    by_shape = df["sersic_n"].to_numpy(float) > 2.5 if "sersic_n" in df else None
    if "kind" in df and df["kind"].ne("").any():
        passive = df["kind"].isin(["quiescent", "passive"]).to_numpy()
        if by_shape is not None:  # of active nuclei and blends the kind does not say it
            passive = passive | df["kind"].isin(["agn", "blend"]).to_numpy() & by_shape
        return passive
    return by_shape


def exposed(df, hours):
    """Return which rows were exposed for so many hours, ndarray of bool."""
    if "exposure" not in df:
        return np.zeros(len(df), bool)
    return np.abs(df["exposure"].to_numpy(float) - hours) < 0.01


def moonrise(df):
    """Return which rows MOONRISE would observe so (Sect. 4), ndarray of bool.

    z < 2.6 and m_H < 25; star-forming galaxies with 2 h, passive ones with 8 h.
    """
    passive = quiescent(df)
    if passive is None or "m_h" not in df:
        return np.zeros(len(df), bool)
    rows = (df["z_true"].to_numpy(float) < 2.6) & (df["m_h"].to_numpy(float) < 25)
    return rows & np.where(passive, exposed(df, 8), exposed(df, 2))


def bright(df, column="f_ha"):
    """Return which rows have F(Ha) > 1e-17 erg/s/cm2, ndarray of bool.

    Of the whole galaxy, as catalogues (and Fig. 1) have it; f_ha_fibre is what reaches the fibre.
    """
    if column not in df:
        return np.zeros(len(df), bool)
    return df[column].to_numpy(float) > BRIGHT


def samples(df):
    """Return {name: ndarray of bool} of the samples of Fig. 7; empty ones are left out."""
    z = df["z_true"].to_numpy(float)
    middle = (z >= BEST_Z[0]) & (z < BEST_Z[1])
    out = {"all": np.ones(len(df), bool)}
    for hours in EXPOSURES:
        out[f"{hours:g} h"] = exposed(df, hours)
    for hours in EXPOSURES:
        out[f"{hours:g} h, z 0.8-1.7"] = exposed(df, hours) & middle
    out["MOONRISE-like"] = moonrise(df)
    out["F(Hα) > 1e-17"] = bright(df)
    out["F(Hα) in the fibre > 1e-17"] = bright(df, "f_ha_fibre")
    return {name: rows for name, rows in out.items() if rows.any()}


def success_table(df):
    """Return Fig. 7: fraction of right redshifts of each sample at each threshold.

    Returns
    -------
    DataFrame
        sample, n, galaxies, share (of the test set), then for each threshold THR and THR_err;
        within_0.003: the same with the true redshift itself in place of its bin's centre;
        catastrophic, its error; published_0.003 and published_0.1.
    """
    rows = []
    for name, here in samples(df).items():
        part = df[here]
        row = {"sample": name, "n": len(part), "galaxies": part["galaxy"].nunique(),
               "share": here.mean()}  # fmt: skip
        for limit in THRESHOLDS:
            row[f"{limit:g}"], row[f"{limit:g}_err"], _ = fraction(success(part["dz"], limit), part)
        row["within_0.003"] = success(part["z_peak"] - part["z_true"], 0.003).mean()
        row["catastrophic"], row["catastrophic_err"], _ = fraction(catastrophic(part["dz"]), part)
        row["published_0.003"], row["published_0.1"] = published.success(name)
        rows.append(row)
    return pd.DataFrame(rows)


def magnitude_samples(df):
    """Return {name: ndarray of bool} of the curves of Fig. 8."""
    wanted = ("F(Hα) > 1e-17", "MOONRISE-like", "2 h", "4 h", "8 h")
    known = samples(df)
    return {name: known[name] for name in wanted if name in known}


def magnitude_table(df, edges=M_H_EDGES):
    """Return Fig. 8: fraction with |dz| < 0.01 in bins of m_H for each sample.

    Returns
    -------
    DataFrame
        sample, low, high (mag), n, fraction, error (NaN below `FEWEST` rows).
    """
    out = []
    if "m_h" not in df:
        return pd.DataFrame(columns=["sample", "low", "high", "n", "fraction", "error"])
    m_h = df["m_h"].to_numpy(float)
    for name, here in magnitude_samples(df).items():
        for low, high in pairwise(edges):
            part = df[here & (m_h >= low) & (m_h < high)]
            value, error, n = fraction(success(part["dz"]), part)
            if n < FEWEST:
                value = error = np.nan
            out.append({"sample": name, "low": low, "high": high, "n": n, "fraction": value,
                        "error": error})  # fmt: skip
    return pd.DataFrame(out, columns=["sample", "low", "high", "n", "fraction", "error"])


def expected_table(df, edges=M_H_EDGES, hours=EXPECTED_HOURS):
    """Return the rate that Fig. 8 compares with: one line with S/N > 7 and another with > 5.

    Parameters
    ----------
    df : DataFrame
        With m_h, line_snr_1 and line_snr_2 (brightest and second brightest line of the spectrum);
        star-forming galaxies count (Sect. 4.1).
    hours : float
        Exposure of the spectra that count: a rate of several together is none of an observation.

    Returns
    -------
    DataFrame
        low, high (mag), n, fraction, error; empty without these columns.
    """
    columns = ["low", "high", "n", "fraction", "error"]
    if not {"m_h", "line_snr_1", "line_snr_2"} <= set(df) or df["line_snr_2"].isna().all():
        return pd.DataFrame(columns=columns)
    passive = quiescent(df)
    df = df[exposed(df, hours) & (True if passive is None else ~passive)]
    seen = ((df["line_snr_1"] > 7) & (df["line_snr_2"] > 5)).to_numpy()
    rows = []
    for low, high in pairwise(edges):
        here = df["m_h"].between(low, high, inclusive="left").to_numpy()
        value, error, n = fraction(seen[here], df[here])
        if n >= FEWEST:
            rows.append({"low": low, "high": high, "n": n, "fraction": value, "error": error})
    return pd.DataFrame(rows, columns=columns)


def gaussian_fit(residual):
    """Fit a Gaussian to the histogram of residuals, as Fig. 4: the bulk, whatever the outliers.

    Parameters
    ----------
    residual : ndarray of shape (n,)
        What is not finite is left out.

    Returns
    -------
    dict
        mu, sigma (NaN below `FEWEST` rows), n, spread (1.4826 MAD), outside (fraction beyond
        5 sigma of the fit).
    """
    from scipy.optimize import curve_fit

    x = np.asarray(residual, float)
    x = x[np.isfinite(x)]
    out = {"mu": np.nan, "sigma": np.nan, "n": len(x), "spread": np.nan, "outside": np.nan}
    if len(x) < FEWEST:
        return out
    centre = np.median(x)
    out["spread"] = spread = mad_sigma(x)
    if spread <= 1e-12:  # more than half are equal: no histogram has a shape
        return out | {"mu": centre, "sigma": spread, "outside": np.mean(x != centre)}
    scaled = (x - centre) / spread
    near = scaled[np.abs(scaled) < 5]  # default: window and bins are not stated
    n = int(np.clip(len(near) / 30, 15, 60))
    counts, edges = np.histogram(near, bins=n, range=(-5, 5))
    middle = (edges[1:] + edges[:-1]) / 2
    try:
        (_, mu, sigma), _ = curve_fit(
            _bell, middle, counts, p0=(counts.max(), 0.0, 1.0),
            bounds=((0, -2, 0.02), (10.0 * counts.max(), 2, 4)),
        )  # fmt: skip
    except RuntimeError:
        mu, sigma = near.mean(), near.std()
    mu, sigma = centre + spread * mu, spread * abs(sigma)
    return out | {"mu": mu, "sigma": sigma, "outside": np.mean(np.abs(x - mu) > 5 * sigma)}


def _bell(x, height, mu, sigma):
    return height * np.exp(-0.5 * ((x - mu) / sigma) ** 2)


def residual(df, quantity):
    """Return predicted - labelled of a quantity of `QUANTITIES`, or None where it is not there."""
    true, pred = QUANTITIES[quantity]
    if true not in df or pred not in df:
        return None
    return (df[pred] - df[true]).to_numpy(float)


def residual_table(df):
    """Return the fits of Figs 4 and 6 beside their published values.

    Returns
    -------
    DataFrame
        sample, quantity, n, mu, sigma, published_mu, published_sigma (of the whole test set),
        rms, spread (1.4826 MAD), outside (fraction beyond 5 sigma).
    """
    rows = []
    for sample, here in (("all", np.ones(len(df), bool)), ("MOONRISE-like", moonrise(df))):
        for quantity in QUANTITIES:
            value = residual(df[here], quantity)
            if value is None or np.isfinite(value).sum() < FEWEST:
                continue
            fit = gaussian_fit(value)
            told = published.fit(quantity) if sample == "all" else (np.nan, np.nan)
            rows.append({"sample": sample, "quantity": quantity, "n": fit["n"], "mu": fit["mu"],
                         "sigma": fit["sigma"], "published_mu": told[0],
                         "published_sigma": told[1],
                         "rms": float(np.sqrt(np.nanmean(value**2))), "spread": fit["spread"],
                         "outside": fit["outside"]})  # fmt: skip
    columns = ["sample", "quantity", "n", "mu", "sigma", "published_mu", "published_sigma", "rms",
               "spread", "outside"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)
