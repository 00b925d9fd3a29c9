"""Why the template network answers what it answers: its templates, and each pixel's evidence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from common.shifts import shift_of
from gasnet2.templates.inputs import CHANNELS, LOG_FIRST, N_PIXELS, STEP
from gasnet2.templates.model import Block, blocks

# The line that `line_templates` asks about, default: height and width (times the error, pixels) on
# a continuum of a S/N, and how far it is felt (pixels).
LINE, WIDTH, SNR, REACH = 5.0, 1.5, 10.0, 60


@dataclass
class Evidence:
    """What each wavelength adds to the best solution over the second, of n spectra.

    Attributes
    ----------
    best, second : list of str
        Class and redshift in words.
    z, z_second : ndarrays of shape (n,)
    added : ndarray of shape (n, N_PIXELS)
        Logarithm of the ratio of probabilities (before calibration) that each pixel adds.
    constant : ndarray of shape (n,)
        What does not belong to a pixel: the classes' own logits and the bias over redshift.
    """

    best: list
    second: list
    z: np.ndarray
    z_second: np.ndarray
    added: np.ndarray
    constant: np.ndarray


def rest_wavelengths(block: Block, n_rest):
    """Return the wavelengths at rest of a block's template pixels, ndarray (n_rest,), Å."""
    first = LOG_FIRST / STEP + N_PIXELS - block.first - n_rest
    return 10 ** (STEP * (first + np.arange(n_rest)))


def templates_of(trained):
    """Return {class: (wavelengths at rest (m,), templates (n_maps, m))}."""
    out = {}
    for block in blocks(trained.config.classes):
        layer = trained.model.get_layer(f"templates_{block.coarse.lower()}")
        weights = layer.get_weights()[0]
        wave = rest_wavelengths(block, weights.shape[-1])
        for k, number in enumerate(block.classes):
            out[trained.config.classes[number]] = (wave, weights[k])
    return out


def line_templates(trained):
    """Return what a weak emission line at each wavelength at rest adds to each class's score.

    The templates stand on maps that the network makes of a spectrum; this is what they are in
    terms of flux: the answer of the maps to a narrow line of `LINE` times the error on an even
    spectrum, half the difference between emission and absorption, summed with the templates.
    Negative: the class has an absorption line there.

    Returns
    -------
    dict of str to (ndarray of shape (m,), ndarray of shape (m,))
        Class -> wavelengths at rest in Å, and logarithm of the ratio of probabilities.
    """
    import keras

    from common.inference import compiled

    x = np.zeros((2, CHANNELS, N_PIXELS), dtype=np.float32)
    x[:, 1], x[:, 2] = 1.0, SNR
    middle, reach = N_PIXELS // 2, np.arange(-REACH, REACH + 1)
    line = LINE * np.exp(-0.5 * (reach / WIDTH) ** 2)
    x[:, 0, middle + reach] = np.stack([line, -line])
    maps_of = keras.Model(trained.model.inputs, trained.model.get_layer("maps").output)
    up, down = compiled(maps_of)(x.reshape(2, -1))
    answer = (up - down)[middle + reach] / 2
    out = {}
    for name, (wave, weights) in templates_of(trained).items():
        added = sum(np.correlate(row, answer[:, k], mode="valid") for k, row in enumerate(weights))
        if len(wave) > len(reach):
            out[name] = (wave[REACH:-REACH], added)
    return out


def evidence(trained, x):
    """Return the `Evidence` of prepared spectra, exact: the score is a sum over pixels.

    Parameters
    ----------
    trained : gasnet2.templates.networks.TemplateNetwork
    x : ndarray of shape (n, n_input)
    """
    import keras

    from common.inference import compiled

    classes = trained.config.classes
    maps_of = keras.Model(trained.model.inputs, trained.model.get_layer("maps").output)
    maps = compiled(maps_of)(x)
    logits = trained.logits(x)
    found = trained.solutions(x)
    added, constant = np.zeros((len(x), N_PIXELS)), np.zeros(len(x))
    for sign, number, z in ((1, found.best, found.z), (-1, found.second, found.z_second)):
        for i in range(len(x)):
            block = next(b for b in blocks(classes) if number[i] in b.classes)
            shift = int(np.clip(np.round(shift_of(z[i], STEP)), block.first, block.last))
            part = maps[i] * _laid(trained, block, number[i], shift)
            own = block.start + block.classes.index(number[i]) * block.n_shifts
            added[i] += sign * part.sum(axis=1)
            constant[i] += sign * (logits[i, own + shift - block.first] - part.sum())

    def words(number, z):
        return [f"{classes[k]} z = {v:.4f}" for k, v in zip(number, z, strict=True)]

    return Evidence(words(found.best, found.z), words(found.second, found.z_second), found.z,
                    found.z_second, added, constant)  # fmt: skip


def _laid(trained, block, number, shift):
    """Return a class's template as it lies over the spectrum's pixels, shape (N_PIXELS, n_maps)."""
    layer = trained.model.get_layer(f"templates_{block.coarse.lower()}")
    weights = layer.get_weights()[0][block.classes.index(number)]
    at = np.arange(N_PIXELS) - shift - layer.rest_first
    inside = (at >= 0) & (at < weights.shape[1])
    return np.where(inside, weights[:, np.clip(at, 0, weights.shape[1] - 1)], 0.0).T
