"""Wavelengths in air and in vacuum."""

from __future__ import annotations

import numpy as np


def air_to_vacuum(wavelength):
    """Return vacuum wavelengths of air wavelengths in Å (Ciddor 1996, as given by VALD)."""
    s = 1e4 / np.asarray(wavelength, dtype=float)
    n = (
        1
        + 8.336624212083e-5
        + 2.408926869968e-2 / (130.1065924522 - s**2)
        + 1.599740894897e-4 / (38.92568793293 - s**2)
    )
    return wavelength * n
