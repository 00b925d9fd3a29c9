"""Observed MOONS spectra: light in the fibre, sky, noise of an XSWITCH sequence, what may go wrong.

The sums are those of MOONS1D, on whole batches at once, but for three shortcuts of version 1.0.3:
it counts photons as if all of an arm's light were of its middle wavelength, draws photon noise
after the gain (0.6 in RI) and dims the sky at the fibre's entrance like a star. With the three put
in, our errors are its errors (median ratio 1.00 in each arm); without them MOONS1D's are 1.28 (RI),
0.97 (YJ) and 0.98 (H) times ours, at 21 mag and 2 h. Vacuum, observed frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from common.mocks.fibre import sersic_loss
from common.mocks.moons import (
    ARMS,
    PIXELS,
    arm_slices,
    efficiency,
    grid,
    sky_photons,
    transmission,
)

PHOTON_ERG = 1.986445857e-8  # h c in erg Å
DIT = 300.0  # s, one exposure (paper, Sect. 2)
FIBRE = 1.1  # arcsec, diameter on sky
MIRROR = np.pi * (820.0 / 2) ** 2  # cm2, as MOONS1D takes it


@dataclass(frozen=True)
class Observation:
    """How one batch of spectra is observed.

    The defaults are the paper's (Sect. 2): seeing 0.8", airmass 1.2, exposures of 300 s, XSWITCH,
    nothing wrong with sky subtraction or flux calibration, as MOONS1D assumes.
    """

    seeing: float = 0.8  # arcsec at 5000 Å, zenith
    airmass: float = 1.2
    sky_residual: float = 0.0  # rms error of the subtracted sky's level, as a share of the sky
    sky_shift: float = 0.0  # rms shift in Å between sky and object frames: P Cygni residuals
    throughput: float = 1.0  # factor on the efficiency of telescope and instrument
    calibration: float = 0.0  # rms of the flux calibration's smooth error, a share of the flux
    sky_level: float = 1.0  # factor on the sky's emission (a brighter night)


def exposures_of(hours):
    """Return the number of exposures of 300 s in some hours on target."""
    return round(hours * 3600 / DIT)


def electrons_per_flux(observation, *, offline=False):
    """Return the electrons of one exposure and pixel for 1 erg / (s cm2 Å) inside the fibre.

    Parameters
    ----------
    observation : Observation
    offline : bool
        Never touch the network.

    Returns
    -------
    ndarray of shape (12217,)
        As an object gives them through the air.
    """
    air = transmission(airmass=observation.airmass, offline=offline)
    return sky_electrons_per_photon(observation, offline=offline) * air * grid() / PHOTON_ERG


def sky_electrons_per_photon(observation, *, offline=False):
    """Return the electrons of one exposure and pixel for 1 photon / (s cm2 Å), (12217,)."""
    width = np.concatenate([np.full(a.pixels, a.step) for a in ARMS.values()])
    return efficiency(offline=offline) * observation.throughput * width * DIT * MIRROR


def background(observation, *, offline=False):
    """Return electrons of sky and of dark current, and the variance of the read-out, (12217,) each.

    One exposure, one fibre. Sky fills the fibre, so it suffers no loss at its entrance.
    """
    area = np.pi * (FIBRE / 2) ** 2
    sky = sky_photons(airmass=observation.airmass, offline=offline) * observation.sky_level * area
    sky = sky * sky_electrons_per_photon(observation, offline=offline)
    dark = np.concatenate([np.full(a.pixels, a.dark / 3600 * DIT) for a in ARMS.values()])
    read = np.concatenate([np.full(a.pixels, a.ron**2) for a in ARMS.values()])
    return sky, dark, read


def fibre_share(*, r_e, n, observation, knots=20):
    """Return the share of galaxies' light in the fibre at every pixel, (g, 12217) float32.

    Parameters
    ----------
    r_e, n : ndarray of shape (g,)
        Half-light radius in arcsec, Sersic index.
    observation : Observation
    knots : int
        Wavelengths at which it is computed (MOONS1D: 20 an arm; the share varies slowly).
    """
    wave = grid()
    at = np.linspace(wave[0], wave[-1], knots)
    share = sersic_loss(
        at, r_e=r_e, n=n, seeing=observation.seeing, airmass=observation.airmass, aperture=FIBRE
    ).astype(np.float32)
    k = np.clip(np.searchsorted(at, wave, side="right") - 1, 0, knots - 2)
    part = ((wave - at[k]) / (at[1] - at[0])).astype(np.float32)
    left = share[:, k]
    return left + part * (share[:, k + 1] - left)


def error(flux, *, hours, observation, offline=False):
    """Return the 1-sigma error of calibrated spectra, erg / (s cm2 Å), (n, 12217).

    XSWITCH: each exposure of the object has one of the sky beside it, so that sky, dark current and
    read-out noise count twice.

    Parameters
    ----------
    flux : ndarray of shape (n, 12217)
        Noise-free, inside the fibre.
    hours : float
        On target.
    observation : Observation
    offline : bool
        Never touch the network.
    """
    per_flux = electrons_per_flux(observation, offline=offline)
    sky, dark, read = background(observation, offline=offline)
    number = exposures_of(hours)
    variance = number * (np.maximum(flux, 0) * per_flux + 2 * (sky + dark + read))
    return np.sqrt(variance) / (number * per_flux)


class Camera:
    """`error` and noise for many spectra of one observation, with float32 arrays made once.

    Fluxes here are in 1e-19 erg / (s cm2 Å): float32 has no room for the plain unit's squares.

    Parameters
    ----------
    observation : Observation
    offline : bool
        Never touch the network.
    """

    UNIT = 1e-19

    def __init__(self, observation, *, offline=False):
        self.observation = observation
        photons = sky_photons(airmass=observation.airmass, offline=offline)
        self.photons = photons * observation.sky_level  # of the sky, / (s cm2 Å arcsec2)
        self._gain = electrons_per_flux(observation, offline=offline) * self.UNIT
        sky, dark, read = background(observation, offline=offline)
        self._object = (1 / self._gain).astype(np.float32)  # variance of 1 exposure per flux
        self._floor = (2 * (sky + dark + read) / self._gain**2).astype(np.float32)
        level = sky / self._gain  # the sky in units of calibrated flux
        self.sky = level.astype(np.float32)
        slope = np.gradient(sky, grid()) / self._gain  # inside arms; the joints do not matter
        self.slope = slope.astype(np.float32)

    def observe(self, flux, *, hours, rng):
        """Return observed spectra and their errors, float32 (n, 12217) both.

        The noise is Gaussian: at hundreds of electrons and more a Poisson number cannot be told
        from it.

        Parameters
        ----------
        flux : ndarray of shape (n, 12217), float32
            Noise-free, inside the fibre, 1e-19 erg / (s cm2 Å).
        hours : float
            On target.
        rng : numpy.random.Generator
        """
        number = np.float32(exposures_of(hours))
        sigma = np.sqrt((np.maximum(flux, 0) * self._object + self._floor) / number)
        out = rng.standard_normal(flux.shape, dtype=np.float32)
        out *= sigma
        out += flux
        how = self.observation
        n = len(flux)
        if how.sky_residual or how.sky_shift:
            for pixels in arm_slices().values():  # each arm has a detector of its own
                level = (how.sky_residual * rng.standard_normal((n, 1))).astype(np.float32)
                shift = (how.sky_shift * rng.standard_normal((n, 1))).astype(np.float32)
                out[:, pixels] += level * self.sky[pixels] + shift * self.slope[pixels]
        if how.calibration:
            factor = self._calibration(n, rng)
            out *= factor
            sigma *= factor
        return out, sigma

    def _calibration(self, n, rng):
        """Return smooth factors near 1: a grey part, a cubic in wavelength, a step at each arm."""
        x = np.linspace(-1, 1, PIXELS, dtype=np.float32)
        basis = np.stack([np.ones_like(x), x, 1.5 * x**2 - 0.5, 2.5 * x**3 - 1.5 * x])
        steps = np.zeros((len(ARMS), PIXELS), dtype=np.float32)
        for row, pixels in zip(steps, arm_slices().values(), strict=True):
            row[pixels] = 1
        basis = np.concatenate([basis, steps])
        draw = rng.standard_normal((n, len(basis))).astype(np.float32)
        return np.exp(self.observation.calibration / np.sqrt(3) * (draw @ basis))
