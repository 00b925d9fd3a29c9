"""What a run gives for each published number: the `measure` entries of claims.toml."""

from __future__ import annotations

import numpy as np

from common.errors import SuiteError
from mtopnet.tables import pdf as tables_pdf
from mtopnet.tables import redshifts as tables
from mtopnet.tables import variants as tables_variants
from mtopnet.tables.sample import of_galaxies, peak


def measure(claims, df, *, variants=None, about=None, everything=None):
    """Return {claim id: value} for the claims that this run can speak to.

    Parameters
    ----------
    claims : list of common.claims.Claim
    df : DataFrame
        Predictions of the test set, with dz.
    variants : dict, optional
        As `mtopnet.tables.variants.read_variants` gives them.
    about : dict, optional
        config.json of the run.
    everything : DataFrame, optional
        Labels of all splits: what the galaxies are is asked of these; by default of `df`.
    """
    galaxies = df if everything is None else everything
    run = dict(df=df, variants=variants or {}, about=about or {}, galaxies=galaxies)
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


def _sample(run, sample):
    """Return the rows of a sample, or None where they are too few to measure anything."""
    df = run["df"]
    known = tables.samples(df)
    if sample not in known or known[sample].sum() < tables.FEWEST:
        return None
    return df[known[sample]]


def _fit(run, quantity, of, sample="all"):
    part = _sample(run, sample)
    value = None if part is None else tables.residual(part, quantity)
    if value is None or np.isfinite(value).sum() < tables.FEWEST:
        return None
    return tables.gaussian_fit(value)[of]


def _success(run, sample, threshold, low=None, high=None):
    part = _sample(run, sample)
    if part is None:
        return None
    if low is not None:
        if "m_h" not in part:
            return None
        part = part[(part["m_h"] >= low) & (part["m_h"] < high)]
    return tables.success(part["dz"], threshold).mean() if len(part) >= tables.FEWEST else None


def _gain(run, threshold):
    """Mean over exposure times of what z 0.8-1.7 gains over all redshifts."""
    gains = []
    for hours in tables.EXPOSURES:
        every = _success(run, f"{hours:g} h", threshold)
        middle = _success(run, f"{hours:g} h, z 0.8-1.7", threshold)
        if every is None or middle is None:
            return None
        gains.append(middle - every)
    return np.mean(gains)


def _catastrophic(run, network="multi-task"):
    part = _sample(run, "8 h")
    if part is None:
        return None
    if network == "multi-task":
        return tables.catastrophic(part["dz"]).mean()
    for name, (other, about) in run["variants"].items():
        if tables_variants.name_of(name, about) == network:
            return tables_variants.compare(part, other).get("second")
    return None


def _order(run, first, second):
    """Return how many more redshifts one network loses at 8 h than another."""
    lost = [_catastrophic(run, network) for network in (first, second)]
    return None if None in lost else lost[0] - lost[1]


def _similar(run, changed):
    """Return the largest change of success by variants that differ from the run in this alone.

    `changed` names the fields and the values that must have been tried; any one without values.
    """
    found = {}
    for other, about in run["variants"].values():
        if about["changed"].keys() == changed.keys():
            (value,) = about["changed"].values()
            found[value] = tables_variants.compare(run["df"], other, limit=tables.GOOD)
    ((_, wanted),) = changed.items()
    tried = [found.get(value, {}).get("difference") for value in wanted or found]
    return None if not tried or None in tried else np.max(np.abs(tried))


def _screening(run, sample, of, cut="entropy"):
    part = _sample(run, sample)
    if part is None or cut not in part or part[cut].isna().all():
        return None
    keep, good = tables_pdf.kept(part, cut), tables.success(part["dz"])
    if of == "dropped":
        return 1 - keep.mean()
    if of == "before":
        return good.mean()
    return good[keep].mean() if keep.sum() >= tables.FEWEST else None


def _equivalent(run, sample):
    by_entropy = _screening(run, sample, "after")
    by_skewness = _screening(run, sample, "after", "skewness")
    return None if by_entropy is None or by_skewness is None else abs(by_entropy - by_skewness)


def _mc(run, threshold, passes):
    if run["about"].get("config", {}).get("mc_passes") != passes:
        return None
    table = tables_pdf.mc_table(run["df"])
    table = table[(table["sample"] == "all") & (table["threshold"] == threshold)]
    return abs(table["relative"].iloc[0]) if len(table) else None


def _dark(run):
    table = tables_pdf.dark_table(run["df"])
    table = table[table["low"] == tables.DARK_Z[0]]
    return table["excess"].iloc[0] if len(table) else None


def _count(run, sample):
    known = tables.samples(run["df"])
    return known[sample].sum() if sample in known else None


def _share(run):
    z = run["df"]["z_true"]
    return z.between(*tables.BEST_Z, inclusive="left").mean() if len(z) >= tables.FEWEST else None


def _median(run, column, log=False):
    value = _quantile(run, column, 0.5)
    if value is None or (log and not value > 0):
        return None
    return np.log10(value) if log else value


def _quantile(run, column, level):
    value = of_galaxies(run["galaxies"], column)
    return None if value is None else np.quantile(value, level)


def _mode(run, column, width):
    value = of_galaxies(run["galaxies"], column)
    return None if value is None else peak(value, width)


def _about(run, keys, only=None):
    """Return a number of config.json; where asked, of a configuration with these values alone."""
    value = run["about"]
    config = value.get("config", {})
    if any(config.get(name) != wanted for name, wanted in (only or {}).items()):
        return None
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, (int, float)) else None


MEASURES = {
    "fit": _fit,
    "success": _success,
    "gain": _gain,
    "catastrophic": _catastrophic,
    "order": _order,
    "similar": _similar,
    "screening": _screening,
    "equivalent": _equivalent,
    "mc": _mc,
    "dark": _dark,
    "count": _count,
    "share": _share,
    "median": _median,
    "quantile": _quantile,
    "mode": _mode,
    "about": _about,
}
