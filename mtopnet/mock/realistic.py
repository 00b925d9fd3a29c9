"""The mock as an instrument would give it: galaxies of "faint" and what else a fibre may hold.

What goes wrong between fibre and file is here, an effect a function; what stands in the fibre is
in `mtopnet.mock.targets`. Numbers without a source are `default`: MOONS has no spectra yet, and
they are what reduced spectra of fibre spectrographs of today are off by.
"""

from __future__ import annotations

import numpy as np

from common.mocks import moons
from mtopnet.mock import targets
from mtopnet.mock.universe import UNIT, Universe

SKY = 0.01  # rms of the subtracted sky's level, a share of the sky: default, as "shifted"
SHARED = 0.5  # share of that variance that all spectra of a file have in common
SHIFT = 0.01  # Å rms between sky and object frames: residuals like P Cygni's; 1.5 % of a pixel
SKY_KNOTS = 40  # over which their level changes, some 300 Å apart: groups of OH lines
TELLURIC = 0.1  # rms of the error of the air's column: transmission to this power is left
LOWEST = 0.02  # transmission below which nothing is corrected
CALIBRATION, CALIBRATION_KNOTS = 0.05, 6  # rms of the flux calibration, smooth over 2000 Å
JOINT = 0.03  # rms of an arm's own level
ERRORS = (0.1, 0.3)  # least and most that quoted errors are wrong by, in each arm and spectrum
BAD_RUNS, BAD_LENGTH = 12.0, 6.0  # mean number of runs of bad pixels, their mean length
RAYS = 4.0  # mean number of cosmic rays that were not found in a spectrum
RAY_HEIGHT, RAY_LENGTH = (6.0, 40.0), 1.5  # in errors, flat in the logarithm; mean length in pixels


def hats(knots):
    """Return what interpolates linearly between knots over the pixels, (knots, 12217), float32."""
    at = np.linspace(0, knots - 1, moons.PIXELS)
    return np.maximum(1 - np.abs(at[None] - np.arange(knots)[:, None]), 0).astype(np.float32)


def arm_masks():
    """Return 1 in an arm's own pixels and 0 elsewhere, (3, 12217), float32."""
    out = np.zeros((len(moons.ARMS), moons.PIXELS), dtype=np.float32)
    for row, pixels in zip(out, moons.arm_slices().values(), strict=True):
        row[pixels] = 1
    return out


# Each of these returns random numbers, (n, k), and the curves that they are strengths of,
# (k, 12217): `summed` makes spectra of several at once, which takes a tenth of the time.


def sky_levels(n, *, sky, rng):
    """Return errors of the subtracted sky's level: they change with wavelength, a part is shared.

    Parameters
    ----------
    n : int
    sky : ndarray of shape (12217,)
        In the unit of the spectra.
    rng : numpy.random.Generator
    """
    own, common = rng.standard_normal((n, SKY_KNOTS)), rng.standard_normal((1, SKY_KNOTS))
    return np.sqrt(1 - SHARED) * own + np.sqrt(SHARED) * common, SKY * hats(SKY_KNOTS) * sky


def sky_shifts(n, *, slope, rng):
    """Return residuals of a sky that is shifted in each arm; `slope`: its change an Å, (12217,)."""
    return rng.standard_normal((n, len(moons.ARMS))), SHIFT * arm_masks() * slope


def telluric(n, *, air, rng):
    """Return log factors of bands corrected by a wrong column; `air`: transmission, (12217,)."""
    return rng.standard_normal((n, 1)), TELLURIC * np.log(np.clip(air, LOWEST, 1))[None]


def calibration(n, rng):
    """Return log factors of a flux calibration that is off smoothly."""
    return rng.standard_normal((n, CALIBRATION_KNOTS)), CALIBRATION * hats(CALIBRATION_KNOTS)


def joints(n, rng):
    """Return log factors that are one number an arm: arms that do not join."""
    return rng.standard_normal((n, len(moons.ARMS))), JOINT * arm_masks()


def summed(*parts):
    """Return the sum of random curves, (n, 12217), float32; `parts` are (draws, curves)."""
    draws, curves = (
        np.concatenate(one, axis=i) for one, i in zip(zip(*parts, strict=True), (1, 0), strict=True)
    )
    return draws.astype(np.float32) @ curves.astype(np.float32)


def wrong_errors(sigma, rng):
    """Return the errors that are quoted: too large or too small in each arm and spectrum."""
    size = rng.uniform(*ERRORS, (len(sigma), len(moons.ARMS)))
    factor = (1 + size * rng.choice((-1.0, 1.0), size.shape)).astype(np.float32)
    out = np.empty_like(sigma)
    for i, pixels in enumerate(moons.arm_slices().values()):
        np.multiply(sigma[:, pixels], factor[:, i : i + 1], out=out[:, pixels])
    return out


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
        n, camera = len(flux), self.camera
        seen += summed(
            sky_levels(n, sky=camera.sky, rng=rng), sky_shifts(n, slope=camera.slope, rng=rng)
        )
        factor = summed(telluric(n, air=self.air, rng=rng), calibration(n, rng), joints(n, rng))
        np.exp(factor, out=factor)
        seen *= factor
        sigma *= factor
        cosmic_rays(seen, sigma, rng)
        quoted = wrong_errors(sigma, rng)
        bad_pixels(seen, quoted, rng)
        return seen, sigma, quoted
