"""Tables of the Gaia archive as columns: csv, ecsv, FITS or VOTable, plain or gzipped.

The format is told by the content. What is missing (null, empty, masked) becomes NaN, and source ids
stay whole numbers.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from astropy.io.votable import parse as parse_votable
from astropy.table.meta import get_header_from_yaml

from common.errors import ReadError
from common.surveys.cards import card
from common.surveys.columns import column, names_of
from common.surveys.fitsfile import (
    BAD_GZIP,
    FITS_START,
    GZIP_START,
    bad_gzip,
    open_fits,
    unzipped,
)

ALLOWED = "a table of the Gaia archive: csv, ecsv, FITS or VOTable, plain or gzipped"
REMEDY = "Fetch the file again."
UNZIP = "Unpack an archive (zip, tar) first; fetch anything else again."
TEXTS = ("source_id", "flags_gspspec")  # digits that a number would round or strip of zeros
FITS_ENDINGS = (".fits", ".fit")
ID_CARDS = ("SOURCEID", "SOURCE_ID")  # of DataLink's files of one source
BOM = b"\xef\xbb\xbf"


@dataclass
class GaiaTable:
    """Columns of a table, under lower-case names.

    Attributes
    ----------
    path : Path
    columns : dict of str to ndarray
        Of n rows; masked where values are missing, of dtype object for texts and arrays.
    units : dict of str to str
        Where the file names one.
    """

    path: Path
    columns: dict
    units: dict

    def __len__(self):
        return len(next(iter(self.columns.values()), ()))

    def __contains__(self, name):
        return name in self.columns

    def numbers(self, name):
        """Return a column as float64 of shape (n,); NaN where missing or without such a column."""
        values = self.columns.get(name)
        if values is None:
            return np.full(len(self), np.nan)
        if values.dtype.kind in "OUS":
            try:
                values = pd.to_numeric(pd.Series(self.texts(name)).replace("", None))
                return values.to_numpy(dtype=float, na_value=np.nan)
            except (ValueError, TypeError) as error:
                raise self.error(f"column {name} holds no numbers ({error})", "numbers") from None
        return np.ma.filled(np.ma.asarray(values, dtype=float), np.nan)

    def texts(self, name):
        """Return a column as str of shape (n,); "" where missing or without such a column."""
        values = self.columns.get(name)
        if values is None:
            return np.full(len(self), "", dtype=object)
        values = np.ma.filled(values.astype(object), None)
        return np.array(["" if v is None or v != v else str(v).strip() for v in values], object)

    def ids(self, *, unique=True):
        """Return source_id as int64 of shape (n,).

        Raises
        ------
        ReadError
            If one is missing, no whole number, or (with `unique`) comes twice.
        """
        values = self.columns["source_id"]
        if values.dtype.kind in "iu" and not np.any(np.ma.getmaskarray(values)):
            out = np.asarray(values, dtype=np.int64)
        else:
            texts = self.texts("source_id")
            values = [t.removeprefix("Gaia DR3 ") for t in texts]
            wrong = [t for t in values if not t.isdecimal() or int(t) >= 2**63]
            if wrong:
                raise self.error(
                    f"source_id {wrong[0]!r} in {len(wrong)} of {len(self)} rows",
                    "source_id as a whole number in every row",
                    "A table that went through floating point has lost them: fetch it again.",
                )
            out = np.array([int(t) for t in values], dtype=np.int64)
        if unique:
            numbers, counts = np.unique(out, return_counts=True)
            if np.any(counts > 1):
                raise self.error(
                    f"{np.sum(counts > 1)} sources come more than once, {numbers[counts > 1][0]} "
                    f"the first of them",
                    "each source_id in one row",
                    "Keep one row of each.",
                )
        return out

    def vectors(self, name, length):
        """Return a column of arrays as float64 of shape (n, length); rows of NaN where missing.

        Raises
        ------
        ReadError
            If an array has another length, or holds what is no number.
        """
        values = self.columns.get(name, ())
        if getattr(values, "ndim", 0) == 2 and values.shape[1] == length:
            return np.ma.filled(np.ma.asarray(values, dtype=float), np.nan)
        out = np.full((len(self), length), np.nan)
        for row, value in enumerate(values):
            try:
                vector = _vector(value)
            except (ValueError, TypeError) as error:
                raise self.error(
                    f"{name} in row {row} is no array of numbers ({error})", "arrays of numbers"
                ) from None
            if vector.size not in (0, length):
                raise self.error(
                    f"{name} of source {self.texts('source_id')[row]} has {vector.size} values",
                    f"{length} values",
                )
            if vector.size:
                out[row] = vector
        return out

    def error(self, found, allowed, remedy=REMEDY):
        """Return a `ReadError` that names the file."""
        return ReadError(self.path, found, allowed, remedy)


def _vector(value):
    """Return the numbers of one cell: an array, a text such as "[1.0, null]", or nothing."""
    if value is None or value is np.ma.masked or (isinstance(value, float) and value != value):
        return np.zeros(0)
    if isinstance(value, str):
        text = value.strip().strip("[](){}").strip()
        return np.array(text.replace("null", "nan").split(",") if text else [], dtype=float)
    return np.ma.filled(np.ma.asarray(value, dtype=float), np.nan).ravel()


def read_gaia_table(path, *, need=("source_id",), want=None):
    """Read a table; where a file holds several (one a source), their rows are joined.

    Parameters
    ----------
    path : path-like
    need : sequence of str
        Lower-case names of columns that it must have; tables in the file without them are left.
    want : container of str, optional
        Further columns to read; by default all. Large tables are read faster for it.

    Returns
    -------
    GaiaTable

    Raises
    ------
    ReadError
        If the file is missing, damaged, empty, of another format or without a needed column.
    """
    path = Path(path)
    keep = None if want is None else {*need, *want}
    parts = _parts(path, keep)
    good = [part for part in parts if set(need) <= set(part[0])]
    if not good:
        found = list(dict.fromkeys(name for _, _, names in parts for name in names))
        missing = [name for name in need if name not in found]
        more = f" and {len(found) - 12} more" if len(found) > 12 else ""
        raise ReadError(
            path,
            f"no column {', '.join(missing or need)} (columns: {', '.join(found[:12])}{more})",
            f"a table with {', '.join(need)}",
            "Fetch the table with these columns.",
        )
    names = [n for n in good[0][0] if all(n in columns for columns, _, _ in good)]
    table = GaiaTable(path, {n: _join([c[n] for c, _, _ in good]) for n in names}, good[0][1])
    if any(units.get(n) != table.units.get(n) for _, units, _ in good for n in names):
        raise table.error("tables with different units in one file", "one unit for each column")
    if not len(table):
        raise table.error("the table has no rows", "at least one source")
    return table


def columns_of(path):
    """Return the lower-case names of all columns of the tables in a file, a set of str.

    Raises
    ------
    ReadError
        If the file is missing, damaged, empty or of another format.
    """
    parts = _parts(Path(path), frozenset())
    return {name.lower() for _, _, names in parts for name in names}


def _join(values):
    return values[0] if len(values) == 1 else np.ma.concatenate(values)


def _parts(path, keep):
    """Return [(columns, units, names of all columns)] of the tables in a file."""
    content = _content(path)
    if content is None:
        return _fits(path, keep)
    start = content[:200].removeprefix(BOM).lstrip()
    try:
        if start.startswith((b"<?xml", b"<VOTABLE")):
            return _votable(content, keep)
        if start.startswith(b"<") or b"\0" in start:
            raise ReadError(
                path, f"the file is no table: it starts with {start[:20]}", ALLOWED, UNZIP
            )
        return _text(path, content, keep)
    except ReadError:
        raise
    except Exception as error:  # the parsers raise nearly every kind on damaged files
        text = " ".join(str(error).split())[:300] or type(error).__name__
        raise ReadError(
            path, f"the file is damaged or truncated ({text})", ALLOWED, REMEDY
        ) from error


def _content(path):
    """Return a text file's bytes, or None for FITS (by content or name)."""
    try:
        with open(path, "rb") as file:
            start = file.read(len(FITS_START))
            fits_name = path.name.removesuffix(".gz").lower().endswith(FITS_ENDINGS)
            if start == FITS_START or (fits_name and start):
                return None
            content = start + file.read()
        if start[:2] == GZIP_START:
            with open(path, "rb") as file:
                content = unzipped(path, file)
            if content.startswith(FITS_START):
                return None
    except BAD_GZIP as error:
        raise bad_gzip(path, error, ALLOWED, REMEDY) from None
    except OSError as error:
        raise ReadError(
            path, f"the file cannot be read ({error.strerror})", ALLOWED, "Check the path."
        ) from None
    if not content.strip():
        raise ReadError(path, "the file is empty", ALLOWED, REMEDY)
    return content


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
    if "source_id" not in names and said is not None:
        names = [*names, "source_id"]
        if columns:
            n = len(next(iter(columns.values())))
            columns = columns | {"source_id": np.full(n, str(said), dtype=object)}
    return columns, units, names


