"""Redshift PDFs on disk: a FITS file of fixed-size records that is written and read in pieces.

HDU ``EDGES``: the n_bins + 1 edges of the redshift bins (float64). HDU ``PDF``: a binary table, row
i belonging to row i of the catalogue: ``ID`` (text, its first 64 characters) and ``PDF`` (n_bins
float32, probabilities of the bins, sum 1). A record has 64 + 4 n_bins bytes, so that any row can be
reached without reading the others; `read_pdfs` and astropy map the file into memory. A network with
PDFs of mass and rate adds the columns ``PDF_LGM`` and ``PDF_SFR`` and the HDUs ``EDGES_LGM`` and
``EDGES_SFR`` (log solar masses, log solar masses a year).
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
    more : dict of str to ndarray, optional
        Edges of the bins of other PDFs in each record, by name ("lgm", "sfr").
    """

    def __init__(self, path, edges, meta=None, more=None):
        every = {"": np.asarray(edges, dtype=float)}
        every |= {f"_{k.upper()}": np.asarray(v, dtype=float) for k, v in (more or {}).items()}
        self.bins, self.rows = {f"PDF{k}": len(v) - 1 for k, v in every.items()}, 0
        self._type = _record(self.bins)
        empty = fits.BinTableHDU(np.zeros(0, dtype=self._type), name="PDF")
        for key, value in (meta or {}).items():
            empty.header[key] = str(value).encode("ascii", "backslashreplace").decode()
        text = empty.header.tostring().encode("ascii")
        self._file = open(path, "wb")
        images = [fits.ImageHDU(v, name=f"EDGES{k}") for k, v in every.items()]
        fits.HDUList([fits.PrimaryHDU(), *images]).writeto(self._file)
        self._file.seek(0, os.SEEK_END)
        self._count_at = self._file.tell() + text.index(b"NAXIS2  =")
        self._file.write(text)
        self._start = self._file.tell()

    def append(self, ids, pdf, **more):
        """Add rows: ids of n spectra, pdf of shape (n, n_bins), and others by name."""
        given = {"PDF": pdf, **{f"PDF_{k.upper()}": v for k, v in more.items()}}
        records = np.zeros(len(ids), dtype=self._type)
        records["ID"] = [str(i).encode("ascii", "backslashreplace")[:ID_LENGTH] for i in ids]
        for name, n_bins in self.bins.items():
            if name not in given or np.shape(given[name]) != (len(ids), n_bins):
                raise SuiteError(
                    f"{len(ids)} ids need {name} of {n_bins} bins each. Received "
                    f"{np.shape(given.get(name, ()))}."
                )
            records[name] = given[name]
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


def _record(bins):
    """Return the type of a record: the id, then PDFs of {column: number of bins}."""
    return np.dtype([("ID", f"S{ID_LENGTH}"), *((k, ">f4", (n,)) for k, n in bins.items())])


def read_pdfs(path, of=""):
    """Read a file of PDFs, mapped into memory: only the rows that are looked at are read.

    Parameters
    ----------
    path : path-like
    of : {"", "lgm", "sfr"}
        Of the redshift, the mass or the rate.

    Returns
    -------
    ids : ndarray of str, shape (n,)
    pdf : ndarray of shape (n, n_bins), float32 (big-endian)
        Memory-mapped.
    edges : ndarray of shape (n_bins + 1,)

    Raises
    ------
    ReadError
        If it is no such file, or has no PDFs of that.
    """
    path, part = Path(path), f"_{of.upper()}" if of else ""
    try:
        with fits.open(path) as hdus:
            edges = np.asarray(hdus[f"EDGES{part}"].data, dtype=float)
            header, offset = hdus["PDF"].header, hdus["PDF"].fileinfo()["datLoc"]
            names = [c for c in hdus["PDF"].columns.names if c.startswith("PDF")]
            bins = {n: len(hdus[n.replace("PDF", "EDGES")].data) - 1 for n in names}
            rows, width = header["NAXIS2"], header["NAXIS1"]
        record = _record(bins)
        if width != record.itemsize:
            raise ValueError(f"records of {width} bytes, {record.itemsize} expected")
        if not rows:
            return np.zeros(0, "U1"), np.zeros((0, len(edges) - 1), "f4"), edges
        table = np.memmap(path, dtype=record, mode="r", offset=offset, shape=(rows,))
        return np.char.decode(np.asarray(table["ID"]), "ascii"), table[f"PDF{part}"], edges
    except (OSError, KeyError, ValueError, TypeError) as error:
        wanted = f"what `predict --pdf FILE` writes{f', with {of}' if of else ''}"
        raise ReadError(path, f"no file of PDFs ({error})", wanted) from error
