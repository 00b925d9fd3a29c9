"""Fitting every network of a run (Sect. 3.2, 4, 5, and what is beyond the paper)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from common import fitting
from common.errors import MissingDataError
from lamost_metallicity.config import TARGETS
from lamost_metallicity.networks import NAMES
from lamost_metallicity.selection import kinds

FEWEST = 5  # default: training galaxies that a network needs at least
LABELS = dict(zip(TARGETS, ("oh_true", "lgm_fib_true", "sfr_true"), strict=True))


@dataclass
class Job(fitting.Job):
    """What all networks of a run share; see `common.fitting.Job`.

    Attributes
    ----------
    in_oh, in_class : ndarray of bool, shape (n,)
        As from `lamost_metallicity.data.choose_sample`.
    """

    in_oh: np.ndarray
    in_class: np.ndarray


@dataclass
class Task:
    """How one network is trained.

    Attributes
    ----------
    use : ndarray of bool, shape (n,)
    target : ndarray of shape (n, k), float32
    loss : str or callable
    metric : str or None
    start : ndarray of shape (n_outputs,) or None
        Biases of the output layer to start from.
    scale : (mean, std) or None
        Of the labels: the network learns (label - mean) / std; its output layer is scaled back
        afterwards, so that the saved network gives the labels' own units.
    begin : keras.Model or None
        A trained network whose features to start from, with half the epochs and a third of the
        rate.
    """

    use: np.ndarray
    target: np.ndarray
    loss: object
    metric: str | None = None
    start: np.ndarray | None = None
    scale: tuple | None = None
    begin: object = None


def task(name, job, models):
    """Return how a network is trained, a `Task`.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    job : Job
    models : dict of str to keras.Model
        The networks before it.
    """
    from lamost_metallicity.model import gaussian_nll, known_mse

    labels = job.shards.labels
    train = job.rows("train", job.in_oh)
    if name == "classifier":
        is_sf, _ = kinds(labels, job.config.class_2)
        target = np.stack([is_sf, ~is_sf], axis=1).astype("float32")
        return Task(job.in_class, target, "binary_crossentropy", "accuracy")
    if name == "multitask":
        target = np.stack([labels[c].to_numpy(dtype="float32") for c in LABELS.values()], axis=1)
        known = target[train]
        some = np.isfinite(known).any(axis=0)
        mean, std = np.zeros(len(TARGETS)), np.ones(len(TARGETS))
        mean[some] = np.nanmean(known[:, some], axis=0)
        std[some] = np.maximum(np.nanstd(known[:, some], axis=0), 1e-3)
        return Task(job.in_oh, target, known_mse, scale=(mean, std))
    target = labels["oh_true"].to_numpy(dtype="float32")[:, None]
    # An output layer that starts at the sample's middle spares the steps to get there.
    middle, spread = float(np.mean(target[train])), max(float(np.std(target[train])), 1e-3)
    if name == "error":
        # What the regressor knows of the mean is taken over: the likelihood alone learns it slowly.
        start = np.array([middle, np.log(spread)])
        return Task(job.in_oh, target, gaussian_nll, start=start, begin=models["regressor"])
    return Task(job.in_oh, target, "mse", "mae", start=np.array([middle]))


def networks(job, history):
    """Train every network of a job, or load what is finished.

    Parameters
    ----------
    job : Job
    history : list
        Filled with the rows of history.csv, which is written after each network.

    Returns
    -------
    dict of str to keras.Model

    Raises
    ------
    MissingDataError
        If there are too few labelled galaxies of a kind.
    """
    _check(job)
    models = {}
    for name in NAMES:

        def train(folder, name=name):
            return _train(name, task(name, job, models), job, folder)

        models[name] = job.once(name, train, history)
    return models


def _check(job):
    is_sf, _ = kinds(job.shards.labels, job.config.class_2)
    samples = {
        "star-forming galaxies with a metallicity": job.in_oh,
        "star-forming galaxies": job.in_class & is_sf,
        "other galaxies": job.in_class & ~is_sf,
    }
    for kind, use in samples.items():
        n = len(job.rows("train", use))
        if n < FEWEST:
            raise MissingDataError(
                f"{n} {kind} to train on; at least {FEWEST} are needed. Labels come from the "
                f"MPA-JHU tables: see selection.ecsv and rejects.ecsv in {job.run_dir / 'data'} "
                "for where the others went, and give more spectra."
            )


def _start(model, what):
    """Set the weights that a task starts from."""
    kernel, bias = model.layers[-1].get_weights()
    if what.start is not None:
        bias = what.start.astype("float32")
    if what.begin is not None:
        for layer, known in zip(model.layers[:-1], what.begin.layers[:-1], strict=True):
            layer.set_weights(known.get_weights())
        first, bias[0] = (w[..., 0] for w in what.begin.layers[-1].get_weights())
        kernel[:, 0], kernel[:, 1:] = first, 0.0
    model.layers[-1].set_weights([kernel, bias])


def _train(name, what, job, folder):
    """Train one network; return it with its best weights, and its history."""
    import keras

    from common.schedules import learning_rate
    from lamost_metallicity.model import BUILDERS

    config, rows = job.config, job.used(what.use)
    batch_size = config.mlp_batch if name == "mlp" else config.batch_size
    steps = math.ceil(len(rows["train"]) / batch_size)
    rate, plateau, epochs = config.learning_rate, None, config.epochs
    if what.begin is not None:
        rate, epochs = rate / 3, math.ceil(epochs / 2)
    if config.schedule == "plateau":
        plateau = dict(initial=rate, factor=0.1, patience=config.patience)
    else:
        rate = learning_rate(config.schedule, initial=rate, epochs=epochs, steps_per_epoch=steps)
    keras.utils.set_random_seed(config.seed + NAMES.index(name))
    with job.accelerator.scope():
        model = BUILDERS[name](config)
        _start(model, what)
        metrics = [what.metric] if what.metric else []
        model.compile(keras.optimizers.Adam(rate), loss=what.loss, metrics=metrics)
    target = what.target
    if what.scale is not None:
        target = ((target - what.scale[0]) / what.scale[1]).astype("float32")
    history = job.fit(
        model, target, rows=rows, name=name, folder=folder, batch_size=batch_size, epochs=epochs,
        plateau=plateau,
    )  # fmt: skip
    if what.scale is not None:
        kernel, bias = model.layers[-1].get_weights()
        mean, std = (np.asarray(v, dtype="float32") for v in what.scale)
        model.layers[-1].set_weights([kernel * std, bias * std + mean])
    fitting.say_last(
        name, history, ("loss", "mae", "accuracy"), end=f" of {len(rows['train'])} spectra"
    )
    return model, history
