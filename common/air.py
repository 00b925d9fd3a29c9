"""Wavelengths in air and in vacuum.

One formula for both ways: the index of standard air (dry, 15 °C, 101 325 Pa, 450 ppm CO2) by Birch
& Downs (1994, Metrologia 31, 315) as in Morton (2000, ApJS 130, 403, Eq. 8), in the form of
N. Piskunov that VALD uses, a function of the wavelength in air
(https://www.astro.uu.se/valdwiki/Air-to-vacuum%20conversion); the two agree to 4e-9. Below 2000 Å
wavelengths are in vacuum by convention, and stay as they are.
"""

from __future__ import annotations

import numpy as np

SHORTEST = 2000.0  # Å, of wavelengths in air


def index_of_air(wavelength):
    """Return the refractive index of standard air for wavelengths in air, Å."""
    s = 1e4 / np.asarray(wavelength, dtype=float)
    return (
        1
        + 8.336624212083e-5
        + 2.408926869968e-2 / (130.1065924522 - s**2)
        + 1.599740894897e-4 / (38.92568793293 - s**2)
    )


def air_to_vacuum(wavelength):
    """Return vacuum wavelengths of air wavelengths in Å (Birch & Downs 1994, in VALD's form)."""
    wavelength = np.asarray(wavelength, dtype=float)
    own = np.maximum(wavelength, SHORTEST)  # the fit has poles further down
    return np.where(wavelength >= SHORTEST, wavelength * index_of_air(own), wavelength)[()]


def vacuum_to_air(wavelength):
    """Return air wavelengths of vacuum wavelengths in Å: the inverse of `air_to_vacuum`.

    Those whose air wavelength would be below 2000 Å stay as they are.
    """
    wavelength = np.asarray(wavelength, dtype=float)
    air = np.maximum(wavelength, SHORTEST)
    for _ in range(4):  # the index changes by 1e-8 an Å: each step brings seven more digits
        air = np.maximum(wavelength, SHORTEST) / index_of_air(np.maximum(air, SHORTEST))
    return np.where(air >= SHORTEST, air, wavelength)[()]
