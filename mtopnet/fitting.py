"""Fitting the network of a run (Sect. 3.2.3)."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from common.cli import say
from common.errors import MissingDataError
from mtopnet.kinds import other_kind
from mtopnet.networks import NAME

FEWEST = 5  # default: training spectra that the network needs at least
STATISTICS_ROWS = 20000  # default: training rows that the continuum's mean and std rest on


def _own_rows(job):
    """Return the training rows of the network's own kind: what numbers it is standardised by.

    The continua of stars are so much brighter that they alone would set mean and std.
    """
    return job.rows("train", ~other_kind(job.shards.labels))


def scaling_of(job):
    """Return mean and std of log mass and log SFR over the training set (Sect. 3.1).

    Parameters
    ----------
    job : common.fitting.Job

    Returns
    -------
    dict of str to (mean, std)
        lgm and sfr; (0, 1) of a quantity that no spectrum has.
    """
    labels, out = job.shards.labels.iloc[_own_rows(job)], {}
    for name in ("lgm", "sfr"):
        values = labels[f"{name}_true"].to_numpy(dtype=float)
        values = values[np.isfinite(values)]
        spread = float(values.std()) if len(values) else 0.0
        out[name] = (
            float(values.mean()) if len(values) else 0.0,
            max(spread, 1e-3) if spread else 1.0,
        )
    return out


def continuum_rows(job):
    """Return the continuum vectors of the training set, of a part of a very large one.

    Those of spectra of the network's own kind alone.
    """
    rows = _own_rows(job)
    if len(rows) > STATISTICS_ROWS:
        rows = np.sort(np.random.default_rng(0).choice(rows, STATISTICS_ROWS, replace=False))
    parts = [
        job.shards.rows(rows[i : i + 2048])[:, job.config.n_pixels :]
        for i in range(0, len(rows), 2048)
    ]
    return np.concatenate(parts)


def network(job, scaling, history):
    """Train the network of a job, or load it where it is finished.

    Parameters
    ----------
    job : common.fitting.Job
    scaling : dict
        As from `scaling_of`.
    history : list
        Filled with the rows of history.csv, which is written too.

    Returns
    -------
    keras.Model

    Raises
    ------
    MissingDataError
        If there are too few spectra to train on.
    """
    from mtopnet import comb, model  # noqa: F401 - layers of ours, to be known to Keras

    n = len(_own_rows(job))
    if n < FEWEST:
        raise MissingDataError(
            f"{n} spectra to train on; at least {FEWEST} are needed. See rejects.ecsv in "
            f"{job.shards.folder} for where others went, and give more."
        )
    return job.once(NAME, lambda folder: _train(job, scaling, folder), history)


def fresh(job):
    """Return an untrained network with the training set's numbers in it, and steps an epoch."""
    import keras

    from mtopnet.model import build_model, set_standard

    keras.utils.set_random_seed(job.config.seed)
    model = build_model(job.config)
    set_standard(model, continuum_rows(job))
    return model, math.ceil(len(job.rows("train")) / job.config.batch_size)


def _train(job, scaling, folder):
    """Train the network; return it with its best weights, and its history."""
    from mtopnet.data import dataset, targets
    from mtopnet.losses import compile_model

    config = job.config
    y = targets(job.shards.labels, scaling, config)
    with job.accelerator.scope():
        model, steps = fresh(job)
        compile_model(model, config, steps)
    rows = job.used()
    history = job.fit(
        model, y, name=NAME, folder=folder, make=partial(dataset, config=config),
        patience=config.patience if len(rows["valid"]) else None,
    )  # fmt: skip
    shown = [k for k in ("loss", "val_loss", "z_success", "val_z_success") if k in history[-1]]
    best = min(history, key=lambda row: row.get("val_loss", row["loss"]))
    text = ", ".join(f"{k} {best[k]:.4g}" for k in shown)
    say(f"{NAME}: {text} in epoch {best['epoch'] + 1} of {len(history)}, "
        f"{len(rows['train'])} spectra")  # fmt: skip
    return model, history


def best_epoch(history):
    """Return the epoch that is kept, counted from 1."""
    scores = [row.get("val_loss", row["loss"]) for row in history]
    return int(np.argmin(scores)) + 1
