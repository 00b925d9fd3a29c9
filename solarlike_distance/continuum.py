"""Pseudo-continua of many spectra at once, with the numbers of the released notebooks.

Their `numpy.polyfit` runs on the float32 wavelengths of LAMOST's files. It solves least squares by
singular values and then drops those below n times float32's epsilon, of a matrix whose columns are
the powers of the wavelength in Å, each divided by its norm. On LAMOST's arms four of the six
are left: the polynomial of "degree 5" bends no more than one of degree 3. The paper's network was
trained on such continua, so they are the default; `Config.full_rank` keeps all singular values.

The same solutions come here from sums over pixels: of Chebyshev polynomials on the arm, which are
turned to the powers for the eigenvalues (squares of the singular values) of a matrix of 6 x 6.
"""

from __future__ import annotations

from functools import cache

import numpy as np

RCOND = float(np.finfo("float32").eps)  # [code]: numpy.polyfit's default times the pixels, float32
RIDGE = 1e-14  # of a Gram matrix whose pixels are too few or too alike for a polynomial


@cache
def powers_in_chebyshev(degree, low, high):
    """Return the powers of x, highest first, in Chebyshev polynomials on [low, high].

    Returns
    -------
    ndarray of shape (degree + 1, degree + 1)
        ``chebyshev_coefficients, power``.
    """
    from numpy.polynomial import chebyshev, polynomial

    line = [(high + low) / 2, (high - low) / 2]  # x as a polynomial in t
    out = np.zeros((degree + 1, degree + 1))
    for column, power in enumerate(range(degree, -1, -1)):
        series = chebyshev.poly2cheb(polynomial.polypow(line, power))
        out[: len(series), column] = series
    return out


class Arm:
    """Polynomials on one arm of n spectra, through chosen pixels.

    Parameters
    ----------
    wave : ndarray of shape (n, p)
        Å; any wavelength of the arm where a row has no pixel.
    flux : ndarray of shape (n, p)
        Finite.
    inside : ndarray of bool, shape (n, p)
        The pixels that a row has.
    degree : int
    full_rank : bool
        Keep every singular value.
    """

    def __init__(self, wave, flux, inside, *, degree, full_rank):
        low, high = np.floor(wave[inside].min()), np.ceil(wave[inside].max())
        twice = wave.astype(float)
        twice -= (high + low) / 2
        twice *= 4 / (high - low)
        n, p = twice.shape
        series = np.empty((n, degree + 1, p))  # Chebyshev polynomials
        series[:, 0] = 1.0
        np.multiply(twice, 0.5, out=series[:, 1])
        for k in range(2, degree + 1):
            np.multiply(twice, series[:, k - 1], out=series[:, k])
            series[:, k] -= series[:, k - 2]
        self._series, self._kept = series, np.empty((n, 3, p))
        self._flux, self._full_rank = flux, full_rank
        self._powers = powers_in_chebyshev(degree, float(low), float(high))
        i, j = np.indices((degree + 1, degree + 1))
        self._sum, self._difference = i + j, np.abs(i - j)

    def fit(self, keep):
        """Fit polynomials through some pixels.

        Parameters
        ----------
        keep : ndarray of shape (n, p)
            1 for these pixels, 0 for the others.

        Returns
        -------
        residual : ndarray of shape (n, p)
            Polynomial minus flux.
        deviation : ndarray of shape (n, 1)
            Standard deviation of the residual over these pixels.
        """
        kept = self._kept
        kept[:, 0] = keep
        np.multiply(keep, self._flux, out=kept[:, 1])
        np.multiply(keep, self._series[:, -1], out=kept[:, 2])
        sums = self._series @ kept.transpose(0, 2, 1)
        n, moments, low = sums[:, :1, 0], sums[:, :, 1:2], sums[:, :, 0]
        # T_i T_j = (T_i+j + T_|i-j|) / 2: the sums of higher polynomials, and those of products.
        every = np.concatenate([low, 2 * sums[:, 1:, 2] - low[:, -2::-1]], axis=1)
        gram = (every[:, self._sum] + every[:, self._difference]) / 2
        solve = self._whole if self._full_rank else self._truncated
        solution = solve(gram, moments, n)
        row = solution.transpose(0, 2, 1)
        residual = (row @ self._series)[:, 0]
        residual -= self._flux
        # The sums give the spread too: no need to go through the pixels for it.
        square = np.einsum("np,np->n", kept[:, 1], self._flux)[:, None]
        square += (row @ (gram @ solution - 2 * moments))[:, :, 0]
        mean = ((row @ gram[:, :, :1]) - moments[:, :1])[:, :, 0] / np.maximum(n, 1)
        return residual, np.sqrt(np.maximum(square / np.maximum(n, 1) - mean**2, 0))

    @staticmethod
    def _whole(gram, moments, n):
        """Return Chebyshev coefficients of least squares."""
        ridge = np.eye(gram.shape[1]) * (RIDGE * np.maximum(n, 1))[:, :, None]
        return np.linalg.solve(gram + ridge, moments)

    def _truncated(self, gram, moments, n):
        """Return Chebyshev coefficients as `numpy.polyfit` in float32 would find them."""
        powers = self._powers.T @ gram @ self._powers
        norm = np.sqrt(np.maximum(np.einsum("nii->ni", powers), np.finfo(float).tiny))
        values, vectors = np.linalg.eigh(powers / (norm[:, :, None] * norm[:, None]))
        used = values > (RCOND * n) ** 2 * values[:, -1:]
        inverse = np.where(used, 1 / np.where(used, values, 1.0), 0.0)[..., None]
        along = vectors.transpose(0, 2, 1) @ (self._powers.T @ moments / norm[..., None])
        return self._powers @ (vectors @ (inverse * along) / norm[..., None])


