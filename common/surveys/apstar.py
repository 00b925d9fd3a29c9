"""APOGEE apStar (asStar) files: the combined spectrum of a star, not normalised.

HDU 1 is the flux, HDU 2 its error, HDU 3 the mask; of each image the first row is the combination
of the visits (weighted pixel by pixel), the second another one, the rest are the visits
(https://data.sdss.org/datamodel, file apStar). 8575 pixels at equal steps in log wavelength,
vacuum, shifted to the star's rest frame; flux in 1e-17 erg / (s cm2 Angstrom).
"""

from __future__ import annotations

import numpy as np

from common.errors import ReadError
from common.spectra import Spectra
from common.surveys.cards import card, grid_of, medium_of, number
from common.surveys.columns import SURVEY_UNIT, float32, make_meta, median_snr, names_of, stem

NAME = "APOGEE apStar spectrum"
ALLOWED = "images of flux, error and mask in HDUs 1 to 3, with CRVAL1 and CDELT1"
BAD = 0xFF  # bits 0 to 7 of the mask: bad, cosmic ray, saturated, unfixable, ..., no sky
MARKS = ("NVISITS", "VHELIO", "OBJID")  # cards of the primary header


def _is_ours(hdus):
    """Return whether the primary header is that of an apStar file."""
    header = hdus[0].header
    if any("param" in names_of(hdu) for hdu in hdus[4:5]):
        return False  # an aspcapStar, whose cards are alike
    return sum(card([header], name) is not None for name in MARKS) >= 2


def _images(hdus):
    """Return whether HDUs 1 to 3 are images of one length in log wavelength."""
    headers = [hdu.header for hdu in hdus[1:4]]
    return (
        len(headers) == 3
        and all(hdu.is_image for hdu in hdus[1:4])
        and all(h.get("NAXIS") in (1, 2) for h in headers)
        and len({h.get("NAXIS1") for h in headers}) == 1
        and 4.0 < number(card(headers[:1], "CRVAL1", default=0)) < 4.5
    )


def recognise(hdus):
    """Return True for three images in log wavelength under an apStar's header."""
    return _is_ours(hdus) and _images(hdus)


def lacking(hdus):
    """Return what keeps a file that looks like an apStar from being read, or None."""
    if not _is_ours(hdus) or _images(hdus):
        return None
    return "no images of one length in HDUs 1 to 3 with CRVAL1 of log wavelength"


def count(hdus):
    """Return the number of spectra: the combined one."""
    return 1


def read(path, hdus, *, rows=slice(None), grid=None):
    """Return the combined spectrum as Spectra with one row (arguments: `common.surveys.read`).

    Returns
    -------
    Spectra
        A pixel with a bad bit, without error or of flux 0 is masked and of ivar 0. `meta` has
        visits and vhelio (km/s, NaN where the file does not say).

    Raises
    ------
    ReadError
        If the images differ in shape.
    """
    images = [np.atleast_2d(hdu.data) for hdu in hdus[1:4]]
    if len({image.shape for image in images}) > 1:
        shapes = ", ".join(str(image.shape) for image in images)
        raise ReadError(path, f"flux, error and mask of shapes {shapes}", "equal shapes")
    flux, error = float32(images[0][:1]), float32(images[1][:1])
    bits = np.nan_to_num(np.asarray(images[2][:1], dtype=float)).astype(np.int64)
    good = np.isfinite(flux) & (flux != 0) & np.isfinite(error) & (error > 0) & (bits & BAD == 0)
    with np.errstate(over="ignore"):
        ivar = np.where(good, 1 / np.where(good, error, 1) ** 2, 0).astype(np.float32)
    headers = (hdus[1].header, hdus[0].header)
    snr = number(card(headers, "SNR"))
    return Spectra(
        wavelength=grid_of(path, headers, flux.shape[1]),
        flux=flux,
        ivar=ivar,
        mask=~good,
        ids=[str(card(headers, "OBJID", "OBJ", "APOGEE_ID", default=stem(path)))],
        meta=make_meta(
            1,
            file=str(path),
            survey="apogee",
            ra=number(card(headers, "RA")),
            dec=number(card(headers, "DEC")),
            snr=snr if snr > 0 else median_snr(flux, ivar),
            visits=number(card(headers, "NVISITS")),
            vhelio=number(card(headers, "VHELIO", "VHBARY")),
        ),
        medium=medium_of(path, headers),
        frame="rest",
        unit=SURVEY_UNIT,
    )
