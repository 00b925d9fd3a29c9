"""Delimited text as archives, TOPCAT, VizieR and spreadsheets write it, as columns."""

from __future__ import annotations

import csv
import io
import re
import warnings
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from astropy.table.meta import get_header_from_yaml

from common.errors import ReadError
from common.surveys.bounded import ALLOWED, BoundedGzip, line_of
from common.surveys.quantities import is_unit

REMEDY = "Fetch or write the file again."
SEPARATORS = ",;\t|"
BLANKS = r"\s+"
NULLS = ("null", "NULL", "Null", "--", "-", "N/A ", "NULL ", "null ", "masked")  # and pandas' own
UTF16 = (b"\xff\xfe", b"\xfe\xff")
LOOK = 40  # rows that tell the decimal mark, lines below the names and units
TAIL = 2**16  # bytes at the end that hold the last line
NUMBER = re.compile(r"[-+]?(\d+([.,]\d*)?|[.,]\d+)([eEdD][-+]?\d+)?")
RULE = re.compile(r"[-+|;,\s]*--[-+|;,\s]*")  # the line of dashes below VizieR's names and units
UNIT = re.compile(r"[a-zA-Z%'\"µ°\[(][^,;\t|]{0,30}")


@dataclass
class Layout:
    """How a text is laid out.

    Attributes
    ----------
    names : list of str
        Of the columns, as the file has them.
    separator : str
        One character, or `BLANKS`.
    start : int
        Where the first row begins, as `tell` has it.
    decimal : str
        "." or ",".
    units : dict of str to str
        By lower-case names.
    meta : dict
        Of an ECSV header.
    """

    names: list
    separator: str
    start: int
    decimal: str = "."
    units: dict = field(default_factory=dict)
    meta: dict = field(default_factory=dict)


def reject(rejects, path, ids, reason):
    """Note rows that are left out.

    Parameters
    ----------
    rejects : list of dict or None
        Gets file, id and reason of each; without it one warning counts them.
    path : path-like
    ids : sequence of str
        What the rows are called.
    reason : str
    """
    if rejects is None:
        shown = ", ".join(map(str, ids[:3])) + (" ..." if len(ids) > 3 else "")
        warnings.warn(f"{path}: {len(ids)} rows left out: {reason} ({shown}).", stacklevel=3)
    else:
        rejects += [{"file": str(path), "id": str(i), "reason": reason} for i in ids]


def read_text(path, opened, keep=None, texts=(), rejects=None, *, nulls=None):
    """Read some columns of a text: csv, ecsv, or what people's tools make of them.

    Comments, blank lines, a header behind "#", units and dashes below the names, commas, tabs,
    semicolons, bars or blanks, a comma or a comment at a line's end, decimal commas, any line
    ending, UTF-8, UTF-16 or Latin-1 are understood.

    Parameters
    ----------
    path : path-like
        For messages.
    opened : callable
        () -> binary stream of the unpacked text.
    keep : container of str, optional
        Lower-case names of columns; by default all.
    texts : container of str
        Columns that stay text: ids of 19 digits do not fit a float.
    rejects : list of dict, optional
        See `reject`: gets the rows that have another number of fields than there are names.
    nulls : sequence of str, optional
        What alone stands for a missing value; by default all that is known to.

    Returns
    -------
    columns : dict of str to ndarray
        Numbers, or objects: str, None where missing. Of a name that comes twice the first.
    units : dict of str to str
    names : list of str
        Of all columns, as the file has them.
    meta : dict
        Of an ECSV header, else {}.

    Raises
    ------
    ReadError
        If there is no line of names, the end is missing, or most rows do not fit the names.
    """
    with opened() as raw:
        first = "utf-16" if raw.read(2) in UTF16 else "utf-8-sig"
    try:
        return _read(path, opened, first, keep, texts, rejects, nulls)
    except UnicodeDecodeError:
        return _read(path, opened, "latin-1", keep, texts, rejects, nulls)


def _read(path, opened, encoding, keep, texts, rejects, nulls):
    with opened() as raw, io.TextIOWrapper(raw, encoding=encoding, newline=None) as lines:
        layout = layout_of(path, lines)
        lower = [name.lower() for name in layout.names]
        wanted = {}
        for at, name in enumerate(lower):
            if name and (keep is None or name in keep):
                wanted.setdefault(name, at)
        if not wanted:
            return {}, layout.units, layout.names, layout.meta
        if encoding != "utf-16":
            _check_end(path, opened, layout, encoding)
        lines.seek(layout.start)
        frame = _rows(path, lines, layout, wanted, texts, rejects, nulls)
    columns = {name: _column(frame[at], name in texts) for name, at in wanted.items()}
    return columns, layout.units, layout.names, layout.meta


