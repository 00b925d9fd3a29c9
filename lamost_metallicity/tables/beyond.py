"""Tables of the relation of mass and metallicity, of errors, and of the label noise."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd

from common import calibration as intervals
from common import metrics
from lamost_metallicity.tables.regression import FEWEST, SNR_EDGES, bins_of, sigma_of

MASS_RANGE = (8.5, 11.5)  # Sect. 4.5
MASS_STEP = 0.2  # dex, default
T04 = (-1.492, 1.847, -0.08026)  # Eq. 2: Tremonti et al. 2004, by powers of log M
NETWORK_OR_LINES = {"oh_pred": "network", "oh_n2_cal": "N2", "oh_o3n2_cal": "O3N2"}
BASELINES = {"oh_lines": "lines", "oh_mass": "mass"}
LEVELS = (0.68, 0.95)


def tremonti(log_mass):
    """Return 12 + log(O/H) of Tremonti et al. (2004) at log stellar masses (Eq. 2)."""
    return np.polynomial.Polynomial(T04)(np.asarray(log_mass, float))


def mass_rows(df, mass="lgm_fib_true"):
    """Return the rows whose mass is known and within the paper's range."""
    return df[df[mass].between(*MASS_RANGE)] if mass in df else df.iloc[:0]


def fit_mzr(df, column="oh_pred", mass="lgm_fib_true"):
    """Return our Eq. 3: coefficients of a parabola in log M, by powers, or None if too few rows."""
    rows = mass_rows(df, mass).dropna(subset=[column])
    if len(rows) < 2 * FEWEST:
        return None
    x, y = rows[mass].to_numpy(float), rows[column].to_numpy(float)
    return np.polynomial.Polynomial.fit(x, y, 2).convert().coef


def mzr_table(df, mass="lgm_fib_true"):
    """Return Fig. 6 as numbers: medians of metallicity in bins of mass, with their errors.

    Parameters
    ----------
    df : DataFrame
        Rows of `tables.regression_rows`.
    mass : str
        Column of log stellar mass.

    Returns
    -------
    DataFrame
        log_mass (centre), n, predicted, p16, p84 (of the predictions), predicted_err (of the
        median, by resampling), label, planted and planted_err (mock), tremonti (Eq. 2).
    """
    rows = mass_rows(df, mass)
    edges = np.arange(MASS_RANGE[0], MASS_RANGE[1] + MASS_STEP / 2, MASS_STEP)
    where = bins_of(rows[mass], edges) if len(rows) else np.zeros(0, int)
    out = []
    for i in range(len(edges) - 1):
        part = rows[where == i]
        if len(part) < FEWEST:
            continue
        predicted = part["oh_pred"].to_numpy(float)
        row = {"log_mass": (edges[i] + edges[i + 1]) / 2, "n": len(part),
               "predicted": np.median(predicted), "p16": np.percentile(predicted, 16),
               "p84": np.percentile(predicted, 84),
               "predicted_err": metrics.bootstrap_error(np.median, predicted),
               "label": part["oh_true"].median()}  # fmt: skip
        if "oh_planted" in part and part["oh_planted"].notna().all():
            planted = part["oh_planted"].to_numpy(float)
            row["planted"] = np.median(planted)
            # Both medians are of the same galaxies: what counts is how their difference varies.
            row["planted_err"] = metrics.bootstrap_error(
                lambda a, b: np.median(a) - np.median(b), predicted, planted
            )
        row["tremonti"] = float(tremonti(row["log_mass"]))
        out.append(row)
    return pd.DataFrame(out) if out else pd.DataFrame(columns=["log_mass", "n", "predicted"])


def mzr_scatter(table):
    """Return half the 16-84 % range of the predictions at fixed mass, the mean over the bins.

    Parameters
    ----------
    table : DataFrame
        As `mzr_table` returns it.
    """
    if not len(table):
        return np.nan
    return float(np.average((table["p84"] - table["p16"]) / 2, weights=table["n"]))


