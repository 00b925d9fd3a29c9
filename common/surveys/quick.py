"""A light view of small FITS files with tables.

A spec file holds one spectrum, and a survey millions of such files. Building astropy's objects for
its tables of more than 100 columns takes tens of milliseconds; this view reads the headers as
bytes and maps a table onto a NumPy record array in less than one.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache

import numpy as np

BLOCK, CARD = 2880, 80
SPARE, PACKED = 2**26, 1100  # bytes, and times: more than what is packed can unpack to (gzip: 1032)
# FITS binary table format codes and the NumPy types they stand for (FITS standard 4.0, 7.3.1).
CODES = {"L": "i1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}
FORMAT = re.compile(r"(\d*)([A-Z])")
COMMENTS = (b"COMMENT ", b"HISTORY ", b"HIERARCH", b"CONTINUE", b"        ")
CARDS = 100_000  # default: a header without an end is given up after so many
BITS = (8, 16, 32, 64, -32, -64)  # FITS standard 4.0, 4.4.1
MOST_AXES = 999  # FITS standard 4.0, 4.4.1: of NAXIS and TFIELDS
STRUCTURE = re.compile(rb"(?i)(?=.{8}=)(Z?NAXIS\d*|Z?BITPIX|[PG]COUNT|TFIELDS) *=")
# What a TZERO makes of the integers that FITS has not (FITS standard 4.0, 7.3.2).
SHIFTED = {(">i2", 2.0**15): "u2", (">i4", 2.0**31): "u4", (">i8", 2.0**63): "u8",
           ("u1", -(2.0**7)): "i1"}  # fmt: skip
QUOTED = re.compile(r"'((?:[^']|'')*)'")  # a doubled quote is a quote inside the text


def _value(text):
    """Return the value of a card's text after "= "."""
    text = text.strip()
    if text.startswith("'"):
        match = QUOTED.match(text)
        return (match[1] if match else text[1:]).replace("''", "'").rstrip()
    text = text.split("/")[0].strip()
    if text in ("T", "F"):
        return text == "T"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


