"""Mock LAMOST stars with labels of APOGEE and Gaia: a forward model, in the surveys' own formats.

Files that `make_mock` writes under its folder, each FITS file with the card MOCK = T:

spectra/lamost-mock-NNNN.fits
    HDU 1 ``COADD`` (LAMOST's table since DR8, but one row for each of at most 5000 spectra): FLUX,
    IVAR, WAVELENGTH (Å, vacuum), ANDMASK, ORMASK of 3909 pixels, and OBSID, RA, DEC, Z, Z_ERR,
    CLASS, SUBCLASS, SNRU ... SNRZ.
labels/lamost-stars-mock.fits
    LAMOST's catalogue of stars, one row a spectrum: obsid, ra, dec, snru ... snrz, class, subclass,
    z, z_err, teff, logg, feh, rv with errors (LASP), fibermask.
labels/allStar-mock.fits
    APOGEE's allStar in DR17's names, one row a star; 3 % of the stars are not in it.
labels/gaia_source-mock.fits
    Gaia DR3's gaia_source with GSP-Phot's columns; 1.5 % of the stars are not in it.
labels/geodist-mock.fits
    source_id, r_med_geo, r_lo_geo, r_hi_geo (pc), as Bailer-Jones et al. 2021 give them.
truth.parquet
    What was planted, one row a spectrum: obsid, source_id, teff_planted (K), logg_planted,
    feh_planted (dex), mg_planted, bprp_planted (of the unresolved system, mag), ag_planted,
    ebprp_planted (mag), distance_planted (pc), kms_planted (km/s), binary, share (light of the
    companion in G).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from common import cli
from common.errors import UsageError
from common.files import atomic_path
from common.mocks import lamost, lamost_sky
from common.mocks.lamost_files import catalogue_table, coadd_table, write_mock
from common.mocks.numbers import Numbers
from solarlike_distance.mock import labels as mock_labels
from solarlike_distance.mock.correction import fit_correction
from solarlike_distance.mock.population import Population
from solarlike_distance.mock.spectra import C_KMS, GAS_KMS, StarSpectra, interstellar

CHUNK = 250  # spectra made at a time
ROWS_PER_FILE = 5000
OBSIDS = Numbers(800_000_001, 1_000_000, usual=42)
SOURCE_IDS = Numbers(4_000_000_000_000_000_000, 2_000_000_000_000, usual=42)
TWICE = 0.08  # share of spectra that are a second one of the star before
PASSING = 0.72  # share of the spectra that pass every cut of Table 2, about
SNR_G = (50.0, 0.75, 5.0, 400.0)  # median, spread in ln, least and most; 1 in 60 is below 10
WIDTH = (0.96, 0.06, 0.80, 1.20)  # of the line spread, from 111 real stars: mean, spread, limits
Z_KMS = 4.0  # km/s, error of the header's velocity of bright stars
PLANTED = ("teff", "logg", "feh", "mg", "bprp", "ag", "ebprp", "distance", "kms")


class Universe:
    """Everything that the mock needs, loaded once.

    `offline` and `progress` are those of `common.assets.fetch`.
    """

    def __init__(self, *, offline=False, progress=False):
        self.population = Population(offline=offline, progress=progress)
        self.spectra = StarSpectra(offline=offline)
        self.spectra.correction = fit_correction(self.spectra, offline=offline)
        self.noise = lamost.LamostNoise(offline=offline)
        self.residuals = lamost_sky.Residuals(self.noise, offline=offline)

    def observe(self, stars, rng):
        """Return spectra of stars as LAMOST observes them.

        Parameters
        ----------
        stars : DataFrame
            From `mock_population`, n rows.
        rng : numpy.random.Generator

        Returns
        -------
        flux, ivar : ndarray of shape (n, lamost.PIXELS), float32
        z : ndarray of shape (n,)
            As the header has it, with its error.
        """
        n = len(stars)
        given = {name: stars[name].to_numpy() for name in stars}
        median, spread, low, high = SNR_G
        snr = np.clip(median * np.exp(spread * rng.standard_normal(n)), low, high)
        mean, sigma, least, most = WIDTH
        earth = lamost_sky.BARYCENTRIC * np.sin(2 * np.pi * rng.random(n))
        flux = self.spectra.observed(
            primary={name: given[name] for name in ("teff", "logg", "feh")},
            secondary={name: given[f"second_{name}"] for name in ("teff", "logg", "feh")},
            share=given["share"],
            ebv=given["ebv"],
            kms=given["kms"][:, None] + lamost_sky.wavelength_errors(n, rng),
            split_kms=given["split_kms"],
            width=np.clip(mean + sigma * rng.standard_normal(n), least, most),
        )
        flux *= interstellar(given["ebv"], GAS_KMS * rng.standard_normal(n))
        self.residuals.scatter(flux, rng)
        self.residuals.absorb(flux, rng, kms=earth)
        self.noise.miscalibrate(flux, rng, snr=snr)
        flux, error = self.noise.scaled(flux, snr=snr, rng=rng, band="g")
        self.residuals.add_sky(flux, rng, kms=earth)
        flux, ivar = self.noise.observe(flux, error, rng)
        kms = given["kms"] + Z_KMS * (1 + 15 / snr) * rng.standard_normal(n)
        return flux, ivar, kms / C_KMS


def make_mock(*, n, seed, out_dir, offline=False, progress=True):
    """Write a mock of LAMOST stars with labels of APOGEE and Gaia.

    Parameters
    ----------
    n : int
        Spectra; `PASSING` of them pass the cuts of Table 2.
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
        If an archive is neither cached nor fetchable.
    """
    if n < 1:
        raise UsageError(f"n must be at least 1. Received {n}.")
    universe = Universe(offline=offline, progress=progress)
    rng = np.random.default_rng([seed, n])
    stars = universe.population.draw(n, rng)
    stars["ra"], stars["dec"] = footprint(n, rng)
    return write_stars(universe, stars, seed=seed, out_dir=out_dir, twice=TWICE, progress=progress)


def footprint(n, rng):
    """Draw positions in LAMOST's footprint, -10 < Dec < 60 deg; RA and Dec of shape (n,), deg."""
    ra = rng.uniform(0.0, 360.0, n)
    low, high = np.sin(np.radians((-10.0, 60.0)))
    return ra, np.degrees(np.arcsin(rng.uniform(low, high, n)))


