"""Errors of a regression turned into intervals that cover what they say."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from common.errors import SuiteError, UsageError

LEVELS = (0.38, 0.68, 0.86, 0.95)  # 68 and 95 are reported; all four shape the PIT
EVERY = "all"  # the curve of all rows together, for groups that are new or too small
FEWEST = 20  # rows that a group needs for a curve of its own: 95 % of n + 1 must be among them
PER_NODE = 150  # rows behind each node of a curve
MOST_NODES = 8
FOLDS = 5


@dataclass(frozen=True)
class Calibration:
    """Half-widths of intervals as functions of a predicted error and of a group.

    Attributes
    ----------
    curves : dict of str to dict
        Group → ``{"n": rows, "log_sigma": [node, ...], "log_half": {"0.68": [...], ...}}``:
        natural logarithms of the predicted error at each node and of the half-width there, one
        list for each of `LEVELS`. Between nodes they are joined by straight lines; beyond the
        ends the ratio of half-width to sigma stays. The group ``"all"`` is always there.

    Notes
    -----
    A residual need not be Gaussian: the half-width at 95 % is fitted by itself and is in general
    not 1.96 times that at 68 %.
    """

    curves: dict = field(default_factory=dict)

    def apply(self, *, sigma, group):
        """Return calibrated errors: half-widths of 68 % intervals, ndarray of shape (n,)."""
        return self.interval(sigma=sigma, group=group, level=0.68)

    def interval(self, *, sigma, group, level):
        """Return half-widths of the intervals prediction ± half-width.

        Parameters
        ----------
        sigma : array-like of shape (n,)
            Predicted errors; NaN where there is none.
        group : array-like of str, shape (n,), or str
            A group without a curve of its own takes that of all rows together.
        level : {0.38, 0.68, 0.86, 0.95}

        Returns
        -------
        ndarray of shape (n,)
            In the unit of `sigma`.

        Raises
        ------
        UsageError
            If no such level was fitted.
        """
        if str(level) not in self.curves[EVERY]["log_half"]:
            fitted = ", ".join(self.curves[EVERY]["log_half"])
            raise UsageError(f"No interval of level {level}; allowed: {fitted}.")
        sigma = np.asarray(sigma, float)
        group = np.broadcast_to(np.asarray(group, dtype=str), sigma.shape)
        half = np.full(sigma.shape, np.nan)
        for name in np.unique(group):
            here = group == name
            curve = self.curves.get(str(name), self.curves[EVERY])
            half[here] = _evaluate(curve["log_sigma"], curve["log_half"][str(level)], sigma[here])
        return half

    def intervals(self, *, sigma, group):
        """Return {level: half-widths} of all levels, as `pit` takes them."""
        return {v: self.interval(sigma=sigma, group=group, level=v) for v in LEVELS}

    def to_dict(self):
        """Return what JSON can hold; `from_dict` reads it back."""
        return {"curves": self.curves}

    @classmethod
    def from_dict(cls, value):
        """Return the calibration that `to_dict` gave."""
        return cls(curves=value["curves"])


def fit_calibration(*, residual, sigma, group):
    """Fit half-widths that cover 38, 68, 86 and 95 % of a sample, and of samples like it.

    Parameters
    ----------
    residual : array-like of shape (n,)
        Predicted minus true, or the reverse: the sign is not used.
    sigma : array-like of shape (n,)
        Predicted errors, in any scale; rows that are not finite in either are left out.
    group : array-like of str, shape (n,)
        Such as "giant" and "dwarf": what coverage should hold for separately. It must be known
        when the calibration is applied, so it may rest on predictions, not on true values.

    Returns
    -------
    Calibration

    Raises
    ------
    SuiteError
        If lengths differ, an error is negative, or fewer than 40 rows are finite.

    Notes
    -----
    Split conformal prediction (Vovk et al. 2005; Lei et al. 2018) on normalised residuals, in two
    steps for each group. First a shape: in bins of sigma with equal numbers of rows, the
    ceil((n + 1) level)-th smallest |residual| / sigma, made a half-width that never falls as
    sigma grows (isotonic). Then a single factor on the shape: the same rank over all rows of the
    group, where each row's shape was fitted without its fifth of the rows. The rank's n + 1
    makes the mean coverage of new rows at least the level, however small the sample; the
    five folds make that hold although the shape was fitted to the same rows (nearly: Barber
    et al. 2021, CV+).
    """
    residual, sigma = np.abs(np.asarray(residual, float)), np.asarray(sigma, float)
    group = np.asarray(group, dtype=str)
    if not residual.shape == sigma.shape == group.shape or residual.ndim != 1:
        raise SuiteError(
            "residual, sigma and group must be one-dimensional and of equal length. "
            f"Received shapes {residual.shape}, {sigma.shape}, {group.shape}."
        )
    keep = np.isfinite(residual) & np.isfinite(sigma)
    residual, sigma, group = residual[keep], sigma[keep], group[keep]
    if (sigma < 0).any():
        raise SuiteError(f"Predicted errors must not be negative. Received {sigma.min():g}.")
    if len(sigma) < 40 or not (sigma > 0).any():
        raise SuiteError(
            f"A calibration needs 40 rows with a residual and an error; received {len(sigma)}, "
            f"{int((sigma > 0).sum())} of them with an error above 0. Hold out more rows."
        )
    sigma = np.maximum(sigma, sigma[sigma > 0].min())  # an error of 0 has no logarithm
    curves = {EVERY: _curve(residual, sigma)}
    for name in np.unique(group):
        here = group == name
        if here.sum() >= FEWEST:
            curves[str(name)] = _curve(residual[here], sigma[here])
    return Calibration(curves=curves)


def coverage(*, residual, half):
    """Return (fraction of finite rows with |residual| <= half, its binomial error, n)."""
    residual, half = np.abs(np.asarray(residual, float)), np.asarray(half, float)
    keep = np.isfinite(residual) & np.isfinite(half)
    n = int(keep.sum())
    if not n:
        return float("nan"), float("nan"), 0
    p = float(np.mean(residual[keep] <= half[keep]))
    return p, float(np.sqrt(max(p * (1 - p), 1e-12) / n)), n


def pit(*, residual, intervals):
    """Return the probability integral transform of residuals.

    Parameters
    ----------
    residual : array-like of shape (n,)
        True minus predicted.
    intervals : dict of float to array-like of shape (n,)
        Level → half-width. With 0.68 alone the errors are Gaussian; with more levels the
        distribution is a Gaussian whose argument is piecewise linear in |residual|, continued
        beyond the last level by the last piece.

    Returns
    -------
    ndarray of the finite rows
        Uniform on [0, 1] if the errors are right, U-shaped if too small, humped if too large.
    """
    from scipy.special import ndtr, ndtri

    residual = np.asarray(residual, float)
    halves = np.array([np.broadcast_to(v, residual.shape) for v in intervals.values()], float)
    keep = np.isfinite(residual) & np.isfinite(halves).all(axis=0)
    residual, halves = residual[keep], halves[:, keep]
    order = np.argsort(list(intervals))
    level = np.array(list(intervals))[order]
    x = np.maximum.accumulate(np.vstack([np.zeros(residual.shape), halves[order]]))
    z = np.concatenate([[0], ndtri(0.5 + level / 2)])
    step = np.maximum(np.diff(x, axis=0), 1e-9 * x[-1] + np.finfo(float).tiny)
    size = np.abs(residual)
    piece = np.minimum((size > x[1:]).sum(axis=0), len(level) - 1)
    rows = np.arange(residual.size)
    slope = np.diff(z)[piece] / step[piece, rows]
    return ndtr(np.sign(residual) * (z[piece] + (size - x[piece, rows]) * slope))


def _rank(values, level):
    """Return the ceil((n + 1) level)-th smallest value, the largest if there are too few."""
    values = np.sort(values)
    return values[min(int(np.ceil((len(values) + 1) * level)), len(values)) - 1]


def _curve(residual, sigma):
    """Return one group's entry of `Calibration.curves`."""
    nodes, shape = _shape(residual, sigma)
    order = np.random.default_rng(0).permutation(len(sigma)) % FOLDS
    halves = {}
    for i, level in enumerate(LEVELS):
        score = np.empty(len(sigma))
        for fold in range(FOLDS):
            out = order == fold
            x, y = _shape(residual[~out], sigma[~out])
            score[out] = residual[out] / _evaluate(x, y[i], sigma[out])
        halves[level] = shape[i] + np.log(max(_rank(score, level), np.finfo(float).tiny))
    halves = dict(zip(LEVELS, np.maximum.accumulate([halves[v] for v in LEVELS]), strict=True))
    return {
        "n": len(sigma),
        "log_sigma": [float(v) for v in nodes],
        "log_half": {str(k): [float(v) for v in half] for k, half in halves.items()},
    }


