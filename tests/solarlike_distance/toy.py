"""Small made-up LAMOST stars, a network that trains on them in seconds, a table of predictions."""

import json
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
from astropy.io import fits
from astropy.table import Table

from common.accelerator import choose
from common.mocks import lamost
from common.spectra import Spectra
from solarlike_distance import train
from solarlike_distance.config import make_config
from solarlike_distance.tables import gradients

TINY = dict(filters=(2, 2, 4), units=(8, 8), epochs=2, batch_size=16, members=2, folds=3,
            precision="float32")  # fmt: skip
COEFF0, PIXELS = 3.5682, 3909
WAVE = 10 ** (COEFF0 + 1e-4 * np.arange(PIXELS))
ROWS = "Flux, Inverse, Wavelength, Andmask, Ormask"
LINES = (3934.8, 4102.9, 4341.7, 4862.7, 5176.6, 5270.9, 5895.6, 6564.6, 8544.4, 8664.5)
SIGMA = {"teff": 90.0, "logg": 0.08, "feh": 0.07, "mg": 0.2, "bprp": 0.03}  # of the predictions
BINARIES = 0.2  # of the predictions
RADIAL, VERTICAL = -0.05, -0.18  # dex/kpc, of the predictions


def tiny_config(**changes):
    """Return a configuration that trains in seconds."""
    return replace(make_config("lamost", "smoke"), **TINY | changes)


def write_run(folder, table=None, config=None, **about):
    """Write what a training leaves, without networks or data."""
    about = {"config": asdict(config or make_config("lamost-mock", "smoke")), **about}
    (folder / "config.json").write_text(json.dumps(about))
    if table is not None:
        table.to_parquet(folder / "predictions.parquet")


def write_files(folder, n=60, seed=0):
    """Write spectra and label tables of n stars; return what the stars are."""
    about = stars(n, seed=seed)
    write_table(folder / "spectra" / "stars.fits", about)
    write_labels(folder / "labels", about)
    return about


def make_run(folder, data_dir, **options):
    """Train into a folder; return the predictions."""
    machine = choose("float32")
    return train.train(tiny_config(), folder, accelerator=machine, data_dir=data_dir, **options)


def stars(n, *, seed=0):
    """Return what the stars are, dict of str to ndarray of shape (n,)."""
    rng = np.random.default_rng(seed)
    teff = rng.uniform(5000, 6500, n)
    return {
        "obsid": 1000 * (seed + 1) + np.arange(n), "ra": rng.uniform(0, 360, n),
        "dec": rng.uniform(-5, 60, n), "z": rng.normal(0, 1e-4, n),
        "snr": rng.uniform(30, 80, n), "teff": teff, "logg": 4.4 - 0.0003 * (teff - 5772),
        "feh": rng.uniform(-0.5, 0.3, n),
    }  # fmt: skip


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
    snr = float(about["snr"][row])
    known = {
        "TELESCOP": "LAMOST", "ORIGIN": "NAOC-LAMOST", "DATA_V": "LAMOST DR7",
        "OBSID": int(about["obsid"][row]), "RA": about["ra"][row], "DEC": about["dec"][row],
        "LMJD": 57000, "MJD": 56999, "PLANID": "F1", "SPID": 1, "FIBERID": row + 1,
        "FIBERMAS": 0, "VACUUM": True, "HELIO": True, "HELIO_RV": 1.5,
        "COEFF0": COEFF0, "COEFF1": 1e-4, "CLASS": "STAR", "SUBCLASS": "G2",
        "Z": about["z"][row], "Z_ERR": 2e-5, "ZFLAG": "LASP", "SNRU": 5.0,
    } | {f"SNR{band}": snr for band in "GRIZ"} | changes  # fmt: skip
    return fits.Header([(name, value) for name, value in known.items() if value is not None])


