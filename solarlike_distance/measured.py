"""What a run gives for each published number: the `measure` entries of claims.toml."""

from __future__ import annotations

import numpy as np

from common.errors import SuiteError
from solarlike_distance.tables import comparison, gradients
from solarlike_distance.tables import scatter as tables

COUNTS = ("selection", "size", "venn", "catalogue_size", "subsample", "explained")
"""Measures that are counts of stars: a mock has as many as it was told to make."""


def measure(claims, run):
    """Return {claim id: value} for the claims that a run can speak to.

    Parameters
    ----------
    claims : list of common.claims.Claim
    run : solarlike_distance.evaluation.Evaluation
    """
    out, cache = {}, {}
    for claim in claims:
        how = dict(claim.measure)
        name = how.pop("metric")
        if name not in MEASURES:
            raise SuiteError(f"Claim {claim.id}: no measure is called {name!r}.")
        if run.is_mock and (name in COUNTS or how.get("of") == "n"):
            continue
        value = MEASURES[name](run, cache, **how)
        if value is not None and np.isfinite(value):
            out[claim.id] = float(value)
    return out


def _once(cache, key, function):
    if key not in cache:
        cache[key] = function()
    return cache[key]


def _selection(run, cache, cut):
    if run.counts is None or cut >= len(run.counts):
        return None
    return run.counts["n"].iloc[cut]


def _size(run, cache, of):
    if "split" not in run.everything:
        return None
    return (run.everything["split"] == of).sum() or None


def _parameters(run, cache):
    value = run.parameters
    return sum(value.values()) / len(value) if isinstance(value, dict) and value else value or None


def _scatter(run, cache, label, of):
    if label not in tables.quantities_of(run.df):
        return None
    found = tables.spread(tables.residual(run.df, label))
    return found[of] if found["n"] >= tables.FEWEST else None


def _distance(run, cache, of):
    off = tables.fraction(run.df)
    found = tables.spread(off)
    if found["n"] < tables.FEWEST:
        return None
    if of.endswith("_abs_fraction"):
        return tables.spread(np.abs(off))[of.removesuffix("_abs_fraction")]
    return tables.spread(tables.residual(run.df, "distance"))[of]


def _venn(run, cache, of):
    if run.catalogue is None:
        return None
    return _once(cache, "venn", lambda: tables.problem_counts(run.catalogue)).get(of)


def _compare(run, cache, first, second, of):
    found = _once(cache, "distances", run.distances)
    if found is None or not {first, second} <= set(found.columns):
        return None
    value = comparison.difference(found, first, second)
    return value[of] if value["n"] >= tables.FEWEST else None


def _survey(run, cache, survey, of, label=None):
    other = next((o for o in run.external if o.kind == survey), None)
    if other is None:
        return None
    both, matched = _once(
        cache, f"survey-{survey}", lambda: comparison.parameters(run.stars, other)
    )
    if of in ("matched", "n"):
        return None if run.is_mock else {"matched": matched, "n": len(both)}[of]
    found = tables.spread(tables.residual(both, label))
    return found[of] if found["n"] >= tables.FEWEST else None


def _subsample(run, cache):
    table = run.galaxy()
    return None if table is None else int(gradients.in_subsample(R=table["R"], Z=table["Z"]).sum())


def _gradients(run, cache, kind):
    # A mock's Galaxy has the gradients that it was given: they say nothing of the paper's.
    if run.is_mock or run.galaxy() is None:
        return None
    return _once(cache, f"gradients-{kind}", lambda: run.gradients()[kind])


def _gradient(run, cache, kind, at, of):
    table = _gradients(run, cache, kind)
    row = table[np.isclose(table["at"], at)] if table is not None else ()
    return row[of].iloc[0] if len(row) else None


def _gradient_range(run, cache, kind, of):
    table = _gradients(run, cache, kind)
    if table is None or len(table) < len(gradients.published(kind)):
        return None
    return getattr(table["gradient"], of)()


def _mse(run, cache, model, label):
    if run.baselines is None:
        return None
    table = run.baselines[run.baselines["model"] == model]
    return table[label].iloc[0] if len(table) and label in table else None


def _catalogue_size(run, cache):
    if run.catalogue is None or "teff_pred" not in run.catalogue:
        return None
    return int(run.catalogue["teff_pred"].notna().sum())


MEASURES = {
    "selection": _selection,
    "size": _size,
    "pixels": lambda run, cache: None if run.config is None else run.config.n_pixels,
    "parameters": _parameters,
    "scatter": _scatter,
    "distance": _distance,
    "venn": _venn,
    "catalogue_size": _catalogue_size,
    "compare": _compare,
    "survey": _survey,
    "subsample": _subsample,
    "gradient": _gradient,
    "gradient_range": _gradient_range,
    "explained": lambda run, cache: run.explained,
    "mse": _mse,
    # Needs the whole AFGK catalogue with Gaia, which no run reads.
    "needs_survey": lambda run, cache: None,
}
