"""From survey spectra to network input: the one function that all stages share (Sect. 2.1, 3.2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from common.resample import EDGE, to_grid

MIN_COVERAGE = 0.95  # default: fraction of the grid that a spectrum must cover


@dataclass
class Prepared:
    """Network input and what became of each spectrum.

    Attributes
    ----------
    x : ndarray of shape (n, n_pixels), float32
        Normalised flux; 0 outside a spectrum's coverage and in unusable rows.
    reason : ndarray of str, shape (n,)
        Why a row cannot be used; empty where it can.
    bad_fraction : ndarray of shape (n,)
        Fraction of the spectrum's own pixels on the grid without information (ivar = 0).
    """

    x: np.ndarray
    reason: np.ndarray
    bad_fraction: np.ndarray

    @property
    def usable(self):
        """Rows that can be used, ndarray of bool, shape (n,)."""
        return self.reason == ""


def normalise(flux, *, unit_rms=True):
    """Divide each spectrum by its L2 norm (Eq. 2), or by its rms.

    Parameters
    ----------
    flux : ndarray of shape (n, n_pixels)
    unit_rms : bool
        Multiply by sqrt(n_pixels) too, as the authors' code does.

    Returns
    -------
    ndarray of shape (n, n_pixels), float32
        Rows whose norm is zero or not finite become zeros.
    """
    flux = np.asarray(flux, dtype="float32")
    peak = np.abs(flux).max(axis=1, keepdims=True)  # first, so that squares cannot overflow
    with np.errstate(divide="ignore", invalid="ignore"):
        x = flux / peak
        x /= np.sqrt((x**2).sum(axis=1, keepdims=True))
    x[~np.isfinite(x).all(axis=1)] = 0.0
    if unit_rms:
        x *= np.sqrt(flux.shape[1])
    return x.astype("float32")


def _covered(wave, finite, grid):
    """Return the share of the grid between the first and the last finite pixel."""
    if not finite.any():
        return 0.0
    first, last = wave[np.flatnonzero(finite)[[0, -1]]]
    return np.mean((grid >= first * (1 - EDGE)) & (grid <= last * (1 + EDGE)))


def preprocess(spectra, config):
    """Trim, interpolate to the common grid and normalise.

    Parameters
    ----------
    spectra : Spectra
        Wavelengths in Å.
    config : Config
        Grid and normalisation.

    Returns
    -------
    Prepared

    Notes
    -----
    No continuum is removed and no mask is used (Zhong et al. 2024, Sect. 2.1). Pixels of no weight
    are bridged, and 0 beyond the first and last one that has some (default).
    """
    spectra = spectra.in_vacuum()
    flux, _ = to_grid(spectra, config.grid)
    reason = np.full(len(spectra), "", dtype=object)
    bad = np.zeros(len(spectra))
    lo, hi = config.wave_min, config.wave_max
    for i in range(len(spectra)):
        wave = np.asarray(spectra.wavelength_of(i))
        inside = (wave >= lo) & (wave <= hi)
        share = _covered(wave, np.isfinite(spectra.flux[i]), config.grid)
        if share < MIN_COVERAGE:
            reason[i] = (
                f"covers {wave[0]:.0f}-{wave[-1]:.0f} Å, {share:.0%} of the network's "
                f"{lo:.0f}-{hi:.0f} Å; at least {MIN_COVERAGE:.0%} is needed"
            )
            continue
        own, good = np.asarray(spectra.flux[i])[inside], spectra.informative(i)[inside]
        if spectra.ivar is not None:
            bad[i] = np.mean(~(np.asarray(spectra.ivar[i])[inside] > 0))
        if not np.isfinite(own).any():
            reason[i] = "flux is not finite anywhere; a spectrum needs finite flux"
        elif bad[i] == 1.0:
            reason[i] = "ivar is 0 in every pixel; a spectrum needs pixels with information"
        elif not np.any(own[good]):
            reason[i] = "flux is zero everywhere; a spectrum needs flux"
    x = normalise(flux, unit_rms=config.unit_rms)
    x[reason != ""] = 0.0
    return Prepared(x, reason, bad)
