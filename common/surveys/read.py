"""Telling a file's format by its content, and reading it."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from common.errors import ReadError
from common.surveys import desi, desi_table, fourmost, lamost, sdss, sdss_table
from common.surveys.checks import faults
from common.surveys.fitsfile import open_fits

FORMATS = (lamost, sdss, desi, fourmost, desi_table, sdss_table)


def recognise(path, hdus):
    """Return the reader module of an open file.

    Raises
    ------
    ReadError
        If no reader knows the layout.
    """
    for reader in FORMATS:
        if reader.recognise(hdus):
            return reader
    layout = ", ".join(f"{i} {hdu.name or type(hdu).__name__}" for i, hdu in enumerate(hdus))
    if len(layout) > 200:
        layout = layout[:200] + " ..."
    raise ReadError(
        path,
        f"a FITS file without spectra in a known layout (HDUs: {layout})",
        "; ".join(reader.NAME for reader in FORMATS),
        "Convert the file to one of these.",
    )


def read(path, *, grid=None):
    """Read one survey file, whatever its format.

    Parameters
    ----------
    path : path-like
        An SDSS spec or spec-lite file, a table of SDSS spectra, a DESI co-add, a table of
        normalised DESI spectra, a 4MOST spectrum or table, or a LAMOST low-resolution spectrum;
        plain or gzipped. The format is told by the content, not by the name.
    grid : ndarray of shape (n_pixels,), optional
        Wavelengths in Å (vacuum) for tables that do not carry theirs.

    Returns
    -------
    Spectra
        Only spectra that can be used; a `UserWarning` counts those left out.

    Raises
    ------
    ReadError
        If the file is damaged, of another format, or holds nothing that can be used.
    """
    path = Path(path)
    with open_fits(path) as hdus:
        spectra = recognise(path, hdus).read(path, hdus, grid=grid)
    reasons = faults(spectra)
    bad = [reason for reason in reasons if reason]
    if len(bad) == len(reasons):
        raise ReadError(
            path,
            "; ".join(sorted(set(bad))) or "the file holds no spectra",
            "spectra with increasing wavelengths, finite flux and some ivar above zero",
            "Leave this file out or write it again.",
        )
    if not bad:
        return spectra
    counted = ", ".join(f"{bad.count(reason)}x {reason}" for reason in sorted(set(bad)))
    warnings.warn(f"{path}: {len(bad)} of {len(reasons)} spectra left out ({counted}).")
    return spectra[np.array([reason is None for reason in reasons])]
