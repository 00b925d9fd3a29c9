"""Emission lines of the mock: Kennicutt's Ha, case B, metal lines by abundance and redshift.

The recipe of EGG (Schreiber et al. 2017, A&A 602, A96, and its catalogue of lines), which MAMBO
modifies in ways that are not published (paper, Sect. 2): a fundamental metallicity relation gives
O/H, fits to SDSS give [O III], [N II] and [O II], and [N II] rises with z as in Shapley et al.
2015. [S II], [Ne III], [S III], [O I], He I and C III] are not in EGG: `default`, sources below.
"""

from __future__ import annotations

import numpy as np

from common.mocks.dust import calzetti
from common.mocks.lines import C_KMS, add_gaussian
from common.mocks.moons import ARMS, FWHM_SIGMA, arm_slices
from mtopnet.mock.population import IMF

MPC = 3.0857e24  # cm
# Vacuum wavelengths in Å (NIST) of the lines that the mock makes.
LINES = {
    "CIII1907": 1906.683, "CIII1909": 1908.734, "OII3727": 3727.092, "OII3729": 3729.875,
    "NeIII": 3869.86, "NeIII3968": 3968.59, "Hd": 4102.892, "Hg": 4341.684, "Hb": 4862.683,
    "OIII4959": 4960.295, "OIII": 5008.240, "HeI5876": 5877.249, "OI6300": 6302.046,
    "NII6548": 6549.86, "Ha": 6564.608, "NII": 6585.27, "SII6716": 6718.295,
    "SII6731": 6732.674, "SIII9069": 9071.1, "SIII9531": 9533.2, "Pd": 10052.13,
    "HeI10830": 10833.306,
}  # fmt: skip
# Case B, 10^4 K, 100 cm-3, relative to Hb (Osterbrock & Ferland 2006, Table 4.4, which is Storey &
# Hummer 1995).
CASE_B = {"Ha": 2.863, "Hb": 1.0, "Hg": 0.468, "Hd": 0.259, "Pd": 0.0554}
SOLAR = 8.69  # 12 + log(O/H), Asplund et al. 2009


def halpha_luminosity(log_sfr):
    """Return log of the intrinsic Ha luminosity in erg/s (Kennicutt 1998, ApJ 498, 541, Eq. 2).

    SFR = 7.9e-42 L(Ha) for Salpeter's mass function, from 0.1 to 100 solar masses.

    Parameters
    ----------
    log_sfr : ndarray
        log10 solar masses a year, Chabrier.
    """
    return np.asarray(log_sfr) + np.log10(IMF) - np.log10(7.9e-42)


def abundance(log_mass, log_sfr, z):
    """Return 12 + log(O/H) of the gas on the N2 scale of Pettini & Pagel 2004.

    Mannucci et al. 2010, MNRAS 408, 2115, by lines (8.9 + 0.47 (mu - 10), 9.07 from mu = 10.36 on,
    mu = log M - 0.32 log SFR), from KD02 to PP04's N2 by Kewley & Ellison 2008, ApJ 681, 1183,
    Table 3; lower by 0.2 dex (z - 1) between z = 1 and 2. All as EGG, which names Bethermin et al.
    2016 and the [O III]/Hb of Dickey et al. 2016 for the last step.

    Parameters
    ----------
    log_mass, log_sfr, z : ndarray
        Chabrier, as in Mannucci et al.
    """
    mu = np.asarray(log_mass) - 0.32 * np.asarray(log_sfr)
    first = np.where(mu < 10.36, 8.9 + 0.47 * (mu - 10), 9.07)
    # Kewley & Ellison's conversion holds from 8.05 on; below, the abundance falls in step.
    held = np.maximum(first, 8.05)
    out = 569.4927 - 192.5182 * held + 21.91836 * held**2 - 0.827884 * held**3
    out = out + np.minimum(first - 8.05, 0)
    return out - 0.2 * np.clip(np.asarray(z) - 1, 0, 1)