def _masked(hdu, name, values):
    null = hdu.columns[names_of(hdu)[name]].null
    if null is None or values.dtype.kind not in "iu":
        return values
    return np.ma.masked_equal(values, null)


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


def _text(path, content, keep):
    """Read csv or ecsv."""
    header, body = _header(content.removeprefix(BOM))
    units, separator, said = {}, ",", None
    if header and "%ECSV" in header[0]:
        described = get_header_from_yaml(header)
        separator = described.get("delimiter", " ")
        meta = {
            str(k).lower().replace("_", ""): v for k, v in (described.get("meta") or {}).items()
        }
        said = meta.get("sourceid")
        units = {c["name"].lower(): str(c.get("unit") or "") for c in described["datatype"]}
    first = body.split(b"\n", 1)[0].decode().rstrip("\r")
    fields, last = first.count(separator) + 1, body.rstrip().rsplit(b"\n", 1)[-1].decode()
    if '"' not in last and last.count(separator) + 1 != fields:
        raise ReadError(
            path,
            f"the file is truncated: its last line has {last.count(separator) + 1} of "
            f"{fields} fields",
            ALLOWED,
            REMEDY,
        )
    frame = pd.read_csv(
        io.BytesIO(body),
        sep=separator,
        usecols=None if keep is None else lambda name: name.strip().lower() in keep,
        dtype={name: str for i in TEXTS for name in (i, i.upper())},
        index_col=False,
        low_memory=False,
    )
    columns = {}
    for name in frame.columns:
        series = frame[name]
        if pd.api.types.is_string_dtype(series) or series.dtype == object:
            series = series.astype(object).where(series.notna(), None)
        columns[name.strip().lower()] = series.to_numpy()
    names = [name.strip(' "') for name in first.split(separator)]
    return [_with_id(columns, _known(units), names, said)]


def _header(content):
    """Return the comment lines that stand before a table, without "# ", and the rest."""
    lines, at = [], 0
    while content[at : at + 1] == b"#":
        end = content.find(b"\n", at) % (len(content) + 1)
        lines.append(content[at:end].decode().rstrip()[2:])
        at = end + 1
    return lines, content[at:]


def _known(units):
    return {name: unit for name, unit in units.items() if unit}
