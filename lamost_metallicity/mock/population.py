"""The galaxies of the mock: magnitudes, redshifts, colours, masses, star formation, abundances."""

from __future__ import annotations

import numpy as np
from astropy.cosmology import FlatLambdaCDM

COSMOLOGY = FlatLambdaCDM(H0=70, Om0=0.3)
SUN_R = 4.65  # absolute magnitude of the Sun in r (Willmer 2018, ApJS 236, 47)
MAGNITUDES = (15.0, 17.9)  # Petrosian r of what both surveys observed

# Per population: share of the mock; Schechter M*, alpha in r (h = 0.7; after the split of Baldry et
# al. 2004, ApJ 600, 681); g - r at M_r = -20, its slope per mag and spread; log SFR from the main
# sequence and its spread; share of Ha from the narrow-line region (low, high).
POPULATIONS = {
    "starforming": dict(share=0.48, m_star=-21.1, alpha=-1.25, colour=(0.50, -0.055, 0.075),
                        offset=(0.0, 0.28), nlr=(0.0, 0.0)),
    "starburst": dict(share=0.025, m_star=-20.4, alpha=-1.7, colour=(0.36, -0.06, 0.10),
                      offset=(0.6, 0.35), nlr=(0.0, 0.0)),
    "composite": dict(share=0.145, m_star=-21.2, alpha=-0.4, colour=(0.62, -0.035, 0.07),
                      offset=(-0.2, 0.35), nlr=(0.05, 0.35)),
    "agn": dict(share=0.045, m_star=-21.3, alpha=-0.2, colour=(0.68, -0.025, 0.07),
                offset=(-0.6, 0.4), nlr=(0.45, 0.95)),
    "passive": dict(share=0.33, m_star=-21.3, alpha=-0.5, colour=(0.75, -0.022, 0.035),
                    offset=(-2.85, 0.45), nlr=(0.3, 0.95)),
}  # fmt: skip


def tremonti(log_mass):
    """Return 12 + log(O/H) of the mass-metallicity relation, 8.5 < log M < 11.5.

    Tremonti et al. 2004, ApJ 613, 898, Eq. 3; beyond its range (and its maximum at log M = 11.51)
    the value at the end, as a parabola has no meaning there.
    """
    m = np.clip(log_mass, 8.0, 11.5)
    return -1.492 + 1.847 * m - 0.08026 * m**2


def main_sequence(log_mass):
    """Return log SFR in solar masses a year (Renzini & Peng 2015, ApJ 801, L29)."""
    return 0.76 * np.asarray(log_mass) - 7.64


def mass_to_light(colour):
    """Return log M/L in r of g - r (Bell et al. 2003, ApJS 149, 289, Table 7), Kroupa IMF."""
    return -0.306 + 1.097 * np.asarray(colour) - 0.15


def halpha_attenuation(log_mass):
    """Return the mean A(Ha) in mag (Garn & Best 2010, MNRAS 409, 421; spread 0.28)."""
    x = np.clip(np.asarray(log_mass), 8.5, 11.5) - 10
    return 0.91 + 0.77 * x + 0.11 * x**2 - 0.09 * x**3


def _magnitudes(population, n, rng):
    """Draw apparent and absolute r and redshift of a magnitude-limited survey."""
    bright, faint = MAGNITUDES
    u = rng.random(n)
    slope = 0.45 * np.log(10)  # counts of LAMOST's targets grow less than Euclidean
    r = np.log(np.exp(slope * bright) + u * (np.exp(slope * faint) - np.exp(slope * bright)))
    r /= slope
    # Given r, a volume d^3 ~ 10^(-0.6 M) holds Schechter's numbers of absolute magnitude M.
    m = np.linspace(-23.8, -15.5, 600)
    x = 10 ** (-0.4 * (m - population["m_star"]))
    weight = x ** (population["alpha"] + 1) * np.exp(-x) * 10 ** (-0.6 * m)
    total = np.cumsum(weight)
    absolute = np.interp(rng.random(n), total / total[-1], m)
    z = np.linspace(0.003, 0.5, 800)
    reach = COSMOLOGY.distmod(z).value + 0.8 * z  # K correction of a galaxy in r
    return r, absolute, np.interp(r - absolute, reach, z)


def abundance(*, log_mass, offset, rng):
    """Draw 12 + log(O/H): the mass-metallicity relation with a scatter of 0.1 dex.

    A part of the scatter is tied to star formation, with the sign and size of Mannucci et al. 2010,
    MNRAS 408, 2115: mu = log M - 0.32 log SFR takes the place of mass.

    Parameters
    ----------
    log_mass, offset : ndarray of shape (n,)
        log10 solar masses; log SFR from the main sequence.
    rng : numpy.random.Generator
    """
    slope = np.clip(1.847 - 2 * 0.08026 * log_mass, 0, None)  # of Tremonti's relation
    tied = -0.32 * slope * np.clip(offset, -0.8, 0.8)
    return np.clip(tremonti(log_mass) + tied + rng.normal(0, 0.09, len(log_mass)), 7.6, 9.35)


