"""Many SDSS spectra in one FITS table, a row each.

Three forms: `flux` and `ivar` vectors with CLASS, SUBCLASS, PLATE, MJD, FIBERID, Z; the GaSNet-II
authors' public tables with `int_flux` (3600 px) beside the same labels; and SDSS-V's mwmStar and
mwmVisit, with a table for each telescope (https://data.sdss.org/datamodel). The wavelengths are
those of a column (wavelength, wave, loglam: of each row its own), else of a WAVELENGTH HDU, of the
header (COEFF0, COEFF1; CRVAL1, CDELT1, CRPIX1; without the digit in SDSS-V), or from the caller.
"""

from __future__ import annotations

import numpy as np

from common.errors import ReadError
from common.spectra import Spectra
from common.surveys.cards import card, grid_of, in_frame, medium_of, number
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
from common.surveys.sdss import sdss_ids
from common.surveys.units import angstrom

NAME = "table of SDSS spectra, one per row"
ALLOWED = (
    "a table with vectors of flux beside PLATE, MJD, FIBERID, or CLASS and Z, or loglam and ivar"
)
LABELS = ({"plate", "mjd", "fiberid"}, {"z", "class"}, {"loglam", "ivar"})
FLUX_NAMES = ("flux", "int_flux")
WAVE_NAMES = ("wavelength", "wave", "loglam")
# The tables of DR16 spectra cut to the range that all of them cover carry no grid of their own:
# 4076 pixels, log10(wavelength / Å) = 3.5563 + 1e-4 i (3600-9200 Å).
DOCUMENTED_GRIDS = {4076: (3.5563, 1e-4)}
ASTRA = "BOSS/"  # SDSS-V's tables of spectra, shifted to the rest frame: BOSS/APO, BOSS/LCO


def _tables(hdus):
    """Return the HDUs that hold a vector of fluxes per row."""
    found = []
    for hdu in hdus[1:]:
        names = names_of(hdu)
        flux = next((names[n] for n in FLUX_NAMES if n in names), None)
        known = any(some <= set(names) for some in LABELS) or hdu.name.upper().startswith(ASTRA)
        if "andmask" in names:
            continue  # LAMOST's name for and_mask
        if flux and known and hdu.columns.dtype[flux].shape not in ((), (1,)):
            found.append(hdu)
    return found


def _rows(table):
    return int(table.header["NAXIS2"])


def recognise(hdus):
    """Return True for a table with a flux vector and SDSS's names or labels in each row."""
    return bool(_tables(hdus))


def lacking(hdus):
    """Return what keeps a file that looks like such a table from being read, or None."""
    for hdu in hdus[1:]:
        names = names_of(hdu)
        flux = next((names[n] for n in FLUX_NAMES if n in names), None)
        if flux is None:
            continue
        vectors_of = hdu.columns.dtype[flux].shape not in ((), (1,))
        parts = [sorted(some - set(names)) for some in LABELS]
        least = min(parts, key=len)
        if vectors_of and len(least) == 1:
            return f"no column {least[0].upper()}"
        if not vectors_of and not least and LABELS[2] - set(names):
            return f"one value a row in the column {flux}, where a spectrum is due"
    return None


def count(hdus):
    """Return the number of spectra."""
    return sum(_rows(table) for table in _tables(hdus))


def _shared(wavelength):
    """Return one grid where all rows have the same, else a list of grids."""
    if isinstance(wavelength, list) or not len(wavelength):
        return wavelength
    return wavelength[0] if np.all(wavelength == wavelength[:1]) else list(wavelength)


def _grid(path, hdus, table, rows, n_pixels):
    """Return the wavelengths that a file gives, Å: one grid, a list of grids, or None."""
    name = next((name for name in WAVE_NAMES if name in names_of(table)), None)
    values = None if name is None else vectors(table, name, rows=rows)
    if values is not None and len(values) and len(values[0]) > 1:
        unit, log = unit_of(table, name), name == "loglam"
        if isinstance(values, list):
            return [angstrom(path, row, unit, where="TUNIT", log=log) for row in values]
        return _shared(angstrom(path, values, unit, where="TUNIT", log=log))
    found = next((h for h in hdus[1:] if h.name.upper() in ("WAVELENGTH", "WAVE")), None)
    if found is not None:
        first = None if found.is_image else found.columns.names[0]
        values = found.data if found.is_image else column(found, first)
        unit = found.header.get("BUNIT") if found.is_image else unit_of(found, first)
        values = angstrom(path, values, unit, where="the unit of HDU WAVELENGTH")
        if values.ndim == 2 and len(values) == _rows(table) and values.shape[1] == n_pixels:
            return _shared(values[rows])  # an image with a row for each spectrum
        return values.ravel()
    return grid_of(path, (table.header, hdus[0].header), n_pixels)


