"""Emission lines: vacuum wavelengths at rest, and Gaussian profiles added to a batch of spectra."""

from __future__ import annotations

import numpy as np

C_KMS = 299792.458
LN10 = np.log(10.0)

# Vacuum wavelengths at rest in Å (NIST; for blends the flux-weighted mean).
VACUUM = {
    "OVI": 1033.82, "Lya": 1215.67, "NV": 1240.14, "OI1305": 1305.42, "CII1335": 1335.31,
    "SiIV": 1398.33, "CIV": 1549.06, "HeII1640": 1640.42, "OIII1664": 1663.48,
    "AlIII": 1857.40, "SiIII": 1892.03, "CIII": 1908.73, "CII2326": 2326.44, "MgII": 2798.75,
    "NeV3347": 3346.79, "NeV": 3426.84, "OII3727": 3727.092, "OII3729": 3729.875,
    "NeIII": 3869.86, "HeI3889": 3889.75, "H8": 3890.151, "NeIII3968": 3968.59, "Heps": 3971.195,
    "SII4069": 4069.75, "Hd": 4102.892, "Hg": 4341.684, "OIII4363": 4364.436, "HeI4472": 4472.74,
    "HeII4686": 4687.015, "Hb": 4862.683, "OIII4959": 4960.295, "OIII": 5008.240,
    "NI5198": 5199.35, "NI5200": 5201.71, "HeI5876": 5877.252, "OI6300": 6302.046,
    "OI6364": 6365.536, "NII6548": 6549.86, "Ha": 6564.608, "NII": 6585.27, "HeI6678": 6679.995,
    "SII6716": 6718.295, "SII6731": 6732.674, "HeI7065": 7067.657, "ArIII": 7137.76,
    "OII7320": 7322.01, "OII7330": 7332.75, "SIII9069": 9071.1, "SIII9531": 9533.2,
}  # fmt: skip


def add_gaussian(flux, *, centre, sigma, peak, reach=5.0):
    """Add one Gaussian per row to a batch, in place.

    Parameters
    ----------
    flux : ndarray of shape (n, n_pixels)
        Changed in place.
    centre, sigma : ndarray of shape (n,)
        Pixels; sigma is the observed width (instrument included).
    peak : ndarray of shape (n,)
        Height, in the unit of flux; rows with 0 are left alone.
    reach : float
        Half-width of the evaluated window in sigmas.
    """
    n_pixels = flux.shape[1]
    rows = np.flatnonzero(
        (peak != 0) & (centre > -reach * sigma) & (centre < n_pixels + reach * sigma)
    )
    if not len(rows):
        return
    # Rows sorted by width and handled in a few groups: one broad line does not widen all windows.
    rows = rows[np.argsort(sigma[rows])]
    for part in np.array_split(rows, min(4, len(rows))):
        half = int(np.ceil(reach * sigma[part].max()))
        first = np.round(centre[part]).astype(int)
        index = first[:, None] + np.arange(-half, half + 1)
        inside = (index >= 0) & (index < n_pixels)
        shape = np.exp(-0.5 * ((index - centre[part][:, None]) / sigma[part][:, None]) ** 2)
        row = np.broadcast_to(part[:, None], index.shape)[inside]
        # No pixel is met twice: each row has one Gaussian.
        flux[row, index[inside]] += (peak[part][:, None] * shape)[inside]


def width_in_pixels(*, kms, step, lsf_kms=69.0):
    """Return the observed width in pixels of a log-lambda grid of this step.

    Parameters
    ----------
    kms : ndarray
        Intrinsic dispersion, km/s.
    step : float
        Grid step in log10 lambda.
    lsf_kms : float
        Dispersion of the instrument's line spread function, km/s.
    """
    return np.hypot(kms, lsf_kms) / C_KMS / (step * LN10)


def peak_of_flux(*, area, rest, sigma_pixels, step):
    """Return the peak of a Gaussian line of this area on a log-lambda grid.

    `area` is in flux times rest-frame Å (equivalent width times continuum), so that the
    redshift cancels.
    """
    return area / (np.sqrt(2 * np.pi) * sigma_pixels * step * LN10 * rest)
