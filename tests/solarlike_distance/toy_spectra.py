"""Small made-up LAMOST stars in each layout, with the tables of their labels."""

import numpy as np
import pandas as pd
from astropy.io import fits
from astropy.table import Table

COEFF0, PIXELS = 3.5682, 3909
WAVE = 10 ** (COEFF0 + 1e-4 * np.arange(PIXELS))
ROWS = "Flux, Inverse, Wavelength, Andmask, Ormask"
LINES = (3934.8, 4102.9, 4341.7, 4862.7, 5176.6, 5270.9, 5895.6, 6564.6, 8544.4, 8664.5)


def stars(n, *, seed=0):
    """Return what the stars are, dict of str to ndarray of shape (n,)."""
    rng = np.random.default_rng(seed)
    teff = rng.uniform(5000, 6500, n)
    return {
        "obsid": 1000 * (seed + 1) + np.arange(n),
        "ra": rng.uniform(0, 360, n),
        "dec": rng.uniform(-5, 60, n),
        "z": rng.normal(0, 1e-4, n),
        "snr": rng.uniform(30, 80, n),
        "teff": teff,
        "logg": 4.4 - 0.0003 * (teff - 5772),
        "feh": rng.uniform(-0.5, 0.3, n),
    }


def fluxes(about, *, seed=0):
    """Return flux and ivar of shape (n, PIXELS): lines whose depths follow the parameters."""
    rng = np.random.default_rng(seed + 50)
    rest = WAVE / (1 + about["z"][:, None])
    flux = 500 * (rest / 6000) ** (2 - about["teff"][:, None] / 2500)
    for k, line in enumerate(LINES):
        depth = (0.25, 0.3 + 0.2 * about["feh"], 0.2 + (about["teff"] - 5700) / 8000)[k % 3]
        flux = flux * (1 - np.broadcast_to(depth, len(rest))[:, None]
                       * np.exp(-0.5 * ((rest - line) / 5) ** 2))  # fmt: skip
    sigma = flux / about["snr"][:, None]
    return (flux + sigma * rng.normal(size=flux.shape)).astype("f4"), (sigma**-2).astype("f4")


def header(about, row, **changes):
    """Return the cards of one star's file; None leaves a card out."""
    cards = fits.Header()
    snr = float(about["snr"][row])
    known = {
        "TELESCOP": "LAMOST", "ORIGIN": "NAOC-LAMOST", "DATA_V": "LAMOST DR7",
        "OBSID": int(about["obsid"][row]), "RA": about["ra"][row], "DEC": about["dec"][row],
        "LMJD": 57000, "MJD": 56999, "PLANID": "F1", "SPID": 1, "FIBERID": row + 1,
        "FIBERMAS": 0, "VACUUM": True, "HELIO": True, "HELIO_RV": 1.5,
        "COEFF0": COEFF0, "COEFF1": 1e-4, "CLASS": "STAR", "SUBCLASS": "G2",
        "Z": about["z"][row], "Z_ERR": 2e-5, "ZFLAG": "LASP", "SNRU": 5.0, "SNRG": snr,
        "SNRR": snr, "SNRI": snr, "SNRZ": snr,
    } | changes  # fmt: skip
    for name, value in known.items():
        if value is not None:
            cards[name] = value
    return cards


def write_image(path, about, row, *, third=None, exten0=ROWS,
                and_mask=None, or_mask=None, flux=None, rows=5, **cards):  # fmt: skip
    """Write one star in the layout of DR1 to DR7: an image of five rows."""
    own, ivar = fluxes(about)
    blank = np.zeros(PIXELS)
    data = np.array([
        own[row] if flux is None else flux, ivar[row], WAVE if third is None else third,
        blank if and_mask is None else and_mask, blank if or_mask is None else or_mask,
    ], dtype=">f4")[:rows]  # fmt: skip
    fits.PrimaryHDU(data, header(about, row, EXTEN0=exten0, **cards)).writeto(path)
    return path


