"""What each class of GaSNet-II's three surveys is made of: noiseless spectra, redshifts, S/N."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
from astropy.table import Table
from scipy.ndimage import gaussian_filter1d

from common.mocks import instrument
from common.mocks.absorption import absorbers, forest
from common.mocks.galaxies import Galaxies, add_lines, attenuation, level_at, line_ratios
from common.mocks.quasars import Quasars, wander
from common.mocks.stars import TYPES, Stars
from gasnet2.mock.pipeline_classes import Pipeline

# Mean S/N of the stellar classes (Table 1 of the paper).
STAR_SNR = dict(zip(TYPES, (26.2, 30.5, 34.9, 33.7, 32.8, 31.1, 31.0), strict=True))
# Share of the quasars drawn flat in redshift, so that no epoch is too rare to be learnt: SDSS's
# own distribution holds few below z = 0.6, where nearby quasars are bright and have a host.
WIDE_Z = {"QSO_BROADLINE": 0.4, "QSO_nan": 0.25}
CONTINUA = {  # stellar populations of each kind of galaxy, with their shares
    "nan": (("passive", 0.8), ("mixed", 0.2)),
    "BCG": (("passive", 1.0),),
    "LRG": (("passive", 0.9), ("mixed", 0.1)),
    "AGN": (("passive", 0.4), ("mixed", 0.6)),
    "COMPOSITE": (("passive", 0.15), ("mixed", 0.6), ("starforming", 0.25)),
    "STARFORMING": (("mixed", 0.35), ("starforming", 0.65)),
    "STARBURST": (("starforming", 0.4), ("starburst", 0.6)),
    "ELG": (("starforming", 0.4), ("starburst", 0.6)),
}
GAS_TO_STARS = 0.8  # ratio of velocity dispersions, with 0.2 of scatter (Ho 2009, ApJ 699, 638)
# [O III] 5007 (median rest equivalent width, Å) and factors on the broad lines, by kind of quasar.
QUASARS = {"BROADLINE": (14.0, (1.0, 1.0)), "nan": (8.0, (1.0, 1.0)), "weak": (6.0, (0.05, 0.4))}


def by_kind(kinds, make):
    """Fill an array row by row from a function of kind.

    Parameters
    ----------
    kinds : ndarray of str, shape (n,)
    make : callable (kind, ndarray of bool (n,)) -> ndarray with one row per chosen row

    Returns
    -------
    ndarray of shape (n, n_pixels)
    """
    out = None
    for kind in sorted(set(kinds)):
        rows = kinds == kind
        made = make(kind, rows)
        if out is None:
            out = np.empty((len(kinds), made.shape[1]), dtype=np.float32)
        out[rows] = made
    return out


class Universe:
    """Every template the mock needs, loaded once.

    `offline` and its errors are those of `common.assets.fetch`.
    """

    def __init__(self, *, offline=False):
        self.stars = Stars(offline=offline)
        self.galaxies = Galaxies(self.stars, offline=offline)
        self.quasars = Quasars(offline=offline)

    @cached_property
    def pipeline(self):
        """What gives observed spectra the subclasses that SDSS would give them."""
        return Pipeline(self.galaxies)

    def star(self, kind, n, rng):
        """Return noiseless stars (n, MODEL_PIXELS) of an SDSS type and their redshifts."""
        return self._star(self.stars.of_type(kind, n, rng), rng)

    def _star(self, rest, rng, *, dust=0.06, speed=(0, 110)):
        """Redden stars and give them velocities (mean and spread in km/s)."""
        n = len(rest)
        z = np.clip(rng.normal(*speed, n), -600, 600) / 299792.458
        rest = rest * attenuation(rng.exponential(dust, n), 1.3)
        return instrument.redshifted(rest, z), z

    def field_star(self, n, rng, *, teff, logg, feh, dust=0.06, speed=(0, 110)):
        """Return noiseless stars with labels normal about (mean, spread), and their redshifts."""
        rest = self.stars.spectra(
            teff=np.clip(rng.normal(*teff, n), 3500, 40000),
            logg=rng.normal(*logg, n),
            feh=rng.normal(*feh, n),
        )
        return self._star(rest, rng, dust=dust, speed=speed)

    def white_dwarf(self, n, rng):
        """Return noiseless DA-like stars: hot dwarfs with lines broadened by pressure."""
        teff = np.clip(rng.lognormal(np.log(13000), 0.35, n), 8500, 35000)
        rest = self.stars.spectra(teff=teff, logg=np.full(n, 5.0), feh=np.full(n, -2.5))
        shape = gaussian_filter1d(rest, 400, axis=1)
        lines = gaussian_filter1d(rest / np.maximum(shape, 1e-9), 12, axis=1)
        return self._star(shape * lines**1.5, rng, dust=0.03)

    def galaxy(self, kind, z, rng):
        """Return noiseless galaxies (n, MODEL_PIXELS) of a kind of `CONTINUA` at these redshifts.

        "nan", "AGN", "STARFORMING" and "STARBURST" have the lines that define SDSS's subclasses;
        what subclass the pipeline gives a noisy spectrum is another matter.
        """
        return self.galaxy_and_dispersion(kind, z, rng)[0]

    def galaxy_and_dispersion(self, kind, z, rng):
        """Return what `galaxy` does, and the stars' velocity dispersions (n,), km/s."""
        n = len(z)
        names, shares = zip(*CONTINUA[kind], strict=True)
        pick = rng.choice(len(names), n, p=shares)
        rest = np.empty((n, instrument.REST_PIXELS), dtype=np.float32)
        stars = np.empty(n)
        for k, name in enumerate(names):
            rows = np.flatnonzero(pick == k)
            if len(rows):
                rest[rows], stars[rows] = self.galaxies.continua(name, len(rows), rng)
        flux = instrument.redshifted(rest, z)
        gas = GAS_TO_STARS * stars * rng.lognormal(0.0, 0.2, n)
        add_lines(
            flux, ratios=line_ratios(kind, n, rng), continuum=level_at(rest, 6564.6), z=z,
            kms=np.maximum(gas, 30.0),
        )  # fmt: skip
        return flux, stars

    def quasar(self, kind, z, rng):
        """Return noiseless quasars (n, MODEL_PIXELS) of a kind of `QUASARS` at these redshifts.

        "BROADLINE" and "nan" differ by their narrow lines only: in SDSS it is the S/N of the broad
        ones that sets the two subclasses apart (see `gasnet2.mock.sdss`). "weak" ones have broad
        lines of a third and less of the others' strength.
        """
        n = len(z)
        narrow, factors = QUASARS[kind]
        # The components stop at 5100 Å: at low redshift the parametric model takes more share.
        parametric = rng.random(n) < np.where(z < 0.6, 0.6, 0.4)
        parametric |= kind == "weak"
        rest = np.empty((n, instrument.REST_PIXELS), dtype=np.float32)
        if parametric.any():
            strength = rng.uniform(*factors, parametric.sum())
            rest[parametric] = self.quasars.parametric(len(strength), rng, strength=strength)
        if not parametric.all():
            rest[~parametric] = self.quasars.real(int((~parametric).sum()), rng)
        rest *= attenuation(np.where(rng.random(n) < 0.5, rng.exponential(0.07, n), 0), 1.2)
        wander(rest, rng)
        k = np.searchsorted(instrument.rest_grid(), 5008.2)
        rest /= rest[:, k - 300 : k + 300].mean(axis=1)[:, None]
        near = np.flatnonzero(z < 1.1)
        if len(near):
            share = np.clip(rng.lognormal(np.log(0.25), 0.9, len(near)) * (1 - z[near] / 1.3), 0, 3)
            kinds = rng.choice(["passive", "mixed", "starforming"], len(near))
            host = by_kind(
                kinds, lambda k, rows: self.galaxies.continua(k, int(rows.sum()), rng)[0]
            )
            rest[near] += share[:, None].astype(np.float32) * host
        flux = instrument.redshifted(rest, z)
        self.quasars.narrow(
            flux, z=z, ew=rng.lognormal(np.log(narrow), 1.0, n), continuum=level_at(rest, 5100.0),
            rng=rng,
        )  # fmt: skip
        absorbers(flux, z=z, rng=rng)
        forest(flux, z=z, rng=rng)
        return flux


