"""The mock's numbers against the published ones, typed in anew from independent copies of them."""

import astropy.units as u
import numpy as np
import pytest
from astropy.constants import L_sun
from scipy.special import gammainc

from common.lines import ABSORPTION, EMISSION, LINES_MOONS
from common.mocks.cannon import air_to_vacuum
from common.mocks.dust import calzetti
from common.mocks.fibre import sersic_b
from mtopnet.mock import check as mock_check
from mtopnet.mock import continuum as mock_continuum
from mtopnet.mock import lines as mock_lines
from mtopnet.mock import population

# Ilbert et al. 2013, Table 2: z, log M*, phi1 and phi2 in 1e-3 / Mpc3, alpha1, alpha2.
ILBERT = [
    (0.65, 11.03, 1.22, -1.00, 0.16, -1.64), (0.95, 10.87, 2.03, -0.52, 0.29, -1.62),
    (1.30, 10.71, 1.35, -0.08, 0.67, -1.46), (1.75, 10.74, 0.88, -0.24, 0.33, -1.60),
    (2.25, 10.74, 0.62, -0.22, 0.15, -1.60), (2.75, 10.76, 0.26, -0.15, 0.14, -1.60),
    (3.50, 10.74, 0.03, 0.95, 0.09, -1.60),
]  # fmt: skip
# Tomczak et al. 2014, Table 1: log phi of all galaxies at 1 < z < 1.25, from 10^9 in steps of 0.25.
TOMCZAK = (-2.14, -2.24, -2.29, -2.48, -2.59, -2.73, -2.64, -2.72, -3.01, -3.62)
# Gallazzi et al. 2005, Table 2: log M, median log Z / Z_sun.
GALLAZZI = {8.91: -0.60, 9.11: -0.61, 9.31: -0.65, 9.51: -0.61, 9.72: -0.52, 9.91: -0.41,
            10.11: -0.23, 10.31: -0.11, 10.51: -0.01, 10.72: 0.04, 10.91: 0.07, 11.11: 0.10,
            11.31: 0.12, 11.51: 0.13, 11.72: 0.14}  # fmt: skip
# Storey & Hummer 1995, case B, 10^4 K, 100 cm-3: erg cm3 / s.
EMISSIVITY = {"Ha": 3.536e-25, "Hb": 1.235e-25, "Hg": 5.784e-26, "Hd": 3.198e-26, "Pd": 6.849e-27}
# NIST in air; below 2000 Å in vacuum (Morton 2003 and NIST; blends as SDSS has them).
AIR = {
    "MgII 2796": 2795.528, "MgII 2804": 2802.705, "[OII] 3727": 3726.032, "[OII] 3730": 3728.815,
    "[NeIII] 3870": 3868.76, "CaII K": 3933.663, "CaII H": 3968.469, "Hd": 4101.734,
    "Hg": 4340.464, "Hb": 4861.325, "[OIII] 4960": 4958.911, "[OIII] 5008": 5006.843,
    "MgI 5169": 5167.322, "MgI 5174": 5172.684, "MgI 5185": 5183.604, "FeI 5271": 5269.537,
    "NaI 5892": 5889.951, "NaI 5898": 5895.924, "[NII] 6550": 6548.05, "Ha": 6562.80,
    "[NII] 6585": 6583.45, "[SII] 6718": 6716.440, "[SII] 6733": 6730.816, "CaII 8500": 8498.02,
    "CaII 8544": 8542.09, "CaII 8665": 8662.14, "[SIII] 9071": 9068.6, "[SIII] 9533": 9530.6,
    "HeI 10833": 10830.34,
}  # fmt: skip
VACUUM = {
    "Lya": 1215.670, "NV 1240": (1238.821 + 1242.804) / 2, "SiII 1260": 1260.4221,
    "OI 1302": 1302.1685, "CII 1335": 1335.31, "SiIV 1394": 1393.7546, "SiIV 1403": 1402.7697,
    "SiII 1527": 1526.7070, "CIV 1549": (2 * 1548.2049 + 1550.7785) / 3, "HeII 1640": 1640.42,
    "OIII] 1661": 1660.809, "OIII] 1666": 1666.150, "CIII] 1909": 1908.734,
}  # fmt: skip


