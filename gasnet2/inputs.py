"""The input of the network that a configuration names."""

from __future__ import annotations

import numpy as np

from gasnet2.preprocess import normalise, preprocess
from gasnet2.templates import inputs as templates


def n_inputs(config):
    """Return how many numbers a spectrum has at the network's input."""
    return templates.CHANNELS * templates.N_PIXELS if config.is_templates else config.n_pixels


def prepared(spectra, config):
    """Return `gasnet2.preprocess.Prepared` of spectra (vacuum Å)."""
    if config.is_templates:
        return templates.prepare(spectra, use_ivar=config.use_ivar)
    return preprocess(spectra, config)


def shown(x, config, wave=None):
    """Return the flux to draw of network input, normalised, shape (n, n_pixels).

    Parameters
    ----------
    x : ndarray of shape (n, n_input)
    config : gasnet2.config.Config
    wave : ndarray of shape (n_pixels,), optional
        Å; the configuration's own grid by default.
    """
    if not config.is_templates:
        return x
    residual, shape, weight = (
        np.asarray(x, dtype=float).reshape(len(x), templates.CHANNELS, -1).swapaxes(0, 1)
    )
    known = weight > 0
    flux = np.where(known, shape + residual / np.maximum(weight, 1e-6), 0.0)
    wave = config.grid if wave is None else wave
    at = (np.log10(wave) - templates.LOG_FIRST) / templates.STEP
    pixel = np.arange(templates.N_PIXELS)
    return normalise([np.interp(at, pixel, row) for row in flux], unit_rms=config.unit_rms)
