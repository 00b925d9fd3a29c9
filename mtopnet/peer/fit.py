"""Template fitting at every redshift: linear least squares with errors, of amplitudes >= 0.

The way of redrock (Guy et al. 2023, AJ 165, 144, Sect. 4.3): chi2(z) of the best sum of templates,
on a grid of log wavelength, where a redshift is a shift. The matrices of all shifts are
correlations, computed as products of Fourier transforms (after Tonry & Davis 1979, AJ 84, 1511).
"""

from __future__ import annotations

import numpy as np
from scipy import fft
from scipy.sparse import csr_matrix

from common.errors import UsageError

STEP = 6e-5  # default: log10 wavelength a pixel, 41 km/s
ROUGH, FINE = 12, 150  # default: sweeps over all shifts, and over the best of them
BEST = 120  # default: shifts that are solved to the end
RIDGE = 1e-5  # of a template's own square, beside polynomials
TINY = 1e-30
NO_ERRORS = (
    "The fit weighs each pixel by its error, and these spectra have none. Give ERR (or ivar) "
    "beside the flux."
)


class Grid:
    """Pixels of constant width in log wavelength, on which a redshift is a shift.

    Parameters
    ----------
    wave : ndarray of shape (p,)
        Pixels of the spectra, Å, vacuum, observed, increasing.
    z_range : (float, float)
        Lowest and highest redshift.
    step : float
        log10 wavelength a pixel.

    Attributes
    ----------
    z : ndarray of shape (n_z,)
        Redshifts, a pixel apart.
    pixel : ndarray of int, shape (p,)
        Of each pixel of the spectra, counted from the first.
    first : float
        log10 of the wavelength at rest that templates begin at, Å.
    n_pixels, n_rest : int
        Of spectra and templates.

    Notes
    -----
    Each pixel goes with its weight to the nearest one in log wavelength, so that errors stay
    independent and no flux is interpolated; a template is taken at the middle of that pixel.
    """

    def __init__(self, wave, *, z_range, step=STEP):
        self.step = step
        place = np.rint(np.log10(np.asarray(wave, dtype=float)) / step).astype(int)
        low, high = (int(np.rint(np.log10(1 + z) / step)) for z in z_range)
        self.pixel, self.n_pixels = place - place[0], int(place[-1] - place[0]) + 1
        self.z = 10 ** (np.arange(low, high + 1) * step) - 1
        self.first, self.n_rest = (place[0] - high) * step, self.n_pixels + high - low
        # Template pixel under the spectrum's first: falls as the redshift rises.
        self.offset = high - np.arange(low, high + 1)
        rows = np.arange(len(place))
        self._gather = csr_matrix(
            (np.ones(len(place)), (rows, self.pixel)), shape=(len(place), self.n_pixels)
        )

    @property
    def rest(self):
        """Wavelengths of templates, Å at rest, ndarray of shape (n_rest,)."""
        return 10 ** (self.first + self.step * np.arange(self.n_rest))

    def sums(self, flux, ivar):
        """Return the sums of ivar and of ivar x flux in each pixel, (n, n_pixels) both.

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
            raise UsageError(NO_ERRORS)
        flux, ivar = np.asarray(flux, dtype=float), np.asarray(ivar, dtype=float)
        good = np.isfinite(flux) & np.isfinite(ivar) & (ivar > 0)
        ivar, flux = np.where(good, ivar, 0), np.where(good, flux, 0)
        return ivar @ self._gather, (ivar * flux) @ self._gather

    def under(self, templates, z):
        """Return the pixels of templates under a spectrum at the redshift nearest to z.

        Parameters
        ----------
        templates : ndarray of shape (k, n_rest)
        z : float

        Returns
        -------
        ndarray of shape (k, n_pixels)
        """
        start = self.offset[int(np.abs(self.z - z).argmin())]
        return templates[:, start : start + self.n_pixels]


class Fitter:
    """Templates against spectra at every redshift.

    Parameters
    ----------
    templates : ndarray of shape (k, n_rest)
        At rest, on the pixels of `grid`, in any unit.
    grid : Grid
    parts : sequence of ndarray of bool, shape (p,)
        Arms, each of which may have a polynomial of its own added.
    degree : int
        Of these polynomials, which take up what calibration leaves; -1: none.
    """

    def __init__(self, templates, grid, *, parts=(), degree=-1):
        self.templates, self.grid = np.asarray(templates), grid
        if self.templates.ndim != 2 or self.templates.shape[1] != grid.n_rest:
            raise UsageError(
                f"Templates must have the {grid.n_rest} pixels of the grid. Received an array of "
                f"shape {self.templates.shape}."
            )
        k = len(self.templates)
        self._pairs = [(i, j) for i in range(k) for j in range(i, k)]
        self._n_fft = fft.next_fast_len(grid.n_rest, real=True)
        own = self.templates.astype(np.float32)
        self._single = fft.rfft(own, self._n_fft)
        self._double = fft.rfft(np.stack([own[i] * own[j] for i, j in self._pairs]), self._n_fft)
        self._smooth = _polynomials(grid, parts, degree)

    def equations(self, weight, product):
        """Return the normal equations of one spectrum at every redshift.

        Parameters
        ----------
        weight, product : ndarray of shape (m,)
            A row of each of `Grid.sums`.

        Returns
        -------
        ndarray of shape (k, k, n_z), float32
            Sums over pixels of weight x template i x template j.
        ndarray of shape (k, n_z), float32
            Sums of product x template i. Polynomials are projected out of both.
        """
        k, n_z = len(self._single), len(self.grid.z)
        square = np.empty((k, k, n_z), dtype=np.float32)
        for (i, j), row in zip(self._pairs, self._correlated(weight, self._double), strict=True):
            square[i, j] = square[j, i] = row
        right = self._correlated(product, self._single)
        if len(self._smooth):
            # Of weight 1 each and orthogonal to each other under this spectrum's weights.
            gram = (self._smooth * weight) @ self._smooth.T
            values, vectors = np.linalg.eigh(gram)
            keep = values > 1e-9 * values.max()
            before = np.stack([square[j, j] for j in range(k)])
            basis = (vectors[:, keep] / np.sqrt(values[keep])).T @ self._smooth
            level = basis @ product
            for row, amount in zip(basis, level, strict=True):
                across = self._correlated(weight * row, self._single)
                square -= across[:, None] * across[None]
                right -= across * np.float32(amount)
            # What a polynomial takes whole leaves rounding, which may be below 0.
            for j in range(k):
                square[j, j] += RIDGE * before[j]
        return square, right

    def _correlated(self, row, transforms):
        """Return sums over pixels of a row x templates, at every shift, (k, n_z)."""
        own = np.conj(fft.rfft(np.asarray(row, dtype=np.float32), self._n_fft))
        return fft.irfft(transforms * own, self._n_fft)[:, self.grid.offset]

    def gain(self, weight, product):
        """Return what each redshift explains of a spectrum.

        Parameters
        ----------
        weight, product : ndarray of shape (n_pixels,)
            A row of each of `Grid.sums`.

        Returns
        -------
        ndarray of shape (n_z,), float32
            chi2 without a template less chi2(z) of the best amplitudes. Solved to the end at the
            `BEST` redshifts; elsewhere less by what few sweeps leave.
        """
        square, right = self.equations(weight, product)
        _, gain = nonnegative(square, right, sweeps=ROUGH)
        best = np.argpartition(gain, -min(BEST, len(gain)))[-BEST:]
        _, gain[best] = nonnegative(square[:, :, best], right[:, best], sweeps=FINE)
        return gain


def _polynomials(grid, parts, degree):
    """Return Legendre polynomials of each part on the pixels of a grid, (q, n_pixels)."""
    out = []
    for inside in parts if degree >= 0 else ():
        at = np.arange(grid.pixel[inside][0], grid.pixel[inside][-1] + 1)
        for order in range(degree + 1):
            row = np.zeros(grid.n_pixels)
            row[at] = np.polynomial.Legendre.basis(order)(np.linspace(-1, 1, len(at)))
            out.append(row)
    return np.array(out).reshape(len(out), grid.n_pixels)


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
        As `Fitter.gain` gives it.
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
