"""Template fitting at every redshift: linear least squares with errors, of amplitudes >= 0.

The way of redrock (Guy et al. 2023, AJ 165, 144, Sect. 4.3): chi2(z) of the best sum of templates,
on a grid of log wavelength, where a redshift is a shift. The matrices of all shifts are
correlations, computed as products of Fourier transforms (after Tonry & Davis 1979, AJ 84, 1511).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft
from scipy.sparse import csr_matrix

from common.errors import UsageError

STEP = 6e-5  # default: log10 wavelength a pixel, 41 km/s
ROUGH, FINE = 12, 150  # default: sweeps over all shifts, and over the best of them
BEST = 120  # default: shifts that are solved to the end
TINY = 1e-30


@dataclass(frozen=True)
class Templates:
    """Rest-frame templates on pixels of constant width in log wavelength.

    Attributes
    ----------
    flux : ndarray of shape (k, m)
        Any unit; their amplitudes are not negative.
    first : float
        log10 of the first pixel's wavelength, Å, vacuum.
    step : float
        log10 wavelength a pixel.
    """

    flux: np.ndarray
    first: float
    step: float = STEP

    @property
    def wavelength(self):
        """Å at rest, ndarray of shape (m,)."""
        return 10 ** (self.first + self.step * np.arange(self.flux.shape[1]))


def rest_pixels(*, wave, z_range, step=STEP):
    """Return log10 of the first wavelength and the number of pixels that templates need.

    Parameters
    ----------
    wave : ndarray of shape (p,)
        Å, observed.
    z_range : (float, float)
        Lowest and highest redshift.
    step : float
        log10 wavelength a pixel.
    """
    low, high = np.log10(wave[0]), np.log10(wave[-1])
    first = np.floor((low - np.log10(1 + z_range[1])) / step)
    last = np.ceil((high - np.log10(1 + z_range[0])) / step)
    return first * step, int(last - first) + 2


class Fitter:
    """Templates against spectra at every redshift of a range.

    Parameters
    ----------
    templates : Templates
        Over all of `rest_pixels`.
    wave : ndarray of shape (p,)
        Pixels of the spectra, Å, vacuum, observed, increasing.
    z_range : (float, float)
        Lowest and highest redshift.
    parts : sequence of ndarray of bool, shape (p,)
        Arms, each of which may have a polynomial of its own added.
    degree : int
        Of these polynomials; -1: none.

    Notes
    -----
    Each pixel goes with its weight to the nearest one in log wavelength, so that errors stay
    independent and no flux is interpolated; the template is taken at the middle of that pixel.
    """

    def __init__(self, templates, *, wave, z_range, parts=(), degree=-1):
        self.templates, self.wave = templates, np.asarray(wave, dtype=float)
        step = templates.step
        pixel = np.rint(np.log10(self.wave) / step).astype(int)
        self.n_pixels = int(pixel[-1] - pixel[0]) + 1
        rows = np.arange(len(pixel))
        self._gather = csr_matrix(
            (np.ones(len(pixel)), (rows, pixel - pixel[0])), shape=(len(pixel), self.n_pixels)
        )
        start = int(round(templates.first / step))
        # Template pixel under the spectrum's first: falls as the redshift rises.
        first, last = (int(np.rint(np.log10(1 + z) / step)) for z in z_range)
        self._offset = pixel[0] - start - np.arange(first, last + 1)
        if self._offset.min() < 0 or self._offset.max() + self.n_pixels > templates.flux.shape[1]:
            raise UsageError(
                f"Templates must reach from {wave[0] / (1 + z_range[1]):.0f} to "
                f"{wave[-1] / (1 + z_range[0]):.0f} Å for these redshifts. Received "
                f"{templates.wavelength[0]:.0f}-{templates.wavelength[-1]:.0f} Å."
            )
        self.z = 10 ** (np.arange(first, last + 1) * step) - 1
        k = len(templates.flux)
        self._pairs = [(i, j) for i in range(k) for j in range(i, k)]
        self._n_fft = fft.next_fast_len(templates.flux.shape[1], real=True)
        own = np.asarray(templates.flux, dtype=np.float32)
        both = np.stack([own[i] * own[j] for i, j in self._pairs])
        self._single = fft.rfft(own, self._n_fft)
        self._double = fft.rfft(both, self._n_fft)
        self._smooth = self._polynomials(pixel, parts, degree)

    def _polynomials(self, pixel, parts, degree):
        """Return Legendre polynomials of each part on the pixels in log wavelength, (q, m)."""
        out = []
        for inside in parts if degree >= 0 else ():
            at = np.arange(pixel[inside][0], pixel[inside][-1] + 1)
            x = np.linspace(-1, 1, len(at))
            for order in range(degree + 1):
                row = np.zeros(self.n_pixels)
                row[at - pixel[0]] = np.polynomial.Legendre.basis(order)(x)
                out.append(row)
        return np.array(out).reshape(len(out), self.n_pixels)

    def sums(self, flux, ivar):
        """Return the sums of ivar and of ivar x flux in each pixel of log wavelength, (n, m).

        Parameters
        ----------
        flux, ivar : ndarray of shape (n, p)
            A pixel of ivar 0, or where one of both is not finite, has no say.

        Raises
        ------
        UsageError
            If there is no ivar.
        """
        if ivar is None:
            raise UsageError(
                "The fit weighs each pixel by its error, and these spectra have none. Give ERR "
                "(or ivar) beside the flux."
            )
        flux, ivar = np.asarray(flux, dtype=float), np.asarray(ivar, dtype=float)
        good = np.isfinite(flux) & np.isfinite(ivar) & (ivar > 0)
        ivar, flux = np.where(good, ivar, 0), np.where(good, flux, 0)
        return ivar @ self._gather, (ivar * flux) @ self._gather

    def equations(self, weight, product):
        """Return the normal equations of one spectrum at every redshift.

        Parameters
        ----------
        weight, product : ndarray of shape (m,)
            A row of each of `sums`.

        Returns
        -------
        ndarray of shape (k, k, n_z), float32
            Sums over pixels of weight x template i x template j.
        ndarray of shape (k, n_z), float32
            Sums of product x template i. Polynomials are projected out of both.
        """
        k, n_z = len(self._single), len(self.z)
        square = np.empty((k, k, n_z), dtype=np.float32)
        for (i, j), row in zip(self._pairs, self._correlated(weight, self._double), strict=True):
            square[i, j] = square[j, i] = row
        right = self._correlated(product, self._single)
        if len(self._smooth):
            # Of weight 1 each and orthogonal to each other under this spectrum's weights.
            gram = (self._smooth * weight) @ self._smooth.T
            values, vectors = np.linalg.eigh(gram)
            keep = values > 1e-9 * values.max()
            basis = (vectors[:, keep] / np.sqrt(values[keep])).T @ self._smooth
            level = basis @ product
            for row, amount in zip(basis, level, strict=True):
                across = self._correlated(weight * row, self._single)
                square -= across[:, None] * across[None]
                right -= across * np.float32(amount)
        return square, right

    def _correlated(self, row, transforms):
        """Return sums over pixels of a row x templates, at every shift, (k, n_z)."""
        own = np.conj(fft.rfft(np.asarray(row, dtype=np.float32), self._n_fft))
        return fft.irfft(transforms * own, self._n_fft)[:, self._offset]

    def at(self, weight, product, z):
        """Return templates at one redshift under a spectrum, and its normal equations.

        Sums over pixels themselves, without transforms or polynomials: what `equations` is tested
        with, and what a fit at a known redshift takes.
        """
        index = int(np.abs(self.z - z).argmin())
        start = self._offset[index]
        part = np.asarray(self.templates.flux[:, start : start + self.n_pixels], dtype=float)
        return part, (part * weight) @ part.T, part @ product

    def fit(self, flux, ivar):
        """Return what each redshift explains of spectra.

        Parameters
        ----------
        flux, ivar : ndarray of shape (n, p)
            As of `sums`.

        Yields
        ------
        ndarray of shape (n_z,), float32
            chi2 without a template less chi2(z) of the best amplitudes, of one spectrum.
        """
        for weight, product in zip(*self.sums(flux, ivar), strict=True):
            square, right = self.equations(weight, product)
            _, gain = nonnegative(square, right, sweeps=ROUGH)
            best = np.argpartition(gain, -min(BEST, len(gain)))[-BEST:]
            _, gain[best] = nonnegative(square[:, :, best], right[:, best], sweeps=FINE)
            yield gain


def nonnegative(square, right, *, sweeps):
    """Return amplitudes >= 0 of least squares at many redshifts, and what they explain.

    Coordinate descent (Franc, Hlavac & Navara 2005, CAIP, LNCS 3691, 407), all redshifts at once.

    Parameters
    ----------
    square : ndarray of shape (k, k, n)
    right : ndarray of shape (k, n)
        Normal equations.
    sweeps : int
        Passes over the k amplitudes.

    Returns
    -------
    ndarray of shape (k, n), ndarray of shape (n,)
        Amplitudes; chi2 of none less their chi2.
    """
    k = len(right)
    amplitude = np.zeros_like(right)
    left = right.copy()  # the gradient that is left
    scale = np.stack([square[j, j] for j in range(k)])
    # Where no pixel sees a template (or rounding alone does), it stays out.
    seen = scale > 1e-6 * np.maximum(scale.max(axis=1, keepdims=True), TINY)
    inverse = np.where(seen, 1 / np.where(seen, scale, 1), 0)
    for _ in range(sweeps):
        for j in range(k):
            new = np.maximum(amplitude[j] + left[j] * inverse[j], 0)
            left -= square[j] * (new - amplitude[j])
            amplitude[j] = new
    return amplitude, (amplitude * (right + left)).sum(axis=0)


def peak(z, gain, *, prior=None):
    """Return the best redshift of a curve, between grid points by a parabola.

    Parameters
    ----------
    z : ndarray of shape (n,)
    gain : ndarray of shape (n,)
        As `Fitter.fit` gives it.
    prior : callable, optional
        Redshift -> density: 2 ln of it is added.

    Returns
    -------
    float, float
        The redshift, and by how much the next best one beyond 0.01 (1 + z) explains less.
    """
    if prior is not None:
        gain = gain + 2 * np.log(np.maximum(prior(z), TINY))
    top = int(np.argmax(gain))
    shift, inner = 0.0, 0 < top < len(z) - 1
    if inner:
        left, mid, right = (float(v) for v in gain[top - 1 : top + 2])
        curve = left - 2 * mid + right
        shift = 0.5 * (left - right) / curve if curve < 0 else 0.0
    log = np.log1p(z)
    best = np.expm1(log[top] + shift * (log[1] - log[0]))
    away = np.abs(z - best) > 0.01 * (1 + best)
    second = float(gain[away].max()) if away.any() else -np.inf
    return float(best), float(gain[top]) - second
