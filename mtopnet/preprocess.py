"""From survey spectra to network input: the one function that all stages share (Sect. 3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.ndimage import median_filter

from common.errors import UsageError
from common.mocks import moons
from common.resample import to_grid
from mtopnet import scaled

MIN_ARM = 0.5  # default: share of an arm's unmasked pixels that must carry information
UNIT = "1e-17 erg / (s cm2 Angstrom)"  # of the continuum's points
EDGE = 1.0  # Å, default: how far a spectrum may end inside an arm before pixels count as lost
NEGATIVE = "continuum negative everywhere; its shape alone informs mass and SFR"


@dataclass
class Prepared:
    """Network input and what became of each spectrum.

    Attributes
    ----------
    x : ndarray of shape (n, n_pixels), float32
        Spectrum without its continuum, its maximum 1, or arcsinh of it over its errors
        (`config.input`); 0 in masked channels and unusable rows.
    continuum : ndarray of shape (n, n_points), float32
        The continuum's points in 1e-17 erg / (s cm2 Å), not standardised, then with input "errors"
        log10 of the median error in each arm, then photometry (AB magnitudes, NaN where unknown).
    reason : ndarray of str, shape (n,)
        Why a row cannot be used; empty where it can.
    note : ndarray of str, shape (n,)
        What is odd about a row that can be used.
    bad_fraction : ndarray of shape (n,)
        Share of the channels outside the sky mask without information.
    """

    x: np.ndarray
    continuum: np.ndarray
    reason: np.ndarray
    note: np.ndarray
    bad_fraction: np.ndarray

    @property
    def usable(self):
        """Rows that can be used, ndarray of bool, shape (n,)."""
        return self.reason == ""

    @property
    def inputs(self):
        """Spectrum and continuum side by side, as shards hold them: (n, n_input), float32."""
        return np.concatenate([self.x, self.continuum], axis=1)


def _thinned(values, n):
    """Return n of the values evenly: MOONS's own pixels, or fewer for a small network."""
    at = np.linspace(0, len(values) - 1, n).round().astype(int)
    return np.asarray(values)[at]


def grid(config):
    """Return the wavelengths of the network's channels, ndarray of shape (n_pixels,), Å, vacuum."""
    return _thinned(moons.grid(), config.n_pixels)


def arms(config):
    """Return {arm: mask of its channels}, each ndarray of bool, shape (n_pixels,)."""
    number = np.concatenate([np.full(a.pixels, i) for i, a in enumerate(moons.ARMS.values())])
    number = _thinned(number, config.n_pixels)
    return {name: number == i for i, name in enumerate(moons.ARMS)}


@lru_cache(maxsize=8)
def _sky_mask(limit, n_pixels, offline):
    if not np.isfinite(limit):
        return np.zeros(n_pixels, dtype=bool)
    return _thinned(moons.sky_photons(offline=offline), n_pixels) > limit


def sky_mask(config, *, offline=False):
    """Return the channels whose sky is too bright, ndarray of bool, shape (n_pixels,) (Sect. 3.1).

    Notes
    -----
    The same channels in all spectra, from MOONS1D's sky model at airmass 1.2. A `sky_limit` of
    infinity masks nothing.

    Raises
    ------
    UsageError
        If no channel of an arm is left.
    """
    masked = _sky_mask(float(config.sky_limit), config.n_pixels, bool(offline))
    empty = [name for name, inside in arms(config).items() if masked[inside].all()]
    if empty:
        raise UsageError(
            f"--sky-limit {config.sky_limit:g} masks every channel of {', '.join(empty)}: the sky "
            "is nowhere that dark. The paper's 1.6e-5 photons / (s cm2 Å arcsec2) masks a quarter."
        )
    return masked


def running_median(flux, window):
    """Return the running median of each row, of all rows in one pass.

    Parameters
    ----------
    flux : ndarray of shape (n, m)
        Finite.
    window : int
        Channels; of an even number the upper half of the window is one shorter.

    Returns
    -------
    ndarray of shape (n, m), float32
        At the ends, half a window from each side, the row is reflected about its last channel
        (default: the paper does not say): the window stays full, and the median there is that of
        one half, so that a slope flattens towards the end.
    """
    flux = np.asarray(flux, dtype="float32")
    n, m = flux.shape
    if not n:
        return flux.copy()
    window = max(1, min(int(window), m))
    half = window // 2 + 1
    padded = np.pad(flux, ((0, 0), (half, half)), mode="symmetric" if half >= m else "reflect")
    # A rank filter along one long row costs a hundredth of one over an image of rows.
    smooth = median_filter(padded.reshape(-1), size=window, mode="nearest")
    return smooth.reshape(padded.shape)[:, half : half + m]


