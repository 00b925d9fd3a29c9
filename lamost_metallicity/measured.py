"""What a run gives for each published number: the `measure` entries of claims.toml."""

from __future__ import annotations

import numpy as np

from common.errors import SuiteError
from lamost_metallicity.tables import beyond as tables_beyond
from lamost_metallicity.tables import regression as tables


def measure(claims, df, *, rows, counts=None, parameters=None):
    """Return {claim id: value} for the claims that this run can speak to.

    Parameters
    ----------
    claims : list of common.claims.Claim
    df : DataFrame
        Predictions of the test set, all kinds of galaxies.
    rows : DataFrame
        Those of them that the regression is judged by (`tables.regression_rows`).
    counts : DataFrame, optional
        What each cut left (`selection.select`).
    parameters : dict of str to int, optional
        Network → number of parameters.
    """
    run = dict(df=df, rows=rows, counts=counts, parameters=parameters or {})
    out = {}
    for claim in claims:
        how = dict(claim.measure)
        name = how.pop("metric")
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


def _mean(run):
    rows = run["rows"]
    return (rows["oh_pred"] - rows["oh_true"]).mean() if len(rows) >= tables.FEWEST else None


def _bias(run):
    mean = _mean(run)
    return None if mean is None else abs(mean)


def _class(run, kind, of):
    table = tables.class_table(run["df"])
    part = table[table["class"] == kind]
    return part[of].iloc[0] if len(part) and part["n"].iloc[0] >= tables.FEWEST else None


def _catalogue(run, of):
    value = tables.catalogue_rows(run["df"])["oh_pred"].to_numpy(float)
    if len(value) < tables.FEWEST:
        return None
    return value.mean() if of == "mean" else peak(value)


def peak(values):
    """Return where the density of values is highest (Gaussian kernel, Scott's width)."""
    from scipy.stats import gaussian_kde

    values = np.asarray(values, float)
    if len(values) < 3 or np.ptp(values) == 0:
        return float(np.median(values)) if len(values) else float("nan")
    grid = np.linspace(values.min(), values.max(), 400)
    return float(grid[np.argmax(gaussian_kde(values)(grid))])


def _selection(run, cut):
    return None if run["counts"] is None else run["counts"]["n"].iloc[cut]


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
    "composites": lambda run: tables.composite_share(run["df"]),
    "catalogue": _catalogue,
    # Needs the survey's unmatched galaxies, which no test split holds: `predict` gives them.
    "unmatched_catalogue": lambda run: None,
    "mzr_scatter": lambda run: tables_beyond.mzr_scatter(tables_beyond.mzr_table(run["rows"])),
    "selection": _selection,
    "selection_fraction": _selection_fraction,
    "fraction_above": _fraction_above,
    "parameters": lambda run, network: run["parameters"].get(network),
}
