"""What LAMOST's sky subtraction and telluric correction leave in a spectrum, and other ripples.

Sizes were measured on spectra of 111 solar-like stars of 15 nights without catalogue parameters
(DR5 to DR8, S/N_g above 20), as residuals from synthetic spectra: see `docs/mocks.md`.
"""

from __future__ import annotations

import numpy as np
from astropy.io import fits
from scipy.ndimage import gaussian_filter1d, percentile_filter, uniform_filter1d

from common import assets
from common.mocks import lamost
from common.mocks.cannon import air_to_vacuum

C_KMS = 299792.458
PIXEL_KMS = C_KMS * np.log(10) * 1e-4
BARYCENTRIC = 28.0  # km/s, the most that the heliocentric correction moves the sky's features
CITY = {"Hg 4047": 4046.56, "Hg 4358": 4358.33, "Hg 5461": 5460.74, "Hg 5770": 5769.60,
        "Hg 5791": 5790.66}  # Å, air: lamps below the mountain of Xinglong  # fmt: skip
CITY_STRENGTH = 12.0  # Å times the sky's continuum, `default`
# Lines that vary apart from each other: [O I], lamps and sodium, OH.
GROUPS = {"oxygen": ((5570, 5590), (6295, 6310), (6358, 6375)),
          "lamps": ((4000, 5540), (5750, 5910)),
          "hydroxyl": ((5910, 6295), (6310, 6358), (6375, 9200))}  # fmt: skip
# Bands of the transmission: wavelengths in Å; what is neither is water.
OXYGEN_GAMMA, OXYGEN = ((6270, 6345),), ((6860, 6980), (7585, 7720))
# Residuals of line subtraction: mean and standard deviation, in units of the line, of its size, its
# displacement and its excess width (both in units of the line spread's dispersion). Tails are those
# of Student's t of 4 degrees of freedom: standard deviations exceed the medians' by half.
SUBTRACTION = {
    "oxygen": ((0.0, 0.12), (0.0, 0.09), (0.0, 0.10)),
    "lamps": ((0.0, 0.6), (0.0, 0.35), (0.0, 0.6)),
    "hydroxyl": ((-0.05, 0.20), (0.0, 0.13), (-0.05, 0.26)),
}
# The same of the absorption that is left, in units of that at airmass 1.2 and 2.5 mm of water. The
# pipeline does not correct the gamma band; its water lines are broader than the real ones.
TELLURIC = {
    "gamma": ((1.4, 0.45), (0.0, 0.5), (0.8, 0.6)),
    "oxygen": ((0.02, 0.04), (0.03, 0.07), (0.0, 0.10)),
    "water": ((0.0, 0.15), (0.16, 0.13), (-0.22, 0.14)),
}
# Light without lines beside the star's, mean and standard deviation: scattered light in units of
# the star's smooth flux, and what is left of the sky's continuum in units of what the noise implies
# (which holds read noise as well, and so is more than the sky). At S/N_g above 20 lines are diluted
# by 1 to 2 % with a scatter of 2.5 %, below 20 by some 10 % at 4000-4400 Å.
SCATTERED, SKY_CONTINUUM = (0.012, 0.025), (0.1, 0.25)
# Ripples of the calibration that a polynomial of degree 5 an arm does not take out: standard
# deviation in ln flux at wavelengths in Å, and their scale.
RIPPLES = ((3700, 0.020), (4200, 0.015), (4500, 0.007), (7300, 0.006), (8100, 0.009), (9100, 0.010))
RIPPLE_SCALE = 45.0  # Å
SMOOTH = 301  # pixels, twice: the scattered light's resolution
# Errors of the wavelength calibration in km/s at wavelengths in Å: mean, standard deviation.
BLUE_KMS = ((3700, -7.0, 8.0), (4500, -5.0, 5.0), (5000, 0.0, 4.0), (5900, 3.0, 6.0))
RED_KMS = ((5900, 9.0, 28.0), (6200, 9.0, 17.0), (6600, 10.0, 10.0), (8500, 2.0, 10.0),
           (9100, 0.0, 15.0))  # fmt: skip


def sky_lines(*, offline=False):
    """Return the night sky's lines over its continuum as LAMOST would see them.

    `offline` and its errors are those of `common.assets.fetch`.

    Returns
    -------
    dict of str to ndarray of shape (lamost.PIXELS,)
        One row for each of `GROUPS`, on LAMOST's grid, vacuum.
    """
    file = assets.fetch("pypeit", offline=offline) / "pypeit/data/sky_spec/paranal_sky.fits"
    with fits.open(file) as hdus:
        sky, own = np.asarray(hdus[0].data, float), np.asarray(hdus[1].data, float)
    sky = np.clip(sky, 0, None)
    base = gaussian_filter1d(percentile_filter(sky[::10], 15, 601), 60)
    base = np.interp(own, own[::10], base)
    lines = sky / np.maximum(base, 1e-9) - 1
    lines[lines < 0.3] = 0
    out = {}
    wave = lamost.grid()
    seen = _as_seen(own, lines)
    lamps = sum(
        CITY_STRENGTH * _gauss(wave, air_to_vacuum(np.array(line))) for line in CITY.values()
    )
    for name, windows in GROUPS.items():
        inside = np.any([(wave > low) & (wave < high) for low, high in windows], axis=0)
        out[name] = np.where(inside, seen, 0) + (lamps if name == "lamps" else 0)
    return out