def layout_of(path, lines):
    """Return the `Layout` of a text from its first lines.

    Parameters
    ----------
    path : path-like
        For messages.
    lines : text stream
        At its beginning; left anywhere.
    """
    comments, head, at = [], "", 0
    while not head:
        at, line = lines.tell(), line_of(path, lines)
        if not line:
            raise ReadError(path, "no row and no names of columns", ALLOWED, REMEDY)
        if line.startswith("#"):
            comments.append(line[1:].rstrip("\n"))
        elif line.strip():
            head = line.rstrip("\n")
    if comments and "%ECSV" in comments[0]:
        return _described(comments, head, lines.tell())
    separator = _separator(head)
    names = _split(head, separator)
    if any(NUMBER.fullmatch(name) for name in names):
        last = next((c for c in reversed(comments) if c.strip()), "")
        behind = [_split(last, s) for s in dict.fromkeys((separator, _separator(last)))]
        behind = [b for b in behind if len(b) == len(names) and not any(map(NUMBER.fullmatch, b))]
        if not behind:
            raise ReadError(
                path, f"no line with the names of the columns: the first one is {head[:60]!r}",
                "names in the first line that is no comment, or in the last comment before it",
                "Write the names above the columns.",
            )  # fmt: skip
        names, start = behind[0], at
        below = [(at, head), *_next(path, lines)]
        units = {}
    else:
        start, below = lines.tell(), _next(path, lines)
        units, below = _units(names, separator, below)
        start = below[0][0] if below else start
    while names and not names[-1]:
        names.pop()
    rows = [_split(row, separator) for _, row in below]
    return Layout(names, separator, start, _decimal(rows, separator), units)


def _described(comments, head, start):
    """Return the layout that an ECSV header describes."""
    described = get_header_from_yaml([c.removeprefix(" ") for c in comments])
    separator = described.get("delimiter", " ")
    units = {c["name"].lower(): str(c["unit"]) for c in described["datatype"] if c.get("unit")}
    meta = dict(described.get("meta") or {})
    return Layout(_split(head, separator), separator, start, ".", units, meta)


def _separator(line):
    """Return the character that separates the fields of a line, or `BLANKS`."""
    best = max(SEPARATORS, key=line.count)
    if line.count(best):
        return best
    return BLANKS if len(line.split()) > 1 else ","


def _split(line, separator):
    if separator == BLANKS:
        return line.split()
    fields = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    return [text.strip().strip('"').strip() for text in fields]


def _next(path, lines):
    """Return [(where it begins, line)] of the next lines that are no comments."""
    out = []
    for _ in range(10 * LOOK):
        at, line = lines.tell(), line_of(path, lines)
        if not line or len(out) == LOOK:
            break
        if line.strip() and not line.startswith("#"):
            out.append((at, line.rstrip("\n")))
    return out


def _units(names, separator, below):
    """Return the units that stand below the names, {} where none do, and the rows after them."""
    rule = next((i for i, (_, row) in enumerate(below[:3]) if RULE.fullmatch(row)), None)
    if rule is not None:
        line = below[0][1] if rule else ""
    elif below and _is_unit_line(_split(below[0][1], separator), len(names)):
        rule, line = 0, below[0][1]
    else:
        return {}, below
    units = dict(zip((n.lower() for n in names), _split(line, separator), strict=False))
    return {name: unit for name, unit in units.items() if unit}, below[rule + 1 :]


def _is_unit_line(fields, n):
    """Return whether a line without a rule below can be nothing but units."""
    named = [text for text in fields if text]
    return len(fields) == n and bool(named) and all(map(is_unit, named))


def _decimal(rows, separator):
    if separator == ",":
        return "."
    numbers = [text for row in rows for text in row if NUMBER.fullmatch(text)]
    commas = any("," in text for text in numbers)
    return "," if commas and not any("." in text for text in numbers) else "."


