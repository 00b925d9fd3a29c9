"""What stands in a fibre of the realistic mock: active nuclei, blends, and what is no such galaxy.

Each effect is a function by itself; numbers without a source are `default`. Fluxes of spectra are
in 1e-19 erg / (s cm2 Å) on MOONS's pixels, vacuum, observed frame.
"""

from __future__ import annotations

import numpy as np

from common.mocks import moons, moons_camera
from common.mocks.lines import C_KMS
from mtopnet.mock.lines import LINES, add_lines

# Shares of the spectra; the others are galaxies as in the variant "faint". Default: 13 % are none
# of the network's kind, the middle of what fibre surveys lose to stars, to other redshifts and to
# fibres without light.
SHARES = {"agn": 0.06, "blend": 0.05, "star": 0.04, "outside": 0.06, "failed": 0.03}
# Redshifts of those outside the bins, one half each: within reach of the stellar templates, which
# end at 1318 and 13960 Å at rest; 0.02 away from the bins' ends.
OUTSIDE = ((0.30, 0.58), (3.02, 3.85))
BROAD = 0.25  # share of the AGN that show broad lines: default
FWHM = (3500.0, 0.15)  # km/s of broad lines, median and scatter in dex (Shen et al. 2011)
BROAD_HA = (0.7, 0.3)  # log of broad over narrow Ha, scatter in dex: default
# Broad lines over broad Ha (Vanden Berk et al. 2001, Table 2, by equivalent width and continuum).
BROAD_RATIOS = {"Ha": 1.0, "Hb": 0.32, "Hg": 0.12, "Hd": 0.06, "MgII": 0.5, "CIII": 0.45}
BROAD_LINES = {**{k: LINES[k] for k in ("Ha", "Hb", "Hg", "Hd")}, "MgII": 2800.3, "CIII": 1908.7}
HB_WIDTH, SLOPE = 48.0, -1.5  # Å at rest, f_lambda: of a quasar's continuum (same)
# Narrow lines beyond the limit of star formation of Kewley et al. 2001, ApJ 556, 121: default.
N2, O3, O1, HA_BOOST = (-0.3, 0.2), (0.5, 1.1), (-0.9, 0.15), (0.3, 0.2)
NEV = ("NeV", 3426.84, 0.08)  # over [O III] 5007 (Gilli et al. 2010, A&A 519, A92: 0.1 and less)
SECOND = (-1.0, -0.15)  # log of a blend's second light over the first in H: default
OFFSET = 40.0  # km/s rms between gas and the redshift on the label: default
WIDTHS = 0.12  # dex of scatter in the widths beyond that of the relation: default
# Winds: share of the galaxies with lines, of their flux, km/s to the blue, times as wide (Forster
# Schreiber et al. 2019, ApJ 875, 21, find a quarter to a third at z 0.6-2.7).
WIND = (0.25, 0.25, 150.0, 2.5)
STAR_KMS = 80.0  # km/s rms of the stars' velocities: default
STAR_M_H = (18.5, 24.0)  # AB, flat: default
# Stars: depth of features at 3000, 4000, 5500, 8000 K, about a Planck function; default, after the
# looks of Rayner et al. 2009 (ApJS 185, 289). Middle and dispersion in Å, vacuum.
TEMPERATURES = (3000.0, 4000.0, 5500.0, 8000.0)
FEATURES = (
    (6564.6, 4.0, (0.0, 0.05, 0.3, 0.6)), (6750.0, 60.0, (0.35, 0.08, 0.0, 0.0)),
    (7130.0, 50.0, (0.6, 0.15, 0.0, 0.0)), (7650.0, 60.0, (0.5, 0.1, 0.0, 0.0)),
    (7667.0, 3.0, (0.5, 0.2, 0.05, 0.0)), (7701.1, 3.0, (0.5, 0.2, 0.05, 0.0)),
    (8185.5, 2.5, (0.5, 0.2, 0.05, 0.0)), (8197.1, 2.5, (0.5, 0.2, 0.05, 0.0)),
    (8470.0, 40.0, (0.4, 0.05, 0.0, 0.0)), (8500.4, 2.5, (0.4, 0.5, 0.4, 0.2)),
    (8544.4, 3.0, (0.5, 0.6, 0.55, 0.3)), (8664.5, 3.0, (0.5, 0.6, 0.5, 0.3)),
    (8880.0, 40.0, (0.35, 0.03, 0.0, 0.0)), (9350.0, 90.0, (0.35, 0.05, 0.0, 0.0)),
    (9900.0, 30.0, (0.3, 0.03, 0.0, 0.0)), (10052.1, 6.0, (0.0, 0.0, 0.08, 0.35)),
    (10941.1, 7.0, (0.0, 0.0, 0.1, 0.4)), (11400.0, 160.0, (0.3, 0.05, 0.0, 0.0)),
    (11780.0, 5.0, (0.3, 0.15, 0.03, 0.0)), (12525.5, 4.0, (0.3, 0.12, 0.02, 0.0)),
    (12821.6, 8.0, (0.0, 0.02, 0.15, 0.4)), (13400.0, 120.0, (0.35, 0.06, 0.0, 0.0)),
    (15029.0, 6.0, (0.15, 0.2, 0.1, 0.0)), (15770.0, 6.0, (0.15, 0.2, 0.1, 0.0)),
    (16193.0, 12.0, (0.12, 0.12, 0.03, 0.0)), (16412.0, 8.0, (0.0, 0.0, 0.05, 0.25)),
    (16811.0, 8.0, (0.0, 0.0, 0.06, 0.28)), (17367.0, 9.0, (0.0, 0.0, 0.06, 0.3)),
    (17700.0, 350.0, (0.3, 0.05, 0.0, 0.0)),
)  # fmt: skip
PLANCK = 1.43878e8  # h c / k in Å K
KELVIN = (2900.0, 8500.0)  # flat in the logarithm: default


