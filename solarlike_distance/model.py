"""The convolutional network of Shen & Luo (2024, Sect. 3.1, Fig. 4): spectrum to five labels."""

from __future__ import annotations

import keras
from keras import layers

from common.errors import UsageError
from solarlike_distance.config import INPUTS, TARGETS, Config


def shortest_input(config):
    """Return the fewest pixels that leave one after the last pool."""
    return config.pool ** len(config.filters)


def build_model(config=None):
    """Build the paper's network.

    Parameters
    ----------
    config : Config, optional
        Grid, widths and `input`; the paper's by default.

    Returns
    -------
    keras.Model
        (n, n_pixels) normalised flux -> (n, 5): Teff (K), log g (dex), [Fe/H] (dex), M_G (mag),
        (BP-RP)_0 (mag), float32. 23 849 605 parameters; 1 275 757 of `network` "compact".

    Raises
    ------
    UsageError
        If there are too few pixels.

    Notes
    -----
    Convolutions keep the length ("same": 46 080 features, as in the released notebook's summary).
    The leaky ReLU stands behind each pool: it rises everywhere, so that it may change places with
    a maximum, and it has a third as many pixels to work on there. `input` "scaled" puts a layer
    in front that takes the continuum to 0 and lines to the size of 1, where zeros beyond the ends
    are continuum too; whoever calls the network gives it the same flux.
    """
    config = config or Config()
    if config.n_pixels < shortest_input(config):
        raise UsageError(
            f"n_pixels must be at least {shortest_input(config)} for {len(config.filters)} pools "
            f"of {config.pool}. Received {config.n_pixels}."
        )
    inputs = keras.Input((config.n_pixels,), name="flux")
    x = inputs
    if config.input != "paper":
        zero, unit = INPUTS[config.input]
        # float32: half a precision has too few digits near 1.
        x = layers.Rescaling(1 / unit, offset=-zero / unit, dtype="float32")(x)
    x = layers.Reshape((config.n_pixels, 1))(x)
    if config.network == "compact":
        return keras.Model(inputs, _compact(x, config), name="compact")
    for filters in config.filters:
        x = layers.Conv1D(filters, config.kernel_size, padding="same")(x)
        x = layers.MaxPooling1D(config.pool)(x)
        x = layers.LeakyReLU(config.leaky_slope)(x)
    x = layers.Flatten()(x)
    for units in config.units:
        x = layers.Dense(units)(x)
        x = layers.LeakyReLU(config.leaky_slope)(x)
    x = layers.Dense(len(TARGETS), dtype="float32", name="labels")(x)
    return keras.Model(inputs, x, name="solarlike")


def _compact(x, config):
    """Return the labels by a network that is not the paper's.

    Means between the convolutions bring 46 080 features down to 9768, so that the dense layers are
    small, and a residual block stands where it is cheap.
    """
    fine, middle, coarse = config.compact_filters

    def convolved(x, filters, size, **how):
        return layers.Conv1D(filters, size, padding="same", **how)(x)

    x = convolved(x, fine, 9, strides=2, activation="gelu")
    x = layers.AveragePooling1D(2, padding="same")(x)
    x = convolved(x, middle, 5, activation="gelu")
    y = convolved(convolved(x, middle, 5, activation="gelu"), middle, 5)
    x = layers.Activation("gelu")(layers.Add()([x, y]))
    x = layers.AveragePooling1D(3, padding="same")(x)
    x = convolved(x, coarse, 3, activation="gelu")
    x = layers.Dropout(config.compact_dropout)(layers.Flatten()(x))
    for units in config.compact_units[:-1]:
        x = layers.Dropout(config.compact_dropout / 2)(layers.Dense(units, activation="gelu")(x))
    x = layers.Dense(config.compact_units[-1], activation="gelu")(x)
    return layers.Dense(len(TARGETS), dtype="float32", name="labels")(x)
