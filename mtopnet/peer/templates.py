"""Templates of the peer: parts of the mock's own continua and lines, of other galaxies."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from common.mocks.lines import C_KMS
from mtopnet.mock import lines as mock_lines
from mtopnet.mock.continuum import ABSORPTION, WIND_KMS, absorption
from mtopnet.mock.make import Universe

GALAXIES = 1500  # default: that the templates are made of
SEED = 20_000  # of these galaxies, beside the run's own: none of them is in its mock
CONTINUA, LINES = 3, 2  # default: parts of each; more fit the noise
LINE_KMS = 90.0  # default: dispersion of the lines, the instrument's included
COARSE = 20  # pixels that the parts of continua are found on


def parts_of(rows, n, *, seed):
    """Return non-negative parts and shares whose products come nearest to rows (NMF).

    Parameters
    ----------
    rows : ndarray of shape (m, p)
        Not negative.
    n : int
    seed : int

    Returns
    -------
    shares : ndarray of shape (m, n)
    parts : ndarray of shape (n, p)
    """
    from sklearn.decomposition import NMF
    from sklearn.exceptions import ConvergenceWarning

    model = NMF(n, init="nndsvda", random_state=seed, max_iter=1000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of the last digits
        shares = model.fit_transform(rows)
    return shares, model.components_


def continua(universe, galaxies, wave, rng):
    """Return rest-frame stellar spectra with interstellar absorption, (n, m), any unit.

    Parameters
    ----------
    universe : Universe
    galaxies : dict of str to ndarray of shape (n,)
    wave : ndarray of shape (m,)
        Å at rest.
    rng : numpy.random.Generator
    """
    weights = universe.continua.weights(galaxies)
    rest = galaxies | {"z": np.zeros_like(galaxies["z"])}
    flux = universe.continua.observed(rest, wave, weights)

    def level(line):
        at = np.searchsorted(wave, line)
        return flux[:, max(at - 30, 0) : at + 31].mean(axis=1)

    for name, deep in absorption(rest, level, rng).items():
        flux += deep[:, None] * profile(wave, ABSORPTION[name][0], WIND_KMS)
    return np.maximum(flux, 0)


def profile(wave, line, kms):
    """Return a Gaussian line of flux 1 at rest, (m,), 1 / Å."""
    sigma = line * kms / C_KMS
    return np.exp(-0.5 * ((wave - line) / sigma) ** 2) / (np.sqrt(2 * np.pi) * sigma)


@dataclass(frozen=True)
class Templates:
    """What the peer fits, on the pixels of a `mtopnet.peer.fit.Grid` at rest.

    Attributes
    ----------
    continua, mixes : ndarray of shape (k, n_rest)
        Parts of continua, and of lines that shine together.
    lines : ndarray of shape (n_lines, n_rest)
        The lines of the mock one by one, flux 1.
    z : ndarray of shape (n,)
        Redshifts of the galaxies that they are made of.
    """

    continua: np.ndarray
    mixes: np.ndarray
    lines: np.ndarray
    z: np.ndarray

    @property
    def all(self):
        """Continua and mixes, ndarray of shape (k, n_rest)."""
        return np.concatenate([self.continua, self.mixes])


def make(grid, *, variant, seed, offline=False, n=GALAXIES):
    """Return templates of a mock.

    Parameters
    ----------
    grid : mtopnet.peer.fit.Grid
    variant : str
        Of the mock; see `mtopnet.mock.make.VARIANTS`.
    seed : int
        Of the mock that they are for: they are made of other galaxies.
    offline : bool
        Never touch the network.
    n : int
        Galaxies.

    Returns
    -------
    Templates
    """
    universe = Universe(variant=variant, offline=offline)
    rng = np.random.default_rng([SEED, seed])
    galaxies = universe.draw(n, rng)
    flux = continua(universe, galaxies, grid.rest, rng)
    flux /= flux.mean(axis=1, keepdims=True)
    whole = grid.n_rest // COARSE * COARSE
    shares, _ = parts_of(flux[:, :whole].reshape(n, -1, COARSE).mean(axis=2), CONTINUA, seed=seed)
    fluxes = mock_lines.observed(galaxies, rng, shift=universe.shift)
    rows = np.stack([fluxes[name] for name in mock_lines.LINES], axis=1)
    _, mixes = parts_of(rows / rows.sum(axis=1, keepdims=True), LINES, seed=seed)
    lines = np.stack([profile(grid.rest, at, LINE_KMS) for at in mock_lines.LINES.values()])
    return Templates(
        continua=np.maximum(np.linalg.lstsq(shares, flux, rcond=None)[0], 0),
        mixes=mixes / mixes.sum(axis=1, keepdims=True) @ lines,
        lines=lines,
        z=galaxies["z"],
    )
