"""Many SDSS spectra in one FITS table, a row each, on one wavelength grid.

Two forms: `flux` and `ivar` vectors with CLASS, SUBCLASS, PLATE, MJD, FIBERID, Z; and the
GaSNet-II authors' public tables with `int_flux` (3600 px) beside the same labels. The grid is
taken from the header (COEFF0, COEFF1: log10 Å; CRVAL1, CDELT1: Å), from a WAVELENGTH HDU or
column, or from the caller.
"""

from __future__ import annotations

import numpy as np

from common.errors import ReadError
from common.spectra import Spectra
from common.surveys.columns import (
    SURVEY_UNIT,
    column,
    float32,
    make_meta,
    median_snr,
    names_of,
    stem,
)
from common.surveys.sdss import sdss_ids

NAME = "table of SDSS spectra, one per row"
FLUX_NAMES = ("flux", "int_flux")
# The tables of DR16 spectra cut to the range that all of them cover carry no grid of their own:
# 4076 pixels, log10(wavelength / Å) = 3.5563 + 1e-4 i (3600-9200 Å).
DOCUMENTED_GRIDS = {4076: (3.5563, 1e-4)}


def _table(hdus):
    """Return the HDU that holds a vector of fluxes per row, or None."""
    for hdu in hdus[1:]:
        names = names_of(hdu)
        flux = next((names[n] for n in FLUX_NAMES if n in names), None)
        labels = {"plate", "mjd", "fiberid"} <= set(names) or {"z", "class"} <= set(names)
        if flux and labels and hdu.columns.dtype[flux].shape not in ((), (1,)):
            return hdu
    return None


def recognise(hdus):
    """Return True for a table with a flux vector and SDSS's names or labels in each row."""
    return _table(hdus) is not None


def count(hdus):
    """Return the number of spectra."""
    return int(_table(hdus).header["NAXIS2"])


def _grid(path, hdus, table, n_pixels, grid):
    """Return the wavelengths, ndarray of shape (n_pixels,), Å."""
    wavelength = None
    for header in (table.header, hdus[0].header):
        if "COEFF0" in header and "COEFF1" in header:
            wavelength = 10.0 ** (header["COEFF0"] + header["COEFF1"] * np.arange(n_pixels))
        elif "CRVAL1" in header and "CDELT1" in header:
            wavelength = header["CRVAL1"] + header["CDELT1"] * np.arange(n_pixels)
        if wavelength is not None:
            break
    if wavelength is None:
        found = next((h for h in hdus[1:] if h.name.upper() in ("WAVELENGTH", "WAVE")), None)
        if found is not None:
            values = found.data if found.is_image else column(found, *found.columns.names[:1])
            wavelength = np.asarray(values, dtype=float).ravel()
        else:
            values = column(table, "wavelength", "wave", rows=slice(0, 1))
            wavelength = None if values is None else np.asarray(values, dtype=float).ravel()
    if wavelength is None and grid is not None:
        wavelength = np.asarray(grid, dtype=float)
    if wavelength is None and n_pixels in DOCUMENTED_GRIDS:
        first, step = DOCUMENTED_GRIDS[n_pixels]
        wavelength = 10.0 ** (first + step * np.arange(n_pixels))
    allowed = "COEFF0 and COEFF1, or CRVAL1 and CDELT1, in the header, or a WAVELENGTH HDU"
    if wavelength is None:
        raise ReadError(
            path,
            f"{n_pixels} pixels per spectrum and no wavelength grid",
            allowed,
            "Give the grid yourself (--grid FIRST LAST PIXELS; in Python grid=, an array of "
            f"{n_pixels} vacuum wavelengths in Å), or add the keywords to the header.",
        )
    if len(wavelength) != n_pixels:
        raise ReadError(
            path,
            f"{n_pixels} pixels per spectrum and a grid of {len(wavelength)} wavelengths",
            f"a grid of {n_pixels} wavelengths",
            "Give the grid that belongs to this table.",
        )
    return wavelength


def read(path, hdus, *, rows=slice(None), grid=None):
    """Return the chosen rows on one grid: the file's, else the one given.

    Arguments are those of every format, see `common.surveys.read`.

    Raises
    ------
    ReadError
        If the file names no grid and none is given, or the grid has another length.
    """
    table = _table(hdus)
    flux = float32(column(table, *FLUX_NAMES, rows=rows))
    n = len(flux)
    flux = flux.reshape(n, int(np.prod(flux.shape[1:])))
    ivar = float32(column(table, "ivar", rows=rows))
    mask = column(table, "and_mask", "mask", rows=rows)

    def get(*names):
        return column(table, *names, rows=rows)

    snr = get("SN_MEDIAN_ALL", "SNR")
    if snr is None and ivar is not None:
        snr = median_snr(flux, ivar)
    parts = [get(name) for name in ("PLATE", "MJD", "FIBERID")]
    if any(part is None for part in parts):
        first = range(count(hdus))[rows]
        ids = [f"{stem(path)}-{i}" for i in first]
    else:
        ids = sdss_ids(*parts)
    meta = make_meta(
        n,
        file=str(path),
        survey="sdss",
        ra=get("PLUG_RA", "RA"),
        dec=get("PLUG_DEC", "DEC"),
        snr=snr,
        class_=get("CLASS"),
        subclass=get("SUBCLASS"),
        z=get("Z"),
        z_err=get("Z_ERR"),
        zwarn=get("ZWARNING", "ZWARN"),
        vdisp=get("VDISP"),
    )
    return Spectra(
        wavelength=_grid(path, hdus, table, flux.shape[1], grid),
        flux=flux,
        ivar=ivar,
        mask=None if mask is None else mask != 0,
        ids=ids,
        meta=meta,
        medium="vacuum",
        frame="heliocentric",
        unit=SURVEY_UNIT,
    )
