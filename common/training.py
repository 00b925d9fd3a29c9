"""One fit() for every paper: run folder, history, best checkpoint, resume, finite-loss guard."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from common.cli import progress
from common.errors import SuiteError

HISTORY = "history.csv"


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


class _Plateau(keras.callbacks.Callback):
    """Before each epoch: the rate that the history asks for, so that it resumes by itself."""

    def __init__(self, state, monitor, options):
        super().__init__()
        self.state, self.monitor, self.options = state, monitor, options

    def on_epoch_begin(self, epoch, logs=None):
        values = [row[self.monitor] for row in self.state["history"]]
        self.model.optimizer.learning_rate.assign(plateau_rate(values, **self.options))


class _Guard(keras.callbacks.Callback):
    """Stop at the first loss that is not finite, naming network, epoch and step."""

    def __init__(self, name):
        super().__init__()
        self.name, self.epoch = name, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        loss = (logs or {}).get("loss", 0.0)
        if not np.isfinite(loss):
            raise SuiteError(
                f"{self.name}: the loss became {loss} in epoch {self.epoch + 1}, step {batch + 1}. "
                "The last finished epoch is kept; try a lower --learning-rate or float32."
            )


class _Recorder(keras.callbacks.Callback):
    """After each epoch: a row of history, and the state to go on from, in one file."""

    def __init__(
        self, name, folder, state, *, monitor, better, bar, units, watch=None, patience=None
    ):
        super().__init__()
        self.name, self.folder, self.state = name, Path(folder), state
        self.monitor, self.better, self.bar, self.units = monitor, better, bar, units
        self.watch, self.patience = watch or {}, patience
        self.began = 0.0

    def on_epoch_begin(self, epoch, logs=None):
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        logs = {k: float(v) * self.units.get(k.removeprefix("val_"), 1) for k, v in logs.items()}
        row = dict(network=self.name, epoch=epoch, **logs)
        row["seconds"] = time.perf_counter() - self.began
        for split, data in self.watch.items():
            row |= self._watched(split, data)
        self.state["history"].append(row)
        score = logs[self.monitor]
        if self.state["best"] is None or self.better(score, self.state["best"]):
            self.state["best"] = score
            self.state["best_weights"] = self.model.get_weights()
        self.state["epoch"] = epoch + 1
        if _waited(self.state["history"], self.monitor, self.better) == self.patience:
            self.model.stop_training = True
        _save_state(self.folder / "state.npz", self.state, self.model)
        self.bar.set_postfix({self.monitor: f"{score:.4g}"})
        self.bar.update()

    def _watched(self, split, data):
        """Measure another split after this epoch, and keep the weights that are best on it."""
        logs = self.model.evaluate(data, verbose=0, return_dict=True)
        logs = {k: float(v) * self.units.get(k, 1) for k, v in logs.items()}
        score = logs[self.monitor.removeprefix("val_")]
        best = self.state["watched"].get(split)
        if best is None or self.better(score, best["score"]):
            self.state["watched"][split] = {"score": score, "weights": self.model.get_weights()}
        return {f"{split}_{k}": v for k, v in logs.items()}


def _waited(history, monitor, better):
    """Return how many epochs have passed since the best one."""
    scores = [row[monitor] for row in history]
    best = 0
    for i, score in enumerate(scores):
        if better(score, scores[best]):
            best = i
    return len(scores) - 1 - best


def _save_state(path, state, model):
    """Write weights, optimiser, best weights and history as one file, whole or not at all."""
    scores = {split: best["score"] for split, best in state["watched"].items()}
    kept = {k: state[k] for k in ("epoch", "best", "history")}
    about = json.dumps(kept | {"watched": scores})
    groups = {
        "weights": model.get_weights(),
        "optimizer": [v.numpy() for v in model.optimizer.variables],
        "best": state["best_weights"],
        **{f"watched-{split}": best["weights"] for split, best in state["watched"].items()},
    }
    arrays = {f"{k}_{i:04d}": a for k, group in groups.items() for i, a in enumerate(group)}
    part = path.with_name("part-" + path.name)  # keeps the ending, which numpy insists on
    np.savez(part, about=np.array(about), **arrays)
    os.replace(part, path)


def _load_state(path):
    with np.load(path) as file:
        state = json.loads(str(file["about"]))

        def arrays(group):
            return [file[n] for n in sorted(n for n in file.files if n.startswith(f"{group}_"))]

        state |= {group: arrays(group) for group in ("weights", "optimizer")}
        state["best_weights"] = arrays("best")
        state["watched"] = {
            split: {"score": score, "weights": arrays(f"watched-{split}")}
            for split, score in state.get("watched", {}).items()
        }
    return state


def watched_weights(folder, split):
    """Return the weights of the epoch that was best on a split that `fit` watched.

    Parameters
    ----------
    folder : path-like
        The working folder given to `fit`.
    split : str
        A key of its `watch`.

    Returns
    -------
    list of ndarray
    """
    return _load_state(Path(folder) / "state.npz")["watched"][split]["weights"]


def save_model(model, path):
    """Save a model as .keras under a temporary name, then move it into place."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name("part-" + path.name)  # keeps the ending, which Keras insists on
    model.save(part)
    os.replace(part, path)


