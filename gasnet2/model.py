"""The residual networks of GaSNet-II (Zhong et al. 2024, Sect. 3.1, Fig. 10b)."""

from __future__ import annotations

from dataclasses import replace

import keras
from keras import layers

from common.ensemble import combine
from common.errors import UsageError
from gasnet2.config import Config

INITIALISERS = ("he", "faithful")


def _initialiser(name):
    """Return a fresh kernel initialiser, so that no two layers share its random state."""
    if name == "faithful":  # RandomNormal(0, 1e-3) in every layer of the authors' code
        return keras.initializers.RandomNormal(0.0, 1e-3)
    return keras.initializers.HeNormal()


def _conv(config, filters, stride, padding):
    return layers.Conv2D(
        filters,
        (1, config.kernel_size),
        strides=(1, stride),
        padding=padding,
        kernel_initializer=_initialiser(config.initialiser),
    )


def _block(x, filters, config):
    """Block(n) of Fig. 10b: two convolutions and a pool beside a strided shortcut."""
    shortcut = _conv(config, filters, config.stride, "valid")(x)
    for stride, padding in ((1, "same"), (config.stride, "valid")):
        x = _conv(config, filters, stride, padding)(x)
        x = layers.BatchNormalization(momentum=config.bn_momentum)(x)
        x = layers.ReLU()(x)
    x = layers.MaxPooling2D((1, config.kernel_size), strides=1, padding="same")(x)
    return layers.Add()([x, shortcut])


def shortest_input(config):
    """Return the fewest pixels that leave at least one after the last block."""
    n = 1
    for _ in config.filters:
        n = (n - 1) * config.stride + config.kernel_size
    return n


def _network(n_pixels, units, activation, config, name):
    if n_pixels < shortest_input(config):
        raise UsageError(
            f"n_pixels must be at least {shortest_input(config)} for {len(config.filters)} blocks. "
            f"Received {n_pixels}."
        )
    if config.initialiser not in INITIALISERS:
        raise UsageError(
            f"initialiser must be one of {INITIALISERS}. Received {config.initialiser!r}."
        )
    inputs = keras.Input((n_pixels,), name="flux")
    # One row of pixels as an image of height one: batch normalisation then takes TensorFlow's
    # fused kernel, which it does not on (batch, pixels, channels). Same sums, same weights.
    x = layers.Reshape((1, n_pixels, 1))(inputs)
    for filters in config.filters:
        x = _block(x, filters, config)
    x = layers.Flatten()(x)
    x = layers.Dropout(config.dropout)(x)
    dense = dict(kernel_initializer=_initialiser(config.initialiser))
    x = layers.Dense(config.dense, activation="relu", **dense)(x)
    x = layers.Dense(
        units,
        activation=activation,
        dtype="float32",
        kernel_initializer=_initialiser(config.initialiser),
    )(x)
    return keras.Model(inputs, x, name=name)


def build_classifier(n_pixels=5001, n_classes=13, config=None):
    """Build ResNet_P, which gives the probability of each class.

    Parameters
    ----------
    n_pixels : int
        Pixels of the common grid (Sect. 2.1: 5001; the released tables: 3600).
    n_classes : int
        Number of classes (Tables 1-3).
    config : Config, optional
        Widths, dropout and initialiser; the paper's by default.

    Returns
    -------
    keras.Model
        (n, n_pixels) normalised flux -> (n, n_classes) probabilities, float32. 4 163 325
        parameters for 5001 pixels and 13 classes.

    Raises
    ------
    UsageError
        If there are too few pixels or classes, or the initialiser is unknown.
    """
    if n_classes < 2:
        raise UsageError(f"n_classes must be at least 2. Received {n_classes}.")
    config = config or Config()
    return _network(n_pixels, n_classes, "softmax", config, "classifier")


def build_redshift(n_pixels=5001, members=1, config=None):
    """Build the redshift network of one class: an ensemble of identical sub-networks.

    Parameters
    ----------
    n_pixels : int
        Pixels of the common grid.
    members : int
        Sub-networks (Sect. 3.2: 10), each with its own initial weights.
    config : Config, optional
        Widths, dropout and initialiser; the paper's by default.

    Returns
    -------
    keras.Model
        (n, n_pixels) normalised flux -> (n, members) redshifts times `Config.z_scale`, float32.
        4 160 241 parameters a member for 5001 pixels.

    Raises
    ------
    UsageError
        If there are too few pixels or members, or the initialiser is unknown.
    """
    if members < 1:
        raise UsageError(f"members must be at least 1. Received {members}.")
    config = replace(config or Config(), members=members)
    networks = [
        _network(n_pixels, 1, None, config, f"redshift_{i}" if members > 1 else "redshift")
        for i in range(members)
    ]
    return networks[0] if members == 1 else combine(networks, name="redshift")