def at(value, n=1):
    return np.full(n, float(value))


@pytest.mark.parametrize("row", ILBERT, ids=lambda row: str(row[0]))
def test_ilbert(row):
    z, star, phi1, a1, phi2, a2 = row
    mass = np.array([8.5, 9.5, star, 11.4])
    x = 10 ** (mass - star)
    phi = np.log(10) * np.exp(-x) * 1e-3 * (phi1 * x ** (1 + a1) + phi2 * x ** (1 + a2))
    found = population.mass_function(mass, at(z, 4), "all")
    np.testing.assert_allclose(found, np.log10(phi), atol=1e-9)


def test_tomczak_fits_tomczaks_points():
    """The two types' fits together against the points of all galaxies, which they do not enter."""
    mass = 9 + 0.25 * np.arange(len(TOMCZAK))
    types = [10 ** population.mass_function(mass, at(1.125, 10), kind)
             for kind in ("star-forming", "quiescent")]  # fmt: skip
    offset = np.log10(sum(types)) - TOMCZAK
    assert np.abs(offset).max() < 0.15 and abs(offset.mean()) < 0.05


def test_tomczak():
    """Sums of log phi at M*, by hand from Table 2 (single functions above z = 2)."""
    for kind, z, star, phis in (
        ("star-forming", 0.625, 10.65, (-2.97, -3.34)),
        ("star-forming", 1.75, 10.59, (-3.37, -3.28)),
        ("star-forming", 2.75, 11.49, (-4.82,)),
        ("quiescent", 0.875, 10.63, (-2.81, -4.40)),
        ("quiescent", 1.375, 10.49, (-3.36, -3.72)),
        ("quiescent", 2.25, 10.73, (-3.63,)),
    ):
        found = population.mass_function(at(star), at(z), kind)[0]
        expected = np.log10(np.log(10) / np.e * sum(10**p for p in phis))
        assert found == pytest.approx(expected, abs=1e-6), (kind, z)
    low = population.mass_function(np.array([9.0, 8.0]), at(0.625, 2), "quiescent")
    assert low[1] - low[0] == pytest.approx(0.69, abs=0.03)  # alpha2 = -1.69 wins


def test_schreiber():
    """Eq. 9 in Salpeter's masses: where it starts, its slopes, and one dex beyond the bend."""
    imf = np.log10(1.7)

    def published(m, z):  # m = log M / 1e9, Salpeter
        return population.main_sequence(at(m + 9 - imf), at(z))[0] + imf

    assert published(0, 0) == pytest.approx(-0.5)
    assert published(0.3, 0) == pytest.approx(-0.2)
    assert published(0, 9) == pytest.approx(1.0)  # + 1.5 log(1 + z)
    expected = 0.36 + 4 * np.log10(2) + 0.5 - 0.3
    assert published(0.36 + 2.5 * np.log10(2) + 1, 1) == pytest.approx(expected)
    assert population.main_sequence(at(10.5), at(1))[0] == pytest.approx(1.3370, abs=2e-4)


def test_speagle_and_whitaker():
    # Age 5.75 Gyr at z = 1 for H0 = 70, Omega_m = 0.3.
    by_hand = (0.84 - 0.026 * 5.75) * 10.5 - (6.51 - 0.11 * 5.75)
    assert mock_check.speagle(at(10.5), at(1))[0] == pytest.approx(by_hand, abs=0.005)
    z = np.array([0.75, 1.25, 1.75, 2.25])
    table = [mock_check.whitaker(at(m, 4), z) for m in (9.2, 10.2, 11.2)]
    np.testing.assert_allclose(table[1], (1.11, 1.31, 1.49, 1.62))
    np.testing.assert_allclose(table[1] - table[0], (0.94, 0.99, 1.04, 0.91))
    np.testing.assert_allclose(table[2] - table[1], (0.14, 0.51, 0.62, 0.67))


