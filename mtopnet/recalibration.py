"""Redshift PDFs made to hold what they say (ours; the paper judges its PDFs by their peaks alone).

A network that is trained on blurred labels (Sect. 3.1: a Gaussian of 0.001 about the true z) learns
peaks that are blurred alike: its intervals are too wide where lines are sharp. How probability is
shared between peaks far apart is another matter, which labels do not blur. Hence two exponents, one
for the shape of a peak and one for the shares of peaks, both fitted to the validation split. What
is left is taken from the probability integral transform itself, in groups of entropy (Bordoloi et
al. 2010, MNRAS 406, 881): where the truth falls too often, probability is added.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

import numpy as np

from common.errors import SuiteError
from mtopnet import pdf as pdfs

FLOOR = 1e-8  # of a PDF's highest bin: what is less probable is as good as this
FEWEST = 40  # default: spectra without which nothing is fitted
MOST = 1500  # default: spectra that a fit looks at
ROWS = 64  # of a block, which the processor's cache holds
PRIOR = np.array([1.0, 0.3, 1.0, 0.3])  # default: spread of what is expected of the four numbers
BLURS = (0.0, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)  # bins: what is tried
LIMIT = 3.0  # of the logarithms of exponents
GROUP = 250  # default: spectra behind a group of entropy
MOST_GROUPS = 10
KNOTS = np.linspace(0, 1, 11)  # of the PIT's own distribution
TRUST = 20  # spectra of flat PIT that each group is joined with


@dataclass(frozen=True)
class Recalibration:
    """What turns a network's PDFs into calibrated ones.

    Attributes
    ----------
    shape : (float, float)
        a, b: within 0.01 of each redshift probabilities are raised to exp(a + b H), H the entropy
        on the paper's bins in nats. More than 1 sharpens a peak.
    shares : (float, float)
        The same of the probability within 0.01. More than 1 gives to peaks that have more.
    blur : float
        Sigma of a Gaussian, in bins, that PDFs are folded with first: neighbouring bins of a
        network differ by more than it knows.
    entropies : tuple of float
        Limits between groups of entropy, ascending.
    levels : tuple of tuple of float
        For each group what becomes of cumulative probabilities of 0, 0.1, ... 1; () leaves them.
    """

    shape: tuple = (0.0, 0.0)
    shares: tuple = (0.0, 0.0)
    blur: float = 0.0
    entropies: tuple = ()
    levels: tuple = ()

    def apply(self, pdf, edges):
        """Return calibrated PDFs.

        Parameters
        ----------
        pdf : ndarray of shape (n, n_bins)
            Of the network.
        edges : ndarray of shape (n_bins + 1,)

        Returns
        -------
        ndarray of shape (n, n_bins), float32
        """
        pdf = np.asarray(pdf, dtype="float32")
        if self == Recalibration() or not len(pdf):
            return pdf
        made = []
        for i in range(0, len(pdf), ROWS):
            part = _Block.of(pdf[i : i + ROWS], edges, self.blur)
            value = part.changed(*_exponents(self, part.entropy))
            made.append(self._levelled(value, part.entropy).astype("float32"))
        return np.concatenate(made)

    def _levelled(self, pdf, entropy):
        """Return PDFs whose cumulative probabilities are `levels` of what they were."""
        if not self.levels:
            return pdf
        total = np.minimum(np.cumsum(pdf, axis=1), 1.0)
        total[:, -1] = 1.0
        for i, group in enumerate(np.searchsorted(self.entropies, entropy, side="right")):
            total[i] = np.interp(total[i], KNOTS, self.levels[group])
        return np.diff(total, axis=1, prepend=0.0)

    def to_dict(self):
        """Return what JSON can hold; `from_dict` reads it back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value):
        """Return the recalibration that `to_dict` gave."""
        known = {k: tuple(v) for k, v in value.items() if k != "blur"}
        known["levels"] = tuple(tuple(row) for row in value["levels"])
        return cls(blur=value["blur"], **known)


def fit_recalibration(pdf, edges, *, z, seed=0):
    """Fit a recalibration to PDFs and true redshifts that the network was not trained on.

    Parameters
    ----------
    pdf : ndarray of shape (n, n_bins)
    edges : ndarray of shape (n_bins + 1,)
    z : ndarray of shape (n,)
        True redshifts; NaN and what is outside the bins does not count.
    seed : int
        Of the choice of `MOST` spectra, where there are more.

    Returns
    -------
    Recalibration

    Raises
    ------
    SuiteError
        If fewer than `FEWEST` spectra count.

    Notes
    -----
    The mean of ln p of the true bin is made largest, a proper score, less x^2 / (2 n PRIOR^2) for
    each of the four numbers: few spectra change little. Then the PIT's own distribution on the same
    split, in groups of entropy.
    """
    where = pdfs.bin_of(z, edges)
    rows = np.flatnonzero((where >= 0) & np.isfinite(pdf).all(axis=1))
    if len(rows) < FEWEST:
        raise SuiteError(
            f"A recalibration of PDFs needs {FEWEST} spectra with a redshift in the bins. Received "
            f"{len(rows)}. Hold out more."
        )
    some = np.random.default_rng(seed).permutation(rows)[:MOST]
    return _levels(_exponents_of(pdf[some], edges, where[some]), pdf[rows], edges, where[rows])