def strong_ratios(oh, log_mass, z, rng=None):
    """Return log [O III]/Hb, log [N II]/Ha and log [O II]/Hb of whole doublets.

    EGG's cubic fits to SDSS: [O III]/Hb over [N II]/Ha against abundance, their product against
    that, [O II]/Hb against [O III]/Hb, each with its scatter; [N II] by up to 0.3 dex stronger at
    z = 2.3 below 10^10 (Shapley et al. 2015, ApJ 801, 88).

    Parameters
    ----------
    oh, log_mass, z : ndarray of shape (n,)
    rng : numpy.random.Generator, optional
        Without one: no scatter.
    """
    metal = np.clip(oh - SOLAR, -0.75, 0.15)

    def spread(values):
        return 0 if rng is None else np.clip(values, 0.03, 0.3) * rng.standard_normal(len(oh))

    minus = np.polyval((3.3829, 5.6728, -1.0596, -0.08498), metal)
    minus = minus + spread(np.polyval((1.4570, 0.4402, -0.21789, 0.2666), metal))
    minus = np.clip(minus, -0.8, 2.4)
    plus = np.polyval((0.01177, -0.25321, 0.53526, -0.6416), minus)
    plus = plus + spread(np.polyval((-0.00507, 0.0423, -0.064, 0.12), minus))
    # EGG writes its masses for Salpeter.
    light = np.interp(log_mass + np.log10(IMF), (10.0, 10.5), (1.0, 0.0))
    nitrogen = np.interp(z, (1.0, 2.3), (0.0, 0.3)) * light
    o3, n2 = 0.5 * (plus + minus), 0.5 * (plus - minus) + nitrogen
    o2 = np.polyval((-0.2208, -0.46, 0.3529, 0.4967), o3)
    o2 = o2 + spread(np.polyval((0.0262, 0.0524, -0.02, 0.07), o3))
    return o3, n2, o2


def sulphur_ratio(o3):
    """Return log of [S II] 6717+6731 over Ha from log [O III]/Hb.

    Default: the ridge of star-forming galaxies in SDSS (Kewley et al. 2006, MNRAS 372, 961,
    Fig. 1), along which galaxies at z = 2.3 lie as well (Shapley et al. 2015, Sect. 4).
    """
    return np.interp(o3, (-0.6, 0.0, 0.4, 0.8), (-0.55, -0.45, -0.60, -0.90))


def intrinsic_ratios(galaxies, rng=None, *, shift=None):
    """Return every line over Ha before dust, {line: (n,)}.

    Parameters
    ----------
    galaxies : dict of str to ndarray
        log_mass, log_sfr, z.
    rng : numpy.random.Generator, optional
        Without one: no scatter.
    shift : dict of str to float, optional
        dex added to o3, n2, o2 or s2: a universe with other gas (the shifted mock).
    """
    shift = shift or {}
    mass, z = galaxies["log_mass"], galaxies["z"]
    oh = abundance(mass, galaxies["log_sfr"], z)
    o3, n2, o2 = strong_ratios(oh, mass, z, rng)
    s2 = sulphur_ratio(o3) + (0 if rng is None else 0.08 * rng.standard_normal(len(z)))
    o3, n2 = o3 + shift.get("o3", 0.0), n2 + shift.get("n2", 0.0)
    o2, s2 = o2 + shift.get("o2", 0.0), s2 + shift.get("s2", 0.0)
    hb = 1 / CASE_B["Ha"]
    o3, n2, o2, s2 = 10**o3 * hb, 10**n2, 10**o2 * hb, 10**s2
    # Electron densities of 30 cm-3 at z = 0 and 250 at z = 2.3 (Sanders et al. 2016, ApJ 816, 23).
    # With these [O II] 3730/3727 and [S II] 6718/6733 fall alike, from 1.40 to 1.16.
    doublet = np.interp(z, (0, 2.3), (1.40, 1.16))
    strong = doublet / (1 + doublet)
    out = {name: np.full(len(z), value * hb) for name, value in CASE_B.items()}
    out |= {
        # Transition probabilities: Storey & Zeippen 2000, MNRAS 312, 813.
        "OIII": o3 * 2.98 / 3.98, "OIII4959": o3 / 3.98,
        "NII": n2 * 3.05 / 4.05, "NII6548": n2 / 4.05,
        "OII3729": o2 * strong, "OII3727": o2 * (1 - strong),
        "SII6716": s2 * strong, "SII6731": s2 * (1 - strong),
        # Default ratios: [Ne III] by [O III] (Levesque & Richardson 2014), [S III] by [S II] (the
        # mean of S32 near 1: Sanders et al. 2020), 9531/9069 = 2.47; [O I] a tenth of [S II]; He I
        # 5876 of He/H = 0.085, 10830 twice that; C III] a tenth of [O III] (Stark et al. 2014).
        "NeIII": 0.08 * o3, "NeIII3968": 0.08 * o3 * 0.31,
        "SIII9069": s2 / 3.47, "SIII9531": s2 * 2.47 / 3.47,
        "OI6300": 0.1 * s2, "HeI5876": np.full(len(z), 0.12 * hb),
        "HeI10830": np.full(len(z), 0.25 * hb),
        "CIII1907": 0.06 * o3, "CIII1909": 0.04 * o3,
    }  # fmt: skip
    return {name: out[name] for name in LINES}


