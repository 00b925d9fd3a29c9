"""Opening FITS files so that every kind of damage ends in one clear `ReadError`."""

from __future__ import annotations

import gzip
import io
import warnings
import zlib
from contextlib import contextmanager
from pathlib import Path

from astropy.io import fits

from common.errors import ReadError

FITS_START = b"SIMPLE  ="
GZIP_START = b"\x1f\x8b"
ALLOWED = "a complete FITS file, plain or compressed with gzip"
REMEDY = "Fetch or write the file again."


def _content(path):
    """Return the decompressed bytes of a gzipped file, or None for a plain FITS file."""
    try:
        with open(path, "rb") as file:
            start = file.read(len(FITS_START))
            if not start:
                raise ReadError(path, "the file is empty", ALLOWED, REMEDY)
            if start[:2] == GZIP_START:
                file.seek(0)
                with gzip.GzipFile(fileobj=file) as unzipped:
                    content = unzipped.read()
                start = content[: len(FITS_START)]
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
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ReadError(
            path, f"the gzip stream is damaged or truncated ({error})", ALLOWED, REMEDY
        ) from None
    if start != FITS_START:
        raise ReadError(
            path, f"this is not a FITS file: it starts with {bytes(start)!r}", ALLOWED, REMEDY
        )
    return content


@contextmanager
def open_fits(path):
    """Open a FITS file and translate whatever is wrong with it.

    Damage often shows only when the data are touched, so that errors raised in the body of the
    ``with`` statement are translated too.

    Parameters
    ----------
    path : path-like
        A FITS file, plain (then mapped into memory) or gzipped.

    Yields
    ------
    astropy.io.fits.HDUList

    Raises
    ------
    ReadError
        If the file is missing, unreadable, empty, truncated or no FITS file.
    """
    path = Path(path)
    content = _content(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fits.verify.VerifyWarning)
        warnings.filterwarnings("error", message=".*truncated.*")
        try:
            source = path if content is None else io.BytesIO(content)
            with fits.open(source, memmap=content is None, lazy_load_hdus=True) as hdus:
                yield hdus
        except ReadError:
            raise
        except (OSError, ValueError, TypeError, KeyError, IndexError, Warning) as error:
            text = " ".join(str(error).split()) or type(error).__name__
            raise ReadError(
                path, f"the file is damaged or truncated ({text})", ALLOWED, REMEDY
            ) from error
