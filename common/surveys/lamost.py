"""LAMOST low-resolution spectra in both layouts; medium resolution is refused.

To DR7 an image of five rows (flux, inverse variance, wavelength, and-mask, or-mask); from DR8 a
table with one row of vectors. A table may hold many spectra, one a row, with OBSID, RA, DEC, Z,
CLASS, SUBCLASS, SNRU ... SNRZ beside them (LAMOST's own files give these in the header). The flux
is relative. Vacuum, heliocentric.
"""

from __future__ import annotations

import numpy as np

from common.errors import ReadError
from common.spectra import Spectra
from common.surveys.columns import (
    column,
    float32,
    make_meta,
    median_snr,
    names_of,
    native,
    stem,
)

MISSING = -9999  # LAMOST's mark
NAME = "LAMOST low-resolution spectrum"


def recognise(hdus):
    """Return True for a LAMOST file of either resolution."""
    header = hdus[0].header
    return "LAMOST" in f"{header.get('TELESCOP', '')} {header.get('ORIGIN', '')}".upper()


def _table(hdus):
    """Return the table of spectra and its column names, or None."""
    for hdu in hdus[1:]:
        known = names_of(hdu)
        if {"flux", "ivar", "wavelength", "andmask"} <= set(known):
            return hdu
    return None


def count(hdus):
    """Return the number of spectra: the rows of a table, else 1."""
    table = None if _is_image(hdus) or _is_medium(hdus) else _table(hdus)
    return 1 if table is None else len(table.data)


def _is_image(hdus):
    header = hdus[0].header
    return header.get("NAXIS") == 2 and header["NAXIS2"] >= 4


def _is_medium(hdus):
    names = [hdu.name.upper() for hdu in hdus[1:]]
    return any(name.startswith(("COADD_B", "COADD_R", "B-", "R-")) for name in names)


def _image(hdus):
    """Return wavelength, flux, ivar and mask of an image, as of a table of one row."""
    header = hdus[0].header
    flux, ivar, wave, bad = (native(row) for row in hdus[0].data[:4])
    if "SUBCONT" in str(header.get("EXTEN0", "")).upper():
        # To DR1 the third row is a continuum and the grid stands in the header alone.
        wave = 10.0 ** (header["COEFF0"] + header["COEFF1"] * np.arange(len(flux)))
    return np.asarray(wave, float), float32(flux)[None], float32(ivar)[None], (bad != 0)[None]


def _vectors(table, rows):
    """Return wavelength (one grid or a list of them), flux, ivar and mask of a table's rows."""
    wave, flux, ivar, bad = (
        column(table, name, rows=rows) for name in ("wavelength", "flux", "ivar", "andmask")
    )
    flux, ivar, mask = float32(flux), float32(ivar), bad != 0
    if (wave == wave[:1]).all():
        return wave[0].astype(float), flux, ivar, mask
    return [row.astype(float) for row in wave], list(flux), list(ivar), list(mask)


def read(path, hdus, *, rows=slice(None), grid=None):
    """Return the spectra of a LAMOST file.

    Parameters
    ----------
    path : Path
        For messages and ids.
    hdus : astropy.io.fits.HDUList
    rows : slice
        Rows of a table of many spectra; LAMOST's own files hold one.
    grid
        Not used: the file holds its own grid.

    Returns
    -------
    Spectra
        Also in `meta`: snr_u, snr_g, snr_r, snr_i, snr_z (LAMOST's S/N per pixel in five bands)
        and petro_r (mag), NaN where the file does not say.

    Raises
    ------
    ReadError
        If the spectra are of medium resolution, or the layout is unknown.
    """
    if _is_medium(hdus):
        raise ReadError(
            path,
            "a LAMOST medium-resolution spectrum (two short arms near 5000 and 6500 Å)",
            "low-resolution spectra, 3700-9100 Å",
            "Use the low-resolution spectrum of this star, if LAMOST has one.",
        )
    table = None if _is_image(hdus) else _table(hdus)
    if table is None and not _is_image(hdus):
        raise ReadError(
            path,
            "a LAMOST file in an unknown layout",
            "an image of 5 rows (to DR7), or a table COADD of vectors (from DR8)",
            "Read the spectrum as LAMOST releases it.",
        )
    header = hdus[0].header
    wave, flux, ivar, mask = _image(hdus) if table is None else _vectors(table, rows)
    n = len(flux)

    def known(*names):
        """Return a property from the table's first column so named, else from the header."""
        value = None if table is None else column(table, *names, rows=rows)
        return next((header[n] for n in names if n in header), None) if value is None else value

    def number(*names):
        """Return a number for each spectrum, NaN where LAMOST has none (-9999)."""
        value = known(*names)
        if value is None or isinstance(value, str):
            value = np.nan
        value = np.broadcast_to(np.asarray(value, dtype=float), (n,))
        return np.where(value <= MISSING, np.nan, value)

    def text(name):
        value = known(name)
        return np.char.strip(np.asarray("" if value is None else value, dtype=str))

    obsid = known("OBSID")
    if obsid is None or isinstance(obsid, str):
        obsid = [stem(path)] if n == 1 else [f"{stem(path)}-{i}" for i in range(n)]
    meta = make_meta(
        n,
        file=str(path),
        survey="lamost",
        ra=number("RA"),
        dec=number("DEC"),
        snr=median_snr(flux, ivar),
        class_=text("CLASS"),
        subclass=text("SUBCLASS"),
        z=number("Z"),
        z_err=number("Z_ERR"),
        **{f"snr_{b}": number(f"SNR{b.upper()}", f"SN_{b.upper()}") for b in "ugriz"},  # DR1-3: SN_
        petro_r=number("PETROMAG_R"),
    )
    return Spectra(
        wavelength=wave,
        flux=flux,
        ivar=ivar,
        mask=mask,
        ids=np.atleast_1d(np.asarray(obsid, dtype=str)),
        meta=meta,
        medium="vacuum",
        frame="heliocentric",
        unit="",  # LAMOST calibrates the shape of the flux only
    )
