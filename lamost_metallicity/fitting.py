"""Fitting every network of a run (Sect. 3.2, 4, 5, and what is beyond the paper)."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

import numpy as np

from common.cli import say
from common.errors import MissingDataError
from lamost_metallicity.config import TARGETS
from lamost_metallicity.networks import NAMES

FEWEST = 5  # default: training galaxies that a network needs at least
LABELS = dict(zip(TARGETS, ("oh_true", "lgm_fib_true", "sfr_true"), strict=True))


@dataclass
class Job:
    """What all networks of a run share.

    Attributes
    ----------
    config : Config
    run_dir : Path
    shards : Shards
    split : ndarray of str, shape (n,)
    in_oh, in_class : ndarray of bool, shape (n,)
        As from `lamost_metallicity.data.choose_sample`.
    accelerator : common.accelerator.Accelerator
    """

    config: object
    run_dir: object
    shards: object
    split: np.ndarray
    in_oh: np.ndarray
    in_class: np.ndarray
    accelerator: object

    def rows(self, use):
        """Return the training and validation rows among those where `use` is True."""
        return {s: np.flatnonzero(use & (self.split == s)) for s in ("train", "valid")}


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
    train = job.rows(job.in_oh)["train"]
    if name == "classifier":
        is_sf = labels["is_sf"].eq(True).to_numpy(dtype=bool)
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
    import keras

    from common.training import save_model, write_history

    _check(job)
    models = {}
    for name in NAMES:
        path, work = job.run_dir / "models" / f"{name}.keras", job.run_dir / "work" / name
        if path.exists():
            history += json.loads((work / "history.json").read_text())
            models[name] = keras.models.load_model(path, compile=False)
        else:
            models[name], rows = _train(name, task(name, job, models), job, work)
            history += rows
            save_model(models[name], path)
            (work / "state.npz").unlink(missing_ok=True)  # the saved network makes it superfluous
        write_history(job.run_dir / "history.csv", history)
    return models


def _check(job):
    is_sf = job.shards.labels["is_sf"].eq(True).to_numpy(dtype=bool)
    kinds = {
        "star-forming galaxies with a metallicity": job.in_oh,
        "star-forming galaxies": job.in_class & is_sf,
        "other galaxies": job.in_class & ~is_sf,
    }
    for kind, use in kinds.items():
        n = len(job.rows(use)["train"])
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

    from common.files import write_json
    from common.pipeline import dataset
    from common.training import fit, learning_rate
    from lamost_metallicity.model import BUILDERS

    config, accelerator, rows = job.config, job.accelerator, job.rows(what.use)
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
    with accelerator.scope():
        model = BUILDERS[name](config)
        _start(model, what)
        metrics = [what.metric] if what.metric else []
        model.compile(keras.optimizers.Adam(rate), loss=what.loss, metrics=metrics)
    target = what.target
    if what.scale is not None:
        target = ((target - what.scale[0]) / what.scale[1]).astype("float32")
    options = dict(batch_size=batch_size, replicas=accelerator.replicas)
    train = dataset(job.shards, rows["train"], target[rows["train"]], seed=config.seed, **options)
    valid = None
    if len(rows["valid"]):
        valid = dataset(job.shards, rows["valid"], target[rows["valid"]], **options)
    accelerator.ready(model, train)
    history = fit(
        model,
        train,
        valid,
        name=name,
        folder=folder,
        epochs=epochs,
        monitor="val_loss" if valid is not None else "loss",
        mode="min",
        plateau=plateau,
    )
    if what.scale is not None:
        kernel, bias = model.layers[-1].get_weights()
        mean, std = (np.asarray(v, dtype="float32") for v in what.scale)
        model.layers[-1].set_weights([kernel * std, bias * std + mean])
    history = [row | {"n_train": len(rows["train"])} for row in history]
    write_json(folder / "history.json", history)
    shown = [k for k in ("loss", "val_loss", "mae", "val_mae", "accuracy", "val_accuracy")
             if k in history[-1]]  # fmt: skip
    last = ", ".join(f"{k} {history[-1][k]:.4g}" for k in shown)
    say(f"{name}: {last} after {len(history)} epochs of {len(rows['train'])} spectra")
    return model, history