@lru_cache(maxsize=8)
def _factor(unit):
    """Return what brings a unit of flux to `UNIT`, 1 where the unit is of another kind."""
    from astropy import units

    try:
        return np.float32(units.Unit(unit).to(units.Unit(UNIT)))
    except (ValueError, TypeError):
        return np.float32(1)


def _shares(good, masked, config):
    """Return {arm: share of its unmasked channels with information, ndarray of shape (n,)}."""
    out = {}
    for name, inside in arms(config).items():
        use = inside & ~masked
        out[name] = good[:, use].mean(axis=1) if use.any() else np.ones(len(good))
    return out


def _faults(shares, wave):
    """Return why rows cannot be used for what their arms lack, "" where they can: (n,)."""
    n = len(next(iter(shares.values())))
    reason = np.full(n, "", dtype=object)
    for i in range(n):
        low = {name: share[i] for name, share in shares.items() if share[i] < MIN_ARM}
        if len(low) == len(shares):
            reason[i] = (
                "no arm carries information (finite flux and ivar > 0); the network needs RI, YJ "
                f"and H, {wave[0]:.0f}-{wave[-1]:.0f} Å"
            )
        elif low:
            text = ", ".join(f"{name} ({share:.0%} of its channels)" for name, share in low.items())
            reason[i] = (
                f"without information in {text}; at least {MIN_ARM:.0%} is needed in each of "
                "RI, YJ and H"
            )
    return reason


def _on_grid(spectra, wave, config):
    """Return flux on the network's channels and where it is known, (n, n_pixels) each.

    Spectra that come on MOONS's own pixels, in three arms with gaps between, are not interpolated.
    """
    masked = spectra.mask is not None and not spectra.mask_is_warning
    known = None if not masked else [~np.asarray(m, dtype=bool) for m in spectra.mask]
    same = not spectra.is_ragged and len(spectra.wavelength) == len(wave)
    if same and np.allclose(spectra.wavelength, wave, rtol=0, atol=1e-3):
        flux, good = np.asarray(spectra.flux, dtype="float32"), spectra.informative(slice(None))
        if known is not None:
            good &= np.asarray(known)
        return np.where(good, flux, 0), good
    flux, _ = to_grid(spectra, wave)
    good = np.zeros(flux.shape, dtype=bool)
    step = np.gradient(wave)
    for i in range(len(spectra)):
        own, fine = np.asarray(spectra.wavelength_of(i)), spectra.informative(i)
        if known is not None:
            fine &= known[i]
        own = own[fine]
        if not len(own):
            continue
        # A channel is known where a good pixel lies within about a channel of it.
        at = np.searchsorted(own, wave)
        left = np.abs(wave - own[np.clip(at - 1, 0, len(own) - 1)])
        right = np.abs(own[np.clip(at, 0, len(own) - 1)] - wave)
        good[i] = np.minimum(left, right) <= np.maximum(step, EDGE)
    return np.where(good, flux, 0), good


def bridged(flux, good):
    """Return flux with unknown channels on straight lines between the known ones, as float32."""
    out = np.array(flux, dtype="float32")
    channel = np.arange(flux.shape[1])
    for i in np.flatnonzero(~good.all(axis=1) & good.any(axis=1)):
        out[i, ~good[i]] = np.interp(channel[~good[i]], channel[good[i]], flux[i, good[i]])
    return out


