"""The mock's stars: two discs and a halo, and where a star of a mass and metallicity shines.

Relations are simple curves near isochrones, not isochrones; those of giants follow APOGEE's stars
of solar metallicity. What matters to the network is planted on purpose: at one [Fe/H] there are two
sequences of [alpha/M], and which one a star is of goes with its place in the Galaxy.
"""

from __future__ import annotations

import numpy as np

SUN = {"teff": 5772.0, "logg": 4.438, "r": 8.122, "z": 0.0208}  # K, dex, kpc (as rvs_hybrid's R, Z)
# Shares of kinds among the stars; about those of APOGEE's, `default`.
KINDS = {"giant": 0.52, "clump": 0.14, "subgiant": 0.06, "dwarf": 0.28}
# Teff of giants of 1.1 solar masses by log g: medians of APOGEE's at solar [Fe/H] up to 2.0, where
# the clump joins them; beyond, `default`. K a dex of [M/H], and of log mass: `default`.
GIANTS = ((0.4, 3510), (1.0, 3750), (1.5, 4050), (2.0, 4370), (2.5, 4640), (3.0, 4840), (3.5, 4960))
GIANT_SLOPES = (-420.0, 300.0)
CLUMP = (2.45, 0.08, 4830.0, -350.0)  # log g, spread, Teff, K a dex of [M/H]; `default`
# Zero-age main sequence: Teff = 5700 K m^0.62 - 600 [M/H], log g = 4.46 - 1.2 log m; `default`.
ZAMS_TEFF, ZAMS_LOGG, MAIN_SLOPE = (5700.0, 0.62), (4.46, -1.2), -600.0
MASSES = (0.60, 1.45)  # solar, of dwarfs
EVOLVED = 0.35  # dex in log g that a dwarf of a solar mass and more loses on the main sequence
# Log g and Teff where subgiants begin, and K a dex of [M/H]; they end at log g 3.5; `default`.
TURN_OFF = (4.05, 6000.0, -450.0)
JITTER = 40.0  # K about the curves: ages, helium, convection; `default`
# Discs: scale length and height (kpc), density at the Sun beside the first's (Bland-Hawthorn &
# Gerhard 2016, ARA&A 54, 529, rounded). The halo falls as a power law.
LENGTHS = {"low": (3.0, 0.3, 1.0), "high": (2.0, 0.9, 0.10)}
HALO = (0.002, -3.0)  # share at the Sun; power of the distance from the centre
METALS = {"low": (0.0, 0.20), "high": (-0.40, 0.25), "halo": (-1.3, 0.4)}  # [Fe/H]: mean, spread
GRADIENT = -0.06  # dex/kpc of [Fe/H] of the low sequence with R
# [alpha/M] of a sequence at [Fe/H] = 0, slope, least and most; and its scatter. After the two
# sequences of APOGEE (Hayden et al. 2015, ApJ 808, 132), 0.16 dex apart at [Fe/H] = -0.4.
SEQUENCES = {
    "low": (0.03, -0.10, -0.05, 0.12), "high": (0.12, -0.27, 0.05, 0.30),
    "halo": (0.12, -0.08, 0.10, 0.30),
}  # fmt: skip
ALPHA_SCATTER = {"low": 0.025, "high": 0.025, "halo": 0.06}
GIANT_MASS = {"low": (1.25, 0.20), "high": (1.00, 0.06), "halo": (0.85, 0.03)}  # solar
LIMITS = {"teff": (3500.0, 8000.0), "logg": (0.0, 5.0), "fe_h": (-2.5, 0.5)}  # of the spectra
COUNTS, G_LIMITS = 0.2, (8.0, 14.0)  # 10^(0.2 G) stars by G without dust, mag; `default`
FARTHEST = 15.0  # kpc
# Half of the lines of sight lie in the disc, |b| < 16 deg, as many of APOGEE's fields do.
DISC_FIELDS, DISC_B = 0.5, 16.0
DUST, DUST_HEIGHT, PATCHY = 0.25, 0.10, 0.5  # E(B-V) a kpc in the plane; kpc; spread of ln


