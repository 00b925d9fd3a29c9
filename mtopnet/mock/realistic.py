"""The mock as an instrument would give it: galaxies of "faint" and what else a fibre may hold.

What goes wrong between fibre and file is here, an effect a function; what stands in the fibre is in
`mtopnet.mock.targets`. Numbers without a source are `default`: MOONS has no spectra yet, and they are
what reduced spectra of fibre spectrographs of today are off by.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from common.mocks import moons
from mtopnet.mock import targets
from mtopnet.mock.universe import UNIT, Universe

SKY = 0.01  # rms of the subtracted sky's level, a share of the sky: default, as "shifted"
SHARED = 0.5  # share of that variance that all spectra of a file have in common
SHIFT = 0.03  # Å rms between sky and object frames: residuals like P Cygni's; as "shifted"
SKY_KNOTS = 40  # over which the level of the residuals changes, some 300 Å apart: groups of OH lines
TELLURIC = 0.1  # rms of the error of the air's column: transmission to this power is left
LOWEST = 0.02  # transmission below which nothing is corrected
CALIBRATION, CALIBRATION_KNOTS = 0.05, 6  # rms of the flux calibration, smooth over 2000 Å
JOINT = 0.03  # rms of an arm's own level
ERRORS = (0.1, 0.3)  # least and most that quoted errors are wrong by, in each arm and spectrum
BAD_RUNS, BAD_LENGTH = 12.0, 6.0  # mean number of runs of bad pixels, their mean length
RAYS = 4.0  # mean number of cosmic rays that were not found in a spectrum
RAY_HEIGHT, RAY_LENGTH = (6.0, 40.0), 1.5  # in errors, flat in the logarithm; mean length in pixels


@lru_cache(maxsize=4)
def _hats(knots):
    """Return what interpolates linearly between knots over the pixels, (knots, 12217), float32."""
    at = np.linspace(0, knots - 1, moons.PIXELS)
    return np.maximum(1 - np.abs(at[None] - np.arange(knots)[:, None]), 0).astype(np.float32)


def smooth(n, knots, rng):
    """Return random curves of about unit rms that are smooth over the pixels, (n, 12217)."""
    return rng.standard_normal((n, knots), dtype=np.float32) @ _hats(knots)


def sky_residuals(n, *, sky, slope, rng):
    """Return what is left of the sky: its level, changing with wavelength, and a shift in each arm.

    Parameters
    ----------
    n : int
    sky, slope : ndarray of shape (12217,)
        Sky in the unit of the spectra, and its change an Å.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (n, 12217), float32
    """
    own, common = smooth(n, SKY_KNOTS, rng), smooth(1, SKY_KNOTS, rng)
    out = np.float32(SKY) * sky * (np.sqrt(1 - SHARED) * own + np.sqrt(SHARED) * common)
    out = out.astype(np.float32)
    for pixels in moons.arm_slices().values():
        shift = (SHIFT * rng.standard_normal((n, 1))).astype(np.float32)
        out[:, pixels] += shift * slope[pixels]
    return out


def telluric(n, *, air, rng):
    """Return log factors of bands that are corrected by the wrong column of air, (n, 12217)."""
    column = (TELLURIC * rng.standard_normal((n, 1))).astype(np.float32)
    return column * np.log(np.clip(air, LOWEST, 1)).astype(np.float32)


def calibration(n, rng):
    """Return log factors of a flux calibration that is off smoothly, (n, 12217)."""
    return np.float32(CALIBRATION) * smooth(n, CALIBRATION_KNOTS, rng)


def joints(n, rng):
    """Return log factors that are one number an arm: arms that do not join, (n, 12217)."""
    return _by_arm((JOINT * rng.standard_normal((n, len(moons.ARMS)))))


def wrong_errors(n, rng):
    """Return what the quoted errors are multiplied by, in each arm and spectrum: (n, 12217)."""
    size = rng.uniform(*ERRORS, (n, len(moons.ARMS)))
    return _by_arm(1 + size * rng.choice((-1.0, 1.0), size.shape))


def _by_arm(values):
    """Return numbers of arms, (n, 3), on their pixels, (n, 12217), float32."""
    number = [np.full(arm.pixels, i) for i, arm in enumerate(moons.ARMS.values())]
    return values.astype(np.float32)[:, np.concatenate(number)]


def _runs(n, mean, length, rng):
    """Return row, first pixel and length of random runs of pixels."""
    row = np.repeat(np.arange(n), rng.poisson(mean, n))
    return row, rng.integers(0, moons.PIXELS, len(row)), rng.geometric(1 / length, len(row))


def cosmic_rays(flux, sigma, rng):
    """Add cosmic rays that were not found to spectra, in place."""
    row, first, length = _runs(len(flux), RAYS, RAY_LENGTH, rng)
    height = np.exp(rng.uniform(*np.log(RAY_HEIGHT), len(row)))
    for r, a, m, h in zip(row, first, length, height, strict=True):
        flux[r, a : a + m] += np.float32(h) * sigma[r, a : a + m]


def bad_pixels(flux, sigma, rng):
    """Take flux and error (NaN) of runs of bad pixels away, in place."""
    for r, a, m in zip(*_runs(len(flux), BAD_RUNS, BAD_LENGTH, rng), strict=True):
        flux[r, a : a + m] = sigma[r, a : a + m] = np.nan


class Realistic(Universe):
    """The universe of "realistic"; parameters and errors as of `Universe`."""

    NAME = "MOCK-R"
    REDSHIFTS = (0.28, 3.88)

    def __init__(self, *, offline=False):
        super().__init__(variant="realistic", offline=offline)
        self.air = moons.transmission(airmass=self.observation.airmass, offline=offline)

    def draw(self, n, rng):
        """Return what n fibres point at: as `Universe.draw`, and what ("galaxy", "star" ...)."""
        galaxies = super().draw(n, rng)
        what = galaxies["what"] = targets.drawn(n, rng)
        outside = np.flatnonzero(what == "outside")
        low = rng.random(len(outside)) < 0.5
        for rows, z_range in zip((outside[low], outside[~low]), targets.OUTSIDE, strict=True):
            if len(rows):
                other = super().draw(len(rows), rng, z_range=z_range)
                for name, values in other.items():
                    galaxies[name][rows] = values
        galaxies["sigma_gas"] *= 10 ** (targets.WIDTHS * rng.standard_normal(n))
        star = what == "star"
        galaxies["r_e"][star], galaxies["sersic_n"][star] = 0.02, 1.0  # a point, in the air's blur
        return galaxies

    def add_gas(self, flux, galaxies, fluxes, rng):
        """Add the gas's lines, those of active nuclei too, in place; as `Universe.add_gas`."""
        active = np.flatnonzero(galaxies["what"] == "agn")
        targets.narrow_lines(fluxes, active, rng)
        scaled = {name: values / UNIT for name, values in fluxes.items()}
        neon = np.zeros(len(flux))
        neon[active] = targets.NEV[2] * scaled["OIII"][active]
        targets.gas(flux, z=galaxies["z"], kms=galaxies["sigma_gas"], rng=rng,
                    fluxes=scaled | {targets.NEV[0]: neon},
                    quiet=galaxies["kind"] == "quiescent")  # fmt: skip
        broad = active[rng.random(len(active)) < targets.BROAD]
        targets.broad_lines(flux, broad, z=galaxies["z"], narrow=scaled["Ha"], rng=rng)

    def make(self, n, rng):
        """Return n targets as the fibre receives them, as `Universe.make`.

        `kind` says what each is where it is not a galaxy by itself: agn, blend, star, outside,
        failed. Stars and failed fibres have NaN for what galaxies have, and lines of flux 0.
        """
        flux, galaxies, fluxes, share = super().make(n, rng)
        what = galaxies.pop("what")
        ours = np.flatnonzero(np.isin(what, ("galaxy", "agn", "blend")))
        targets.blends(flux, np.flatnonzero(what == "blend"), ours, rng)
        stars, failed = (np.flatnonzero(what == name) for name in ("star", "failed"))
        m_h = rng.uniform(*targets.STAR_M_H, len(stars))
        kms = targets.STAR_KMS * rng.standard_normal(len(stars))
        kelvin = np.exp(rng.uniform(*np.log(targets.KELVIN), len(stars)))
        flux[stars] = targets.star_spectra(kelvin=kelvin, m_h=m_h, kms=kms) * share[stars]
        flux[failed] = 0
        none = np.concatenate([stars, failed])
        for values in fluxes.values():
            values[none] = 0
        for name, values in galaxies.items():
            if name not in ("kind", "m_h", "fibre_h"):
                values[none] = np.nan
        galaxies["z"][stars], galaxies["m_h"][stars] = kms / targets.C_KMS, m_h
        galaxies["kind"] = np.where(what == "galaxy", galaxies["kind"], what)
        return flux, galaxies, fluxes, share

    def observe(self, flux, *, hours, rng):
        """Return observed spectra, their errors, and the errors that are quoted, as `Universe`."""
        seen, sigma = self.camera.observe(flux, hours=hours, rng=rng)
        n = len(flux)
        seen += sky_residuals(n, sky=self.camera.sky, slope=self.camera.slope, rng=rng)
        factor = telluric(n, air=self.air, rng=rng)
        factor += calibration(n, rng)
        factor += joints(n, rng)
        np.exp(factor, out=factor)
        seen *= factor
        sigma *= factor
        cosmic_rays(seen, sigma, rng)
        quoted = sigma * wrong_errors(n, rng)
        bad_pixels(seen, quoted, rng)
        return seen, sigma, quoted
