"""Absorption on the way to a quasar: Lyman forest, damped and broad absorbers, metal doublets."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.special import expit

from common.mocks.instrument import MODEL_PIXELS, STEP, model_grid, pixel_of
from common.mocks.lines import VACUUM, width_in_pixels


def forest(flux, *, z, rng):
    """Absorb by the Lyman forest in place: mean optical depth growing with redshift.

    Log-normal clumps whose mean transmission is that of Becker et al. 2013 (0.85, 0.72, 0.46 at
    z = 2.1, 2.9, 3.8), Lyman beta with 0.19 of the depth, and partial absorption below the
    Lyman limit.

    Parameters
    ----------
    flux : ndarray of shape (n, MODEL_PIXELS)
    z : ndarray of shape (n,)
    rng : numpy.random.Generator
    """
    wave = model_grid().astype(np.float32)
    rows = np.flatnonzero(z > wave[0] / 1215.67 - 1.02)
    if not len(rows):
        return
    noise = gaussian_filter1d(rng.standard_normal((len(rows), MODEL_PIXELS), np.float32), 1.6)
    noise /= noise.std()
    slow = gaussian_filter1d(rng.standard_normal((len(rows), MODEL_PIXELS), np.float32), 12)
    clump = np.exp(1.3 * noise - 0.85 + 0.4 * slow / slow.std()) * 1.25
    reach = (1 + z[rows, None]).astype(np.float32)
    tau = np.zeros_like(clump)
    for rest, share in ((1215.67, 1.0), (1025.72, 0.19), (972.54, 0.08)):
        epoch = wave / rest  # 1 + z of the absorber
        # Dense clumps saturate and hide optical depth: the steep term makes up for it at z > 3.
        mean = 0.00275 * epoch**3.6 + 0.6 * (epoch / 4.8) ** 10
        tau += share * mean * (wave < rest * reach) * clump
    limit = wave < 912.0 * reach
    tau += limit * (0.8 * rng.exponential(1.0, (len(rows), 1))).astype(np.float32)
    flux[rows] *= np.exp(-tau)


def absorbers(flux, *, z, rng):
    """Add broad absorption lines, damped systems and narrow metal doublets in place."""
    wave = model_grid()
    n = len(z)
    x = np.log(wave)
    for row in np.flatnonzero((rng.random(n) < 0.13) & (z > 1.4)):
        fast = rng.uniform(2500, 22000)
        slow = rng.uniform(0, fast * 0.7)
        depth = rng.uniform(0.3, 1.0)
        edge = rng.uniform(200, 900)
        ripple = gaussian_filter1d(rng.standard_normal(MODEL_PIXELS), 12)
        ripple = np.clip(0.75 + 0.5 * ripple / ripple.std(), 0, 1)
        lines = [("CIV", 1.0), ("SiIV", 0.6), ("NV", 0.9), ("Lya", 0.5)]
        if rng.random() < 0.15:
            lines += [("AlIII", 0.7), ("MgII", 0.5)]
        for name, share in lines:
            v = (np.log(VACUUM[name] * (1 + z[row])) - x) * 299792.458
            trough = expit((v - slow) / edge) * expit((fast - v) / edge)
            flux[row] *= 1 - depth * share * ripple * trough
    for row in np.flatnonzero((rng.random(n) < 0.12) & (z > 2.0)):
        at = 1215.67 * (1 + rng.uniform(1.95, z[row] + 0.01))
        width = rng.lognormal(np.log(9.0), 0.5)
        flux[row] *= np.exp(-((width / np.maximum(np.abs(wave - at), 0.5)) ** 2))
    for row in np.flatnonzero(rng.random(n) < 0.35):
        first, ratio = (
            [(2796.35, 2803.53), (1548.20, 1550.77), (1393.76, 1402.77)][rng.integers(3)],
            rng.uniform(0.5, 1),
        )
        seen = (1 + z[row]) * (
            1 + rng.normal(0, 0.001) if rng.random() < 0.4 else rng.uniform(0.6, 1)
        )
        width = width_in_pixels(kms=rng.uniform(20, 150), step=STEP)
        for rest, share in zip(first, (1.0, ratio), strict=True):
            centre = pixel_of(rest=rest, z=seen - 1)
            k = np.arange(max(int(centre) - 15, 0), min(int(centre) + 16, MODEL_PIXELS))
            if len(k):
                line = np.exp(-0.5 * ((k - centre) / width) ** 2)
                flux[row, k] *= 1 - 0.8 * share * ratio * line
