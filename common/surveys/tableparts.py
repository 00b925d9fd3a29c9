"""The tables in a file as columns, whatever its format: text, ecsv, FITS or VOTable."""

from __future__ import annotations

import io
import warnings
from functools import partial

import numpy as np
from astropy.io.votable import parse as parse_votable

from common.errors import ReadError
from common.surveys.bounded import open_gzip
from common.surveys.cards import card
from common.surveys.columns import column, names_of
from common.surveys.delimited import ALLOWED, REMEDY, UTF16, read_text
from common.surveys.fitsfile import BAD_GZIP, FITS_START, GZIP_START, bad_gzip, open_fits

UNZIP = "Unpack an archive (zip, tar) first; fetch anything else again."
FITS_ENDINGS = (".fits", ".fit")
BOM = b"\xef\xbb\xbf"
ID_CARDS = ("SOURCEID", "SOURCE_ID")  # of DataLink's files of one source
START = 200  # bytes that tell the format


def parts_of(path, keep=None, texts=(), rejects=None):
    """Return [(columns, units, names of all columns)] of the tables in a file.

    Parameters
    ----------
    path : Path
    keep : container of str, optional
        Lower-case names of columns; by default all.
    texts : container of str
        Columns of a text that stay text.
    rejects : list of dict, optional
        As of `common.surveys.delimited.reject`.

    Raises
    ------
    ReadError
        If the file is missing, damaged, empty or of another format.
    """
    opened, start = text_of(path)
    if opened is None:
        return _fits(path, keep)
    start = start if start[:2] in UTF16 else start.removeprefix(BOM).lstrip()
    try:
        if start.startswith((b"<?xml", b"<VOTABLE")):
            with opened() as file:
                return _votable(file.read(), keep)
        if start[:2] not in UTF16 and (start.startswith(b"<") or b"\0" in start):
            raise ReadError(
                path, f"the file is no table: it starts with {start[:20]}", ALLOWED, UNZIP
            )
        columns, units, names, meta = read_text(path, opened, keep, texts, rejects)
        said = {str(k).upper(): v for k, v in meta.items()}
        said = next((said[name] for name in ID_CARDS if name in said), None)
        return [_with_id(columns, units, names, said)]
    except ReadError:
        raise
    except BAD_GZIP as error:
        raise bad_gzip(path, error, ALLOWED, REMEDY) from None
    except Exception as error:  # the parsers raise nearly every kind on damaged files
        text = " ".join(str(error).split())[:300] or type(error).__name__
        raise ReadError(
            path, f"the file is damaged or truncated ({text})", ALLOWED, REMEDY
        ) from error


def text_of(path):
    """Return what opens a text, and its first bytes; None for FITS (by content or name).

    A gzipped file is unpacked as it is read.

    Raises
    ------
    ReadError
        If the file is missing, empty, no whole gzip file or gzipped twice.
    """
    try:
        with open(path, "rb") as file:
            start = file.read(START)
        opened = partial(open, path, "rb")
        fits_name = path.name.removesuffix(".gz").lower().endswith(FITS_ENDINGS)
        if start.startswith(FITS_START) or (fits_name and start):
            return None, start
        if start[:2] == GZIP_START:
            opened = partial(open_gzip, path)
            with opened() as file:
                start = file.read(START)
            if start.startswith(FITS_START):
                return None, start
            if start[:2] == GZIP_START:
                raise ReadError(path, "the file is gzipped twice", ALLOWED, "Unpack it once.")
    except BAD_GZIP as error:
        raise bad_gzip(path, error, ALLOWED, REMEDY) from None
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        why = "there is no such file" if missing else error.strerror
        raise ReadError(
            path, f"the file cannot be read ({why})", ALLOWED, "Check the path."
        ) from None
    if not start.strip() and len(start) < START:
        raise ReadError(path, "the file is empty", ALLOWED, REMEDY)
    return opened, start


def _fits(path, keep):
    parts = []
    with open_fits(path) as hdus:
        for hdu in hdus[1:]:
            names = [n for n in names_of(hdu) if keep is None or n in keep]
            columns = {name: _masked(hdu, name, column(hdu, name)) for name in names}
            units = {n: hdu.columns[names_of(hdu)[n]].unit for n in names}
            # Arrays of their own: the file is unmapped on leaving.
            copies = {name: values.copy() for name, values in columns.items()}
            said = card([hdu.header], *ID_CARDS)
            parts.append(_with_id(copies, _known(units), list(names_of(hdu)), said))
    return parts


def _with_id(columns, units, names, said):
    """Return a table of one source, whose id stands beside it, with a column source_id."""
    if said is not None and "source_id" not in (name.lower() for name in names):
        names = [*names, "source_id"]
        if columns:
            n = len(next(iter(columns.values())))
            columns = columns | {"source_id": np.full(n, str(said), dtype=object)}
    return columns, units, names


def _masked(hdu, name, values):
    described = hdu.columns[names_of(hdu)[name]]
    if described.null is None or values.dtype.kind not in "iu":
        return values
    return np.ma.masked_equal(values, described.null + int(described.bzero or 0))


def _votable(content, keep):
    parts = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the archive's files are not valid to the letter
        tables = list(parse_votable(io.BytesIO(content), verify="ignore").iter_tables())
        for one in tables:
            table = one.to_table()
            columns = {n.lower(): np.ma.asarray(table[n]) for n in table.colnames}
            # A table of one source may name it once, as a parameter.
            for param in one.params:
                if param.name and np.ndim(param.value) == 0:
                    columns.setdefault(param.name.lower(), np.full(len(table), param.value))
            units = {n.lower(): str(table[n].unit or "") for n in table.colnames}
            kept = {n: v for n, v in columns.items() if keep is None or n in keep}
            parts.append((kept, _known(units), list(columns)))
    return parts


def _known(units):
    return {name: unit for name, unit in units.items() if unit}