def write_table(path, about, *, many=True, ormask=True, mock=False, **cards):
    """Write stars in the layout since DR8: a table of vectors, one row a star."""
    flux, ivar = fluxes(about)
    n, zero = len(flux), np.zeros_like(flux, dtype="i2")
    columns = {"FLUX": flux, "IVAR": ivar, "WAVELENGTH": np.tile(WAVE.astype("f4"), (n, 1)),
               "ANDMASK": zero} | ({"ORMASK": zero} if ormask else {})  # fmt: skip
    if many:
        columns |= {"OBSID": about["obsid"], "RA": about["ra"], "DEC": about["dec"],
                    "Z": about["z"], "CLASS": np.full(n, "STAR"), "SNRG": about["snr"],
                    "SNRR": about["snr"], "FIBERMASK": np.zeros(n, "i4")}  # fmt: skip
    first = {"TELESCOP": "LAMOST"} if many else dict(header(about, 0, **cards))
    primary = fits.PrimaryHDU(header=fits.Header(first | ({"MOCK": True} if mock else {})))
    table = fits.BinTableHDU(Table(columns), name="COADD")
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList([primary, table]).writeto(path)
    return path


def write_labels(folder, about, *, gaia_positions=True):
    """Write the tables of LASP, APOGEE, Gaia and distances of these stars."""
    folder.mkdir(parents=True, exist_ok=True)
    n, blank = len(about["obsid"]), np.full(len(about["obsid"]), -9999.0)
    source = 10**18 + 128 * np.arange(n)
    mg = 4.7 - (about["teff"] - 5772) / 500
    distance = np.full(n, 500.0)
    Table({
        "obsid": about["obsid"], "lmjd": np.full(n, 57000), "planid": np.full(n, "F1"),
        "spid": np.full(n, 1), "fiberid": np.arange(n) + 1, "ra": about["ra"],
        "dec": about["dec"], "z": about["z"], "snrg": about["snr"], "snrr": about["snr"],
        "class": np.full(n, "STAR"), "subclass": np.full(n, "G2"), "teff": about["teff"] + 20,
        "teff_err": np.full(n, 50.0), "logg": about["logg"], "logg_err": blank,
        "feh": about["feh"], "feh_err": np.full(n, 0.05), "rv": 2.998e5 * about["z"],
        "rv_err": np.full(n, 5.0), "fibermask": np.zeros(n, "i4"),
        "gaia_source_id": source.astype(str),
    }).write(folder / "dr9_v1.1_LRS_stellar.fits")  # fmt: skip
    Table({
        "APOGEE_ID": [f"2M{i:08d}" for i in range(n)], "RA": about["ra"], "DEC": about["dec"],
        "GAIAEDR3_SOURCE_ID": source, "TEFF": about["teff"], "TEFF_ERR": np.full(n, 20.0),
        "LOGG": about["logg"], "LOGG_ERR": np.full(n, 0.02), "FE_H": about["feh"],
        "FE_H_ERR": np.full(n, 0.01), "SNR": np.full(n, 100.0),
    }).write(folder / "allStar-dr17.fits")  # fmt: skip
    gaia = {
        "source_id": source, "phot_g_mean_mag": mg + 5 * np.log10(distance) - 5 + 0.2,
        "bp_rp": np.full(n, 0.9), "parallax": 1000 / distance, "parallax_error": np.full(n, 0.02),
        "ag_gspphot": np.full(n, 0.2), "ebpminrp_gspphot": np.full(n, 0.1),
    } | ({"ra": about["ra"], "dec": about["dec"]} if gaia_positions else {})  # fmt: skip
    Table(gaia).write(folder / "gaia_source.fits")
    Table({"source_id": source, "r_med_geo": distance}).write(folder / "geodist.fits")
    return mg


def photometry(about, **changes):
    """Return Gaia's columns of these stars, a DataFrame."""
    n = len(about["obsid"])
    return pd.DataFrame({
        "obsid": about["obsid"], "source_id": 10**18 + np.arange(n), "ra": about["ra"],
        "dec": about["dec"], "phot_g_mean_mag": 13 + 0.1 * np.arange(n),
        "bp_rp": 0.8 + 0.01 * np.arange(n), "parallax": 2.0, "parallax_error": 0.02,
        "nu_eff_used_in_astrometry": 1.5, "pseudocolour": np.nan, "ecl_lat": 20.0,
        "astrometric_params_solved": 31, "r_med_geo": 500.0, "my_ag": 0.3, "my_ag_err": 0.1,
    } | changes)  # fmt: skip
