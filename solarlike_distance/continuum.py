"""Pseudo-continua of many spectra at once, with the numbers of the released notebooks.

Their `numpy.polyfit` runs on the float32 wavelengths of LAMOST's files. It solves least squares by
singular values and then drops those below n times float32's epsilon, of a matrix whose columns are
the powers of the wavelength in Å, each divided by its norm. The polynomial of "degree 5" therefore
bends less than one of full rank. The paper's network was trained on such continua, so they are the
default; `Config.full_rank` keeps all singular values.

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
        Å; anything where a row has no pixel.
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
        t = np.where(inside, (2 * wave.astype(float) - (high + low)) / (high - low), 0.0)
        n, p = t.shape
        self._series = np.empty((n, 2 * degree + 1, p))  # Chebyshev polynomials of all products
        self._series[:, 0], self._series[:, 1] = 1.0, t
        for k in range(2, 2 * degree + 1):
            np.multiply(2 * t, self._series[:, k - 1], out=self._series[:, k])
            self._series[:, k] -= self._series[:, k - 2]
        self._flux, self._size, self._full_rank = flux, degree + 1, full_rank
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
        kept = np.empty((len(keep), keep.shape[1], 2))
        kept[:, :, 0] = keep
        np.multiply(keep, self._flux, out=kept[:, :, 1])
        sums = self._series @ kept
        n, moments = sums[:, :1, 0], sums[:, : self._size, 1:]
        gram = (sums[:, self._sum, 0] + sums[:, self._difference, 0]) / 2  # T_i T_j
        solve = self._whole if self._full_rank else self._truncated
        solution = solve(gram, moments, n)
        row = solution.transpose(0, 2, 1)
        residual = (row @ self._series[:, : self._size])[:, 0] - self._flux
        # The sums give the spread too: no need to go through the pixels for it.
        square = np.einsum("np,np->n", kept[:, :, 1], self._flux)[:, None]
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
    p = flagged.shape[1]
    padded = np.zeros((len(flagged), p + 2), dtype=np.int8)
    padded[:, 1:-1] = flagged & inside
    step = np.diff(padded, axis=1)
    row, first = np.nonzero(step == 1)
    last = np.nonzero(step == -1)[1] - 1
    grow, ends = last - first, inside.sum(axis=1)[row] - 1
    same = np.zeros(len(row), dtype=bool)  # whether the run before is one of the same row
    same[1:] = row[1:] == row[:-1]
    floor = np.where(same, np.roll(last, 1) + 1, 0)
    ceiling = np.where(np.roll(same, -1), np.roll(first, -1) - 1, ends)
    edge = np.zeros((len(flagged), p + 1), dtype=np.int32)
    np.add.at(edge, (row, np.maximum(first - grow, floor)), 1)
    np.add.at(edge, (row, np.minimum(last + grow, ceiling) + 1), -1)
    return np.cumsum(edge, axis=1)[:, :p] > 0


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
