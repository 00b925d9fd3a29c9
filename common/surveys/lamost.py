"""LAMOST low-resolution spectra in both layouts; medium resolution is refused.

To DR7 an image of five rows (flux, inverse variance, wavelength, and-mask, or-mask); from DR8 a
table with one row of vectors. The flux is relative. Vacuum, heliocentric.
"""

from __future__ import annotations

import numpy as np

from common.errors import ReadError
from common.spectra import Spectra
from common.surveys.columns import float32, make_meta, median_snr, names_of, native, stem

NAME = "LAMOST low-resolution spectrum"


def recognise(hdus):
    """Return True for a LAMOST file of either resolution."""
    header = hdus[0].header
    return "LAMOST" in f"{header.get('TELESCOP', '')} {header.get('ORIGIN', '')}".upper()


def count(hdus):
    """Return the number of spectra."""
    return 1


def _arrays(path, hdus):
    """Return wavelength, flux, ivar and and-mask, each of shape (n_pixels,)."""
    header = hdus[0].header
    if header.get("NAXIS") == 2 and header["NAXIS2"] >= 4:
        flux, ivar, wave, bad = (native(row) for row in hdus[0].data[:4])
        if "SUBCONT" in str(header.get("EXTEN0", "")).upper():
            # To DR1 the third row is a continuum and the grid stands in the header alone.
            wave = 10.0 ** (header["COEFF0"] + header["COEFF1"] * np.arange(len(flux)))
        return wave, flux, ivar, bad
    names = [hdu.name.upper() for hdu in hdus[1:]]
    if any(name.startswith(("COADD_B", "COADD_R", "B-", "R-")) for name in names):
        raise ReadError(
            path,
            "a LAMOST medium-resolution spectrum (two short arms near 5000 and 6500 Å)",
            "low-resolution spectra, 3700-9100 Å",
            "Use the low-resolution spectrum of this star, if LAMOST has one.",
        )
    for hdu in hdus[1:]:
        known = names_of(hdu)
        if {"flux", "ivar", "wavelength", "andmask"} <= set(known) and len(hdu.data) == 1:
            return tuple(
                native(hdu.data.field(known[name])[0])
                for name in ("wavelength", "flux", "ivar", "andmask")
            )
    raise ReadError(
        path,
        "a LAMOST file in an unknown layout",
        "an image of 5 rows (to DR7), or a one-row table COADD (from DR8)",
        "Read the spectrum as LAMOST releases it.",
    )


def read(path, hdus, *, rows=slice(None), grid=None):
    """Return the spectrum of a LAMOST file as Spectra with one row.

    Parameters
    ----------
    path : Path
        For messages and ids.
    hdus : astropy.io.fits.HDUList
    rows, grid
        Not used: the file holds one spectrum with its own grid.

    Raises
    ------
    ReadError
        If the spectrum is of medium resolution, or the layout is unknown.
    """
    wave, flux, ivar, bad = _arrays(path, hdus)
    header = hdus[0].header
    flux, ivar = float32(flux)[None], float32(ivar)[None]
    meta = make_meta(
        1,
        file=str(path),
        survey="lamost",
        ra=header.get("RA"),
        dec=header.get("DEC"),
        snr=median_snr(flux, ivar),
        class_=str(header.get("CLASS", "")).strip(),
        subclass=str(header.get("SUBCLASS", "")).strip(),
        z=header.get("Z"),
        z_err=header.get("Z_ERR"),
    )
    return Spectra(
        wavelength=np.asarray(wave, dtype=float),
        flux=flux,
        ivar=ivar,
        mask=(bad != 0)[None],
        ids=[str(header.get("OBSID") or stem(path))],
        meta=meta,
        medium="vacuum",
        frame="heliocentric",
        unit="",  # LAMOST calibrates the shape of the flux only
    )
