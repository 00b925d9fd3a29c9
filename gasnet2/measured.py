"""What a run gives for each published number: the `measure` entries of claims.toml."""

from __future__ import annotations

import numpy as np

from common import metrics
from common.errors import SuiteError
from gasnet2 import tables
from gasnet2.accuracy import average_over_classes

FEWEST = 30  # a class or bin with fewer objects measures nothing
PRECISE = (
    0.005  # a loss of GF with a larger sampling error measures nothing: App. A's are 0.02-0.03
)


def measure(
    claims,
    df,
    *,
    history=None,
    config=None,
    timing=None,
    validation_mae=None,
    z_scale=10.0,
    parameters=None,
    contaminated=None,
    point_is_mean=False,
    classes=None,
    routed=False,
    sample=None,
):
    """Return {claim id: value} for the claims that this run can speak to.

    Parameters
    ----------
    claims : list of common.claims.Claim
        Those of the run's survey.
    df : DataFrame
        Predictions of the test set.
    history : DataFrame, optional
        Training histories (see `gasnet2.tables.model_table`).
    config, timing : dict, optional
        From the run folder.
    validation_mae : dict of str to float, optional
        Class → MAE on the validation set.
    z_scale : float
        What the redshift labels were multiplied by.
    parameters : dict of str to int, optional
        Network → number of parameters.
    contaminated : dict of int to DataFrame, optional
        Percentage of shuffled labels → predictions (App. A); 0 is the reference.
    point_is_mean : bool
        True where the table has no point estimates: claims about them stay untested.
    classes : sequence of str, optional
        Classes of the survey; found from the true labels by default.
    routed : bool
        Take redshifts from the network of the predicted class (what a user gets), not from that
        of the true class (the paper's protocol, Sect. 4.2.2).
    sample : DataFrame, optional
        The sample before the split (class_true, z_true, snr): without it nothing is said of sizes
        and ranges of redshift, which a part of the sample cannot show.
    """
    classes = tables.classes_of(df) if classes is None else classes
    run = dict(
        df=df,
        classes=classes,
        history=history,
        timing=timing or {},
        validation_mae=validation_mae,
        z_scale=z_scale,
        parameters=parameters or {},
        contaminated=contaminated or {},
        point_is_mean=point_is_mean,
        routed=routed,
        sample=sample,
        n_pixels=(config or {}).get("n_pixels"),
        cache={},
    )
    out = {}
    for claim in claims:
        how = dict(claim.measure)
        name = how.pop("metric", None)
        if name is None:  # what only others can measure; the claim's conditions say why
            continue
        if name not in MEASURES and name not in REDSHIFT:
            raise SuiteError(f"Claim {claim.id}: no measure is called {name!r}.")
        value = _redshift(run, name, **how) if name in REDSHIFT else MEASURES[name](run, **how)
        if value is not None and np.isfinite(value):
            out[claim.id] = float(value)
    return out


OF_MEASURED = ("mae", "mean_dz", "frac_t_le_3")  # they leave failed redshifts out
REDSHIFT = (*OF_MEASURED, "gf", "gf_snr_lt5", "gf_snr_5_10", "gf_snr_gt10")


def _redshift_table(run, classes, estimate):
    """Return `tables.metrics_table` of classes, all of which must have enough objects; or None."""
    prefix = {"mc": "z_routed" if run["routed"] else "z", "point": "z_point"}[estimate]
    if f"{prefix}_pred" not in run["df"] or (estimate == "point" and run["point_is_mean"]):
        return None
    if prefix not in run["cache"]:
        table = tables.metrics_table(run["df"], run["classes"], prefix=prefix)
        run["cache"][prefix] = table.set_index("class")
    table = run["cache"][prefix].reindex(classes)
    return None if (table["n"].fillna(0) < FEWEST).any() else table


def _redshift(run, name, *, classes, estimate="mc", reduce="mean"):
    """One column of `tables.metrics_table`, reduced over classes.

    A mean of those redshifts alone that did not fail is not the paper's, which is of all.
    """
    table = _redshift_table(run, classes, estimate)
    if table is None or (name in OF_MEASURED and table["n_failed"].any()):
        return None
    return getattr(table[name], reduce)(skipna=False)


def _classified(run):
    return "class_pred" in run["df"]


def _class_average(run):
    df = run["df"]
    if not _classified(run) or set(run["classes"]) - set(df["class_true"]):
        return None
    return metrics.class_average(
        true=df["class_true"], pred=df["class_pred"], labels=run["classes"]
    )[0]


def _accuracy(run, *, snr):
    """Average over the classes that have enough spectra between two S/N (Fig. C1)."""
    df = run["df"]
    if not _classified(run) or "snr" not in df or set(run["classes"]) - set(df["class_true"]):
        return None
    part = df[(df["snr"] >= snr[0]) & (df["snr"] < snr[1])]
    average, _, n, _ = average_over_classes(part, run["classes"])
    return average if n >= FEWEST else None


def _diagonal(run, classes, reduce, merge):
    if not _classified(run):
        return None
    true, pred, labels = tables.class_labels(run["df"], run["classes"], merge)
    matrix, n = metrics.confusion(true=true, pred=pred, labels=labels)
    rows = [labels.index(c) for c in (labels if classes is None else classes)]
    if (n[rows] < FEWEST).any():
        return None
    return getattr(np, reduce)(np.diag(matrix)[rows])