def solar_scaled(fe_h, alpha_m):
    """Return [M/H] of the mixture (Salaris, Chieffi & Straniero 1993, ApJ 414, 580, Eq. 3)."""
    return fe_h + np.log10(0.638 * 10**alpha_m + 0.362)


def draw_kinds(n, rng):
    """Draw what each star is and what does not depend on its metals.

    Returns
    -------
    dict of str to ndarray of shape (n,)
        kind (one of `KINDS`); step, from 0 to 1: the place along the kind's curve; late, from 0 to
        1: how far a dwarf has evolved; scatter, standard normal.
    """
    kinds = list(KINDS)
    return {
        "kind": np.array(kinds)[rng.choice(len(kinds), n, p=list(KINDS.values()))],
        "step": rng.random(n),
        "late": rng.random(n),
        "scatter": rng.standard_normal(n),
    }


def shine(stars, *, fe_h, alpha_m, giant_mass):
    """Return Teff (K), log g (dex) and mass (solar) of stars, a dict of ndarrays of shape (n,).

    Parameters
    ----------
    stars : dict
        From `draw_kinds`.
    fe_h, alpha_m : ndarray of shape (n,)
    giant_mass : ndarray of shape (n,)
        Of a giant; dwarfs have one of their own.
    """
    kind, step, late = stars["kind"], stars["step"], stars["late"]
    m_h = np.clip(solar_scaled(fe_h, alpha_m), -2.0, 0.5)
    logg = 0.5 + 3.0 * step**0.7  # more stars where they stay longer
    curve = np.interp(logg, *np.array(GIANTS, dtype=float).T)
    teff = curve + GIANT_SLOPES[0] * m_h + GIANT_SLOPES[1] * np.log10(giant_mass / 1.1)
    mass = np.array(giant_mass, dtype=float)
    base = np.interp(3.5, *np.array(GIANTS, dtype=float).T)
    centre, spread, clump_teff, slope = CLUMP
    clump, between, dwarf = (kind == name for name in ("clump", "subgiant", "dwarf"))
    logg = np.where(clump, centre + spread * (2 * step - 1) * 1.7, logg)
    teff = np.where(clump, clump_teff + slope * m_h, teff)
    high, hot, steep = TURN_OFF
    logg = np.where(between, 3.5 + (high - 3.5) * step, logg)
    teff = np.where(between, base + (hot - base) * step + steep * m_h, teff)
    own = MASSES[0] + (MASSES[1] - MASSES[0]) * step
    faded = EVOLVED * late**2 * np.clip((own - 0.7) / 0.3, 0, 1)  # light stars have not had time
    (zero, power), (top, fall) = ZAMS_TEFF, ZAMS_LOGG
    logg = np.where(dwarf, top + fall * np.log10(own) - faded, logg)
    teff = np.where(dwarf, zero * own**power + MAIN_SLOPE * m_h, teff)
    teff = np.clip(teff + JITTER * stars["scatter"], *LIMITS["teff"])
    logg = np.clip(logg, *LIMITS["logg"])
    return {"teff": teff, "logg": logg, "mass": np.where(dwarf, own, mass)}


def lines_of_sight(n, rng):
    """Draw galactic longitudes and latitudes, two ndarrays of shape (n,) in deg."""
    disc = rng.random(n) < DISC_FIELDS
    sky = np.degrees(np.arcsin(rng.uniform(-1, 1, n)))
    return rng.uniform(0, 360, n), np.where(disc, rng.uniform(-DISC_B, DISC_B, n), sky)


def place(*, longitude, latitude, distance):
    """Return galactocentric R and Z in kpc of directions (deg) and distances (kpc)."""
    around, up = np.radians(longitude), np.radians(latitude)
    flat = distance * np.cos(up)
    r = np.hypot(SUN["r"] - flat * np.cos(around), flat * np.sin(around))
    return r, distance * np.sin(up) + SUN["z"]


