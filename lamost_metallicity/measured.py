"""What a run gives for each published number: the `measure` entries of claims.toml."""

from __future__ import annotations

import numpy as np

from common.errors import SuiteError
from lamost_metallicity.tables import beyond as tables_beyond
from lamost_metallicity.tables import classes as tables_classes
from lamost_metallicity.tables import regression as tables


def by_design(claims):
    """Return {claim id: reason} of what a mock is made to show, so that it confirms nothing."""
    return {claim.id: claim.measure["mock"] for claim in claims if "mock" in claim.measure}


def measure(claims, df, *, rows, unmatched=None, counts=None, parameters=None,
            confidence=tables_classes.CONFIDENCE, is_mock=False):  # fmt: skip
    """Return {claim id: value} for the claims that this run can speak to.

    Parameters
    ----------
    claims : list of common.claims.Claim
    df : DataFrame
        Predictions of the test set, all kinds of galaxies.
    rows : DataFrame
        Those of them that the regression is judged by (`tables.regression_rows`).
    unmatched : DataFrame, optional
        Predictions of galaxies without an MPA-JHU counterpart.
    counts : DataFrame, optional
        What each cut left (`selection.select`).
    parameters : dict of str to int, optional
        Network → number of parameters.
    confidence : float
        As of `tables.classes.catalogue_rows`.
    is_mock : bool
        Leaves out the claims of `by_design`.
    """
    catalogue = df.iloc[:0] if unmatched is None else unmatched
    run = dict(df=df, rows=rows, counts=counts, parameters=parameters or {}, catalogue=catalogue,
               confidence=confidence)  # fmt: skip
    out = {}
    for claim in claims:
        how = dict(claim.measure)
        name = how.pop("metric")
        if how.pop("mock", "") and is_mock:
            continue
        if name not in MEASURES:
            raise SuiteError(f"Claim {claim.id}: no measure is called {name!r}.")
        value = MEASURES[name](run, **how)
        if value is not None and np.isfinite(value):
            out[claim.id] = float(value)
    return out


def _part(rows, column, low, high):
    if column is None:
        return rows
    return rows[(rows[column] >= low) & (rows[column] < high)] if column in rows else rows.iloc[:0]


def _sigma(run, column=None, low=None, high=None):
    part = _part(run["rows"], column, low, high)
    return tables.sigma_of(part["oh_pred"] - part["oh_true"])[0]


def _worst_sigma(run, column):
    if column not in run["rows"]:
        return None
    table = tables.binned_table(run["rows"], column)
    return table["oh_pred"].max() if table["oh_pred"].notna().all() else None


def _mean(run, column="oh_pred"):
    rows = run["rows"]
    off = (rows[column] - rows["oh_true"]).dropna() if column in rows else rows.iloc[:0]
    return off.mean() if len(off) >= tables.FEWEST else None


def _bias(run):
    mean = _mean(run)
    return None if mean is None else abs(mean)


def _class(run, kind, of):
    table = tables_classes.class_table(run["df"])
    part = table[table["class"] == kind]
    return part[of].iloc[0] if len(part) and part["n"].iloc[0] >= tables.FEWEST else None


def _catalogue(run, of):
    rows = tables_classes.catalogue_rows(run["catalogue"], run["confidence"])
    if len(rows) < tables.FEWEST:
        return None
    value = rows["oh_pred"].to_numpy(float)
    return {"size": len, "mean": np.mean, "peak": tables_classes.peak}[of](value)


def _entry(run, obsid, ra, dec):
    """Return whether a spectrum of Table 3 is in the catalogue; None where the run lacks it."""
    found = run["catalogue"]
    found = found[found["id"] == str(obsid)] if "id" in found else found.iloc[:0]
    if not len(found):
        return None
    rows = tables_classes.catalogue_rows(found, run["confidence"])
    off = np.hypot((rows["ra"] - ra) * np.cos(np.radians(dec)), rows["dec"] - dec)
    return float((off * 3600 < 1).any())


def _selection(run, cut):
    return None if run["counts"] is None else run["counts"]["n"].iloc[cut]


def _unmatched(run):
    return None if run["counts"] is None else run["counts"]["n"].iloc[1] - _selection(run, 2)


def _selection_fraction(run, cut):
    return None if run["counts"] is None else run["counts"]["fraction"].iloc[cut]


def _fraction_above(run, column, limit):
    value = run["rows"][column].dropna() if column in run["rows"] else np.zeros(0)
    return (value > limit).mean() if len(value) >= tables.FEWEST else None


MEASURES = {
    "sigma": _sigma,
    "worst_sigma": _worst_sigma,
    "mean": _mean,
    "bias": _bias,
    "class": _class,
    "composites": lambda run: tables_classes.composite_share(run["df"]),
    "catalogue": _catalogue,
    "entry": _entry,
    "mzr_scatter": lambda run: tables_beyond.mzr_scatter(tables_beyond.mzr_table(run["rows"])),
    "selection": _selection,
    "unmatched": _unmatched,
    "selection_fraction": _selection_fraction,
    "fraction_above": _fraction_above,
    "parameters": lambda run, network: run["parameters"].get(network),
}
