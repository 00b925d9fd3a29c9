"""Telling a file's format by its content, and reading it.

A format is a module beside this one that has

- `NAME`: what messages call it;
- `recognise(hdus)`: whether an open file is of the format;
- `count(hdus)`: its number of spectra;
- `read(path, hdus, *, rows=slice(None), grid=None)`: the chosen rows as `Spectra`. `path` is for
  messages, ids and what lies beside the file; `grid` (Å, vacuum) is for files that name no
  wavelengths, and not used by others.

and may have

- `lacking(hdus)` and `ALLOWED`: what keeps a file that looks like the format's from being read, or
  None, and what would be: a broken file is told as what it is;
- `belongs_to(path, hdus)`: the file by whose name this one's spectrum is read, or None;
- `single(path, hdus)`: the spectrum of a file that holds one, as `common.surveys.single.Single`.

Wavelengths, units, medium, frame and ids come from `common.surveys.cards`, `.units` and `.columns`.

`hdus` is an `astropy.io.fits.HDUList`, or a list of `QuickHDU` for those of `SINGLE`; a `Shard` for
`shards`, which is told by its first bytes.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from common.errors import ReadError
from common.surveys import (
    aspcap,
    desi,
    desi_table,
    fourmost,
    lamost,
    lamost_single,
    moons,
    sdss,
    sdss_table,
    shards,
)
from common.surveys.checks import faults
from common.surveys.fitsfile import content_of, open_fits, translated
from common.surveys.quick import quick_hdus

FORMATS = (
    lamost,
    desi,
    fourmost,
    moons,
    desi_table,
    sdss_table,
    aspcap,
)
SINGLE = (sdss, lamost_single)  # looked at first: of one spectrum a file, by the light view


@contextmanager
def open_survey(path):
    """Open a survey file.

    Parameters
    ----------
    path : path-like

    Yields
    ------
    module, hdus
        The reader that knows the file's layout, and what its functions take.

    Raises
    ------
    ReadError
        If the file is damaged or no reader knows its layout.
    """
    if shards.is_shard(path):
        yield shards, shards.Shard(path)
        return
    content = content_of(path)
    if content is not None:
        with translated(path):
            quick = quick_hdus(content)
            own = next((one for one in SINGLE if one.recognise(quick)), None)
            if own:
                yield own, quick
        if own:
            return
    with open_fits(path, content) as hdus:
        yield _recognise(path, hdus, content), hdus


def _recognise(path, hdus, content):
    """Return the reader module of an open file."""
    for reader in FORMATS:
        if reader.recognise(hdus):
            return reader
    if any(hdu.header.get("ZTABLE") for hdu in hdus):
        raise ReadError(path, "tables compressed by fpack", "tables as they are", "Run funpack.")
    # What looks like a survey's file, and is broken, is told as that.
    lacking = sdss.lacking(quick_hdus(content)) if content is not None else None
    others = [(reader, reader.lacking(hdus)) for reader in (desi, fourmost, moons)]
    for reader, lacks in [(sdss, lacking), *others]:
        if lacks:
            raise ReadError(
                path, f"a broken {reader.NAME}: {lacks}", reader.ALLOWED, "Fetch the file again."
            )
    layout = ", ".join(f"{i} {hdu.name or type(hdu).__name__}" for i, hdu in enumerate(hdus))
    if len(layout) > 200:
        layout = layout[:200] + " ..."
    raise ReadError(
        path,
        f"a FITS file without spectra in a known layout (HDUs: {layout})",
        "; ".join(reader.NAME for reader in (sdss, *FORMATS)),
        "Convert the file to one of these.",
    )


def read(path, *, grid=None):
    """Read one survey file, whatever its format.

    Parameters
    ----------
    path : path-like
        An SDSS spec or spec-lite file, a table of SDSS spectra, a DESI co-add, a table of
        normalised DESI spectra, a 4MOST spectrum or table, a MOONS1D spectrum, a LAMOST
        low-resolution spectrum, or an APOGEE aspcapStar spectrum; plain or gzipped. The format is
        told by the content, not by the name.
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
    with open_survey(path) as (reader, hdus):
        spectra = reader.read(path, hdus, grid=grid)
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
