"""Mock surveys for GaSNet-II: a forward model of each class, in the survey's own file format.

Files that `make_mock` writes; every one has the header card MOCK = T in its HDU 0 and HDU 1.

sdss : ``sdss-mock-CLASS.fits``, the one-table form. HDU 1 ``SPECTRA`` (binary table), header
    COEFF0 = 3.5563, COEFF1 = 1e-4 (log10 of the vacuum wavelength in Å of the first pixel, and
    step; 4076 pixels, 3600-9200 Å), one row per spectrum: CLASS, SUBCLASS (empty for "nan"),
    PLATE, MJD, FIBERID, Z, Z_ERR, SN_MEDIAN_ALL, flux (4076E, 1e-17 erg/s/cm2/Å), ivar (4076E).
desi : ``coadd-mock-CLASS.fits`` with FIBERMAP (TARGETID, TARGET_RA, TARGET_DEC, COADD_FIBERSTATUS,
    OBJTYPE "TGT") and, for each arm B, R, Z: X_WAVELENGTH (Å), X_FLUX, X_IVAR, X_MASK (int32,
    0 is good); beside it ``redrock-mock-CLASS.fits`` with HDU REDSHIFTS: TARGETID, Z, ZERR, ZWARN,
    SPECTYPE, SUBTYPE, DELTACHI2.
fourmost : ``fourmost-mock-CLASS.fits``, a one-table analogue of the ESO phase-3 layout. HDU 1
    ``PHASE3SPECTRUM`` with one row per spectrum: OBJECT (id), CLASS (Table 2's name), Z, SNR,
    FLUX (23201E, erg/s/cm2/Å), ERR_FLUX (23201E), QUAL (23201B, 0 is good); HDU 2 ``WAVE`` holds
    one column WAVE (D, Å, vacuum), common to all rows (3700-9500 Å, step 0.25).
"""

from __future__ import annotations

import os
import tempfile
import zlib
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table

from common.errors import UsageError
from common.mocks import instrument
from common.mocks.galaxies import Galaxies, add_lines, attenuation, level_at, line_ratios
from common.mocks.noise import FibreNoise
from common.mocks.quasars import Quasars, absorbers, forest
from common.mocks.stars import TYPES, Stars
from gasnet2.config import CLASSES

CHUNK = 500  # spectra made at a time: about 25 MB per array
# Mean S/N of the stellar classes (Table 1 of the paper).
STAR_SNR = dict(zip(TYPES, (26.2, 30.5, 34.9, 33.7, 32.8, 31.1, 31.0), strict=True))
WIDE_Z = 0.25  # share of the quasars drawn flat in redshift, so that no epoch is too rare to learn