def drawn(n, rng):
    """Return what stands in each fibre, "galaxy" or a key of `SHARES`, ndarray of str (n,)."""
    names = ("galaxy", *SHARES)
    share = (1 - sum(SHARES.values()), *SHARES.values())
    return rng.choice(names, size=n, p=share)


def narrow_lines(fluxes, rows, rng):
    """Turn the lines of some galaxies into those of gas that an active nucleus ionises, in place.

    Parameters
    ----------
    fluxes : dict of str to ndarray of shape (n,)
        By the names of `LINES`; dust is in them and stays.
    rows : ndarray of int
        Whose.
    rng : numpy.random.Generator
    """
    m = len(rows)
    before = {name: values[rows].copy() for name, values in fluxes.items()}
    boost = 10 ** (HA_BOOST[0] + HA_BOOST[1] * rng.standard_normal(m))
    new = {name: before[name] * boost for name in before}
    o3, n2 = 10 ** rng.uniform(*O3, m), 10 ** rng.uniform(*N2, m)
    new["OIII"], new["NII"] = o3 * new["Hb"], n2 * new["Ha"]
    new["OI6300"] = 10 ** (O1[0] + O1[1] * rng.standard_normal(m)) * new["Ha"]
    for weak, strong in (
        ("OIII4959", "OIII"), ("NeIII", "OIII"), ("NeIII3968", "OIII"), ("CIII1907", "OIII"),
        ("CIII1909", "OIII"), ("NII6548", "NII"),
    ):  # fmt: skip
        new[weak] = new[strong] * before[weak] / np.maximum(before[strong], 1e-30)
    for name, values in new.items():
        fluxes[name][rows] = values


def broad_lines(flux, rows, *, z, narrow, rng):
    """Add broad lines and a quasar's continuum to some spectra, in place.

    Parameters
    ----------
    flux : ndarray of shape (n, 12217)
    rows : ndarray of int
    z, narrow : ndarray of shape (n,)
        Redshift; flux of narrow Ha, 1e-19 erg / (s cm2).
    rng : numpy.random.Generator
    """
    m = len(rows)
    if not m:
        return
    kms = FWHM[0] * 10 ** (FWHM[1] * rng.standard_normal(m)) / moons.FWHM_SIGMA
    strength = narrow[rows] * 10 ** (BROAD_HA[0] + BROAD_HA[1] * rng.standard_normal(m))
    part = flux[rows]
    lines = {name: ratio * strength for name, ratio in BROAD_RATIOS.items()}
    add_lines(part, fluxes=lines, z=z[rows], kms=kms, wavelengths=BROAD_LINES)
    level = lines["Hb"] / (HB_WIDTH * (1 + z[rows]))
    rest = moons.grid()[None] / (1 + z[rows])[:, None]
    flux[rows] = part + (level[:, None] * (rest / LINES["Hb"]) ** SLOPE).astype(np.float32)


