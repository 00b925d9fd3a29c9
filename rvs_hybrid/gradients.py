"""Gradients of the labels along spectra and XP coefficients, in K and dex."""

from __future__ import annotations

import numpy as np
import pandas as pd

from common.explain import input_gradients
from rvs_hybrid.config import UNITS
from rvs_hybrid.lines import GRIDS

PER = {
    "rvs": "unit of normalised flux in a pixel of 0.01 nm",
    "rvs_line": "unit of normalised flux times 0.01 nm in an unresolved line",
    "xp": "unit of flux over its median in a sample of 2 nm",
    "xp_line": "unit of flux over its median times 2 nm in an unresolved line",
    "xp_coefficients": "unit of c_i / c_0 of the band",
}


def gradients(networks, inputs, *, names):
    """Return how an ensemble's labels change with its inputs.

    Parameters
    ----------
    networks : Networks
    inputs : dict of str to ndarray
        As `rvs_hybrid.inputs.inputs_of` gives them, n rows.
    names : sequence of str
        The inputs to look along; without gaps in these rows.

    Returns
    -------
    dict of str to ndarray of shape (n, n_labels, columns)
        d label / d input of the mean over members, K and dex per unit of the input.
    """
    labels = range(len(networks.config.labels))
    total = {}
    for model in networks.members:
        for name, part in input_gradients(model, inputs, names=names, outputs=labels).items():
            total[name] = total.get(name, 0) + part / len(networks.members)
    return {name: values * networks.scale[:, None] for name, values in total.items()}


def coefficient_gradients(gradient, xp, *, matrix, first):
    """Return gradients by XP coefficients from those by sampled flux (chain rule).

    Parameters
    ----------
    gradient : ndarray of shape (n, n_labels, 343)
        By flux over its median.
    xp : ndarray of shape (n, 343)
        Flux over its median.
    matrix : ndarray of shape (110, 343)
        Flux of each coefficient of value 1, `common.surveys.gaia_xp.design_matrix()`.
    first : ndarray of shape (n, 2)
        c_0 of BP and of RP of that flux.

    Returns
    -------
    ndarray of shape (n, n_labels, 110)
        By c_i / c_0 of the band, BP's 55 before RP's; what a change does through the median that
        the flux is divided by is in it.
    """
    xp = np.asarray(xp, dtype=float)
    direct = np.array(gradient, dtype=float)
    middle = np.argsort(xp, axis=1, kind="stable")[:, xp.shape[1] // 2]  # the pixel of the median
    through = np.einsum("nlp,np->nl", direct, xp)
    rows = np.arange(len(xp))
    direct[rows, :, middle] -= through
    return direct @ matrix.T * np.repeat(first, matrix.shape[0] // 2, axis=1)[:, None, :]


def by_coefficients(gradient, xp):
    """Return `coefficient_gradients` by GaiaXPy's matrix, and c_i / c_0; needs extra gaia.

    Parameters
    ----------
    gradient, xp
        As `coefficient_gradients` takes them.

    Returns
    -------
    gradient : ndarray of shape (n, n_labels, 110)
    relative : ndarray of shape (n, 110)
        c_i / c_0 of the band, fitted to the flux.
    """
    from common.surveys.gaia_xp import design_matrix, from_sampled

    fitted = from_sampled(xp)
    first = np.stack([fitted.bp[:, 0], fitted.rp[:, 0]], axis=1)
    relative = np.concatenate([fitted.bp / first[:, :1], fitted.rp / first[:, 1:]], axis=1)
    return coefficient_gradients(gradient, xp, matrix=design_matrix(), first=first), relative


def average(found, groups, labels, *, inputs=None):
    """Return mean gradients of each group of stars as one long table.

    Parameters
    ----------
    found : dict of str to ndarray of shape (n, n_labels, columns)
        As `gradients` gives them; NaN rows do not count.
    groups : ndarray of str, shape (n,)
    labels : sequence of str
    inputs : dict of str to ndarray of shape (n, columns), optional
        What the gradients are by, for `spread`.

    Returns
    -------
    DataFrame
        group, n_stars, label, input, x (wavelength in nm, or number of the coefficient), mean,
        mean_abs, unit, and spread: the standard deviation of the input over the group's stars.
    """
    parts = []
    for name, values in found.items():
        x = GRIDS.get(name, np.arange(values.shape[2]))
        known = np.isfinite(values).all(axis=(1, 2))
        for which in np.unique(groups):
            rows = known & (groups == which)
            if not rows.any():
                continue
            mean, size = values[rows].mean(axis=0), np.abs(values[rows]).mean(axis=0)
            spread = np.std(inputs[name][rows], axis=0) if name in (inputs or ()) else np.nan
            for i, label in enumerate(labels):
                columns = dict(group=which, n_stars=int(rows.sum()), label=label, input=name, x=x,
                               mean=mean[i], mean_abs=size[i], spread=spread,
                               unit=f"{UNITS[label]} per {PER[name]}")  # fmt: skip
                parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)
