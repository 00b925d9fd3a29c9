"""The MILES library of observed stars with parameters, from the sdss-mangadap archive."""

from __future__ import annotations

import numpy as np
import pandas as pd
from astropy.io import fits

from common import assets
from common.errors import ReadError
from common.mocks.cannon import air_to_vacuum

FOLDER = "mangadap/data/spectral_templates/miles"
FWHM = 2.5  # Å (Falcon-Barroso et al. 2011, A&A 532, A95)
LIMITS = (3545.0, 7400.0)  # Å, vacuum; the last pixels of many stars are empty


def read_miles(*, offline=False):
    """Return the stars of MILES that have parameters.

    Sanchez-Blazquez et al. 2006, MNRAS 371, 703; parameters of Cenarro et al. 2007, MNRAS 374, 664.
    Observed, flux-calibrated, dereddened, at rest.

    `offline` and its errors are those of `common.assets.fetch`.

    Returns
    -------
    wavelength : ndarray of shape (4300,)
        Å, vacuum.
    flux : ndarray of shape (n, 4300), float32
        Relative; NaN where the library has none.
    stars : DataFrame
        miles (the library's number), teff (K), logg, feh (dex).

    Raises
    ------
    MissingDataError
        If the archive is neither cached nor fetchable.
    ReadError
        If a spectrum is damaged.
    """
    folder = assets.fetch("sdss-mangadap", offline=offline) / FOLDER
    columns = ["miles", "teff", "logg", "feh"]
    stars = pd.read_csv(
        folder / "MILES_params.db", sep=r"\s+", dtype={"miles": str}, comment="#", names=columns
    )
    # One number of the list has lost a digit ("022."): which star it is cannot be told.
    stars = stars[stars["miles"].str.fullmatch(r"\d+")].astype({"miles": int})
    stars = stars[(stars["teff"] < 9e4) & (stars["logg"] < 99) & (stars["feh"] < 99)]  # 9999: none
    stars = stars.reset_index(drop=True)
    flux, found, wave = [], [], None
    for row, number in enumerate(stars["miles"]):
        path = folder / f"MILES_res2.50_star_m{number:04d}V.fits"
        if not path.is_file():
            continue
        try:
            with fits.open(path, memmap=False) as hdus:
                header, values = hdus[0].header, np.asarray(hdus[0].data, dtype=np.float32)
        except (OSError, TypeError) as error:
            raise ReadError(path, str(error), "a spectrum of MILES", "Fetch it again.") from error
        own = header["CRVAL1"] + header["CDELT1"] * np.arange(values.size)
        if wave is None:
            wave = own
        flux.append(values if values.size == wave.size else np.interp(wave, own, values))
        found.append(row)
    flux = np.asarray(flux, dtype=np.float32)
    wave = air_to_vacuum(wave)
    empty = (flux <= 0) | (wave < LIMITS[0]) | (wave > LIMITS[1])
    return wave, np.where(empty, np.nan, flux), stars.iloc[found].reset_index(drop=True)