def test_van_der_wel():
    z = np.array([0.75, 1.25, 1.75, 2.25, 2.75])
    for early, sizes, slopes, spread in (
        (False, (0.78, 0.70, 0.65, 0.55, 0.51), (0.22, 0.22, 0.23, 0.22, 0.18),
         (0.16, 0.17, 0.18, 0.19, 0.19)),
        (True, (0.42, 0.22, 0.09, -0.05, -0.06), (0.71, 0.76, 0.76, 0.76, 0.79),
         (0.11, 0.12, 0.14, 0.14, 0.14)),
    ):  # fmt: skip
        mean, scatter = population.effective_radius(at(np.log10(5e10), 5), z, at(early, 5) > 0)
        larger, _ = population.effective_radius(at(np.log10(5e11), 5), z, at(early, 5) > 0)
        np.testing.assert_allclose(mean, sizes, atol=1e-9)
        np.testing.assert_allclose(larger - mean, slopes, atol=1e-9)
        np.testing.assert_allclose(scatter, spread, atol=1e-9)


def test_gallazzi():
    found = population.stellar_metallicity(np.array(list(GALLAZZI))) + 0.13
    np.testing.assert_allclose(found, list(GALLAZZI.values()), atol=0.051)


def test_eggs_dust():
    assert calzetti(1600.0) == pytest.approx(9.97, abs=0.01)
    assert calzetti(5500.0) == pytest.approx(4.05, abs=0.02)
    np.testing.assert_allclose(population.gas_over_stars(np.arange(4)), (1.7, 1.3, 1.0, 1.0))
    # IRX of 10^10.5 (Salpeter) is 10^1.2 at all z; the slope grows by 0.45 a unit of z until 3.
    m = 10.5 - np.log10(1.7)
    np.testing.assert_allclose(population.irx(at(m, 2), np.array([0.7, 3.0])), 1.2)
    assert population.irx(at(m + 1), at(2))[0] == pytest.approx(2.45)


def test_case_b_is_storey_and_hummers():
    for name, value in EMISSIVITY.items():
        assert mock_lines.CASE_B[name] == pytest.approx(value / 1.235e-25, rel=2e-3), name


def test_abundance_is_mannuccis_on_the_n2_scale():
    """9.07 and 8.9 of Kewley & Dopita by both conversions of Kewley & Ellison's Table 3."""
    n2 = [569.4927 - 192.51820 * x + 21.918360 * x**2 - 0.8278840 * x**3 for x in (9.07, 8.9)]
    o3n2 = [664.8453 - 225.75330 * x + 25.768880 * x**2 - 0.9761368 * x**3 for x in (9.07, 8.9)]
    found = mock_lines.abundance(np.array([11.0, 10.0]), at(0, 2), at(0.9, 2))
    np.testing.assert_allclose(found, n2, atol=2e-4)
    assert np.abs(found - o3n2).max() > 0.02
    later = mock_lines.abundance(at(10, 3), at(0, 3), np.array([1.5, 2.0, 3.0]))
    np.testing.assert_allclose(found[1] - later, (0.1, 0.2, 0.2), atol=1e-9)


def test_eggs_line_ratios_at_solar_abundance():
    """Worked by hand from its polynomials; [N II] 0.3 dex up at z = 2.3 below 10^10 (Salpeter)."""
    o3, n2, o2 = mock_lines.strong_ratios(at(8.69), at(9.0), at(0.9))
    assert o3[0] == pytest.approx(-0.3869, abs=3e-4)
    assert n2[0] == pytest.approx(-0.3020, abs=3e-4)
    assert o2[0] == pytest.approx(0.3041, abs=5e-4)
    later = mock_lines.strong_ratios(at(8.69), at(9.0), at(2.3))[1]
    heavy = mock_lines.strong_ratios(at(8.69), at(10.6), at(2.3))[1]
    assert later[0] - n2[0] == pytest.approx(0.3) and heavy[0] == pytest.approx(n2[0])