def _levels(known, pdf, edges, where):
    """Return a `Recalibration` with the levels that make the PIT flat in each group of entropy."""
    entropy = pdfs.entropy(pdfs.rebinned(pdf, edges)[0])
    n = int(np.clip(len(pdf) // GROUP, 1, MOST_GROUPS))
    limits = np.quantile(entropy, np.linspace(0, 1, n + 1)[1:-1])
    group = np.searchsorted(limits, entropy, side="right")
    total = pdfs.cdf(known.apply(pdf, edges), edges)
    rows = np.arange(len(pdf))
    low, high = total[rows, where], total[rows, where + 1]
    # The share of its bin below each knot stands for a draw within it.
    below = np.clip((KNOTS - low[:, None]) / np.maximum(high - low, 1e-9)[:, None], 0, 1)
    levels = []
    for one in range(n):
        here = group == one
        level = (below[here].sum(axis=0) + TRUST * KNOTS) / (here.sum() + TRUST)
        levels.append((0.0, *level[1:-1].tolist(), 1.0))
    return replace(known, entropies=tuple(limits.tolist()), levels=tuple(levels))


def _exponents_of(*own):
    """Return the `Recalibration` of the best exponents and blur: (pdf, edges, bins of z)."""
    best = _fit(*own, Recalibration(blur=1.0))
    first = BLURS.index(1.0)
    for blurs in (BLURS[first + 1 :], BLURS[:first][::-1]):  # more while that is better, or less
        for blur in blurs:
            tried = _fit(*own, replace(best[0], blur=blur))
            if not tried[1] < best[1]:
                break
            best = tried
        if best[0].blur != 1.0:
            break
    return best[0]


def _fit(pdf, edges, where, begin):
    """Return the best `Recalibration` of a blur, and its cost: - mean ln p and the prior."""
    from scipy.optimize import minimize

    blocks = [(_Block.of(pdf[i : i + ROWS], edges, begin.blur), where[i : i + ROWS])
              for i in range(0, len(pdf), ROWS)]  # fmt: skip

    def cost(y):
        x = y * PRIOR  # of the same size all four
        known, value, slope = Recalibration(tuple(x[:2]), tuple(x[2:])), 0.0, np.zeros(4)
        for block, own in blocks:
            one, by_shape, by_shares = block.score(*_exponents(known, block.entropy), own)
            value += one.sum()
            slope += [by_shape.sum(), by_shape @ block.entropy,
                      by_shares.sum(), by_shares @ block.entropy]  # fmt: skip
        return (0.5 * np.sum(y**2) - value) / len(pdf), (y - slope * PRIOR) / len(pdf)

    found = minimize(cost, np.array(begin.shape + begin.shares) / PRIOR, jac=True,
                     method="L-BFGS-B", options={"maxiter": 40, "ftol": 1e-5})  # fmt: skip
    x = [float(v) for v in found.x * PRIOR]
    return replace(begin, shape=tuple(x[:2]), shares=tuple(x[2:])), float(found.fun)


def _exponents(known, entropy):
    """Return both exponents of each PDF, ndarrays of shape (n,)."""
    return tuple(
        np.exp(np.clip(a + b * entropy, -LIMIT, LIMIT)) for a, b in (known.shape, known.shares)
    )


class _Block(NamedTuple):
    """A few PDFs: ln p and ln of the probability near, (n, n_bins), up to a constant each row."""

    p: np.ndarray
    near: np.ndarray
    entropy: np.ndarray
    reach: int  # bins within 0.01

    @classmethod
    def of(cls, pdf, edges, blur):
        from scipy.ndimage import gaussian_filter1d

        p, edges = pdfs.checked(pdf, edges)
        entropy = pdfs.entropy(pdfs.rebinned(p, edges)[0])
        reach = int(pdfs.NEAR / np.median(np.diff(edges)) + 1e-6)
        if blur:
            p = gaussian_filter1d(p, blur, axis=1)  # mirrored at the ends
        p = np.maximum(p / p.max(axis=1, keepdims=True), FLOOR)
        return cls(np.log(p), np.log(_near(p, reach)), entropy, reach)

    def changed(self, shape, shares):
        """Return calibrated probabilities of shape (n, n_bins)."""
        return self._changed(shape, shares)[0]

    def _changed(self, shape, shares):
        sharp = np.exp(shape[:, None] * self.p)
        about = _near(sharp, self.reach)
        out = sharp / about * np.exp(shares[:, None] * self.near)
        return out / out.sum(axis=1, keepdims=True), sharp, about

    def score(self, shape, shares, where):
        """Return ln of the true bins' probability and its derivatives by a, as c, of both."""
        out, sharp, about = self._changed(shape, shares)
        rows = np.arange(len(out))
        by_shape = self.p - _near(self.p * sharp, self.reach) / about
        slopes = [d[rows, where] - np.sum(out * d, axis=1) for d in (by_shape, self.near)]
        value = np.log(np.maximum(out[rows, where], np.finfo(float).tiny))
        return value, slopes[0] * shape, slopes[1] * shares


def _near(p, n):
    """Return the sum over each bin and n on either side, without any difference of large sums."""
    width, size, at = p.shape[1], 1, 0
    block, out, left = np.pad(p, ((0, 0), (n, n))), np.zeros_like(p), 2 * n + 1
    while left:
        if left & size:
            out += block[:, at : at + width]
            at, left = at + size, left - size
        block, size = block[:, :-size] + block[:, size:], 2 * size
    return out
