"""Mock LAMOST galaxies with MPA-JHU labels: a forward model, in the surveys' own file formats.

Files that `make_mock` writes under its folder, each FITS file with the card MOCK = T:

spectra/lamost-mock-NNNN.fits
    HDU 1 ``COADD`` (LAMOST's table since DR8, but one row for each of at most 5000 spectra): FLUX,
    IVAR, WAVELENGTH (Å, vacuum), ANDMASK, ORMASK of 3909 pixels, and OBSID, RA, DEC, Z, Z_ERR,
    CLASS, SUBCLASS, SNRU ... SNRZ, PETROMAG_R.
labels/galSpecInfo-mock.fits, galSpecExtra-mock.fits, galSpecLine-mock.fits
    MPA-JHU's layouts (DR8), -9999 where a value is missing. 5 % of the galaxies are not in them.
labels/lamost-catalogue-mock.fits
    obsid, ra, dec, snru ... snrz, class, subclass, z, z_err, petromag_r.
truth.parquet
    What was planted, noise-free: see `mock_population.draw`, and oh_grid, log_u, log_p, flux_LINE
    (1e-17 erg / (s cm2), reddened) for each line, bptclass, oh_label_error (dex).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from common import cli
from common.errors import UsageError
from common.files import atomic_path
from common.mocks import lamost
from common.mocks.galaxies import Galaxies
from common.mocks.lamost_files import catalogue_table, coadd_table, write_mock
from common.mocks.numbers import Numbers
from common.mocks.stars import Stars
from lamost_metallicity.mock import labels as mock_labels
from lamost_metallicity.mock import population as mock_population
from lamost_metallicity.mock.continuum import Continua
from lamost_metallicity.mock.lines import Lines, add_lines

CHUNK = 250  # spectra made at a time
ROWS_PER_FILE = 5000
OBSIDS = Numbers(900_000_001, 1_000_000)
SPECOBJIDS = Numbers(3_000_000_000_000_000_000, 1_000_000_000)
UNMATCHED = 0.05  # share of galaxies that MPA-JHU did not observe


class Universe:
    """Everything that the mock needs, loaded once.

    `offline` and its errors are those of `common.assets.fetch`.
    """

    def __init__(self, *, offline=False):
        self.continua = Continua(Galaxies(Stars(offline=offline), offline=offline))
        self.lines = Lines(offline=offline)
        self.noise = lamost.LamostNoise(offline=offline)

    def make(self, n, rng):
        """Return n observed galaxies.

        Returns
        -------
        flux, ivar : ndarray of shape (n, lamost.PIXELS), float32
        galaxies : dict of str to ndarray of shape (n,)
            What was planted.
        fluxes : dict of str to ndarray of shape (n,)
            Reddened noise-free line fluxes, 1e-17 erg / (s cm2).
        """
        galaxies = mock_population.draw(n, rng)
        fluxes, state = self.lines.observed(galaxies, rng)
        galaxies.update(state)
        flux = self.continua.observed(galaxies, rng)
        add_lines(flux, fluxes=fluxes, z=galaxies["z"], kms=galaxies["gas_kms"])
        flux = flux[:, lamost.grid_slice()].copy()
        self.noise.miscalibrate(flux, rng, snr=galaxies["snr_r"])
        flux, error = self.noise.scaled(flux, snr=galaxies["snr_r"], rng=rng)
        return *self.noise.observe(flux, error, rng), galaxies, fluxes


def make_mock(*, n, seed, out_dir, offline=False, progress=True):
    """Write a mock of LAMOST galaxies with MPA-JHU labels.

    Parameters
    ----------
    n : int
        Spectra; about a third of them star-forming galaxies with a label.
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
        If n is not positive.
    MissingDataError
        If a template archive is neither cached nor fetchable.
    """
    if n < 1:
        raise UsageError(f"n must be at least 1. Received {n}.")
    out_dir = Path(out_dir)
    for name in ("spectra", "labels"):
        (out_dir / name).mkdir(parents=True, exist_ok=True)
    universe = Universe(offline=offline)
    paths, catalogue, truth, lines = [], [], [], []
    with cli.progress(total=n, unit="spectra", shown=progress, desc="lamost mock") as bar:
        for first in range(0, n, ROWS_PER_FILE):
            parts = []
            for start in range(first, min(first + ROWS_PER_FILE, n), CHUNK):
                size = min(CHUNK, first + ROWS_PER_FILE - start, n - start)
                rng = np.random.default_rng([seed, start])
                flux, ivar, galaxies, fluxes = universe.make(size, rng)
                rows = _catalogue(start, flux, ivar, galaxies, rng, seed)
                parts.append((flux, ivar))
                catalogue.append(rows)
                lines.append(mock_labels.measure(fluxes, fibre_r=galaxies["fibre_r"], rng=rng))
                planted = galaxies | {f"flux_{name}": v for name, v in fluxes.items()}
                truth.append(
                    pd.concat([rows[["obsid", "ra", "dec"]], pd.DataFrame(planted)], axis=1)
                )
                bar.update(size)
            rows = pd.concat(catalogue, ignore_index=True).iloc[first:]
            flux, ivar = (np.concatenate(p) for p in zip(*parts, strict=True))
            path = out_dir / "spectra" / f"lamost-mock-{first // ROWS_PER_FILE:04d}.fits"
            paths.append(write_mock([coadd_table(flux=flux, ivar=ivar, rows=rows)], path))
    catalogue = pd.concat(catalogue, ignore_index=True)
    truth = pd.concat(truth, ignore_index=True)
    lines = {
        name: tuple(np.concatenate([part[name][k] for part in lines]) for k in (0, 1))
        for name in lines[0]
    }
    _labels(out_dir, catalogue, truth, lines, seed)
    return paths


def _catalogue(start, flux, ivar, galaxies, rng, seed):
    """Return the LAMOST catalogue's rows of a chunk."""
    n = len(flux)
    snr = lamost.band_snr(flux, ivar)
    table = {
        "obsid": OBSIDS.of(start + np.arange(n), seed),
        "ra": rng.uniform(120.0, 250.0, n),
        "dec": np.degrees(
            np.arcsin(rng.uniform(np.sin(np.radians(0.0)), np.sin(np.radians(60)), n))
        ),
        **{f"snr{band}": values for band, values in snr.items()},
        "class": np.full(n, "GALAXY"),
        "subclass": np.full(n, "Non"),
        "z": galaxies["z"] + 1e-4 * rng.standard_normal(n),
        "z_err": np.full(n, 1e-4),
        "petromag_r": galaxies["petro_r"] + 0.02 * rng.standard_normal(n),
    }
    return pd.DataFrame(table)


