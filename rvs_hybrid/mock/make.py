"""Mock stars of Gaia with labels of APOGEE: a forward model, in the archives' own formats.

Files that `make_mock` writes under its folder, each FITS file with the card MOCK = T:

spectra/xp-mock-NNNN.fits
    Gaia's XP_CONTINUOUS, one row a star, at most 2000 a file: source_id, bp_coefficients,
    bp_coefficient_errors, bp_coefficient_correlations, and the same for rp.
spectra/rvs-mock-NNNN.fits
    Gaia's rvs_mean_spectrum, with a column mock: stars whose S/N reaches the survey's limit of 15.
labels/gaia_source-mock.fits
    Gaia DR3's gaia_source: positions, G, BP, RP, parallax with its error and zero point's columns,
    ruwe, rvs_spec_sig_to_noise. 1 % of the stars have no parallax.
labels/allStar-mock.fits
    APOGEE's allStar in DR17's names: labels with errors, J, H, K, AK_TARG. 2 % of the stars are not
    in it, 1 % are flagged STAR_BAD.
truth.parquet
    What was planted: source_id and the columns of `rvs_hybrid.mock.population.draw`, without noise;
    population is the sequence of [alpha/M] that a star is of.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from astropy.coordinates import SkyCoord
from astropy.io import fits

from common import cli
from common.errors import UsageError
from common.files import atomic_path
from common.mocks import gaia, rvs
from common.mocks.lamost_files import catalogue_table, write_mock
from common.mocks.numbers import Numbers
from common.surveys.apogee import MISSING, STAR_BAD
from common.surveys.gaia_rvs import write_rvs
from common.surveys.gaia_source import FIVE, parallax_zero_point
from common.surveys.gaia_xp import BANDS, from_sampled
from rvs_hybrid.mock.light import Light
from rvs_hybrid.mock.population import draw

ROWS_PER_FILE = 2000
SOURCE_IDS = Numbers(5_000_000_000_000_000_000, 1_000_000_000_000)
# Errors of the labels: K, dex; about what APOGEE's repeats scatter by, larger below S/N 100.
LABEL_ERRORS = {"teff": 25.0, "logg": 0.035, "m_h": 0.012, "fe_h": 0.012, "alpha_m": 0.012}
MAGNITUDE_ERRORS = {"g": 0.001, "bp": 0.004, "rp": 0.003, "j": 0.023, "h": 0.025, "k": 0.023}
APOGEE_SNR = (120.0, 11.0, 40.0, 600.0)  # at this H; least and most; a factor of 10^0.2 a mag
NO_APOGEE, BAD, NO_XP, NO_PARALLAX = 0.02, 0.01, 0.02, 0.01  # shares of the stars
DUST_ERROR = 0.02  # mag, of AK_TARG
RUWE_SPREAD, RUWE_HIGH = 0.05, 0.08  # spread about 1; share with one that binaries have


def make_mock(*, n, seed, out_dir, offline=False, progress=True):
    """Write a mock of stars of Gaia with labels of APOGEE.

    Parameters
    ----------
    n : int
        Stars.
    seed : int
        Same seed and n, same files.
    out_dir : path-like
        Made where missing.
    offline, progress : bool
        Never touch the network; show a progress bar.

    Returns
    -------
    list of Path
        The files of spectra. Labels and truth lie beside them, see above.

    Raises
    ------
    UsageError
        If n is not positive, or GaiaXPy or gaiadr3-zeropoint is not installed.
    MissingDataError
        If the archive of models is neither cached nor fetchable.
    """
    if n < 1:
        raise UsageError(f"n must be at least 1. Received {n}.")
    out_dir = Path(out_dir)
    for name in ("spectra", "labels"):
        (out_dir / name).mkdir(parents=True, exist_ok=True)
    light, model = Light(offline=offline), rvs.RVS(offline=offline)
    stars = _stars(n, seed, light)
    paths = []
    with cli.progress(total=n, unit="stars", shown=progress, desc="gaia mock") as bar:
        for first in range(0, n, ROWS_PER_FILE):
            part = stars.iloc[first : first + ROWS_PER_FILE]
            number, rng = first // ROWS_PER_FILE, np.random.default_rng([seed, n, 1, first])
            paths += _spectra(out_dir / "spectra", number, part, light, model, rng)
            bar.update(len(part))
    rng = np.random.default_rng([seed, n, 2])
    tables = {"gaia_source": ("Gaia", _gaia(stars, rng)), "allStar": ("SDSS", _apogee(stars, rng))}
    for name, (telescope, table) in tables.items():
        hdu = catalogue_table(table, text=("APOGEE_ID",))
        write_mock([hdu], out_dir / "labels" / f"{name}-mock.fits", telescope=telescope)
    with atomic_path(out_dir / "truth.parquet") as temporary:
        stars.drop(columns=["rvs_snr"]).to_parquet(temporary, index=False)
    return paths


def _stars(n, seed, light):
    """Return what is planted: one row a star, with magnitudes as they would be without errors."""
    rng = np.random.default_rng([seed, n])

    def magnitudes(*, mass, ebv=0.0, **labels):
        surface = light.surface(**labels)
        return light.magnitudes(surface, logg=labels["logg"], mass=mass, ebv=ebv)

    stars = pd.DataFrame(draw(n, rng, absolute=lambda **star: magnitudes(**star)["g"]))
    for first in range(0, n, ROWS_PER_FILE):
        rows = stars.index[first : first + ROWS_PER_FILE]
        names = ("teff", "logg", "fe_h", "alpha_m", "mass", "ebv")
        seen = magnitudes(**{name: stars.loc[rows, name].to_numpy() for name in names})
        modulus = 5 * np.log10(stars.loc[rows, "distance"]) + 10  # of kpc
        for band, values in seen.items():
            stars.loc[rows, band] = values + modulus
    sky = SkyCoord(stars["l"].to_numpy(), stars["b"].to_numpy(), unit="deg", frame="galactic").icrs
    stars["ra"], stars["dec"] = sky.ra.deg, sky.dec.deg
    ids = SOURCE_IDS.of(1_000_003 * np.arange(n, dtype=np.int64), seed)
    stars.insert(0, "source_id", ids)
    magnitude = gaia.rvs_magnitude(g=stars["g"].to_numpy(), rp=stars["rp"].to_numpy())
    stars["rvs_snr"] = gaia.rvs_snr(magnitude, rng)
    return stars


def _spectra(folder, number, stars, light, model, rng):
    """Write XP coefficients and RVS spectra of some stars; return the files."""
    labels = {name: stars[name].to_numpy() for name in ("teff", "logg", "fe_h", "alpha_m")}
    ids, paths = stars["source_id"].to_numpy(), []
    surface = light.surface(**labels)
    flux, error = light.xp(surface, g=stars["g"].to_numpy(), ebv=stars["ebv"].to_numpy(), rng=rng)
    has = rng.random(len(stars)) >= NO_XP
    if has.any():
        table = _coefficients(from_sampled(flux[has], error[has], source_id=ids[has]))
        paths.append(write_mock([table], folder / f"xp-mock-{number:04d}.fits", telescope="Gaia"))
    snr = stars["rvs_snr"].to_numpy()
    bright = snr >= rvs.SNR_LIMITS[0]
    if bright.any():
        some = {name: values[bright] for name, values in labels.items()}
        flux, error, _ = rvs.make_rvs(**some, snr=snr[bright], rng=rng, model=model)
        where = {name: stars[name].to_numpy()[bright] for name in ("ra", "dec")}
        path = folder / f"rvs-mock-{number:04d}.fits"
        write_rvs(path, source_id=ids[bright], flux=flux, flux_error=error, mock=True, **where)
        paths.append(path)
    return paths


def _coefficients(spectra):
    """Return Gaia's table of XP_CONTINUOUS."""
    columns = [fits.Column("source_id", "K", array=spectra.source_id)]
    for band in BANDS:
        for end, name in (("", "coefficients"), ("_error", "coefficient_errors"),
                          ("_correlations", "coefficient_correlations")):  # fmt: skip
            values = getattr(spectra, f"{band}{end}")
            kind = f"{values.shape[1]}{'E' if end == '_correlations' else 'D'}"
            columns.append(fits.Column(f"{band}_{name}", kind, array=values))
    return fits.BinTableHDU.from_columns(columns, name="XP_CONTINUOUS")