def _confused(run, *, true, pred):
    if not _classified(run):
        return None
    part = run["df"][run["df"]["class_true"] == true]
    return float((part["class_pred"] == pred).mean()) if len(part) >= FEWEST else None


def _above(run, *, classes, limit, estimate="mc"):
    """Return how many classes have a GF of at least a limit."""
    table = _redshift_table(run, classes, estimate)
    return None if table is None else float((table["gf"] >= limit).sum())


def _beyond_3_sigma(run, *, classes):
    """Return the largest fraction of a class with t above 3."""
    within = _redshift(run, "frac_t_le_3", classes=classes, reduce="min")
    return None if within is None else 1 - within


def _contamination(run, percent, of):
    """Loss against the clean reference, averaged over the classes that were trained.

    A loss that is not known to `PRECISE` says nothing.
    """
    runs = run["contaminated"]
    if percent not in runs or 0 not in runs:
        return None
    (clean, clean_se), (value, se) = (of(runs[key]) for key in (0, percent))
    return clean - value if np.hypot(clean_se, se) <= PRECISE else None


def _average(df):
    labels = list(dict.fromkeys(df["class_true"]))
    return metrics.class_average(true=df["class_true"], pred=df["class_pred"], labels=labels)[0], 0


def _mean_gf(df):
    """Return the mean GF of the classes and its sampling error."""
    if not {"z_true", "z_pred"} <= set(df) or not df["z_pred"].notna().any():
        return np.nan, np.nan
    table = tables.metrics_table(df, list(dict.fromkeys(df["class_true"])))
    return table["gf"].mean(), float(np.sqrt((table["gf_se"] ** 2).sum())) / max(len(table), 1)


def _history(run, network, column):
    """Best value on validation, averaged over the members of an ensemble."""
    if run["history"] is None:
        if column == "val_mae" and run["validation_mae"]:
            return run["validation_mae"].get(network)
        return None
    table = tables.model_table(run["history"], z_scale=run["z_scale"])
    part = table[table["network"].str.split("/").str[0] == network]
    return part[column].mean() if len(part) and column in part else None


def _n_train(run, network):
    """Training spectra of a network, in thousands."""
    history = run["history"]
    if history is None or "n_train" not in history:
        return None
    part = history[history["network"].str.split("/").str[0] == network]
    return part["n_train"].max() / 1000 if len(part) else None


def _parameters(run):
    """Parameters of the networks in millions: their common value, at the paper's 5001 pixels."""
    counts = {round(v / 1e6, 2) for v in run["parameters"].values()}
    return counts.pop() if len(counts) == 1 and run["n_pixels"] == 5001 else None


MEASURES = {
    "mean_z": lambda run, classes: _statistic(run, "mean_z", classes),
    "mean_snr": lambda run, classes: _statistic(run, "mean_snr", classes),
    "z_min": lambda run, classes: _of_sample(run, "z_min", classes, "min"),
    "z_max": lambda run, classes: _of_sample(run, "z_max", classes, "max"),
    "sample_size": lambda run, reduce: _of_sample(run, "num", run["classes"], reduce),
    "tested": lambda run, reduce: _tested(run, reduce),
    "classes_with_gf": _above,
    "t_outliers": _beyond_3_sigma,
    "n_train": _n_train,
    "val_accuracy": lambda run, network: _history(run, network, "val_accuracy"),
    "val_loss": lambda run, network: _history(run, network, "val_loss"),
    "val_mae": lambda run, network: _history(run, network, "val_mae"),
    "parameters": _parameters,
    "class_average": _class_average,
    "accuracy": _accuracy,
    "class_accuracy": lambda run, classes, reduce="mean": _diagonal(run, classes, reduce, False),
    "coarse_accuracy": lambda run, classes, reduce="mean": _diagonal(run, classes, reduce, True),
    "coarse_average": lambda run: _diagonal(run, None, "mean", True),
    "confused": _confused,
    "contamination_accuracy": lambda run, percent: _contamination(run, percent, _average),
    "contamination_gf": lambda run, percent: _contamination(run, percent, _mean_gf),
    "seconds_to_classify": lambda run, n: _timed(run, "classify_seconds_per_spectrum", n),
    "seconds_per_spectrum_core": lambda run: _timed(run, "seconds_per_spectrum_core", 1),
}


def _statistics(run):
    """Return Tables 1-3: of the sample where that is known, else of the predictions."""
    if "statistics" not in run["cache"]:
        table = tables.class_table(run["df"], run["classes"], sample=run["sample"])
        run["cache"]["statistics"] = table.set_index("class")
    return run["cache"]["statistics"]


def _statistic(run, column, classes):
    part = _statistics(run).loc[classes]
    few = part["n" if run["sample"] is None else "num"] < FEWEST
    return None if few.any() else part[column].mean(skipna=False)


def _of_sample(run, column, classes, reduce):
    """Return what only the whole sample can show, reduced over classes."""
    if run["sample"] is None:
        return None
    part = _statistics(run).loc[list(classes)]
    return None if (part["num"] < FEWEST).any() else getattr(part[column], reduce)()


def _tested(run, reduce):
    """Return how many spectra were tested, over classes: all of them must be there."""
    n = _statistics(run)["n"]
    return None if (n < FEWEST).any() else getattr(n, reduce)()


def _timed(run, key, n):
    value = run["timing"].get(key)
    return None if value is None else value * n
