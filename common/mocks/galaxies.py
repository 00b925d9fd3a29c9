"""Galaxies: continua from MaStar populations, emission lines with the ratios of their class."""

from __future__ import annotations

import numpy as np
from astropy.io import fits
from scipy.ndimage import gaussian_filter1d
from scipy.optimize import nnls

from common import assets
from common.mocks.instrument import REST_LOG0, REST_PIXELS, STEP, pixel_of, rest_grid
from common.mocks.lines import C_KMS, LN10, VACUUM, add_gaussian, peak_of_flux, width_in_pixels

DISPERSIONS = (0.0, 120.0, 200.0, 280.0, 360.0)  # km/s, added to the templates' own
# Median velocity dispersion of the stars, km/s: luminous red galaxies and the bulges of spirals
# within SDSS's fibre (Bernardi et al. 2003, AJ 125, 1817; Thomas et al. 2013, MNRAS 431, 1383).
STELLAR_KMS = {"passive": 200.0, "mixed": 150.0, "starforming": 100.0, "starburst": 80.0}


class Galaxies:
    """Stellar continua of galaxies at rest, normalised at 5000 Å.

    Parameters
    ----------
    stars : Stars
        Extends the populations below MaStar's 3622 Å.
    offline : bool
        Never touch the network.
    """

    def __init__(self, stars, *, offline=False):
        folder = assets.fetch("sdss-mangadap", offline=offline)
        files = sorted(
            (folder / "mangadap/data/spectral_templates/mastar_ssp_v1.0").glob("*.fits.gz")
        )
        wave = rest_grid()
        blue = _turn_off_stars(stars)
        self.age, self.metallicity, library = [], [], []
        for file in files:
            stem = file.name.removesuffix(".fits.gz")
            self.age.append(float(stem.split("-A")[1][:6]))
            self.metallicity.append(float(stem.split("-Z")[1]))
            with fits.open(file) as hdus:
                header, flux = hdus[0].header, np.asarray(hdus[0].data, dtype=float)
            own = 10 ** (header["CRVAL1"] + header["CDELT1"] * np.arange(len(flux)))
            library.append(_extended(wave, np.interp(wave, own, flux), blue, own[8], own[-8]))
        self.age, self.metallicity = np.array(self.age), np.array(self.metallicity)
        library = np.array(library)
        library /= np.median(library[:, np.abs(wave - 5000) < 100], axis=1)[:, None]
        self.library = []
        for kms in DISPERSIONS:
            pixels = kms / C_KMS / (STEP * LN10)
            smooth = gaussian_filter1d(library, pixels, axis=1) if pixels else library
            self.library.append(smooth.astype(np.float32))

    def continua(self, kind, n, rng):
        """Return n continua (n, REST_PIXELS) and their velocity dispersions (n,) in km/s.

        Parameters
        ----------
        kind : {"passive", "mixed", "starforming", "starburst"}
        n : int
        rng : numpy.random.Generator
        """
        old, young = self.age >= 3, self.age <= 0.35
        middle = ~old & ~young
        shares = {  # light at 5000 Å from old, middle, young populations (Dirichlet weights)
            "passive": (20, 1.2, 0.15),
            "mixed": (8, 3, 1.0),
            "starforming": (3, 4, 4),
            "starburst": (1, 2, 8),
        }[kind]
        split = rng.dirichlet(shares, n)
        centre = {"passive": 0.0, "mixed": -0.05, "starforming": -0.3, "starburst": -0.6}[kind]
        wanted = np.clip(rng.normal(centre, 0.25, n), -1.35, 0.35)
        closeness = np.exp(-0.5 * ((self.metallicity - wanted[:, None]) / 0.25) ** 2)
        weights = np.zeros((n, len(self.age)))
        for group, part in zip((old, middle, young), split.T, strict=True):
            draw = closeness * group * rng.exponential(1, closeness.shape)
            weights += part[:, None] * draw / (draw.sum(axis=1, keepdims=True) + 1e-30)
        kms = rng.lognormal(np.log(STELLAR_KMS[kind]), 0.3, n).clip(30.0, DISPERSIONS[-1])
        out = self._broadened(weights.astype(np.float32), kms)
        dust = {"passive": 0.05, "mixed": 0.15, "starforming": 0.2, "starburst": 0.15}[kind]
        out *= attenuation(rng.exponential(dust, n))
        return out, kms

    def _broadened(self, weights, kms):
        """Return mixtures of the populations broadened to any dispersions, (n, REST_PIXELS).

        Two of the library's widths are mixed so that the variance is the one asked for.
        """
        steps = np.array(DISPERSIONS) ** 2
        low = np.clip(np.searchsorted(DISPERSIONS, kms, side="right") - 1, 0, len(steps) - 2)
        share = ((kms**2 - steps[low]) / (steps[low + 1] - steps[low])).astype(np.float32)
        out = np.zeros((len(kms), REST_PIXELS), dtype=np.float32)
        for k, library in enumerate(self.library):
            part = np.where(low == k, 1 - share, np.where(low + 1 == k, share, 0))
            rows = np.flatnonzero(part)
            if len(rows):
                out[rows] += (part[rows, None] * weights[rows]) @ library
        return out