class Universe:
    """Every template the mock needs, loaded once.

    Parameters
    ----------
    offline : bool
        Never touch the network.
    """

    def __init__(self, *, offline=False):
        self.stars = Stars(offline=offline)
        self.galaxies = Galaxies(self.stars, offline=offline)
        self.quasars = Quasars(offline=offline)
        self.noise = FibreNoise(offline=offline)

    def star(self, kind, n, rng):
        """Return noiseless stars (n, MODEL_PIXELS) of an SDSS type and their redshifts."""
        z = np.clip(rng.normal(0, 110, n), -600, 600) / 299792.458
        rest = self.stars.of_type(kind, n, rng) * attenuation(rng.exponential(0.06, n), 1.3)
        return instrument.redshifted(rest, z), z

    def galaxy(self, kind, z, rng):
        """Return noiseless galaxies (n, MODEL_PIXELS) of an SDSS subclass at these redshifts."""
        n = len(z)
        mixture = {
            "nan": (("passive", 0.8), ("mixed", 0.2)),
            "AGN": (("passive", 0.4), ("mixed", 0.6)),
            "STARFORMING": (("mixed", 0.35), ("starforming", 0.65)),
            "STARBURST": (("starforming", 0.4), ("starburst", 0.6)),
        }[kind]
        names, shares = zip(*mixture, strict=True)
        pick = rng.choice(len(names), n, p=shares)
        rest = np.empty((n, instrument.REST_PIXELS), dtype=np.float32)
        spread = np.empty(n)
        for k, name in enumerate(names):
            rows = np.flatnonzero(pick == k)
            if len(rows):
                rest[rows], spread[rows] = self.galaxies.continua(name, len(rows), rng)
        flux = instrument.redshifted(rest, z)
        ratios = line_ratios(kind, n, rng)
        gas = {"AGN": 150, "nan": 140, "STARFORMING": 75, "STARBURST": 65}[kind]
        add_lines(
            flux, ratios=ratios, continuum=level_at(rest, 6564.6), z=z,
            kms=rng.lognormal(np.log(gas), 0.35, n),
        )  # fmt: skip
        return flux

    def quasar(self, kind, z, rng):
        """Return noiseless quasars (n, MODEL_PIXELS) of an SDSS subclass at these redshifts."""
        n = len(z)
        # The components stop at 5100 Å: at low redshift the parametric model takes more share.
        parametric = rng.random(n) < np.where(z < 0.6, 0.6, 0.4)
        rest = np.empty((n, instrument.REST_PIXELS), dtype=np.float32)
        for rows, make in ((parametric, self.quasars.parametric), (~parametric, self.quasars.real)):
            if rows.any():
                rest[rows] = make(int(rows.sum()), rng)
        rest *= attenuation(np.where(rng.random(n) < 0.5, rng.exponential(0.07, n), 0), 1.2)
        k = np.searchsorted(instrument.rest_grid(), 5008.2)
        rest /= rest[:, k - 300 : k + 300].mean(axis=1)[:, None]
        near = np.flatnonzero(z < 1.1)
        if len(near):
            share = np.clip(rng.lognormal(np.log(0.25), 0.9, len(near)) * (1 - z[near] / 1.3), 0, 3)
            kind_of = rng.choice(["passive", "mixed", "starforming"])
            host, _ = self.galaxies.continua(kind_of, len(near), rng)
            rest[near] += share[:, None].astype(np.float32) * host
        flux = instrument.redshifted(rest, z)
        self.quasars.narrow(
            flux, z=z, ew=rng.lognormal(np.log(14 if kind == "BROADLINE" else 8), 1.0, n),
            continuum=level_at(rest, 5100.0), rng=rng,
        )  # fmt: skip
        absorbers(flux, z=z, rng=rng)
        forest(flux, z=z, rng=rng)
        return flux

    def observe(self, flux, *, snr, used, rng):
        """Return noisy flux and inverse variance on the model's grid."""
        self.noise.miscalibrate(flux, rng)
        flux, error = self.noise.scaled(flux, snr=snr, used=used, rng=rng)
        return self.noise.observe(flux, error, rng)


def distributions():
    """Return {class: (z levels, z values, [(S/N levels, values) per z bin])} of SDSS DR16."""
    table = Table.read(Path(__file__).with_name("sdss_distributions.ecsv"), format="ascii.ecsv")
    out = {}
    for name in sorted(set(table["class"])):
        mine = table[table["class"] == name]
        z = mine[mine["quantity"] == "z"]
        bins = sorted(set(mine["bin"][mine["quantity"] == "snr"]))
        snr = [mine[(mine["quantity"] == "snr") & (mine["bin"] == k)] for k in bins]
        out[str(name)] = (
            np.array(z["level"]), np.array(z["value"]),
            [(np.array(s["level"]), np.array(s["value"])) for s in snr],
        )  # fmt: skip
    return out


def draw_z_snr(name, n, rng, *, table=None, wide=WIDE_Z):
    """Draw redshifts and S/N of an SDSS extragalactic class.

    Parameters
    ----------
    name : str
        E.g. "GALAXY_AGN".
    n : int
    rng : numpy.random.Generator
    table : dict, optional
        From `distributions`.
    wide : float
        Share of quasars drawn flat over 0.05 < z < 4.5.

    Returns
    -------
    z, snr : ndarray of shape (n,)
    """
    levels, values, by_bin = (table or distributions())[name]
    rank = rng.random(n)
    z = np.interp(rank, levels, values)
    snr = np.empty(n)
    which = np.minimum((rank * len(by_bin)).astype(int), len(by_bin) - 1)
    if name.startswith("QSO"):
        flat = rng.random(n) < wide
        z[flat] = rng.uniform(0.05, 4.5, flat.sum())
        edges = np.interp(np.linspace(0, 1, len(by_bin) + 1), levels, values)[1:-1]
        which = np.searchsorted(edges, z)
    for k, (at, value) in enumerate(by_bin):
        rows = which == k
        snr[rows] = np.exp(np.interp(rng.random(rows.sum()), at, np.log(value)))
    return np.clip(z, 0.0, 6.3), snr


