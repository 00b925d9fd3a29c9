"""The mock beside what it was not made from: published relations, and one pixel worked by hand."""

from __future__ import annotations

import numpy as np

from common.mocks import moons, moons_camera
from mtopnet.mock import population as mock_population

PLANCK, LIGHT = 6.62607015e-27, 2.99792458e10  # erg s, cm/s (SI 2019)


def speagle(log_mass, z):
    """Return log SFR of the main sequence of Speagle et al. 2014, ApJS 214, 15, Eq. 28 (Kroupa).

    (0.84 - 0.026 t) log M - (6.51 - 0.11 t), t the age of the Universe in Gyr. Independent of
    Schreiber et al. 2015: a consensus of 25 earlier studies. The paper draws it in Fig. 1b.
    """
    t = mock_population.COSMOLOGY.age(z).value
    return (0.84 - 0.026 * t) * np.asarray(log_mass) - (6.51 - 0.11 * t)


def whitaker(log_mass, z):
    """Return log SFR of Whitaker et al. 2014, ApJ 795, 104, Eq. 3 (Chabrier).

    a (log M - 10.2) + b, a by side of 10.2, for 9.2 < log M < 11.2, by bins of z from 0.5 to 2.5;
    the paper draws it in Fig. 1b.
    """
    edges = np.array([0.5, 1.0, 1.5, 2.0, 2.5])
    table = np.array(
        [(0.94, 0.14, 1.11), (0.99, 0.51, 1.31), (1.04, 0.62, 1.49), (0.91, 0.67, 1.62)]
    )
    row = np.clip(np.searchsorted(edges, z, side="right") - 1, 0, len(table) - 1)
    low, high, level = table[row].T
    m = np.asarray(log_mass) - 10.2
    return np.where(m < 0, low, high) * m + level


def steidel(log_mass):
    """Return 12 + log(O/H) at z = 2.3 by [N II] and by O3N2 on the PP04 scales.

    Steidel et al. 2014, ApJ 795, 165: 8.41 + 0.20 (log M - 10) and 8.27 + 0.19 (log M - 10). They
    measured 10^9 to 10^11 (Chabrier).
    """
    m = np.asarray(log_mass) - 10
    return 8.41 + 0.20 * m, 8.27 + 0.19 * m


def pettini_pagel(fluxes):
    """Return 12 + log(O/H) from [N II]/Ha and from O3N2, as an observer would.

    Pettini & Pagel 2004, MNRAS 348, L59, Eqs. 1 and 3: 8.90 + 0.57 N2, 8.73 - 0.32 O3N2.

    Parameters
    ----------
    fluxes : dict of str to ndarray
        Dereddened, with the names of `mock_lines.LINES`.
    """
    n2 = np.log10(fluxes["NII"] / fluxes["Ha"])
    return 8.90 + 0.57 * n2, 8.73 - 0.32 * (np.log10(fluxes["OIII"] / fluxes["Hb"]) - n2)


def ridge(n2, *, z):
    """Return log [O III]/Hb on the ridge of star-forming galaxies.

    z near 0: Kewley et al. 2013, ApJ 774, 100, 0.61 / (x + 0.08) + 1.1. z near 2.3: Shapley et al.
    2015, ApJ 801, 88, 0.67 / (x - 0.20) + 1.12 (from memory: not compared with their text).
    """
    if z < 0.5:
        return 0.61 / (n2 + 0.08) + 1.1
    return 0.67 / (n2 - 0.20) + 1.12


def oii_over_ha(fluxes):
    """Return log of the [O II] doublet over Ha."""
    return np.log10((fluxes["OII3727"] + fluxes["OII3729"]) / fluxes["Ha"])


def continuum_snr_by_hand(*, magnitude, wavelength, hours, share, offline=False):
    """Return the S/N of a flat-spectrum source in one pixel, by schoolbook sums.

    Nothing of `moons_camera` enters: sky, transmission and efficiencies are read from MOONS1D's
    files at this one wavelength (sky and air averaged over the line spread function).

    Parameters
    ----------
    magnitude : float
        AB, of the whole source.
    wavelength : float
        Å, inside an arm.
    hours : float
        On target.
    share : float
        Of the light in the fibre.
    offline : bool
        Never touch the network.
    """
    from astropy.io import fits

    from common import assets

    arm = next(a for a in moons.ARMS.values() if a.first <= wavelength <= a.last)
    name = next(n for n, a in moons.ARMS.items() if a is arm)
    folder = assets.fetch("moons1d", offline=offline) / "moons1d/models"
    with fits.open(folder / "Skymodel/SkyTemplate_ESO_a1.2.fits") as hdus:
        away = 6000 + 0.1 * np.arange(hdus[0].header["NAXIS1"]) - wavelength
        weight = 0.5 ** ((2 * away / arm.fwhm) ** 2)  # a Gaussian: half as high at half the FWHM
        sky, air = (float(np.average(hdus[k].data, weights=weight)) for k in (0, 1))

    def looked_up(file, x, column=1):
        table = np.loadtxt(folder / "Instrument" / file)
        return float(np.interp(x, table[:, 0], table[:, column]))

    whole = (
        looked_up("telescope_eff.txt", wavelength / 1e4)
        * looked_up(f"throughput_{name}_worst.txt", wavelength / 10)
        * looked_up(arm.detector, wavelength / 1e4) / 100
    )  # fmt: skip
    # An AB magnitude is a flux per Hz; photons per second, cm2 and Å follow from F_nu / (h lambda).
    photons = 10 ** (-0.4 * (magnitude + 48.6)) / (PLANCK * wavelength)
    collected = whole * np.pi * 410.0**2 * arm.step * hours * 3600  # cm2 Å s
    source = photons * share * air * collected
    background = sky * np.pi * 0.55**2 * collected
    dark = arm.dark / 3600 * hours * 3600
    read = arm.ron**2 * hours * 3600 / 300
    return source / np.sqrt(source + 2 * (background + dark + read))


def continuum_snr(*, magnitude, wavelength, hours, share, offline=False):
    """Return the same S/N as the mock's own code has it."""
    wave = moons.grid()
    flux = 10 ** (-0.4 * (magnitude + 48.6)) * LIGHT * 1e8 / wave**2 * share
    error = moons_camera.error(
        flux[None], hours=hours, observation=moons_camera.Observation(), offline=offline
    )[0]
    at = int(np.argmin(np.abs(wave - wavelength)))
    return float(flux[at] / error[at])
