"""SDSS, BOSS, eBOSS and SDSS-V spec files: one spectrum per file (spec and spec-lite).

HDU 1 (COADD) holds flux, loglam, ivar, and_mask and or_mask per pixel; HDU 2 (SPECOBJ or SPALL)
one row of the pipeline's results. See https://data.sdss.org/datamodel, files spec and spec-lite.
Wavelengths are vacuum and heliocentric.
"""

from __future__ import annotations

import re

import numpy as np

from common.errors import ReadError
from common.surveys.cards import in_frame, medium_of
from common.surveys.columns import SURVEY_UNIT, float32, median_snr, native, stem
from common.surveys.single import Single, gathered

NAME = "SDSS spec or spec-lite file"
ALLOWED = "a table with flux, loglam and ivar of each pixel in HDU 1"
NEEDED = ("flux", "loglam", "ivar")  # columns of the co-add
NUMBERS = re.compile(r"(\d*)[BIJKED]")  # formats of columns of numbers
MARKS = ("PLATEID", "FIBERID")  # cards of the plates' files
LOG_STEP = 1e-4  # SDSS co-adds are sampled on multiples of 1e-4 in log10(wavelength / Å)


def _formats(hdu):
    """Return {lower-case column name: format} of a table; empty where it is none."""
    n = hdu.get("TFIELDS", 0) if hdu.is_table else 0
    return {str(hdu.get(f"TTYPE{i}", "")).strip().lower(): str(hdu.get(f"TFORM{i}", ""))
            for i in range(1, n + 1)}  # fmt: skip


def recognise(hdus):
    """Return True for a file whose HDU 1 is a co-add of one spectrum.

    A row a pixel, or one row of vectors; many rows of vectors are `common.surveys.sdss_table`'s.
    """
    if len(hdus) < 2 or any("LAMOST" in str(hdu.get("TELESCOP")) for hdu in hdus[:2]):
        return False  # LAMOST's medium resolution has columns of the same names
    formats = _formats(hdus[1])
    if not set(NEEDED) <= set(formats):
        return False
    match = NUMBERS.fullmatch(formats["flux"].strip())
    return bool(match) and (int(match[1] or 1) == 1 or hdus[1].get("NAXIS2") == 1)


def lacking(hdus):
    """Return what keeps a file that looks like SDSS's from being read, or None.

    Parameters
    ----------
    hdus : list of QuickHDU
    """
    headers = [hdu for hdu in hdus[:2] if "LAMOST" not in str(hdu.get("TELESCOP"))]
    ours = len(headers) == len(hdus[:2]) and (
        "SDSS" in str(hdus[0].get("TELESCOP", "")).upper()
        or {"PLATEID", "FIBERID"} <= {key for key in MARKS if hdus[0].get(key) is not None}
        or any(hdu.name.upper() in ("SPECOBJ", "SPALL") for hdu in hdus[1:])
        or (len(hdus) > 1 and hdus[1].name.upper() == "COADD")
    )
    if not ours:
        return None
    if len(hdus) < 2 or not hdus[1].is_table:
        return "no table in HDU 1"
    missing = [name for name in NEEDED if name not in _formats(hdus[1])]
    return f"no column {', '.join(missing)} in HDU 1" if missing else None


def count(hdus):
    """Return the number of spectra."""
    return 1


def snap(loglam):
    """Return log10 wavelengths moved from float32 onto the exact multiples of 1e-4.

    Rounding to float32 shifts a wavelength by up to 0.004 Å; where all values are within that
    rounding of a multiple, the multiple is what was meant.
    """
    loglam = np.asarray(loglam, dtype=float)
    exact = np.round(loglam / LOG_STEP) * LOG_STEP
    return exact if np.all(np.abs(exact - loglam) < 1e-6) else loglam


def sdss_ids(plate, mjd, fiber):
    """Return ids "plate-mjd-fiber", e.g. "3586-55181-0004", ndarray of str.

    Parameters
    ----------
    plate, mjd, fiber : sequence of int, equal lengths
    """
    rows = zip(plate, mjd, fiber, strict=True)
    return np.array([f"{int(p):04d}-{int(m):05d}-{int(f):04d}" for p, m, f in rows], dtype=str)


def _row(hdus):
    """Return the pipeline's row as a function name -> value or None."""
    table = hdus[2].table() if len(hdus) > 2 and hdus[2].is_table else np.zeros(0)
    known = table.dtype.names if len(table) == 1 else ()

    def get(*names):
        for name in names:
            if name.lower() in known:
                value = native(table[name.lower()][0])
                return value.item() if value.ndim == 0 else value
        return None

    return get


def _identity(path, header, get):
    """Return the id: plate-mjd-fiber, or field-mjd-catalogid in SDSS-V."""

    def value(*names):
        found = get(*names)
        if found is not None:
            return found
        return next((header(n) for n in names if header(n) not in (None, "")), None)

    plate, mjd, fiber = value("PLATE", "PLATEID"), value("MJD"), value("FIBERID")
    target = value("CATALOGID", "SDSS_ID")
    if target is not None and get("FIELD") is not None:  # SDSS-V knows no plates
        return f"{get('FIELD')}-{mjd}-{target}"
    if None not in (plate, mjd, fiber):
        return sdss_ids([plate], [mjd], [fiber])[0]
    return stem(path)


def single(path, hdus):
    """Return the spectrum of a spec file, a `Single`.

    Raises
    ------
    ReadError
        If the co-add is empty, or its wavelengths are in the telescope's frame.
    """
    data = hdus[1].table()
    if not len(data):
        raise ReadError(path, "the co-add has no pixels", "a " + NAME, "Fetch the file again.")
    flux, ivar = (float32(data[name]).ravel() for name in ("flux", "ivar"))
    mask = None
    if "and_mask" in data.dtype.names:
        mask = (data["and_mask"] != 0).ravel()
    header, get = hdus[0].get, _row(hdus)
    snr = get("SN_MEDIAN_ALL", "SNMEDIAN_ALL")
    ra, dec = get("PLUG_RA", "RACAT", "FIBER_RA"), get("PLUG_DEC", "DECCAT", "FIBER_DEC")
    meta = {
        "file": str(path),
        "survey": "sdss",
        "ra": header("PLUG_RA") if ra is None else ra,
        "dec": header("PLUG_DEC") if dec is None else dec,
        "snr": median_snr(flux[None], ivar[None])[0] if snr is None else snr,
        "class": get("CLASS"),
        "subclass": get("SUBCLASS"),
        "z": get("Z"),
        "z_err": get("Z_ERR", "ZERR"),
        "zwarn": get("ZWARNING", "ZWARN"),
        "vdisp": get("VDISP"),
    }
    wave = 10.0 ** snap(data["loglam"].ravel())
    wave, frame = in_frame(path, hdus[:1], wave, "heliocentric")
    return Single(
        id=_identity(path, header, get),
        meta=meta,
        wavelength=wave,
        flux=flux,
        ivar=ivar,
        mask=mask,
        medium=medium_of(path, hdus[:1]),
        frame=frame,
        unit=SURVEY_UNIT,
        mask_is_warning=True,
    )


def read(path, hdus, *, rows=slice(None), grid=None):
    """Return the spectrum as `Spectra` (arguments: `common.surveys.read`)."""
    return gathered([single(path, hdus).checked()])