def _gaia(stars, rng):
    """Return gaia_source: photometry and astrometry with their errors."""
    n = len(stars)
    seen = {name: stars[name].to_numpy() + MAGNITUDE_ERRORS[name] * rng.standard_normal(n)
            for name in ("g", "bp", "rp")}  # fmt: skip
    sky = SkyCoord(stars["ra"].to_numpy(), stars["dec"].to_numpy(), unit="deg")
    astrometry = {
        "nu_eff": np.clip(1.76 - 1.61 / np.pi * np.arctan(0.531 * (seen["bp"] - seen["rp"])),
                          1.11, 1.89),
        "pseudocolour": np.full(n, np.nan),
        "ecl_lat": sky.barycentricmeanecliptic.lat.deg,
        "params_solved": np.full(n, FIVE),
    }  # fmt: skip
    zero_point = np.nan_to_num(parallax_zero_point(g=seen["g"], **astrometry))
    error = gaia.parallax_errors(seen["g"], rng)
    parallax = 1 / stars["distance"].to_numpy() + zero_point + error * rng.standard_normal(n)
    none = rng.random(n) < NO_PARALLAX
    high = rng.random(n) < RUWE_HIGH
    ruwe = 1 + np.where(high, rng.exponential(1.0, n), RUWE_SPREAD * rng.standard_normal(n))
    return pd.DataFrame({
        "source_id": stars["source_id"], "ra": stars["ra"], "dec": stars["dec"],
        **{f"phot_{name}_mean_mag": values for name, values in seen.items()},
        "parallax": np.where(none, np.nan, parallax),
        "parallax_error": np.where(none, np.nan, error), "ruwe": ruwe,
        "ref_epoch": np.full(n, 2016.0),
        "nu_eff_used_in_astrometry": astrometry["nu_eff"],
        "pseudocolour": astrometry["pseudocolour"], "ecl_lat": astrometry["ecl_lat"],
        "astrometric_params_solved": astrometry["params_solved"],
        "rvs_spec_sig_to_noise": stars["rvs_snr"].where(stars["rvs_snr"] >= rvs.SNR_LIMITS[0]),
    })  # fmt: skip