def fibre_share(z, rng):
    """Draw log10 of the share of a galaxy's light within 3": more of a distant galaxy."""
    share = -0.45 + 0.5 * np.log10(z / 0.07) + rng.normal(0, 0.12, len(z))
    return np.clip(share, -1.4, -0.05)


def stellar_metallicity(log_mass, rng):
    """Draw [Z/H] of the stars (Gallazzi et al. 2005, MNRAS 362, 41, Table 2)."""
    mean = np.interp(log_mass, (8.9, 9.5, 9.9, 10.3, 10.7, 11.2), (-0.6, -0.6, -0.4, -0.1, 0, 0.1))
    return mean + rng.normal(0, 0.15, len(log_mass))


def gas_reddening(*, log_mass, redder, population, rng):
    """Draw E(B-V) of the gas in mag.

    Galaxies that are red for their luminosity hold more dust, hosts of AGN less for their mass.

    Parameters
    ----------
    log_mass, redder : ndarray of shape (n,)
        log10 solar masses; g - r above the mean at this luminosity.
    population : ndarray of str, shape (n,)
    rng : numpy.random.Generator
    """
    n = len(log_mass)
    a_ha = halpha_attenuation(log_mass) + 2.0 * redder + rng.normal(0, 0.25, n)
    a_ha *= np.where(np.isin(population, ("composite", "agn")), 0.75, 1.0)
    a_ha = np.where(population == "passive", rng.exponential(0.15, n), a_ha)
    return np.clip(a_ha, 0, None) / 2.52  # Cardelli et al. 1989 at Ha


def draw(n, rng):
    """Draw the intrinsic properties of n galaxies.

    Returns
    -------
    dict of str to ndarray of shape (n,)
        population (str), petro_r, z, distance (luminosity, Mpc), colour (rest-frame g - r), offset
        (log SFR from the main sequence), lgm_tot, lgm_fib, sfr_tot, sfr_fib (log10 solar masses and
        solar masses a year), fibre_r (r through the fibre), oh (12 + log(O/H), MPA-JHU's scale),
        stellar_z ([Z/H]), ebv_gas, ebv_stars (mag), nlr (share of Ha from the narrow-line region),
        gas_kms, stars_kms, snr_r.
    """
    names = np.array(list(POPULATIONS))
    shares = np.array([p["share"] for p in POPULATIONS.values()])
    pick = rng.choice(len(names), n, p=shares / shares.sum())
    out = {key: np.empty(n) for key in ("petro_r", "z", "nlr", "colour", "offset")}
    absolute, redder = np.empty(n), np.empty(n)
    for k, population in enumerate(POPULATIONS.values()):
        rows = np.flatnonzero(pick == k)
        r, m, z = _magnitudes(population, len(rows), rng)
        out["petro_r"][rows], absolute[rows], out["z"][rows] = r, m, z
        colour, slope, spread = population["colour"]
        residual = redder[rows] = rng.normal(0, spread, len(rows))
        out["colour"][rows] = colour + slope * (m + 20) + residual
        offset, scatter = population["offset"]
        # At one luminosity the bluer galaxies form more stars.
        out["offset"][rows] = offset - 2.0 * residual + rng.normal(0, scatter, len(rows))
        out["nlr"][rows] = rng.uniform(*population["nlr"], len(rows))
    out["population"] = names[pick]
    out["distance"] = COSMOLOGY.luminosity_distance(out["z"]).value
    mass = -0.4 * (absolute - SUN_R) + mass_to_light(out["colour"]) + rng.normal(0, 0.05, n)
    out["lgm_tot"] = mass
    out["sfr_tot"] = main_sequence(mass) + out["offset"]
    share = fibre_share(out["z"], rng)
    out["fibre_r"] = out["petro_r"] - 2.5 * share
    out["lgm_fib"] = mass + share
    out["sfr_fib"] = out["sfr_tot"] + share - 0.05 + rng.normal(0, 0.15, n)  # centres form less
    out["oh"] = abundance(log_mass=mass, offset=out["offset"], rng=rng)
    out["stellar_z"] = stellar_metallicity(mass, rng)
    out["ebv_gas"] = gas_reddening(
        log_mass=mass, redder=redder, population=out["population"], rng=rng
    )
    out["ebv_stars"] = 0.44 * out["ebv_gas"]  # Calzetti et al. 2000, Eq. 3
    out["gas_kms"] = 10 ** (1.88 + 0.22 * (mass - 10) + rng.normal(0, 0.1, n))
    out["stars_kms"] = 10 ** (2.02 + 0.28 * (mass - 10.3) + rng.normal(0, 0.08, n))
    # S/N_r 3 to 30 (Fig. 1), brighter galaxies better; weather spreads it.
    out["snr_r"] = 10 ** (1.05 - 0.25 * (out["petro_r"] - 17) + rng.normal(0, 0.25, n))
    out["snr_r"] = np.clip(out["snr_r"], 1.0, 80.0)
    return out