def recovery(table):
    """Return how well the planted relation of a mock comes back from the predictions.

    Parameters
    ----------
    table : DataFrame
        As `mzr_table` returns it.

    Returns
    -------
    dict
        bins, galaxies, largest and rms (dex: differences of the medians), error (median error of
        these), within_2 (fraction of bins whose medians agree within two errors), scatter (width
        of the relation, the error that Fig. 6 draws) and within_scatter (fraction of bins within
        it); {} where nothing was planted.
    """
    if "planted" not in table or table["planted"].isna().all():
        return {}
    table = table.dropna(subset=["planted"])
    off = (table["predicted"] - table["planted"]).to_numpy()
    width = ((table["p84"] - table["p16"]) / 2).to_numpy()
    return {
        "bins": len(table),
        "galaxies": int(table["n"].sum()),
        "largest": float(np.abs(off).max()),
        "rms": float(np.sqrt(np.mean(off**2))),
        "error": float(table["planted_err"].median()),
        "within_2": float(np.mean(np.abs(off) <= 2 * table["planted_err"])),
        "scatter": mzr_scatter(table),
        "within_scatter": float(np.mean(np.abs(off) <= width)),
    }


def baseline_table(df):
    """Return the network beside boosting on lines and on no line, in bins of S/N_r.

    Parameters
    ----------
    df : DataFrame
        Rows of `tables.regression_rows`.

    Returns
    -------
    DataFrame
        bin (the last: "all"), low, n, network and network_err (sigma of all, dex), and for lines
        and mass the columns of `duel`; empty where the predictions hold neither.
    """
    methods = {name: column for column, name in BASELINES.items() if column in df}
    if not methods or "snr_r" not in df:
        return pd.DataFrame()
    rows = []
    for name, low, part in _parts(df, "snr_r", SNR_EDGES):
        sigma, error = sigma_of(part["oh_pred"] - part["oh_true"])
        row = {"bin": name, "low": low, "n": len(part), "network": sigma, "network_err": error}
        for method, column in methods.items():
            both = part.dropna(subset=[column, "oh_pred"])
            row |= duel(both, column, method, winner=method)
        rows.append(row)
    return pd.DataFrame(rows)


def _parts(df, by, edges):
    """Return [(name, lower edge, rows)] of the bins, the last with all."""
    where = bins_of(df[by], edges)
    parts = [
        (f"[{low:g}, {high:g})" if np.isfinite(high) else f">= {low:g}", float(low), df[where == i])
        for i, (low, high) in enumerate(pairwise(edges))
    ]
    return [*parts, ("all", np.nan, df)]


def winner_table(df, by="snr_r", edges=(3, 5, 7, 10, 15, 25, np.inf)):
    """Return which of network and strong lines is better, and for how many, in bins.

    Parameters
    ----------
    df : DataFrame
        Rows of `tables.regression_rows`, with the strong lines on the labels' scale.
    by : str
        snr_r, or a line's own S/N such as snr_nii.

    Returns
    -------
    DataFrame
        bin (the last: "all"), low, n, and for each of N2 and O3N2: NAME_share (of galaxies with an
        estimate) and the columns of `duel`.
    """
    rows = []
    for name, low, part in _parts(df, by, edges):
        row = {"bin": name, "low": low, "n": len(part)}
        for column, lines in list(NETWORK_OR_LINES.items())[1:]:
            if column not in df:
                continue
            both = part.dropna(subset=[column, "oh_pred"])
            row[f"{lines}_share"] = len(both) / len(part) if len(part) else np.nan
            row |= duel(both, column, lines)
        rows.append(row)
    return pd.DataFrame(rows)