def _wavelength(path, hdus, table, rows, n_pixels, grid):
    """Return the wavelengths of some rows, Å: one grid or a list of grids."""
    wavelength = _grid(path, hdus, table, rows, n_pixels)
    if wavelength is None and grid is not None:
        wavelength = np.asarray(grid, dtype=float)
    if wavelength is None and n_pixels in DOCUMENTED_GRIDS:
        first, step = DOCUMENTED_GRIDS[n_pixels]
        wavelength = 10.0 ** (first + step * np.arange(n_pixels))
    if wavelength is None:
        raise ReadError(
            path,
            f"{n_pixels} pixels per spectrum and no wavelength grid",
            "COEFF0 and COEFF1, or CRVAL1 and CDELT1, in the header, or a WAVELENGTH HDU or column",
            "Give the grid yourself (--grid FIRST LAST PIXELS; in Python grid=, an array of "
            f"{n_pixels} vacuum wavelengths in Å), or add the keywords to the header.",
        )
    if not isinstance(wavelength, list) and len(wavelength) != n_pixels:
        raise ReadError(
            path,
            f"{n_pixels} pixels per spectrum and a grid of {len(wavelength)} wavelengths",
            f"a grid of {n_pixels} wavelengths",
            "Give the grid that belongs to this table.",
        )
    return wavelength


def read(path, hdus, *, rows=slice(None), grid=None):
    """Return the chosen rows on the grids of the file, else on the one given.

    Arguments are those of every format, see `common.surveys.read`.

    Raises
    ------
    ReadError
        If the file names no grid and none is given, or the grid has another length.
    """
    tables, parts, before = _tables(hdus), [], 0
    wanted = range(count(hdus))[rows]
    for table in tables:
        start, stop = (min(max(i - before, 0), _rows(table)) for i in (wanted.start, wanted.stop))
        if stop > start or len(tables) == 1:
            parts.append(_read(path, hdus, table, slice(start, stop), grid, before))
        before += _rows(table)
    return parts[0] if len(parts) == 1 else Spectra.concatenate(parts)


def _ids(path, hdus, table, rows, before):
    """Return plate-mjd-fiber, SDSS-V's id (with the row where one comes again), or the row."""
    parts = [column(table, name, rows=rows) for name in ("PLATE", "MJD", "FIBERID")]
    numbers = np.arange(_rows(table))
    if all(part is not None for part in parts):
        ids = [f"{stem(path)}-{before + i}" for i in numbers[rows]]
        parts = np.array([[number(value) for value in part] for part in parts])
        known = np.flatnonzero((np.isfinite(parts) & (parts >= 0)).all(axis=0))
        for i, name in zip(known, sdss_ids(*parts[:, known]), strict=True):
            ids[i] = str(name)
        return ids
    every = column(table, "sdss_id")
    target = card((table.header, hdus[0].header), "SDSS_ID")
    if every is None and target is not None:
        every = np.full(len(numbers), target)
    ids = np.full(len(numbers), "") if every is None else exact_ids(path, every, name="sdss_id")
    again = {name for name, n in zip(*np.unique(ids, return_counts=True), strict=True) if n > 1}
    again |= set(ids) if before else set()
    return [
        ids[i] if ids[i] and ids[i] not in again else f"{ids[i] or stem(path)}-{before + i}"
        for i in numbers[rows]
    ]


def _read(path, hdus, table, rows, grid, before):
    """Return some rows of one table, behind so many of the tables before."""
    flux, ivar, mask = (
        vectors(table, *names, rows=rows)
        for names in (FLUX_NAMES, ("ivar",), ("and_mask", "mask", "pixel_flags"))
    )
    n = len(flux)
    ragged = isinstance(flux, list)
    n_pixels = len(flux[0]) if n else 0 if ragged else flux.shape[1]
    wavelength = _wavelength(path, hdus, table, rows, n_pixels, grid)

    def fitting(values, make):
        """Return values as the wavelengths are: an array, or a list of rows."""
        if values is None:
            return None
        if ragged or isinstance(wavelength, list) or isinstance(values, list):
            return [make(row) for row in values]
        return make(values)

    flux, ivar = fitting(flux, float32), fitting(ivar, float32)
    mask = fitting(mask, lambda values: values != 0)
    if isinstance(flux, list) and not isinstance(wavelength, list):
        wavelength = [wavelength] * n

    def get(*names):
        return column(table, *names, rows=rows)

    snr = get("SN_MEDIAN_ALL", "SNR")
    if snr is None and ivar is not None:
        snr = median_snr(flux, ivar)
    headers = (table.header, hdus[0].header)
    frame = "rest" if table.name.upper().startswith(ASTRA) else "heliocentric"
    wavelength, frame = in_frame(path, headers, wavelength, frame)
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
        wavelength=wavelength,
        flux=flux,
        ivar=ivar,
        mask=mask,
        ids=_ids(path, hdus, table, rows, before),
        meta=meta,
        medium=medium_of(path, headers),
        frame=frame,
        unit=SURVEY_UNIT,
        mask_is_warning=True,
    )