def _labels(out_dir, catalogue, truth, lines, seed):
    """Write the tables of labels, the catalogue and the truth."""
    n = len(catalogue)
    rng = np.random.default_rng([seed, n, 1])
    galaxies = {name: truth[name].to_numpy() for name in truth}
    values, errors, bptclass = mock_labels.label(galaxies, lines, rng)
    # SDSS's fibre is some tenths of an arcsec from LAMOST's.
    ra = catalogue["ra"] + rng.normal(0, 0.15, n) / 3600 / np.cos(np.radians(catalogue["dec"]))
    dec = catalogue["dec"] + rng.normal(0, 0.15, n) / 3600
    ids = SPECOBJIDS.of(np.arange(n), seed).astype(str)
    seen = np.flatnonzero(rng.random(n) >= UNMATCHED)
    tables = mock_labels.tables(
        ids=ids[seen], ra=ra.to_numpy()[seen], dec=dec.to_numpy()[seen],
        z=truth["z"].to_numpy()[seen], fibre_r=truth["fibre_r"].to_numpy()[seen],
        lines={k: (f[seen], e[seen]) for k, (f, e) in lines.items()},
        values={k: v[seen] for k, v in values.items()},
        errors={k: v[seen] for k, v in errors.items()},
        bptclass=bptclass[seen], gas_kms=truth["gas_kms"].to_numpy()[seen],
    )  # fmt: skip
    for name, hdu in tables.items():
        write_mock([hdu], out_dir / "labels" / f"{name}-mock.fits")
    hdu = catalogue_table(catalogue)
    write_mock([hdu], out_dir / "labels" / "lamost-catalogue-mock.fits")
    truth = truth.assign(bptclass=bptclass, oh_label_error=errors["oh"])
    truth.insert(1, "specobjid", np.where(np.isin(np.arange(n), seen), ids, ""))
    with atomic_path(out_dir / "truth.parquet") as temporary:
        truth.to_parquet(temporary, index=False)
