"""A tiny data set in MOONS1D's layout and a tiny network trained on it, in seconds."""

import os

import numpy as np
from astropy.io import fits
from astropy.table import Table

from common.mocks import moons
from mtopnet.config import Config

TINY = dict(dataset="moons", scale="smoke", n_pixels=1527, sky_limit=float("inf"), dz=0.03,
            filters=(4, 4, 8), epochs=3, batch_size=16, schedule="cosine", learning_rate=3e-3,
            split=(0.4, 0.2, 0.4), mc_passes=3, line_margin=1)  # fmt: skip
LINES = (3728.5, 4862.7, 5008.2, 6564.6, 9533.2)


def tiny_config(**changes):
    """Return a configuration that trains in seconds and needs no sky model."""
    return Config(**TINY | changes)


def galaxies(n, *, seed=0, exposures=(2.0, 8.0)):
    """Return labels of n galaxies at each exposure time, a Table."""
    rng = np.random.default_rng(seed)
    z, mass = rng.uniform(0.7, 2.9, n), rng.uniform(8.5, 11, n)
    sfr = 0.8 * (mass - 9.5) + 0.5 * rng.normal(size=n)
    rows = []
    for i in range(n):
        for hours in exposures:
            rows.append({"id": f"T{seed}-{i:04d}-{hours:g}h", "galaxy": f"T{seed}-{i:04d}",
                         "exposure": hours, "z": z[i], "log_mass": mass[i], "log_sfr": sfr[i],
                         "m_h": 33.0 - mass[i], "f_ha": 10 ** (sfr[i] - 17.0),
                         "kind": "star-forming" if sfr[i] > -0.5 else "quiescent",
                         "sersic_n": 1.0 if sfr[i] > -0.5 else 4.0, "mag_h": 33.0 - mass[i],
                         "mag_j": 33.4 - mass[i]})  # fmt: skip
    return Table(rows)


def fluxes(labels, *, seed=0):
    """Return flux and error of shape (n, 12217), erg / (s cm2 Å)."""
    rng, wave = np.random.default_rng(seed + 50), moons.grid()
    z, sfr = np.asarray(labels["z"]), np.asarray(labels["log_sfr"])
    height = 3 * 10 ** (0.3 * sfr)
    flux = 10 ** (0.4 * (np.asarray(labels["log_mass"]) - 9.5))[:, None] * (wave / 1e4) ** -0.5
    for rest in LINES:
        away = (wave[None] - rest * (1 + z[:, None])) / 12.0
        flux = flux + height[:, None] * np.exp(-0.5 * away**2)
    error = (0.4 / np.sqrt(np.asarray(labels["exposure"])))[:, None] + 0 * flux
    noisy = flux + error * rng.normal(size=flux.shape)
    return (1e-18 * noisy).astype("f4"), (1e-18 * error).astype("f4")


def write_spectra(path, labels, *, seed=0, flux=None, error=None, arms=("RI", "YJ", "H")):
    """Write spectra as one file of many rows."""
    made = fluxes(labels, seed=seed)
    flux, error = made[0] if flux is None else flux, made[1] if error is None else error
    first = fits.PrimaryHDU()
    first.header.update({"INST": "MOONS_SIM", "R_MODE": "LR"})
    hdus = [first]
    for arm, pixels in moons.arm_slices().items():
        for label, values in ((f"DATA_{arm}", flux), (f"ERR_{arm}", error)):
            if arm in arms:
                hdu = fits.ImageHDU(values[:, pixels])
                hdu.header.update({"NAME": label, "CRVAL1": moons.ARMS[arm].first,
                                   "CDELT1": moons.ARMS[arm].step, "CRPIX1": 1.0, "TUNIT1": "AA",
                                   "TUNIT2": "erg / (s cm2 Angstrom)"})  # fmt: skip
                hdus.append(hdu)
    targets = fits.table_to_hdu(labels)
    targets.name = "TARGETS"
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList([*hdus, targets]).writeto(path, overwrite=True)


def write_folder(folder, n, *, seed=0):
    """Write a data set's folder: spectra/, labels.fits. Returns the labels."""
    labels = galaxies(n, seed=seed)
    write_spectra(folder / "spectra" / "toy.fits", labels, seed=seed)
    labels.write(folder / "labels.fits", overwrite=True)
    return labels


def train_tiny(folder, *, n=140, **changes):
    """Train a tiny network in folder/run on folder/data; return the run folder."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from common.accelerator import choose
    from mtopnet.train import train

    write_folder(folder / "data", n)
    train(tiny_config(**changes), folder / "run", accelerator=choose("float32"),
          data_dir=folder / "data")  # fmt: skip
    return folder / "run"
