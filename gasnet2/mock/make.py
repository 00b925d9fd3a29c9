"""Mock surveys for GaSNet-II: a forward model of each class, in the survey's own file format.

Files that `make_mock` writes; each has the header card MOCK = T in its HDU 0 and HDU 1. A class of
more than 5000 spectra is split over files that end in CLASS-0, CLASS-1, ...

sdss : ``sdss-mock-CLASS.fits``, the one-table form. HDU 1 ``SPECTRA`` (binary table), header
    COEFF0 = 3.5563, COEFF1 = 1e-4 (log10 of the vacuum wavelength in Å of the first pixel, and
    step; 4076 pixels, 3600-9200 Å), one row per spectrum: CLASS, SUBCLASS (empty for "nan"),
    PLATE, MJD, FIBERID, Z, Z_ERR, VDISP (of the stars, km/s, without error; 0 where not a galaxy),
    KIND (what was made, whatever the pipeline's rules take it for), SN_MEDIAN_ALL, flux (4076E,
    1e-17 erg/s/cm2/Å), ivar (4076E).
desi : ``coadd-mock-CLASS.fits`` with FIBERMAP (TARGETID, TARGET_RA, TARGET_DEC, COADD_FIBERSTATUS,
    OBJTYPE "TGT") and, for each arm B, R, Z: X_WAVELENGTH (Å), X_FLUX, X_IVAR, X_MASK (int32,
    0 is good); beside it ``redrock-mock-CLASS.fits`` with HDU REDSHIFTS: TARGETID, Z, ZERR, ZWARN,
    SPECTYPE, SUBTYPE, DELTACHI2.
fourmost : ``fourmost-mock-CLASS.fits``, the ESO phase-3 layout with one row per spectrum. HDU 0 has
    INSTRUME = QMOST; HDU 1 ``PHASE3SPECTRUM``: WAVE (5801E, Å, vacuum, the same in every row,
    3700-9500 Å in steps of 1 Å: four of the instrument's pixels), FLUX, ERR_FLUX (5801E,
    erg/(s*cm^2*Angstrom); the error is infinite where a pixel is bad), CLASS (Table 2's name),
    Z, SNR.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits

from common import cli
from common.errors import UsageError
from common.files import atomic_path
from common.mocks import instrument
from common.mocks.noise import FibreNoise
from gasnet2.config import CLASSES
from gasnet2.mock.classes import Universe, desi_class, fourmost_class
from gasnet2.mock.sdss import CHUNK, Survey

ROWS_PER_FILE = 5000  # a file, and what is held in memory to make it, stays below 1 GB


@dataclass(frozen=True)
class _Part:
    """The rows of a class that go into one file."""

    label: int
    name: str
    first: int  # number of the first row within its class
    size: int
    stem: str  # end of the file's name


def make_mock(*, survey, n_per_class, seed, out_dir, offline=False, progress=True):
    """Write a mock survey, one file per class (more where large), and return the files.

    Parameters
    ----------
    survey : {"sdss", "fourmost", "desi"}
    n_per_class : int
        Spectra per class.
    seed : int
        Same seed, same spectra; each class draws from a stream of its own.
    out_dir : path-like
        Made where missing.
    offline, progress : bool
        Never touch the network; show a progress bar.

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
    makers = {"sdss": _sdss, "fourmost": _fourmost, "desi": _desi}
    if survey not in makers:
        raise UsageError(f"survey must be one of {', '.join(makers)}. Received {survey!r}.")
    if n_per_class < 1:
        raise UsageError(f"n_per_class must be at least 1. Received {n_per_class}.")
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    universe = Universe(offline=offline)
    classes = CLASSES[survey]
    paths = []
    with cli.progress(
        total=len(classes) * n_per_class, unit="spectra", shown=progress, desc=f"{survey} mock"
    ) as bar:
        for label, name in enumerate(classes):
            rng = np.random.default_rng([seed, zlib.crc32(f"{survey}/{name}".encode())])
            for first in range(0, n_per_class, ROWS_PER_FILE):
                size = min(ROWS_PER_FILE, n_per_class - first)
                stem = f"{name}-{first // ROWS_PER_FILE}" if n_per_class > ROWS_PER_FILE else name
                part = _Part(label=label, name=name, first=first, size=size, stem=stem)
                paths.append(makers[survey](universe, part, rng, out_dir, bar, offline))
    return paths