def make_mock(*, survey, n_per_class, seed, out_dir, offline=False, progress=True):
    """Write a mock survey, one file per class, and return the files.

    Parameters
    ----------
    survey : {"sdss", "fourmost", "desi"}
    n_per_class : int
        Spectra per class.
    seed : int
        Same seed, same spectra; each class draws from a stream of its own.
    out_dir : path-like
        Made where missing.
    offline : bool
        Never touch the network.
    progress : bool
        Show a progress bar.

    Returns
    -------
    list of Path
        In order of class label (for "desi" the coadds; their redrock files lie beside them).

    Raises
    ------
    UsageError
        If the survey is unknown or the number is not positive.
    MissingDataError
        If a template archive is neither cached nor fetchable.
    """
    from tqdm import tqdm

    makers = {"sdss": _sdss}
    if survey not in makers:
        raise UsageError(f"survey must be one of {', '.join(makers)}. Received {survey!r}.")
    if n_per_class < 1:
        raise UsageError(f"n_per_class must be at least 1. Received {n_per_class}.")
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    universe = Universe(offline=offline)
    classes = CLASSES[survey]
    paths = []
    with tqdm(
        total=len(classes) * n_per_class,
        unit="spectra",
        disable=not progress,
        desc=f"{survey} mock",
    ) as bar:
        for label, name in enumerate(classes):
            rng = np.random.default_rng([seed, zlib.crc32(f"{survey}/{name}".encode())])
            paths.append(makers[survey](universe, label, name, n_per_class, rng, out_dir, bar))
    return paths


def sdss_class(universe, name, n, rng, table=None):
    """Return noiseless spectra (n, MODEL_PIXELS), redshifts and S/N of one of the 13 classes."""
    kind, sub = name.split("_", 1)
    if kind == "STAR":
        flux, z = universe.star(sub, n, rng)
        sigma = 0.55
        snr = rng.lognormal(np.log(STAR_SNR[sub]) - 0.5 * sigma**2, sigma, n)
        return flux, z, np.clip(snr, 2.0, 120.0)
    z, snr = draw_z_snr(name, n, rng, table=table)
    return (universe.galaxy if kind == "GALAXY" else universe.quasar)(sub, z, rng), z, snr


def _sdss(universe, label, name, n, rng, out_dir, bar):
    used = instrument.sdss_slice()
    table = distributions()
    rows = {"flux": [], "ivar": [], "z": []}
    for first in range(0, n, CHUNK):
        size = min(CHUNK, n - first)
        flux, z, snr = sdss_class(universe, name, size, rng, table)
        flux, ivar = universe.observe(flux, snr=snr, used=used, rng=rng)
        rows["flux"].append(flux[:, used])
        rows["ivar"].append(ivar[:, used])
        rows["z"].append(z)
        bar.update(size)
    flux, ivar, z = (np.concatenate(rows[k]) for k in ("flux", "ivar", "z"))
    number = np.arange(n)
    kind, sub = name.split("_", 1)
    good = np.where(ivar > 0, flux * np.sqrt(ivar), np.nan)
    columns = [
        fits.Column("CLASS", "6A", array=np.full(n, kind)),
        fits.Column("SUBCLASS", "21A", array=np.full(n, "" if sub == "nan" else sub)),
        fits.Column("PLATE", "J", array=20000 + 1000 * label + number // 1000),
        fits.Column("MJD", "J", array=np.full(n, 58000)),
        fits.Column("FIBERID", "J", array=number % 1000 + 1),
        fits.Column("Z", "E", array=z),
        fits.Column("Z_ERR", "E", array=np.zeros(n)),
        fits.Column("SN_MEDIAN_ALL", "E", array=np.nanmedian(good, axis=1)),
        fits.Column("flux", f"{flux.shape[1]}E", array=flux, unit="1e-17 erg/s/cm2/Angstrom"),
        fits.Column("ivar", f"{flux.shape[1]}E", array=ivar),
    ]
    table = fits.BinTableHDU.from_columns(columns, name="SPECTRA")
    table.header["COEFF0"] = (instrument.SDSS_COEFF0, "log10 of the first wavelength (Angstrom)")
    table.header["COEFF1"] = (instrument.STEP, "log10 step per pixel, vacuum")
    return _write([table], out_dir / f"sdss-mock-{name}.fits")


def _write(hdus, target):
    """Write HDUs under a temporary name, mark them as a mock, move them into place."""
    primary = fits.PrimaryHDU()
    for hdu in (primary, hdus[0]):
        hdu.header["MOCK"] = (True, "simulated, not observed")
    handle, scratch = tempfile.mkstemp(dir=target.parent, prefix=".mock-", suffix=".fits")
    os.close(handle)
    try:
        fits.HDUList([primary, *hdus]).writeto(scratch, overwrite=True)
        os.chmod(scratch, 0o644)
        os.replace(scratch, target)
    finally:
        if os.path.exists(scratch):
            os.remove(scratch)
    return target
