"""Spectra as MOONS1D, the simulator of MOONS, writes them: three arms, vacuum, calibrated.

Its `Merge_fitsband` joins the arms into one file: four images for each of RI, YJ and H, whose card
NAME is DATA_x (flux), ERR_x (1-sigma error), QUAL_x (1 at strong sky lines; not used, the pixels
are good) and Sky. Three files NAME_RI.fits, NAME_YJ.fits, NAME_H.fits that were not merged are read
by the name of the first, and the other two are told apart. Read as well: our mock's many spectra a
file (images of two dimensions, with a table TARGETS of ids and labels). Low resolution only.
"""

from __future__ import annotations

import re

import numpy as np

from common.air import air_to_vacuum
from common.errors import ReadError
from common.spectra import Spectra
from common.surveys.cards import card, frame_of, grid_of, medium_of, number
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
from common.surveys.fitsfile import open_fits
from common.surveys.moons_labels import read_labels  # noqa: F401 - found beside its spectra
from common.surveys.units import factor

NAME = "MOONS1D spectrum (arms RI, YJ and H)"
ARMS = ("RI", "YJ", "H")
TARGET_NUMBERS = ("exposure", "m_h")  # of TARGETS, beside z
ARM_FILE = re.compile(r"(.*)_(RI|YJ|H)(\.fits?(?:\.gz|\.fz)?)", re.IGNORECASE)
ALLOWED = "images DATA_x and ERR_x of the arms RI, YJ and H"


def recognise(hdus):
    """Return True for a file of MOONS1D or of our mock."""
    return _is_moons(hdus) and bool(_images(hdus))


def lacking(hdus):
    """Return what keeps a file that looks like MOONS1D's from being read, or None."""
    return "no image named DATA_RI, DATA_YJ or DATA_H" if _is_moons(hdus) else None


def _is_moons(hdus):
    return "MOONS" in str(card([hdus[0].header], "INST", default="")).upper()


def _images(hdus):
    """Return {card NAME: HDU} of the images."""
    found = {}
    for hdu in hdus[1:]:
        name = str(card([hdu.header], "NAME", default=hdu.name)).strip().upper()
        if name.startswith(("DATA_", "ERR_")):
            found.setdefault(name, hdu)
    return found


def _targets(hdus):
    return next((h for h in hdus[1:] if h.name.upper() == "TARGETS" and names_of(h)), None)


def count(hdus):
    """Return the number of spectra."""
    header = next(h.header for n, h in _images(hdus).items() if n.startswith("DATA_"))
    return int(header["NAXIS2"]) if header.get("NAXIS") == 2 else 1


def read(path, hdus, *, rows=slice(None), grid=None):
    """Return the chosen spectra, the arms joined, flux in 1e-17 erg / (s cm2 Angstrom).

    Arguments are those of every format, see `common.surveys.read`; the arms' other files lie
    beside `path`.

    Returns
    -------
    Spectra
        Also in `meta`: galaxy (id without the exposure), exposure (h on target) and m_h (AB), NaN
        where the file does not say.

    Raises
    ------
    ReadError
        If an arm is missing, the mode is high resolution, or a unit or a
        length does not fit.
    """
    header = hdus[0].header
    if str(card([header], "R_MODE", default="LR")).upper() == "HR":
        raise ReadError(
            path, "a MOONS spectrum of high resolution (R_MODE = HR)",
            "low resolution (R_MODE = LR), whose arms reach from 0.647 to 1.8 µm",
            "Simulate or reduce it in the mode LR.",
        )  # fmt: skip
    images = _images(hdus)
    have = [arm for arm in ARMS if f"DATA_{arm}" in images]
    if len(have) < len(ARMS):
        return _from_siblings(path, hdus, have)
    parts = [_arm(path, images, arm, header, rows) for arm in ARMS]
    return _spectra(path, hdus, rows, parts)


def _arm_files(path, have):
    """Return {arm: its file} of the object that a file of one arm is of; {} without all three."""
    match = ARM_FILE.fullmatch(path.name)
    if not match or len(have) != 1 or match[2].upper() != have[0]:
        return {}
    files = {}
    for arm in ARMS:
        name = f"{match[1]}_{arm if match[2].isupper() else arm.lower()}{match[3]}"
        files[arm] = path.with_name(name)
    return files if all(file.is_file() for file in files.values()) else {}


def belongs_to(path, hdus):
    """Return the file of the arm RI by whose name a file of another arm is read, or None."""
    images = _images(hdus)
    have = [arm for arm in ARMS if f"DATA_{arm}" in images]
    return _arm_files(path, have).get("RI") if have and have[0] != "RI" else None


