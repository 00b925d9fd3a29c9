"""Gaia RVS mean spectra, as DataLink and the bulk download give them.

One row a pixel (DataLink: source_id, ra, dec, wavelength, flux, flux_error) or one row a source
(rvs_mean_spectrum: arrays of 2401 values on the grid below). Normalised to the continuum, vacuum,
rest frame (Gaia DR3 documentation, Sect. 6 and 20.10).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from astropy import units
from astropy.io import fits

from common.errors import ReadError, SuiteError
from common.files import atomic_path
from common.spectra import Spectra
from common.surveys.columns import make_meta, median_snr
from common.surveys.delimited import reject
from common.surveys.gaia_tables import read_gaia_table

N_PIXELS = 2401
XP_PIXELS = 343  # of XP_SAMPLED
WAVELENGTH = np.linspace(8460.0, 8700.0, N_PIXELS)  # Å, vacuum
GRID = f"{N_PIXELS} pixels from 846 to 870 nm, 0.01 nm apart"
TOLERANCE = 0.01  # Å, a tenth of a pixel
COLUMNS = ("source_id", "ra", "dec", "wavelength", "flux", "flux_error", "mock")


def read_rvs(path, *, rejects=None):
    """Read RVS mean spectra of one or many sources.

    Parameters
    ----------
    path : path-like
        csv, ecsv, FITS or VOTable, plain or gzipped; a row for each pixel or for each source.
    rejects : list of dict, optional
        Gets rows without a source_id and sources that have not 2401 pixels, as long as there are
        others; without it a warning counts them.

    Returns
    -------
    Spectra
        Of shape (n, 2401), wavelengths in Å (8460-8700), ids the source_id as text. Missing pixels
        are NaN, masked and of ivar 0. `meta` has ra and dec (deg), snr (median of flux over its
        error) and mock (True where the file says so).

    Raises
    ------
    ReadError
        If the file is damaged or lacks a column, a source comes twice, none has 2401 pixels, or
        the wavelengths are not those of RVS: Å where nm is claimed, among others.
    """
    table = read_gaia_table(
        path, need=("source_id", "flux", "flux_error"), want=COLUMNS, rejects=rejects
    )
    flux = table.columns["flux"]
    per_pixel = flux.ndim == 1 and flux.dtype.kind in "fiu"
    if _is_sampled_xp(table, per_pixel):
        raise table.error(
            "XP spectra sampled in wavelength (XP_SAMPLED: 343 pixels a source)",
            f"RVS spectra of {GRID}",
            "Fetch the product RVS; of XP, the product XP_CONTINUOUS, which read_xp takes.",
        )
    source_id, rows = _pixels(table, rejects) if per_pixel else (table.ids(), None)

    def get(name):
        if per_pixel:
            return table.numbers(name)[rows].reshape(-1, N_PIXELS)
        return table.vectors(name, N_PIXELS)

    if "wavelength" in table:
        _check_wavelength(table, get("wavelength"))
    flux, error = get("flux"), get("flux_error")
    first = slice(None) if rows is None else rows[::N_PIXELS]
    bad = ~np.isfinite(flux)
    with np.errstate(divide="ignore", invalid="ignore"):
        ivar = np.where(~bad & np.isfinite(error) & (error > 0), error**-2.0, 0.0)
    n = len(source_id)
    return Spectra(
        wavelength=WAVELENGTH,
        flux=np.where(bad, np.nan, flux).astype(np.float32),
        ivar=ivar.astype(np.float32),
        mask=bad,
        ids=source_id.astype(str),
        meta=make_meta(
            n,
            file=str(table.path),
            survey="gaia",
            ra=table.numbers("ra")[first],
            dec=table.numbers("dec")[first],
            snr=median_snr(flux, ivar),
            mock=np.nan_to_num(table.numbers("mock")[first]).astype(bool),
        ),
        medium="vacuum",
        frame="rest",
        unit="",  # divided by its continuum
    )


def _is_sampled_xp(table, per_pixel):
    """Return whether a table of source_id and flux is that of XP, whose columns are the same."""
    if per_pixel:
        return bool(np.all(np.bincount(pd.factorize(table.ids(unique=False))[0]) == XP_PIXELS))
    try:
        return bool(np.isfinite(table.vectors("flux", XP_PIXELS)).any())
    except ReadError:
        return False


def _pixels(table, rejects):
    """Return each source once, and the rows of its pixels in order of wavelength, (n x 2401,)."""
    if "wavelength" not in table:
        raise table.error("one row for each pixel and no column wavelength", "a column wavelength")
    code, source_id = pd.factorize(table.ids(unique=False))
    counts = np.bincount(code)
    good = counts == N_PIXELS
    bad = np.flatnonzero(~good)
    if bad.size:
        number = int(counts[bad[0]])
        twice = " (it comes more than once)" if number % N_PIXELS == 0 else ""
        if not good.any():
            raise table.error(
                f"source {source_id[bad[0]]} has {number} pixels{twice}, as {bad.size} of "
                f"{len(source_id)} sources do not have {N_PIXELS}",
                f"{GRID}, for each source once",
            )
        reject(rejects, table.path, source_id[bad], f"RVS: not {N_PIXELS} pixels{twice}")
    order = np.lexsort((table.numbers("wavelength"), code))
    return np.asarray(source_id)[good], order[good[code[order]]]


def _check_wavelength(table, wavelength):
    """Raise where wavelengths of shape (n, 2401), in the file's unit, are not those of RVS."""
    text = table.units.get("wavelength", "")
    try:
        factor = units.Unit(text or "nm").to(units.Angstrom)
    except (ValueError, units.UnitConversionError):
        raise table.error(
            f"wavelengths in the unit {text!r}", "nm or Angstrom", "Correct the unit in the file."
        ) from None
    known = wavelength[np.isfinite(wavelength).any(axis=1)]  # an array per source may be missing
    if np.all(np.abs(known * factor - WAVELENGTH) < TOLERANCE):
        return
    low, high = np.nanmin(known), np.nanmax(known)
    if np.isclose(factor, 10) and 8000 < low < high < 9000:
        raise table.error(
            f"wavelengths from {low:g} to {high:g} in a column "
            f"{'whose unit is nm' if text else 'without a unit'}: these are Å, not nm",
            "846 to 870 in nm, or a column whose unit is said to be Angstrom",
            "Divide by 10, or write the unit into the file.",
        )
    raise table.error(f"wavelengths from {low:g} to {high:g} {text or 'nm'}", GRID)


