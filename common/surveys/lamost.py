"""LAMOST low-resolution spectra in both layouts; medium resolution is refused.

To DR7, and in part of DR8, an image of five rows: flux, inverse variance, wavelength, and-mask,
or-mask. The files of DR1 to DR3 hold a continuum in the place of the wavelength, which is then
10^(COEFF0 + COEFF1 i). From DR8 a table with one row of vectors. A table may hold many spectra, one
a row, with OBSID, RA, DEC, Z, CLASS, SUBCLASS, SNRU ... SNRZ beside them (LAMOST's own files give
these in the header). The flux is relative. Wavelengths are in vacuum and heliocentric, unless the
header says otherwise (VACUUM); where it says HELIO = F they are shifted by its HELIO_RV.
"""

from __future__ import annotations

import numpy as np

from common.errors import ReadError
from common.spectra import Spectra
from common.surveys.cards import card, grid_of, in_frame, medium_of
from common.surveys.cards import number as number_of
from common.surveys.columns import (
    column,
    exact_ids,
    float32,
    make_meta,
    median_snr,
    names_of,
    native,
    stem,
    unit_of,
    vectors,
)
from common.surveys.units import angstrom

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
ALLOWED = "an image of 5 rows (to DR7), or a table COADD of vectors (from DR8)"
COLUMNS = ("flux", "ivar", "wavelength", "andmask")


def recognise(hdus):
    """Return True for a LAMOST file of either resolution."""
    said = [str(card(_headers(hdus), name, default="")) for name in ("TELESCOP", "ORIGIN")]
    return "LAMOST" in " ".join(said).upper()


def _headers(hdus):
    """Return the headers with LAMOST's cards: written again by others they may be in HDU 1."""
    return [hdu.header for hdu in hdus[:2]]


def _table(hdus):
    """Return the table of spectra and its column names, or None."""
    for hdu in hdus[1:]:
        known = names_of(hdu)
        if set(COLUMNS) <= set(known):
            return hdu
    return None


def lacking(hdus):
    """Return what keeps a file that looks like LAMOST's from being read, or None."""
    if any(set(COLUMNS) <= set(names_of(hdu)) for hdu in hdus[1:]):
        return "no card TELESCOP or ORIGIN that says LAMOST"
    cards = [card(_headers(hdus), name) is not None for name in ("OBSID", "LMJD", "SPID")]
    return "no card TELESCOP or ORIGIN that says LAMOST" if all(cards) else None


def _missing(hdus):
    """Return what a file with LAMOST's cards has not."""
    best = max((set(COLUMNS) & set(names_of(hdu)) for hdu in hdus[1:]), key=len, default=set())
    if best:
        return "no column " + ", ".join(n.upper() for n in COLUMNS if n not in best)
    images = [hdu for hdu in hdus[:2] if hdu.is_image and hdu.header.get("NAXIS")]
    if images:
        shape = [images[0].header.get(f"NAXIS{i + 1}") for i in range(images[0].header["NAXIS"])]
        return f"an image of {' x '.join(map(str, shape))} pixels instead of five rows of them"
    return "neither an image nor a table of spectra"


def count(hdus):
    """Return the number of spectra: the rows of a table, else 1."""
    table = None if _image_of(hdus) is not None or is_medium(hdus) else _table(hdus)
    return 1 if table is None else len(table.data)


def _image_of(hdus):
    """Return the HDU of the image of four or five rows, or None; a compressed one is HDU 1."""
    for hdu in hdus[:2]:
        if hdu.is_image and hdu.header.get("NAXIS") == 2 and hdu.header["NAXIS2"] >= 4:
            return hdu
    return None


def is_medium(hdus):
    """Return whether a file is of medium resolution."""
    names = [hdu.name.upper() for hdu in hdus[1:]]
    return any(name.startswith(("COADD_B", "COADD_R", "B-", "R-")) for name in names)


def image_rows(path, data, headers):
    """Return wavelength, flux, ivar, and-mask and or-mask of an image, as of a table of one row."""
    flux, ivar, third, bad, *some = (native(row) for row in data[:5])
    wave = angstrom(path, third)
    if "SUBCONT" in str(card(headers, "EXTEN0", default="")).upper() or not _is_grid(wave):
        # To DR3 the third row is a continuum and the grid stands in the header alone.
        wave = _header_grid(path, headers, len(flux))
    some = (some[0] != 0)[None] if some else None
    return np.asarray(wave, float), float32(flux)[None], float32(ivar)[None], (bad != 0)[None], some


def _is_grid(row):
    """Return whether a row of an image can be wavelengths: rising, in the optical."""
    return bool(np.all(np.diff(row) > 0) and 3000 < row[0] < row[-1] < 12000)


