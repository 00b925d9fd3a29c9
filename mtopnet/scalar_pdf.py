"""PDFs of stellar mass and star formation rate as mixtures of Gaussians (ours; Sect. 4 wishes it).

Their cost is 22 numbers more of each output layer, nothing beside the convolutions. A galaxy whose
redshift has two solutions has two masses, which one number with an error cannot say.
"""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax, ndtr

from mtopnet.model import COMPONENTS, LOG_SIGMA


def components(raw):
    """Return weights, means and sigmas of the mixtures, ndarrays of shape (n, COMPONENTS).

    Parameters
    ----------
    raw : ndarray of shape (n, 3 `COMPONENTS`)
        The network's output, of standardised quantities.
    """
    raw = np.asarray(raw, dtype=float)
    k = COMPONENTS
    weight = np.exp(log_softmax(raw[:, :k], axis=1))
    return weight, raw[:, k : 2 * k], np.exp(np.clip(raw[:, 2 * k :], *LOG_SIGMA))


def moments(raw):
    """Return mean and standard deviation of each mixture, ndarrays of shape (n,), standardised."""
    weight, mean, sigma = components(raw)
    middle = (weight * mean).sum(axis=1)
    variance = (weight * (sigma**2 + mean**2)).sum(axis=1) - middle**2
    return middle, np.sqrt(np.maximum(variance, 0))


def binned(raw, edges, mean, std):
    """Return the probability of each bin, ndarray of shape (n, n_bins), float32.

    Parameters
    ----------
    raw : ndarray of shape (n, 3 `COMPONENTS`)
    edges : ndarray of shape (n_bins + 1,)
        In the quantity's own unit.
    mean, std : float
        Of the standardisation.
    """
    weight, middle, sigma = components(raw)
    inner = (np.asarray(edges)[1:-1] - mean) / std
    total = np.zeros((len(weight), len(inner)))
    for k in range(COMPONENTS):
        away = (inner[None] - middle[:, k, None]) / sigma[:, k, None]
        total += weight[:, k, None] * ndtr(away)
    full = np.pad(total, ((0, 0), (1, 1)))
    full[:, -1] = 1
    return np.maximum(np.diff(full, axis=1), 0).astype("float32")
