"""From LAMOST spectra to network input: the one function that all stages share (Sect. 2.2).

The steps are those of the released notebooks: pixels of either mask are dropped, wavelengths go to
the rest frame, the flux is smoothed (Savitzky-Golay), divided by a pseudo-continuum on both sides
of 6000 Å, and interpolated to the grid; what is out of range is replaced and flagged.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import numpy as np

from solarlike_distance.continuum import continuum

G_BAND = (4000.0, 5500.0)  # Å, default: where S/N_g is measured if the survey does not say
Z_MAX = 0.01  # default: 3000 km/s, beyond every velocity of a star of the Galaxy
MIN_ARM = 0.3  # default: share of the pixels on either side of 6000 Å that must carry no flag
BEYOND = 4.0  # default: above the 3.5 that LAMOST's own pixels without weight reach
ROWS = 16  # spectra worked on at a time: their polynomials fit a processor's cache


@dataclass
class Prepared:
    """Network input and what became of each spectrum.

    Attributes
    ----------
    x : ndarray of shape (n, n_pixels), float32
        Flux over continuum; 0 in unusable rows.
    reason : ndarray of str, shape (n,)
        Why a row cannot be used; empty where it can.
    flag : ndarray of int, shape (n,)
        1 where pixels were out of range and replaced (the paper's flag).
    replaced : ndarray of int, shape (n,)
        How many they were.
    snr_g : ndarray of shape (n,)
        Signal-to-noise ratio in the g band: the survey's, else measured.
    bad_fraction : ndarray of shape (n,)
        Share of the pixels within the grid's range that a mask flags, that are not finite, or
        whose value is no star's.
    """

    x: np.ndarray
    reason: np.ndarray
    flag: np.ndarray
    replaced: np.ndarray
    snr_g: np.ndarray
    bad_fraction: np.ndarray

    @property
    def usable(self):
        """Rows that can be used, ndarray of bool, shape (n,)."""
        return self.reason == ""


def preprocess(spectra, config):
    """Smooth, normalise and interpolate to the network's grid in the rest frame (Sect. 2.2).

    Parameters
    ----------
    spectra : Spectra
        Wavelengths in Å, heliocentric; mask and or_mask where known, meta with z, class
        and snr_g where known.
    config : Config
        Grid, steps and what out-of-range pixels become.

    Returns
    -------
    Prepared
        Rejected, with a reason: no redshift, or one that no star has; galaxies and quasars by their
        survey's class; wavelengths that are not heliocentric; no coverage of the grid; an arm with
        too few pixels; flux that is negative or the same everywhere; a continuum that is not
        above zero. Kept: low S/N, a set FIBERMASK, any stellar class; the caller has `snr_g`
        and `flag`.
    """
    n, m, spectra = len(spectra), config.n_pixels, spectra.in_vacuum()
    out = Prepared(
        x=np.zeros((n, m), dtype="float32"),
        reason=np.full(n, "", dtype=object),
        flag=np.zeros(n, dtype=int),
        replaced=np.zeros(n, dtype=int),
        snr_g=_column(spectra, "snr_g"),
        bad_fraction=np.ones(n),
    )
    z = _column(spectra, "z")
    kind = spectra.meta["class"].to_numpy() if "class" in spectra.meta else np.full(n, "")
    good = [usable_pixels(spectra, row) for row in range(n)]
    for row in range(n):
        wave = np.asarray(spectra.wavelength_of(row))
        inside = (wave >= config.wave_min) & (wave <= config.wave_max)
        if inside.any():
            out.bad_fraction[row] = 1.0 - good[row][inside].mean()
        if not np.isfinite(out.snr_g[row]):
            out.snr_g[row] = _snr_g(spectra, row, wave, good[row])
        out.reason[row] = _fault(spectra, row, kind[row], z[row], wave, good[row], config)
    rows = np.flatnonzero(out.reason == "")
    parts = [rows[start : start + ROWS] for start in range(0, len(rows), ROWS)]
    _on_all_cores(lambda part: _normalise(spectra, part, good, z, out, config), parts)
    out.x[out.reason != ""] = 0.0
    return out


def cores():
    """Return how many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _on_all_cores(work, parts):
    """Do some work for each part, in threads: NumPy lets others run while it computes."""
    from threadpoolctl import threadpool_limits

    # The linear algebra is of small matrices, which threads of its own would only slow.
    with threadpool_limits(limits=1, user_api="blas"):
        if len(parts) < 2 or cores() < 2:
            for part in parts:
                work(part)
            return
        with ThreadPoolExecutor(min(cores(), len(parts))) as pool:
            list(pool.map(work, parts))


def _column(spectra, name):
    if name not in spectra.meta:
        return np.full(len(spectra), np.nan)
    return spectra.meta[name].to_numpy(dtype=float).copy()


def usable_pixels(spectra, row):
    """Return the pixels that neither mask flags and whose flux is finite and can be a star's.

    Of the pixels without weight [code] uses those that no mask flags: LAMOST fills them with what
    looks like the star's flux. So they are kept, unless the value lies `BEYOND` times further from
    those of the pixels with weight than these lie apart.
    """
    flux, known = np.asarray(spectra.flux[row]), spectra.informative(row)
    good = np.isfinite(flux)
    for mask in (spectra.mask, spectra.or_mask):
        if mask is not None:
            good &= ~np.asarray(mask[row])
    values = flux[good & known].astype(float)
    if values.size:
        low, high = values.min(), values.max()
        reach = BEYOND * (high - low)
        good &= known | ((flux >= low - reach) & (flux <= high + reach))
    return good


def _snr_g(spectra, row, wave, good):
    """Return the median of flux sqrt(ivar) in the g band, NaN where it cannot be measured."""
    if spectra.ivar is None:
        return np.nan
    inside = good & (wave >= G_BAND[0]) & (wave <= G_BAND[1])
    if not inside.any():
        return np.nan
    flux, ivar = np.asarray(spectra.flux[row])[inside], np.asarray(spectra.ivar[row])[inside]
    return float(np.median(flux * np.sqrt(np.maximum(ivar, 0))))


def _fault(spectra, row, kind, z, wave, good, config):
    """Return why a spectrum cannot be normalised, "" where it can."""
    kind = str(kind).strip().upper()
    if kind.startswith(("GALAXY", "QSO", "QUASAR")):
        return f"class {kind} by its survey; the network knows stars only"
    if spectra.frame not in ("heliocentric", "barycentric"):
        return f"wavelengths in the frame {spectra.frame!r}; allowed: heliocentric"
    if not np.isfinite(z):
        return "no redshift (Z is missing, -9999 or 999); the rest frame needs one"
    if abs(z) >= Z_MAX:
        return f"z = {z:.4f}; allowed is |z| < {Z_MAX:g}: no star of the Galaxy is faster"
    if not good.any():
        return "every pixel is flagged by a mask or not finite"
    ends = np.flatnonzero(good)[[0, -1]]
    first, last = _rest(wave[ends], z)
    if first > config.wave_min or last < config.wave_max:
        return (
            f"unflagged pixels cover {first:.0f}-{last:.0f} Å in the rest frame; the network "
            f"needs {config.wave_min:.0f}-{config.wave_max:.0f} Å"
        )
    edges = np.searchsorted(wave, np.array(
        [config.wave_min, config.split_wave, config.wave_max]) * (1 + z))  # fmt: skip
    for side in (0, 1):
        share = good[edges[side] : edges[side + 1]].mean()
        if share < MIN_ARM:
            low = (config.wave_min, config.split_wave)[side]
            high = (config.split_wave, config.wave_max)[side]
            return (
                f"{share:.0%} of {low:.0f}-{high:.0f} Å carries no flag; at least {MIN_ARM:.0%} "
                "is needed"
            )
    flux = np.asarray(spectra.flux[row])[good]
    if not (flux > 0).any():
        return "flux is negative everywhere"
    if np.ptp(flux) == 0:
        return "flux is the same in every pixel; a spectrum needs structure"
    return ""


def _rest(wave, z):
    """Return rest-frame wavelengths as float32, which [code] computes with."""
    return wave.astype("float32") / np.asarray(1 + z, dtype="float32")


def _packed(values, length, *, last=False):
    """Return rows of different lengths as one array; behind an end zeros, or its last value."""
    out = np.zeros((len(values), length), dtype=values[0].dtype)
    for row, value in enumerate(values):
        out[row, : len(value)] = value
        if last:
            out[row, len(value) :] = value[-1]
    return out


def _normalise(spectra, rows, good, z, out, config):
    """Fill in the results of some rows."""
    wave = [np.asarray(spectra.wavelength_of(i))[good[i]].astype("float32") for i in rows]
    flux = [np.asarray(spectra.flux[i], dtype=float)[good[i]] for i in rows]
    length = np.array([len(w) for w in wave])
    wave, flux = _packed(wave, length.max()), _packed(flux, length.max())
    rest = wave / (1 + z[rows, None]).astype("float32")
    smooth = savgol(flux, length, window=config.savgol_window, order=config.savgol_order)
    ends = zip(rest, length, strict=True)
    blue = np.array([np.searchsorted(row[:n], config.split_wave) for row, n in ends])
    level = np.ones_like(smooth)
    for first, last in ((np.zeros_like(blue), blue), (blue, length)):
        sides = [slice(*ends) for ends in zip(first.tolist(), last.tolist(), strict=True)]
        count = last - first
        fit = continuum(
            wave=_packed([r[s] for r, s in zip(rest, sides, strict=True)], count.max(), last=True),
            flux=_packed([r[s] for r, s in zip(smooth, sides, strict=True)], count.max()),
            inside=np.arange(count.max()) < count[:, None],
            config=config,
        )
        for row, side in enumerate(sides):
            level[row, side] = fit[row, : count[row]]
    with np.errstate(all="ignore"):
        normalised = smooth / level
    for k, i in enumerate(rows):
        own = slice(0, length[k])
        _to_grid(i, rest[k, own], normalised[k, own], level[k, own], out, config)


def _to_grid(i, rest, normalised, level, out, config):
    """Interpolate a spectrum to the grid and replace what is out of range."""
    grid = config.grid
    x = np.interp(grid, rest, normalised)
    on = slice(*np.searchsorted(rest, [grid[0], grid[-1]]))
    if level[on].min() <= 0 or not np.isfinite(x).all():
        low = np.count_nonzero(level[on] <= 0)
        out.reason[i] = f"the continuum is not above zero in {low} pixels: too little signal"
        return
    outside = (x > config.high) | (x < config.low)
    out.replaced[i] = np.count_nonzero(outside)
    out.flag[i] = int(out.replaced[i] > 0)
    x[outside] = {"one": 1.0, "zero": 0.0}[config.out_of_range]
    out.x[i] = x


@cache
def _edges(window, order):
    """Return the matrices that fit a polynomial to a window and evaluate its halves."""
    x = np.arange(window) - window // 2
    powers = np.vander(x / (window // 2), order + 1)
    smoother = powers @ np.linalg.pinv(powers)
    return smoother[: window // 2], smoother[-(window // 2) :]


def savgol(flux, length, *, window, order):
    """Smooth rows of different lengths as `scipy.signal.savgol_filter` would each.

    Parameters
    ----------
    flux : ndarray of shape (n, p)
        Zeros behind the end of a row.
    length : ndarray of int, shape (n,)
        Pixels of each row, at least `window`.
    window, order : int
        Of the filter.

    Returns
    -------
    ndarray of shape (n, p)
    """
    from scipy.ndimage import correlate1d
    from scipy.signal import savgol_coeffs

    half = window // 2
    out = correlate1d(flux, savgol_coeffs(window, order, use="dot"), axis=1, mode="constant")
    left, right = _edges(window, order)
    out[:, :half] = flux[:, :window] @ left.T
    at = length[:, None] - window + np.arange(window)
    ends = np.take_along_axis(flux, at, axis=1) @ right.T
    np.put_along_axis(out, at[:, -half:], ends, axis=1)
    return out
