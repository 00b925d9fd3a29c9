"""Predictions of stars that training has not seen: scatter and errors of the networks from them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from common.cli import say
from common.errors import SuiteError
from common.metrics import mad_sigma
from solarlike_distance.config import TARGETS
from solarlike_distance.networks import described, with_distances
from solarlike_distance.uncertainty import fit_errors, shrinkage

CUT = 5.0  # default: robust standard deviations beyond which a pair of residuals is left out


def predict_unseen(job, networks):
    """Predict unseen stars, and set the scatter, correlation and errors of the networks from them.

    Parameters
    ----------
    job : solarlike_distance.fitting.Job
    networks : Networks
        Trained; `scatter`, `correlation` and `errors` are filled in for the labels that are known
        of the stars, and left as they are for the others.

    Returns
    -------
    DataFrame
        The labels of the shards, L_pred and L_sigma of each label L, and
        `solarlike_distance.distance.columns`: reference stars of each trained fold by the network
        that was not trained on it (split "reference"), test stars by the mean of all networks
        (split "test").
    """
    labels = job.shards.labels
    true = labels[[f"{name}_true" for name in TARGETS]].to_numpy(float)
    snr_g = labels["snr_g"].to_numpy(float)
    test = job.rows("test")
    members = say_of(job, networks.models, test)
    parts = [(test, described(networks, members))]
    for model, fold in zip(networks.models, networks.folds, strict=True):
        rows = job.fold(fold)[1]
        parts.insert(-1, (rows, described(networks, say_of(job, [model], rows))))

    known = [k for k in range(len(TARGETS)) if np.isfinite(true[:, k]).any()]
    networks.scatter |= {
        TARGETS[k]: float(np.std(parts[-1][1][f"{TARGETS[k]}_pred"].to_numpy() - true[test, k]))
        for k in known
    }
    rows = np.concatenate([r for r, _ in parts[:-1]])
    unseen = pd.concat([table for _, table in parts[:-1]], ignore_index=True)
    residual = {TARGETS[k]: unseen[f"{TARGETS[k]}_pred"].to_numpy() - true[rows, k] for k in known}
    kept = {name: model for name, model in networks.errors.items() if name not in residual}
    networks.errors = kept | calibrate(unseen, residual, snr_g=snr_g[rows], members=members)
    if {"mg", "bprp"} <= set(residual):
        networks.correlation = correlation(residual["mg"], residual["bprp"])

    out = []
    for at, table in parts:
        own = labels.iloc[at].reset_index(drop=True)
        own["distance_true"] = own["r_med_geo"] if "r_med_geo" in own else np.nan
        table = table.assign(**networks.sigmas(table, snr_g[at]))
        out.append(with_distances(networks, pd.concat([own, table], axis=1)))
    return pd.concat(out, ignore_index=True)


def say_of(job, models, rows, batch=2048):
    """Return what some networks say of rows of the shards, ndarray of shape (n_models, n, 5)."""
    from common.inference import predict

    parts = [np.zeros((len(models), 0, len(TARGETS)))]
    for start in range(0, len(rows), batch):
        x = job.shards.rows(rows[start : start + batch])
        parts.append(np.stack([predict(model, x) for model in models]))
    return np.concatenate(parts, axis=1).astype(float)


def calibrate(unseen, residual, *, snr_g, members):
    """Fit the errors of every label.

    Parameters
    ----------
    unseen : DataFrame of n rows
        L_pred of reference stars, each by the network that was not trained on it.
    residual : dict of str to ndarray of shape (n,)
        Predicted minus true, per label that is known.
    snr_g : ndarray of shape (n,)
    members : ndarray of shape (n_members, m, 5)
        What every network says of the test spectra; their labels are not used.

    Returns
    -------
    dict of str to ErrorModel
        Empty where there are too few stars.
    """
    out = {}
    for name in residual:
        try:
            model = fit_errors(residual=residual[name], predicted=unseen, snr_g=snr_g)
        except SuiteError as error:
            say(f"the error of {name} is the test set's scatter for all stars: {error}")
            continue
        model.shrink = shrinkage(members[:, :, TARGETS.index(name)], residual[name])
        out[name] = model
    return out


def correlation(a, b):
    """Return the correlation of two residuals without their outliers; 0 of fewer than 20.

    Parameters
    ----------
    a, b : ndarray of shape (n,)
    """
    keep = np.isfinite(a) & np.isfinite(b)
    for value in (a, b):
        if not keep.any():
            break
        off = np.abs(value - np.median(value[keep]))
        keep &= off <= CUT * mad_sigma(value[keep])
    if keep.sum() < 20 or not (a[keep].std() > 0 and b[keep].std() > 0):
        return 0.0
    return float(np.corrcoef(a[keep], b[keep])[0, 1])