def _check_end(path, opened, layout, encoding):
    """Raise where the last line is cut off."""
    with opened() as raw:
        if isinstance(getattr(raw, "raw", raw), BoundedGzip):
            return  # a gzip stream has a checksum of its own
        size = raw.seek(0, io.SEEK_END)
        raw.seek(max(0, size - TAIL))
        tail = raw.read().decode(encoding, errors="replace")
    tail = [line for line in re.split(r"[\r\n]+", tail) if line.strip()]
    tail = tail[1:] if size > TAIL else tail  # which begins in the midst of a line
    last = next((line for line in reversed(tail) if not line.startswith("#")), "")
    n = len(_split(last, layout.separator))
    if tail and '"' not in last and n < len(layout.names):
        raise ReadError(
            path, f"the file is truncated: its last line has {n} of {len(layout.names)} fields "
            f"({last.strip()[:40]!r})", ALLOWED, REMEDY,
        )  # fmt: skip


def _rows(path, lines, layout, wanted, texts, rejects, nulls):
    """Return the rows as a DataFrame by number of column, without comments and empty rows."""
    n = len(layout.names)
    # What stands beyond the names lands in column n, and what is empty may not be there at all.
    chosen = sorted({0, *wanted.values(), n - 1, n})
    kept_as_text = {0, n, *(at for name, at in wanted.items() if name in texts)}
    numbered = (" " if layout.separator == BLANKS else layout.separator).join(
        map(str, range(n + 1))
    )
    frame = pd.read_csv(
        _Headed(f"{numbered}\n", lines),
        sep=layout.separator,
        usecols=[str(at) for at in chosen],
        dtype={str(at): str for at in kept_as_text},
        decimal=layout.decimal,
        na_values=list(NULLS if nulls is None else nulls),
        keep_default_na=nulls is None,
        skipinitialspace=True,
        index_col=False,
        low_memory=False,
    )
    frame.columns = [int(name) for name in frame.columns]
    comment = frame[0].str.startswith("#").fillna(False).to_numpy(dtype=bool)
    empty = frame[chosen].isna().all(axis=1).to_numpy()
    short = _short(lines, layout, frame) if layout.separator != BLANKS else np.zeros(0, bool)
    frame = frame[~(comment | empty)]
    over = frame[n].notna() & (frame[n].str.strip() != "")
    if layout.separator == BLANKS and n - 1 in frame:
        over |= frame[n - 1].isna()  # a value is missing, and which one cannot be told
    if short.size:
        over |= pd.Series(short)[frame.index]
    if 2 * over.sum() > len(over):
        raise ReadError(
            path, f"{over.sum()} of {len(frame)} rows do not have {n} fields, as many as there are "
            "names", "as many fields as names",
            "Look for commas inside numbers or texts, and for a missing name or value.",
        )  # fmt: skip
    if over.any():
        rows = [f"row {i + 1}" for i in np.flatnonzero(over)]
        reject(rejects, path, rows, f"another number of fields than the {n} names")
        frame = frame[~over]
    return frame.reset_index(drop=True)


def _short(lines, layout, frame):
    """Return which rows have fewer fields than there are names, ndarray of bool, or an empty one.

    Only rows whose last field is empty are such: where there are none the text is not read again.
    """
    n = len(layout.names)
    if n < 2 or not frame[n - 1].isna().any():
        return np.zeros(0, bool)
    lines.seek(layout.start)
    records = csv.reader(lines, delimiter=layout.separator, skipinitialspace=True)
    fields = np.fromiter((len(record) for record in records if record), dtype=int)
    if len(fields) != len(frame):  # lines that only one of the two readers passes over
        return np.zeros(0, bool)
    return (fields < n) & frame[n - 1].isna().to_numpy()


class _Headed:
    """A text stream behind a line of our own: pandas takes the number of fields from it."""

    def __init__(self, head, lines):
        self._head, self._lines = head, lines

    def __iter__(self):
        return iter(self._lines)

    def read(self, size=-1):
        head, self._head = self._head, ""
        return head or self._lines.read(size)


def _column(series, is_text):
    """Return a column as an array: numbers, or str and None."""
    if not is_text and series.dtype.kind not in "biuf":
        try:
            series = pd.to_numeric(series)
        except (ValueError, TypeError):
            is_text = True
    if is_text or series.dtype.kind not in "biuf":
        series = series.astype(object)
        return series.where(series.notna(), None).to_numpy(dtype=object)
    return series.to_numpy()