def attenuation(ebv, slope=1.1):
    """Return exp(-tau) on the templates' grid for a screen of k ~ lambda^-slope, (n, REST_PIXELS).

    k(5500 Å) = 3.1; the level at 5000 Å is kept, only the colour changes.
    """
    wave = rest_grid()
    k = 3.1 * ((wave / 5500) ** -slope - (5000 / 5500) ** -slope)
    tau = 0.921 * np.maximum(k, -3)
    return np.exp(-np.asarray(ebv, np.float32)[:, None] * tau.astype(np.float32))


def _turn_off_stars(stars):
    """Spectra whose mixture stands for a population in the near ultraviolet."""
    teff = np.array([4500, 5200, 5800, 6300, 7000, 8500, 10500, 15000, 25000.0])
    logg = np.array([2.5, 3.5, 4.2, 4.2, 4.2, 4.0, 4.0, 4.0, 4.0])
    return stars.spectra(teff=teff, logg=logg, feh=np.zeros(len(teff)))


def _extended(wave, flux, blue, first, last):
    """Carry a population beyond MaStar's range: stars to 3000 Å, a power law beyond, red end flat.

    The stars are fitted (non-negative) between 3650 and 4600 Å.
    """
    fit = (wave > 3650) & (wave < 4600)
    level = flux[fit].mean()
    scale = blue[:, fit].mean(axis=1)
    weights, _ = nnls((blue[:, fit] / scale[:, None]).T, flux[fit] / level)
    model = level * (weights / scale) @ blue
    join = np.searchsorted(wave, first)
    model *= flux[join : join + 150].mean() / model[join : join + 150].mean()
    out = np.where(wave < first, model, flux)
    edge = np.searchsorted(wave, 3030.0)
    window = slice(edge, edge + 200)
    slope = np.polyfit(np.log(wave[edge : join + 600]), np.log(out[edge : join + 600] + 1e-9), 1)[0]
    out[:edge] = out[window].mean() * (wave[:edge] / wave[edge]) ** np.clip(slope, -3.0, 4.0)
    for centre, width, depth in ((2799.0, 14.0, 0.35), (2852.0, 7.0, 0.25), (2600.0, 9.0, 0.25)):
        out *= 1 - depth * np.exp(-0.5 * ((wave - centre) / width) ** 2) * (wave < 3000)
    out[wave > last] = flux[np.searchsorted(wave, last) - 50 : np.searchsorted(wave, last)].mean()
    return out


def demarcation(log_n2_ha):
    """Return SDSS's border between star formation and AGN in log10([OIII]5007/Hb).

    0.7 - 1.2 (log10([NII]6584/Ha) + 0.4): the definition of the pipeline's subclasses.
    """
    return 0.7 - 1.2 * (np.asarray(log_n2_ha) + 0.4)


# Red galaxies: share with emission lines, and median and spread of log10 EW(Ha) in Å. "BCG" and
# "LRG" are 4MOST's cluster and red galaxies, whose templates differ in this (GaSNet-II, Sect.
# 4.3.1): the first have lines as a rule, the second mostly have none.
RED = {"nan": (0.4, 0.1, 0.4), "BCG": (0.9, 0.5, 0.3), "LRG": (0.3, 0.5, 0.3)}


