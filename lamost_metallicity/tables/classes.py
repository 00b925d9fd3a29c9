"""Tables of the classifier and of the catalogue from saved predictions (Sect. 5)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lamost_metallicity.config import Config
from lamost_metallicity.selection import COMPOSITE, LOW_SNR, STAR_FORMING, star_forming
from lamost_metallicity.tables.regression import FEWEST

CONFIDENCE = Config.confidence  # Sect. 5.1
PUBLISHED = {  # Table 2 and Sect. 5.1
    "precision_sf": 0.9293, "recall_sf": 0.9209, "precision_other": 0.9225,
    "recall_other": 0.9307, "accuracy": 0.925, "composites": 0.87,
}  # fmt: skip


def classified(df):
    """Return the rows that the classifier is judged by, with `called_sf`."""
    if not {"is_sf", "p_sf"} <= set(df):
        return df.iloc[:0].assign(called_sf=False)
    rows = df["is_sf"].notna() & df["p_sf"].notna()
    if "in_class" in df:
        rows &= df["in_class"].fillna(False).astype(bool)
    out = df[rows].reset_index(drop=True)
    other = out["p_other"] if "p_other" in out else 1 - out["p_sf"]
    return out.assign(called_sf=out["p_sf"] > other, is_sf=out["is_sf"].astype(bool))


def class_table(df):
    """Return Table 2: precision, recall and F1 of both kinds, and the accuracy.

    Returns
    -------
    DataFrame
        class, n, precision, recall, f1, and in the last row "all" the accuracy; empty where
        there are no classes.
    """
    rows = classified(df)
    if not len(rows):
        return pd.DataFrame(columns=["class", "n", "precision", "recall", "f1", "accuracy"])
    out = []
    for name, wanted in (("star-forming", True), ("other", False)):
        true, called = rows["is_sf"] == wanted, rows["called_sf"] == wanted
        hit = float((true & called).sum())
        precision, recall = hit / max(called.sum(), 1), hit / max(true.sum(), 1)
        f1 = 2 * precision * recall / (precision + recall) if hit else 0.0
        out.append({"class": name, "n": int(true.sum()), "precision": precision, "recall": recall,
                    "f1": f1})  # fmt: skip
    right = (rows["is_sf"] == rows["called_sf"]).mean()
    out.append({"class": "all", "n": len(rows), "accuracy": float(right)})
    return pd.DataFrame(out)


def mistake_table(df):
    """Return whom the classifier mistakes.

    Returns
    -------
    DataFrame
        bptclass, kind, n (in the test), misclassified, share (of all misclassified), share_other
        (of the other galaxies that are called star-forming; NaN for star-forming ones).
    """
    from common.surveys.mpajhu import BPT_CLASSES

    rows = classified(df)
    columns = ["bptclass", "kind", "n", "misclassified", "share", "share_other"]
    if not len(rows) or "bptclass" not in rows:
        return pd.DataFrame(columns=columns)
    wrong = rows["is_sf"] != rows["called_sf"]
    false = wrong & ~rows["is_sf"]
    out = []
    for klass in sorted(rows["bptclass"].dropna().unique()):
        here = (rows["bptclass"] == klass).fillna(False).astype(bool)
        out.append({"bptclass": int(klass), "kind": BPT_CLASSES.get(int(klass), "other"),
                    "n": int(here.sum()), "misclassified": int((wrong & here).sum()),
                    "share": float(here[wrong].mean()) if wrong.any() else np.nan,
                    "share_other": float(here[false].mean()) if false.any() and
                    klass != STAR_FORMING else np.nan})  # fmt: skip
    return pd.DataFrame(out, columns=columns)


def composite_share(df):
    """Return the fraction of composites among the other galaxies called star-forming.

    The paper says 87 % "of the misclassified", but by its own Table 2 star-forming galaxies, which
    are no composites, are more than half of these: at most 0.0693 / (0.0791 + 0.0693) = 47 % could
    be. Of the galaxies wrongly called star-forming 87 % is possible.

    Returns
    -------
    float
        NaN where fewer than `FEWEST` others are misclassified.
    """
    table = mistake_table(df)
    table = table[table["bptclass"] != STAR_FORMING]
    if table["misclassified"].sum() < FEWEST:
        return np.nan
    return float(table.loc[table["bptclass"] == COMPOSITE, "share_other"].sum())


def readings_table(df):
    """Return the classifier's numbers with and without the star-forming galaxies of low S/N.

    The paper does not say whether bptclass 2 is among its non-star-forming galaxies.

    Parameters
    ----------
    df : DataFrame
        Predictions with bptclass.

    Returns
    -------
    DataFrame
        reading ("paper" in the last row), n_other, the columns of `PUBLISHED`, and distance: the
        root mean square of ours less the paper's. A reading that the run has no galaxies for is
        not there; the table is empty where there are no classes.
    """
    rows = classified(df)
    if not len(rows) or "bptclass" not in rows or not rows["bptclass"].notna().any():
        return pd.DataFrame(columns=["reading", "n_other", *PUBLISHED, "distance"])
    low = rows["bptclass"].eq(LOW_SNR).fillna(False).astype(bool)
    readings = {"class 2 left out": rows[~low]}
    if low.any():
        readings["class 2 among the others"] = rows
    out = [_reading(part) | {"reading": name} for name, part in readings.items()]
    out.append(PUBLISHED | {"reading": "paper"})
    return pd.DataFrame(out, columns=["reading", "n_other", *PUBLISHED, "distance"])


def _reading(rows):
    table = class_table(rows).set_index("class")
    row = {f"{of}_{short}": table.loc[kind, of] for of in ("precision", "recall")
           for kind, short in (("star-forming", "sf"), ("other", "other"))}  # fmt: skip
    row |= {"accuracy": table.loc["all", "accuracy"], "composites": composite_share(rows)}
    off = np.array([row[name] - PUBLISHED[name] for name in PUBLISHED])
    known = np.isfinite(off)
    row["distance"] = float(np.sqrt(np.mean(off[known] ** 2))) if known.any() else np.nan
    return row | {"n_other": float(table.loc["other", "n"])}


def catalogue_rows(df, confidence=CONFIDENCE):
    """Return Table 3: galaxies that `predict` calls star-forming with confidence."""
    if "p_sf" not in df:
        return df.iloc[:0]
    other = df["p_other"] if "p_other" in df else 1 - df["p_sf"]
    chosen = star_forming(p_sf=df["p_sf"], p_other=other, confidence=confidence)
    return df[chosen & df["oh_pred"].notna()].reset_index(drop=True)


def catalogue_table(parts, confidence=CONFIDENCE):
    """Return one row for each kind of galaxies: how many are in the catalogue, and their O/H.

    Parameters
    ----------
    parts : dict of str to DataFrame
        Galaxies in words -> predictions.
    confidence : float
        As of `catalogue_rows`.

    Returns
    -------
    DataFrame
        galaxies, n, of, mean, peak, p16, p84, within_8.5_9.2 (Fig. 7), and where classes are known
        purity and completeness; without kinds of which fewer than `FEWEST` are in the catalogue.
    """
    out = []
    for name, df in parts.items():
        rows = catalogue_rows(df, confidence)
        if len(rows) < FEWEST:
            continue
        value = rows["oh_pred"].to_numpy(float)
        row = {"galaxies": name, "n": len(value), "of": len(df), "mean": value.mean(),
               "peak": peak(value), "p16": np.percentile(value, 16),
               "p84": np.percentile(value, 84),
               "within_8.5_9.2": np.mean((value >= 8.5) & (value <= 9.2))}  # fmt: skip
        if "is_sf" in rows and rows["is_sf"].notna().any():
            known = rows["is_sf"].dropna().astype(bool)
            row["purity"] = known.mean()
            row["completeness"] = known.sum() / max(df["is_sf"].eq(True).sum(), 1)
        out.append(row)
    return pd.DataFrame(out)


def peak(values):
    """Return where the density of values is highest (Gaussian kernel, Scott's width)."""
    from scipy.stats import gaussian_kde

    values = np.asarray(values, float)
    if len(values) < 3 or np.ptp(values) == 0:
        return float(np.median(values)) if len(values) else float("nan")
    grid = np.linspace(values.min(), values.max(), 400)
    return float(grid[np.argmax(gaussian_kde(values)(grid))])
