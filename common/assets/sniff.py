"""Whether a file that arrived is of the kind that its name says, before it is given that name."""

from __future__ import annotations

import gzip
import re
import zlib
from pathlib import Path

from common.errors import SuiteError

BLOCK = 2880  # bytes: the length of a FITS file is a multiple
HTML = re.compile(rb"<\s*(!doctype\s+html|html|head|body|script)", re.I)
GZIP, ZIP, FITS = b"\x1f\x8b", b"PK", b"SIMPLE  ="


def fault_of(path, name=None):
    """Return what is wrong with a file that has just arrived, "" where nothing is.

    Parameters
    ----------
    path : path-like
        The file.
    name : str, optional
        The name that it is to have, where it still has another.

    Returns
    -------
    str
        Known are .fits and .zip, and .gz: that it can be unpacked to its end. An HTML page under
        any other name than .html is a login or an error page.
    """
    name = str(name or Path(path).name).lower()
    size = Path(path).stat().st_size
    with open(path, "rb") as stream:
        head = stream.read(1024)
    if HTML.search(head) and not name.endswith((".html", ".htm")):
        title = re.search(rb"<title[^>]*>([^<]{1,80})", head, re.I)
        told = f" ({title[1].decode('utf-8', 'replace').strip()})" if title else ""
        return f"an HTML page{told}: most likely a login or an error page"
    if not head:
        return "an empty file"
    packed = head.startswith(GZIP)
    if packed and (fault := _gzip_fault(path)):
        return fault
    if name.endswith(".gz") and not packed and not name.endswith(".fits.gz"):
        return "no gzip file"
    if name.removesuffix(".gz").endswith((".fits", ".fit")):
        if packed:
            with gzip.open(path) as stream:
                head = stream.read(len(FITS))
        elif size % BLOCK:
            return f"{size} bytes, which is no whole number of FITS blocks ({BLOCK} bytes)"
        if not head.startswith(FITS):
            return "no FITS file"
    if name.endswith((".zip", ".whl")) and not head.startswith(ZIP):
        return "no zip archive"
    return ""


def _gzip_fault(path):
    """Return what is wrong with a gzip file; it is read to its end without being kept."""
    try:
        with gzip.open(path) as stream:
            while stream.read(1 << 20):
                pass
    except (EOFError, zlib.error, OSError) as error:
        return f"a damaged gzip file ({error})"
    return ""


def check(path, source, name=None):
    """Raise `SuiteError` where a file that arrived is not of the kind that its name says."""
    if fault := fault_of(path, name):
        raise SuiteError(
            f"{source}: what came for {name or Path(path).name} is {fault}. It was not kept; "
            "look at the address with a browser, log in or set the token where one is needed, and "
            "run the same command again."
        )