def observed(galaxies, rng, *, shift=None):
    """Return line fluxes before the fibre.

    Parameters
    ----------
    galaxies : dict of str to ndarray
        From `mock_population.draw`.
    rng : numpy.random.Generator
    shift : dict, optional
        See `intrinsic_ratios`; "lines": dex added to all of them alike.

    Returns
    -------
    dict of str to ndarray of shape (n,)
        erg / (s cm2), dimmed by dust (Calzetti et al. 2000 with the gas's E(B-V)).
    """
    n = len(galaxies["z"])
    # 0.15 dex of scatter about Kennicutt's law, as EGG.
    luminosity = halpha_luminosity(galaxies["log_sfr"]) + 0.15 * rng.standard_normal(n)
    luminosity = luminosity + (shift or {}).get("lines", 0.0)
    ha = 10 ** (luminosity - np.log10(4 * np.pi)) / (galaxies["distance"] * MPC) ** 2
    out = {}
    for name, ratio in intrinsic_ratios(galaxies, rng, shift=shift).items():
        out[name] = ha * ratio * 10 ** (-0.4 * calzetti(LINES[name]) * galaxies["ebv_gas"])
    return out


def add_lines(flux, *, fluxes, z, kms, wavelengths=None):
    """Add Gaussian lines at MOONS's resolution to spectra on its pixels, in place.

    Parameters
    ----------
    flux : ndarray of shape (n, 12217)
        erg / (s cm2 Å), or any unit that the fluxes share.
    fluxes : dict of str to ndarray of shape (n,)
        Flux of each line; negative ones absorb.
    z, kms : ndarray of shape (n,)
        Redshift; dispersion of the gas in km/s.
    wavelengths : dict of str to float, optional
        At rest (default: `LINES`).
    """
    wavelengths = LINES if wavelengths is None else wavelengths
    for arm, pixels in arm_slices().items():
        arm, part = ARMS[arm], flux[:, pixels]
        for name, value in fluxes.items():
            wave = wavelengths[name] * (1 + z)
            rows = np.flatnonzero((wave > arm.first - 100) & (wave < arm.last + 100))
            if not len(rows):
                continue
            sigma = np.hypot(wave[rows] * kms[rows] / C_KMS, arm.fwhm / FWHM_SIGMA) / arm.step
            # Only these rows are touched: add_gaussian leaves rows of peak 0 alone.
            peak, width, centre = np.zeros(len(z)), np.ones(len(z)), np.zeros(len(z))
            peak[rows] = value[rows] / (np.sqrt(2 * np.pi) * sigma * arm.step)
            width[rows], centre[rows] = sigma, (wave[rows] - arm.first) / arm.step
            add_gaussian(part, centre=centre, sigma=width, peak=peak, reach=4.5)