class QuickHDU:
    """One HDU: its cards, and where its data are.

    Parameters
    ----------
    content : bytes
        The whole file.
    start : int
        Where the HDU begins.

    Attributes
    ----------
    place : slice
        Of its header in the content.
    odd : list of int
        Lines of the header that are no cards.
    end : int
        Where the next HDU begins.

    Raises
    ------
    ValueError
        If the header or the data end before they should.
    """

    def __init__(self, content, start):
        self._content, self._cards, self.odd = content, {}, []
        at, last = start, start + CARDS * CARD
        while True:
            card = content[at : at + CARD]
            if len(card) < CARD:
                raise ValueError(f"truncated in a header at byte {at}")
            at += CARD
            if at > last:
                raise ValueError(f"a header of more than {CARDS} cards")
            if card[8:10] == b"= ":
                if card[:8] == b"END     ":
                    raise ValueError("the card END has a value")
                key = card[:8].decode("latin1").rstrip(" ")
                first = self._cards.setdefault(key, card)
                # Which of two counts depends on the reader; astropy takes small letters too.
                if (first is not card or key.islower()) and STRUCTURE.match(card):
                    if first[10:] != card[10:] or key.islower():
                        raise ValueError(f"the card {key} comes twice, or in small letters")
            elif card[:8] == b"END     ":
                if card[8:].strip(b" \0"):
                    raise ValueError(f"the card END is followed by {bytes(card[8:]).strip()!r}")
                break
            elif card[8:9] == b"=" and STRUCTURE.match(card):
                raise ValueError(f"the card {bytes(card[:30])} is not written as FITS is")
            elif card[:8] not in COMMENTS:
                self.odd.append(at - CARD)
        self._data = start + -(-(at - start) // BLOCK) * BLOCK
        self.place = slice(start, self._data)
        size = self._size()
        self.end = self._data + -(-size // BLOCK) * BLOCK
        if self._data + size > len(content):
            raise ValueError(f"truncated: {len(content)} bytes of at least {self._data + size}")

    def _count(self, key, default=None, most=2**63 - 1):
        """Return a card that counts something."""
        value = self.get(key, default)
        if type(value) is not int or not 0 <= value <= most:
            raise ValueError(f"{key} = {value!r}")
        return value

    def _bytes(self, key, default):
        """Return the bytes of a value, by a card that says its bits."""
        bits = self.get(key, default)
        if bits not in BITS:
            raise ValueError(f"{key} = {bits!r}")
        return abs(bits) // 8

    def _size(self):
        """Return the bytes of the data, by the header alone."""
        if self.is_table:
            self._count("TFIELDS", 0, MOST_AXES)
        n = self._count("NAXIS", 0, MOST_AXES)
        if not n:
            return 0
        axes = [self._count(f"NAXIS{i}") for i in range(1, n + 1)]
        bytes_each = self._bytes("BITPIX", None)
        size = bytes_each * self._count("GCOUNT", 1) * (self._count("PCOUNT", 0) + math.prod(axes))
        if self.is_table and axes[-1] and not axes[0]:
            raise ValueError(f"{axes[-1]} rows of no bytes")
        if self.get("ZIMAGE") is True:
            pixels = [self._count(f"ZNAXIS{i}") for i in
                      range(1, self._count("ZNAXIS", 0, MOST_AXES) + 1)]  # fmt: skip
            whole = self._bytes("ZBITPIX", 8) * math.prod(pixels)
            if whole > SPARE + PACKED * size:
                raise ValueError(f"{size} bytes that claim to unpack to {whole}")
        return size

    def get(self, key, default=None):
        """Return a header value, or the default."""
        card = self._cards.get(key)
        return default if card is None else _value(card[10:].decode("latin1"))

    @property
    def name(self):
        """EXTNAME, or an empty text."""
        return self.get("EXTNAME", "")

    @property
    def is_table(self):
        """True for a binary table."""
        return self.get("XTENSION") == "BINTABLE"

    def image(self):
        """Return an image of floats (BITPIX -32 or -64) of two axes, (NAXIS2, NAXIS1)."""
        shape = self.get("NAXIS2"), self.get("NAXIS1")
        kind = {-32: ">f4", -64: ">f8"}[self.get("BITPIX")]
        return np.frombuffer(self._content, kind, shape[0] * shape[1], self._data).reshape(shape)

    def table(self):
        """Return the rows as a record array with lower-case names.

        Raises
        ------
        ValueError
            If a column's format is unknown, or the columns do not fill the row.
        """
        cards = (b"TFIELDS", b"NAXIS1", b"TFORM", b"TTYPE", b"TZERO", b"TSCAL")
        dtype, scaled = _layout(tuple(c for c in self._cards.values() if c[:8].startswith(cards)))
        rows = np.frombuffer(self._content, dtype, count=self.get("NAXIS2"), offset=self._data)
        return _scaled(rows, scaled) if scaled else rows


@lru_cache(maxsize=512)
def _layout(cards):
    """Return dtype and {column: (TZERO, TSCAL)} of a table by its cards, which many share."""
    known = {c[:8].decode("latin1").rstrip(" "): _value(c[10:].decode("latin1")) for c in cards}
    names, types, scaled = [], [], {}
    scales = any(key.startswith(("TZERO", "TSCAL")) for key in known)
    for i in range(1, known.get("TFIELDS") + 1):
        match = FORMAT.match(known.get(f"TFORM{i}"))
        repeat, code = int(match[1] or 1), match[2]
        if code == "A":
            kind = f"S{repeat}" if repeat else "V0"
        elif code in "PQ":  # a pointer into the heap; nothing here needs what it points at
            kind = f"V{repeat * (8 if code == 'P' else 16)}"
        elif code in CODES:
            kind = (CODES[code], (repeat,)) if repeat != 1 else CODES[code]
        else:
            kind = f"V{ {'X': -(-repeat // 8), 'C': 8 * repeat, 'M': 16 * repeat}[code] }"
        name = known.get(f"TTYPE{i}", f"col{i}").lower()
        names.append(name if name not in names else f"{name}_{i}")
        types.append(kind)
        if scales and code in CODES and code != "L":
            zero, scale = known.get(f"TZERO{i}", 0), known.get(f"TSCAL{i}", 1)
            if (zero, scale) != (0, 1):
                scaled[names[-1]] = float(zero), float(scale)
    dtype = np.dtype({"names": names, "formats": types})
    if dtype.itemsize != known.get("NAXIS1"):
        raise ValueError(f"{dtype.itemsize} bytes of columns in rows of {known.get('NAXIS1')}")
    return dtype, scaled


def _scaled(rows, scaled):
    """Return rows with the columns of {name: (TZERO, TSCAL)} as the values that they stand for."""
    values = {}
    for name, (zero, scale) in scaled.items():
        stored = rows[name]
        whole = SHIFTED.get((stored.dtype.str.replace("|", ""), zero)) if scale == 1 else None
        if whole is None:
            values[name] = zero + scale * stored.astype(float)
        else:  # exact: in whole numbers, modulo their range
            shift = np.array(int(zero) % 2 ** (8 * stored.dtype.itemsize), f"u{stored.itemsize}")
            values[name] = (stored.astype(f"i{stored.itemsize}").view(f"u{stored.itemsize}")
                            + shift).view(whole)  # fmt: skip
    kinds = [(n, values[n].dtype if n in values else rows.dtype[n].base, rows.dtype[n].shape)
             for n in rows.dtype.names]  # fmt: skip
    out = np.empty(len(rows), kinds)
    for name in rows.dtype.names:
        out[name] = values.get(name, rows[name])
    return out


def quick_hdus(content, limit=3):
    """Return the first HDUs of a FITS file held in memory.

    Parameters
    ----------
    content : bytes or mmap
    limit : int or None
        Later HDUs are not looked at; None looks at all.

    Returns
    -------
    list of QuickHDU

    Raises
    ------
    ValueError
        If the file ends before it should.
    """
    hdus, start = [], 0
    while start < len(content) and (limit is None or len(hdus) < limit):
        if hdus and content[start : start + 8] != b"XTENSION":
            # Padding, or special records after the last HDU; or a header was damaged.
            if any(content[at : at + 8] == b"XTENSION" for at in range(start, len(content), BLOCK)):
                raise ValueError(f"no header of HDU {len(hdus)} at byte {start}, where it begins")
            break
        hdus.append(QuickHDU(content, start))
        start = hdus[-1].end
    return hdus
