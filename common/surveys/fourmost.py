"""4MOST spectra in ESO's phase-3 layout: table rows with WAVE, FLUX and ERR_FLUX vectors.

ESO keeps one spectrum per file (see its Science Data Products Standard). Read as well: many
rows in one PHASE3SPECTRUM table with OBJECT, CLASS, Z and SNR, whose common wavelengths stand in
an HDU named WAVE. Vacuum and barycentric, unless the file says otherwise (TUCD, VACUUM, SPECSYS).
Files of ESO's other instruments are read too, under the instrument's name.
"""

from __future__ import annotations

import numpy as np

from common.spectra import Spectra
from common.surveys.cards import card, in_frame, medium_of
from common.surveys.columns import (
    SURVEY_UNIT,
    column,
    exact_ids,
    float32,
    make_meta,
    median_snr,
    names_of,
    stem,
    unit_of,
    vectors,
)
from common.surveys.units import angstrom, factor

NAME = "4MOST spectrum in the ESO phase-3 layout"
ALLOWED = "a table with rows of WAVE, FLUX and ERR_FLUX"
ESO_UNIT = "erg / (s cm2 Angstrom)"  # of fluxes, where a file names no unit


def _table(hdus):
    qmost = "QMOST" in str(card([hdus[0].header], "INSTRUME", default="")).upper()
    for hdu in hdus[1:]:
        names = names_of(hdu)
        if "flux" not in names or not (qmost or hdu.name.upper() == "PHASE3SPECTRUM"):
            continue
        if "wave" in names or _wave_hdu(hdus) is not None:
            return hdu
    return None


def _wave_hdu(hdus):
    """Return the HDU that holds one wavelength grid for all rows, or None."""
    return next((h for h in hdus[1:] if h.name.upper() == "WAVE" and "wave" in names_of(h)), None)


def recognise(hdus):
    """Return True for a file of the instrument QMOST or with a phase-3 spectrum table."""
    return _table(hdus) is not None


def count(hdus):
    """Return the number of spectra."""
    return int(_table(hdus).header["NAXIS2"])


def lacking(hdus):
    """Return what keeps a file that looks like 4MOST's from being read, or None."""
    qmost = "QMOST" in str(card([hdus[0].header], "INSTRUME", default="")).upper()
    if qmost or any(hdu.name.upper() == "PHASE3SPECTRUM" for hdu in hdus):
        return "no table with the columns WAVE and FLUX"
    return None


def _wavelength(path, hdus, table, rows):
    """Return one grid (p,), or a list of grids where the rows have different ones, Å."""
    common = _wave_hdu(hdus)
    hdu, rows = (table, rows) if common is None else (common, slice(None))
    wave, unit = vectors(hdu, "WAVE", rows=rows), unit_of(hdu, "WAVE")
    if isinstance(wave, list):
        return [angstrom(path, row, unit, where="the unit of column WAVE") for row in wave]
    wave = angstrom(path, wave, unit, where="the unit of column WAVE")
    if common is not None:
        return wave.ravel()
    if np.all(wave == wave[:1]):
        return wave[0] if len(wave) else np.zeros(wave.shape[1])
    return list(wave)


def _ucd(hdus, table):
    """Return the UCD of the column of wavelengths."""
    hdu = _wave_hdu(hdus) or table
    number = [name.lower() for name in hdu.columns.names].index("wave") + 1
    return card([hdu.header], f"TUCD{number}", default="")


def _ivar(error):
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.where(np.isfinite(error) & (error > 0), 1 / error**2, np.float32(0))


def _survey(headers):
    """Return "fourmost", or the name of another one of ESO's instruments."""
    name = str(card(headers, "INSTRUME", default="QMOST")).lower()
    return "fourmost" if "qmost" in name or "4most" in name else name


def read(path, hdus, *, rows=slice(None), grid=None):
    """Return the chosen rows, flux in 1e-17 erg / (s cm2 Angstrom).

    Arguments are those of every format, see `common.surveys.read`.

    Raises
    ------
    ReadError
        If a unit is not one of wavelength or flux density, or the frame is the telescope's.
    """
    table, header = _table(hdus), hdus[0].header
    headers = (header, table.header)

    def get(name):
        """Return a column of fluxes, or None; where the file names no unit, ESO's holds."""
        values = vectors(table, name, rows=rows)
        if values is None:
            return None
        text = unit_of(table, name) or ESO_UNIT
        # In multiples of 1e-17: inverse variances in plain erg would near float32's limits.
        times = np.float32(factor(path, text, SURVEY_UNIT, where=f"the unit of column {name}"))
        if isinstance(values, list):
            return [float32(row) * times for row in values]
        return float32(values) * times

    flux = get("FLUX")
    error = get("ERR_FLUX")
    error = get("ERR") if error is None else error
    ivar = None
    if error is not None:
        ivar = [_ivar(row) for row in error] if isinstance(error, list) else _ivar(error)
    quality = vectors(table, "QUAL", rows=rows)
    if isinstance(quality, list):
        mask = [row != 0 for row in quality]
    else:
        mask = None if quality is None else quality != 0
    n, one = len(flux), count(hdus) == 1
    snr = column(table, "SNR", rows=rows)
    if snr is None:
        snr = card(headers, "SNR") if one else None
    if snr is None and ivar is not None:
        snr = median_snr(flux, ivar)
    ids = column(table, "OBJECT", rows=rows)
    if ids is not None:
        own = zip(exact_ids(path, ids, name="OBJECT"), range(count(hdus))[rows], strict=True)
        ids = [name or f"{stem(path)}-{i}" for name, i in own]
    else:
        name = card(headers, "OBJECT", default=stem(path))
        ids = [name] if one else [f"{name}-{i}" for i in range(count(hdus))[rows]]
    ra, dec = column(table, "RA", rows=rows), column(table, "DEC", rows=rows)
    meta = make_meta(
        n,
        file=str(path),
        survey=_survey(headers),
        ra=card(headers, "RA") if ra is None else ra,
        dec=card(headers, "DEC") if dec is None else dec,
        snr=snr,
        class_=column(table, "CLASS", rows=rows),
        subclass=column(table, "SUBCLASS", rows=rows),
        z=column(table, "Z", rows=rows),
    )
    wavelength = _wavelength(path, hdus, table, rows)
    wavelength, frame = in_frame(path, headers, wavelength, "barycentric")
    ragged = isinstance(wavelength, list)
    return Spectra(
        wavelength=wavelength,
        flux=list(flux) if ragged else flux,
        ivar=list(ivar) if ragged and ivar is not None else ivar,
        mask=list(mask) if ragged and mask is not None else mask,
        ids=ids,
        meta=meta,
        medium=medium_of(path, headers, ucd=_ucd(hdus, table)),
        frame=frame,
        unit=SURVEY_UNIT,
    )