def distributions():
    """Return {class: (z levels, z values, [(S/N levels, values) per z bin])} of SDSS DR16."""
    table = Table.read(Path(__file__).with_name("sdss_distributions.ecsv"), format="ascii.ecsv")
    out = {}
    for name in sorted(set(table["class"])):
        mine = table[table["class"] == name]
        z = mine[mine["quantity"] == "z"]
        bins = sorted(set(mine["bin"][mine["quantity"] == "snr"]))
        snr = [mine[(mine["quantity"] == "snr") & (mine["bin"] == k)] for k in bins]
        out[str(name)] = (
            np.array(z["level"]), np.array(z["value"]),
            [(np.array(s["level"]), np.array(s["value"])) for s in snr],
        )  # fmt: skip
    return out


def draw_z_snr(name, n, rng, *, table=None, wide=None):
    """Draw redshifts and S/N of an SDSS extragalactic class.

    Parameters
    ----------
    name : str
        E.g. "GALAXY_AGN".
    n : int
    rng : numpy.random.Generator
    table : dict, optional
        From `distributions`.
    wide : float, optional
        Share drawn flat in redshift, and brighter, for variety (default: `WIDE_Z`; 0 follows SDSS).

    Returns
    -------
    z, snr : ndarray of shape (n,)
    """
    levels, values, by_bin = (table or distributions())[name]
    rank = rng.random(n)
    z = np.interp(rank, levels, values)
    snr = np.empty(n)
    which = np.minimum((rank * len(by_bin)).astype(int), len(by_bin) - 1)
    share = WIDE_Z.get(name, 0.0) if wide is None else wide
    flat = np.flatnonzero(rng.random(n) < share)
    if len(flat):
        reach = rng.choice(3, len(flat), p=(0.6, 0.35, 0.05))
        z[flat] = rng.uniform(np.array([0.03, 0.05, 4.4])[reach], np.array([0.85, 4.5, 5.0])[reach])
        edges = np.interp(np.linspace(0, 1, len(by_bin) + 1), levels, values)[1:-1]
        which = np.searchsorted(edges, z)
    for k, (at, value) in enumerate(by_bin):
        rows = which == k
        snr[rows] = np.exp(np.interp(rng.random(rows.sum()), at, np.log(value)))
    if name == "QSO_BROADLINE":
        bright = flat[rng.random(len(flat)) < 0.7]
        snr[bright] = rng.lognormal(np.log(14.0), 0.6, len(bright))
    return np.clip(z, 0.0, 5.0), snr  # the labels' limit (Sect. 3.2)