def write_image(path, about, row, *, third=WAVE, exten0=ROWS, and_mask=0, or_mask=0, flux=None,
                **cards):  # fmt: skip
    """Write one star in the layout of DR1 to DR7: an image of five rows."""
    own, ivar = fluxes(about)
    rows = (own[row] if flux is None else flux, ivar[row], third, and_mask, or_mask)
    data = np.array([np.broadcast_to(values, PIXELS) for values in rows], dtype=">f4")
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
    n, distance = len(about["obsid"]), 500.0
    source, one = 10**18 + 128 * np.arange(n), np.ones(n)
    mg = 4.7 - (about["teff"] - 5772) / 500
    Table({
        **{k: about[k] for k in ("obsid", "ra", "dec", "z", "logg", "feh")},
        "lmjd": np.full(n, 57000), "planid": np.full(n, "F1"), "spid": np.full(n, 1),
        "fiberid": np.arange(n) + 1, "snrg": about["snr"], "snrr": about["snr"],
        "class": np.full(n, "STAR"), "subclass": np.full(n, "G2"), "teff": about["teff"] + 20,
        "teff_err": 50 * one, "logg_err": -9999 * one, "feh_err": 0.05 * one,
        "rv": 2.998e5 * about["z"], "rv_err": 5 * one, "fibermask": np.zeros(n, "i4"),
        "gaia_source_id": source.astype(str),
    }).write(folder / "dr9_v1.1_LRS_stellar.fits")  # fmt: skip
    Table({
        "APOGEE_ID": [f"2M{i:08d}" for i in range(n)], "RA": about["ra"], "DEC": about["dec"],
        "GAIAEDR3_SOURCE_ID": source, "TEFF": about["teff"], "TEFF_ERR": 20 * one,
        "LOGG": about["logg"], "LOGG_ERR": 0.02 * one, "FE_H": about["feh"],
        "FE_H_ERR": 0.01 * one, "SNR": 100 * one,
    }).write(folder / "allStar-dr17.fits")  # fmt: skip
    gaia = {
        "source_id": source, "phot_g_mean_mag": mg + 5 * np.log10(distance) - 5 + 0.2,
        "bp_rp": 0.9 * one, "parallax": 1000 / distance * one, "parallax_error": 0.02 * one,
        "ag_gspphot": 0.2 * one, "ebpminrp_gspphot": 0.1 * one,
    } | ({"ra": about["ra"], "dec": about["dec"]} if gaia_positions else {})  # fmt: skip
    Table(gaia).write(folder / "gaia_source.fits")
    Table({"source_id": source, "r_med_geo": distance * one}).write(folder / "geodist.fits")


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


def as_spectra(flux):
    """Return noiseless spectra (n, lamost.PIXELS) as the reader would give them."""
    n = len(flux)
    meta = pd.DataFrame({"file": "mock", "survey": "lamost", "ra": 0.0, "dec": 0.0, "snr": 100.0,
                         "class_": "STAR", "subclass": "G2", "z": np.zeros(n)})  # fmt: skip
    return Spectra(
        wavelength=lamost.grid(), flux=flux, ivar=np.ones_like(flux),
        mask=np.zeros(flux.shape, bool), ids=np.arange(n).astype(str), meta=meta,
        medium="vacuum", frame="heliocentric", unit="",
    )  # fmt: skip


