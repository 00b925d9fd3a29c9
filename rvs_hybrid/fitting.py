"""Training the members of the ensemble, under two rules of choosing among them.

"held-out": the best epoch and the members that are kept are those of the validation split; the
test split has no say. "precursor": the rule of Guiglion et al. 2020 and Nepal et al. 2023, which
stop and choose on the test split. One training serves both: they differ in the epoch they keep.
"""

from __future__ import annotations

from functools import partial

import keras
import numpy as np
from keras import ops

from common import models, runs, schedules, training
from common.cli import say
from rvs_hybrid import data
from rvs_hybrid.inputs import split_row, statistics
from rvs_hybrid.model import build_model

RULES = {"held-out": "valid", "precursor": "test"}
STATISTICS_ROWS = 20000
LOG_VARIANCE = (-10.0, 6.0)


def loss(beta):
    """Return the masked beta-likelihood of a Gaussian (Seitzer et al. 2022, ICLR, Eq. 2).

    Labels that are NaN do not count. beta = 0 is the likelihood, 1 weighs residuals as the mean
    squared error does.
    """

    def likelihood(y, predicted):
        n = ops.shape(y)[-1]
        mean, log_variance = predicted[:, :n], ops.clip(predicted[:, n:], *LOG_VARIANCE)
        known = ops.cast(ops.logical_not(ops.isnan(y)), "float32")
        residual = ops.where(known > 0, y - mean, 0.0)
        each = 0.5 * (ops.square(residual) * ops.exp(-log_variance) + log_variance)
        each = each * ops.stop_gradient(ops.exp(beta * log_variance)) * known
        return ops.sum(each, axis=-1) / ops.maximum(ops.sum(known, axis=-1), 1.0)

    return likelihood


def mean_absolute_error(y, predicted):
    """Mean absolute error of scaled labels, over those that are known."""
    n = ops.shape(y)[-1]
    known = ops.cast(ops.logical_not(ops.isnan(y)), "float32")
    error = ops.where(known > 0, ops.abs(y - predicted[:, :n]), 0.0)
    return ops.sum(error, axis=-1) / ops.maximum(ops.sum(known, axis=-1), 1.0)


def statistics_of(job):
    """Return `rvs_hybrid.inputs.statistics` of the training rows (of a part of very many)."""
    rows = job.rows("train")
    if len(rows) > STATISTICS_ROWS:
        rows = np.sort(np.random.default_rng(0).choice(rows, STATISTICS_ROWS, replace=False))
    return statistics(split_row(job.shards.rows(rows), job.config), job.config)


def train_members(job, *, offset, scale, history):
    """Train all members, or go on where an interrupted run stopped.

    Parameters
    ----------
    job : common.fitting.Job
    offset, scale : ndarrays of shape (n_labels,)
        As of `rvs_hybrid.data.scaling`.
    history : list
        Gets the rows of history.csv.

    Returns
    -------
    list of dict
        One a member: "score" of each rule (its loss at the epoch it keeps).
    """
    config = job.config
    about = statistics_of(job)
    splits = {name: job.rows(name) for name in ("train", "valid", "test")}
    y = job.shards.labels[list(config.labels)].to_numpy(float)
    y = ((y - offset) / scale).astype("float32")
    steps = int(np.ceil(len(splits["train"]) / config.batch_size))
    batches = partial(data.dataset, config=config)
    scores = []
    for member in range(config.members):
        folder = job.run_dir / "work" / f"member_{member}"
        with job.accelerator.scope():
            keras.utils.set_random_seed(config.seed * 1000 + member)
            model = build_model(config, statistics=about)
            model.compile(_optimizer(config, steps), loss=loss(config.beta),
                          metrics=[mean_absolute_error])  # fmt: skip
        test = batches(job.shards, splits["test"], y[splits["test"]], batch_size=config.batch_size,
                       replicas=job.accelerator.replicas)  # fmt: skip
        rows = job.fit(
            model, y, rows=splits, name=f"member_{member}", folder=folder,
            seed=config.seed * 1000 + member, make=batches, patience=config.patience,
            watch={"test": test},
        )  # fmt: skip
        for row in rows:
            del row["n_train"]  # the same for every member: config.json has it
        history += rows
        models.save_model(model, _path(job.run_dir, "held-out", member))
        model.set_weights(training.watched_weights(folder, "test"))
        models.save_model(model, _path(job.run_dir, "precursor", member))
        runs.write_history(job.run_dir / "history.csv", history)
        best = min(rows, key=lambda row: row["val_loss"])
        scores.append(
            {"held-out": best["val_loss"], "precursor": min(row["test_loss"] for row in rows)}
        )
        say(
            f"member {member}: val_loss {best['val_loss']:.4f}, mean absolute error "
            f"{best['val_mean_absolute_error']:.3f} (scaled labels) after {len(rows)} epochs"
        )
    return scores


def _path(run_dir, rule, member):
    return run_dir / "models" / rule / f"member_{member:02d}.keras"


def _optimizer(config, steps):
    rate = config.learning_rate
    if config.schedule != "constant":
        rate = schedules.learning_rate(
            config.schedule, initial=rate, epochs=config.epochs, steps_per_epoch=steps
        )
    options = dict(global_clipnorm=config.clip_norm or None)  # one odd star must not undo an epoch
    if config.weight_decay:
        return keras.optimizers.AdamW(rate, weight_decay=config.weight_decay, **options)
    return keras.optimizers.Adam(rate, **options)


def kept(scores, share):
    """Return which members an ensemble keeps: the best ones, by loss.

    Parameters
    ----------
    scores : sequence of float
        Loss of each member on the split that decides.
    share : float
        0.8 in Guiglion et al. 2020, Sect. 4, and Nepal et al. 2023, who drop what lies above the
        80th percentile; 1 keeps all. The number kept is rounded up.

    Returns
    -------
    list of int
    """
    n = int(np.ceil(share * len(scores) - 1e-9))
    return sorted(int(i) for i in np.argsort(scores, kind="stable")[:n])