def rvs_array(spectra, *, max_nan=0.01):
    """Return spectra as the network takes them: missing pixels at the continuum.

    Parameters
    ----------
    spectra : Spectra
        RVS spectra on the survey's grid, as `read_rvs` returns them.
    max_nan : float
        Largest share of missing pixels (default; not from a paper).

    Returns
    -------
    flux : ndarray of shape (n, 2401), float32
        1.0 where a pixel is missing.
    reasons : list of (str or None), length n
        Why a spectrum is not to be used, or None.

    Raises
    ------
    SuiteError
        If the spectra are on another grid.
    """
    if spectra.is_ragged or not (
        len(spectra.wavelength) == N_PIXELS
        and np.allclose(spectra.wavelength, WAVELENGTH, atol=TOLERANCE, rtol=0)
    ):
        raise SuiteError(f"These are no Gaia RVS spectra. Allowed: {GRID} (vacuum, rest frame).")
    flux = np.array(spectra.flux, dtype=np.float32)
    bad = ~spectra.informative(slice(None))
    if spectra.mask is not None:
        bad |= np.asarray(spectra.mask, dtype=bool)
    flux[bad] = 1.0
    reasons = [
        f"{share:.1%} of the pixels are missing (at most {max_nan:.1%})"
        if share > max_nan
        else None
        for share in bad.mean(axis=1)
    ]
    return flux, reasons


def write_rvs(path, *, source_id, flux, flux_error, ra=None, dec=None, mock=False):
    """Write spectra in the layout of Gaia's rvs_mean_spectrum: FITS, one row a source.

    Parameters
    ----------
    path : path-like
    source_id : array-like of int, shape (n,)
    flux, flux_error : array-like of shape (n, 2401)
        Normalised; NaN where missing.
    ra, dec : array-like of shape (n,), optional
        Degrees.
    mock : bool or array-like of bool, shape (n,)
        True for spectra that were not observed; the reader passes it on.

    Raises
    ------
    SuiteError
        If shapes disagree, an id is repeated, or the disk is full.
    """
    source_id = np.asarray(source_id, dtype=np.int64)
    n = len(source_id)
    flux, flux_error = (np.asarray(v, dtype=np.float32) for v in (flux, flux_error))
    if flux.shape != (n, N_PIXELS) or flux_error.shape != (n, N_PIXELS):
        raise SuiteError(
            f"flux and flux_error must have the shape ({n}, {N_PIXELS}). "
            f"Received {flux.shape} and {flux_error.shape}."
        )
    if len(np.unique(source_id)) < n:
        raise SuiteError("Each source_id may come once in a file of RVS spectra.")
    position = [np.full(n, np.nan) if v is None else np.asarray(v, dtype=float) for v in (ra, dec)]
    columns = [
        fits.Column("source_id", "K", array=source_id),
        fits.Column("ra", "D", unit="deg", array=position[0]),
        fits.Column("dec", "D", unit="deg", array=position[1]),
        fits.Column("flux", f"{N_PIXELS}E", array=flux),
        fits.Column("flux_error", f"{N_PIXELS}E", array=flux_error),
        fits.Column("mock", "I", array=np.broadcast_to(mock, n).astype(np.int16)),
    ]
    primary = fits.PrimaryHDU()
    primary.header["MOCK"] = (bool(np.any(mock)), "T where spectra were not observed")
    table = fits.BinTableHDU.from_columns(columns, name="RVS_MEAN_SPECTRUM")
    with atomic_path(path) as temporary:
        fits.HDUList([primary, table]).writeto(temporary)
