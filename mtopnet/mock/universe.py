"""Galaxies as a fibre of MOONS receives them, and as its camera sees them: variants of the mock."""

from __future__ import annotations

import numpy as np

from common.errors import UsageError
from common.mocks import moons, moons_camera
from mtopnet.config import Config
from mtopnet.mock import files as mock_files
from mtopnet.mock import lines as mock_lines
from mtopnet.mock import population as mock_population
from mtopnet.mock.continuum import ABSORPTION, BANDS, WIND_KMS, Continua, absorption

M_H, LOG_MASS = 25.0, 9.0  # Sect. 2: brighter than this, or of more mass
UNIT = moons_camera.Camera.UNIT
# 5-sigma depths (AB) of the measured magnitudes, like COSMOS2020's (Weaver et al. 2022); the floor.
DEPTHS = {"r": 27.2, "i": 27.0, "z": 26.6, "y": 25.7, "j": 25.9, "h": 25.5, "ks": 25.2}
FLOOR = 0.03  # mag

FAINT = {"lines": -0.45}
VARIANTS = {
    "default": (moons_camera.Observation(), {}),
    # What is different in the second universe, on which a network trained on the first is tried: a
    # brighter night seen less deep, imperfect sky subtraction and flux calibration, other gas.
    "shifted": (
        moons_camera.Observation(
            seeing=1.0, airmass=1.4, sky_residual=0.01, sky_shift=0.03, throughput=0.8,
            calibration=0.10, sky_level=1.3,
        ),
        {"o3": 0.15, "n2": 0.15, "o2": -0.2, "s2": -0.1},
    ),
    # All lines fainter, so that half of the galaxies pass F(Ha) > 1e-17 as Sect. 4.1 has it. The
    # relations that the paper names give 10^-16.55 with its rates, which Fig. 2 calls average.
    "faint": (moons_camera.Observation(), FAINT),
    # The galaxies of "faint" as an instrument would give them: see `mtopnet.mock.realistic`.
    "realistic": (moons_camera.Observation(), FAINT),
}  # fmt: skip


class Universe:
    """Everything that the mock needs, loaded once.

    Parameters
    ----------
    variant : str
        One of `VARIANTS`.
    offline : bool
        Never touch the network.

    Raises
    ------
    UsageError
        If the variant is unknown.
    MissingDataError
        If an archive is neither cached nor fetchable.
    """

    NAME = "MOCK-"  # what the names of its galaxies begin with
    REDSHIFTS = (0.6, 3.1)  # that its magnitudes are made for

    def __init__(self, *, variant="default", offline=False):
        if variant not in VARIANTS:
            raise UsageError(f"variant must be one of {', '.join(VARIANTS)}. Received {variant!r}.")
        self.observation, self.shift = VARIANTS[variant]
        self.camera = moons_camera.Camera(self.observation, offline=offline)
        self.sky_lines = mock_files.sky_lines(self.camera.photons)
        self.masked = moons.sky_photons(offline=offline) > Config.sky_limit
        self.continua = Continua(offline=offline, redshifts=self.REDSHIFTS)

    def draw(self, n, rng, *, z_range=mock_population.Z_RANGE):
        """Return n galaxies of the paper's selection, 0.7 < z < 3 and m_H < 25 or log M > 9.

        Parameters
        ----------
        n : int
        rng : numpy.random.Generator
        z_range : (float, float)
            Other redshifts.

        Returns
        -------
        galaxies : dict of str to ndarray of shape (n,)
            As `mock_population.draw`, and m_h.
        """
        parts, found = [], 0
        while found < n:
            galaxies = mock_population.draw(4 * n, rng, z_range=z_range)
            galaxies["m_h"] = self.continua.magnitudes(galaxies, bands=("h",))["h"]
            keep = selected(m_h=galaxies["m_h"], log_mass=galaxies["log_mass"])
            parts.append({name: values[keep] for name, values in galaxies.items()})
            found += int(keep.sum())
        return {name: np.concatenate([p[name] for p in parts])[:n] for name in parts[0]}

    def make(self, n, rng):
        """Return n galaxies as the fibre receives them.

        Returns
        -------
        flux : ndarray of shape (n, 12217), float32
            Noise-free, inside the fibre, 1e-19 erg / (s cm2 Å).
        galaxies : dict of str to ndarray of shape (n,)
            What was planted; also oh, fibre_h and mag_*.
        fluxes : dict of str to ndarray of shape (n,)
            Line fluxes before the fibre, erg / (s cm2).
        share : ndarray of shape (n, 12217), float32
            Of the light in the fibre.
        """
        galaxies = self.draw(n, rng)
        weights = self.continua.weights(galaxies)
        wave = moons.grid()
        flux = self.continua.observed(galaxies, wave, weights)

        def level(rest):
            at = np.clip(np.searchsorted(wave, rest * (1 + galaxies["z"])), 30, len(wave) - 31)
            near = at[:, None] + np.arange(-30, 31, 6)
            return np.take_along_axis(flux, near, axis=1).mean(axis=1)

        holes = absorption(galaxies, level, rng)
        rests = {name: rest for name, (rest, _) in ABSORPTION.items()}
        slow = np.full(n, WIND_KMS)
        mock_lines.add_lines(flux, fluxes=holes, z=galaxies["z"], kms=slow, wavelengths=rests)
        fluxes = mock_lines.observed(galaxies, rng, shift=self.shift)
        self.add_gas(flux, galaxies, fluxes, rng)
        share = moons_camera.fibre_share(
            r_e=galaxies["r_e"], n=galaxies["sersic_n"], observation=self.observation
        )
        flux *= share
        galaxies["oh"] = mock_lines.abundance(
            galaxies["log_mass"], galaxies["log_sfr"], galaxies["z"]
        )
        galaxies["fibre_h"] = share[:, np.searchsorted(wave, 16450.0)]
        magnitudes = self.continua.magnitudes(galaxies, weights)
        for band in BANDS:
            galaxies[f"mag_{band}"] = measured(magnitudes[band], band, rng)
        return flux, galaxies, fluxes, share

    def add_gas(self, flux, galaxies, fluxes, rng):
        """Add the emission lines to spectra, in place; arguments as what `make` returns."""
        scaled = {name: values / UNIT for name, values in fluxes.items()}
        mock_lines.add_lines(flux, fluxes=scaled, z=galaxies["z"], kms=galaxies["sigma_gas"])

    def observe(self, flux, *, hours, rng):
        """Return observed spectra, their errors, and the errors that are quoted.

        Parameters
        ----------
        flux : ndarray of shape (n, 12217), float32
            From `make`.
        hours : float
        rng : numpy.random.Generator

        Returns
        -------
        ndarray of shape (n, 12217), float32
            Three of them, 1e-19 erg / (s cm2 Å).
        """
        seen, sigma = self.camera.observe(flux, hours=hours, rng=rng)
        return seen, sigma, sigma


def selected(*, m_h, log_mass):
    """Return a mask of the galaxies that the paper's sample holds (Sect. 2)."""
    return (m_h < M_H) | (log_mass > LOG_MASS)


def measured(magnitude, band, rng):
    """Return measured AB magnitudes: a survey's depth, a floor, at most the depth's 1 sigma."""
    sigma = 0.2 * 10 ** (-0.4 * DEPTHS[band])
    flux = 10 ** (-0.4 * magnitude)
    flux = flux + np.hypot(sigma, flux * FLOOR / 1.086) * rng.standard_normal(len(flux))
    return -2.5 * np.log10(np.maximum(flux, sigma))