def _gauss(wave, centre):
    sigma = np.interp(centre, wave, lamost.lsf_kms(wave)) / C_KMS * centre
    return np.exp(-0.5 * ((wave - centre) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))


def _as_seen(own, values):
    """Return values on a fine grid as LAMOST's line spread shows them on its own grid."""
    wave = lamost.grid()
    log = np.arange(np.log(wave[0]) - 2e-3, np.log(wave[-1]) + 2e-3, 2e-5)
    edges = np.exp(np.append(log - 1e-5, log[-1] + 1e-5))
    total = np.concatenate([[0], np.cumsum(values[1:] * np.diff(own))])
    fine = np.diff(np.interp(edges, own, total)) / np.diff(edges)
    sigma = lamost.lsf_kms(np.exp(log)) / C_KMS / 2e-5
    levels = np.linspace(sigma.min(), sigma.max() + 1e-6, 6)
    steps = np.stack([gaussian_filter1d(fine, s, mode="nearest") for s in levels])
    at = (sigma - levels[0]) / (levels[1] - levels[0])
    low = np.minimum(at.astype(int), len(levels) - 2)
    part, cells = at - low, np.arange(len(log))
    blurred = steps[low, cells] * (1 - part) + steps[low + 1, cells] * part
    return np.interp(np.log(wave), log, blurred)


def telluric_depth(*, airmass=1.2, offline=False):
    """Return -ln of the atmosphere's line absorption: of oxygen and of water, on LAMOST's grid.

    Parameters
    ----------
    airmass : float
        1.0, 1.2, ... 2.0.
    offline : bool
        Never touch the network.

    Returns
    -------
    dict of str to ndarray of shape (lamost.PIXELS,)
        "oxygen" and "water"; 0 below 6000 Å, where ESO's sky model begins.
    """
    folder = assets.fetch("moons1d", offline=offline) / "moons1d/models/Skymodel"
    with fits.open(folder / f"SkyTemplate_ESO_a{airmass:.1f}.fits") as hdus:
        trans = np.asarray(hdus[1].data, dtype=float)
        own = hdus[1].header["CRVAL1"] + hdus[1].header["CDELT1"] * np.arange(trans.size)
    own, trans = own[own < 9600], trans[own < 9600]
    # Scattering and ozone are smooth, and part of the flux calibration: only lines are kept.
    x, good = np.linspace(-1, 1, own.size), trans > 0
    for _ in range(8):
        smooth = np.polyval(np.polyfit(x[good], trans[good], 5), x)
        good = trans > smooth - 0.002
    trans = np.minimum(trans / smooth, 1)
    wave = lamost.grid()
    depth = -np.log(np.clip(_as_seen(own, trans), 1e-3, 1))
    depth[wave < own[0] + 20] = 0
    oxygen = np.any([(wave > low) & (wave < high) for low, high in OXYGEN], axis=0)
    gamma = np.any([(wave > low) & (wave < high) for low, high in OXYGEN_GAMMA], axis=0)
    return {
        "gamma": np.where(gamma, depth, 0),
        "oxygen": np.where(oxygen, depth, 0),
        "water": np.where(gamma | oxygen, 0, depth),
    }