def _shape(residual, sigma):
    """Return nodes log sigma (k,) and log half-widths (levels, k), rising, before the factor."""
    from sklearn.isotonic import isotonic_regression

    k = int(np.clip(len(sigma) // PER_NODE, 1, MOST_NODES))
    edges = np.unique(np.quantile(sigma, np.linspace(0, 1, k + 1)[1:-1]))
    where = np.searchsorted(edges, sigma, side="right")
    floor = 1e-3 * np.median(residual / sigma) + np.finfo(float).tiny ** 0.5
    nodes, ratio, weight = [], [], []
    for part in np.unique(where):
        here = where == part
        nodes.append(np.log(np.median(sigma[here])))
        score = residual[here] / sigma[here]
        ratio.append([np.log(max(_rank(score, level), floor)) for level in LEVELS])
        weight.append(here.sum())
    nodes, ratio = np.array(nodes), np.array(ratio).T
    rising = [isotonic_regression(nodes + r, sample_weight=weight) for r in ratio]
    return nodes, np.array(rising)


def _evaluate(nodes, log_half, sigma):
    """Return half-widths at `sigma`; beyond the nodes their ratio to sigma is that of the end."""
    with np.errstate(divide="ignore"):
        x = np.log(sigma)
    inside = np.interp(x, nodes, log_half)
    beyond = x - np.clip(x, nodes[0], nodes[-1])
    return np.exp(inside + np.where(np.isnan(x), np.nan, beyond))
