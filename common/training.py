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
    """After each epoch: a row of history, the last state, and the best state so far."""

    def __init__(self, name, folder, state, *, monitor, best_is, bar, units):
        super().__init__()
        self.name, self.folder, self.state = name, Path(folder), state
        self.monitor, self.best_is, self.bar, self.units = monitor, best_is, bar, units
        self.began = 0.0

    def on_epoch_begin(self, epoch, logs=None):
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        logs = {k: float(v) * self.units.get(k.removeprefix("val_"), 1) for k, v in logs.items()}
        row = dict(network=self.name, epoch=epoch, **logs)
        row["seconds"] = time.perf_counter() - self.began
        self.state["history"].append(row)
        score = logs[self.monitor]
        better = self.state["best"] is None or self.best_is(score, self.state["best"]) == score
        save_model(self.model, self.folder / "last.keras")
        if better:
            self.state["best"] = score
            save_model(self.model, self.folder / "best.keras")
        self.state["epoch"] = epoch + 1
        write_json(self.folder / "state.json", self.state)
        self.bar.set_postfix({self.monitor: f"{score:.4g}"})
        self.bar.update()


def save_model(model, path):
    """Save a model as .keras under a temporary name, then move it into place."""
    path = Path(path)
    part = path.with_name("." + path.name)  # keeps the ending, which Keras insists on
    model.save(part)
    os.replace(part, path)


def write_json(path, value):
    """Write JSON under a temporary name, then move it into place."""
    path = Path(path)
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(value, indent=1))
    os.replace(part, path)


def fit(model, train, valid, *, name, folder, epochs, monitor, mode, units=None):
    """Train a compiled model, or go on where an interrupted call stopped.

    Parameters
    ----------
    model : keras.Model
        Compiled.
    train, valid : tf.data.Dataset
        Batches of (x, y); `valid` may be None, and `monitor` must then be a training metric.
    name : str
        Name of the network in the history.
    folder : path-like
        Working folder of this network: last.keras, best.keras, state.json.
    epochs : int
        Epochs in all, those before an interruption included.
    monitor : str
        Metric that decides which epoch is best.
    mode : {"min", "max"}
        Which values of it are better.
    units : dict, optional
        Factors that bring metrics to the units of the history, such as {"mae": 0.1}.

    Returns
    -------
    keras.Model, list of dict
        The model of the best epoch, and the history's rows.

    Raises
    ------
    SuiteError
        If the loss is not finite.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    state = {"epoch": 0, "best": None, "history": []}
    marker = folder / "state.json"
    if marker.exists() and (folder / "last.keras").exists():
        state = json.loads(marker.read_text())
        saved = keras.models.load_model(folder / "last.keras", compile=True)
        model.set_weights(saved.get_weights())
        model.optimizer.build(model.trainable_variables)
        for ours, theirs in zip(model.optimizer.variables, saved.optimizer.variables, strict=True):
            ours.assign(theirs)
    if state["epoch"] < epochs:
        with progress(total=epochs, initial=state["epoch"], desc=name, unit="epoch") as bar:
            recorder = _Recorder(
                name,
                folder,
                state,
                monitor=monitor,
                best_is=min if mode == "min" else max,
                bar=bar,
                units=units or {},
            )
            model.fit(
                train,
                validation_data=valid,
                epochs=epochs,
                initial_epoch=state["epoch"],
                verbose=0,
                callbacks=[_Guard(name), recorder],
            )
    best = keras.models.load_model(folder / "best.keras", compile=False)
    return best, state["history"]


def write_history(path, rows):
    """Write the history of all networks as CSV, one row an epoch."""
    path = Path(path)
    part = path.with_name(path.name + ".part")
    pd.DataFrame(rows).to_csv(part, index=False)
    os.replace(part, path)


def predict(model, x, *, batch_size=256, desc=None):
    """Run a model over an array or over a function that gives rows.

    Parameters
    ----------
    model : keras.Model
    x : ndarray of shape (n, n_pixels)
    batch_size : int
    desc : str, optional
        Show a progress bar with this text.

    Returns
    -------
    ndarray of shape (n, n_outputs), float32
    """
    step = compiled(model)
    out = []
    starts = range(0, len(x), batch_size)
    for start in progress(starts, desc=desc) if desc else starts:
        out.append(step(x[start : start + batch_size]))
    if not out:
        return np.zeros((0, model.output_shape[-1]), dtype="float32")
    return np.concatenate(out)


def compiled(model):
    """Return a function ndarray -> ndarray that runs a model as one TensorFlow graph.

    `Model.predict` builds a data pipeline at every call, which costs more than a small batch
    itself; the traced function is kept with the model.
    """
    import tensorflow as tf

    if getattr(model, "_compiled_call", None) is None:
        signature = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)
        graph = tf.function(lambda x: model(x, training=False), input_signature=[signature])
        object.__setattr__(model, "_compiled_call", graph)
    graph = model._compiled_call
    return lambda x: graph(np.ascontiguousarray(x, dtype="float32")).numpy()
