"""The mock's tables of labels, in the formats of LAMOST, APOGEE, Gaia and Bailer-Jones."""

from __future__ import annotations

import numpy as np
import pandas as pd

from common.mocks.gaia import parallax_errors
from solarlike_distance.mock.photometry import PER_COLOUR

# Standard deviations of the surveys' parameters: K, dex, dex.
APOGEE_ERRORS = {"teff": 30.0, "logg": 0.03, "feh": 0.02}
LASP_ERRORS = {"teff": 55.0, "logg": 0.08, "feh": 0.05}  # at S/N_g = 50; as 1 / S/N below
UNMATCHED = {"apogee": 0.03, "gaia": 0.015}  # shares without a counterpart
BAD_FIBRE = 0.01  # share with FIBERMASK
# Zero points (mas) of Gaia DR3's parallaxes of stars of middle colour by G (Lindegren et al. 2021,
# A&A 649, A4, Fig. 5, rounded).
ZERO_POINT = ((9, -0.025), (11, -0.020), (12, -0.015), (13, -0.030), (14, -0.038), (17, -0.040))
SCALE_LENGTH = 600.0  # pc, of the prior of distances, `default`
DUST_ERROR = 0.03  # mag, of GSP-Phot's E(BP-RP), `default`
RUWE_BINARY = 0.25  # spread of ruwe above 1 of binaries


def geometric_distance(parallax, error):
    """Return median, 16 % and 84 % of the distance given a parallax, three ndarrays in pc.

    The posterior of an exponentially decreasing density of stars (Bailer-Jones 2015, PASP 127,
    994), on a grid.

    Parameters
    ----------
    parallax, error : ndarray of shape (n,)
        mas, zero point taken off.
    """
    out = np.empty((3, len(parallax)))
    step = np.linspace(-5, 5, 401)
    for first in range(0, len(parallax), 2000):
        part = slice(first, first + 2000)
        p, e = parallax[part, None], error[part, None]
        # A grid in parallax about the measured one, down to 12 kpc.
        grid = np.maximum(p + e * step, 1 / 12 + 1e-6 * (step + 5))
        d = 1000 / grid
        log = -0.5 * ((grid - p) / e) ** 2 + 4 * np.log(d) - d / SCALE_LENGTH  # d^2 and |dd/dp|
        weight = np.exp(log - log.max(axis=1, keepdims=True))
        mass = np.cumsum(weight * np.gradient(grid, axis=1), axis=1)
        mass /= mass[:, -1:]
        for row, level in enumerate((0.5, 0.84, 0.16)):
            cell = (mass >= level).argmax(axis=1)
            out[row, part] = d[np.arange(len(d)), cell]
    return out


def lasp(stars, *, obsid, position, snr, z, rng):
    """Return LAMOST's catalogue of stars: parameters as LASP has them.

    Parameters
    ----------
    stars : DataFrame
        From `mock_population`.
    obsid : ndarray of shape (n,)
    position : tuple of ndarrays
        RA and Dec in deg.
    snr : dict of str to ndarray
        S/N by band.
    z : ndarray of shape (n,)
    rng : numpy.random.Generator

    Returns
    -------
    DataFrame
    """
    n = len(stars)
    table = {"obsid": obsid, "ra": position[0], "dec": position[1]}
    table |= {f"snr{band}": values for band, values in snr.items()}
    teff = stars["teff"].to_numpy()
    table["class"] = np.full(n, "STAR")
    table["subclass"] = np.array(["K5", "K1", "G8", "G2", "F9", "F5", "F0"])[
        np.searchsorted((4500, 5000, 5400, 5800, 6100, 6700), teff)
    ]
    table |= {"z": z, "z_err": np.full(n, 2e-5)}
    scale = np.maximum(1, 50 / np.maximum(snr["g"], 1))
    for name, sigma in LASP_ERRORS.items():
        table[name] = stars[name].to_numpy() + sigma * scale * rng.standard_normal(n)
        table[f"{name}_err"] = sigma * scale
    table |= {"rv": z * 299792.458, "rv_err": np.full(n, 6.0) * scale**0.5}
    table["fibermask"] = np.where(rng.random(n) < BAD_FIBRE, 128, 0)
    return pd.DataFrame(table)


