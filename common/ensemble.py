"""N members as one model."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

from common.errors import SuiteError


def combine(members, *, scale=1.0, name="ensemble"):
    """Join one-output models into one model that runs them all on the same input.

    Parameters
    ----------
    members : sequence of keras.Model
        Each (n, n_pixels) -> (n, 1).
    scale : float
        Factor on the output, such as the inverse of a factor put on the labels.
    name : str
        Name of the new model.

    Returns
    -------
    keras.Model
        (n, n_pixels) -> (n, n_members), float32.

    Raises
    ------
    SuiteError
        If there is no member or the input shapes differ.
    """
    members = list(members)
    shapes = {m.input_shape[1:] for m in members}
    if len(shapes) != 1:
        raise SuiteError(
            f"The members of an ensemble need one common input shape. Received {sorted(shapes)}."
        )
    for i, member in enumerate(members):
        member.name = f"{name}_member_{i}"
    inputs = keras.Input(shapes.pop(), name="flux")
    outputs = [member(inputs) for member in members]
    x = outputs[0] if len(outputs) == 1 else layers.Concatenate(dtype="float32")(outputs)
    x = layers.Rescaling(scale, dtype="float32")(x)
    return keras.Model(inputs, x, name=name)


def mean_and_error(predictions):
    """Return the mean and the population standard deviation over members.

    Parameters
    ----------
    predictions : ndarray of shape (n, n_members)

    Returns
    -------
    mean, error : ndarrays of shape (n,)

    Notes
    -----
    Zhong et al. 2024, Eq. 7 and 8. The standard deviation of an ensemble measures how far its
    members agree; nothing makes it a calibrated error.
    """
    predictions = np.asarray(predictions, dtype="float64")
    return predictions.mean(axis=1), predictions.std(axis=1)