def photometry(meta, config):
    """Return the AB magnitudes that the network takes, NaN where unknown: (n, n_bands), float32.

    Parameters
    ----------
    meta : DataFrame of n rows
        mag_BAND of each of `config.photometry`.

    Raises
    ------
    UsageError
        If the table knows none of the bands.
    """
    names = [f"mag_{band}" for band in config.photometry]
    if names and not any(name in meta for name in names):
        known = sorted(c.removeprefix("mag_") for c in meta if str(c).startswith("mag_"))
        raise UsageError(
            f"This network takes photometry in {', '.join(config.photometry)} (columns "
            f"{', '.join(names)}), and the spectra's table has {', '.join(known) or 'none'}. Give "
            "labels.fits beside the spectra these columns, or train without --photometry."
        )
    out = np.full((len(meta), len(names)), np.nan, dtype="float32")
    for k, name in enumerate(names):
        if name in meta:
            out[:, k] = meta[name].to_numpy(dtype=float)
    out[~((out > 0) & (out < 50))] = np.nan
    return out


def preprocess(spectra, config, *, offline=False):
    """Mask the sky, subtract the continuum, scale by maximum or errors, rebin the continuum.

    Parameters
    ----------
    spectra : Spectra
        Wavelengths in Å, observed frame, the three arms joined; meta with mag_BAND where
        the network takes photometry.
    config : Config
    offline : bool
        Never touch the network for the sky model.

    Returns
    -------
    Prepared

    Notes
    -----
    Masked channels are left out of the running median, whose window counts the others (default:
    their zeros would pull it down; the paper does not say which comes first). The points of the
    continuum lie evenly over the channels, the first and last ones included (default).
    """
    n, wave, masked = len(spectra), grid(config), sky_mask(config, offline=offline)
    own = np.zeros((n, config.n_continuum + config.n_levels), dtype="float32")
    points = np.concatenate([own, photometry(spectra.meta, config)], axis=1)
    x, note = np.zeros((n, config.n_pixels), dtype="float32"), np.full(n, "", dtype=object)
    if spectra.frame == "rest":
        what = "wavelengths of the rest frame; the network needs observed ones"
        return Prepared(x, points, np.full(n, what, dtype=object), note, np.ones(n))
    spectra = spectra.in_vacuum()
    flux, good = _on_grid(spectra, wave, config)
    flux *= _factor(spectra.unit)
    reason = _faults(_shares(good, masked, config), wave)
    by_errors = config.input == "errors"
    if by_errors and spectra.ivar is None:
        reason[reason == ""] = scaled.NO_ERRORS
    bad = 1.0 - good[:, ~masked].mean(axis=1) if (~masked).any() else np.ones(n)
    use = np.flatnonzero(reason == "")
    kept = np.flatnonzero(~masked)
    clean = bridged(flux[np.ix_(use, kept)], good[np.ix_(use, kept)])
    window = round(config.median_window * config.n_pixels / moons.PIXELS)
    continuum = running_median(clean, window)
    lines = np.where(good[np.ix_(use, kept)], clean - continuum, 0)
    top = lines.max(axis=1, initial=0.0)
    flat = ~(top > 0)
    for row in use[flat]:
        reason[row] = "no channel lies above the continuum: a spectrum needs structure"
    if by_errors and len(use):
        own = spectra if len(use) == n else spectra[use]
        error = scaled.errors_on(own, wave, good[use]) * _factor(spectra.unit)
        inside = [mask[kept] for mask in arms(config).values()]
        points[use, config.n_continuum : config.n_continuum + config.n_levels] = scaled.levels(
            error[:, kept], inside
        )
        x[np.ix_(use, kept)] = scaled.by_errors(lines, error[:, kept])
    else:
        x[np.ix_(use, kept)] = scaled.by_maximum(lines, top)
    x[use[flat]] = 0
    at = np.linspace(0, config.n_pixels - 1, config.n_continuum)
    points[use, : config.n_continuum] = _interpolate(continuum, kept, at)
    for row in use[(continuum < 0).all(axis=1)]:
        note[row] = NEGATIVE
    return Prepared(x, points, reason, note, bad)


def _interpolate(values, at, new):
    """Interpolate rows linearly from positions `at` to `new`, ends held, (n, len(new))."""
    right = np.clip(np.searchsorted(at, new), 1, max(len(at) - 1, 1))
    left = right - 1
    right = np.minimum(right, len(at) - 1)
    span = np.maximum(at[right] - at[left], 1)
    share = np.clip((new - at[left]) / span, 0, 1).astype("float32")
    return values[:, left] * (1 - share) + values[:, right] * share
