"""What a run gives for each published number: the `measure` entries of claims.toml."""

from __future__ import annotations

import numpy as np

from common.errors import SuiteError
from solarlike_distance.tables import application, comparison, gradients
from solarlike_distance.tables import scatter as tables
from solarlike_distance.tables.rows import any_mock

COUNTS = ("selection", "size", "explained")
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
        if run.is_mock and name in COUNTS:
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


def _application(run, cache):
    """Return the stars of Sect. 4.1 in a catalogue of the survey; None where it is not here.

    Neither the training sample nor a mock is what the paper applies its network to, and a smaller
    catalogue cannot confirm or miss what the paper says of its own.
    """
    return _once(cache, "application", lambda: _applied_to(run))


def _applied_to(run):
    stars = run.catalogue
    if stars is None or run.is_mock or any_mock(stars) or "teff_pred" not in stars:
        return None
    problems = application.problematic(stars, run.config)
    if problems is None:
        return None
    keep = problems & application.of_kind(stars, run.config) & stars["teff_pred"].notna().to_numpy()
    enough = keep.sum() >= application.SHARE * application.STARS
    return stars[keep].reset_index(drop=True) if enough else None


def _solar_like(run, cache):
    """Return all solar-like stars of the catalogue; None where it holds the application alone."""
    chosen = _application(run, cache)
    if chosen is None:
        return None
    whole = run.catalogue[application.of_kind(run.catalogue, run.config, snr=False)]
    return whole if len(whole) > len(chosen) else None


def _venn(run, cache, of):
    chosen = _application(run, cache)
    if chosen is None:
        return None
    if of == "fraction":
        whole = _solar_like(run, cache)
        return None if whole is None else len(chosen) / len(whole)
    return _once(cache, "venn", lambda: tables.problem_counts(chosen)).get(of)


def _with_gaia(run, cache):
    whole = _solar_like(run, cache)
    if whole is None or "phot_g_mean_mag" not in whole:
        return None
    return int(whole["phot_g_mean_mag"].notna().sum())


def _distances(run, chosen):
    known = any("distance_pc" in other.df for other in run.external)
    return comparison.distances(chosen, run.external) if known else None


def _compare(run, cache, first, second, of):
    chosen = _application(run, cache)
    if chosen is None:
        return None
    found = _once(cache, "distances", lambda: _distances(run, chosen))
    if found is None or not {first, second} <= set(found.columns):
        return None
    value = comparison.difference(found, first, second)
    return value[of] if value["n"] >= tables.FEWEST else None


def _survey(run, cache, survey, of, label=None):
    other = next((o for o in run.external if o.kind == survey), None)
    chosen = _application(run, cache)
    if other is None or chosen is None:
        return None
    both, matched = _once(cache, f"survey-{survey}", lambda: comparison.parameters(chosen, other))
    if of in ("matched", "n"):
        return {"matched": matched, "n": len(both)}[of]
    found = tables.spread(tables.residual(both, label))
    return found[of] if found["n"] >= tables.FEWEST else None


def _galaxy(run, cache):
    """Return positions and metallicities of the application, None where they are not known."""
    chosen = _application(run, cache)
    try:
        return None if chosen is None else gradients.of_table(chosen)
    except SuiteError:
        return None


def _subsample(run, cache):
    table = _once(cache, "galaxy", lambda: _galaxy(run, cache))
    return None if table is None else int(gradients.in_subsample(R=table["R"], Z=table["Z"]).sum())


def _gradients(run, cache, kind):
    table = _once(cache, "galaxy", lambda: _galaxy(run, cache))
    if table is None:
        return None
    where = dict(R=table["R"], Z=table["Z"], feh=table["feh"])
    return _once(cache, f"gradients-{kind}", lambda: getattr(gradients, kind)(**where))


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
    given = [name for name in ("pixels", "stars") if name in run.baselines]
    whole = run.baselines.loc[run.baselines["model"] == "CNN", given]
    if len(table) and len(whole) and (table[given].iloc[0] != whole.iloc[0]).any():
        return None  # on another input than the network it is compared with
    return table[label].iloc[0] if len(table) and label in table else None


def _catalogue_size(run, cache):
    chosen = _application(run, cache)
    return None if chosen is None else len(chosen)


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
    "with_gaia": _with_gaia,
}
