"""The hybrid network: a branch for each kind of input, fused, with a mean and a variance a label.

The seed (Guiglion 2025, IAU Symp. 395) prints no architecture; this one follows the same group's
released networks (Guiglion et al. 2020; Nepal et al. 2023), which are here as well.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import layers, ops

from common.errors import UsageError
from rvs_hybrid.config import N_COEFFICIENTS, RVS_GRID, XP_GRID, Config
from rvs_hybrid.inputs import (
    BANDS,
    CHOSEN_ERRORS,
    COMPONENTS,
    ERROR_STEP,
    LEAST_ERROR,
    SOFTENING,
    input_shapes,
)

CLIP = 8.0  # default: no input counts as farther than this from the mean of training


def build_model(config=None, *, statistics=None):
    """Build one member of the hybrid network.

    Parameters
    ----------
    config : Config, optional
        `config.inputs` chooses the branches.
    statistics : dict, optional
        Of the training set, as `rvs_hybrid.inputs.statistics` gives them: per input "mean" and
        "scale", and "components" of shape (343, n) for XP, "coefficient_components" (110, n) for
        coefficients. Zero, one and random without them.

    Returns
    -------
    keras.Model
        {"rvs": (n, 2401) normalised flux, "xp": (n, 343) flux over its median, "xp_error":
        (n, 343), "phot": (n, 3), "parallax": (n, 3), "coefficients" and "coefficients_error":
        (n, 110)} -> (n, 2 n_labels): means, then logarithms of variances, of scaled labels,
        float32. A missing input is NaN in every column (a missing magnitude in its own, a missing
        BP or RP in its coefficients): the network gets zeros and a flag that says so.
    """
    config = config or Config()
    given = {name: keras.Input((n,), name=name) for name, n in input_shapes(config).items()}
    branches = [_BRANCH[kind](given, config, statistics or {}) for kind in config.inputs]
    x = branches[0] if len(branches) == 1 else layers.Concatenate(name="fused")(branches)
    for i, units in enumerate(config.fusion):
        x = layers.Dense(units, activation="gelu", name=f"fusion_{i}")(x)
        x = layers.Dropout(config.dropout)(x)
    out = layers.Dense(2 * len(config.labels), dtype="float32", name="labels")(x)
    return keras.Model(given, out, name="hybrid")


def stored_statistics(model):
    """Return the `statistics` that a member was built with (`build_model`), from the member.

    Keras keeps them in the layers' configuration or weights: a member that is built again needs
    them.
    """
    out = {}
    for layer in model.layers:
        kind = layer.name.removesuffix("_components")
        if kind != layer.name:
            out[COMPONENTS[kind]] = layer.get_weights()[0]
        elif isinstance(layer, layers.Normalization):
            mean, variance = np.asarray(layer.input_mean), np.asarray(layer.input_variance)
            name = layer.name.removesuffix("_scaled")
            out[name] = {"mean": mean, "scale": np.sqrt(variance)}
    return out


def _standard(x, name, statistics, width):
    """Standardise with the training set's numbers, which are stored with the network."""
    about = statistics.get(name, {"mean": np.zeros(width), "scale": np.ones(width)})
    scale = np.asarray(about["scale"], dtype="float32")
    normal = layers.Normalization(
        mean=np.asarray(about["mean"], dtype="float32"), variance=scale**2, name=f"{name}_scaled"
    )
    return ops.clip(normal(x), -CLIP, CLIP)


def _flag(x, rate, *, each=False):
    """Return 1 where an input is there, (n, 1) or one a column; training takes some away."""
    missing = ops.isnan(x)
    if not each:
        missing = ops.any(missing, axis=1, keepdims=True)
    flag = 1.0 - ops.cast(missing, "float32")
    if rate:
        flag = layers.Dropout(rate, noise_shape=(None, 1))(flag)
        flag = ops.cast(flag > 0, "float32")  # dropout scales what it keeps
    return flag


def _filled(x):
    return ops.where(ops.isnan(x), ops.zeros_like(x), x)


def _dense(x, units, config, name):
    x = layers.Dense(units, activation="gelu", name=name)(x)
    return layers.Dropout(config.dropout)(x)


def _rvs(given, config, statistics):
    """The convolutions of Nepal et al. 2023 over one row of pixels as an image of height one."""
    x = given["rvs"]
    flag = _flag(x, config.drop_input)
    x = _filled(x - 1.0) * flag  # the continuum is at one
    x = layers.Reshape((1, RVS_GRID.size, 1))(x)
    x = _convolutions(x, config.rvs_filters, config.rvs_kernels, config.rvs_pool, config.l2)
    x = layers.Flatten()(x)
    x = _dense(x, config.rvs_units, config, "rvs_dense")
    return layers.Concatenate(name="rvs_branch")([x, flag])


def _xp(given, config, statistics):
    """Standardised flux beside its whitened principal components and its errors."""
    xp, error = given["xp"], given["xp_error"]
    flag = _flag(xp, config.drop_input)
    flux = _standard(ops.arcsinh(xp / SOFTENING), "xp", statistics, XP_GRID.size)
    flux = _filled(flux) * flag
    components = _components(flux, "xp", config, statistics)
    errors = error[:, ::ERROR_STEP]
    width = errors.shape[-1]
    errors = _standard(ops.log10(ops.maximum(errors, LEAST_ERROR)), "xp_error", statistics, width)
    errors = _filled(errors) * flag
    x = layers.Concatenate()([flux, components, errors])
    for i, units in enumerate(config.xp_units):
        x = _dense(x, units, config, f"xp_dense_{i}")
    return layers.Concatenate(name="xp_branch")([x, flag])