def sdss_star(universe, kind, n, rng):
    """Return noiseless stars of an SDSS type, redshifts and S/N."""
    flux, z = universe.star(kind, n, rng)
    sigma = 0.55
    snr = rng.lognormal(np.log(STAR_SNR[kind]) - 0.5 * sigma**2, sigma, n)
    return flux, z, np.clip(snr, 2.0, 120.0)


def _mean_lognormal(mean, sigma, n, rng, low):
    return np.maximum(rng.lognormal(np.log(mean) - 0.5 * sigma**2, sigma, n), low)


def desi_class(universe, name, n, rng):
    """Return noiseless spectra, redshifts and S/N of one of DESI's 3 classes (Table 3)."""
    if name == "STAR":
        teff = rng.choice([3900, 4800, 5700, 6400, 9000], n, p=[0.2, 0.2, 0.25, 0.25, 0.1])
        flux, z = universe.field_star(
            n, rng, teff=(teff, 0.07 * teff), logg=(4.3, 0.5), feh=(-0.7, 0.6)
        )
        return flux, z, _mean_lognormal(19.1, 0.8, n, rng, 2.0)
    if name == "QSO":
        z = np.clip(rng.normal(1.6, 0.75, n), 0.06, 4.27)
        kind = rng.choice(["BROADLINE", "nan"], n, p=[0.8, 0.2])
        flux = by_kind(kind, lambda k, rows: universe.quasar(k, z[rows], rng))
        return flux, z, _mean_lognormal(6.54, 0.7, n, rng, 2.0)
    z = rng.gamma(3.0, 0.055, n)  # bright galaxies, then luminous red and emission-line galaxies
    far = rng.random(n)
    z = np.where(far < 0.06, rng.normal(0.65, 0.15, n), z)
    z = np.clip(np.where(far > 0.98, rng.normal(1.1, 0.2, n), z), 0.003, 1.69)
    kind = rng.choice(["nan", "STARFORMING", "STARBURST", "AGN"], n, p=[0.4, 0.4, 0.12, 0.08])
    kind = np.where(z > 0.9, "ELG", kind)  # targets chosen for [O II]; red ones end there
    flux = by_kind(kind, lambda k, rows: universe.galaxy(k, z[rows], rng))
    return flux, z, _mean_lognormal(7.53, 0.6, n, rng, 2.0)


