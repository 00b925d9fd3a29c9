"""Learning rates over a training."""

from __future__ import annotations

import keras
import numpy as np

from common.errors import SuiteError


def learning_rate(kind, *, initial, epochs, steps_per_epoch, final=1e-6):
    """Return a learning-rate schedule over optimiser steps.

    Parameters
    ----------
    kind : {"steps", "cosine"}
        "steps" halves every 5 epochs (Zhong et al. 2024, Sect. 3.3), not below `final`; "cosine"
        warms up over a tenth of the run and falls to `final` along a cosine, for short runs.
    initial : float
        Highest rate.
    epochs, steps_per_epoch : int
        Length of the run.
    final : float
        Lowest rate.

    Raises
    ------
    SuiteError
        If the kind is unknown.
    """
    schedules = keras.optimizers.schedules
    if kind == "steps":
        edges = list(range(5, min(epochs, 50), 5))
        rates = [max(initial * 0.5**i, final) for i in range(len(edges) + 1)]
        if not edges:
            return initial
        return schedules.PiecewiseConstantDecay([e * steps_per_epoch for e in edges], rates)
    if kind == "cosine":
        total = epochs * steps_per_epoch
        warm = max(1, total // 10)
        return schedules.CosineDecay(
            initial / 20,
            decay_steps=max(1, total - warm),
            alpha=final / initial,
            warmup_target=initial,
            warmup_steps=warm,
        )
    raise SuiteError(f"schedule must be 'steps' or 'cosine'. Received {kind!r}.")


def plateau_rate(values, *, initial, factor, patience, mode="min"):
    """Return the learning rate of the next epoch where it falls on plateaus.

    Parameters
    ----------
    values : sequence of float
        The monitored quantity of each finished epoch.
    initial : float
        First rate.
    factor : float
        The rate is multiplied by it after `patience` epochs without a better value, and again
        after as many more.
    patience : int
        Epochs.
    mode : {"min", "max"}
        Which values are better.
    """
    sign = 1 if mode == "min" else -1
    rate, best, waited = initial, np.inf, 0
    for value in values:
        waited += 1
        if sign * value < best:
            best, waited = sign * value, 0
        if waited >= patience:
            rate, waited = rate * factor, 0
    return rate