def test_doublets_are_those_of_sanders():
    """Sanders et al. 2016, Eqs. 6 and 7 inverted, at 30 cm-3 (z = 0) and 250 cm-3 (z = 2.3)."""
    galaxies = dict(log_mass=at(10, 2), log_sfr=at(0.5, 2), z=np.array([0.0, 2.3]))
    lines = mock_lines.intrinsic_ratios(galaxies)
    density = np.array([30.0, 250.0])
    oii = 0.3771 * (2468 + density) / (638.4 + density)
    sii = 0.4315 * (2107 + density) / (627.1 + density)
    np.testing.assert_allclose(lines["OII3729"] / lines["OII3727"], oii, atol=0.012)
    np.testing.assert_allclose(lines["SII6716"] / lines["SII6731"], sii, atol=0.012)


def test_what_the_mock_is_compared_with():
    """Steidel et al. 2014 and Pettini & Pagel 2004; the ridges of the BPT diagram at one point."""
    np.testing.assert_allclose(np.ravel(mock_check.steidel(np.array([9.0, 10.0]))),
                               (8.21, 8.41, 8.08, 8.27))  # fmt: skip
    fluxes = {"NII": 0.1, "Ha": 1.0, "OIII": 3.0, "Hb": 1.0}
    n2, o3n2 = mock_check.pettini_pagel(fluxes)
    assert n2 == pytest.approx(8.33) and o3n2 == pytest.approx(8.73 - 0.32 * 1.47712, abs=1e-5)
    assert mock_check.ridge(-1.0, z=0) == pytest.approx(0.43696, abs=1e-5)
    assert mock_check.ridge(-1.0, z=2.3) == pytest.approx(0.56167, abs=1e-5)


def test_every_line_is_in_vacuum():
    assert set(AIR) | set(VACUUM) == set(LINES_MOONS) and len(LINES_MOONS) == 42
    for name, wave in AIR.items():
        assert LINES_MOONS[name] == pytest.approx(air_to_vacuum(wave), abs=0.02), name
    for name, wave in VACUUM.items():
        assert LINES_MOONS[name] == pytest.approx(wave, abs=0.01), name
    for name in ("Ha", "Hb", "Hg", "Hd"):
        assert mock_lines.LINES[name] == LINES_MOONS[name]


def test_a_line_arrives_with_the_flux_that_its_luminosity_gives():
    """Kennicutt's Ha of 1 solar mass a year (Salpeter) at z = 1, in astropy's units."""
    distance = population.COSMOLOGY.luminosity_distance(1.0)
    rng = np.random.default_rng(0)
    n = 4000
    galaxies = dict(log_mass=at(10, n), log_sfr=at(-np.log10(1.7), n), z=at(1, n),
                    distance=at(distance.value, n), ebv_gas=at(0, n))  # fmt: skip
    found = np.median(mock_lines.observed(galaxies, rng)["Ha"])
    expected = (1 / 7.9e-42 * u.erg / u.s / (4 * np.pi * distance**2)).to_value("erg / (s cm2)")
    assert found == pytest.approx(expected, rel=0.02)
    assert mock_continuum.SUN == pytest.approx(L_sun.to_value("erg / s"), rel=1e-3)


def test_half_the_light_lies_within_the_radius():
    for n in (1.0, 4.0):
        assert gammainc(2 * n, sersic_b(n)) == pytest.approx(0.5, abs=2e-4)


def test_lines_of_figures_agree_with_the_table():
    """Doublets at their mean wavelengths; single lines as the table has them."""
    for name, parts in {
        "Na D": ("NaI 5892", "NaI 5898"), "[S II]": ("[SII] 6718", "[SII] 6733"),
        "[O II]": ("[OII] 3727", "[OII] 3730"), "Hα": ("Ha",), "Hβ": ("Hb",), "Hγ": ("Hg",),
        "[O III]": ("[OIII] 5008",), "[Ne III]": ("[NeIII] 3870",), "K": ("CaII K",),
        "H": ("CaII H",), "Hδ": ("Hd",), "Ca II": ("CaII 8544",), "C III]": ("CIII] 1909",),
        "N V": ("NV 1240",), "C IV": ("CIV 1549",), "Lyα": ("Lya",),
    }.items():  # fmt: skip
        found = (EMISSION | ABSORPTION)[name]
        assert found == pytest.approx(np.mean([LINES_MOONS[p] for p in parts]), abs=0.02), name