def fit(
    model,
    train,
    valid,
    *,
    name,
    folder,
    epochs,
    monitor,
    mode,
    units=None,
    plateau=None,
    patience=None,
    watch=None,
):
    """Train a compiled model, or go on where an interrupted call stopped.

    Parameters
    ----------
    model : keras.Model
        Compiled; it holds the weights of the best epoch afterwards.
    train, valid : tf.data.Dataset
        Batches of (x, y); `valid` may be None, and `monitor` must then be a training metric.
    name : str
        Name of the network in the history.
    folder : path-like
        Working folder of this network, which holds state.npz.
    epochs : int
        Epochs in all, those before an interruption included.
    monitor : str
        Metric that decides which epoch is best.
    mode : {"min", "max"}
        Which values of it are better.
    units : dict, optional
        Factors that bring metrics to the units of the history, such as {"mae": 0.1}.
    plateau : dict, optional
        initial, factor and patience of `plateau_rate`, for a model compiled with a plain number
        as its learning rate.
    patience : int, optional
        Stop after so many epochs without a better one.
    watch : dict of str to tf.data.Dataset, optional
        Further splits to measure after each epoch; `watched_weights` gives the weights that were
        best on each. They decide nothing else.

    Returns
    -------
    list of dict
        The history's rows, one an epoch.

    Raises
    ------
    SuiteError
        If the loss is not finite.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    better = np.less if mode == "min" else np.greater
    state = {"epoch": 0, "best": None, "history": [], "watched": {}}
    if (folder / "state.npz").exists():
        state = _load_state(folder / "state.npz")
    stopped = patience and _waited(state["history"], monitor, better) >= patience
    if state["epoch"] < epochs and not stopped:
        if state["epoch"]:
            model.set_weights(state["weights"])
            restore_optimizer(model, state["optimizer"])
        with progress(total=epochs, initial=state["epoch"], desc=name, unit="epoch") as bar:
            recorder = _Recorder(
                name,
                folder,
                state,
                monitor=monitor,
                better=better,
                bar=bar,
                units=units or {},
                watch=watch,
                patience=patience or None,
            )
            falling = (
                [_Plateau(state, monitor, {"mode": mode, **plateau})] if plateau is not None else []
            )
            model.fit(
                train,
                validation_data=valid,
                epochs=epochs,
                initial_epoch=state["epoch"],
                shuffle=False,  # the pipeline shuffles
                verbose=0,
                callbacks=[*falling, _Guard(name), recorder],
            )
    model.set_weights(state["best_weights"])
    return state["history"]


def restore_optimizer(model, values):
    """Set all variables of a model's optimiser, building them first where that is still to do."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    for variable, value in zip(model.optimizer.variables, values, strict=True):
        variable.assign(value)


class Reusable:
    """Compiled models to use again with new weights.

    Tracing a network's training step takes TensorFlow several seconds; the members of an ensemble
    and the ensembles of a pipeline can share one trace.
    """

    def __init__(self):
        self._held = {}

    def get(self, key, build):
        """Return a freshly initialised compiled model.

        Parameters
        ----------
        key : hashable
            Models of equal key are built and compiled alike.
        build : callable
            Returns a new model (and compiles it, given ``compiled=True``).
        """
        if key not in self._held:
            model = build(compiled=True)
            model.optimizer.build(model.trainable_variables)
            self._held[key] = model, [v.numpy() for v in model.optimizer.variables]
            return model
        model, optimizer = self._held[key]
        model.set_weights(build(compiled=False).get_weights())
        restore_optimizer(model, optimizer)
        return model


def write_history(path, rows):
    """Write the history of all networks as CSV, one row an epoch."""
    path = Path(path)
    part = path.with_name(path.name + ".part")
    pd.DataFrame(rows).to_csv(part, index=False)
    os.replace(part, path)


def predict(model, x, *, batch_size=256, desc=None):
    """Run a model over all rows.

    Parameters
    ----------
    model : keras.Model
    x : ndarray of shape (n, n_pixels), or dict of str to ndarray of n rows
        The second for a model with named inputs.
    batch_size : int
    desc : str, optional
        Show a progress bar with this text.

    Returns
    -------
    ndarray of shape (n, n_outputs), float32
    """
    step = compiled(model)
    out = []
    n = len(next(iter(x.values()))) if isinstance(x, dict) else len(x)
    starts = range(0, n, batch_size)
    for start in progress(starts, desc=desc) if desc else starts:
        rows = slice(start, start + batch_size)
        out.append(step({k: v[rows] for k, v in x.items()} if isinstance(x, dict) else x[rows]))
    if not out:
        return np.zeros((0, model.output_shape[-1]), dtype="float32")
    return np.concatenate(out)


def compiled(model):
    """Return a function ndarray (or dict of them) -> ndarray that runs a model as one graph.

    `Model.predict` builds a data pipeline at every call, which costs more than a small batch
    itself; the traced function is kept with the model.
    """
    import tensorflow as tf

    if getattr(model, "_compiled_call", None) is None:
        object.__setattr__(model, "_compiled_call", {})
    graphs = model._compiled_call

    def graph_of(named):
        if named not in graphs:
            specs = {t.name: tf.TensorSpec((None, *t.shape[1:]), tf.float32) for t in model.inputs}
            graphs[named] = tf.function(
                lambda x: model(x, training=False),
                input_signature=[specs if named else next(iter(specs.values()))],
            )
        return graphs[named]

    def run(x):
        if isinstance(x, dict):
            arrays = {k: np.ascontiguousarray(v, dtype="float32") for k, v in x.items()}
            return graph_of(True)(arrays).numpy()
        return graph_of(False)(np.ascontiguousarray(x, dtype="float32")).numpy()

    return run