def _from_siblings(path, hdus, have):
    """Read the arms of a file that was not merged from those beside it, or say what is missing."""
    missing = " and ".join(f"{arm}" for arm in ARMS if arm not in have)
    files = _arm_files(path, have)
    if not files:
        raise ReadError(
            path, f"a MOONS spectrum without the {missing} arm{'s' * (len(have) < 2)}",
            "the arms RI, YJ and H, merged into one file (MOONS1D's Merge_fitsband) or as "
            "NAME_RI.fits, NAME_YJ.fits and NAME_H.fits in one folder",
            "Simulate or reduce the missing arms; the network needs all three.",
        )  # fmt: skip
    if have[0] != "RI":
        raise ReadError(
            path, f"the arm {have[0]} alone", "a file that holds or begins a spectrum",
            f"Its spectrum is read by the name of its RI arm, {files['RI'].name}.",
        )  # fmt: skip
    parts = []
    for arm, file in files.items():
        if arm == "RI":
            parts.append(_arm(path, _images(hdus), arm, hdus[0].header, slice(None)))
            continue
        with open_fits(file) as other:
            images = _images(other)
            if f"DATA_{arm}" not in images:
                raise ReadError(file, f"no image DATA_{arm}", f"MOONS1D's file of the arm {arm}")
            parts.append(_arm(file, images, arm, other[0].header, slice(None)))
    if len({len(part[1]) for part in parts}) > 1:
        raise ReadError(
            path, "different numbers of spectra in its arms' files", "as many in each arm"
        )
    return _spectra(path, hdus, slice(None), parts)


def _arm(path, images, arm, header, rows):
    """Return vacuum wavelengths (p,), flux and ivar (n, p) of one arm."""
    data, error = images[f"DATA_{arm}"], images.get(f"ERR_{arm}")
    if error is None:
        raise ReadError(
            path, f"no image ERR_{arm} beside DATA_{arm}", "flux and error of every arm",
            "Save the spectrum with MOONS1D's SavetoFits.",
        )  # fmt: skip
    cards = data.header
    density = str(card([cards], "TUNIT2", "BUNIT", default="erg / (s cm2 Angstrom)"))
    times = np.float32(factor(path, density, SURVEY_UNIT, where="TUNIT2"))
    flux, sigma = (float32(np.atleast_2d(h.data)[rows]) for h in (data, error))
    if flux.shape != sigma.shape:
        raise ReadError(
            path, f"DATA_{arm} {flux.shape} and ERR_{arm} {sigma.shape}", "equal shapes"
        )
    # In multiples of 1e-17: inverse variances in plain erg would not fit float32.
    flux, sigma = flux * times, sigma * times
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ivar = np.where(np.isfinite(sigma) & (sigma > 0), 1 / sigma**2, np.float32(0))
    wave = grid_of(path, [cards], flux.shape[1], unit=("TUNIT1", "CUNIT1"))
    if wave is None:
        raise ReadError(path, f"no CRVAL1 or CDELT1 in DATA_{arm}", "a linear wavelength scale")
    if medium_of(path, [header, cards]) == "air":
        wave = air_to_vacuum(wave)
    return wave, flux, ivar.astype(np.float32)


def _spectra(path, hdus, rows, parts):
    """Return Spectra of the three arms with what headers or TARGETS say of them."""
    wavelength, flux, ivar = (
        np.concatenate([part[k] for part in parts], axis=axis)
        for k, axis in ((0, 0), (1, 1), (2, 1))
    )
    n, header, table = len(flux), hdus[0].header, _targets(hdus)
    known = {"galaxy": "", "exposure": np.nan, "m_h": np.nan, "z": number(card([header], "Z"))}
    if table is None:
        ids = [stem(path)] if n == 1 else [f"{stem(path)}-{i}" for i in range(count(hdus))[rows]]
        if n == 1 and card([header], "BAND"):
            ids = [re.sub(r"(?i)_RI$", "", ids[0])]
        known["exposure"] = number(card([header], "NDIT")) * number(card([header], "DIT")) / 3600
        if str(card([header], "WAVE", default="")).upper() in ("H", "2MASS_H", "BESSEL_H"):
            known["m_h"] = number(card([header], "MAG"))
        known["galaxy"] = ids
    else:
        ids = column(table, "id", rows=rows)
        ids = None if ids is None else exact_ids(path, ids)
        for name in ("galaxy", "z", *TARGET_NUMBERS):
            values = column(table, name, rows=rows)
            known[name] = known[name] if values is None else values
        if ids is None or len(ids) != n:
            found = 0 if ids is None else len(ids)
            raise ReadError(path, f"{found} ids in TARGETS for {n} spectra", "one row a spectrum")
    meta = make_meta(
        n,
        file=str(path),
        survey="moons",
        snr=median_snr(flux, ivar),
        **known,
    )
    return Spectra(
        wavelength=np.asarray(wavelength, dtype=float),
        flux=flux,
        ivar=ivar,
        ids=ids,
        meta=meta,
        medium="vacuum",
        frame=frame_of(path, [header], "observed"),
        unit=SURVEY_UNIT,
    )
