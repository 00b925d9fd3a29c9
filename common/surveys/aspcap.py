"""APOGEE aspcapStar files: one continuum-normalised spectrum with its ASPCAP parameters.

HDU 1 is the flux, HDU 2 its error, HDU 3 the best fit, HDU 4 the parameters. 8575 pixels at equal
steps in log wavelength, vacuum, rest frame.
"""

from __future__ import annotations

import numpy as np

from common.spectra import Spectra
from common.surveys.cards import card, grid_of, medium_of, number
from common.surveys.columns import column, float32, make_meta, median_snr, names_of, stem

NAME = "APOGEE aspcapStar spectrum"
ALLOWED = "three images of one length in log wavelength, and a table with PARAM in HDU 4"
MISSING = -9990.0  # ASPCAP writes -9999 and values near it
BAD_MAGNITUDE = 90.0  # and 99 for magnitudes
# PARAM's order: Teff, log g, log vmicro, [M/H], [C/M], [N/M], [alpha/M]; later releases append.
LABELS = {"teff": ("TEFF", 0), "logg": ("LOGG", 1), "m_h": ("M_H", 3), "alpha_m": ("ALPHA_M", 6)}


def recognise(hdus):
    """Return True for three images of one length in log wavelength and a table with PARAM."""
    if len(hdus) < 5 or "param" not in names_of(hdus[4]):
        return False
    headers = [hdu.header for hdu in hdus[1:4]]
    return (
        all(h.get("NAXIS") == 1 and h["NAXIS1"] == headers[0]["NAXIS1"] for h in headers)
        and 4.0 < number(card(headers[:1], "CRVAL1", default=0)) < 4.5
    )


def lacking(hdus):
    """Return what keeps a file that looks like an aspcapStar from being read, or None."""
    if len(hdus) < 2 or not 4.0 < number(card([hdus[1].header], "CRVAL1", default=0)) < 4.5:
        return None
    if len(hdus) < 5:
        return f"{len(hdus)} HDUs of five"
    if "param" not in names_of(hdus[4]):
        return "no table with PARAM in HDU 4"
    lengths = [str(hdu.header.get("NAXIS1", 0)) for hdu in hdus[1:4]]
    return f"images of {', '.join(lengths)} pixels in HDUs 1 to 3"


def count(hdus):
    """Return the number of spectra."""
    return 1


def read(path, hdus, *, rows=slice(None), grid=None):
    """Return the spectrum as Spectra with one row (arguments: `common.surveys.read`).

    Returns
    -------
    Spectra
        Pixels without information (in the gaps between the detectors, and where APOGEE sets flux or
        error to 0) are NaN, masked and of ivar 0. `meta` has teff (K), logg, m_h, alpha_m with
        their errors ``*_err``, calibrated (PARAM), NaN where ASPCAP gives none; j, h, k (mag).
    """
    header, table = hdus[1].header, hdus[4]
    flux, error = float32(hdus[1].data)[None], float32(hdus[2].data)[None]
    good = np.isfinite(flux) & (flux != 0) & np.isfinite(error) & (error > 0)
    flux[~good] = np.nan
    ivar = np.where(good, 1 / np.where(good, error, 1) ** 2, 0).astype(np.float32)
    primary = hdus[0].header
    snr = _number(table, "SNR", number(card([primary], "SNR")))
    return Spectra(
        wavelength=grid_of(path, (header, hdus[0].header), flux.shape[1]),
        flux=flux,
        ivar=ivar,
        mask=~good,
        ids=[str(card([primary], "OBJ", default=stem(path)))],
        meta=make_meta(
            1,
            file=str(path),
            survey="apogee",
            ra=_number(table, "RA", number(card([primary], "RA"))),
            dec=_number(table, "DEC", number(card([primary], "DEC"))),
            snr=snr if np.isfinite(snr) else median_snr(flux, ivar),
            **_labels(table),
        ),
        medium=medium_of(path, (header, primary)),
        frame="rest",
        unit="",  # divided by its continuum
    )


def _labels(table):
    """Return the calibrated parameters and their errors, NaN where there is none."""
    param, covariance = column(table, "PARAM").ravel(), column(table, "PARAM_COV")
    variance = np.full(len(param), np.nan)
    if covariance is not None and covariance.size == len(param) ** 2:
        variance = np.diag(covariance.reshape(len(param), len(param)))
    errors = np.sqrt(np.where(variance > 0, variance, np.nan))
    labels = {}
    for name, (named, place) in LABELS.items():
        value = _number(table, named, param[place])
        labels[name] = value
        error = _number(table, f"{named}_ERR", errors[place])
        labels[f"{name}_err"] = error if np.isfinite(value) else np.nan
    for name, old in (("j", "J"), ("h", "H"), ("k", "K")):
        value = _number(table, old, np.nan)
        labels[name] = value if value < BAD_MAGNITUDE else np.nan
    return labels


def _number(table, name, default):
    """Return the one value of a column, else the default; NaN for what stands for missing."""
    value = column(table, name)
    value = float(default if value is None else value.ravel()[0])
    return value if value > MISSING else np.nan