def reddening(*, latitude, distance, rng):
    """Return E(B-V) in mag behind an exponential, patchy layer of dust; ndarray of shape (n,)."""
    rise = np.maximum(np.abs(np.sin(np.radians(latitude))), 1e-4)
    path = DUST_HEIGHT / rise * -np.expm1(-distance * rise / DUST_HEIGHT)
    return DUST * path * np.exp(PATCHY * rng.standard_normal(len(path)) - PATCHY**2 / 2)


def populations(*, r, z, rng):
    """Draw of which population the stars at R, Z (n,) in kpc are: "low", "high" or "halo"."""
    density = [
        share * np.exp(-(r - SUN["r"]) / length - np.abs(z) / height)
        for length, height, share in LENGTHS.values()
    ]
    share, power = HALO
    density.append(share * ((np.hypot(r, z) + 1) / (SUN["r"] + 1)) ** power)
    part = np.cumsum(density, axis=0) / np.sum(density, axis=0)
    return np.array([*LENGTHS, "halo"])[(rng.random(len(r)) > part).sum(axis=0)]


def metals(population, r, rng):
    """Draw [Fe/H] and [alpha/M] of stars of populations (n,) at R (n,) in kpc."""
    mean, spread = (np.array([METALS[p][k] for p in population]) for k in (0, 1))
    mean = mean + np.where(population == "low", GRADIENT * (np.clip(r, 3, 14) - SUN["r"]), 0.0)
    fe_h = np.clip(mean + spread * rng.standard_normal(len(r)), *LIMITS["fe_h"])
    zero, slope, least, most = np.array([SEQUENCES[p] for p in population]).T
    scatter = np.array([ALPHA_SCATTER[p] for p in population])
    alpha = np.clip(zero + slope * fe_h, least, most) + scatter * rng.standard_normal(len(r))
    return fe_h, alpha


def draw(n, rng, *, absolute):
    """Draw n stars.

    Parameters
    ----------
    n : int
    rng : numpy.random.Generator
    absolute : callable
        Keywords teff, logg, fe_h, alpha_m, mass of shape (n,) -> M_G in mag, of shape (n,).

    Returns
    -------
    dict of str to ndarray of shape (n,)
        kind, population, teff (K), logg, fe_h, alpha_m (dex), mass (solar), distance (kpc), r, z
        (kpc), l, b (deg), ebv (mag).
    """
    stars = draw_kinds(n, rng)
    # A star is placed by the light of one like it in the low sequence; its own population, metals
    # and light follow from the place.
    typical = {"fe_h": np.full(n, -0.1), "alpha_m": np.full(n, 0.04)}
    light = absolute(**shine(stars, **typical, giant_mass=np.full(n, 1.1)), **typical)
    low, high = (10 ** (COUNTS * limit) for limit in G_LIMITS)
    g = np.log10(rng.uniform(low, high, n)) / COUNTS
    distance = np.minimum(10 ** (0.2 * (g - light) - 2), FARTHEST)
    longitude, latitude = lines_of_sight(n, rng)
    r, z = place(longitude=longitude, latitude=latitude, distance=distance)
    population = populations(r=r, z=z, rng=rng)
    fe_h, alpha_m = metals(population, r, rng)
    mean, spread = (np.array([GIANT_MASS[p][k] for p in population]) for k in (0, 1))
    mass = np.clip(mean + spread * rng.standard_normal(n), 0.7, 2.2)
    return {
        "kind": stars["kind"], "population": population,
        **shine(stars, fe_h=fe_h, alpha_m=alpha_m, giant_mass=mass), "fe_h": fe_h,
        "alpha_m": alpha_m, "distance": distance, "r": r, "z": z, "l": longitude, "b": latitude,
        "ebv": reddening(latitude=latitude, distance=distance, rng=rng),
    }  # fmt: skip