def line_ratios(kind, n, rng):
    """Draw line fluxes relative to Ha, those of SDSS's classes within SDSS's definitions.

    Parameters
    ----------
    kind : {"nan", "BCG", "LRG", "AGN", "COMPOSITE", "STARFORMING", "STARBURST", "ELG"}
        "COMPOSITE": on either side of the border between AGN and star formation, near it. "ELG":
        star-forming galaxies of z about 0.9 chosen by colour for their [O II] line, with the
        ratios of starbursts and equivalent widths of any strength.
    n : int
    rng : numpy.random.Generator

    Returns
    -------
    dict of str to ndarray of shape (n,)
        "EW" (rest-frame equivalent width of Ha, Å) and one entry per line of `VACUUM` used.
    """
    if kind == "AGN":
        n2 = np.clip(rng.normal(-0.08, 0.16, n), -0.7, 0.4)
        o3 = np.maximum(
            rng.normal(0.55, 0.28, n), demarcation(n2) + rng.exponential(0.12, n) + 0.01
        )
        ew = 10 ** np.clip(rng.normal(1.05, 0.35, n), 0.3, 2.3)
    elif kind == "COMPOSITE":
        n2 = rng.normal(-0.25, 0.12, n)
        o3 = demarcation(n2) + rng.normal(0, 0.12, n)
        ew = 10 ** rng.normal(1.05, 0.3, n)
    elif kind in RED:
        share, *strength = RED[kind]
        n2, o3 = rng.normal(-0.1, 0.2, n), rng.normal(0.2, 0.3, n)
        ew = np.where(rng.random(n) < share, 10 ** rng.normal(*strength, n), 0.0)
    else:
        burst = kind != "STARFORMING"
        n2 = np.clip(rng.normal(-0.95 if burst else -0.5, 0.3 if burst else 0.18, n), -2.2, -0.2)
        o3 = 0.61 / (np.minimum(n2, -0.15) - 0.05) + 1.15 + rng.normal(0, 0.1, n)
        o3 = np.minimum(o3, demarcation(n2) - rng.exponential(0.08, n) - 0.01)
        o3 = np.clip(o3, -0.9, 0.88)
        ew = (
            51 + 10 ** rng.normal(1.55, 0.4, n)
            if burst
            else 49 * rng.beta(2.0, 2.4, n) + 4 * rng.random(n)
        )
        if kind == "ELG":  # [O II] of 10 to 100 Å at rest (Comparat et al. 2016, A&A 592, A121)
            ew = 10 ** rng.normal(1.8, 0.25, n)
        ew = np.minimum(ew, 800.0) if burst else np.minimum(ew, 49.9)
    reddening = rng.exponential(0.15, n)

    def dust(rest):
        return 10 ** (-0.4 * reddening * 3.1 * ((rest / 5500) ** -1.1 - (6564.6 / 5500) ** -1.1))

    hb = dust(4862.7) / 2.86  # case B, 10^4 K
    out = {"EW": ew, "Ha": np.ones(n), "Hb": hb}
    for name, value in (("Hg", 0.468), ("Hd", 0.259), ("Heps", 0.159), ("H8", 0.105)):
        out[name] = value / 2.86 * dust(VACUUM[name])
    out["OIII"] = hb * 10**o3
    out["OIII4959"] = out["OIII"] / 2.98
    out["NII"] = 10**n2
    out["NII6548"] = out["NII"] / 3.05
    o2 = 10 ** rng.normal(0.45 if kind != "AGN" else 0.4, 0.15, n) / 2.86 * dust(3728)
    share = rng.uniform(0.40, 0.48, n)
    out["OII3727"], out["OII3729"] = o2 * share, o2 * (1 - share)
    s2 = 10 ** rng.normal(-0.45 if kind != "AGN" else -0.25, 0.12, n)
    out["SII6716"], out["SII6731"] = 0.56 * s2, 0.44 * s2
    out["OI6300"] = 10 ** rng.normal(-1.5 if kind != "AGN" else -0.9, 0.2, n)
    out["OI6364"] = 0.32 * out["OI6300"]
    out["NeIII"] = out["OIII"] * 10 ** rng.normal(-1.1, 0.12, n)
    out["NeIII3968"] = 0.30 * out["NeIII"]
    out["HeI5876"] = 0.04 * 10 ** rng.normal(0, 0.1, n)
    out["ArIII"] = 0.03 * 10 ** rng.normal(0, 0.2, n)
    out["SIII9069"] = 0.10 * 10 ** rng.normal(0, 0.2, n)
    out["SIII9531"] = 2.47 * out["SIII9069"]
    if kind == "AGN":
        out["NeV"] = out["OIII"] * 10 ** rng.normal(-1.4, 0.3, n)
        out["HeII4686"] = hb * 10 ** rng.normal(-0.8, 0.2, n)
    return out


def add_lines(flux, *, ratios, continuum, z, kms):
    """Add the lines of `line_ratios` to spectra on the model's grid, in place.

    Parameters
    ----------
    flux : ndarray of shape (n, MODEL_PIXELS)
        Observed-frame continua.
    ratios : dict
        From `line_ratios`.
    continuum : ndarray of shape (n,)
        Level of the continuum at Ha.
    z, kms : ndarray of shape (n,)
        Redshift; dispersion of the gas in km/s.
    """
    sigma = width_in_pixels(kms=kms, step=STEP)
    base = ratios["EW"] * continuum
    for name, ratio in ratios.items():
        if name == "EW":
            continue
        rest = VACUUM[name]
        peak = peak_of_flux(area=base * ratio, rest=rest, sigma_pixels=sigma, step=STEP)
        add_gaussian(flux, centre=pixel_of(rest=rest, z=z), sigma=sigma, peak=peak)


def level_at(continua, rest, width=60):
    """Return the mean of rest-frame continua within `width` pixels of a wavelength, shape (n,)."""
    k = round((np.log10(rest) - REST_LOG0) / STEP)
    return continua[:, k - width : k + width + 1].mean(axis=1)