def _chunks(universe, draw, noise, name, n, rng, bar):
    """Yield (flux scaled to its S/N, error, redshifts) of a class on the grid of a noise model."""
    onto_grid = instrument.Resampler(noise.wavelength)
    for first in range(0, n, CHUNK):
        flux, z, snr = draw(universe, name, min(CHUNK, n - first), rng)
        flux = onto_grid(flux)
        noise.miscalibrate(flux, rng)
        flux, error = noise.scaled(flux, snr=snr, rng=rng)
        yield flux, error, z
        bar.update(len(z))


def _sdss(universe, part, rng, out_dir, bar, offline):
    name, n = part.name, part.size
    spectra = Survey(universe, offline=offline).draw(name, n, rng, bar.update)
    good = np.where(spectra.ivar > 0, spectra.flux * np.sqrt(spectra.ivar), np.nan)
    seen = slice(0, instrument.SDSS_PIXELS)
    flux, ivar = spectra.flux[:, seen], spectra.ivar[:, seen]
    number = part.first + np.arange(n)
    kind, sub = name.split("_", 1)
    columns = [
        fits.Column("CLASS", "6A", array=np.full(n, kind)),
        fits.Column("SUBCLASS", "21A", array=np.full(n, "" if sub == "nan" else sub)),
        fits.Column("PLATE", "J", array=20000 + 1000 * part.label + number // 1000),
        fits.Column("MJD", "J", array=np.full(n, 58000)),
        fits.Column("FIBERID", "J", array=number % 1000 + 1),
        fits.Column("Z", "E", array=spectra.z),
        fits.Column("Z_ERR", "E", array=np.zeros(n)),
        fits.Column("VDISP", "E", array=spectra.vdisp, unit="km/s"),
        fits.Column("KIND", "12A", array=spectra.kind),
        fits.Column("SN_MEDIAN_ALL", "E", array=np.nanmedian(good, axis=1)),
        fits.Column("flux", f"{flux.shape[1]}E", array=flux, unit="1e-17 erg/s/cm2/Angstrom"),
        fits.Column("ivar", f"{flux.shape[1]}E", array=ivar),
    ]
    table = fits.BinTableHDU.from_columns(columns, name="SPECTRA")
    table.header["COEFF0"] = (instrument.SDSS_COEFF0, "log10 of the first wavelength (Angstrom)")
    table.header["COEFF1"] = (instrument.STEP, "log10 step per pixel, vacuum")
    return _write([table], out_dir / f"sdss-mock-{part.stem}.fits")


def _fourmost(universe, part, rng, out_dir, bar, offline):
    name, n = part.name, part.size
    noise = FibreNoise(instrument.linear_grid(*instrument.FOURMOST), offline=offline)
    parts = [
        (*noise.observe(flux, error, rng), z)
        for flux, error, z in _chunks(universe, fourmost_class, noise, name, n, rng, bar)
    ]
    flux, ivar, z = (np.concatenate(p) for p in zip(*parts, strict=True))
    good = ivar > 0
    error = np.where(good, 1e-17 / np.sqrt(np.where(good, ivar, 1)), np.inf)
    snr = np.nanmedian(np.where(good, flux * np.sqrt(ivar), np.nan), axis=1)
    vector, unit = f"{flux.shape[1]}E", "erg/(s*cm^2*Angstrom)"
    wave = np.broadcast_to(noise.wavelength.astype(np.float32), flux.shape)
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column("WAVE", vector, array=wave, unit="Angstrom"),
            fits.Column("FLUX", vector, array=flux * np.float32(1e-17), unit=unit),
            fits.Column("ERR_FLUX", vector, array=error, unit=unit),
            fits.Column("CLASS", "16A", array=np.full(n, name)),
            fits.Column("Z", "D", array=z),
            fits.Column("SNR", "E", array=snr),
        ],
        name="PHASE3SPECTRUM",
    )
    cards = {"INSTRUME": "QMOST", "TELESCOP": "ESO-VISTA", "ORIGIN": "simulation"}
    return _write([table], out_dir / f"fourmost-mock-{part.stem}.fits", cards)


