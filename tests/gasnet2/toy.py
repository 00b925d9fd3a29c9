"""Small made-up spectra in SDSS's one-table form, to test the machinery with."""

from pathlib import Path

import numpy as np
from astropy.io import fits

from gasnet2.config import SDSS_CLASSES, Config

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
