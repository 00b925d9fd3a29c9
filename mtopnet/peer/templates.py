"""Templates of the peer: non-negative parts of the mock's own continua and lines, of other galaxies."""

from __future__ import annotations

import warnings

import numpy as np

from common.mocks.lines import C_KMS
from mtopnet.mock import lines as mock_lines
from mtopnet.mock.continuum import ABSORPTION, WIND_KMS, absorption
from mtopnet.mock.make import Universe
from mtopnet.peer.fit import STEP, Templates

GALAXIES = 1500  # default: that the templates are made of
SEED = 20_000  # of these galaxies, added to the run's: none of them is in its mock
CONTINUA, LINES = 5, 4  # default: parts of each
WIDTHS = (90.0,)  # km/s, default: dispersions of the lines, the instrument's included
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


def make(*, first, n_pixels, variant, seed, step=STEP, offline=False, n=GALAXIES,
         n_continua=CONTINUA, n_lines=LINES, widths=WIDTHS):  # fmt: skip
    """Return templates of a mock, continua first.

    Parameters
    ----------
    first : float
        log10 of the first wavelength at rest, Å.
    n_pixels : int
    variant : str
        Of the mock; see `mtopnet.mock.make.VARIANTS`.
    seed : int
        Of the mock that they are for: they are made of other galaxies.
    step : float
        log10 wavelength a pixel.
    offline : bool
        Never touch the network.
    n, n_continua, n_lines : int
        Galaxies; parts of their continua and of their lines.
    widths : tuple of float
        Dispersions of the lines in km/s; each part comes with each of them.

    Returns
    -------
    Templates
    """
    universe = Universe(variant=variant, offline=offline)
    rng = np.random.default_rng([SEED + seed])
    galaxies = universe.draw(n, rng)
    wave = 10 ** (first + step * np.arange(n_pixels))
    flux = continua(universe, galaxies, wave, rng)
    flux /= flux.mean(axis=1, keepdims=True)
    rough = flux[:, : n_pixels // COARSE * COARSE].reshape(n, -1, COARSE).mean(axis=2)
    shares, _ = parts_of(rough, n_continua, seed=seed)
    smooth = np.maximum(np.linalg.lstsq(shares, flux, rcond=None)[0], 0)
    fluxes = mock_lines.observed(galaxies, rng, shift=universe.shift)
    rows = np.stack([fluxes[name] for name in mock_lines.LINES], axis=1)
    _, mixes = parts_of(rows / rows.sum(axis=1, keepdims=True), n_lines, seed=seed)
    lines = []
    for kms in widths:
        shapes = np.stack([profile(wave, line, kms) for line in mock_lines.LINES.values()])
        lines.append(mixes / mixes.sum(axis=1, keepdims=True) @ shapes)
    return Templates(np.concatenate([smooth, *lines]), first=first, step=step)
