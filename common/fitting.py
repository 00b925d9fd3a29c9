"""Networks of a run: trained once, kept, and loaded in the precision of now."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.cli import say
from common.errors import ReadError


@dataclass
class Job:
    """What all networks of a run share.

    Attributes
    ----------
    config : the paper's Config
    run_dir : Path
    shards : common.pipeline.Shards
        Labels with a column split.
    accelerator : common.accelerator.Accelerator
    """

    config: object
    run_dir: Path
    shards: object
    accelerator: object

    def rows(self, split, use=None):
        """Return the row numbers of a split, of those where `use` (ndarray of bool) is True."""
        here = (self.shards.labels["split"] == split).to_numpy()
        return np.flatnonzero(here if use is None else here & use)

    def used(self, use=None):
        """Return {"train", "valid": row numbers} of what a network learns from."""
        return {split: self.rows(split, use) for split in ("train", "valid")}

    def once(self, name, train, history, *, load=None):
        """Train a network, or load it where an earlier call finished it.

        Parameters
        ----------
        name : str
            Of models/NAME.keras and work/NAME/ in the run folder.
        train : callable
            Folder for the work -> (keras.Model, rows of history).
        history : list
            Gets the rows, and is written to history.csv.
        load : callable, optional
            Path -> keras.Model; `keras.models.load_model` without it.

        Returns
        -------
        keras.Model
        """
        import keras

        from common.models import save_model
        from common.runs import write_history

        path, work = self.run_dir / "models" / f"{name}.keras", self.run_dir / "work" / name
        if path.exists():
            history += json.loads((work / "history.json").read_text())
            model = load(path) if load else keras.models.load_model(path, compile=False)
        else:
            model, rows = train(work)
            history += rows
            save_model(model, path)
            (work / "state.npz").unlink(missing_ok=True)  # the saved network makes it superfluous
        write_history(self.run_dir / "history.csv", history)
        return model

    def fit(self, model, target, *, name, folder, rows=None, seed=None, batch_size=None,
            epochs=None, monitor="loss", mode="min", make=None, **options):  # fmt: skip
        """Train a compiled model; its history is kept in the folder.

        Parameters
        ----------
        model : keras.Model
            Holds the weights of the best epoch afterwards.
        target : ndarray of shape (n, k)
            Of every row of the shards.
        name : str
            Of the network in the history.
        folder : path-like
        rows : dict of str to ndarray of int, optional
            As of `used`, the default; "valid" may be empty.
        seed : int, optional
            Of the order of batches; like `batch_size` and `epochs` the configuration's by default.
        batch_size, epochs : int, optional
        monitor, mode : str
            Metric that decides which epoch is best, on the validation rows where there are any.
        make : callable, optional
            As `common.pipeline.dataset`, the default.
        **options
            To `common.training.fit`.

        Returns
        -------
        list of dict
            One an epoch, with n_train.
        """
        from common.files import write_json
        from common.pipeline import dataset
        from common.training import fit

        config = self.config
        rows = self.used() if rows is None else rows
        seed = config.seed if seed is None else seed
        batch_size = batch_size or config.batch_size

        def batches(split, seed=None):
            index = rows[split]
            if not len(index):
                return None
            return (make or dataset)(self.shards, index, target[index], seed=seed,
                                     batch_size=batch_size,
                                     replicas=self.accelerator.replicas)  # fmt: skip

        train, valid = batches("train", seed), batches("valid")
        self.accelerator.ready(model, train)
        monitor = monitor if valid is None else f"val_{monitor}"
        history = fit(model, train, valid, name=name, folder=folder, epochs=epochs or config.epochs,
                      monitor=monitor, mode=mode, **options)  # fmt: skip
        history = [row | {"n_train": len(rows["train"])} for row in history]
        write_json(Path(folder) / "history.json", history)
        return history


def say_last(name, history, metrics, *, end=""):
    """Print the metrics of the last epoch of a network, both of training and validation."""
    shown = [k for m in metrics for k in (m, f"val_{m}") if k in history[-1]]
    last = ", ".join(f"{k} {history[-1][k]:.4g}" for k in shown)
    waited = sum(row.get("input_seconds", 0) for row in history)
    share = waited / max(sum(row.get("seconds", 0) for row in history), 1e-9)
    say(f"{name}: {last} after {len(history)} epochs, {share:.1%} of the time spent on input{end}")


def load_model(path, config, build, *, remedy=""):
    """Load a network of a run, to compute in the precision that was chosen for this process.

    Parameters
    ----------
    path : path-like
    config : the paper's Config
        Of the run: Keras stores each layer's precision, and a network that was trained in another
        one is built again.
    build : callable
        () -> keras.Model of the same layers.
    remedy : str
        What to do about a damaged file.

    Returns
    -------
    keras.Model

    Raises
    ------
    ReadError
        If the file is no Keras model.
    """
    import keras

    try:
        model = keras.models.load_model(path, compile=False)
    except (ValueError, OSError, KeyError) as error:
        found = f"not a readable Keras model ({error})"
        raise ReadError(path, found, ".keras files", remedy) from None
    trained = config.precision if config.precision.startswith("mixed") else "float32"
    if keras.mixed_precision.global_policy().name == trained:
        return model
    again = build()
    again.set_weights(model.get_weights())
    return again
