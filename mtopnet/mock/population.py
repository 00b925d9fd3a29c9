"""The galaxies of the mock: masses, types, star formation, dust, sizes (paper, Sect. 2).

The recipe is that of MAMBO and of EGG (Schreiber et al. 2017, A&A 602, A96), relation by relation.
Masses and star formation rates are Chabrier's throughout; relations published for Salpeter's mass
function are used at IMF times the mass and divided by IMF.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from astropy.cosmology import FlatLambdaCDM

COSMOLOGY = FlatLambdaCDM(H0=70, Om0=0.3)
Z_RANGE = (0.7, 3.0)  # Sect. 2
LOG_MASS = (8.0, 12.0)  # Fig. 1: no galaxy below 10^8
IMF = 1.7  # Salpeter to Chabrier, mass and SFR (Schreiber et al. 2015 use 1.7 as well)
STARBURSTS = 0.033  # share of star-forming galaxies (Schreiber et al. 2015, Sect. 4.3)
BOOST = 5.24  # their SFR over the main sequence (same)
KINDS = ("quiescent", "star-forming", "starburst")

# Stellar mass functions (Mpc^-3 dex^-1, Chabrier): z, log M*, alpha1, log phi1, alpha2, log phi2 of
# double Schechter fits. All galaxies: Ilbert et al. 2013, A&A 556, A55, Table 2, the paper's own
# source. Types, for their ratio alone: Tomczak et al. 2014, ApJ 783, 85, Table 2 (single
# above z = 2, where their double fits of quiescent galaxies are not constrained at the faint end).
SMF = {
    "all": np.array([
        (0.65, 11.03, -1.00, np.log10(1.22e-3), -1.64, np.log10(0.16e-3)),
        (0.95, 10.87, -0.52, np.log10(2.03e-3), -1.62, np.log10(0.29e-3)),
        (1.30, 10.71, -0.08, np.log10(1.35e-3), -1.46, np.log10(0.67e-3)),
        (1.75, 10.74, -0.24, np.log10(0.88e-3), -1.60, np.log10(0.33e-3)),
        (2.25, 10.74, -0.22, np.log10(0.62e-3), -1.60, np.log10(0.15e-3)),
        (2.75, 10.76, -0.15, np.log10(0.26e-3), -1.60, np.log10(0.14e-3)),
        (3.50, 10.74, 0.95, np.log10(0.03e-3), -1.60, np.log10(0.09e-3)),
    ]),
    "star-forming": np.array([
        (0.625, 10.65, -0.97, -2.97, -1.58, -3.34), (0.875, 10.56, -0.46, -2.81, -1.61, -3.36),
        (1.125, 10.44, 0.53, -2.98, -1.44, -3.11), (1.375, 10.69, -0.55, -3.04, -1.62, -3.59),
        (1.75, 10.59, 0.75, -3.37, -1.47, -3.28), (2.25, 11.28, -1.60, -3.96, -1.6, -99),
        (2.75, 11.49, -1.93, -4.82, -1.6, -99),
    ]),
    "quiescent": np.array([
        (0.625, 10.68, -0.10, -2.67, -1.69, -4.29), (0.875, 10.63, 0.04, -2.81, -1.51, -4.40),
        (1.125, 10.63, 0.11, -3.03, -1.57, -4.80), (1.375, 10.49, 0.85, -3.36, -0.54, -3.72),
        (1.75, 10.77, -0.19, -3.41, -0.18, -3.91), (2.25, 10.73, -0.49, -3.63, -0.49, -99),
        (2.75, 10.65, -0.43, -3.92, -0.43, -99),
    ]),
}  # fmt: skip

# Sizes: van der Wel et al. 2014, ApJ 788, 28, Table 1: z, log A (kpc), alpha, scatter (dex) of the
# major half-light axis at 5000 Å, R = A (M / 5e10)^alpha.
SIZES = {
    "late": np.array([
        (0.75, 0.78, 0.22, 0.16), (1.25, 0.70, 0.22, 0.17), (1.75, 0.65, 0.23, 0.18),
        (2.25, 0.55, 0.22, 0.19), (2.75, 0.51, 0.18, 0.19),
    ]),
    "early": np.array([
        (0.75, 0.42, 0.71, 0.11), (1.25, 0.22, 0.76, 0.12), (1.75, 0.09, 0.76, 0.14),
        (2.25, -0.05, 0.76, 0.14), (2.75, -0.06, 0.79, 0.14),
    ]),
}  # fmt: skip
EARLY_FLOOR = np.log10(2e10)  # below this mass their early types keep one size
LATE_FLOOR = 8.5  # default: the fit (log M > 9.5) is carried down to here


def mass_function(log_mass, z, kind):
    """Return log10 of the number of galaxies per Mpc3 and dex of mass.

    Parameters
    ----------
    log_mass, z : ndarray
        log10 solar masses; redshift. Between the tabulated redshifts log phi is interpolated.
    kind : {"all", "star-forming", "quiescent"}
        A key of `SMF`.
    """
    table = SMF[kind]
    at = np.clip(z, table[0, 0], table[-1, 0])
    rows = []
    for _, star, a1, p1, a2, p2 in table:
        x = np.asarray(log_mass, dtype=float) - star
        rows.append(
            np.log10(np.log(10)) - 10**x / np.log(10)
            + np.logaddexp((p1 + (1 + a1) * x) * np.log(10), (p2 + (1 + a2) * x) * np.log(10))
            / np.log(10)
        )  # fmt: skip
    rows = np.stack(rows)
    k = np.clip(np.searchsorted(table[:, 0], at, side="right") - 1, 0, len(table) - 2)
    part = (at - table[k, 0]) / (table[k + 1, 0] - table[k, 0])
    low, high = (np.take_along_axis(rows, (k + i)[None], axis=0)[0] for i in (0, 1))
    return low * (1 - part) + high * part


def quiescent_fraction(log_mass, z):
    """Return the share of quiescent galaxies: the ratio of the two mass functions (Sect. 2)."""
    quiescent, active = (10 ** mass_function(log_mass, z, k) for k in ("quiescent", "star-forming"))
    return quiescent / (quiescent + active)


@lru_cache(maxsize=4)
def _density(z_range):
    """Return z and log M grids and the cumulative number of galaxies over both, flattened."""
    z, m = np.linspace(*z_range, 231), np.linspace(*LOG_MASS, 161)
    zz, mm = np.meshgrid(z, m, indexing="ij")
    volume = COSMOLOGY.differential_comoving_volume(z).value
    number = 10 ** mass_function(mm, zz, "all") * volume[:, None]
    number[[0, -1]] *= 0.5  # half a cell lies outside
    number[:, [0, -1]] *= 0.5
    total = np.cumsum(number.ravel())
    return z, m, total / total[-1]


def draw_mass_redshift(n, rng, *, z_range=Z_RANGE):
    """Draw z and log M of n galaxies from mass function times comoving volume, both (n,)."""
    z, m, total = _density(z_range)
    cell = np.searchsorted(total, rng.random(n))
    i, j = np.unravel_index(np.minimum(cell, len(total) - 1), (len(z), len(m)))
    # Anywhere in the cell: what would stick out of the range is mirrored back into it.
    z = _mirrored(z[i] + (z[1] - z[0]) * (rng.random(n) - 0.5), *z_range)
    return z, _mirrored(m[j] + (m[1] - m[0]) * (rng.random(n) - 0.5), *LOG_MASS)


def _mirrored(x, low, high):
    return high - np.abs(high - low - np.abs(x - low))


def main_sequence(log_mass, z):
    """Return log SFR of the main sequence, Chabrier.

    Schreiber et al. 2015, A&A 575, A74, Eq. 9 (Salpeter):
    log SFR = m - 0.5 + 1.5 r - 0.3 max(0, m - 0.36 - 2.5 r)^2, m = log(M / 1e9), r = log(1 + z).
    """
    m = np.asarray(log_mass) + np.log10(IMF) - 9.0
    r = np.log10(1 + np.asarray(z))
    bend = np.maximum(0, m - 0.36 - 2.5 * r)
    return m - 0.5 + 1.5 * r - 0.3 * bend**2 - np.log10(IMF)


def quiescent_sfr(log_mass, z):
    """Return log SFR of quiescent galaxies: 0.5 (log M - 11) + log(1 + z) - 0.6, EGG (Salpeter)."""
    m = np.asarray(log_mass) + np.log10(IMF)
    sfr = 0.5 * (m - 11) + np.log10(1 + np.asarray(z)) - 0.6 - np.log10(IMF)
    return np.minimum(sfr, main_sequence(log_mass, z))


def irx(log_mass, z):
    """Return log of infrared over ultraviolet SFR (EGG; Schreiber et al. 2017, Eq. 10; Salpeter).

    slope (log M - 10.5) + 1.2 with slope = 0.45 min(z, 3) + 0.35; scatter 0.4 dex.
    """
    m = np.asarray(log_mass) + np.log10(IMF)
    return (0.45 * np.minimum(z, 3.0) + 0.35) * (m - 10.5) + 1.2


def gas_over_stars(z):
    """Return E(B-V) of the gas over that of the stars: 1.7, 1.3, 1 at z = 0, 1, 2 and beyond.

    Pannella et al. 2015, ApJ 807, 141, as EGG takes it. 1.7 is 1 / 0.59; Calzetti's 0.44 is 2.27.
    """
    return np.interp(z, (0.0, 1.0, 2.0), (1.7, 1.3, 1.0))


def effective_radius(log_mass, z, early):
    """Return log of the mean major half-light axis in kpc, and its scatter in dex.

    van der Wel et al. 2014, Table 1, interpolated in z; early types below 2e10 keep one size.
    """
    out = []
    for name, floor in (("late", LATE_FLOOR), ("early", EARLY_FLOOR)):
        table = SIZES[name]
        a, alpha, scatter = (np.interp(z, table[:, 0], table[:, k]) for k in (1, 2, 3))
        out.append((a + alpha * (np.maximum(log_mass, floor) - np.log10(5e10)), scatter))
    return tuple(np.where(early, e, la) for la, e in zip(*out, strict=True))


def gas_dispersion(log_mass):
    """Return log10 of the mean velocity dispersion of the gas in km/s, scatter 0.15 dex.

    A power law of mass through 120 km/s at 10^10.5, slope 0.2: default, a guess. The paper takes
    widths from Bezanson et al. 2018 (ApJ 858, 60) without giving numbers, and that relation was not
    at hand. Of the same survey is known that gas is as broad as stars on average, the ratio of
    single galaxies scattering by 0.13 dex (Bezanson et al. 2018, ApJ 868, L36; log M > 10.3).
    """
    return np.log10(120.0) + 0.2 * (np.asarray(log_mass) - 10.5)


def stellar_metallicity(log_mass):
    """Return the mean log(Z / 0.02) of the stars.

    Gallazzi et al. 2005, MNRAS 362, 41, Table 2 (its medians to 0.05 dex), less 0.13 dex, the shift
    at z = 0.7 of the whole sample of Gallazzi et al. 2014 (ApJ 788, 72); scatter 0.15 dex: default.
    """
    return (
        np.interp(log_mass, (8.9, 9.5, 9.9, 10.3, 10.7, 11.2), (-0.6, -0.6, -0.4, -0.1, 0, 0.1))
        - 0.13
    )


def draw(n, rng, *, z_range=Z_RANGE):
    """Draw the intrinsic properties of n galaxies, before any selection.

    Parameters
    ----------
    n : int
    rng : numpy.random.Generator
    z_range : (float, float)

    Returns
    -------
    dict of str to ndarray of shape (n,)
        z, log_mass, log_sfr (Chabrier), kind (of `KINDS`), distance (luminosity, Mpc), ebv_stars,
        ebv_gas (mag), sigma_gas (km/s), stellar_z (log Z / 0.02), sersic_n, r_e (arcsec,
        circularised), onset (age of the oldest stars over the age of the Universe).
    """
    z, mass = draw_mass_redshift(n, rng, z_range=z_range)
    kind = np.where(rng.random(n) < quiescent_fraction(mass, z), KINDS[0], KINDS[1])
    early = kind == "quiescent"
    kind = np.where(~early & (rng.random(n) < STARBURSTS), KINDS[2], kind)
    sfr = np.where(
        early,
        quiescent_sfr(mass, z) + 0.4 * rng.standard_normal(n),
        main_sequence(mass, z) + 0.3 * rng.standard_normal(n),
    )
    sfr = sfr + np.log10(BOOST) * (kind == "starburst")
    # A_UV = 2.5 log(1 + IRX); Calzetti's curve at 1600 Å takes it to E(B-V).
    ratio = irx(mass, z) + 0.4 * rng.standard_normal(n)
    ebv = 2.5 * np.log10(1 + 10**ratio) / 9.97
    ebv = np.where(early, rng.exponential(0.04, n), ebv)
    log_r, scatter = effective_radius(mass, z, early)
    axis_ratio = rng.uniform(0.3, 1.0, n)
    kpc = 10 ** (log_r + scatter * rng.standard_normal(n)) * np.sqrt(axis_ratio)
    per_arcsec = 1.0 / COSMOLOGY.arcsec_per_kpc_proper(z).value
    return {
        "z": z,
        "log_mass": mass,
        "log_sfr": sfr,
        "kind": kind,
        "distance": COSMOLOGY.luminosity_distance(z).value,
        "ebv_stars": np.clip(ebv, 0, 1.2),
        "ebv_gas": np.clip(ebv * gas_over_stars(z), 0, 1.6),
        "sigma_gas": 10 ** (gas_dispersion(mass) + 0.15 * rng.standard_normal(n)),
        "stellar_z": stellar_metallicity(mass) + 0.15 * rng.standard_normal(n),
        "sersic_n": np.where(early, 4.0, 1.0),
        "r_e": kpc / per_arcsec,
        "onset": rng.uniform(0.55, 0.95, n),
    }