def _apogee(stars, rng):
    """Return allStar: labels, each with the error that it was given, and 2MASS magnitudes."""
    n = len(stars)
    usual, at, least, most = APOGEE_SNR
    snr = np.clip(usual * 10 ** (0.2 * (at - stars["h"].to_numpy())), least, most)
    bad = rng.random(n) < BAD
    table = {
        "APOGEE_ID": [f"MOCK-{source}" for source in stars["source_id"]],
        "RA": stars["ra"], "DEC": stars["dec"], "GAIAEDR3_SOURCE_ID": stars["source_id"],
        "SNR": snr, "ASPCAPFLAG": np.where(bad, STAR_BAD, 0), "STARFLAG": np.zeros(n, np.int64),
    }  # fmt: skip
    for name, best in LABEL_ERRORS.items():
        error = best * np.maximum(1.0, 100 / snr)
        # In APOGEE [M/H] follows iron: the same number, measured once more.
        true = stars["fe_h" if name == "m_h" else name].to_numpy()
        table[name.upper()] = np.where(bad, MISSING - 9, true + error * rng.standard_normal(n))
        table[f"{name.upper()}_ERR"] = error
    for name in ("j", "h", "k"):
        error = MAGNITUDE_ERRORS[name] * rng.standard_normal(n)
        table[name.upper()] = stars[name].to_numpy() + error
    table["AK_TARG"] = 0.36 * stars["ebv"] + DUST_ERROR * rng.standard_normal(n)
    return pd.DataFrame(table)[rng.random(n) >= NO_APOGEE]