def _desi(universe, part, rng, out_dir, bar, offline):
    name, n = part.name, part.size
    first, last = instrument.DESI_ARMS["B"][0], instrument.DESI_ARMS["Z"][1]
    joined = FibreNoise(instrument.linear_grid(first, last, 0.8), offline=offline)
    arms = {
        arm: FibreNoise(instrument.linear_grid(*ends), offline=offline)
        for arm, ends in instrument.DESI_ARMS.items()
    }
    parts = {arm: [] for arm in arms}
    redshifts = []
    for flux, error, z in _chunks(universe, desi_class, joined, name, n, rng, bar):
        redshifts.append(z)
        for arm, noise in arms.items():  # each arm has noise of its own where two overlap
            start = round((noise.wavelength[0] - first) / 0.8)
            own = slice(start, start + len(noise.wavelength))
            parts[arm].append(noise.observe(flux[:, own], error[:, own], rng))
    z = np.concatenate(redshifts)
    target = 39_000_000_000_000_000 + 1_000_000 * part.label + part.first + np.arange(n)
    sky = rng.uniform((150.0, -5.0), (250.0, 60.0), (n, 2))
    fibres = [
        fits.Column("TARGETID", "K", array=target),
        fits.Column("COADD_FIBERSTATUS", "J", array=np.zeros(n)),
        fits.Column("TARGET_RA", "D", array=sky[:, 0], unit="deg"),
        fits.Column("TARGET_DEC", "D", array=sky[:, 1], unit="deg"),
        fits.Column("OBJTYPE", "3A", array=np.full(n, "TGT")),
    ]
    hdus = [fits.BinTableHDU.from_columns(fibres, name="FIBERMAP")]
    for arm, noise in arms.items():
        flux, ivar = (np.concatenate(p) for p in zip(*parts[arm], strict=True))
        hdus += [
            fits.ImageHDU(noise.wavelength, name=f"{arm}_WAVELENGTH"),
            fits.ImageHDU(flux, name=f"{arm}_FLUX"),
            fits.ImageHDU(ivar, name=f"{arm}_IVAR"),
            fits.ImageHDU((ivar <= 0).astype(np.int32), name=f"{arm}_MASK"),
        ]
        hdus[-4].header["BUNIT"] = "Angstrom"
        hdus[-3].header["BUNIT"] = "10**-17 erg/(s cm2 Angstrom)"
    labels = [
        fits.Column("TARGETID", "K", array=target),
        fits.Column("Z", "D", array=z),
        fits.Column("ZERR", "D", array=np.zeros(n)),
        fits.Column("ZWARN", "K", array=np.zeros(n)),
        fits.Column("SPECTYPE", "6A", array=np.full(n, name)),
        fits.Column("SUBTYPE", "20A", array=np.full(n, "")),
        fits.Column("DELTACHI2", "D", array=np.full(n, 1e4)),
    ]
    redshift_table = fits.BinTableHDU.from_columns(labels, name="REDSHIFTS")
    _write([redshift_table], out_dir / f"redrock-mock-{part.stem}.fits")
    return _write(hdus, out_dir / f"coadd-mock-{part.stem}.fits")


def _write(hdus, target, cards=None):
    """Mark HDUs as a mock and write them, whole or not at all."""
    primary = fits.PrimaryHDU()
    primary.header.update(cards or {})
    for hdu in (primary, hdus[0]):
        hdu.header["MOCK"] = (True, "simulated, not observed")
    with atomic_path(target) as temporary:
        fits.HDUList([primary, *hdus]).writeto(temporary)
    return target
