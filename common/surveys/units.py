"""Units as people spell them, and wavelengths in Å whatever a file gives them in."""

from __future__ import annotations

import re
import warnings

import numpy as np
from astropy import units

from common.errors import ReadError

# What stands in headers, as whole words in any case, and what astropy calls it.
SPELLINGS = {
    r"[aå]ngstr(?:ö|oe|o)ms?|ang|aa": "Angstrom",
    r"nanomet(?:er|re)s?|nm": "nm",
    r"microns?|micromet(?:er|re)s?|um": "micron",
    r"ergs": "erg",
    r"secs?|seconds?": "s",
    r"watts?": "W",
}
NANOMETRES, MICRONS = 3000.0, 30.0  # wavelengths that end below are in nm, or in micron, not in Å
LOG10, LN = (3.0, 5.0), (7.0, 11.0)  # logarithms of wavelengths in Å lie between


def spelled(text):
    """Return a unit's text in astropy's spelling."""
    text = str(text or "").strip()
    if not text:
        return ""
    for pattern, name in SPELLINGS.items():
        text = re.sub(rf"(?<![^\W\d_])(?:{pattern})(?![^\W\d_])", name, text, flags=re.IGNORECASE)
    # An A among other units is no ampere in a spectrum.
    return re.sub(r"(?<![^\W\d_])A(?![^\W\d_])", "Angstrom", text)


def factor(path, text, wanted, *, where):
    """Return what brings a unit to the wanted one.

    Parameters
    ----------
    path : path-like
        For the message.
    text : str
        A unit in any spelling.
    wanted : str
    where : str
        What has the unit, in words.

    Raises
    ------
    ReadError
        If it is no unit, or one of another kind.
    """
    for spelling in (spelled(text), spelled(text).lower()):
        try:
            with warnings.catch_warnings(action="ignore"):  # of several slashes, and other taste
                return units.Unit(spelling).to(units.Unit(wanted))
        except (ValueError, TypeError, units.UnitConversionError):
            continue
    raise ReadError(
        path, f"{where} = {text!r}", f"a unit that converts to {wanted}", f"Correct {where}."
    )


def angstrom(path, values, unit="", *, where="the unit of wavelength", log=False):
    """Return wavelengths in Å.

    Parameters
    ----------
    path : path-like
        For the message.
    values : array-like
        Wavelengths, or their logarithms.
    unit : str or None
        In any spelling. "log" or "dex" in it says that these are logarithms ("ln": natural ones).
        Without a unit the values tell: logarithms of Å, micron, nm or Å.
    where : str
        What has the unit, in words.
    log : bool
        These are logarithms to base 10, whatever the unit says.

    Returns
    -------
    ndarray of float, shape of `values`

    Raises
    ------
    ReadError
        If the unit is not one of wavelength.
    """
    values, unit = np.asarray(values, dtype=float), str(unit or "").strip()
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (np.nan, np.nan)
    plain = spelled(unit) in ("", "Angstrom")  # Å of 3 to 11 would be X-rays
    base = 10.0 if log else None
    if re.search(r"\bln\b|log_?e\b", unit, re.IGNORECASE) or (
        plain and not log and LN[0] < low < high < LN[1]
    ):
        base = np.e
    elif re.search(r"log|dex", unit, re.IGNORECASE) or (plain and LOG10[0] < low < high < LOG10[1]):
        base = 10.0
    if base:
        inner = re.search(r"\(([^()]*)\)", unit)
        if inner or re.search(r"log|dex|\bln\b", unit, re.IGNORECASE):
            unit = inner[1] if inner else ""
        with np.errstate(over="ignore"):
            values = base**values
        high = base ** min(high, 300.0)
    if unit:
        return values * factor(path, unit, "Angstrom", where=where)
    return values * (1e4 if high < MICRONS else 10.0 if high < NANOMETRES else 1.0)