def duel(rows, column, name, winner="lines"):
    """Return how the network compares with another method on the same galaxies.

    Parameters
    ----------
    rows : DataFrame
        oh_true, oh_pred and `column`, all known.
    column : str
        The other method's metallicity.
    name, winner : str
        What its columns begin with, and what it is called where it is the better one.

    Returns
    -------
    dict
        NAME and network_NAME (their sigmas), NAME_difference and its error (other less network;
        paired resampling), NAME_winner: "network" or `winner` where the difference is more than
        two errors, else "tie"; "" for fewer than `FEWEST` galaxies.
    """
    if len(rows) < FEWEST:
        blank = (name, f"network_{name}", f"{name}_difference", f"{name}_difference_err")
        return dict.fromkeys(blank, np.nan) | {f"{name}_winner": ""}
    a = (rows[column] - rows["oh_true"]).to_numpy(float)
    b = (rows["oh_pred"] - rows["oh_true"]).to_numpy(float)
    difference = np.std(a, ddof=1) - np.std(b, ddof=1)
    error = metrics.bootstrap_error(lambda x, y: np.std(x) - np.std(y), a, b)
    who = "tie" if abs(difference) <= 2 * error else "network" if difference > 0 else winner
    return {name: np.std(a, ddof=1), f"network_{name}": np.std(b, ddof=1),
            f"{name}_difference": difference, f"{name}_difference_err": error,
            f"{name}_winner": who}  # fmt: skip


def winners_in_words(table):
    """Return a sentence for each index: in which bins of `winner_table` who is better."""
    said = []
    for lines in ("N2", "O3N2"):
        if f"{lines}_winner" not in table:
            continue
        parts = []
        for who, text in (("network", "the network"), ("lines", lines), ("tie", "neither")):
            bins = (
                table.loc[table[f"{lines}_winner"] == who, "bin"].replace("all", "all S/N").tolist()
            )
            if bins:
                parts.append(f"{text} at {', '.join(bins)}")
        if parts:
            said.append(f"{lines} against the network by S/N_r, better by two errors: "
                        + "; ".join(parts) + ".")  # fmt: skip
    return " ".join(said)


def line_snr(df):
    """Return the S/N of the faintest of the lines of each index: columns snr_nii, snr_oiii."""
    out = {}
    for line in ("nii", "oiii", "hb", "ha"):
        if {f"flux_{line}", f"flux_{line}_err"} <= set(df):
            out[f"snr_{line}"] = df[f"flux_{line}"] / df[f"flux_{line}_err"]
    return pd.DataFrame(out, index=df.index)


def half_widths(df, calibration=None, groups=None):
    """Return {level: half-widths} of the predictions' intervals.

    Parameters
    ----------
    df : DataFrame
        With oh_sigma (68 %) and where known oh_half95; with a calibration, oh_sigma_raw.
    calibration : common.calibration.Calibration, optional
        The run's: it knows more levels than the columns.
    groups : array of str, shape (n,), optional
        What it was fitted by.
    """
    if calibration is not None and "oh_sigma_raw" in df:
        return calibration.intervals(sigma=df["oh_sigma_raw"].to_numpy(float), group=groups)
    if "oh_sigma" not in df:
        return {}
    half = {0.68: df["oh_sigma"].to_numpy(float)}
    if "oh_half95" in df:
        half[0.95] = df["oh_half95"].to_numpy(float)
    return half


def coverage_table(df, half, groups=None):
    """Return the fraction of labels (and of planted values) inside the intervals.

    Parameters
    ----------
    df : DataFrame of n rows
    half : dict of float to ndarray of shape (n,)
        See `half_widths`; levels other than 68 and 95 % are left out.
    groups : array of str, shape (n,), optional
        A row of the table for each, beside "all".

    Returns
    -------
    DataFrame
        of ("label" or "planted"), group, n, and for each level coverage_68, coverage_68_err, ...;
        median_half_68 (dex).
    """
    groups = np.full(len(df), "all") if groups is None else np.asarray(groups, str)
    names = ["all", *(g for g in pd.unique(groups) if g != "all")]
    rows = []
    for of, column in (("label", "oh_true"), ("planted", "oh_planted")):
        if column not in df or df[column].isna().all() or not half:
            continue
        residual = (df["oh_pred"] - df[column]).to_numpy(float)
        for name in names:
            here = np.ones(len(df), bool) if name == "all" else groups == name
            row = {"of": of, "group": name, "n": int(np.isfinite(residual[here]).sum())}
            for level in LEVELS:
                if level in half:
                    found, error, _ = intervals.coverage(
                        residual=residual[here], half=half[level][here]
                    )
                    key = f"coverage_{round(100 * level)}"
                    row[key], row[f"{key}_err"] = found, error
            if 0.68 in half:
                known = half[0.68][here][~np.isnan(half[0.68][here])]
                row["median_half_68"] = float(np.median(known)) if len(known) else np.nan
            rows.append(row)
    return pd.DataFrame(rows)


