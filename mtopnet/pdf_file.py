"""Redshift PDFs on disk: a FITS file of fixed-size records that is written and read in pieces.

HDU ``EDGES``: the n_bins + 1 edges of the redshift bins (float64). HDU ``PDF``: a binary table, row
i belonging to row i of the catalogue: ``ID`` (text, its first 64 characters) and ``PDF`` (n_bins
float32, probabilities of the bins, sum 1). A record has 64 + 4 n_bins bytes, so that any row can be
reached without reading the others; `read_pdfs` and astropy map the file into memory.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from astropy.io import fits

from common.errors import ReadError, SuiteError, UsageError

ID_LENGTH = 64
BLOCK = 2880


def check_name(path):
    """Return the path of a file of PDFs; its name must end in .fits.

    Raises
    ------
    UsageError
        If it does not.
    """
    path = Path(path)
    if path.suffix.lower() != ".fits":
        raise UsageError(
            f"--pdf {path}: the file of PDFs is a FITS table and its name must end in .fits. "
            f"Received {path.suffix or 'no ending'!r}."
        )
    return path


class PdfWriter:
    """Append PDFs to a file, any number of them, without holding them in memory.

    Parameters
    ----------
    path : path-like
        New file (an older one of this name is overwritten: hand over a temporary name).
    edges : ndarray of shape (n_bins + 1,)
    meta : dict, optional
        Cards of the table's header.
    """

    def __init__(self, path, edges, meta=None):
        edges = np.asarray(edges, dtype=float)
        self.n_bins, self.rows = len(edges) - 1, 0
        self._type = np.dtype([("ID", f"S{ID_LENGTH}"), ("PDF", ">f4", (self.n_bins,))])
        empty = fits.BinTableHDU(np.zeros(0, dtype=self._type), name="PDF")
        for key, value in (meta or {}).items():
            empty.header[key] = str(value).encode("ascii", "backslashreplace").decode()
        text = empty.header.tostring().encode("ascii")
        self._file = open(path, "wb")
        fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(edges, name="EDGES")]).writeto(self._file)
        self._file.seek(0, os.SEEK_END)
        self._count_at = self._file.tell() + text.index(b"NAXIS2  =")
        self._file.write(text)
        self._start = self._file.tell()

    def append(self, ids, pdf):
        """Add rows: ids of n spectra, pdf of shape (n, n_bins)."""
        if np.shape(pdf) != (len(ids), self.n_bins):
            raise SuiteError(
                f"{len(ids)} ids need PDFs of {self.n_bins} bins each. Received {np.shape(pdf)}."
            )
        records = np.zeros(len(ids), dtype=self._type)
        records["ID"] = [str(i).encode("ascii", "backslashreplace")[:ID_LENGTH] for i in ids]
        records["PDF"] = pdf
        self._file.write(records.tobytes())
        self.rows += len(ids)

    def close(self, rows=None):
        """Finish the file; with `rows` it keeps only so many."""
        if self._file.closed:
            return
        self.rows = self.rows if rows is None else min(rows, self.rows)
        end = self._start + self.rows * self._type.itemsize
        self._file.truncate(end)
        self._file.seek(end)
        self._file.write(b"\0" * (-end % BLOCK))
        self._file.seek(self._count_at)
        self._file.write(f"NAXIS2  = {self.rows:>20d}".encode("ascii"))
        self._file.close()


def read_pdfs(path):
    """Read a file of PDFs, mapped into memory: only the rows that are looked at are read.

    Returns
    -------
    ids : ndarray of str, shape (n,)
    pdf : ndarray of shape (n, n_bins), float32 (big-endian)
        Memory-mapped.
    edges : ndarray of shape (n_bins + 1,)

    Raises
    ------
    ReadError
        If it is no such file.
    """
    path = Path(path)
    try:
        with fits.open(path) as hdus:
            edges = np.asarray(hdus["EDGES"].data, dtype=float)
            header, offset = hdus["PDF"].header, hdus["PDF"].fileinfo()["datLoc"]
            n_bins = len(edges) - 1
            record = np.dtype([("ID", f"S{ID_LENGTH}"), ("PDF", ">f4", (n_bins,))])
            rows, width = header["NAXIS2"], header["NAXIS1"]
        if width != record.itemsize:
            raise ValueError(f"records of {width} bytes, {record.itemsize} expected")
        if not rows:
            return np.zeros(0, "U1"), np.zeros((0, n_bins), "f4"), edges
        table = np.memmap(path, dtype=record, mode="r", offset=offset, shape=(rows,))
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise ReadError(
            path, f"no file of PDFs ({error})", "what python -m mtopnet.predict --pdf FILE writes"
        ) from error
    return np.char.decode(np.asarray(table["ID"]), "ascii"), table["PDF"], edges
