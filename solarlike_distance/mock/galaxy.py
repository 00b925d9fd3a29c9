"""A mock Galaxy with known metallicity gradients: do they come back through the whole chain?

Stars of the mock (`solarlike_distance.mock.make`) at positions in a disc, whose [Fe/H] follows
them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from common.errors import SuiteError, UsageError
from solarlike_distance.mock import make as mock
from solarlike_distance.mock import population as mock_population
from solarlike_distance.tables import gradients

FAINTEST = 16.5  # G in mag, `default`: of stars with S/N_g above 10
NEAREST = 80.0  # pc
ROUNDS = 60  # draws of a star bright enough to be seen at its position
FIRST_OBSID = 860_000_001  # not those of the mock that a network learned from


@dataclass(frozen=True)
class Galaxy:
    """Mean [Fe/H] = feh + a (R - R_SUN) + b |Z| + c (R - R_SUN) |Z|, with a scatter about it.

    The defaults are near Tables 3 and 4: the radial gradient flattens away from the plane, the
    vertical one outwards, and one cross term gives both.

    Attributes
    ----------
    feh : float
        Mean [Fe/H] in dex at the Sun's radius in the plane.
    radial, vertical : float
        a and b in dex/kpc: gradients in the plane, and at the Sun's radius.
    cross : float
        c in dex/kpc^2.
    scatter : float
        Standard deviation of [Fe/H] in dex at any position.
    scale : float
        pc; distances are drawn from d^2 exp(-d / scale).
    """

    feh: float = -0.05
    radial: float = -0.055
    vertical: float = -0.24
    cross: float = 0.033
    scatter: float = 0.17
    scale: float = 700.0

    def mean(self, *, r, z):
        """Return the mean [Fe/H] at Galactocentric R and Z in kpc, ndarray like r."""
        out, height = np.asarray(r) - gradients.R_SUN, np.abs(z)
        return self.feh + self.radial * out + (self.vertical + self.cross * out) * height

    def radial_at(self, height):
        """Return d[Fe/H]/dR in dex/kpc at |Z| in kpc: what Table 3 measures."""
        return self.radial + self.cross * np.asarray(height)

    def vertical_at(self, r):
        """Return d[Fe/H]/d|Z| in dex/kpc at R in kpc: what Table 4 measures."""
        return self.vertical + self.cross * (np.asarray(r) - gradients.R_SUN)

    def draw(self, population, n, rng):
        """Return n stars of this Galaxy that LAMOST can see.

        Parameters
        ----------
        population : mock_population.Population
        n : int
        rng : numpy.random.Generator

        Returns
        -------
        DataFrame
            `mock_population.COLUMNS`, ra, dec (deg), r, z (kpc).

        Raises
        ------
        SuiteError
            If no star is bright enough at these distances.
        """
        found, left = [], n
        for _ in range(20):
            part = self._draw(population, max(left, 100), rng).iloc[:left]
            found.append(part)
            left -= len(part)
            if not left:
                return pd.concat(found, ignore_index=True)
        raise SuiteError(
            f"{n - left} of {n} stars of the mock Galaxy could be placed: those at a scale of "
            f"{self.scale:g} pc are fainter than G = {FAINTEST:g}. Choose a smaller scale."
        )

    def _draw(self, population, n, rng):
        ra, dec = mock.footprint(n, rng)
        distance = np.maximum(self.scale * rng.gamma(3.0, 1.0, n), NEAREST)
        place = gradients.positions(ra=ra, dec=dec, distance=distance)
        r, z = place["R"].to_numpy(), place["Z"].to_numpy()
        feh = self.mean(r=r, z=z) + self.scatter * rng.standard_normal(n)
        feh = np.clip(feh, *mock_population.FEH)
        # A star of this [Fe/H] is drawn anew until it is bright enough: [Fe/H] and position stay,
        # so that the limit of brightness does not change the gradients.
        ebprp = mock_population.reddening(distance, rng.standard_normal(n))
        stars, waiting = [], np.arange(n)
        for _ in range(ROUNDS):
            labels = population.labels_at(feh[waiting], rng)
            system = population.system(labels, rng)
            table = population.seen(
                labels, system, distance=distance[waiting], ebprp=ebprp[waiting], rng=rng
            )
            bright = table["g"].to_numpy() < FAINTEST
            stars.append(table[bright].set_axis(waiting[bright], axis=0))
            waiting = waiting[~bright]
            if not waiting.size:
                break
        stars = pd.concat(stars).sort_index()
        place = pd.DataFrame({"ra": ra, "dec": dec, "r": r, "z": z})
        return pd.concat([stars, place.loc[stars.index]], axis=1).reset_index(drop=True)


def make_galaxy(*, n, seed, out_dir, galaxy=None, offline=False, progress=True):
    """Write a mock Galaxy: the files of `mock.make_mock`.

    Parameters
    ----------
    n : int
        Stars, one spectrum each.
    seed : int
        Same seed and n, same files.
    out_dir : path-like
        Made where missing.
    galaxy : Galaxy, optional
        With other gradients than the default ones.
    offline, progress : bool
        Never touch the network; show a progress bar.

    Returns
    -------
    list of Path
        The files of spectra; labels and truth lie beside them.

    Raises
    ------
    UsageError
        If n is not positive.
    SuiteError
        If its stars are too far away to be seen.
    MissingDataError
        If an archive is neither cached nor fetchable.
    """
    if n < 1:
        raise UsageError(f"n must be at least 1. Received {n}.")
    universe = mock.Universe(offline=offline, progress=progress)
    stars = (galaxy or Galaxy()).draw(universe.population, n, np.random.default_rng([seed, n]))
    return mock.write_stars(universe, stars, seed=seed, out_dir=out_dir, first_obsid=FIRST_OBSID,
                            progress=progress)  # fmt: skip
