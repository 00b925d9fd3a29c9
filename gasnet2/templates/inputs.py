"""From spectra of any survey to the network's input: one grid of log wavelength, with weights."""

from __future__ import annotations

import numpy as np

from common import rebin
from gasnet2.preprocess import Prepared

STEP = 2e-4  # log10 Å, 138 km/s: two pixels of SDSS
LOG_FIRST, N_PIXELS = 3.55075, 2224  # 3554 to 9899 Å, vacuum; pairs of SDSS's own pixels
CHANNELS = 3
BOX = 121  # pixels of each running mean of the local continuum: 8300 km/s (1 sigma)
FEWEST = 200  # pixels with information that a spectrum needs: a tenth of the grid


def grid():
    """Return the network's vacuum wavelengths, ndarray of shape (N_PIXELS,), Å."""
    return 10 ** (LOG_FIRST + STEP * np.arange(N_PIXELS))


def rebinned(spectra):
    """Return `common.rebin.rebinned` of spectra (vacuum Å) on the network's grid."""
    return rebin.rebinned(spectra, first=LOG_FIRST, step=STEP, n=N_PIXELS)


def channels(flux, ivar):
    """Return what the network is given of spectra on its grid.

    Parameters
    ----------
    flux, ivar : ndarrays of shape (n, N_PIXELS)

    Returns
    -------
    ndarray of shape (n, 3 N_PIXELS), float32
        One after the other: (flux - local continuum) / error; local continuum / its median
        absolute value; that median / error. 0 where there is no information.
    """
    smooth = rebin.local_continuum(flux, ivar, BOX)
    root = np.sqrt(ivar)
    known = ivar > 0
    level = rebin.level_of(smooth, known)
    x = np.stack([(flux - smooth) * root, smooth / level, level * root], axis=1)
    return np.clip(np.nan_to_num(x), -3e4, 3e4).reshape(len(x), -1).astype(np.float32)


def prepare(spectra, *, use_ivar=True):
    """Return the network's input and what became of each spectrum.

    Parameters
    ----------
    spectra : Spectra
        Wavelengths in Å.
    use_ivar : bool
        False: the survey's inverse variance only says which pixels are good; all others count
        alike, with the error that neighbouring pixels show.

    Returns
    -------
    gasnet2.preprocess.Prepared
    """
    spectra = spectra.in_vacuum()
    flux, ivar = rebinned(spectra)
    if not use_ivar:
        good = ivar > 0
        ivar = np.where(good, rebin.scatter(flux, good), 0.0).astype(np.float32)
    known = (ivar > 0).sum(axis=1)
    reason = np.full(len(spectra), "", dtype=object)
    bad = np.zeros(len(spectra))
    low, high = grid()[[0, -1]]
    for i in range(len(spectra)):
        wave = np.asarray(spectra.wavelength_of(i))
        inside = (wave >= low) & (wave <= high)
        if known[i] < FEWEST:
            reason[i] = (
                f"{known[i]} of the network's {N_PIXELS} pixels from {low:.0f} to {high:.0f} Å "
                f"have information; at least {FEWEST} are needed (the spectrum covers "
                f"{wave[0]:.0f}-{wave[-1]:.0f} Å)"
            )
        elif not flux[i].any():
            reason[i] = "flux is zero everywhere; a spectrum needs flux"
        if inside.any() and spectra.ivar is not None:
            bad[i] = np.mean(~(np.asarray(spectra.ivar[i])[inside] > 0))
    x = channels(flux, ivar)
    x[reason != ""] = 0.0
    return Prepared(x, reason, bad)
