"""LAMOST low-resolution spectra in both layouts; medium resolution is refused.

To DR7, and in part of DR8, an image of five rows: flux, inverse variance, wavelength, and-mask,
or-mask. The files of DR1 to DR3 hold a continuum in the place of the wavelength, which is then
10^(COEFF0 + COEFF1 i). From DR8 a table with one row of vectors. A table may hold many spectra, one
a row, with OBSID, RA, DEC, Z, CLASS, SUBCLASS, SNRU ... SNRZ beside them (LAMOST's own files give
these in the header). The flux is relative. Wavelengths are in vacuum and heliocentric, unless the
header says otherwise (VACUUM, HELIO).
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
from common.surveys.ids import whole_ids

MISSING = -9999  # LAMOST's mark
Z_RANGE = (-1.0, 99.0)  # outside of it a redshift is a mark of a missing one: -9999, 999
NUMBERS = {  # ours: header cards or columns, of all releases; NaN where the file does not say
    "fibermask": ("FIBERMAS", "FIBERMASK", "FIB_MASK"),
    "mjd": ("MJD",),
    "lmjd": ("LMJD",),
    "spid": ("SPID",),
    "fiberid": ("FIBERID",),
    "helio_rv": ("HELIO_RV",),
    "lasp_teff": ("TEFF", "TEFF_LASP"),
    "lasp_teff_err": ("TEFF_ERR", "TEFF_LASP_ERR"),
    "lasp_logg": ("LOGG", "LOGG_LASP"),
    "lasp_logg_err": ("LOGG_ERR", "LOGG_LASP_ERR"),
    "lasp_feh": ("FEH", "FEH_LASP"),
    "lasp_feh_err": ("FEH_ERR", "FEH_LASP_ERR"),
    "lasp_rv": ("RV", "RV_LASP"),
    "lasp_rv_err": ("RV_ERR", "RV_LASP_ERR"),
}
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


def _image(path, hdus):
    """Return wavelength, flux, ivar, and-mask and or-mask of an image, as of a table of one row."""
    header = hdus[0].header
    flux, ivar, wave, bad, *some = (native(row) for row in hdus[0].data[:5])
    if "SUBCONT" in str(header.get("EXTEN0", "")).upper() or not _is_grid(wave):
        # To DR3 the third row is a continuum and the grid stands in the header alone.
        wave = _header_grid(path, header, len(flux))
    some = (some[0] != 0)[None] if some else None
    return np.asarray(wave, float), float32(flux)[None], float32(ivar)[None], (bad != 0)[None], some


def _is_grid(row):
    """Return whether a row of an image can be wavelengths: rising, in the optical."""
    return bool(np.all(np.diff(row) > 0) and 3000 < row[0] < row[-1] < 12000)


def _header_grid(path, header, n):
    """Return the grid that COEFF0, COEFF1 or CRVAL1, CD1_1, CRPIX1 give, Å."""
    for zero, step in (("COEFF0", "COEFF1"), ("CRVAL1", "CD1_1"), ("CRVAL1", "CDELT1")):
        if zero in header and step in header:
            first = header.get("CRPIX1", 1) - 1 if zero == "CRVAL1" else 0
            wave = 10.0 ** (header[zero] + header[step] * (np.arange(n) - first))
            if _is_grid(wave):
                return wave
    raise ReadError(
        path,
        "an image whose third row is no wavelength, and no usable COEFF0, COEFF1 in the header",
        "wavelengths in the third row, or their log10 by COEFF0 and COEFF1 or CRVAL1 and CD1_1",
        "Read the spectrum as LAMOST releases it.",
    )


def _vectors(table, rows):
    """Return wavelength (one grid or a list), flux, ivar, and-mask and or-mask of some rows."""
    names = ("wavelength", "flux", "ivar", "andmask", "ormask")
    wave, flux, ivar, bad, some = (column(table, name, rows=rows) for name in names)
    values = [float32(flux), float32(ivar), bad != 0, None if some is None else some != 0]
    if (wave == wave[:1]).all():
        return wave[0].astype(float), *values
    return [row.astype(float) for row in wave], *(None if v is None else list(v) for v in values)


def read(path, hdus, *, rows=slice(None), grid=None):
    """Return the spectra of a LAMOST file; its own files hold one.

    Arguments are those of every format, see `common.surveys.read`.

    Returns
    -------
    Spectra
        `mask` is LAMOST's and-mask, `or_mask` its or-mask. Also in `meta`: snr_u, snr_g, snr_r,
        snr_i, snr_z (LAMOST's S/N per pixel in five bands), petro_r (mag), fibermask, mjd, lmjd,
        spid, fiberid, helio_rv (km/s, the heliocentric correction), lasp_teff (K), lasp_logg,
        lasp_feh (dex), lasp_rv (km/s) with their errors ``*_err``, all NaN where the file does not
        say; planid, release, z_from ("" where it does not say). A redshift of -9999 or 999 is NaN.

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
    wave, flux, ivar, mask, or_mask = _image(path, hdus) if table is None else _vectors(table, rows)
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

    def text(*names):
        value = known(*names)
        return np.char.strip(np.asarray("" if value is None else value, dtype=str))

    z, (lowest, highest) = number("Z"), Z_RANGE

    names = [stem(path)] if n == 1 else [f"{stem(path)}-{i}" for i in range(n)]
    obsid = known("OBSID")
    if obsid is not None:  # exact, or the file's name: never another spectrum's
        obsid, _ = whole_ids(np.broadcast_to(obsid, (n,)))
        names = [own or name for own, name in zip(obsid, names, strict=True)]
    meta = make_meta(
        n,
        file=str(path),
        survey="lamost",
        ra=number("RA"),
        dec=number("DEC"),
        snr=median_snr(flux, ivar),
        class_=text("CLASS"),
        subclass=text("SUBCLASS"),
        z=np.where((z > lowest) & (z < highest), z, np.nan),
        z_err=number("Z_ERR"),
        **{f"snr_{b}": number(f"SNR{b.upper()}", f"SN_{b.upper()}") for b in "ugriz"},  # DR1-3: SN_
        petro_r=number("PETROMAG_R"),
        **{ours: number(*theirs) for ours, theirs in NUMBERS.items()},
        planid=text("PLANID"),
        release=text("DATA_V"),
        z_from=text("ZFLAG", "Z_FROM"),
    )
    return Spectra(
        wavelength=wave,
        flux=flux,
        ivar=ivar,
        mask=mask,
        or_mask=or_mask,
        ids=np.array(names, dtype=str),
        meta=meta,
        medium="vacuum" if header.get("VACUUM", True) else "air",
        frame="heliocentric" if header.get("HELIO", True) else "observed",
        unit="",  # LAMOST calibrates the shape of the flux only
    )
