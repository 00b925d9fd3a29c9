"""The convolutional networks of Feng, Wang & Li (2026, Sect. 3.1, Fig. 2) and their variants."""

from __future__ import annotations

import keras
from keras import layers

from common.errors import UsageError
from lamost_metallicity.config import TARGETS, Config


def shortest_input(config):
    """Return the fewest pixels that leave at least one after the last module."""
    n = 1
    for _ in config.filters:
        n = n * config.pool + 2 * (config.kernel_size - 1)
    return n


def _rest_features(config):
    """Return input and features of spectra at rest: each line always falls on the same weights.

    Not the paper's: three convolutions with a residual block and means between them, then a dense
    layer that knows which wavelength is which.
    """
    inputs = keras.Input((config.width,), name="flux")
    x = layers.Reshape((config.rest_pixels, config.channels))(inputs)
    fine, middle, coarse = config.rest_filters
    x = layers.Conv1D(fine, 7, padding="same", activation="gelu")(x)
    x = layers.AveragePooling1D(4, padding="same")(x)
    x = layers.Conv1D(middle, 5, padding="same", activation="gelu")(x)
    y = layers.Conv1D(middle, 5, padding="same", activation="gelu")(x)
    y = layers.Conv1D(middle, 5, padding="same")(y)
    x = layers.Activation("gelu")(layers.Add()([x, y]))
    x = layers.AveragePooling1D(4, padding="same")(x)
    x = layers.Conv1D(coarse, 3, padding="same", activation="gelu")(x)
    x = layers.Dropout(config.rest_dropout)(layers.Flatten()(x))
    x = layers.Dense(config.rest_units, activation="gelu")(x)
    return inputs, layers.Dropout(config.rest_dropout)(x)


def _features(config):
    """Return input and flattened features: four modules of two convolutions and a pool (Fig. 2)."""
    if config.at_rest:
        return _rest_features(config)
    if config.n_pixels < shortest_input(config):
        raise UsageError(
            f"n_pixels must be at least {shortest_input(config)} for {len(config.filters)} "
            f"modules. Received {config.n_pixels}."
        )
    inputs = keras.Input((config.width,), name="flux")
    x = layers.Reshape((config.n_pixels, config.channels))(inputs)
    for filters in config.filters:
        for _ in range(2):
            x = layers.Conv1D(filters, config.kernel_size, activation="relu")(x)
        x = layers.MaxPooling1D(config.pool, config.pool)(x)
    return inputs, layers.Flatten()(x)


def _network(units, activation, config, name):
    inputs, x = _features(config or Config())
    x = layers.Dense(units, activation=activation, dtype="float32")(x)
    return keras.Model(inputs, x, name=name)


def build_regressor(config=None):
    """Build the paper's metallicity network.

    Parameters
    ----------
    config : Config, optional
        Grid and widths; the paper's by default.

    Returns
    -------
    keras.Model
        (n, n_pixels * channels) of `preprocess` -> (n, 1) 12 + log(O/H), float32. 104 337
        parameters with one channel.

    Raises
    ------
    UsageError
        If there are too few pixels.
    """
    return _network(1, None, config, "regressor")


def build_classifier(config=None):
    """Build the paper's classifier (Sect. 5): the same network with two sigmoid nodes.

    Returns
    -------
    keras.Model
        (n, n_pixels * channels) -> (n, 2): star-forming, other; each in [0, 1] by itself. 110 610
        parameters with one channel.
    """
    return _network(2, "sigmoid", config, "classifier")


def build_multitask(config=None):
    """Build the network that the authors announce (Sect. 6): three quantities from one spectrum.

    Returns
    -------
    keras.Model
        (n, n_pixels * channels) -> (n, 3): 12 + log(O/H), log stellar mass (Msun) and log star
        formation rate (Msun/yr), both in the fibre.
    """
    return _network(len(TARGETS), None, config, "multitask")


def build_error(config=None):
    """Build the network of errors, which is not in the paper and leaves its network alone.

    Returns
    -------
    keras.Model
        (n, n_pixels * channels) -> (n, 2): mean and log sigma of 12 + log(O/H), for `gaussian_nll`.
    """
    return _network(2, None, config, "error")


def build_mlp(config=None):
    """Build the paper's multi-layer perceptron (Sect. 4: three hidden layers of 1024).

    Returns
    -------
    keras.Model
        (n, n_pixels * channels) -> (n, 1) 12 + log(O/H), float32.
    """
    config = config or Config()
    inputs = x = keras.Input((config.width,), name="flux")
    for units in config.mlp_units:
        x = layers.Dense(units, activation="relu")(x)
    return keras.Model(inputs, layers.Dense(1, dtype="float32")(x), name="mlp")


BUILDERS = {
    "regressor": build_regressor,
    "classifier": build_classifier,
    "error": build_error,
    "multitask": build_multitask,
    "mlp": build_mlp,
}


def gaussian_nll(true, predicted):
    """Return the beta-weighted negative log-likelihood of a Gaussian of predicted width.

    Parameters
    ----------
    true : tensor of shape (n, 1)
    predicted : tensor of shape (n, 2)
        Mean and log sigma.

    Notes
    -----
    Each row is weighted by sigma (beta = 0.5 of Seitzer et al. 2022, ICLR, Eq. 5), without a
    gradient through the weight, so that hard rows are not given up for a large sigma.
    """
    ops = keras.ops
    mean, log_sigma = predicted[:, :1], ops.clip(predicted[:, 1:], -7.0, 3.0)
    loss = 0.5 * ((true - mean) * ops.exp(-log_sigma)) ** 2 + log_sigma
    return ops.mean(loss * ops.stop_gradient(ops.exp(log_sigma)), axis=-1)


def known_mse(true, predicted):
    """Return the mean squared error over the labels that are known (finite), per row.

    Parameters
    ----------
    true : tensor of shape (n, k)
        NaN where a label is missing.
    predicted : tensor of shape (n, k)
    """
    ops = keras.ops
    known = ops.isfinite(true)
    error = ops.where(known, ops.where(known, true, 0.0) - predicted, 0.0)
    count = ops.maximum(ops.sum(ops.cast(known, error.dtype), axis=-1), 1.0)
    return ops.sum(error**2, axis=-1) / count
