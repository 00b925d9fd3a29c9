"""Tables of normalised DESI spectra: FLUX, VALID and Z per row on a log grid, 3600-9800 Å."""

from __future__ import annotations

import numpy as np

from common.spectra import Spectra
from common.surveys.cards import frame_of, medium_of
from common.surveys.columns import column, exact_ids, float32, make_meta, names_of, stem

NAME = "table of normalised DESI spectra (FLUX, VALID, Z)"
ALLOWED = "a table with vectors FLUX and VALID, and Z"
WAVE_MIN, WAVE_MAX = 3600.0, 9800.0  # Å


def _table(hdus):
    for hdu in hdus[1:]:
        if {"flux", "valid", "z"} <= set(names_of(hdu)):
            return hdu
    return None


def recognise(hdus):
    """Return True for a table with FLUX, VALID and Z."""
    return _table(hdus) is not None


def lacking(hdus):
    """Return what keeps a file that looks like such a table from being read, or None."""
    for hdu in hdus[1:]:
        missing = {"flux", "valid", "z"} - set(names_of(hdu))
        if len(missing) == 1 and "valid" not in missing:
            return f"no column {missing.pop().upper()}"
    return None


def count(hdus):
    """Return the number of spectra."""
    return int(_table(hdus).header["NAXIS2"])


def read(path, hdus, *, rows=slice(None), grid=None):
    """Return the chosen rows; pixels that are not VALID are masked and NaN.

    Arguments are those of every format, see `common.surveys.read`. Where the table names no
    targets, ids are "stem-row"; without a grid pixels are at equal steps in log wavelength from
    3600 to 9800 Å.
    """
    table = _table(hdus)
    headers = (hdus[0].header, table.header)
    flux = float32(column(table, "FLUX", rows=rows))
    valid = column(table, "VALID", rows=rows).astype(bool)
    flux[~valid] = np.nan
    n, n_pixels = flux.shape
    target = column(table, "TARGETID", rows=rows)
    meta = make_meta(
        n,
        file=str(path),
        survey="desi",
        z=column(table, "Z", rows=rows),
        class_=column(table, "SPECTYPE", "CLASS", rows=rows),
    )
    ids = [f"{stem(path)}-{i}" for i in range(count(hdus))[rows]]
    if target is not None:
        names = exact_ids(path, target, name="TARGETID")
        ids = [name or own for name, own in zip(names, ids, strict=True)]
    return Spectra(
        wavelength=np.geomspace(WAVE_MIN, WAVE_MAX, n_pixels) if grid is None else np.asarray(grid),
        flux=flux,
        ivar=None,
        mask=~valid,
        ids=ids,
        meta=meta,
        medium=medium_of(path, headers),
        frame=frame_of(path, headers, "barycentric"),
        unit="",  # divided by its continuum level: no unit left
    )
