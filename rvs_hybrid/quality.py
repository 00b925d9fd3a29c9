"""How far a star is from what the network was trained on."""

from __future__ import annotations

import numpy as np

from rvs_hybrid.inputs import soften

QUANTILE = 0.999
LABEL_QUANTILES = (0.001, 0.999)


def components(xp, statistics):
    """Return whitened principal components of XP spectra, ndarray of shape (n, n_components)."""
    z = (soften(xp) - statistics["mean"]) / statistics["scale"]
    return z @ np.asarray(statistics["components"])


def distance(xp, statistics):
    """Return the Mahalanobis distance of XP spectra from the training set.

    Parameters
    ----------
    xp : ndarray of shape (n, 343)
        Flux over its median.
    statistics : dict
        "mean" and "scale" of the 343 pixels, "components" of shape (343, n_components).

    Returns
    -------
    ndarray of shape (n,)
        Root mean square of the whitened principal components: about 1 in the training set; NaN
        without an XP spectrum.
    """
    return np.sqrt(np.mean(components(xp, statistics) ** 2, axis=1))


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
        `distance` needs; "phot": lowest and highest of each column; "labels": 0.1 and 99.9 % of
        each label.
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
    if "phot" in inputs:
        out["phot"] = [
            np.nanmin(inputs["phot"], axis=0).tolist(), np.nanmax(inputs["phot"], axis=0).tolist()
        ]  # fmt: skip
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
        XP distance over the one that 99.9 % of the training set stay below; NaN without XP.
    outside : ndarray of bool, shape (n,)
        True where that is above 1, a magnitude or colour is beyond the training set's, or a
        predicted label is beyond 99.9 % of it.
    """
    n = len(next(iter(inputs.values())))
    far, outside = np.full(n, np.nan), np.zeros(n, bool)
    if "xp" in limits and "xp" in inputs:
        far = distance(inputs["xp"], limits["xp"]) / limits["distance"]
        outside |= far > 1
    if "phot" in limits and "phot" in inputs:
        low, high = np.array(limits["phot"])
        outside |= ((inputs["phot"] < low) | (inputs["phot"] > high)).any(axis=1)
    for label, (low, high) in limits.get("labels", {}).items():
        if label in predicted:
            outside |= (predicted[label] < low) | (predicted[label] > high)
    return far, outside
