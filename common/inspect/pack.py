"""Arrays of a page in few bytes: what a screen shows needs no double precision.

`decode.js` undoes what is done here, object by object, when it is looked at.
"""

from __future__ import annotations

import base64

import numpy as np

ERROR_STEP = 0.03  # ln: errors are kept to 3 %, over a factor of 2000
LONGEST, STRIP = 8192, 4096  # pixels of a spectrum, a strip; longer ones are averaged in groups


def shortened(wavelength, flux, error=None, *, longest=LONGEST):
    """Return a spectrum with at most `longest` pixels: means of groups, errors as of means."""
    n = -(-len(wavelength) // longest)
    if n < 2:
        return wavelength, flux, error
    keep = len(wavelength) // n * n
    wavelength, flux = (np.reshape(v[:keep], (-1, n)) for v in (wavelength, flux))
    known = np.isfinite(flux).sum(axis=1)
    mean = np.where(known > 0, np.nansum(flux, axis=1) / np.maximum(known, 1), np.nan)
    if error is not None:
        error = np.sqrt(np.nansum(np.reshape(error[:keep], (-1, n)) ** 2, axis=1))
        error = np.where(known > 0, error / np.maximum(known, 1), np.nan)
    return wavelength.mean(axis=1), mean, error


def halves(values, scale):
    """Return values / scale as half-precision numbers, bytes; NaN stays NaN."""
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.clip(np.asarray(values, dtype=float) / scale, -6e4, 6e4)
    return scaled.astype("<f2").tobytes()


def steps(error):
    """Return errors in equal steps of the logarithm, bytes, and the error of the first step.

    0 is where there is no error.
    """
    error = np.asarray(error, dtype=float)
    good = np.isfinite(error) & (error > 0)
    if not good.any():
        return bytes(len(error)), 1.0
    least = max(np.quantile(error[good], 0.001), error[good].max() * np.exp(-254 * ERROR_STEP))
    least = min(least, np.median(error[good]))
    level = np.round(np.log(np.where(good, error, least) / least) / ERROR_STEP) + 1
    return np.where(good, np.clip(level, 1, 255), 0).astype("u1").tobytes(), float(least)


def signed(values):
    """Return values from -127 to 127 of the largest, bytes, and that."""
    values = np.nan_to_num(np.asarray(values, dtype=float))
    most = float(np.abs(values).max(initial=0.0)) or 1.0
    return np.round(values / most * 127).astype("i1").tobytes(), most


def roots(pdf):
    """Return the square roots of probabilities in 255 steps, bytes, and the largest probability."""
    pdf = np.maximum(np.nan_to_num(np.asarray(pdf, dtype=float)), 0)
    most = float(pdf.max(initial=0.0)) or 1.0
    return np.round(np.sqrt(pdf / most) * 255).astype("u1").tobytes(), most


def text_of(data):
    """Return bytes as base64 text."""
    return base64.b64encode(data).decode("ascii")


class Grids:
    """The wavelength grids of a page, each kept once.

    Attributes
    ----------
    kept : list of dict
        n, and log (bool), first and step of an even grid, or data (base64 of float32).
    """

    def __init__(self):
        self.kept, self._known = [], {}

    def number_of(self, wavelength):
        """Return the number of a grid among those kept."""
        wave = np.asarray(wavelength, dtype=float)
        key = wave.astype("<f4").tobytes()
        if key not in self._known:
            self._known[key] = len(self.kept)
            self.kept.append(_even(wave) or {"n": len(wave), "data": text_of(key)})
        return self._known[key]


def _even(wave):
    """Return an even grid in wavelength or its logarithm as its first and step, else None."""
    n = len(wave)
    for log in (True, False):
        if n < 3 or (log and wave[0] <= 0):
            continue
        values = np.log10(wave) if log else wave
        step = (values[-1] - values[0]) / (n - 1)
        if np.abs(values - values[0] - step * np.arange(n)).max() < 0.05 * abs(step):
            return {"n": n, "log": log, "first": float(values[0]), "step": float(step)}
    return None


def packed(one, grids):
    """Return the arrays of an object as base64 text, and what is needed to read them, a dict.

    Parameters
    ----------
    one : common.inspect.shown.Shown
    grids : Grids
    """
    wave, flux, error = shortened(one.wavelength, one.flux, one.error)
    good = np.isfinite(flux)
    if error is not None:
        error = np.asarray(error, float)
        good &= np.isfinite(error) & (error > 0)
    typical = np.abs(np.asarray(flux, float)[good])
    scale = float(np.median(typical)) if len(typical) else 1.0
    scale = scale or float(typical.max(initial=0)) or 1.0
    parts, about = [halves(flux, scale)], {"grid": grids.number_of(wave), "scale": scale}
    if error is not None:
        data, about["error"] = steps(error)
        parts.append(data)
    if one.overlay is not None:
        about["overlay"] = grids.number_of(one.overlay.wavelength)
        parts.append(halves(one.overlay.values, scale))
    about["strips"] = []
    for name, curve in one.strips.items():
        at, values, _ = shortened(curve.wavelength, curve.values, longest=STRIP)
        data, most = signed(values)
        grid = grids.number_of(at)
        about["strips"].append({"name": name, "grid": grid, "most": most})
        parts.append(data)
    if one.pdf is not None:
        data, about["pdf"] = roots(one.pdf)
        parts.append(data)
    return text_of(b"".join(parts)), about
