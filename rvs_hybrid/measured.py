"""What a run gives for each published number: the `measure` entries of claims.toml."""

from __future__ import annotations

import re

import numpy as np

from common.errors import SuiteError
from rvs_hybrid.config import DATASETS, UPPER_GIANTS
from rvs_hybrid.tables import labels_of, residual, scatter

PAPER_DATA = DATASETS[1]
FEWEST = 100  # stars behind a measured number


def measure(claims, ev, *, parameters=None):
    """Return {claim id: (value, data set)} for the claims that an evaluation can speak to.

    Parameters
    ----------
    claims : list of common.claims.Claim
    ev : rvs_hybrid.evaluation.Evaluation
    parameters : dict of str to int, optional
        Name of an architecture → its number of parameters.

    Raises
    ------
    SuiteError
        If a claim names a measure that does not exist.
    """
    out = {}
    for claim in claims:
        how = dict(claim.measure)
        if not how:  # about a sample that no run of this project has
            continue
        metric = how.pop("metric", None)
        if metric not in MEASURES:
            raise SuiteError(f"Claim {claim.id}: no measure is called {metric!r}.")
        if metric == "parameters":
            value, dataset = (parameters or {}).get(how["network"]), claim.dataset
        else:
            value, dataset = MEASURES[metric](ev, **how)
        if value is not None and np.isfinite(value):
            out[claim.id] = (float(value), dataset)
    return out


def _variant(ev, variant):
    """Return the predictions of a network by its inputs ("xp+phot"), None where there is none."""
    wanted = set(variant.split("+"))
    for name, df in ev.variants.items():
        if set(re.split(r"[^a-z0-9]+", name.lower().removesuffix(" (this run)"))) == wanted:
            return df
    return None


def _scatter(ev, label, statistic, variant):
    """Bias or scatter of a label by the network with these inputs alone."""
    df, dataset = _variant(ev, variant), ev.dataset
    if df is None or label not in labels_of(df):
        return None, dataset
    found = scatter(residual(df, label))
    if "dataset" in df:
        dataset = " and ".join(sorted(df["dataset"].astype(str).unique())) + ev.differs
    return (found[statistic] if found["n"] >= FEWEST else None), dataset


def _std_ratio(ev, label):
    """Mean ensemble std of the precursors' rule over the sd of its residuals."""
    column, pred = f"{label}_ensemble_precursor", f"{label}_pred_precursor"
    if not {column, pred} <= set(ev.df):
        return None, ev.dataset
    found = scatter(residual(ev.df, label, "pred_precursor"))
    if found["n"] < FEWEST or not ev.df[column].gt(0).any():  # a single member has no scatter
        return None, ev.dataset
    return ev.df[column].mean() / found["sd"], ev.dataset


def _bimodal(ev, where):
    """1 if predicted [alpha/M] is bimodal at fixed metallicity, and beyond the null, else 0.

    In any bin of R and |Z|, or in the bulge; of the paper's giants, at its S/N where RVS spectra
    have one. None without a null.
    """
    table = ev.bimodality
    if not len(table):
        return None, ev.dataset
    start = {"bins": "R \\d", "bulge": "R <"}[where]
    rows = table[table["bin"].str.match(start) & (table["metallicity"] != "all")]
    paper = rows[rows["bin"].str.endswith(f"log g < {UPPER_GIANTS}")]
    low = rows[rows["bin"].str.contains("RVS S/N")]
    rows = low if len(low) or ev.dataset == PAPER_DATA else paper
    rows = rows[rows["beyond_null"].notna()]
    return (float(rows["beyond_null"].astype(bool).any()) if len(rows) else None), ev.dataset


MEASURES = {
    "parameters": None,  # read, not measured
    "scatter": _scatter,
    "std_ratio": _std_ratio,
    "bimodal": _bimodal,
}
