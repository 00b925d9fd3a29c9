"""How a spectrum without its continuum is scaled: by its maximum, as the paper does, or its errors.

The maximum of a noisy spectrum is seldom a line: at 2 h it is more often a channel under the sky.
The errors, which every file carries, say how much each channel is worth instead.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from common.resample import to_grid

NO_ERRORS = (
    "no errors beside the flux, which this network scales by: give ERR (or ivar), or use a network "
    "trained with --input paper"
)


def by_maximum(lines, top):
    """Return each row over its maximum (Sect. 3.1).

    Parameters
    ----------
    lines : ndarray of shape (n, m)
    top : ndarray of shape (n,)
        Maxima; rows without a positive one stay as they are.
    """
    return lines / np.where(top > 0, top, 1)[:, None]


def by_errors(lines, error):
    """Return arcsinh of each channel over its error: linear in the noise, logarithmic in lines.

    Parameters
    ----------
    lines, error : ndarray of shape (n, m)
        In one unit; where an error is unknown (NaN), 0 is returned.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = lines / error
    return np.arcsinh(np.where(np.isfinite(ratio), ratio, 0))


def levels(error, arms):
    """Return log10 of the median error in each arm, (n, n_arms), NaN where it is unknown.

    What scaling takes out of the spectrum, and what the flux of a line can be told from.

    Parameters
    ----------
    error : ndarray of shape (n, m)
        NaN where unknown.
    arms : sequence of ndarray of bool, shape (m,)
    """
    out = np.full((len(error), len(arms)), np.nan, dtype="float32")
    for k, inside in enumerate(arms):
        known = np.isfinite(error[:, inside]).any(axis=1)
        out[known, k] = np.log10(np.nanmedian(error[known][:, inside], axis=1))
    return out


def errors_on(spectra, wave, good):
    """Return the errors of spectra on the network's channels, (n, m) float32, NaN where unknown.

    Parameters
    ----------
    spectra : Spectra
        On their own pixels, with ivar. Elsewhere than on `wave` errors are interpolated: those of a
        pixel as wide as the spectrum's own.
    wave : ndarray of shape (m,)
        Å.
    good : ndarray of bool, shape (n, m)
        Channels with information.
    """

    def of(ivar):
        ivar = np.asarray(ivar, dtype=float)  # 1e40 in erg / (s cm2 Å) is beyond float32
        return np.where(ivar > 0, 1 / np.sqrt(np.where(ivar > 0, ivar, 1)), np.nan)

    error = [of(row) for row in spectra.ivar]
    if not spectra.is_ragged and len(spectra.wavelength) == len(wave) and np.allclose(
        spectra.wavelength, wave, rtol=0, atol=1e-3
    ):  # fmt: skip
        error = np.array(error, dtype="float32").reshape(good.shape)
    else:
        error = error if spectra.is_ragged else np.array(error)
        error, _ = to_grid(replace(spectra, flux=error), wave)
    return np.where(good & (error > 0), error, np.float32(np.nan))
