"""Fitting every network of a run: the classifier and the redshift ensembles (Sect. 3.3)."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass

import numpy as np

from common import fitting
from gasnet2.config import extragalactic

MIN_TRAIN = 5  # default: a redshift network needs at least this many spectra


@dataclass
class Job(fitting.Job):
    """What all networks of a run share; see `common.fitting.Job`."""

    def __post_init__(self):
        from common.models import Reusable

        self.reusable = Reusable()


def networks(job, history, *, redshifts=True):
    """Train the classifier and every redshift ensemble of a job, or load what is finished.

    Parameters
    ----------
    job : Job
    history : list
        Filled with the rows of history.csv, which is written after each network.
    redshifts : bool
        False: the classifier alone.

    Returns
    -------
    keras.Model, dict of str to keras.Model
    """
    from common.runs import write_history

    classifier = job.once("classifier", lambda folder: _classifier(job, folder), history)
    names, redshift = extragalactic(job.config.classes) if redshifts else (), {}
    pooled = _pooled(names, job, history) if names and job.config.pool_epochs else None
    for name in names:
        model = _ensemble(name, job, history, pooled)
        if model is not None:
            redshift[name] = model
        write_history(job.run_dir / "history.csv", history)
    _forget((job.run_dir / "work").glob("pooled/*"))
    return classifier, redshift


def _classifier(job, folder):
    from gasnet2.model import build_classifier

    config, labels = job.config, job.shards.labels
    code = {name: k for k, name in enumerate(config.classes)}
    return _train(
        job,
        "classifier",
        folder,
        lambda: build_classifier(config.n_pixels, len(config.classes), config),
        job.used(),
        labels["class"].map(code).to_numpy(),
        seed=config.seed,
        loss="sparse_categorical_crossentropy",
        metric="accuracy",
    )


def _redshift_labels(job):
    """Return the labels that redshift networks are trained on, ndarray of shape (n, 1)."""
    z = job.shards.labels["z"].to_numpy(dtype="float32")
    return np.clip(z, 0, job.config.z_max)[:, None] * job.config.z_scale


def _known(labels, name):
    """Return the rows of a class that have a redshift, ndarray of bool."""
    return (labels["class"] == name).to_numpy() & np.isfinite(labels["z"]).to_numpy()


def _fresh(job, start):
    """Return a function that builds a redshift network whose output starts at `start`."""
    from gasnet2.model import build_redshift

    def build():
        model = build_redshift(job.config.n_pixels, 1, job.config)
        if job.config.initialiser != "faithful":
            # Huber's gradient is bounded, so that many steps would go into reaching the mean.
            kernel, _ = model.layers[-1].get_weights()
            model.layers[-1].set_weights([kernel, np.array([start], dtype="float32")])
        return model

    return build


def _pooled(names, job, history):
    """Train one redshift network a member on all classes together; return their weights.

    Not in the paper: where time is short, the classes learn from each other what lines look like.
    """
    import keras

    labels, target, weights = job.shards.labels, _redshift_labels(job), []
    names = [n for n in names if len(job.used(_known(labels, n))["train"]) >= MIN_TRAIN]
    if not names:
        return None
    rows = job.used(labels["class"].isin(names).to_numpy() & np.isfinite(labels["z"]).to_numpy())
    missing = [n for n in names if not (job.run_dir / "models" / f"redshift_{n}.keras").exists()]
    for i in range(job.config.members):
        folder = job.run_dir / "work" / "pooled" / str(i)
        if not missing:
            history += json.loads((folder / "history.json").read_text())
            continue
        model, of_member = _train(
            job,
            f"pooled/{i}",
            folder,
            _fresh(job, float(np.median(target[rows["train"]]))),
            rows,
            target,
            seed=job.config.seed + 500 + i,
            loss=keras.losses.Huber(job.config.huber_delta),
            metric="mae",
            epochs=job.config.pool_epochs,
        )
        history += of_member
        weights.append(model.get_weights())
    return weights


def _ensemble(name, job, history, pooled):
    import keras

    from common.ensemble import combine
    from common.models import save_model
    from gasnet2.model import build_redshift

    config, labels = job.config, job.shards.labels
    path = job.run_dir / "models" / f"redshift_{name}.keras"
    folders = [job.run_dir / "work" / f"redshift_{name}" / str(i) for i in range(config.members)]
    if path.exists():
        for folder in folders:
            history += json.loads((folder / "history.json").read_text())
        return keras.models.load_model(path, compile=False)
    rows = job.used(_known(labels, name))
    if len(rows["train"]) < MIN_TRAIN:
        print(
            f"warning: {name}: {len(rows['train'])} training spectra, {MIN_TRAIN} are needed; "
            "no redshift network is trained for it",
            file=sys.stderr,
        )
        return None
    target = _redshift_labels(job)
    fresh = _fresh(job, float(np.median(target[rows["train"]])))

    def from_pool(i):
        def build():
            model = fresh()
            model.set_weights(pooled[i])
            return model

        return build

    members = []
    for i, folder in enumerate(folders):
        trained, of_member = _train(
            job,
            f"{name}/{i}",
            folder,
            from_pool(i) if pooled else fresh,
            rows,
            target,
            seed=config.seed + 1000 * (1 + config.classes.index(name)) + i,
            loss=keras.losses.Huber(config.huber_delta),
            metric="mae",
            # What the pooled network knows is to be refined, not unlearned.
            rate=config.learning_rate / (3 if pooled else 1),
        )
        history += of_member
        members.append(build_redshift(config.n_pixels, 1, config))
        members[-1].set_weights(trained.get_weights())
    model = combine(members, scale=1 / config.z_scale, name=f"redshift_{name}")
    save_model(model, path)
    _forget(folders)
    return model


def _forget(folders):
    """Remove training states that a saved network has made superfluous."""
    for folder in folders:
        (folder / "state.npz").unlink(missing_ok=True)


def _train(job, name, folder, build, rows, target, *, seed, loss, metric, epochs=None, rate=None):
    """Train one network; return it with its best weights, and its history."""
    import keras

    from common.schedules import learning_rate

    config = job.config
    epochs, rate = epochs or config.epochs, rate or config.learning_rate
    steps = math.ceil(len(rows["train"]) / config.batch_size)

    def compiled_or_plain(*, compiled):
        model = build()
        if compiled:
            schedule = learning_rate(
                config.schedule, initial=rate, epochs=epochs, steps_per_epoch=steps
            )
            model.compile(keras.optimizers.Adam(schedule), loss=loss, metrics=[metric])
        return model

    keras.utils.set_random_seed(seed)
    with job.accelerator.scope():
        model = job.reusable.get((metric, steps, epochs, rate), compiled_or_plain)
    history = job.fit(
        model, target, rows=rows, name=name, folder=folder, seed=seed, epochs=epochs,
        monitor=metric, mode="max" if metric == "accuracy" else "min",
        units={"mae": 1 / config.z_scale},
    )  # fmt: skip
    fitting.say_last(name, history, ("loss", metric))
    return model, history
