"""Small made-up LAMOST galaxies with MPA-JHU tables, to test the machinery with."""

from pathlib import Path

import numpy as np
from astropy.io import fits

from lamost_metallicity.config import Config

TINY = dict(dataset="lamost", scale="smoke", n_pixels=421, filters=(4, 8, 8, 8), epochs=3,
            batch_size=32, learning_rate=3e-3, schedule="cosine", mlp_units=(48, 48, 48),
            mlp_batch=32, trees=30, tree_features=0.5, per_kind=90)  # fmt: skip
LOG_WAVE = 3.5682 + 4e-4 * np.arange(977)  # 3700-9090 Å
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
    height = {
        "ha": 2.0 + 0 * oh,
        "hb": 0.7 + 0 * oh,
        "nii": 1.5 * (oh - 8.2),
        "oiii": 3 * (9.3 - oh),
    }
    on = about["sf"][:, None]
    for name, rest in LINES.items():
        centre = rest * (1 + about["z"][:, None])
        flux = flux + on * height[name] * np.exp(-0.5 * ((wave - centre) / 6.0) ** 2)
    sigma = 1 / about["snr"][:, None] + 0 * flux
    return (flux + sigma * rng.normal(size=flux.shape)).astype("f4"), (sigma**-2).astype("f4")


def write_lamost(path, about, *, seed=0, mock=False, flux=None, ivar=None):
    """Write the galaxies as one LAMOST table of many rows."""
    made = fluxes(about, seed=seed)
    flux, ivar = made[0] if flux is None else flux, made[1] if ivar is None else ivar
    vector, zero = f"{flux.shape[1]}E", np.zeros_like(flux)
    wave = np.repeat((10**LOG_WAVE)[None].astype("f4"), len(flux), axis=0)
    table = fits.BinTableHDU.from_columns(
        [
            *(fits.Column(name, vector, array=array) for name, array in
              (("FLUX", flux), ("IVAR", ivar), ("WAVELENGTH", wave), ("ANDMASK", zero),
               ("ORMASK", zero))),
            fits.Column("OBSID", "K", array=about["obsid"]),
            fits.Column("RA", "D", array=about["ra"]),
            fits.Column("DEC", "D", array=about["dec"]),
            fits.Column("Z", "D", array=about["z"]),
            fits.Column("SNRR", "E", array=about["snr"]),
            fits.Column("CLASS", "10A", array=about["class"]),
        ],
        name="COADD",
    )  # fmt: skip
    first = fits.PrimaryHDU()
    first.header["TELESCOP"] = "LAMOST"
    first.header["MOCK"] = table.header["MOCK"] = mock
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList([first, table]).writeto(path, overwrite=True)


def write_mpajhu(folder, about, *, rows=slice(None)):
    """Write the galaxies as MPA-JHU tables, bptclass 1 or 4 (others: 3)."""
    n = len(about["ra"][rows])
    ids = np.array([f"{300000 + i}" for i in about["obsid"][rows]])
    sf, oh = about["sf"][rows], about["oh"][rows]
    info = [
        fits.Column("SPECOBJID", "19A", array=ids),
        *(fits.Column(name, "J", array=np.arange(n)) for name in ("PLATEID", "MJD", "FIBERID")),
        fits.Column("RA", "D", array=about["ra"][rows] + 0.2 / 3600),
        fits.Column("DEC", "D", array=about["dec"][rows]),
        fits.Column("Z", "E", array=about["z"][rows]),
    ]
    extra = [
        fits.Column("SPECOBJID", "19A", array=ids),
        fits.Column("BPTCLASS", "J", array=np.where(sf, 1, 4)),
    ]
    values = {"OH": np.where(sf, oh, -9999), "LGM_FIB": about["lgm"][rows],
              "SFR_FIB": about["sfr"][rows]}  # fmt: skip
    for name, value in values.items():
        for k, part in ((-0.05, "P16"), (0.0, "P50"), (0.05, "P84")):
            shifted = np.where(value > -9000, value + k, -9999)
            extra.append(fits.Column(f"{name}_{part}", "E", array=shifted))
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, columns in (("Info", info), ("Extra", extra)):
        table = fits.BinTableHDU.from_columns(columns)
        table.writeto(Path(folder) / f"galSpec{name}-dr8.fits", overwrite=True)


def write_survey(folder, n=160, *, seed=0):
    """Write galaxies and their labels as a user's folder; return what they are."""
    about = galaxies(n, seed=seed)
    write_lamost(Path(folder) / "spectra.fits", about, seed=seed)
    write_mpajhu(folder, about)
    return about