# 4MOST's stellar classes: labels (mean, spread), extinction, velocities (km/s), mean S/N (Table 2).
# Dyn: metal-poor halo stars; GalHR: Cepheids of the Magellanic Clouds; GalDiskLR: disc stars;
# MCsn: red giants of the Clouds (Sect. 2.2 and the survey papers that it names).
FOURMOST_STARS = {
    "Dyn": ({"teff": (5200, 600), "logg": (2.8, 1.0), "feh": (-2.0, 0.35)}, 0.05, (0, 180), 74.5),
    "GalHR": ({"teff": (5900, 350), "logg": (1.4, 0.4), "feh": (-0.5, 0.2)}, 0.1, (220, 60), 39.9),
    "GalDiskLR": (
        {"teff": (5300, 700), "logg": (4.2, 0.5), "feh": (-0.2, 0.25)}, 0.15, (0, 45), 140.4,
    ),
    "MCsn": ({"teff": (4250, 350), "logg": (1.0, 0.5), "feh": (-0.7, 0.25)}, 0.1, (220, 60), 72.3),
}  # fmt: skip
# What sets ClusB apart from RedGAL: redshifts above 0.3, a lower S/N, and weak emission lines in
# nine of ten of the first and three of ten of the second (Sect. 4.3.1 and Fig. 20 of the paper:
# "systematically" against "mostly" not). Brightest cluster galaxies are red galaxies otherwise: the
# paper itself takes 29 % of RedGAL for ClusB and 66 % for what they are.
FOURMOST_GALAXIES = {  # kinds, gamma distribution of z above its least, range of z, mean S/N
    "ClusB": (("BCG",), (0.3, 2.0, 0.11), (0.3, 1.0), 5.8),
    "WAVES": (("STARFORMING", "nan"), (0.0, 3.5, 0.09), (0.0, 0.8), 1.6),
    "RedGAL": (("LRG",), (0.0, 3.5, 0.095), (0.0, 1.1), 8.7),
    "tides_host": (("STARFORMING", "STARBURST"), (0.0, 2.0, 0.055), (0.0, 0.6), 19.7),
}


def fourmost_class(universe, name, n, rng):
    """Return noiseless spectra, redshifts and S/N of one of 4MOST's 10 classes (Table 2)."""
    if name == "ESN":
        flux, z = universe.white_dwarf(n, rng)
        return flux, z, _mean_lognormal(12.8, 0.6, n, rng, 1.5)
    if name in FOURMOST_STARS:
        labels, dust, speed, snr = FOURMOST_STARS[name]
        flux, z = universe.field_star(n, rng, **labels, dust=dust, speed=speed)
        return flux, z, _mean_lognormal(snr, 0.5, n, rng, 3.0)
    if name == "COSMO_AGN":
        z = 0.9 + 3.1 * rng.beta(1.5, 2.0, n)
        return universe.quasar("BROADLINE", z, rng), z, _mean_lognormal(6.3, 0.6, n, rng, 0.5)
    kinds, (least, shape, scale), limits, snr = FOURMOST_GALAXIES[name]
    z = np.clip(least + rng.gamma(shape, scale, n), *limits)
    kind = rng.choice(kinds, n)
    flux = by_kind(kind, lambda k, rows: universe.galaxy(k, z[rows], rng))
    return flux, z, _mean_lognormal(snr, 0.6, n, rng, 0.3)
