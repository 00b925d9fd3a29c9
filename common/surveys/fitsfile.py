"""Opening FITS files so that every kind of damage ends in one clear `ReadError`."""

from __future__ import annotations

import gzip
import io
import mmap
import os
import zlib
from contextlib import contextmanager
from pathlib import Path

from astropy.io import fits

from common.errors import ReadError, short
from common.surveys.quick import BLOCK, CARD, SPARE, quick_hdus

FITS_START = b"SIMPLE  ="
GZIP_START = b"\x1f\x8b"
SMALL = 16 * 2**20  # bytes; a larger plain file is mapped into memory instead of read
PIECE = 2**20  # default: bytes of a file of several parts that are unpacked at a time
UNPACKED = 100  # default: times a gzip file's size, beside `SPARE`, that are unpacked
ALLOWED = "a complete FITS file, plain or compressed with gzip"
REMEDY = "Fetch or write the file again."
ODD = 20  # default: lines that are no cards; astropy warns of each
BAD_GZIP = (EOFError, gzip.BadGzipFile, zlib.error)


def bad_gzip(path, error, allowed, remedy):
    """Return the `ReadError` for one of `BAD_GZIP`."""
    return ReadError(path, f"the gzip stream is damaged or truncated ({error})", allowed, remedy)


def unzipped(path, file):
    """Return what an open gzip file unpacks to.

    Raises
    ------
    ReadError
        If it unpacks to far more than any spectra do, or to another gzip file.
    """
    most = SPARE + UNPACKED * os.fstat(file.fileno()).st_size
    stream = zlib.decompressobj(wbits=31)
    content = stream.decompress(file.read(), most + 1)
    size = len(content)
    if size <= most and (not stream.eof or stream.unused_data):  # cut, or of several parts
        content = stream = None
        pieces, size = [], 0
        file.seek(0)
        with gzip.GzipFile(fileobj=file) as packed:
            while size <= most and (piece := packed.read(PIECE)):
                pieces.append(piece)
                size += len(piece)
        content = b"".join(pieces) if size <= most else b""
        pieces = None
    if size > most:
        content = stream = None  # an error that is kept keeps what it was raised beside
        raise ReadError(
            path, f"a gzip file that unpacks to more than {most} bytes", ALLOWED, REMEDY
        )
    if content.startswith(GZIP_START):
        raise ReadError(path, "the file is gzipped twice", ALLOWED, "Unpack it once: gunzip.")
    return content


def content_of(path):
    """Return the bytes of a gzipped or small FITS file, or None for a large plain one.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    ReadError
        If the file is missing, unreadable, empty, truncated (gzip) or no FITS file.
    """
    try:
        with open(path, "rb") as file:
            start = file.read(len(FITS_START))
            if not start:
                raise ReadError(path, "the file is empty", ALLOWED, REMEDY)
            if start[:2] == GZIP_START:
                file.seek(0)
                content = unzipped(path, file)
                start = content[: len(FITS_START)]
            elif os.fstat(file.fileno()).st_size <= SMALL:
                content = start + file.read()
            else:
                content = None
    except FileNotFoundError:
        raise ReadError(path, "there is no such file", ALLOWED, "Check the path.") from None
    except PermissionError:
        raise ReadError(
            path, "the file may not be read", "a readable file", "Change its permissions."
        ) from None
    except IsADirectoryError:
        raise ReadError(path, "this is a folder", ALLOWED, "Name the files in it.") from None
    except BAD_GZIP as error:
        raise bad_gzip(path, error, ALLOWED, REMEDY) from None
    except OSError as error:
        raise ReadError(
            path, f"the file cannot be read ({error.strerror or error})", ALLOWED, "Check the disk."
        ) from error
    if start != FITS_START:
        raise ReadError(
            path, f"this is not a FITS file: it starts with {bytes(start)!r}", ALLOWED, REMEDY
        )
    return content


@contextmanager
def translated(path):
    """Turn what goes wrong inside the ``with`` block into a `ReadError` that names the file.

    Damage often shows only when the data are touched.
    """
    try:
        yield
    except (ReadError, MemoryError):
        raise
    except Exception as error:  # damaged headers raise nearly every kind in astropy
        text = short(error, 250) or type(error).__name__
        raise ReadError(
            path, f"the file is damaged or truncated ({text})", ALLOWED, REMEDY
        ) from error


def _checked(content):
    """Return the bytes of a FITS file with headers that astropy reads in silence.

    Raises
    ------
    ValueError
        If it is truncated (astropy would only warn), or its headers are no such.
    """
    hdus = quick_hdus(content, limit=None)
    odd = [at for hdu in hdus for at in hdu.odd]
    if len(odd) > ODD:
        raise ValueError(f"{len(odd)} lines of its headers are no cards")
    if not isinstance(content, bytes):
        return content
    # Astropy would look for headers in what follows, and warn at each look of a last block cut off
    # behind the data.
    content = content[: hdus[-1].end]
    content += bytes(-len(content) % BLOCK)
    parts = [(hdu.place, content[hdu.place]) for hdu in hdus]
    foreign = [place for place, part in parts if not part.isascii() or b"\0" in part]
    if not (odd or foreign):
        return content
    changed = bytearray(content)
    for at in odd:
        changed[at : at + CARD] = b"COMMENT " + content[at : at + CARD - 8]
    for place in foreign:
        text = changed[place].decode("ascii", "replace").replace("\ufffd", "?")
        changed[place] = text.replace("\0", " ").encode()
    changed = bytes(changed)
    if [hdu.end for hdu in quick_hdus(changed, limit=None)] != [hdu.end for hdu in hdus]:
        raise ValueError("a size in its headers holds bytes that are no text")
    return changed


@contextmanager
def open_fits(path, content=None):
    """Open a FITS file and translate whatever is wrong with it.

    Parameters
    ----------
    path : path-like
        A FITS file, plain or gzipped.
    content : bytes, optional
        Its content, where `content_of` has read it already.

    Yields
    ------
    astropy.io.fits.HDUList
        Mapped into memory where the file is large and plain.

    Raises
    ------
    ReadError
        If the file is missing, unreadable, empty, truncated or no FITS file.
    """
    path = Path(path)
    content = content_of(path) if content is None else content
    with translated(path):
        if content is None:
            with (
                open(path, "rb") as file,
                mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view,
            ):
                _checked(view)
        else:
            content = _checked(content)
        source = path if content is None else io.BytesIO(content)
        with fits.open(source, memmap=content is None, lazy_load_hdus=True) as hdus:
            yield hdus
