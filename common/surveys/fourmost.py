"""4MOST spectra in ESO's phase-3 layout: one table row with WAVE, FLUX and ERR_FLUX vectors.

See the ESO Science Data Products Standard. Vacuum, barycentric.
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
    native,
    stem,
)

NAME = "4MOST spectrum in the ESO phase-3 layout"


def _table(hdus):
    if "QMOST" not in str(hdus[0].header.get("INSTRUME", "")).upper():
        return None
    for hdu in hdus[1:]:
        if {"wave", "flux"} <= set(names_of(hdu)):
            return hdu
    return None


def recognise(hdus):
    """Return True for a file of the instrument QMOST with WAVE and FLUX columns."""
    return _table(hdus) is not None


def count(hdus):
    """Return the number of spectra."""
    return int(_table(hdus).header["NAXIS2"])


def _in_unit(path, table, values, name, unit):
    """Return a column's values in the wanted unit (as it is where the file names none)."""
    text = table.columns[names_of(table)[name.lower()]].unit
    if not text:
        return values
    try:
        return values * units.Unit(text).to(unit)
    except (ValueError, units.UnitConversionError):
        raise ReadError(
            path, f"column {name} in the unit {text!r}", f"a unit that converts to {unit}"
        ) from None


def read(path, hdus, *, rows=slice(None), grid=None):
    """Return the chosen rows as Spectra, flux in 1e-17 erg / (s cm2 Angstrom).

    Parameters
    ----------
    path : Path
        For messages and ids.
    hdus : astropy.io.fits.HDUList
    rows : slice
        Rows to read.
    grid
        Not used: the file has its own grid.

    Raises
    ------
    ReadError
        If a unit is not one of wavelength or flux density.
    """
    table, header = _table(hdus), hdus[0].header
    angstrom, density = units.Angstrom, units.Unit(SURVEY_UNIT)

    def get(name, unit):
        values = column(table, name, rows=rows)
        if values is None:
            return None
        return _in_unit(path, table, np.asarray(values, dtype=float), name, unit)

    wave = get("WAVE", angstrom)
    # Multiples of 1e-17: inverse variances would leave the range of float32 in plain erg.
    flux = get("FLUX", density)
    error = get("ERR_FLUX", density)
    if error is None:
        error = get("ERR", density)
    quality = column(table, "QUAL", rows=rows)
    ivar = None
    if error is not None:
        with np.errstate(divide="ignore", invalid="ignore"):
            ivar = np.where(np.isfinite(error) & (error > 0), 1.0 / error**2, 0.0)
        ivar = ivar.astype(np.float32)
    n = len(flux)
    name = header.get("OBJECT") or stem(path)
    label = {k: column(table, k, rows=rows) for k in ("CLASS", "SUBCLASS", "Z")}
    meta = make_meta(
        n,
        file=str(path),
        survey="fourmost",
        ra=header.get("RA"),
        dec=header.get("DEC"),
        snr=header.get("SNR", median_snr(flux, ivar) if ivar is not None else None),
        class_=label["CLASS"],
        subclass=label["SUBCLASS"],
        z=label["Z"],
    )
    one_grid = bool(np.all(wave == wave[:1]))
    flux = flux.astype(np.float32)
    mask = None if quality is None else native(quality) != 0
    return Spectra(
        wavelength=wave[0] if one_grid else list(wave),
        flux=flux if one_grid else list(flux),
        ivar=ivar if one_grid or ivar is None else list(ivar),
        mask=mask if one_grid or mask is None else list(mask),
        ids=[name] if n == 1 else [f"{name}-{i}" for i in range(count(hdus))[rows]],
        meta=meta,
        medium="vacuum",
        frame="barycentric",
        unit=SURVEY_UNIT,
    )