def gas(flux, *, z, kms, fluxes, quiet, rng):
    """Add emission lines that neither stand where the label says nor are Gaussians, in place.

    Parameters
    ----------
    flux : ndarray of shape (n, 12217)
    z, kms : ndarray of shape (n,)
        Redshift on the label; dispersion of the gas, km/s.
    fluxes : dict of str to ndarray of shape (n,)
        Lines, 1e-19 erg / (s cm2): those of `LINES`, and `NEV`.
    quiet : ndarray of bool, shape (n,)
        Who has no wind.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (n,)
        Offset of the gas, km/s.
    """
    n = len(z)
    share, part, speed, times = WIND
    offset = OFFSET * rng.standard_normal(n)
    windy = (rng.random(n) < share) & ~quiet
    rests = {**LINES, NEV[0]: NEV[1]}
    core = {name: values * np.where(windy, 1 - part, 1.0) for name, values in fluxes.items()}
    wing = {name: values * np.where(windy, part, 0.0) for name, values in fluxes.items()}
    at = (1 + z) * (1 + offset / C_KMS) - 1
    add_lines(flux, fluxes=core, z=at, kms=kms, wavelengths=rests)
    at = (1 + z) * (1 + (offset - speed) / C_KMS) - 1
    add_lines(flux, fluxes=wing, z=at, kms=times * kms, wavelengths=rests)
    return offset


def blends(flux, rows, others, rng):
    """Add the light of a second, fainter galaxy to some spectra, in place.

    Parameters
    ----------
    flux : ndarray of shape (n, 12217)
        In the fibre.
    rows, others : ndarray of int
        Whose; where the second galaxies come from. A spectrum is not added to itself.
    rng : numpy.random.Generator
    """
    if not len(rows) or len(others) < 2:
        return
    h = moons.arm_slices()["H"]
    mate = rng.choice(others, size=len(rows))
    mate = np.where(mate == rows, others[(np.searchsorted(others, mate) + 1) % len(others)], mate)
    level = flux[:, h].mean(axis=1)
    times = 10 ** rng.uniform(*SECOND, len(rows)) * level[rows] / np.maximum(level[mate], 1e-9)
    flux[rows] += times.astype(np.float32)[:, None] * flux[mate]  # the right side is made first


def star_spectra(*, kelvin, m_h, kms):
    """Return stars: Planck's function with the strongest features of each temperature.

    Parameters
    ----------
    kelvin, m_h, kms : ndarray of shape (n,)
        Temperature, AB magnitude in H, radial velocity (km/s).

    Returns
    -------
    ndarray of shape (n, 12217), float32
        1e-19 erg / (s cm2 Å), before the fibre.
    """
    wave = moons.grid()
    rest = wave[None] / (1 + np.asarray(kms)[:, None] / C_KMS)
    flux = rest**-5.0 / np.expm1(PLANCK / (rest * np.asarray(kelvin)[:, None]))
    for centre, width, depths in FEATURES:
        wide = np.hypot(width, centre / 6000.0 / moons.FWHM_SIGMA)
        near = slice(*np.searchsorted(wave, (centre - 5 * wide - 30, centre + 5 * wide + 30)))
        depth = np.interp(kelvin, TEMPERATURES, depths)[:, None]
        flux[:, near] *= 1 - depth * np.exp(-0.5 * ((rest[:, near] - centre) / wide) ** 2)
    h = np.abs(wave - 16450.0) < 1455.0  # the band of `mtopnet.mock.continuum.BANDS`
    wanted = 10 ** (-0.4 * (np.asarray(m_h) + 48.6)) * 2.99792458e18 / 16450.0**2
    level = flux[:, h].mean(axis=1)
    return (flux * (wanted / level / moons_camera.Camera.UNIT)[:, None]).astype(np.float32)
