"""Ids of objects, exact or none: whole numbers that went through text, floats, spreadsheets."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

FILL = 999999  # astropy's filling of a masked whole number
NULLS = frozenset(("", "null", "none", "nan", "na", "n/a", "<na>", "--", "-", "masked", "#n/a"))
MARKS = frozenset(f"-{'9' * n}" for n in range(2, 8))  # -99 to -9999999
EXACT = {4: 2**24, 8: 2**53}  # bytes of a float: from here on it skips whole numbers
DIGITS = 15  # significant ones that a spreadsheet keeps
WHOLE = re.compile(r"^([0-9]+)\.0$")
PLAIN = re.compile(r"[0-9]{1,20}")
GROUPED = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+")
REAL = re.compile(r"([0-9]+)(?:[.,]([0-9]*))?(?:[eEdD]\+?([0-9]{1,2}))?")
RELEASE = re.compile(r"gaia\s+e?dr[0-9]\s+", re.IGNORECASE)
NONE, NO_NUMBER = "no id", "no whole number"
ROUNDED = "rounded: a float or a spreadsheet has lost its last digits"


def whole_ids(values):
    """Return ids that are whole numbers, as text, and what is wrong with the others.

    Parameters
    ----------
    values : array-like of shape (n,)
        Whole numbers with or without sign, floats, or text ("900000012", "9.00000012E8",
        "Gaia DR3 5853498713190525697"), masked or not.

    Returns
    -------
    texts : ndarray of str, shape (n,)
        Digits without leading zeros; "" where the id is missing (masked, empty, null, NaN, 0,
        -9999, 999999) or cannot be told.
    faults : ndarray of str, shape (n,)
        "" for a good id, else `NONE`, `NO_NUMBER` or `ROUNDED`. 9E+08 is rounded unless another id
        of the column has all its digits, as in 9.00000012E8; so are floats beyond 2**53, and ids
        of more than 15 digits of which all end in zeros.
    """
    kind = np.asarray(values).dtype
    texts = _texts(values)
    faults = np.full(len(texts), "", dtype=object)
    if kind.kind in "iu" and not np.ma.isMaskedArray(values):  # tables of millions
        faults[(np.asarray(values) <= 0) | (np.asarray(values) == FILL)] = NONE
        faults[_cut(texts)] = ROUNDED
        texts[faults != ""] = ""
        return texts, faults
    if kind.kind == "f":
        wide = np.abs(np.ma.filled(np.ma.asarray(values, float), np.nan)) >= EXACT.get(
            kind.itemsize, EXACT[8]
        )
        faults[wide] = ROUNDED
    odd = [i for i, t in enumerate(texts) if not PLAIN.fullmatch(t)]
    if odd:
        real = {i: REAL.fullmatch(_bare(texts[i])) for i in odd}
        known = [_digits(m) for m in real.values() if m]
        most = max((n for n, _ in known), default=0)
        for i, match in real.items():
            texts[i], fault = _whole(texts[i], match, most)
            faults[i] = faults[i] or fault
    for i, text in enumerate(texts):
        if text:
            texts[i] = text.lstrip("0")
    missing = np.array([t == "" or t == str(FILL) for t in texts], dtype=bool)
    faults[missing & (faults == "")] = NONE
    faults[_cut(texts)] = ROUNDED
    texts[faults != ""] = ""
    return texts, faults


def named_ids(values):
    """Return ids of any kind as stripped text, "" where missing: whole numbers without ".0".

    Parameters
    ----------
    values : array-like of shape (n,)

    Returns
    -------
    ndarray of str, shape (n,)
    """
    texts = [WHOLE.sub(r"\1", text) for text in _texts(values)]
    return np.array(["" if t.lower() in NULLS or t in MARKS else t for t in texts], dtype=object)


def int64(texts):
    """Return ids of `whole_ids` as Int64, missing where there is none or it has 20 digits."""
    numbers = [int(t) if t else -1 for t in texts]
    return pd.array([n if 0 <= n < 2**63 else pd.NA for n in numbers], dtype="Int64")


def place_of(ids, wanted):
    """Return the row of each wanted id, ndarray of int, -1 for none.

    Parameters
    ----------
    ids, wanted : sequences of str
        An id that is not there as it is written is found by its number, where both are whole
        numbers and one row, and one wanted id, has that number: 12 of a table of numbers is 0012.
    """
    exact, by_number, asked = {}, {}, {}
    for name in wanted:
        if str(name).isdecimal():
            asked.setdefault(int(name), set()).add(name)
    for row, name in enumerate(ids):
        exact.setdefault(name, row)
        if str(name).isdecimal():
            by_number.setdefault(int(name), []).append(row)
    out = []
    for name in wanted:
        rows = by_number.get(int(name), []) if str(name).isdecimal() else []
        plain = len(rows) == 1 and len(asked[int(name)]) == 1
        out.append(exact.get(name, rows[0] if plain else -1) if name != "" else -1)
    return np.array(out, dtype=int)


def through_floats(numbers, *, free=7):
    """Return whether ids have gone through float64 and came out as whole numbers again.

    Parameters
    ----------
    numbers : ndarray of int64, shape (n,)
    free : int
        Last bits that are 0 in nearly all ids: 7 in Gaia's.

    Returns
    -------
    bool
        True where all are multiples of the spacing of floats of their size, and a list of true ids
        would be so in one of a million cases.
    """
    large = np.unique(numbers[numbers >= EXACT[8]])
    bits = np.log2(np.spacing(large.astype(float))).astype(int)
    if np.maximum(bits - free, 0).sum() < 20:
        return False
    return bool(np.all(large % (1 << bits) == 0))


def lost(faults):
    """Return what is wrong with some ids in words, as "3 of 5 rows: no id"; "" where nothing is.

    Parameters
    ----------
    faults : ndarray of str, shape (n,)
        From `whole_ids`.
    """
    kinds, counts = np.unique(faults[faults != ""].astype(str), return_counts=True)
    parts = [f"{n} of {len(faults)} rows: {k}" for k, n in zip(kinds, counts, strict=True)]
    return "; ".join(parts)


def spoilt(faults):
    """Return what `lost` says of ids that are there and cannot be told: rounded, or no numbers."""
    return lost(np.where(faults == NONE, "", faults))


def _texts(values):
    """Return values as stripped text, "" where they are masked, None or NaN; 5.0 as "5"."""
    if np.ma.isMaskedArray(values):
        values = np.where(np.ma.getmaskarray(values), None, np.asarray(values).astype(object))
    values = np.asarray(values) if not isinstance(values, pd.Series) else values.to_numpy(object)
    if values.dtype.kind in "iu":
        return values.astype(str).astype(object)
    return np.array([_text(v) for v in values], dtype=object)


def _text(value):
    if value is None or value is pd.NA or value != value:
        return ""
    if isinstance(value, (float, np.floating)):
        return str(int(value)) if value == np.floor(value) else repr(float(value))
    text = value.decode() if isinstance(value, bytes) else str(value)
    return text.strip()


def _bare(text):
    """Return the digits that a text is meant for: without release, quotes and formula."""
    text = RELEASE.sub("", text)
    text = text.removeprefix("=").strip("\"' ")
    return text.replace(",", "") if GROUPED.fullmatch(text) else text


def _digits(match):
    """Return (digits that a number is written with, digits that its whole part needs)."""
    whole, part, power = match.group(1).lstrip("0"), match.group(2) or "", match.group(3)
    return len(whole + part) if power else 0, len(whole) + int(power or 0)


def _whole(text, match, most):
    """Return the id that a text stands for, "" for none, and the fault."""
    if text.lower() in NULLS or text.startswith("-"):
        return "", NONE
    if match is None:
        return "", NO_NUMBER
    whole, part, power = match.group(1), match.group(2) or "", int(match.group(3) or 0)
    digits = whole + part.ljust(power, "0")[:power]
    if part[power:].strip("0"):
        return "", NO_NUMBER
    written, needed = _digits(match)
    if match.group(3) and written < needed and most < needed:
        return "", ROUNDED
    return digits, ""


def _cut(texts):
    """Return which ids have lost all but 15 digits: none where a long one has more than these."""
    long = np.array([len(t) > DIGITS for t in texts], dtype=bool)
    zeros = 0
    for text in texts[long]:
        tail = text[DIGITS:]
        if tail.strip("0"):
            return np.zeros(len(texts), dtype=bool)
        zeros += len(tail)
    return long if zeros >= 4 else np.zeros(len(texts), dtype=bool)
