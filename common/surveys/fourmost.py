"""4MOST spectra in ESO's phase-3 layout: table rows with WAVE, FLUX and ERR_FLUX vectors.

ESO keeps one spectrum per file (see its Science Data Products Standard). Read as well: many
rows in one PHASE3SPECTRUM table with OBJECT, CLASS, Z and SNR, whose common wavelengths stand in
an HDU named WAVE. Vacuum, barycentric.
"""

from __future__ import annotations

import numpy as np
from astropy import units

from common.errors import ReadError
from common.spectra import Spectra
from common.surveys.columns import (
    SURVEY_UNIT,
    column,
    make_meta,
    median_snr,
    names_of,
    stem,
)

NAME = "4MOST spectrum in the ESO phase-3 layout"
ESO_UNIT = "erg / (s cm2 Angstrom)"  # of fluxes, where a file names no unit


def _table(hdus):
    qmost = "QMOST" in str(hdus[0].header.get("INSTRUME", "")).upper()
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


def _column(path, hdu, name, unit, default, *, dtype, rows=slice(None)):
    """Return a column in the wanted unit, or None; where the file names none, `default` holds."""
    values = column(hdu, name, rows=rows)
    if values is None:
        return None
    text = hdu.columns[names_of(hdu)[name.lower()]].unit or default
    try:
        factor = units.Unit(text).to(unit)
    except (ValueError, units.UnitConversionError):
        raise ReadError(
            path,
            f"column {name} in the unit {text!r}",
            f"a unit that converts to {unit}",
            "Correct TUNIT in the header.",
        ) from None
    return values.astype(dtype) * dtype(factor)


def _wavelength(path, hdus, table, rows):
    """Return one grid (p,), or a list of grids where the rows have different ones, Å."""
    common = _wave_hdu(hdus)
    hdu, rows = (table, rows) if common is None else (common, slice(None))
    wave = _column(path, hdu, "WAVE", units.Angstrom, "Angstrom", dtype=np.float64, rows=rows)
    if common is not None:
        return wave.ravel()
    if np.all(wave == wave[:1]):
        return wave[0] if len(wave) else np.zeros(wave.shape[1])
    return list(wave)


def read(path, hdus, *, rows=slice(None), grid=None):
    """Return the chosen rows, flux in 1e-17 erg / (s cm2 Angstrom).

    Arguments are those of every format, see `common.surveys.read`.

    Raises
    ------
    ReadError
        If a unit is not one of wavelength or flux density.
    """
    table, header = _table(hdus), hdus[0].header
    density = units.Unit(SURVEY_UNIT)

    def get(name):
        # In multiples of 1e-17: inverse variances in plain erg would near float32's limits.
        return _column(path, table, name, density, ESO_UNIT, dtype=np.float32, rows=rows)

    flux = get("FLUX")
    error = get("ERR_FLUX")
    error = get("ERR") if error is None else error
    ivar = None
    if error is not None:
        with np.errstate(divide="ignore", invalid="ignore"):
            ivar = np.where(np.isfinite(error) & (error > 0), 1 / error**2, np.float32(0))
    quality = column(table, "QUAL", rows=rows)
    mask = None if quality is None else quality != 0
    n, one = len(flux), count(hdus) == 1
    snr = column(table, "SNR", rows=rows)
    if snr is None:
        snr = header.get("SNR") if one else None
    if snr is None and ivar is not None:
        snr = median_snr(flux, ivar)
    ids = column(table, "OBJECT", rows=rows)
    if ids is None:
        name = header.get("OBJECT") or stem(path)
        ids = [name] if one else [f"{name}-{i}" for i in range(count(hdus))[rows]]
    ra, dec = column(table, "RA", rows=rows), column(table, "DEC", rows=rows)
    meta = make_meta(
        n,
        file=str(path),
        survey="fourmost",
        ra=header.get("RA") if ra is None else ra,
        dec=header.get("DEC") if dec is None else dec,
        snr=snr,
        class_=column(table, "CLASS", rows=rows),
        subclass=column(table, "SUBCLASS", rows=rows),
        z=column(table, "Z", rows=rows),
    )
    wavelength = _wavelength(path, hdus, table, rows)
    ragged = isinstance(wavelength, list)
    return Spectra(
        wavelength=wavelength,
        flux=list(flux) if ragged else flux,
        ivar=list(ivar) if ragged and ivar is not None else ivar,
        mask=list(mask) if ragged and mask is not None else mask,
        ids=ids,
        meta=meta,
        medium="vacuum",
        frame="barycentric",
        unit=SURVEY_UNIT,
    )