def _header_grid(path, headers, n):
    """Return the grid that COEFF0, COEFF1 or CRVAL1, CD1_1, CRPIX1 give, Å."""
    wave = grid_of(path, headers, n)
    if wave is not None and _is_grid(wave):
        return wave
    raise ReadError(
        path,
        "an image whose third row is no wavelength, and no usable COEFF0, COEFF1 in the header",
        "wavelengths in the third row, or their log10 by COEFF0 and COEFF1 or CRVAL1 and CD1_1",
        "Read the spectrum as LAMOST releases it.",
    )


def _vectors(path, table, rows):
    """Return wavelength (one grid or a list), flux, ivar, and-mask and or-mask of some rows."""
    names = ("wavelength", "flux", "ivar", "andmask", "ormask")
    wave, flux, ivar, bad, some = (vectors(table, name, rows=rows) for name in names)
    unit = unit_of(table, "wavelength")
    if isinstance(wave, list) or not (wave == wave[:1]).all():
        parts = [None if v is None else list(v) for v in (flux, ivar, bad, some)]
        flux, ivar = ([float32(row) for row in part] for part in parts[:2])
        bad, some = (None if part is None else [row != 0 for row in part] for part in parts[2:])
        return [angstrom(path, row, unit, where="TUNIT") for row in wave], flux, ivar, bad, some
    wave = angstrom(path, wave[:1].ravel(), unit, where="TUNIT")
    return wave, float32(flux), float32(ivar), bad != 0, None if some is None else some != 0


def properties(number, text):
    """Return the columns of meta beside file, survey and snr.

    Parameters
    ----------
    number, text : callable
        Names of columns or cards -> what the first of them says, NaN or "" without one.
    """
    z, (lowest, highest) = number("Z"), Z_RANGE
    return {
        "ra": number("RA"),
        "dec": number("DEC"),
        "class": text("CLASS"),
        "subclass": text("SUBCLASS"),
        "z": np.where((z > lowest) & (z < highest), z, np.nan)[()],
        "z_err": number("Z_ERR"),
        # DR1 to DR3: SN_
        **{f"snr_{b}": number(f"SNR{b.upper()}", f"SN_{b.upper()}") for b in "ugriz"},
        "petro_r": number("PETROMAG_R"),
        **{ours: number(*theirs) for ours, theirs in NUMBERS.items()},
        "planid": text("PLANID"),
        "release": text("DATA_V"),
        "z_from": text("ZFLAG", "Z_FROM"),
    }


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
        If the spectra are of medium resolution, or the layout is unknown; if OBSID was rounded.
    """
    if is_medium(hdus):
        raise ReadError(
            path,
            "a LAMOST medium-resolution spectrum (two short arms near 5000 and 6500 Å)",
            "low-resolution spectra, 3700-9100 Å",
            "Use the low-resolution spectrum of this star, if LAMOST has one.",
        )
    image, headers = _image_of(hdus), _headers(hdus)
    table = None if image is not None else _table(hdus)
    if table is None and image is None:
        raise ReadError(
            path, f"a broken {NAME}: {_missing(hdus)}", ALLOWED,
            "Read the spectrum as LAMOST releases it.",
        )  # fmt: skip
    parts = image_rows(path, image.data, headers) if table is None else _vectors(path, table, rows)
    wave, flux, ivar, mask, or_mask = parts
    n = len(flux)

    def known(*names):
        """Return a property from the table's first column so named, else from the header."""
        value = None if table is None else column(table, *names, rows=rows)
        return card(headers, *names) if value is None else value

    def number(*names):
        """Return a number for each spectrum, NaN where LAMOST has none (-9999)."""
        value = np.atleast_1d(np.asarray(known(*names)))
        if value.dtype.kind not in "iufb":
            value = np.array([number_of(one) for one in value])
        value = np.broadcast_to(value.astype(float), (n,))
        return np.where(value <= MISSING, np.nan, value)

    def text(*names):
        value = known(*names)
        return np.char.strip(np.asarray("" if value is None else value, dtype=str))

    wave, frame = in_frame(path, headers, wave, "heliocentric")
    obsid = known("OBSID")
    obsid = np.full(n, "") if obsid is None else exact_ids(path, obsid, name="OBSID")
    own = [stem(path)] if n == 1 else [f"{stem(path)}-{i}" for i in range(count(hdus))[rows]]
    obsid = [name if name.isdecimal() and int(name) else other for name, other in
             zip(obsid, own, strict=True)]  # fmt: skip
    meta = make_meta(
        n,
        file=str(path),
        survey="lamost",
        snr=median_snr(flux, ivar),
        **properties(number, text),
    )
    return Spectra(
        wavelength=wave,
        flux=flux,
        ivar=ivar,
        mask=mask,
        or_mask=or_mask,
        ids=obsid,
        meta=meta,
        medium=medium_of(path, headers),
        frame=frame,
        unit="",  # LAMOST calibrates the shape of the flux only
        mask_is_warning=True,
    )
