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
    apstar,
    aspcap,
    desi,
    desi_spectra,
    desi_table,
    fourmost,
    lamost,
    lamost_single,
    matrix,
    moons,
    sdss,
    sdss_table,
    shards,
)
from common.surveys.checks import faults
from common.surveys.columns import names_of
from common.surveys.fitsfile import content_of, open_fits, translated
from common.surveys.quick import quick_hdus
from common.surveys.tablekinds import kind_of, lacking, other_of

FORMATS = (
    lamost,
    desi_spectra,
    desi,
    fourmost,
    moons,
    desi_table,
    sdss_table,
    apstar,
    aspcap,
    matrix,
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
    _tell_broken(path, hdus, content)
    layout = ", ".join(f"{i} {hdu.name or type(hdu).__name__}" for i, hdu in enumerate(hdus))
    if len(layout) > 200:
        layout = layout[:200] + " ..."
    raise ReadError(
        path,
        f"a FITS file without spectra in a known layout (HDUs: {layout})",
        "; ".join(reader.NAME for reader in (sdss, *FORMATS)),
        "Convert the file to one of these.",
    )


def _tell_broken(path, hdus, content):
    """Raise where a file is a survey's and broken, or a table without spectra."""
    broken = [(reader, reader.lacking(hdus)) for reader in FORMATS if hasattr(reader, "lacking")]
    # LAMOST's table is named COADD as well.
    broken.insert(1, (sdss, sdss.lacking(quick_hdus(content)) if content is not None else None))
    tables = [names for names in map(names_of, hdus) if names]
    kind = next((kind for kind in map(kind_of, tables) if kind), None)
    for reader, lacks in broken:
        if lacks and not kind:
            raise ReadError(
                path, f"a broken {reader.NAME}: {lacks}", reader.ALLOWED, "Fetch the file again."
            )
    other = next((other for other in map(other_of, tables) if other), None)
    allowed = "files of spectra"
    if kind:
        raise ReadError(path, f"a table: {kind.name}", allowed, f"It is read by {kind.reader}.")
    if other:
        raise ReadError(path, f"a {other.name}", allowed, "Name the files with the spectra.")
    near = next((near for near in map(lacking, tables) if near), None)
    if near:
        raise ReadError(
            path, f"a broken table, {near[0].name}: no column {', '.join(near[1])}", allowed,
            "Fetch the file again.",
        )  # fmt: skip


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
