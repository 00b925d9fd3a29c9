"""SDSS, BOSS, eBOSS and SDSS-V spec files: one spectrum per file (spec and spec-lite).

HDU 1 (COADD) holds flux, loglam, ivar, and_mask and or_mask per pixel; HDU 2 (SPECOBJ or SPALL)
one row of the pipeline's results. See https://data.sdss.org/datamodel, files spec and spec-lite.
Wavelengths are vacuum and heliocentric.
"""

from __future__ import annotations

import numpy as np

from common.errors import ReadError
from common.spectra import Spectra
from common.surveys.columns import SURVEY_UNIT, float32, make_meta, median_snr, native, stem

NAME = "SDSS spec or spec-lite file"
LOG_STEP = 1e-4  # SDSS co-adds are sampled on multiples of 1e-4 in log10(wavelength / Å)


def recognise(hdus):
    """Return True for a file whose HDU 1 is a co-add of one spectrum."""
    if len(hdus) < 2 or not hdus[1].is_table or "LAMOST" in str(hdus[0].get("TELESCOP")):
        return False  # LAMOST's medium resolution has columns of the same names
    keys = [f"TTYPE{i}" for i in range(1, 12)]
    names = {str(hdus[1].get(key, "")).lower() for key in keys}
    return {"flux", "loglam", "ivar"} <= names


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


def read(path, hdus, *, rows=slice(None), grid=None):
    """Return the spectrum of a spec file (arguments: `common.surveys.read`).

    Raises
    ------
    ReadError
        If the co-add is empty.
    """
    data = hdus[1].table()
    if not len(data):
        raise ReadError(path, "the co-add has no pixels", "a " + NAME, "Fetch the file again.")
    flux, ivar = float32(data["flux"])[None], float32(data["ivar"])[None]
    mask = (data["and_mask"] != 0)[None] if "and_mask" in data.dtype.names else None
    header, get = hdus[0].get, _row(hdus)
    snr = get("SN_MEDIAN_ALL", "SNMEDIAN_ALL")
    ra, dec = get("PLUG_RA", "RACAT", "FIBER_RA"), get("PLUG_DEC", "DECCAT", "FIBER_DEC")
    meta = make_meta(
        1,
        file=str(path),
        survey="sdss",
        ra=header("PLUG_RA") if ra is None else ra,
        dec=header("PLUG_DEC") if dec is None else dec,
        snr=median_snr(flux, ivar) if snr is None else snr,
        class_=get("CLASS"),
        subclass=get("SUBCLASS"),
        z=get("Z"),
        z_err=get("Z_ERR", "ZERR"),
        zwarn=get("ZWARNING", "ZWARN"),
        vdisp=get("VDISP"),
    )
    return Spectra(
        wavelength=10.0 ** snap(data["loglam"]),
        flux=flux,
        ivar=ivar,
        mask=mask,
        ids=[_identity(path, header, get)],
        meta=meta,
        medium="vacuum",
        frame="heliocentric",
        unit=SURVEY_UNIT,
    )
