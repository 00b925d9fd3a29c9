"""What header cards say: values, medium, frame and wavelengths; one rule for all readers.

Headers are `astropy.io.fits.Header` or `common.surveys.quick.QuickHDU`.
"""

from __future__ import annotations

import numpy as np
from astropy.io import fits

from common.errors import ReadError
from common.surveys.units import angstrom

TRUE = ("T", "TRUE", "1", "1.0", "Y", "YES", "VAC", "VACUUM")
FALSE = ("F", "FALSE", "0", "0.0", "N", "NO", "AIR")
AIR_UCDS = ("obs.air", "obs.atmos")  # of wavelengths in ESO's and the VO's tables
FRAMES = {"BARY": "barycentric", "HELIO": "heliocentric", "SOURCE": "rest"}
LIGHT = 299_792.458  # km/s
FASTEST = 35.0  # km/s: Earth about the Sun and about itself, and some more
OWN = ("TOPO", "GEO")  # frames of the telescope: the Earth's motion is still in them
# First pixel, step, reference pixel; SDSS's COEFF0 is the first pixel's by definition, and the
# cards of SDSS-V's tables, which hold a spectrum a row, have no digit.
SCALES = (
    ("COEFF0", "COEFF1", ""),
    ("CRVAL1", "CD1_1", "CRPIX1"),
    ("CRVAL1", "CDELT1", "CRPIX1"),
    ("CRVAL", "CDELT", "CRPIX"),
)


def card(headers, *names, default=None):
    """Return the value of the first card that is there and can be parsed.

    Parameters
    ----------
    headers : sequence of headers
        Looked through in order, for each name.
    *names : str
    default
        Without such a card, or where its value is empty, undefined or unparsable (``RV = -nan``).
    """
    for name in names:
        for header in headers:
            try:
                value = header.get(name)
            except (fits.VerifyError, ValueError):
                continue
            if isinstance(value, str):
                value = value.strip()
            if value not in (None, "") and not isinstance(value, fits.card.Undefined):
                return value
    return default


def is_mock(hdus):
    """Return True where the HDUs of a file say that they hold a mock (header card MOCK = T)."""
    headers = [getattr(hdu, "header", hdu) for hdu in hdus[:2]]
    return str(card(headers, "MOCK", default="F")).upper() in TRUE


def number(value):
    """Return a card's value as float: also of a number written as text; NaN of anything else."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return np.nan


def is_true(path, headers, name):
    """Return what a card says that is T or F, as logical, number or text; None without it.

    Raises
    ------
    ReadError
        If it says something else.
    """
    value = card(headers, name)
    said = str(value).strip().upper()
    if value is None or said in TRUE:
        return None if value is None else True
    if said in FALSE:
        return False
    raise ReadError(path, f"{name} = {value!r}", "T or F", f"Correct the card {name}.")


def medium_of(path, headers, *, ucd=""):
    """Return "air" where a file says so, else "vacuum".

    Parameters
    ----------
    path : path-like
    headers : sequence of headers
        Whose cards VACUUM, AIRORVAC and CTYPE1 count.
    ucd : str
        Of the column of wavelengths.

    Raises
    ------
    ReadError
        If VACUUM is neither true nor false.
    """
    kinds = [str(card([header], "CTYPE1", default="")).upper() for header in headers]
    said = str(card(headers, "AIRORVAC", default="")).lower()
    in_air = any(kind.startswith("AWAV") for kind in kinds) or said.startswith("air")
    in_air = in_air or any(word in str(ucd).lower() for word in AIR_UCDS)
    in_air = in_air or any(is_true(path, [header], "VACUUM") is False for header in headers)
    return "air" if in_air else "vacuum"


def frame_of(path, headers, default):
    """Return the frame that SPECSYS names, else the default.

    Raises
    ------
    ReadError
        If it is that of the telescope or one without the velocities of which nothing is known.
    """
    said = str(card(headers, "SPECSYS", default="")).upper()
    for start, frame in FRAMES.items():
        if said.startswith(start):
            return frame
    if not said or (default == "observed" and said.startswith(OWN)):
        return default
    raise ReadError(
        path,
        f"wavelengths in the frame SPECSYS = {said!r}",
        "BARYCENT or HELIOCEN",
        "Shift the wavelengths by the telescope's velocity, up to 30 km/s, and correct the card.",
    )


def in_frame(path, headers, wavelength, default):
    """Return wavelengths without the Earth's motion, and their frame.

    Parameters
    ----------
    path : path-like
    headers : sequence of headers
        Whose cards SPECSYS, HELIO and HELIO_RV count.
    wavelength : ndarray, or list of ndarray
        Å.
    default : str
        The frame where the file names none.

    Returns
    -------
    wavelength : like `wavelength`
        Where SPECSYS or HELIO = F says that the telescope's motion is still in them, multiplied by
        1 + HELIO_RV / c: SDSS and LAMOST give there what is added to velocities (km/s).
    frame : str
        See `common.spectra.Spectra`.

    Raises
    ------
    ReadError
        If the motion is still in them and HELIO_RV is missing or cannot be.
    """
    said = str(card(headers, "SPECSYS", default="")).upper()
    if not said.startswith(OWN) and is_true(path, headers, "HELIO") is not False:
        return wavelength, frame_of(path, headers, default)
    velocity = number(card(headers, "HELIO_RV"))
    if not abs(velocity) <= FASTEST:
        found = f"SPECSYS = {said!r}" if said.startswith(OWN) else "HELIO = F"
        raise ReadError(
            path, f"wavelengths in the frame of the telescope ({found}) and no HELIO_RV",
            "SPECSYS = BARYCENT or HELIOCEN, or HELIO_RV (km/s, what is added to velocities)",
            "Shift the wavelengths by the telescope's velocity, up to 30 km/s, or add the card.",
        )  # fmt: skip
    factor = 1 + velocity / LIGHT
    ragged = isinstance(wavelength, list)
    return [w * factor for w in wavelength] if ragged else wavelength * factor, "heliocentric"


def grid_of(path, headers, n_pixels, *, unit=("CUNIT1", "CUNIT")):
    """Return the wavelengths that a header's cards give, or None where there are no such cards.

    Parameters
    ----------
    path : path-like
    headers : sequence of headers
        The first one with a scale counts.
    n_pixels : int
    unit : sequence of str
        Cards of the unit.

    Returns
    -------
    ndarray of shape (n_pixels,) or None
        Å. Logarithmic by COEFF0, by DC-FLAG = 1, by CTYPE1 = WAVE-LOG (FITS standard 4.0,
        Sect. 8.4), by the unit, or because the values are such logarithms.

    Raises
    ------
    ReadError
        If the unit is not one of wavelength.
    """
    for header in headers:
        for zero, step, pixel in SCALES:
            first, delta = (number(card([header], name)) for name in (zero, step))
            if not (np.isfinite(first) and np.isfinite(delta) and delta):
                continue
            reference = number(card([header], pixel, default=1)) if pixel else 1.0
            at = np.arange(n_pixels) + 1 - reference
            if step == "CDELT1":
                delta *= number(card([header], "PC1_1", default=1))
            kind = str(card([header], "CTYPE1", default="")).upper()
            values, log = first + delta * at, zero == "COEFF0"
            if kind.endswith("-LOG") and abs(first) > 100:
                values = first * np.exp(delta * at / first)
            elif number(card([header], "DC-FLAG")) == 1 or "LOG" in kind:
                log = True
            name = next((name for name in unit if card([header], name)), "")
            text = card([header], name, default="")
            return angstrom(path, values, text, where=name or "the unit", log=log)
    return None