def widen(flagged, inside):
    """Widen each run of n flagged pixels by n - 1 on both sides, short of other flagged pixels.

    Parameters
    ----------
    flagged : ndarray of bool, shape (n, p)
    inside : ndarray of bool, shape (n, p)
        The pixels that a row has: its first ones.

    Returns
    -------
    ndarray of bool, shape (n, p)
    """
    n, p = flagged.shape
    out = np.zeros((n, p), dtype=bool)
    pixel = np.flatnonzero(flagged & inside)
    if not len(pixel):
        return out
    row = pixel // p
    starts = np.flatnonzero(np.diff(pixel, prepend=-2) > 1)
    starts = np.union1d(starts, np.flatnonzero(np.diff(row, prepend=-1)))  # not across rows
    first, last, row = pixel[starts], pixel[np.append(starts[1:] - 1, -1)], row[starts]
    begin = row * p
    floor = np.maximum(begin, np.append(-1, last[:-1]) + 1)
    ceiling = np.minimum(begin + inside.sum(axis=1)[row] - 1, np.append(first[1:], n * p) - 1)
    grow = last - first
    flat = out.reshape(-1)
    for low, high in zip(np.maximum(first - grow, floor).tolist(),
                         np.minimum(last + grow, ceiling).tolist(), strict=True):  # fmt: skip
        flat[low : high + 1] = True
    return out


def continuum(*, wave, flux, inside, config):
    """Return the pseudo-continuum of one arm of n spectra (Sect. 2.2; steps from [code]).

    Parameters
    ----------
    wave : ndarray of shape (n, p)
        Å, rest frame.
    flux : ndarray of shape (n, p)
        Smoothed.
    inside : ndarray of bool, shape (n, p)
        The pixels that a row has: its first ones.
    config : Config
        poly_degree, clip_sigma, clip_rounds, full_rank.

    Returns
    -------
    ndarray of shape (n, p)
        Of any value where a row has no pixel.
    """
    arm = Arm(wave, flux, inside, degree=config.poly_degree, full_rank=config.full_rank)
    every = inside.astype(float)
    residual, deviation = arm.fit(every)
    keep = every * ~widen(np.abs(residual) > config.clip_sigma * deviation, inside)
    for _ in range(config.clip_rounds):
        residual, deviation = arm.fit(keep)
        keep *= residual < deviation
    return residual + flux
