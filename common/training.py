"""One fit() for every paper: history, best epoch, resume, finite-loss guard."""

from __future__ import annotations

import time
from pathlib import Path

import keras
import numpy as np

from common.cli import progress
from common.errors import SuiteError
from common.models import restore_optimizer
from common.schedules import plateau_rate
from common.training_state import load_state, save_state, seeds_of
from common.waiting import Waiting


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
        self, name, folder, state, *, monitor, better, bar, units, waiting=None, watch=None,
        patience=None,
    ):  # fmt: skip
        super().__init__()
        self.name, self.folder, self.state = name, Path(folder), state
        self.monitor, self.better, self.bar, self.units = monitor, better, bar, units
        self.watch, self.patience, self.waiting = watch or {}, patience, waiting
        self.began = 0.0

    def on_epoch_begin(self, epoch, logs=None):
        self.began = time.perf_counter()
        if self.waiting:
            self.waiting.seconds = 0.0

    def on_epoch_end(self, epoch, logs=None):
        logs = {k: float(v) * self.units.get(k.removeprefix("val_"), 1) for k, v in logs.items()}
        row = dict(network=self.name, epoch=epoch, **logs)
        row["seconds"] = time.perf_counter() - self.began
        if self.waiting:
            row["input_seconds"] = self.waiting.seconds
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
        save_state(self.folder / "state.npz", self.state, self.model)
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
    return load_state(Path(folder) / "state.npz")["watched"][split]["weights"]


def fit(model, train, valid, *, name, folder, epochs, monitor, mode, units=None, plateau=None,
        patience=None, watch=None):  # fmt: skip
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
        The history's rows, one an epoch: metrics, seconds, and of these the input_seconds in
        which the network waited for its batches (on one device).

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
        state = load_state(folder / "state.npz")
    stopped = patience and _waited(state["history"], monitor, better) >= patience
    if state["epoch"] < epochs and not stopped:
        if state["epoch"]:
            model.set_weights(state["weights"])
            restore_optimizer(model, state["optimizer"])
            for variable, value in zip(seeds_of(model), state["seeds"], strict=False):
                variable.assign(value)
            for _ in range(2 * state["epoch"]):  # Keras begins two iterators an epoch
                iter(train)  # each shuffles anew: the next is that of the next epoch
        waiting = None
        if model.distribute_strategy.num_replicas_in_sync == 1:
            waiting = Waiting()
            train = waiting.watch(train)
        with progress(total=epochs, initial=state["epoch"], desc=name, unit="epoch") as bar:
            recorder = _Recorder(
                name,
                folder,
                state,
                monitor=monitor,
                better=better,
                bar=bar,
                units=units or {},
                waiting=waiting,
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
