"""Small made-up spectra in SDSS's one-table form, to test the machinery with."""

from pathlib import Path

import numpy as np
import pandas as pd
from astropy.io import fits

from gasnet2.config import CLASSES, COARSE, SDSS_CLASSES, Config

TINY = dict(n_pixels=320, filters=(8, 16), dense=16, dropout=0.0, per_class=40, epochs=2,
            members=2, batch_size=32, bn_momentum=0.8, schedule="cosine", scale="smoke",
            learning_rate=3e-3)  # fmt: skip


def tiny_config(**changes):
    """Return a configuration that trains in seconds."""
    return Config(**{"dataset": "sdss"} | TINY | changes)


def write_table(path, *, per_class=24, seed=0, classes=SDSS_CLASSES, first_plate=1000):
    """Write spectra whose class is the slope and whose redshift moves one line.

    Returns the number of rows.
    """
    rng = np.random.default_rng(seed)
    log10_wave = 3.5563 + 4e-4 * np.arange(1020)
    wave = 10**log10_wave
    rows = []
    for k, name in enumerate(classes):
        coarse, subclass = name.split("_")
        for i in range(per_class):
            z = 0.0 if coarse == "STAR" else rng.uniform(0.05, 0.4)
            flux = (wave / 6000.0) ** (k / 3 - 2)
            flux = flux + 3 * np.exp(-0.5 * ((wave - 5000 * (1 + z)) / 25) ** 2)
            snr = rng.uniform(5, 30)
            noise = np.median(flux) / snr
            flux = flux + rng.normal(0, noise, len(wave))
            rows.append((coarse, "" if subclass == "nan" else subclass, first_plate + k, 55000, i,
                         z, 1e-4, snr, flux, np.full(len(wave), noise**-2)))  # fmt: skip
    pixels = f"({len(wave)},)f4"
    kind = [("CLASS", "U6"), ("SUBCLASS", "U21"), ("PLATE", "i4"), ("MJD", "i4"),
            ("FIBERID", "i4"), ("Z", "f4"), ("Z_ERR", "f4"), ("SN_MEDIAN_ALL", "f4"),
            ("flux", pixels), ("ivar", pixels)]  # fmt: skip
    table = fits.BinTableHDU(np.array(rows, dtype=kind), name="SPECTRA")
    table.header["COEFF0"], table.header["COEFF1"] = 3.5563, 4e-4
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path, overwrite=True)
    return len(rows)


def made_up(classes=CLASSES["sdss"], n=12, seed=0):
    """Return predictions with known quality: classes 75 % right, redshifts good to 1e-4."""
    rng = np.random.default_rng(seed)
    parts = []
    for k, name in enumerate(classes):
        z = rng.uniform(0.1, 0.4, n)
        star = COARSE[name] == "STAR"
        pred = np.full(n, name, dtype=object)
        pred[: n // 4] = classes[(k + 1) % len(classes)]
        part = pd.DataFrame({"id": [f"{name}-{i}" for i in range(n)], "split": "test",
                             "snr": rng.uniform(1, 50, n), "class_true": name, "class_pred": pred,
                             "class_err": 0.1, "vdisp": rng.uniform(50, 300, n)})  # fmt: skip
        part["z_true"] = np.nan if star else z
        for column in ("z_pred", "z_point_pred", "z_routed_pred"):
            part[column] = np.nan if star else z + 1e-4 * rng.normal(size=n)
        part["z_err"] = part["z_routed_err"] = np.nan if star else 1e-4
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def whole_sample(n=100, seed=1):
    """Return a sample before the split: n of each class, redshifts from 0 to 2, S/N of 7."""
    rng = np.random.default_rng(seed)
    classes = CLASSES["sdss"]
    return pd.DataFrame({"id": np.arange(n * len(classes)).astype(str),
                         "class_true": np.repeat(classes, n), "snr": 7.0,
                         "z_true": rng.uniform(0, 2, n * len(classes)),
                         "split": ["train", "test"] * (n * len(classes) // 2)})  # fmt: skip
