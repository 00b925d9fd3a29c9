"""Mock spectra of LAMOST in the survey's own files: its table of vectors, many spectra a file."""

from __future__ import annotations

import numpy as np
from astropy.io import fits

from common.files import atomic_path
from common.mocks import lamost

FORMATS = {"obsid": "K", "ra": "D", "dec": "D", "z": "D", "class": "10A", "subclass": "10A"}
TEXT = ("class", "subclass")


def coadd_table(*, flux, ivar, rows):
    """Return LAMOST's table since DR8, but with one row for each of many spectra.

    Parameters
    ----------
    flux, ivar : ndarray of shape (n, lamost.PIXELS)
    rows : DataFrame
        obsid, ra, dec, z, class, subclass and further numbers: columns beside the vectors.

    Returns
    -------
    astropy.io.fits.BinTableHDU
        COADD: FLUX, IVAR, WAVELENGTH (Å, vacuum), ANDMASK, ORMASK, and the columns of `rows`.
    """
    vector = f"{lamost.PIXELS}E"
    bad = (ivar <= 0).astype(np.float32)
    wave = np.broadcast_to(lamost.grid().astype(np.float32), flux.shape)
    columns = [
        fits.Column(name, vector, array=array)
        for name, array in (("FLUX", flux), ("IVAR", ivar), ("WAVELENGTH", wave),
                            ("ANDMASK", bad), ("ORMASK", bad))
    ]  # fmt: skip
    columns += [
        fits.Column(name.upper(), FORMATS.get(name, "E"), array=rows[name].to_numpy())
        for name in rows
    ]
    table = fits.BinTableHDU.from_columns(columns, name="COADD", nrows=len(flux))
    table.header["COEFF0"] = (lamost.COEFF0, "log10 of the first wavelength (Angstrom)")
    table.header["COEFF1"] = (1e-4, "log10 step per pixel, vacuum")
    return table


def catalogue_table(frame, *, text=TEXT):
    """Return a table of a DataFrame, its text columns as fixed-width text."""
    record = frame.to_records(index=False)
    widths = {
        name: max(1, int(frame[name].astype(str).str.len().max())) for name in text if name in frame
    }
    kinds = [(k, f"U{widths[k]}" if k in widths else record.dtype[k]) for k in record.dtype.names]
    return fits.BinTableHDU(record.astype(kinds))


def write_mock(hdus, target, *, telescope="LAMOST"):
    """Write HDUs under a temporary name, mark them as a mock, move them into place.

    Parameters
    ----------
    hdus : list of HDUs
    target : path-like
    telescope : str
        As the header of the survey's own file says.

    Returns
    -------
    path-like
        The target.
    """
    primary = fits.PrimaryHDU()
    primary.header.update({"TELESCOP": telescope, "ORIGIN": "simulation", "DATA_V": "mock"})
    for hdu in (primary, hdus[0]):
        hdu.header["MOCK"] = (True, "simulated, not observed")
    with atomic_path(target) as temporary:
        fits.HDUList([primary, *hdus]).writeto(temporary, overwrite=True)
    return target
