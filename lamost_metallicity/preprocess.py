"""From survey spectra to network input: the one function that all stages share (Sect. 2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from common.rebin import level_of, local_continuum, rebinned
from common.resample import to_grid

R_BAND = (5500.0, 7000.0)  # Å, default: reproduces the S/N_r of LAMOST's headers to 2 %
ARMS = {"blue": (3800.0, 5700.0), "red": (6000.0, 8000.0)}  # Å, clear of LAMOST's arm join
MIN_ARM = 0.5  # default: share of an arm's pixels that must carry information
NO_ERRORS = "no errors (ivar) in the file; networks of --input ivar need them"
NO_Z = (
    "no redshift (z) in the file; networks of --input rest see spectra at rest. Use one of "
    "--input standardised, or add Z to the file's header or table"
)
REST_BOX = 41  # default: pixels of each running mean of the continuum, 2100 km/s (1 sigma)
MIN_COVERAGE = 0.95  # default: share of the grid between a spectrum's first and last good pixel


@dataclass
class Prepared:
    """Network input and what became of each spectrum.

    Attributes
    ----------
    x : ndarray of shape (n, n_pixels * channels), float32
        Scaled flux (in [0, 1] by the paper's way), each pixel's error after it where the input is
        "ivar"; `rest_frame` where it is "rest"; 0 in unusable rows.
    reason : ndarray of str, shape (n,)
        Why a row cannot be used; empty where it can.
    snr_r : ndarray of shape (n,)
        Signal-to-noise ratio in the r band: the survey's, else measured.
    bad_fraction : ndarray of shape (n,)
        Share of a spectrum's pixels on the grid without information (not finite, or ivar = 0).
    """

    x: np.ndarray
    reason: np.ndarray
    snr_r: np.ndarray
    bad_fraction: np.ndarray

    @property
    def usable(self):
        """Rows that can be used, ndarray of bool, shape (n,)."""
        return self.reason == ""


def min_max(flux):
    """Scale each spectrum to [0, 1] (Sect. 2).

    Parameters
    ----------
    flux : ndarray of shape (n, n_pixels)
        Finite.

    Returns
    -------
    ndarray of shape (n, n_pixels), float32
        A constant row becomes zeros.
    """
    flux = np.asarray(flux, dtype="float64")  # a difference of large numbers
    low, high = flux.min(axis=1, keepdims=True), flux.max(axis=1, keepdims=True)
    return ((flux - low) / np.where(high > low, high - low, 1.0)).astype("float32")


def standardised(flux):
    """Bring each spectrum to mean 0 and standard deviation 1: not the paper's way.

    One pixel that is far off, or one strong line, rules the minimum and maximum that the paper
    scales by, but not these.

    Parameters
    ----------
    flux : ndarray of shape (n, n_pixels)
        Finite.

    Returns
    -------
    ndarray of shape (n, n_pixels), float32
        A constant row becomes zeros.
    """
    flux = np.asarray(flux, dtype="float64")
    flux = flux - flux.mean(axis=1, keepdims=True)
    return (flux / _spread(flux)).astype("float32")


def with_errors(flux, error):
    """Return standardised spectra with log10 of the error in the same unit after each pixel.

    Parameters
    ----------
    flux, error : ndarrays of shape (n, n_pixels)
        Finite, the error above 0.

    Returns
    -------
    ndarray of shape (n, 2 * n_pixels), float32
        The logarithm within -2 and 2.
    """
    share = np.log10(np.asarray(error, dtype="float64") / _spread(flux))
    both = np.stack([standardised(flux), np.clip(share, -2, 2)], axis=2)
    return both.reshape(len(flux), -1).astype("float32")


def rest_frame(spectra, z, config):
    """Return spectra at rest, on a grid in log wavelength, with their errors.

    Parameters
    ----------
    spectra : Spectra
        n spectra, vacuum Å.
    z : ndarray of shape (n,)
        Redshifts, finite.
    config : Config
        `rest_min`, `rest_max`, `rest_pixels`.

    Returns
    -------
    ndarray of shape (n, 4 * rest_pixels), float32
        Of each pixel the local continuum over its median; asinh of 4 times the flux less the
        continuum in that unit; asinh of the same over its error; log10 of the error in that unit.
        0 (the error: 1) where there is no information.
    """
    first, last = np.log10(config.rest_min), np.log10(config.rest_max)
    step = (last - first) / (config.rest_pixels - 1)
    flux, ivar = rebinned(spectra, first=first, step=step, n=config.rest_pixels, z=z)
    known, smooth = ivar > 0, local_continuum(flux, ivar, REST_BOX)
    level = level_of(smooth, known)
    detail = np.where(known, flux - smooth, 0.0)
    error = np.where(known, 1 / np.sqrt(np.where(known, ivar, 1.0)) / level, 10.0)
    x = [smooth / level, np.arcsinh(4 * detail / level), np.arcsinh(detail * np.sqrt(ivar)),
         np.log10(np.clip(error, 1e-3, 10.0))]  # fmt: skip
    return np.stack(x, axis=2).clip(-20, 20).reshape(len(x[0]), -1).astype("float32")


def shape_of(x, config):
    """Return the spectra that network input stands for, shape (n, n_pixels): flux in some unit."""
    pixels = x.reshape(len(x), -1, config.channels)
    if config.at_rest:
        return pixels[..., 0] + np.sinh(pixels[..., 1]) / 4
    return pixels[..., 0]


def _spread(flux):
    """Return the standard deviation of each row, shape (n, 1); 1 where it is 0."""
    value = np.asarray(flux, dtype="float64").std(axis=1, keepdims=True)
    return np.where(value > 0, value, 1.0)


def _snr_r(wave, flux, ivar, good):
    """Return the median of flux sqrt(ivar) in the r band, NaN where it cannot be measured."""
    if ivar is None:
        return np.nan
    inside = (wave >= R_BAND[0]) & (wave <= R_BAND[1]) & good
    return float(np.median(flux[inside] * np.sqrt(ivar[inside]))) if inside.any() else np.nan


def _shares(wave, good):
    """Return the share of good pixels in each arm; 0 where the spectrum has none there."""
    out = []
    for low, high in ARMS.values():
        inside = (wave >= low) & (wave <= high)
        # Pixels that the file does not hold count as lost.
        reach = min(wave[-1], high) - max(wave[0], low)
        out.append(good[inside].mean() * reach / (high - low) if inside.any() else 0.0)
    return out


def _fault(kind, z, snr, shares, covered, wave, config):
    """Return why a spectrum cannot be used, "" where it can."""
    kind = str(kind).strip().upper()
    if kind.startswith("STAR"):
        return "a star by its survey's class; the networks know galaxies only"
    if kind.startswith(("QSO", "QUASAR")):
        return "a quasar by its survey's class; the networks know galaxies only"
    if np.isfinite(z) and z >= config.z_max:
        return f"z = {z:.4f}; allowed is z < {config.z_max:g}, as in the paper's sample"
    if max(shares) == 0.0:
        return "no pixel with finite flux and ivar > 0 in either arm"
    for (arm, (low, high)), share in zip(ARMS.items(), shares, strict=True):
        if share < MIN_ARM:
            other = "red" if arm == "blue" else "blue"
            return (
                f"only the {other} arm: {share:.0%} of {low:.0f}-{high:.0f} Å carries "
                f"information, at least {MIN_ARM:.0%} is needed in both arms"
            )
    if covered < MIN_COVERAGE:
        return (
            f"covers {wave[0]:.0f}-{wave[-1]:.0f} Å, {covered:.0%} of the network's "
            f"{config.wave_min:.0f}-{config.wave_max:.0f} Å; at least {MIN_COVERAGE:.0%} is needed"
        )
    if np.isfinite(snr) and snr < config.snr_min:
        return f"S/N_r = {snr:.2f}; at least {config.snr_min:g} is needed, as in the paper's sample"
    return ""


def preprocess(spectra, config):
    """Interpolate to the network's grid and scale; no redshift correction in the paper (Sect. 2).

    Parameters
    ----------
    spectra : Spectra
        Wavelengths in Å, of any survey; meta with class, z, snr_r where known.
    config : Config
        Grid, limits, and `input`: "paper" (`min_max`), `standardised`, "ivar" (`with_errors`) or
        "rest" (`rest_frame`).

    Returns
    -------
    Prepared

    Notes
    -----
    Pixels without information are bridged by interpolation unless `Config.bridge` is off: their
    flux is often 0 or far off, and a single pixel can rule the minimum or the maximum. Beyond a
    spectrum's ends, which may miss a few Å of the grid, its last good pixel is repeated.
    """
    n, meta, spectra = len(spectra), spectra.meta, spectra.in_vacuum()
    observed = np.linspace(config.wave_min, config.wave_max, config.n_pixels)
    flux, covered = to_grid(spectra, observed, bridge=config.bridge)
    reason, bad = np.full(n, "", dtype=object), np.ones(n)
    snr = meta["snr_r"].to_numpy(dtype=float).copy() if "snr_r" in meta else np.full(n, np.nan)
    z = meta["z"].to_numpy(dtype=float) if "z" in meta else np.full(n, np.nan)
    kind = meta["class"].to_numpy() if "class" in meta else np.full(n, "")
    for i in range(n):
        wave, own = np.asarray(spectra.wavelength_of(i)), np.asarray(spectra.flux[i])
        ivar = None if spectra.ivar is None else np.asarray(spectra.ivar[i])
        good = spectra.informative(i)
        inside = (wave >= config.wave_min) & (wave <= config.wave_max)
        if inside.any():
            bad[i] = 1.0 - good[inside].mean()
        if not np.isfinite(snr[i]):
            snr[i] = _snr_r(wave, own, ivar, good)
        share = _shares(wave, good)
        reason[i] = _fault(kind[i], z[i], snr[i], share, covered[i].mean(), wave, config)
    if config.input == "ivar" and spectra.ivar is None:
        reason[reason == ""] = NO_ERRORS
    if config.at_rest:
        reason[(reason == "") & ~np.isfinite(z)] = NO_Z
    for i in np.flatnonzero((reason == "") & ~covered.all(axis=1)):
        inside = np.flatnonzero(covered[i])
        flux[i, : inside[0]], flux[i, inside[-1] + 1 :] = flux[i, inside[0]], flux[i, inside[-1]]
    for i in np.flatnonzero((reason == "") & (np.ptp(flux, axis=1) == 0)):
        reason[i] = "flux is the same in every pixel; a spectrum needs structure"
    flux[reason != ""] = 0.0
    if config.at_rest:
        x = np.zeros((n, config.width), dtype="float32")
        rows = np.flatnonzero(reason == "")
        if len(rows):
            x[rows] = rest_frame(spectra[rows], z[rows], config)
    elif config.input == "ivar":
        x = with_errors(flux, _errors(spectra, config, reason == ""))
        x[reason != ""] = 0.0
    else:
        x = min_max(flux) if config.input == "paper" else standardised(flux)
    return Prepared(x, reason, snr, bad)


def _errors(spectra, config, rows):
    """Return the errors of rows on the grid, shape (n, n_pixels); 1 in the others.

    Pixels without information are bridged, and the ends repeated, as those of the flux.
    """
    out = np.ones((len(spectra), config.n_pixels))
    for i in np.flatnonzero(rows):
        good = spectra.informative(i)
        wave, ivar = np.asarray(spectra.wavelength_of(i)), np.asarray(spectra.ivar[i], dtype=float)
        out[i] = np.interp(config.grid, wave[good], 1 / np.sqrt(ivar[good]))
    return out
