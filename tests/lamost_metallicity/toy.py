"""Small made-up LAMOST galaxies with MPA-JHU tables, to test the machinery with."""

from pathlib import Path

import numpy as np
import pandas as pd
from astropy.io import fits
from astropy.table import Table

from lamost_metallicity.config import Config
from lamost_metallicity.tables.beyond import tremonti

TINY = dict(dataset="lamost", scale="smoke", n_pixels=421, filters=(4, 8, 8, 8), epochs=3,
            batch_size=32, learning_rate=3e-3, schedule="cosine", mlp_units=(48, 48, 48),
            mlp_batch=32, trees=30, tree_features=0.5, per_kind=90)  # fmt: skip
LOG_WAVE = 3.5682 + 4e-4 * np.arange(977)  # 3700-9090 Å
FLOOR, CNN, FOREST = 0.04, 0.05, 0.10  # dex: label noise, and errors of methods against the truth
LINES = {"hb": 4862.68, "oiii": 5008.24, "ha": 6564.61, "nii": 6585.27}


def tiny_config(**changes):
    """Return a configuration that trains in seconds."""
    return Config(**TINY | changes)


def galaxies(n, *, seed=0, star_forming=0.6):
    """Return what the galaxies are, dict of str to ndarray of shape (n,)."""
    rng = np.random.default_rng(seed)
    about = {
        "obsid": 1000000 * (seed + 1) + np.arange(n),
        "ra": rng.uniform(0, 360, n),
        "dec": rng.uniform(-10, 60, n),
        "z": rng.uniform(0.02, 0.15, n),
        "snr": rng.uniform(5, 40, n),
        "oh": rng.uniform(8.4, 9.2, n),
        "sf": rng.random(n) < star_forming,
        "class": np.full(n, "GALAXY"),
    }
    return about | {"lgm": 10 + 2 * (about["oh"] - 8.8), "sfr": about["oh"] - 9.0}


def fluxes(about, *, seed=0):
    """Return flux and ivar of shape (n, 977): lines whose ratios follow the metallicity."""
    rng = np.random.default_rng(seed + 100)
    wave, oh = 10**LOG_WAVE, about["oh"][:, None]
    flux = np.repeat((wave / 6000.0)[None] ** -0.5, len(oh), axis=0)
    height = {"ha": 2.0, "hb": 0.7, "nii": 1.5 * (oh - 8.2), "oiii": 3 * (9.3 - oh)}
    on, z = about["sf"][:, None], about["z"][:, None]
    for name, rest in LINES.items():
        flux = flux + on * height[name] * np.exp(-0.5 * ((wave - rest * (1 + z)) / 6.0) ** 2)
    sigma = 1 / about["snr"][:, None] + 0 * flux
    return (flux + sigma * rng.normal(size=flux.shape)).astype("f4"), (sigma**-2).astype("f4")


def write_lamost(path, about, *, seed=0, mock=False, made=None):
    """Write the galaxies, or flux and ivar made of them, as one LAMOST table of many rows."""
    flux, ivar = fluxes(about, seed=seed) if made is None else made
    wave = np.repeat((10**LOG_WAVE)[None].astype("f4"), len(flux), axis=0)
    columns = {"FLUX": flux, "IVAR": ivar, "WAVELENGTH": wave, "ANDMASK": 0 * wave,
               "ORMASK": 0 * wave, "OBSID": about["obsid"], "RA": about["ra"],
               "DEC": about["dec"], "Z": about["z"], "SNRR": about["snr"].astype("f4"),
               "CLASS": about["class"]}  # fmt: skip
    table = fits.table_to_hdu(Table(columns))
    table.name = "COADD"
    first = fits.PrimaryHDU()
    first.header["TELESCOP"] = "LAMOST"
    first.header["MOCK"] = table.header["MOCK"] = mock
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList([first, table]).writeto(path, overwrite=True)


