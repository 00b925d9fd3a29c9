"""Extinction and attenuation curves k(lambda) = A(lambda) / E(B-V), 3000 Å to 1 µm."""

from __future__ import annotations

import numpy as np


def cardelli(wavelength, *, r_v=3.1):
    """Return the Milky Way's extinction curve, ndarray like wavelength.

    Cardelli, Clayton & Mathis 1989, ApJ 345, 245, Eq. 2a, 2b (below 1.1 / µm) and 3a, 3b with the
    optical coefficients of O'Donnell 1994, ApJ 422, 158.

    Parameters
    ----------
    wavelength : ndarray
        Å, 3000-33000.
    r_v : float
        A(V) / E(B-V).
    """
    x = 1e4 / np.asarray(wavelength, dtype=float)
    y = x - 1.82
    a = np.polyval((-0.505, 1.647, -0.827, -1.718, 1.137, 0.701, -0.609, 0.104, 1.0), y)
    b = np.polyval((3.347, -10.805, 5.491, 11.102, -7.985, -3.989, 2.908, 1.952, 0.0), y)
    infrared = x < 1.1
    a = np.where(infrared, 0.574 * x**1.61, a)
    b = np.where(infrared, -0.527 * x**1.61, b)
    return r_v * a + b


def calzetti(wavelength, *, r_v=4.05):
    """Return the attenuation curve of starlight in star-forming galaxies, 1200-22000 Å.

    Calzetti et al. 2000, ApJ 533, 682, Eq. 4. Its E(B-V) is 0.44 of the gas's (Eq. 3). Arguments as
    of `cardelli`.
    """
    x = 1e4 / np.asarray(wavelength, dtype=float)
    blue = 2.659 * (-2.156 + 1.509 * x - 0.198 * x**2 + 0.011 * x**3)
    return r_v + np.where(x > 1e4 / 6300, blue, 2.659 * (-1.857 + 1.040 * x))