def noise_table(df):
    """Return what the labels' own errors leave to a perfect network (a mock knows).

    Returns
    -------
    DataFrame
        quantity, sigma (dex), n: of label - planted (the floor), predicted - label (what Fig. 4
        prints), predicted - planted (the network's own error), and the second less the floor in
        quadrature; on a survey the floor is the median error that MPA-JHU gives. Empty where
        neither is known.
    """
    pairs = {
        "label - planted (floor)": ("oh_true", "oh_planted"),
        "predicted - label": ("oh_pred", "oh_true"),
        "predicted - planted": ("oh_pred", "oh_planted"),
    }
    rows = []
    for name, (a, b) in pairs.items():
        if {a, b} <= set(df) and df[b].notna().any():
            sigma, error = sigma_of(df[a] - df[b])
            rows.append({"quantity": name, "sigma": sigma, "sigma_err": error,
                         "n": int((df[a] - df[b]).notna().sum())})  # fmt: skip
    if "oh_true_err" in df and df["oh_true_err"].notna().any():
        value = df["oh_true_err"].dropna()
        rows.append({"quantity": "MPA-JHU's error of a label (median)", "sigma": value.median(),
                     "sigma_err": np.nan, "n": len(value)})  # fmt: skip
    table = pd.DataFrame(rows, columns=["quantity", "sigma", "sigma_err", "n"])
    found = table.set_index("quantity")["sigma"]
    if "label - planted (floor)" in found:
        left = found["predicted - label"] ** 2 - found["label - planted (floor)"] ** 2
        extra = {"quantity": "predicted - label, floor taken off", "n": len(df),
                 "sigma": np.sqrt(left) if left > 0 else 0.0, "sigma_err": np.nan}  # fmt: skip
        table = pd.concat([table, pd.DataFrame([extra])], ignore_index=True)
    return table


def multitask_table(df):
    """Return single-task against multi-task, and mass and star formation rate of the latter.

    Returns
    -------
    DataFrame
        quantity, network, n, mean, sigma, sigma_err (dex); for the multi-task metallicity also
        difference (its sigma minus the single-task one's) and difference_err (paired).
    """
    pairs = [("12 + log(O/H)", "single task", "oh_pred", "oh_true"),
             ("12 + log(O/H)", "multi-task", "oh_multi", "oh_true"),
             ("log stellar mass (fibre)", "multi-task", "lgm_pred", "lgm_fib_true"),
             ("log star formation rate (fibre)", "multi-task", "sfr_pred", "sfr_true")]  # fmt: skip
    rows = []
    for quantity, network, pred, true in pairs:
        if not {pred, true} <= set(df) or df[pred].notna().sum() < FEWEST:
            continue
        residual = (df[pred] - df[true]).dropna()
        sigma, error = sigma_of(residual)
        rows.append({"quantity": quantity, "network": network, "n": len(residual),
                     "mean": residual.mean(), "sigma": sigma, "sigma_err": error})  # fmt: skip
        if pred == "oh_multi":
            one, other = ((df[c] - df["oh_true"]).to_numpy(float) for c in ("oh_multi", "oh_pred"))
            both = np.isfinite(one) & np.isfinite(other)
            one, other = one[both], other[both]
            rows[-1]["difference"] = np.std(one, ddof=1) - np.std(other, ddof=1)
            rows[-1]["difference_err"] = metrics.bootstrap_error(
                lambda a, b: np.std(a) - np.std(b), one, other
            )
    return pd.DataFrame(rows)