def _components(x, name, config, statistics):
    """Project standardised values on the training set's whitened principal components."""
    directions = statistics.get(COMPONENTS[name])
    n = config.xp_components if directions is None else np.shape(directions)[1]  # few stars: fewer
    project = layers.Dense(n, use_bias=False, trainable=False, name=f"{name}_components")
    components = project(x)
    if directions is not None:
        project.set_weights([np.asarray(directions, dtype="float32")])
    return components


def _coefficients(given, config, statistics):
    """As `_xp`, of coefficients: BP and RP have a flag each, and may be missing apart."""
    values, error = given["coefficients"], given["coefficients_error"]
    flags = layers.Concatenate()(  # a band's first is NaN where the other is missing
        [_flag(values[:, part][:, 1:], config.drop_input) for part in BANDS.values()]
    )
    x = _standard(values, "coefficients", statistics, 2 * N_COEFFICIENTS)
    x = _filled(x) * ops.repeat(flags, N_COEFFICIENTS, axis=1)
    components = _components(x, "coefficients", config, statistics)
    errors = ops.log10(ops.maximum(ops.take(error, CHOSEN_ERRORS, axis=1), LEAST_ERROR))
    errors = _standard(errors, "coefficients_error", statistics, CHOSEN_ERRORS.size)
    errors = _filled(errors) * ops.repeat(flags, CHOSEN_ERRORS.size // len(BANDS), axis=1)
    x = layers.Concatenate()([x, components, errors])
    for i, units in enumerate(config.xp_units):
        x = _dense(x, units, config, f"coefficients_dense_{i}")
    return layers.Concatenate(name="coefficients_branch")([x, flags])


def _scalar(name):
    def branch(given, config, statistics):
        x = given[name]
        flag = _flag(x, config.drop_input, each=True)
        x = _filled(_standard(x, name, statistics, x.shape[-1])) * flag
        x = layers.Dense(config.scalar_units, activation="gelu", name=f"{name}_dense")(
            layers.Concatenate()([x, flag])
        )
        return layers.Concatenate(name=f"{name}_branch")([x, flag])

    return branch


_BRANCH = {
    "rvs": _rvs, "xp": _xp, "phot": _scalar("phot"), "parallax": _scalar("parallax"),
    "coefficients": _coefficients,
}  # fmt: skip


def _convolutions(x, filters, kernels, pool, l2):
    decay = keras.regularizers.L2(l2) if l2 else None
    for i, (n, width) in enumerate(zip(filters, kernels, strict=True)):
        x = layers.Conv2D(n, (1, width), kernel_regularizer=decay)(x)
        x = layers.LeakyReLU(negative_slope=0.3)(x)
        if pool > 1 and i + 1 < len(filters):
            x = layers.MaxPooling2D((1, pool))(x)
    return x


PRECURSORS = {  # pixels, scalars and labels of the published networks
    "guiglion2020": dict(n_pixels=912, n_scalars=9, n_labels=9),
    "nepal2023": dict(n_pixels=6861, n_scalars=0, n_labels=1),
}


def build_precursor(name, **sizes):
    """Build one of the group's earlier networks as published.

    Parameters
    ----------
    name : {"guiglion2020", "nepal2023"}
        Guiglion et al. 2020, A&A 644, A168 (58 549 parameters with 912 pixels, 9 scalars and 9
        labels), or Nepal et al. 2023, A&A 671, A61.
    **sizes
        n_pixels, n_scalars, n_labels, where others than `PRECURSORS` has.

    Returns
    -------
    keras.Model
        (n, n_pixels), and (n, n_scalars) if there are any -> (n, n_labels), scaled labels.
    """
    if name not in PRECURSORS:
        raise UsageError(f"name must be one of {', '.join(PRECURSORS)}. Received {name!r}.")
    sizes = {**PRECURSORS[name], **sizes}
    n_pixels, n_scalars = sizes["n_pixels"], sizes["n_scalars"]
    flux = keras.Input((n_pixels,), name="flux")
    x = layers.Reshape((1, n_pixels, 1))(flux)
    if name == "nepal2023":
        x = _convolutions(x, (8, 6, 4), (10, 15, 10), 2, 0.005)
        x = layers.Flatten()(x)
        for units in (64, 128, 32):
            x = layers.Dropout(0.2)(x)
            x = layers.LeakyReLU(negative_slope=0.3)(layers.Dense(units)(x))
    else:
        x = _convolutions(x, (8, 4, 2), (10, 10, 10), 1, 0.0)
        x = layers.Flatten()(x)
        x = layers.LeakyReLU(negative_slope=0.3)(layers.Dense(32)(x))
        x = layers.Dropout(0.2)(x)
    inputs = [flux]
    if n_scalars:
        scalars = keras.Input((n_scalars,), name="scalars")
        inputs.append(scalars)
        beside = layers.LeakyReLU(negative_slope=0.3)(layers.Dense(27)(scalars))
        x = layers.Concatenate()([x, beside])
        x = layers.LeakyReLU(negative_slope=0.3)(layers.Dense(16)(x))
    out = layers.Dense(sizes["n_labels"], dtype="float32")(x)
    return keras.Model(inputs, out, name=name)
