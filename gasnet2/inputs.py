"""The input of the network that a configuration names."""

from __future__ import annotations

from gasnet2.preprocess import preprocess
from gasnet2.templates import inputs as templates


def n_inputs(config):
    """Return how many numbers a spectrum has at the network's input."""
    return templates.CHANNELS * templates.N_PIXELS if config.is_templates else config.n_pixels


def prepared(spectra, config):
    """Return `gasnet2.preprocess.Prepared` of spectra (vacuum Å)."""
    if config.is_templates:
        return templates.prepare(spectra, use_ivar=config.use_ivar)
    return preprocess(spectra, config)


def shown(x, config):
    """Return grid (Å) and flux, arrays (n_pixels,) and (n, n_pixels), to draw input with."""
    if not config.is_templates:
        return config.grid, x
    residual, shape, weight = x.reshape(len(x), templates.CHANNELS, -1).swapaxes(0, 1)
    noise = residual / weight.clip(1e-6)
    return templates.grid(), shape + (weight > 0) * noise
