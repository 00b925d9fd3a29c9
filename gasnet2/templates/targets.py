"""What the template network is to say of labelled spectra."""

from __future__ import annotations

import numpy as np

from common.shifts import shift_of
from gasnet2.config import COARSE
from gasnet2.templates.inputs import STEP


def targets(labels, config):
    """Return class number and shift of each row, ndarray of shape (n, 2); NaN where unknown.

    Parameters
    ----------
    labels : DataFrame
        class, z.
    config : gasnet2.config.Config
    """
    code = {name: k for k, name in enumerate(config.classes)}
    z = labels["z"].to_numpy(float)
    none = labels["class"].map(COARSE).eq("NONE").to_numpy()
    shift = shift_of(np.where(none, 0.0, np.clip(z, -0.5, None)), STEP)
    return np.stack([labels["class"].map(code).to_numpy(float), shift], axis=1).astype("float32")
