"""What the template network's probabilities and errors are worth, by held-out spectra."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from common.calibration import fit_calibration
from common.errors import SuiteError
from gasnet2 import tables_trust
from gasnet2.config import COARSE
from gasnet2.templates.model import logit_table
from gasnet2.templates.networks import BATCH, ramps, solved
from gasnet2.templates.solutions import probabilities
from gasnet2.templates.targets import targets

TEMPERATURES = np.geomspace(0.5, 3.0, 41)
FEWEST = 100  # spectra that a calibration needs
PRIOR = 1.0  # weight of the squared distance of a slope from 1


def calibrated(trained, rows_of, rows, labels):
    """Return the network with temperature, probabilities and errors set by held-out spectra.

    Parameters
    ----------
    trained : TemplateNetwork
    rows_of : callable
        Row numbers of `labels` -> network input.
    rows : ndarray of int
        Validation spectra.
    labels : DataFrame
        class, z.

    Returns
    -------
    TemplateNetwork
        As it came where there are fewer than `FEWEST` spectra.
    """
    if len(rows) < FEWEST:
        return trained
    about = labels.iloc[rows]
    trained.temperature = _temperature(trained, rows_of, rows[:: max(1, len(rows) // 3000)], labels)
    found = solved(trained, lambda r: rows_of(rows[r]), len(rows), calibrate=False)
    coarse = about["class"].map(COARSE).to_numpy()
    z = np.where(coarse == "NONE", np.nan, about["z"].to_numpy(float))
    right = tables_trust.right(
        coarse_true=coarse, coarse_pred=found.coarse, z_true=z, z_pred=found.z
    )
    trained.right = {"all": slopes(found.p, right)}
    for kind in np.unique(found.coarse.astype(str)):
        here = found.coarse == kind
        if here.sum() >= 5 * FEWEST:
            trained.right[kind] = slopes(found.p[here], right[here])
    good = right & np.isfinite(z)
    try:
        trained.errors = fit_calibration(
            residual=((found.z - z) / (1 + z))[good],
            sigma=(found.z_err / (1 + found.z))[good],
            group=found.coarse[good].astype(str),
        )
    except SuiteError:  # too few right ones: errors stay those of the PDF
        trained.errors = None
    return trained


def _temperature(trained, rows_of, rows, labels):
    """Return the temperature with which the true class and redshift are most probable."""
    owner, shift = logit_table(trained.config.classes)
    target = targets(labels.iloc[rows], trained.config)
    total = np.zeros(len(TEMPERATURES))
    for start in range(0, len(rows), BATCH):
        here = slice(start, start + BATCH)
        logits, y = trained.logits(rows_of(rows[here])), target[here]
        near = (owner[None] == y[:, :1]) & (np.abs(shift[None] - y[:, 1:]) <= 1.5)
        known = near.any(axis=1)
        for i, temperature in enumerate(TEMPERATURES):
            p = probabilities(logits[known], temperature)
            mass = np.where(near[known], p, 0.0).sum(axis=1)
            total[i] -= np.log(np.maximum(mass, 1e-30)).sum()
    return float(TEMPERATURES[total.argmin()])


def slopes(p, right):
    """Return the coefficients that turn said probabilities into fractions right.

    Parameters
    ----------
    p : ndarray of shape (n,)
    right : ndarray of bool, shape (n,)

    Returns
    -------
    list of float
        Of `gasnet2.templates.networks.fraction_right`, no slope negative: the most likely ones,
        held to 1 by a weak prior where nothing is known. They change nothing where all are right
        or none is.
    """
    x = ramps(p)
    begin = np.append(0.0, np.ones(x.shape[1]))
    if right.all() or not right.any():
        return begin.tolist()
    sign = np.where(right, 1.0, -1.0)

    def loss(coefficients):
        margin = sign * (coefficients[0] + x @ coefficients[1:])
        pull = np.exp(-np.logaddexp(0, margin)) * sign  # of each spectrum, towards what it is
        off = coefficients[1:] - 1
        value = np.logaddexp(0, -margin).sum() + PRIOR * (off @ off)
        slope = -np.append(pull.sum(), pull @ x)
        slope[1:] += 2 * PRIOR * off
        return value, slope

    bounds = [(None, None)] + [(0.0, None)] * x.shape[1]
    return minimize(loss, begin, jac=True, bounds=bounds, method="L-BFGS-B").x.tolist()
