"""Spectra without an object: sky fibres, failed fibres, and what sky subtraction leaves."""

from __future__ import annotations

import numpy as np

from common.mocks.instrument import MODEL_PIXELS, model_grid
from gasnet2.mock.plates import waves

# Sky alone; nothing; a continuum that no object has; sky lines that were not taken away.
SHARES = {"sky": 0.45, "dead": 0.15, "continuum": 0.22, "lines": 0.18}


def empty_fibres(plates, n, rng):
    """Return spectra without an object (n, MODEL_PIXELS), and the S/N that they should have.

    Parameters
    ----------
    plates : Plates
        Of the survey: level of its errors, its sky lines.
    n : int
    rng : numpy.random.Generator

    Returns
    -------
    flux : ndarray of shape (n, MODEL_PIXELS), float32
        1e-17 erg/s/cm2/Å where S/N is NaN, else any scale.
    snr : ndarray of shape (n,)
    """
    wave = model_grid()
    own = plates.survey.wavelength
    dark = np.median(plates.sigma)
    kind = rng.choice(list(SHARES), n, p=list(SHARES.values()))
    flux = np.zeros((n, MODEL_PIXELS), dtype=np.float32)
    snr = np.full(n, np.nan)
    coarse, rough = waves(5, MODEL_PIXELS), waves(40, MODEL_PIXELS)
    rows = np.flatnonzero(kind == "sky")  # the sky's continuum is over- or undersubtracted
    level = 0.15 * dark * rng.standard_normal((len(rows), 5)).astype(np.float32)
    flux[rows] = (level * rng.exponential(1.0, (len(rows), 1)).astype(np.float32)) @ coarse
    rows = np.flatnonzero(kind == "continuum")
    size = rng.uniform(0.05, 0.6, (len(rows), 1))
    log = (size * rng.standard_normal((len(rows), 5))).astype(np.float32) @ coarse
    size = rng.uniform(0.01, 0.12, (len(rows), 1))
    log += (size * rng.standard_normal((len(rows), 40))).astype(np.float32) @ rough
    for first, last in plates.survey.joins:
        step = rng.choice([-1, 1], (len(rows), 1)) * rng.uniform(0.15, 0.9, (len(rows), 1))
        log += step.astype(np.float32) * (wave > rng.uniform(first, last))
    flux[rows] = np.exp(log)
    snr[rows] = np.exp(rng.uniform(np.log(0.5), np.log(25.0), len(rows)))
    rows = np.flatnonzero(kind == "lines")
    sky = np.interp(wave, own, plates.lines, left=0, right=0).astype(np.float32)
    share = rng.choice([-1, 1, 1], (len(rows), 1)) * rng.lognormal(
        np.log(0.15), 0.9, (len(rows), 1)
    )
    slow = 1 + 0.4 * rng.standard_normal((len(rows), 5)).astype(np.float32) @ coarse
    flux[rows] = (
        (dark * share).astype(np.float32)
        * slow
        * (sky + rng.uniform(0, 2, (len(rows), 1)).astype(np.float32))
    )
    return flux, snr
