"""Fitting the template network, and what its probabilities and errors are worth."""

from __future__ import annotations

import math

import numpy as np

from common import fitting
from common.cli import say
from gasnet2.templates.targets import targets

NAME = "templates"
MOST_JUDGED = 20000  # validation spectra that calibrate; more change nothing


def compiled(config, steps):
    """Return a compiled template network.

    Parameters
    ----------
    config : gasnet2.config.Config
    steps : int
        Batches of an epoch.
    """
    import keras

    from common.schedules import learning_rate
    from gasnet2.templates.model import SoftTarget, build_templates, good_redshift, right_class

    model = build_templates(config)
    rate = learning_rate(config.schedule, initial=config.learning_rate, epochs=config.epochs,
                         steps_per_epoch=steps)  # fmt: skip
    optimiser = keras.optimizers.AdamW(rate, weight_decay=1e-4, global_clipnorm=5.0)
    classes = config.classes
    model.compile(optimiser, loss=SoftTarget(classes), jit_compile=False,
                  metrics=[right_class(classes), good_redshift(classes)])  # fmt: skip
    return model


def network(job, history):
    """Train the template network of a job and calibrate it, or load what is finished.

    Parameters
    ----------
    job : common.fitting.Job
    history : list
        Gets the rows of history.csv.

    Returns
    -------
    gasnet2.templates.networks.TemplateNetwork
    """
    from gasnet2.templates.calibrating import calibrated
    from gasnet2.templates.networks import TemplateNetwork, load_model

    config = job.config
    target = targets(job.shards.labels, config)
    known = np.isfinite(target).all(axis=1)
    rows = {split: job.rows(split, known) for split in ("train", "valid")}
    model = job.once(NAME, lambda folder: _train(job, folder, rows, target), history,
                     load=lambda path: load_model(path, config))  # fmt: skip
    trained = TemplateNetwork(config, model)
    rng = np.random.default_rng(config.seed)
    judged = np.sort(rng.permutation(rows["valid"])[:MOST_JUDGED])
    return calibrated(trained, job.shards.rows, judged, job.shards.labels)


def _train(job, folder, rows, target):
    """Train; return the network with its best weights, and its history."""
    import keras

    from gasnet2.templates.augment import augmented

    config = job.config
    steps = math.ceil(len(rows["train"]) / config.batch_size)
    say(f"{NAME}: {len(rows['train'])} spectra, {config.epochs} epochs of {steps} batches")
    keras.utils.set_random_seed(config.seed)
    with job.accelerator.scope():
        model = compiled(config, steps)
    history = job.fit(
        model, target, rows=rows, name=NAME, folder=folder, seed=config.seed,
        batch_size=config.batch_size, epochs=config.epochs, monitor="loss", mode="min",
        make=augmented,
    )  # fmt: skip
    fitting.say_last(NAME, history, ("loss", "accuracy", "good_z"))
    return model, history
