"""Stellar continua of the mock: MaStar populations with the galaxy's colour, reddened."""

from __future__ import annotations

import numpy as np

from common.mocks.dust import calzetti
from common.mocks.galaxies import DISPERSIONS
from common.mocks.instrument import MODEL_PIXELS, redshifted, rest_grid

G, R = (4000.0, 5400.0), (5600.0, 7000.0)  # Å: the bands that the colour is measured in
# Light at 5000 Å from old (3 Gyr and more), middle and young (0.3 Gyr and less) populations along a
# sequence from a passive galaxy to a starburst.
SEQUENCE = np.array([(0.99, 0.01, 0.0), (0.80, 0.18, 0.02), (0.50, 0.37, 0.13), (0.25, 0.40, 0.35),
                     (0.08, 0.32, 0.60), (0.01, 0.09, 0.90)])  # fmt: skip
STEPS = 61


class Continua:
    """Rest-frame continua by colour, metallicity, dust and velocity dispersion.

    Parameters
    ----------
    galaxies : common.mocks.galaxies.Galaxies
        The library of populations, normalised at 5000 Å.
    """

    def __init__(self, galaxies):
        self.galaxies = galaxies
        wave = rest_grid()
        self._k = calzetti(np.clip(wave, 1200, 22000)).astype(np.float32)
        self._bands = [(wave > low) & (wave < high) for low, high in (G, R)]
        self._levels = np.stack([galaxies.library[0][:, b].mean(1) for b in self._bands], axis=1)
        self._zero = 2.5 * np.log10((np.mean(R) / np.mean(G)) ** 2)
        self._dk = calzetti(np.mean(G)) - calzetti(np.mean(R))
        at = np.linspace(0, len(SEQUENCE) - 1, STEPS)
        self._path = np.stack([np.interp(at, range(len(SEQUENCE)), c) for c in SEQUENCE.T], axis=1)

    def weights(self, *, colour, stellar_z, ebv, rng):
        """Return the light at 5000 Å of each population that gives galaxies their colours.

        Parameters
        ----------
        colour, stellar_z, ebv : ndarray of shape (n,)
            g - r at rest, reddened; [Z/H]; E(B-V) of the stars.
        rng : numpy.random.Generator

        Returns
        -------
        ndarray of shape (n, populations); rows sum to 1.
        """
        age = self.galaxies.age
        groups = (age >= 3, (age > 0.3) & (age < 3), age <= 0.3)
        z = np.clip(stellar_z, -1.35, 0.35)[:, None]
        close = np.exp(-0.5 * ((self.galaxies.metallicity - z) / 0.2) ** 2)
        parts = []
        for group in groups:
            draw = close * group * rng.exponential(1, close.shape)
            parts.append(draw / draw.sum(axis=1, keepdims=True))
        level = np.stack([part @ self._levels for part in parts], axis=1)  # (n, 3, 2 bands)
        bands = np.einsum("sg,ngb->nsb", self._path, level)
        found = -2.5 * np.log10(bands[..., 0] / bands[..., 1]) + self._zero
        wanted = colour - self._dk * ebv
        best = np.abs(found - wanted[:, None]).argmin(axis=1)
        share = self._path[best]
        return sum(s[:, None] * part for s, part in zip(share.T, parts, strict=True))

    def observed(self, galaxies, rng):
        """Return continua on the mocks' model grid, 1e-17 erg / (s cm2 Å) through the fibre.

        Parameters
        ----------
        galaxies : dict of str to ndarray
            From `mock_population.draw`.
        rng : numpy.random.Generator

        Returns
        -------
        ndarray of shape (n, MODEL_PIXELS), float32
        """
        weights = self.weights(
            colour=galaxies["colour"], stellar_z=galaxies["stellar_z"], ebv=galaxies["ebv_stars"],
            rng=rng,
        )  # fmt: skip
        n = len(weights)
        out = np.empty((n, MODEL_PIXELS), dtype=np.float32)
        kms = np.array(DISPERSIONS)
        nearest = np.abs(galaxies["stars_kms"][:, None] - kms).argmin(axis=1)
        for k, library in enumerate(self.galaxies.library):
            rows = np.flatnonzero(nearest == k)
            if len(rows):
                rest = weights[rows].astype(np.float32) @ library
                rest *= np.exp(
                    -0.921 * galaxies["ebv_stars"][rows, None].astype(np.float32) * self._k
                )
                out[rows] = redshifted(rest, galaxies["z"][rows])
        wave = 10 ** (3.5463 + 1e-4 * np.arange(MODEL_PIXELS))
        band = (wave > 5600) & (wave < 6900)
        # AB magnitude of the fibre at 6250 Å.
        level = 10 ** (-0.4 * (galaxies["fibre_r"] + 48.6)) * 2.998e18 / 6250.0**2 * 1e17
        out *= (level / out[:, band].mean(axis=1))[:, None].astype(np.float32)
        return out
