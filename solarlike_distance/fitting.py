"""Fitting the networks of a run: five-fold cross-validation on the reference set (Sect. 3.2)."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from common import fitting
from common.cli import say
from common.errors import MissingDataError
from solarlike_distance.config import TARGETS
from solarlike_distance.networks import load_network
from solarlike_distance.unseen import say_of

FEWEST = 5  # default: training stars that a network needs at least
PLATEAU = 0.5  # Sect. 3.2: the rate is halved


class Job(fitting.Job):
    """What all networks of a run share; see `common.fitting.Job`.

    The labels of its shards: split ("reference" or "test"), fold (0 to folds - 1, -1 in the test
    set), the five L_true.
    """

    def fold(self, number):
        """Return (training rows, validation rows) of the network validated on a fold."""
        reference = self.rows("reference")
        own = self.shards.labels["fold"].to_numpy()[reference] == number
        return reference[~own], reference[own]

    def target(self):
        """Return the labels in physical units, ndarray of shape (n, 5)."""
        return self.shards.labels[[f"{name}_true" for name in TARGETS]].to_numpy(float)


def folds_of(config):
    """Return which folds get a network: all of them, or the first `members`."""
    n = config.folds if config.members <= 0 else min(config.members, config.folds)
    return list(range(n))


def scaling(job):
    """Return {"mean", "std"} of the reference set's labels, lists of 5 (z-scores, Sect. 3.2)."""
    y = job.target()[job.rows("reference")]
    return {"mean": y.mean(axis=0).tolist(), "std": np.maximum(y.std(axis=0), 1e-6).tolist()}


def networks(job, scaler, history, begun=()):
    """Train the network of every fold, or load what is finished.

    Parameters
    ----------
    job : Job
    scaler : dict
        From `scaling`.
    history : list
        Filled with the rows of history.csv, which is written after each network.
    begun : sequence of keras.Model
        Trained networks in physical units, which the folds take in turn to go on from; labels that
        are missing (NaN) are then what they say themselves. None by default: all begins anew.

    Returns
    -------
    list of keras.Model
        In physical units.

    Raises
    ------
    MissingDataError
        If a network has too few stars to learn from, or the test set is empty.
    """
    _check(job)
    load = partial(load_network, config=job.config)
    return [
        job.once(f"fold_{fold}", partial(_train, fold, job, scaler, begun), history, load=load)
        for fold in folds_of(job.config)
    ]


def _check(job):
    lost = job.run_dir / "data"
    where = f"See selection.ecsv and rejects.ecsv in {lost} for where the others went"
    for fold in folds_of(job.config):
        n = len(job.fold(fold)[0])
        if n < FEWEST:
            raise MissingDataError(
                f"{n} stars to train the network of fold {fold} on; at least {FEWEST} are needed. "
                f"{where}, and give more spectra with labels."
            )
    if len(job.rows("test")) < 2:
        raise MissingDataError(
            f"{len(job.rows('test'))} star(s) in the test set; distances need the scatter of M_G "
            f"there, from at least 2. {where}, and give more spectra with labels."
        )


def _train(fold, job, scaler, begun, folder):
    """Train one network; return it with its best weights, in physical units, and its history."""
    import keras

    from common.schedules import learning_rate
    from solarlike_distance.model import build_model

    config = job.config
    rows = dict(zip(("train", "valid"), job.fold(fold), strict=True))
    mean, std = (np.asarray(scaler[k]) for k in ("mean", "std"))
    first = begun[fold % len(begun)] if begun else None
    target = ((_targets(job, first) - mean) / std).astype("float32")
    steps = math.ceil(len(rows["train"]) / config.batch_size)
    rate, plateau = config.learning_rate, None
    if config.schedule == "plateau":
        plateau = dict(initial=rate, factor=PLATEAU, patience=config.patience)
    else:
        rate = learning_rate(
            config.schedule, initial=rate, epochs=config.epochs, steps_per_epoch=steps
        )
    keras.utils.set_random_seed(config.seed * 1000 + fold)
    with job.accelerator.scope():
        model = build_model(config)
        if first is not None:
            weights = first.get_weights()
            model.set_weights([*weights[:-2], weights[-2] / std, (weights[-1] - mean) / std])
        model.compile(keras.optimizers.Adam(rate), loss="mse", metrics=["mae"])
    history = job.fit(
        model, target, rows=rows, name=f"fold_{fold}", folder=folder,
        seed=config.seed * 1000 + fold, plateau=plateau, patience=config.stop_patience or None,
    )  # fmt: skip
    last = ", ".join(f"{k} {history[-1][k]:.4g}" for k in ("loss", "val_loss") if k in history[-1])
    n = len(rows["train"])
    say(f"fold {fold}: {last} (z-scores) after {len(history)} epochs of {n} spectra")
    return _physical(model, config, mean, std), history


def _targets(job, first):
    """Return the labels in physical units; what a network says stands where they are missing."""
    y = job.target()
    if first is None or np.isfinite(y).all():
        return y
    said = say_of(job, [first], np.arange(len(y)))[0]
    return np.where(np.isfinite(y), y, said)


def _physical(model, config, mean, std):
    """Return the network with an output layer that undoes the z-score, and no optimiser."""
    from solarlike_distance.model import build_model

    weights = model.get_weights()
    weights[-2] = (weights[-2] * std).astype("float32")
    weights[-1] = (weights[-1] * std + mean).astype("float32")
    plain = build_model(config)
    plain.set_weights(weights)
    return plain
