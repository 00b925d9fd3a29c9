"""A plain multilayer perceptron on the same stars: what the hybrid network has to beat."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from keras import layers

from common import inference, schedules
from common.files import write_parquet
from rvs_hybrid.data import named, scaling

UNITS = (512, 256, 128)
EPOCHS = 40
BATCH = 128


def build_mlp(n_inputs, n_labels):
    """Build the perceptron: 512-256-128 and the labels.

    Returns
    -------
    keras.Model
        (n, n_inputs) -> (n, n_labels), scaled.
    """
    x = inputs = keras.Input((n_inputs,), name="inputs")
    for units in UNITS:
        x = layers.Dense(units, activation="relu")(x)
    return keras.Model(inputs, layers.Dense(n_labels, dtype="float32")(x), name="plain_mlp")


def train_mlp(shards, config, run_dir, *, epochs=EPOCHS, own=False):
    """Train the perceptron on the 343 XP pixels and two colours, and predict held-out stars.

    Parameters
    ----------
    shards : common.pipeline.Shards
        Of a run that has XP and photometry.
    config : Config
        Of that run.
    run_dir : path-like
        Where predictions.parquet goes.
    epochs : int
    own : bool
        True for stars of the user's own.

    Returns
    -------
    DataFrame
        As predictions.parquet of a run, without errors.
    """
    from rvs_hybrid.inputs import split_row
    from rvs_hybrid.train import FROM_STARS, HELD

    stars = shards.labels
    inputs = split_row(shards.rows(np.arange(len(shards))), config)
    x = np.concatenate([inputs["xp"], inputs["phot"][:, 1:3]], axis=1)
    x = np.clip(np.nan_to_num(x, nan=0.0), -5, 50)
    y = stars[list(config.labels)].to_numpy(float)
    fit = (stars["split"] == "train").to_numpy() & np.isfinite(y).all(axis=1)
    mean, scale = x[fit].mean(axis=0), x[fit].std(axis=0) + 1e-6
    x = ((x - mean) / scale).astype("float32")
    offset, unit = scaling(y[fit], "standard")
    keras.utils.set_random_seed(config.seed)
    model = build_mlp(x.shape[1], len(config.labels))
    steps = int(np.ceil(fit.sum() / BATCH))
    rate = schedules.learning_rate("cosine", initial=1e-3, epochs=epochs, steps_per_epoch=steps)
    model.compile(keras.optimizers.Adam(rate), loss="mse")
    target = ((y[fit] - offset) / unit).astype("float32")
    model.fit(x[fit], target, batch_size=BATCH, epochs=epochs, verbose=0)
    held = stars["split"].isin(HELD[1:]).to_numpy()
    predicted = inference.predict(model, x[held]) * unit + offset
    table = stars.loc[held, list(FROM_STARS)].reset_index(drop=True)
    for i, name in enumerate(config.labels):
        table[f"{name}_true"] = y[held, i]
        table[f"{name}_pred"] = predicted[:, i].astype("float32")
    table["dataset"] = named(config, own=own, made=False)
    write_parquet(table, Path(run_dir) / "predictions.parquet")
    return table
