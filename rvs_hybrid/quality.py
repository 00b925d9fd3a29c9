"""How far a star is from what the network was trained on."""

from __future__ import annotations

import numpy as np

from rvs_hybrid.inputs import soften, whitened

QUANTILE = 0.999
LABEL_QUANTILES = (0.001, 0.999)
SPACES = {"rvs": 20, "coefficients": 60}  # default: principal components beside those of XP
MOST_ROWS = 4000  # default: training rows behind the components of an RVS spectrum's 2401 pixels
RANGES = ("phot", "parallax")


def distance(values, statistics, *, kind="xp"):
    """Return the Mahalanobis distance of spectra from the training set.

    Parameters
    ----------
    values : ndarray of shape (n, columns)
        XP flux over its median, RVS flux, or relative XP coefficients.
    statistics : dict
        "mean" and "scale" of the columns, "components" of shape (columns, n_components).
    kind : {"xp", "rvs", "coefficients"}

    Returns
    -------
    ndarray of shape (n,)
        Root mean square of the whitened principal components: about 1 in the training set; NaN
        where a column is missing.
    """
    values = soften(values) if kind == "xp" else np.asarray(values)
    z = (values - statistics["mean"]) / statistics["scale"]
    return np.sqrt(np.mean((z @ np.asarray(statistics["components"])) ** 2, axis=1))


def _space(values, kind):
    """Return what `distance` needs of one of `SPACES`, and the distance that most stay below."""
    values = values[np.isfinite(values).all(axis=1)].astype(float)
    about = {"mean": values.mean(axis=0), "scale": np.maximum(values.std(axis=0), 1e-6)}
    some = values[:: int(np.ceil(len(values) / MOST_ROWS))]
    about["components"] = whitened((some - about["mean"]) / about["scale"], SPACES[kind])
    far = float(np.quantile(distance(values, about, kind=kind), QUANTILE))
    return {k: v.astype("float32").tolist() for k, v in about.items()} | {"distance": far}


def fit_limits(inputs, labels, statistics):
    """Return the training set's limits, to be kept with a run.

    Parameters
    ----------
    inputs : dict of str to ndarray
        Of training rows.
    labels : dict of str to ndarray
        Of the same rows.
    statistics : dict
        As `rvs_hybrid.inputs.statistics` gives them.

    Returns
    -------
    dict
        "distance": the distance that 99.9 % of the training rows stay below; "xp": what
        `distance` needs; "rvs" and "coefficients": the same, with their "distance"; "phot" and
        "parallax": lowest and highest of each column; "labels": 0.1 and 99.9 % of each label.
    """
    out = {
        "labels": {k: np.nanquantile(v, LABEL_QUANTILES).tolist() for k, v in labels.items()},
    }
    if "xp" in inputs:
        about = {k: np.asarray(v) for k, v in (statistics["xp"] | {
            "components": statistics["components"]}).items()}  # fmt: skip
        far = distance(inputs["xp"], about)
        out["distance"] = float(np.nanquantile(far, QUANTILE))
        out["xp"] = {k: v.astype("float32").tolist() for k, v in about.items()}
    for kind in (kind for kind in SPACES if kind in inputs):
        if np.isfinite(inputs[kind]).all(axis=1).sum() > 1:
            out[kind] = _space(inputs[kind], kind)
    for kind in RANGES:
        if kind in inputs:
            values = inputs[kind]
            out[kind] = [np.nanmin(values, axis=0).tolist(), np.nanmax(values, axis=0).tolist()]
    return out


def judge(inputs, predicted, limits):
    """Return how far each star is from the training set, and whether it is outside.

    Parameters
    ----------
    inputs : dict of str to ndarray, n rows
    predicted : dict of str to ndarray of shape (n,)
        Label -> prediction.
    limits : dict
        As `fit_limits` gives them.

    Returns
    -------
    far : ndarray of shape (n,)
        XP distance over the one that 99.9 % of the training set stay below, of the sampled
        spectrum, or of the coefficients of a network without these; NaN without XP.
    outside : ndarray of bool, shape (n,)
        True where that, or the same of an RVS spectrum, is above 1, a magnitude, a colour or what
        `rvs_hybrid.inputs.parallax` gives is beyond the training set's, or a predicted label is
        beyond 99.8 % of it. Networks of older runs have limits of XP, magnitudes and labels.
    """
    n = len(next(iter(inputs.values())))
    far, outside = np.full(n, np.nan), np.zeros(n, bool)
    if "xp" in limits and "xp" in inputs:
        far = distance(inputs["xp"], limits["xp"]) / limits["distance"]
        outside |= far > 1
    for kind in (kind for kind in SPACES if kind in limits and kind in inputs):
        about = {k: np.asarray(v) for k, v in limits[kind].items()}
        there = distance(inputs[kind], about, kind=kind) / about["distance"]
        outside |= there > 1
        if kind == "coefficients" and "xp" not in limits:
            far = there
    for kind in RANGES:
        if kind in limits and kind in inputs:
            low, high = np.array(limits[kind])
            outside |= ((inputs[kind] < low) | (inputs[kind] > high)).any(axis=1)
    for label, (low, high) in limits.get("labels", {}).items():
        if label in predicted:
            outside |= (predicted[label] < low) | (predicted[label] > high)
    return far, outside
