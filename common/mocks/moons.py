"""MOONS at the VLT in low resolution: its pixels, the sky above it, its efficiency.

Everything measured comes from the files of MOONS1D, the consortium's own simulator (asset
"moons1d"); its numbers for the low-resolution mode (MOONS_mode.ini) stand in `ARMS`. Vacuum,
observed frame. `common.mocks.moons_camera` makes observed spectra of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from astropy.io import fits
from scipy.ndimage import gaussian_filter1d

from common import assets
from common.errors import UsageError

FWHM_SIGMA = np.sqrt(8 * np.log(2))
SAMPLING = 2.7  # pixels per element of resolution
SKY_STEP = 0.1  # Å; ESO's sky model from 6000 Å on
AIRMASSES = (1.0, 1.2, 1.4, 1.6, 1.8, 2.0)
PIXELS = 12217  # of the three arms together (paper, Sect. 2)


@dataclass(frozen=True)
class Arm:
    """One spectrograph arm of the low-resolution mode."""

    first: float  # Å
    last: float  # Å
    resolution: float  # lambda / FWHM at the arm's middle; the FWHM in Å is constant
    dark: float  # electrons an hour and pixel
    ron: float  # electrons
    detector: str  # file of the quantum efficiency

    @property
    def fwhm(self):
        """Width of the line spread function in Å."""
        return (self.first + self.last) / 2 / self.resolution

    @property
    def step(self):
        """Width of a pixel in Å."""
        return self.fwhm / SAMPLING

    @property
    def pixels(self):
        """Number of pixels."""
        return int(round(self.last - self.first) / self.step)

    @property
    def wavelength(self):
        """Pixel centres in Å, ndarray of shape (pixels,)."""
        return self.first + self.step * np.arange(self.pixels)


ARMS = {
    "RI": Arm(6470.0, 9340.0, 4200.0, 2.0, 5.0, "QE_LBNL.txt"),
    "YJ": Arm(9340.0, 13500.0, 4300.0, 30.0, 6.0, "QE_4RG.txt"),
    "H": Arm(14520.0, 18000.0, 6700.0, 30.0, 6.0, "QE_4RG.txt"),
}


def grid():
    """Return the wavelengths of the joined arms, ndarray of shape (12217,), Å, vacuum."""
    return np.concatenate([arm.wavelength for arm in ARMS.values()])


def arm_slices():
    """Return {arm: slice of the joined pixels}."""
    ends = np.cumsum([0] + [arm.pixels for arm in ARMS.values()]).tolist()
    return {name: slice(a, b) for name, a, b in zip(ARMS, ends[:-1], ends[1:], strict=True)}


def lsf_sigma():
    """Return the dispersion in Å of the line spread function at each pixel, (12217,)."""
    return np.concatenate([np.full(a.pixels, a.fwhm / FWHM_SIGMA) for a in ARMS.values()])


def _sky_file(airmass, offline):
    if airmass not in AIRMASSES:
        raise UsageError(f"airmass must be one of {AIRMASSES}. Received {airmass!r}.")
    folder = assets.fetch("moons1d", offline=offline) / "moons1d/models/Skymodel"
    return folder / f"SkyTemplate_ESO_a{airmass:.1f}.fits"


def _on_pixels(fine, step_width):
    """Degrade a fine spectrum (from 6000 Å, 0.1 Å) to MOONS's resolution and pixels."""
    wave = 6000.0 + SKY_STEP * np.arange(len(fine))
    parts = []
    for arm in ARMS.values():
        sigma = np.sqrt(max(arm.fwhm**2 - step_width**2, 0)) / FWHM_SIGMA / SKY_STEP
        parts.append(np.interp(arm.wavelength, wave, gaussian_filter1d(fine, sigma)))
    return np.concatenate(parts)


@lru_cache(maxsize=8)
def _sky(airmass, offline):
    with fits.open(_sky_file(airmass, offline)) as hdus:
        emission, transmission = (np.asarray(hdus[i].data, dtype=float) for i in (0, 1))
    # MOONS1D takes the model's own resolution as two of its steps.
    out = _on_pixels(emission, 2 * SKY_STEP), _on_pixels(transmission, 2 * SKY_STEP)
    for array in out:
        array.flags.writeable = False
    return out


def sky_photons(*, airmass=1.2, offline=False):
    """Return the sky's emission as MOONS sees it.

    Parameters
    ----------
    airmass : float
        One of `AIRMASSES`.
    offline : bool
        Never touch the network.

    Returns
    -------
    ndarray of shape (12217,)
        Photons / (s cm2 Å arcsec2), at the telescope, at MOONS's resolution.

    Raises
    ------
    UsageError
        If there is no model for this airmass.
    MissingDataError
        If the archive is neither cached nor fetchable.
    """
    return _sky(float(airmass), bool(offline))[0]


def transmission(*, airmass=1.2, offline=False):
    """Return the atmosphere's transmission on MOONS's pixels, ndarray of shape (12217,)."""
    return _sky(float(airmass), bool(offline))[1]


@lru_cache(maxsize=4)
def _efficiency(offline):
    folder = assets.fetch("moons1d", offline=offline) / "moons1d/models/Instrument"
    parts = []
    for name, arm in ARMS.items():
        wave = arm.wavelength
        telescope = np.loadtxt(folder / "telescope_eff.txt")
        optics = np.loadtxt(folder / f"throughput_{name}_worst.txt")  # as MOONS_mode.ini names
        detector = np.loadtxt(folder / arm.detector)
        parts.append(
            np.interp(wave / 1e4, *telescope.T)
            * np.interp(wave / 10, optics[:, 0], optics[:, 1])  # column 1: low resolution
            * np.interp(wave / 1e4, *detector.T) / 100
        )  # fmt: skip
    out = np.concatenate(parts)
    out.flags.writeable = False
    return out


def efficiency(*, offline=False):
    """Return telescope x instrument x detector, without fibre and air, ndarray (12217,)."""
    return _efficiency(bool(offline))