class Residuals:
    """Telluric residuals, ripples and residuals of sky lines on LAMOST's grid.

    Parameters
    ----------
    noise : common.mocks.lamost.LamostNoise
        Whose sky continuum the lines are measured in.
    offline : bool
        As `common.assets.fetch` takes it, with its errors.
    """

    def __init__(self, noise, *, offline=False):
        wave = noise.wavelength
        dark = np.exp(np.interp(wave, lamost.WAVE, np.log(lamost.DARK)))
        sky = dark**2 / noise.object  # whose photons are the variance between the lines
        sigma = lamost.lsf_kms(wave) / PIXEL_KMS
        self._lines = [
            (_moments(line, sigma) * sky).astype(np.float32)
            for line in sky_lines(offline=offline).values()
        ]
        self._depths = [
            _moments(depth, sigma).astype(np.float32)
            for depth in telluric_depth(offline=offline).values()
        ]
        self._sky = sky.astype(np.float32)
        self._ripple = np.interp(wave, *zip(*RIPPLES, strict=True)).astype(np.float32)

    def absorb(self, flux, rng, *, kms):
        """Multiply spectra (n, PIXELS) by telluric residuals and ripples, in place.

        Parameters
        ----------
        flux : ndarray of shape (n, PIXELS)
            Noiseless.
        rng : numpy.random.Generator
        kms : ndarray of shape (n,)
            Heliocentric correction, which the air's lines show.
        """
        n = len(flux)
        log = np.zeros(flux.shape, dtype=np.float32)
        for shapes, size in zip(self._depths, TELLURIC.values(), strict=True):
            log -= _draw(size, n, rng) @ shapes
        log = _moved(log, kms)
        wave = lamost.grid()
        knots = np.arange(wave[0] - RIPPLE_SCALE, wave[-1] + RIPPLE_SCALE, RIPPLE_SCALE)
        at = np.clip((wave - knots[0]) / RIPPLE_SCALE, 0, len(knots) - 1.001)
        low, part = at.astype(int), (at - at.astype(int)).astype(np.float32)
        rough = rng.standard_normal((n, len(knots)), np.float32)
        rough = gaussian_filter1d(rough, 0.7, axis=1, mode="nearest") * 1.55  # variance 1 again
        strength = np.exp(0.4 * rng.standard_normal((n, 1))).astype(np.float32)
        log += strength * self._ripple * (rough[:, low] * (1 - part) + rough[:, low + 1] * part)
        flux *= np.exp(log)

    def scatter(self, flux, rng):
        """Add scattered light in place to spectra (n, PIXELS): lines get shallower or deeper."""
        smooth = uniform_filter1d(flux, SMOOTH, axis=1, mode="nearest")
        smooth = uniform_filter1d(smooth, SMOOTH, axis=1, mode="nearest")
        mean, sigma = SCATTERED
        share = (mean + sigma * rng.standard_normal((len(flux), 1))).astype(np.float32)
        flux += share * (smooth - flux)

    def add_sky(self, flux, rng, *, kms):
        """Add what is left of the sky in place to spectra (n, PIXELS) that `scaled` has scaled.

        Parameters
        ----------
        flux : ndarray of shape (n, PIXELS)
            In the noise model's unit.
        rng : numpy.random.Generator
        kms : ndarray of shape (n,)
            Heliocentric correction.
        """
        n = len(flux)
        total = np.zeros(flux.shape, dtype=np.float32)
        for shapes, size in zip(self._lines, SUBTRACTION.values(), strict=True):
            total += _draw(size, n, rng, freedom=4) @ shapes
        mean, sigma = SKY_CONTINUUM
        flux += _moved(total, kms)
        flux += (mean + sigma * rng.standard_normal((n, 1))).astype(np.float32) * self._sky


def wavelength_errors(n, rng):
    """Return errors of the wavelength calibration, ndarray of shape (n, PIXELS), km/s.

    Each arm has its own smooth curve; neighbouring anchors of `BLUE_KMS` and `RED_KMS` are drawn
    apart from each other.
    """
    wave = lamost.grid()
    out = np.empty((n, len(wave)), dtype=np.float32)
    red = wave > lamost.JOIN
    for part, anchors in ((~red, BLUE_KMS), (red, RED_KMS)):
        at, mean, sigma = (np.array(column) for column in zip(*anchors, strict=True))
        values = mean + sigma * rng.standard_normal((n, len(at)))
        place = np.clip(np.searchsorted(at, wave[part], side="right") - 1, 0, len(at) - 2)
        x = np.clip((wave[part] - at[place]) / (at[place + 1] - at[place]), 0, 1)
        x = x * x * (3 - 2 * x)
        out[:, part] = values[:, place] * (1 - x) + values[:, place + 1] * x
    return out


def _moments(line, sigma):
    """Return a line, its first and second derivative in units of the line spread, (3, n)."""
    first = np.gradient(line)
    return np.stack([line, first * sigma, np.gradient(first) * sigma**2])


def _draw(size, n, rng, *, freedom=None):
    """Draw (n, 3) coefficients of means and standard deviations, with Student's tails if asked."""
    mean, sigma = np.array(size).T
    z = rng.standard_normal((n, 3))
    if freedom:
        z *= np.sqrt(freedom / rng.chisquare(freedom, (n, 1)))
    return (mean + sigma * z).astype(np.float32)


def _moved(values, kms):
    """Return rows displaced by velocities of less than a pixel (69 km/s), linearly interpolated."""
    shift = (np.asarray(kms) / PIXEL_KMS)[:, None].astype(np.float32)
    out = values.copy()
    out[:, 1:-1] -= np.where(
        shift > 0,
        shift * (values[:, 1:-1] - values[:, :-2]),
        shift * (values[:, 2:] - values[:, 1:-1]),
    )
    return out