def write_stars(universe, stars, *, seed, out_dir, first_obsid=None, twice=0.0, progress=True):
    """Observe stars and write spectra, labels and truth.

    Parameters
    ----------
    universe : Universe
    stars : DataFrame
        From `mock_population`, with ra and dec (deg).
    seed : int
    out_dir : path-like
    first_obsid : int, optional
        By default the seed's own: mocks that meet in one evaluation differ in their obsids.
    twice : float
        Share of the rows that become a second spectrum of the star of the row before.
    progress : bool

    Returns
    -------
    list of Path
        The files of spectra.
    """
    out_dir, n = Path(out_dir), len(stars)
    first_obsid = int(OBSIDS.of(0, seed)) if first_obsid is None else first_obsid
    rng = np.random.default_rng([seed, n, 1])
    again = rng.random(n) < twice
    again[:1] = False
    star = np.cumsum(~again) - 1
    stars = stars.iloc[np.flatnonzero(~again)[star]].reset_index(drop=True)
    kept, paths = [], []
    with cli.progress(total=n, unit="spectra", shown=progress, desc="lamost mock") as bar:
        for first in range(0, n, ROWS_PER_FILE):
            parts, rows = [], []
            for start in range(first, min(first + ROWS_PER_FILE, n), CHUNK):
                stop = min(start + CHUNK, first + ROWS_PER_FILE, n)
                part, own = stars.iloc[start:stop], np.random.default_rng([seed, n, 2, start])
                flux, ivar, z = universe.observe(part, own)
                parts.append((flux, ivar))
                rows.append(_catalogue(first_obsid + start, part, flux, ivar, z, own))
                bar.update(stop - start)
            rows = pd.concat(rows, ignore_index=True)
            flux, ivar = (np.concatenate(p) for p in zip(*parts, strict=True))
            path = out_dir / "spectra" / f"lamost-mock-{first // ROWS_PER_FILE:04d}.fits"
            names = ["obsid", "ra", "dec", "z", "z_err", "class", "subclass"]
            rows_of_file = rows[names + [f"snr{band}" for band in lamost.BANDS]]
            paths.append(write_mock([coadd_table(flux=flux, ivar=ivar, rows=rows_of_file)], path))
            kept.append(rows)
    _tables(out_dir, stars, star, pd.concat(kept, ignore_index=True), seed, rng)
    return paths


def _catalogue(first, stars, flux, ivar, z, rng):
    """Return LAMOST's catalogue of a chunk; its positions are those of the fibres."""
    obsid = first + np.arange(len(stars))
    ra, dec = _moved(stars, 0.1, rng)
    snr = lamost.band_snr(flux, ivar)
    return mock_labels.lasp(stars, obsid=obsid, position=(ra, dec), snr=snr, z=z, rng=rng)


def _moved(stars, arcsec, rng):
    """Return positions with an error in arcsec."""
    ra, dec = stars["ra"].to_numpy(), stars["dec"].to_numpy()
    step = arcsec / 3600 * rng.standard_normal((2, len(stars)))
    return (ra + step[0] / np.cos(np.radians(dec))) % 360, dec + step[1]


def _tables(out_dir, stars, star, catalogue, seed, rng):
    """Write the tables of labels, one row a star, and the truth."""
    _, first = np.unique(star, return_index=True)
    unique = stars.iloc[first].reset_index(drop=True)
    n = len(unique)
    source_id = SOURCE_IDS.of(1_000_003 * np.arange(n, dtype=np.int64), seed)
    seen = {name: rng.random(n) >= share for name, share in mock_labels.UNMATCHED.items()}
    names = [f"MOCK-{i:07d}" for i in range(n)]
    apogee = mock_labels.apogee(
        unique, source_id=source_id, names=names, position=_moved(unique, 0.1, rng), rng=rng
    )
    source, distances = mock_labels.gaia(
        unique, source_id=source_id, position=_moved(unique, 0.05, rng), rng=rng
    )
    tables = {
        "lamost-stars": catalogue, "allStar": apogee[seen["apogee"]],
        "gaia_source": source[seen["gaia"]], "geodist": distances[seen["gaia"]],
    }  # fmt: skip
    for name, table in tables.items():
        hdu = catalogue_table(table, text=("class", "subclass", "APOGEE_ID"))
        write_mock([hdu], out_dir / "labels" / f"{name}-mock.fits", telescope=_TELESCOPES[name])
    truth = pd.DataFrame({"obsid": catalogue["obsid"], "source_id": source_id[star]})
    for name in PLANTED:
        truth[f"{name}_planted"] = stars[name]
    truth["binary"], truth["share"] = stars["binary"], stars["share"]
    with atomic_path(out_dir / "truth.parquet") as temporary:
        truth.to_parquet(temporary, index=False)


_TELESCOPES = {"lamost-stars": "LAMOST", "allStar": "SDSS", "gaia_source": "Gaia",
               "geodist": "Gaia"}  # fmt: skip