def predictions(n=1500, seed=0, split="test"):
    """Return a made-up table as predictions.parquet of a mock run, of known quality."""
    rng = np.random.default_rng(seed)
    d = np.clip(rng.gamma(2.2, 380.0, n), 60, 4000)
    ra, dec = rng.uniform(0, 360, n), np.degrees(np.arcsin(rng.uniform(-0.15, 0.9, n)))
    where = gradients.positions(ra=ra, dec=dec, distance=d)
    feh = RADIAL * (where["R"] - 8.1) + VERTICAL * where["Z"].abs() + rng.normal(0, 0.18, n)
    feh = np.clip(feh, -0.99, 0.6).to_numpy()
    teff = np.clip(rng.normal(5650, 380, n), 4810, 6790)
    logg = np.clip(4.45 - 0.35 * ((teff - 4800) / 2000) - rng.exponential(0.1, n), 3.6, 4.8)
    bprp = 0.82 - (teff - 5772) / 3600 + 0.03 * feh
    single = 4.66 + 6.2 * (bprp - 0.82) - 0.6 * feh - 1.8 * (4.44 - logg)
    binary = rng.random(n) < BINARIES
    mg = single - 0.55 * binary * rng.random(n)
    ag = rng.exponential(0.15, n)
    snr = 10 + rng.exponential(45, n)
    first = rng.normal(size=n)
    noise = {k: rng.normal(size=n) for k in SIGMA}
    noise["mg"] = 0.5 * first + np.sqrt(0.75) * noise["mg"]
    noise["feh"] = 0.5 * first + np.sqrt(0.75) * noise["feh"]
    true = {"teff": teff, "logg": logg, "feh": feh, "mg": mg, "bprp": bprp}
    pred = {k: true[k] + SIGMA[k] * noise[k] * np.sqrt(60 / (snr + 20)) for k in true}
    pred["mg"] = single - 0.08 + SIGMA["mg"] * noise["mg"]  # a network knows of no companions
    pred["feh"] = -0.05 + 0.9 * (pred["feh"] + 0.05)  # and keeps to the middle
    g = mg + ag + 5 * np.log10(d) - 5
    mode = 10 ** ((g - ag - pred["mg"] + 5) / 5)
    width = 0.255 * np.log(10) / 5
    error = 0.02 + 0.02 * rng.exponential(1, n)
    df = pd.DataFrame({
        "id": [f"{seed + 1}{i:06d}" for i in range(n)],
        "object": [f"{split}-{i}" for i in range(n)],
        "split": split, "fold": -1 if split == "test" else np.arange(n) % 5, "mock": True,
        "dataset": "lamost-mock", "survey": "lamost", "ra": ra, "dec": dec, "snr_g": snr,
        "snr_r": 1.3 * snr, "z": 1e-4, "flag": 0,
        "source_id": [str(10**17 + 10**6 * seed + i) for i in range(n)],
        "APOGEE_ID": [f"2M{seed:03d}{i:06d}" for i in range(n)],
        **{f"{k}_true": v for k, v in true.items()}, **{f"{k}_planted": v for k, v in true.items()},
        **{f"{k}_pred": v for k, v in pred.items()},
        **{f"{k}_sigma": s * np.sqrt(60 / (snr + 20)) for k, s in SIGMA.items()},
        "distance_true": d * (1 + 0.01 * rng.normal(size=n)), "distance_planted": d,
        "distance_pred": mode, "distance_p50": mode * np.exp(width**2),
        "distance_p16": mode * np.exp(width**2 - width),
        "distance_p84": mode * np.exp(width**2 + width), "binary": binary,
        "lasp_teff": teff + rng.normal(0, 100, n), "lasp_logg": logg + rng.normal(0, 0.15, n),
        "lasp_feh": feh + rng.normal(0, 0.1, n), "phot_g_mean_mag": g,
        "bp_rp": bprp + 0.53 * ag, "ag_gspphot": ag, "parallax_error": error,
        "parallax": 1000 / d - 0.04 + rng.normal(0, error), "parallax_zeropoint": -0.04,
        "distance_gspphot": d * (0.98 - 0.08 * (d / 1500)) * (1 + 0.03 * rng.normal(size=n)),
    })  # fmt: skip
    df["mg_sigma"], df["r_med_geo"] = 0.27, df["distance_true"]
    df["parallax_over_error"] = df["parallax"] / df["parallax_error"]
    gone = rng.random(n) < 0.04
    df.loc[gone, ["parallax", "parallax_error", "parallax_over_error"]] = np.nan
    df.loc[rng.random(n) < 0.1 + 0.5 * gone, "distance_gspphot"] = np.nan
    return df
