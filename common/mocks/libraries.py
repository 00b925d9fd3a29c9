"""Observed stars of all types on the templates' grid: STELIB, and MaStar's means of like stars."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from astropy.io import fits
from astropy.io.fits.verify import VerifyWarning

from common import assets
from common.mocks.cannon import air_to_vacuum
from common.mocks.instrument import rest_grid

FOLDER = "mangadap/data/spectral_templates"
EDGE = 12  # pixels left out at each end of an observed spectrum
# Where STELIB's spectra hold the air's own absorption, Å.
AIR = ((6865, 6955), (7160, 7345), (7580, 7720), (8100, 8360), (8920, 9900))


def read_stelib(*, offline=False):
    """Return the stars of STELIB (Le Borgne et al. 2003, A&A 402, 433), at rest and dereddened.

    `offline` and its errors are those of `common.assets.fetch`.

    Returns
    -------
    flux : ndarray of shape (n, REST_PIXELS), float32
        Median 1, on the templates' grid (Å, vacuum); NaN where the library has none and
        where the air absorbs.
    stars : DataFrame with n rows
        name, type (as the library gives it), teff (K), logg, feh (dex); NaN where unknown.

    Raises
    ------
    MissingDataError
        If the archive is neither cached nor fetchable.
    """
    folder = assets.fetch("sdss-mangadap", offline=offline) / FOLDER / "stelib"
    wave, rows, flux = rest_grid(), [], []
    for file in sorted(folder.glob("*.fits")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", VerifyWarning)  # some headers are not quite FITS
            with fits.open(file, memmap=False) as hdus:
                header, values = hdus[0].header, np.asarray(hdus[0].data, dtype=float)
                row = {
                    "name": file.stem.split("_")[-1],
                    "type": str(header["SPECTYPE"]).strip(),
                    **{k.replace("_", "").lower(): header[k] for k in ("TEFF", "LOG_G", "FE_H")},
                }
        own = air_to_vacuum(header["CRVAL1"] + header["CDELT1"] * np.arange(values.size))
        seen = _on_grid(wave, own, values)
        for first, last in AIR:
            seen[(wave > first) & (wave < last)] = np.nan
        flux.append(seen)
        rows.append(row)
    stars = pd.DataFrame(rows)
    for name in ("teff", "logg", "feh"):
        stars[name] = pd.to_numeric(stars[name], errors="coerce")
    return np.array(flux, dtype=np.float32), stars


def read_clusters(numbers, *, offline=False):
    """Return means of like stars of MaStar (Yan et al. 2019, ApJ 883, 175) by their numbers.

    Stars were grouped by the likeness of their spectra (Westfall et al. 2019, AJ 158, 231); R about
    1800, 3622-10354 Å, vacuum.

    Parameters
    ----------
    numbers : sequence of int
        Of the files, 0 to 99.
    offline : bool
        As `common.assets.fetch` takes it, with its errors.

    Returns
    -------
    ndarray of shape (n, REST_PIXELS), float32
        Median 1, on the templates' grid (Å, vacuum); NaN where there are no data.
    """
    folder = assets.fetch("sdss-mangadap", offline=offline) / FOLDER / "mastarhc_v2"
    wave, flux = rest_grid(), []
    for number in numbers:
        with fits.open(folder / f"MaStarHC_{number:02d}.fits.gz") as hdus:
            header, values = hdus[0].header, np.asarray(hdus[0].data, dtype=float)
        own = 10 ** (header["CRVAL1"] + header["CDELT1"] * np.arange(values.size))
        flux.append(_on_grid(wave, own, values))
    return np.array(flux, dtype=np.float32)


def _on_grid(wave, own, values):
    """Interpolate to the templates' grid; NaN outside the data and in gaps (values of 0)."""
    seen = np.flatnonzero(values > 0)
    first, last = seen[0] + EDGE, seen[-1] - EDGE
    out = np.interp(wave, own, values, left=np.nan, right=np.nan)
    gap = np.interp(wave, own, (values <= 0).astype(float)) > 0
    out[gap | (wave < own[first]) | (wave > own[last])] = np.nan
    return out / np.nanmedian(out)


def carry_on(flux, model):
    """Fill the gaps and ends of an observed spectrum with a model of its slope.

    Parameters
    ----------
    flux : ndarray of shape (REST_PIXELS,)
        NaN where there are no data.
    model : ndarray of shape (REST_PIXELS,)
        Above 0.

    Returns
    -------
    ndarray of shape (REST_PIXELS,)
        The model is scaled to meet the data where they end, and linearly within gaps.
    """
    good = np.flatnonzero(np.isfinite(flux))
    pieces = np.array_split(good, max(len(good) // 120, 1))
    at = np.array([piece.mean() for piece in pieces])
    ratio = np.array([np.sum(flux[p]) / np.sum(model[p]) for p in pieces])
    filled = model * np.exp(np.interp(np.arange(len(flux)), at, np.log(np.maximum(ratio, 1e-9))))
    return np.where(np.isfinite(flux), flux, filled)