def write_mpajhu(folder, about, *, rows=slice(None)):
    """Write the galaxies as MPA-JHU tables, bptclass 1 or 4 (others: 3)."""
    about = {name: values[rows] for name, values in about.items()}
    n, sf = len(about["ra"]), about["sf"]
    ids = {"SPECOBJID": [f"{300000 + i}" for i in about["obsid"]]}
    info = ids | {name: np.arange(n, dtype="i4") for name in ("PLATEID", "MJD", "FIBERID")}
    info |= {"RA": about["ra"] + 0.2 / 3600, "DEC": about["dec"], "Z": about["z"].astype("f4")}
    extra = ids | {"BPTCLASS": np.where(sf, 1, 4).astype("i4")}
    values = {"OH": np.where(sf, about["oh"], -9999), "LGM_FIB": about["lgm"],
              "SFR_FIB": about["sfr"]}  # fmt: skip
    for name, value in values.items():
        for k, part in ((-0.05, "P16"), (0.0, "P50"), (0.05, "P84")):
            shifted = np.where(value > -9000, value + k, -9999)
            extra[f"{name}_{part}"] = shifted.astype("f4")
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, columns in (("Info", info), ("Extra", extra)):
        Table(columns).write(Path(folder) / f"galSpec{name}-dr8.fits", overwrite=True)


def write_files(folder, n=240, *, seed=0):
    """Write galaxies and their labels as a user's folder; return what they are."""
    about = galaxies(n, seed=seed)
    write_lamost(Path(folder) / "spectra.fits", about, seed=seed)
    write_mpajhu(folder, about)
    return about


def predictions(n=1500, seed=0, split="test"):
    """Return predictions: star-forming galaxies on a planted relation, and as many others."""
    rng = np.random.default_rng(seed)
    mass = rng.normal(9.9, 0.6, n)
    planted = tremonti(mass) + rng.normal(0, 0.08, n)
    label = planted + rng.normal(0, FLOOR, n)
    snr = 3 + rng.exponential(9, n)
    own = CNN * (10 / snr) ** 0.5 / np.sqrt(np.mean(10 / snr))  # rms CNN, less at high S/N
    o3n2 = (8.73 + 0.2 - planted) / 0.32 + rng.normal(0, 0.5 * (10 / snr), n)
    df = pd.DataFrame({
        "id": [f"{split}-{i}" for i in range(n)], "split": split, "ra": 10.0, "dec": 20.0,
        "z": rng.uniform(0.005, 0.249, n), "snr_r": snr, "petro_r": rng.normal(17, 0.5, n),
        "bptclass": 1, "is_sf": True, "in_oh": True, "in_class": True,
        "oh_true": label, "oh_true_err": FLOOR, "oh_planted": planted, "lgm_fib_true": mass,
        "sfr_true": mass - 10, "oh_pred": planted + rng.normal(0, 1, n) * own,
        "oh_rf": planted + rng.normal(0.01, FOREST, n), "oh_mlp": planted + rng.normal(0, 0.08, n),
        "oh_lines": planted + rng.normal(0, 0.06, n), "oh_mass": planted + rng.normal(0, 0.1, n),
        "oh_multi": planted + rng.normal(0, CNN, n), "lgm_pred": mass + rng.normal(0, 0.15, n),
        "sfr_pred": mass - 10 + rng.normal(0, 0.2, n), "oh_sigma": np.hypot(own, FLOOR),
        "o3n2": np.where(rng.random(n) < 0.7, o3n2, np.nan), "n2": -0.6,
        "oh_o3n2": 8.73 - 0.32 * o3n2, "flux_nii": 10.0, "flux_nii_err": 10 / snr,
        "p_sf": 0.95, "p_other": 0.05,
    })  # fmt: skip
    df["oh_half95"] = 1.96 * df["oh_sigma"]
    other = df.assign(id=df["id"] + "x", bptclass=4, is_sf=False, in_oh=False, p_sf=0.1,
                      p_other=0.9)  # fmt: skip
    other[["oh_true", "oh_planted"]] = np.nan
    other.loc[: n // 2, "bptclass"] = 3
    # 8 % of the star-forming are called other; of the others 120 composites and 30 AGN are not.
    df.loc[: int(0.08 * n) - 1, ["p_sf", "p_other"]] = [0.2, 0.8]
    wrong = [*range(120), *range(n - 30, n)]
    other.loc[wrong, ["p_sf", "p_other"]] = [0.7, 0.3]
    table = pd.concat([df, other], ignore_index=True)
    table["bptclass"] = table["bptclass"].astype("Int64")
    return table.astype({"is_sf": "boolean", "in_oh": "boolean", "in_class": "boolean"})
