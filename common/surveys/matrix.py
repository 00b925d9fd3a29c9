"""Many spectra as images, a row each: FLUX and SIGMA (or ERR, IVAR), their WAVE, and LABELS.

A layout in which spectra of VANDELS and of other surveys are passed on; it is nobody's data model.
Images may be tile-compressed. The labels are a table with a row for each spectrum (NAME, Z, ...).
Medium and frame are what the headers say (`common.surveys.cards`), else vacuum and heliocentric.
"""

from __future__ import annotations

import numpy as np

from common.errors import ReadError
from common.spectra import Spectra
from common.surveys.cards import card, in_frame, medium_of
from common.surveys.columns import (
    SURVEY_UNIT,
    column,
    exact_ids,
    float32,
    make_meta,
    median_snr,
    names_of,
    stem,
)
from common.surveys.units import angstrom, factor

NAME = "matrix of spectra (images FLUX, SIGMA and WAVE)"
ALLOWED = "images FLUX, SIGMA (or ERR, IVAR) of one shape, and WAVE of as many pixels"
ERRORS = ("SIGMA", "ERR", "ERROR", "IVAR")
NUMBERS = ("zflag", "logmass", "logsfr")  # further columns of LABELS


def _parts(hdus):
    """Return {name: HDU} of the images and the table of labels."""
    return {hdu.name.upper(): hdu for hdu in reversed(list(hdus)[1:])}


def _error(parts):
    return next((name for name in ERRORS if name in parts and parts[name].is_image), None)


def recognise(hdus):
    """Return True for images FLUX and its error, of two dimensions, and WAVE."""
    parts = _parts(hdus)
    images = [parts.get(name) for name in ("FLUX", "WAVE")]
    return (
        all(hdu is not None and hdu.is_image for hdu in images)
        and images[0].header.get("NAXIS") == 2
        and _error(parts) is not None
    )


def count(hdus):
    """Return the number of spectra."""
    return int(_parts(hdus)["FLUX"].header["NAXIS2"])


def read(path, hdus, *, rows=slice(None), grid=None):
    """Return the chosen rows (arguments: `common.surveys.read`).

    Returns
    -------
    Spectra
        Also in `meta`: zflag, logmass, logsfr, where the labels have them.

    Raises
    ------
    ReadError
        If shapes or numbers of rows disagree, or a unit is none.
    """
    parts, n = _parts(hdus), count(hdus)
    name = _error(parts)
    wave = np.asarray(parts["WAVE"].data, dtype=float).ravel()
    flux, error = parts["FLUX"].data, parts[name].data
    if flux.shape != error.shape or flux.shape != (n, len(wave)):
        raise ReadError(
            path, f"FLUX {flux.shape}, {name} {error.shape}, WAVE {wave.shape}", ALLOWED
        )
    header = [hdus[0].header, parts["FLUX"].header, parts["WAVE"].header]
    text = str(card(header[1:2], "BUNIT", default=""))
    times = factor(path, text, SURVEY_UNIT, where="BUNIT of FLUX") if text else 1.0
    flux, error = float32(flux[rows]), float32(error[rows])
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ivar = error if name == "IVAR" else 1 / error**2
        good = np.isfinite(ivar) & (ivar > 0) & ((error > 0) if name != "IVAR" else True)
        ivar = np.where(good, ivar / times**2, 0).astype(np.float32)
    labels = parts.get("LABELS")
    labels = labels if labels is not None and names_of(labels) else None
    if labels is not None and labels.header["NAXIS2"] != n:
        raise ReadError(path, f"{labels.header['NAXIS2']} LABELS of {n} spectra", "one for each")

    def get(*names):
        return None if labels is None else column(labels, *names, rows=rows)

    ids = [f"{stem(path)}-{i}" for i in range(n)[rows]]
    named = get("NAME", "ID", "OBJECT")
    if named is not None:
        ids = [a or b for a, b in zip(exact_ids(path, named, name="NAME"), ids, strict=True)]
    more = {key: get(key) for key in NUMBERS}
    flux = flux * np.float32(times)
    wave = angstrom(path, wave, parts["WAVE"].header.get("BUNIT"), where="BUNIT of WAVE")
    wave, frame = in_frame(path, header, wave, "heliocentric")
    return Spectra(
        wavelength=wave,
        flux=flux,
        ivar=ivar,
        ids=ids,
        meta=make_meta(
            len(flux),
            file=str(path),
            ra=get("RA"),
            dec=get("DEC"),
            z=get("Z"),
            class_=get("CLASS"),
            snr=median_snr(flux, ivar),
            **{key: value for key, value in more.items() if value is not None},
        ),
        medium=medium_of(path, header),
        frame=frame,
        unit=SURVEY_UNIT if text else "",
    )