def apogee(stars, *, source_id, names, position, rng):
    """Return APOGEE's allStar in DR17's names, one row a star."""
    n = len(stars)
    table = {"APOGEE_ID": names, "RA": position[0], "DEC": position[1]}
    table |= {"GAIAEDR3_SOURCE_ID": source_id, "SNR": rng.uniform(80, 400, n)}
    for theirs, ours in (("TEFF", "teff"), ("LOGG", "logg"), ("FE_H", "feh")):
        sigma = APOGEE_ERRORS[ours]
        table[theirs] = stars[ours].to_numpy() + sigma * rng.standard_normal(n)
        table[f"{theirs}_ERR"] = np.full(n, sigma)
    for name in ("g", "bp", "rp"):
        table[f"GAIAEDR3_PHOT_{name.upper()}_MEAN_MAG"] = stars[name].to_numpy()
    table |= {"ASPCAPFLAG": np.zeros(n, np.int64), "STARFLAG": np.zeros(n, np.int64)}
    return pd.DataFrame(table)


def gaia(stars, *, source_id, position, rng):
    """Return gaia_source's columns, GSP-Phot's among them, and geometric distances.

    Parameters
    ----------
    stars : DataFrame
        From `mock_population`, one row a star.
    source_id : ndarray of shape (n,)
    position : tuple of ndarrays
        RA and Dec in deg.
    rng : numpy.random.Generator

    Returns
    -------
    source, distances : DataFrame
        In the archive's names: gaia_source; source_id, r_med_geo, r_lo_geo, r_hi_geo (pc).
    """
    from astropy.coordinates import SkyCoord

    n, g = len(stars), stars["g"].to_numpy()
    magnitudes = {
        name: stars[name].to_numpy() + sigma * rng.standard_normal(n)
        for name, sigma in (("g", 0.003), ("bp", 0.006), ("rp", 0.005))
    }
    binary = stars["binary"].to_numpy()
    error = parallax_errors(g, rng)
    zero = np.interp(g, *zip(*ZERO_POINT, strict=True))
    parallax = 1000 / stars["distance"].to_numpy() + zero + error * rng.standard_normal(n)
    sky = SkyCoord(position[0], position[1], unit="deg")
    colour = magnitudes["bp"] - magnitudes["rp"]
    ebprp = np.clip(stars["ebprp"] + DUST_ERROR * rng.standard_normal(n), 0, None).to_numpy()
    ag, width = PER_COLOUR * ebprp, PER_COLOUR * DUST_ERROR
    snr = parallax / error
    # GSP-Phot pulls poor parallaxes to nearer distances (Andrae et al. 2023, A&A 674, A27).
    pull = np.interp(1 / np.maximum(snr, 3), (0.0, 0.05, 0.2, 0.35), (1.0, 0.995, 0.9, 0.75))
    distance = stars["distance"].to_numpy() * pull * np.exp(0.04 * rng.standard_normal(n))
    source = pd.DataFrame({
        "source_id": source_id, "ra": position[0], "dec": position[1],
        "phot_g_mean_mag": magnitudes["g"], "phot_bp_mean_mag": magnitudes["bp"],
        "phot_rp_mean_mag": magnitudes["rp"], "bp_rp": colour,
        "parallax": parallax, "parallax_error": error, "parallax_over_error": snr,
        "ruwe": 1 + abs(np.where(binary, RUWE_BINARY, 0.04) * rng.standard_normal(n)),
        "nu_eff_used_in_astrometry": np.clip(1.76 - 0.2 * colour, 1.15, 1.85),
        "pseudocolour": np.full(n, np.nan),
        "ecl_lat": sky.barycentrictrueecliptic.lat.deg,
        "astrometric_params_solved": np.full(n, 31),
        "phot_g_mean_flux_over_error": np.full(n, 2.5 / np.log(10) / 0.003),
        "ag_gspphot": ag, "ag_gspphot_lower": np.maximum(ag - width, 0),
        "ag_gspphot_upper": ag + width,
        "ebpminrp_gspphot": ebprp, "distance_gspphot": distance,
    })  # fmt: skip
    middle, low, high = geometric_distance(parallax - zero, error)
    geo = {"source_id": source_id, "r_med_geo": middle, "r_lo_geo": low, "r_hi_geo": high}
    return source, pd.DataFrame(geo)
