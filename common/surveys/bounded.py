"""Unpacking text within bounds: a small packed file must not become a large one in memory."""

from __future__ import annotations

import gzip
import io
import os

from common.errors import ReadError

SPARE, UNPACKED = 2**24, 100  # default, bytes, and times a gzip file's size: what text unpacks to
LINE = 2**22  # default: characters of the longest line
ALLOWED = "a table: csv, tsv, ecsv, FITS or VOTable, plain or gzipped"


class BoundedGzip(io.RawIOBase):
    """A gzip file, unpacked as it is read, up to a bound.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    ReadError
        On reading, where it unpacks to far more than tables do.
    """

    def __init__(self, path):
        self._path, self._file = path, gzip.open(path, "rb")
        self._most, self._done = SPARE + UNPACKED * os.path.getsize(path), 0

    def readable(self):
        """Return True."""
        return True

    def readinto(self, buffer):
        """Read some bytes into a buffer; return their number."""
        n = self._file.readinto(buffer)
        self._done += n
        if self._done > self._most:
            raise ReadError(
                self._path, f"a gzip file that unpacks to more than {self._most} bytes", ALLOWED,
                "Unpack it first, if that is right.",
            )  # fmt: skip
        return n

    def seekable(self):
        """Return True: seeking unpacks again."""
        return True

    def seek(self, offset, whence=io.SEEK_SET):
        """Go to a place; what was unpacked before counts from there."""
        place = self._file.seek(offset, whence)
        self._done = place
        return place

    def tell(self):
        """Return the place in the unpacked text."""
        return self._file.tell()

    def close(self):
        """Close the file."""
        self._file.close()
        super().close()


def open_gzip(path):
    """Return a buffered stream of `BoundedGzip`."""
    return io.BufferedReader(BoundedGzip(path), 2**16)


def line_of(path, lines):
    """Return the next line of a text stream.

    Raises
    ------
    ReadError
        If it has more than `LINE` characters, or NUL among them.
    """
    line = lines.readline(LINE + 1)
    if len(line) > LINE or "\0" in line:
        found = "NUL bytes in a text" if "\0" in line else f"a line of more than {LINE} characters"
        raise ReadError(path, found, ALLOWED, "Fetch or write the file again.")
    return line
