"""Numbers of redshift PDFs on bins: shape, peaks, intervals, proper scores, calibration.

Everywhere `pdf` is an ndarray of shape (n, n_bins), probabilities of the bins (their sum is 1, up
to rounding), and `edges` one of shape (n_bins + 1,), ascending. Inside a bin the density is
constant. A row that holds NaN, or nothing, gives NaN.
"""

from __future__ import annotations

import numpy as np

from common.errors import SuiteError

PAPER_WIDTH = 0.003  # Sect. 3.1: entropy and skewness depend on the bins they are computed on
APART = 0.02  # default: a second solution is at least this far from the first
NEAR = 0.01  # Sect. 5: a redshift is right within this


def checked(pdf, edges):
    """Return probabilities whose rows sum to 1 and edges, both float64.

    Raises
    ------
    SuiteError
        If the shapes do not go together, edges do not ascend, or a probability is negative.
    """
    pdf, edges = np.atleast_2d(np.asarray(pdf, dtype=float)), np.asarray(edges, dtype=float)
    if pdf.ndim != 2 or edges.shape != (pdf.shape[1] + 1,):
        raise SuiteError(
            f"A PDF of shape (n, bins) needs bins + 1 edges. Received {pdf.shape}, {edges.shape}."
        )
    if not np.all(np.diff(edges) > 0):
        raise SuiteError("The edges of the bins must ascend. Received edges that do not.")
    if np.any(pdf < 0):
        raise SuiteError(
            f"Probabilities must not be negative. Received {np.nanmin(pdf):.3g} in row "
            f"{int(np.argmax((pdf < 0).any(axis=1)))}."
        )
    total = pdf.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, pdf / np.where(total > 0, total, 1), np.nan), edges


def centres(edges):
    """Return the middle of each bin, ndarray of shape (n_bins,)."""
    edges = np.asarray(edges, dtype=float)
    return (edges[1:] + edges[:-1]) / 2


def bin_of(values, edges):
    """Return the number of the bin of each value (left edge included), -1 outside and for NaN."""
    values, edges = np.asarray(values, dtype=float), np.asarray(edges, dtype=float)
    where = np.searchsorted(edges, values, side="right") - 1
    inside = np.isfinite(values) & (values >= edges[0]) & (values < edges[-1])
    return np.where(inside, where, -1)


def entropy(pdf):
    """Return the Shannon entropy in nats, ndarray of shape (n,).

    As `scipy.stats.entropy` of the vector (Sect. 5.2): 0 for one bin, ln(800) = 6.7 for a flat PDF
    of 800 bins.
    """
    pdf = np.atleast_2d(np.asarray(pdf, dtype=float))
    total = pdf.sum(axis=1)
    good = np.isfinite(total) & (total > 0)
    p = pdf / np.where(good, total, 1)[:, None]
    value = -np.sum(np.where(p > 0, p * np.log(np.where(p > 0, p, 1)), 0), axis=1)
    return np.where(good, np.maximum(value, 0), np.nan)


def skewness(pdf):
    """Return the skewness of the probabilities of the bins as a sample, ndarray of shape (n,).

    As `scipy.stats.skew` of the vector (Sect. 5.2). It is not the third moment of the redshift:
    only of the vector's own values is a flat PDF's 0, a peak's large, and 20 a possible cut (a
    single bin of 800 gives 798 / sqrt(799) = 28.2, whichever bin it is).
    """
    p = np.atleast_2d(np.asarray(pdf, dtype=float))
    p = p / np.where(p.max(axis=1, keepdims=True) > 0, p.max(axis=1, keepdims=True), 1)
    away = p - p.mean(axis=1, keepdims=True)
    second, third = (away**2).mean(axis=1), (away**3).mean(axis=1)
    flat = second < 1e-24  # of values of order 1: rounding
    value = third / np.where(flat, 1, second) ** 1.5
    known = np.isfinite(second) & (np.asarray(p).sum(axis=1) > 0)
    return np.where(known, np.where(flat, 0.0, value), np.nan)


def rebinned(pdf, edges, width=PAPER_WIDTH):
    """Return a PDF and its edges with bins joined to about `width`; as it is where not finer.

    Entropy and skewness grow with the number of bins, so that the paper's cuts hold on the paper's
    bins alone.
    """
    pdf, edges = np.atleast_2d(np.asarray(pdf)), np.asarray(edges, dtype=float)
    n = int(np.rint(width / np.median(np.diff(edges))))
    if n < 2:
        return pdf, edges
    starts = np.arange(0, pdf.shape[1], n)
    return np.add.reduceat(pdf, starts, axis=1), np.append(edges[starts], edges[-1])


def peaks(pdf, edges, *, apart=APART):
    """Return the highest bin and the highest other maximum at least `apart` away.

    Returns
    -------
    dict of str to ndarray of shape (n,)
        z_peak (centre of the bin), p_peak (its probability), z_peak2, p_peak2 (NaN where the PDF
        has no second maximum there).
    """
    p, edges = checked(pdf, edges)
    z = centres(edges)
    known = np.isfinite(p).all(axis=1)
    p = np.where(known[:, None], p, 0)
    first = p.argmax(axis=1)
    rows = np.arange(len(p))
    pad = np.pad(p, ((0, 0), (1, 1)), constant_values=-1)
    maximum = (p >= pad[:, :-2]) & (p >= pad[:, 2:]) & (p > 0)
    away = np.abs(z[None] - z[first][:, None]) >= apart
    other = np.where(maximum & away, p, -1)
    second = other.argmax(axis=1)
    found = other[rows, second] > 0
    nan = np.where(known, 0, np.nan)
    return {
        "z_peak": z[first] + nan,
        "p_peak": p[rows, first] + nan,
        "z_peak2": np.where(found, z[second], np.nan),
        "p_peak2": np.where(found, p[rows, second], np.nan),
    }


def mean(pdf, edges):
    """Return the mean of each PDF, ndarray of shape (n,)."""
    p, edges = checked(pdf, edges)
    return p @ centres(edges)


def std(pdf, edges):
    """Return the standard deviation of each PDF, ndarray of shape (n,)."""
    p, edges = checked(pdf, edges)
    z, width = centres(edges), np.diff(edges)
    return np.sqrt(np.maximum(p @ (z**2 + width**2 / 12) - (p @ z) ** 2, 0))


def cdf(pdf, edges):
    """Return the cumulative probability at each edge, ndarray of shape (n, n_bins + 1)."""
    p, _ = checked(pdf, edges)
    total = np.cumsum(p, axis=1)
    return np.minimum(np.pad(total / total[:, -1:], ((0, 0), (1, 0))), 1.0)


def mass_near(pdf, edges, *, z, half=NEAR):
    """Return the probability within `half` of z, ndarray of shape (n,): a confidence in z."""
    z = np.asarray(z, dtype=float)
    return pit(pdf, edges, z=z + half) - pit(pdf, edges, z=z - half)


def pit(pdf, edges, *, z):
    """Return the cumulative probability at z, the probability integral transform, shape (n,).

    Uniform on [0, 1] over a sample if the PDFs are right; U-shaped if they are too narrow.
    """
    total, edges = cdf(pdf, edges), np.asarray(edges, dtype=float)
    z = _values(z, total)
    k = np.clip(np.searchsorted(edges, z, side="right") - 1, 0, len(edges) - 2)
    rows = np.arange(len(z))
    share = np.clip((z - edges[k]) / (edges[k + 1] - edges[k]), 0, 1)
    return total[rows, k] + share * (total[rows, k + 1] - total[rows, k])


def drawn_pit(pdf, edges, *, z, seed=0):
    """Return the randomised probability integral transform, shape (n,); NaN outside the bins.

    The probability below the bin of z and a random share of that of the bin: uniform whatever is
    true within a bin, of which the PDF says nothing (Czado et al. 2009, Biometrics 65, 1254).
    """
    total, where = cdf(pdf, edges), bin_of(_values(z, np.atleast_2d(pdf)), edges)
    rows, k = np.arange(len(total)), np.maximum(where, 0)
    share = np.random.default_rng(seed).random(len(total))
    value = total[rows, k] + share * (total[rows, k + 1] - total[rows, k])
    return np.where(where >= 0, value, np.nan)


def crps(pdf, edges, *, z):
    """Return the continuous ranked probability score against true values, shape (n,).

    Integral of (F(x) - [x >= z])**2 over x (Gneiting & Raftery 2007, JASA 102, 359, Eq. 20), exact
    for a density that is constant in each bin; in the unit of z, lower is better.
    """
    total, edges = cdf(pdf, edges), np.asarray(edges, dtype=float)
    z = _values(z, total)
    at = pit(pdf, edges, z=z)
    low, high = total[:, :-1], total[:, 1:]
    # Each bin in two parts: up to z, where F counts, and from z on, where 1 - F does.
    split = np.clip(z[:, None], edges[:-1], edges[1:])
    below, above = split - edges[:-1], edges[1:] - split
    middle = np.where(below == 0, low, np.where(above == 0, high, at[:, None]))
    value = below * _square(low, middle) + above * _square(1 - middle, 1 - high)
    outside = np.maximum(edges[0] - z, 0) + np.maximum(z - edges[-1], 0)
    return value.sum(axis=1) + outside


def _square(a, b):
    """Return the mean of the square of a line from a to b."""
    return (a * a + a * b + b * b) / 3


def _values(z, rows):
    z = np.atleast_1d(np.asarray(z, dtype=float))
    if z.shape != (len(rows),):
        raise SuiteError(f"One value of z for each PDF. Received {z.shape} and {len(rows)} PDFs.")
    return z


def quantile(pdf, edges, level):
    """Return where the cumulative probability reaches a level, ndarray of shape (n,)."""
    total, edges = cdf(pdf, edges), np.asarray(edges, dtype=float)
    return np.array([_reach(row, edges, np.array([level]))[0] for row in total])


def _reach(total, edges, levels):
    """Return the least x where one cumulative curve reaches each level; NaN if it never does."""
    if not np.isfinite(total).all():
        return np.full(len(levels), np.nan)
    k = np.clip(np.searchsorted(total, levels, side="left"), 1, len(edges) - 1)
    rise = total[k] - total[k - 1]
    share = np.where(rise > 0, (levels - total[k - 1]) / np.where(rise > 0, rise, 1), 1.0)
    return edges[k - 1] + np.clip(share, 0, 1) * (edges[k] - edges[k - 1])


def credible_interval(pdf, edges, level):
    """Return the shortest interval that holds a probability.

    Parameters
    ----------
    level : float
        Between 0 and 1.

    Returns
    -------
    low, high : ndarrays of shape (n,)
    """
    if not 0 < level < 1:
        raise SuiteError(f"A level lies between 0 and 1. Received {level!r}.")
    total, edges = cdf(pdf, edges), np.asarray(edges, dtype=float)
    low, high = np.full((2, len(total)), np.nan)
    for i, row in enumerate(total):
        if not np.isfinite(row).all():
            continue
        # One end of the shortest interval can always be put on an edge: try each as either end.
        starts = edges[row <= 1 - level]
        ends = _reach(row, edges, row[row <= 1 - level] + level)
        upper = edges[row >= level]
        mirror = _reach(1 - row[::-1], -edges[::-1], 1 - row[row >= level] + level)
        first, last = np.append(starts, -mirror), np.append(ends, upper)
        best = np.argmin(last - first)
        low[i], high[i] = first[best], last[best]
    return low, high


def credible_level(pdf, edges, *, z):
    """Return the least level whose highest-density region holds z, ndarray of shape (n,).

    The region may consist of several parts. 1 for a z outside the bins.
    """
    p, edges = checked(pdf, edges)
    z = _values(z, p)
    density = p / np.diff(edges)
    where = bin_of(z, edges)
    rows = np.arange(len(p))
    own = density[rows, np.maximum(where, 0)]
    higher = np.sum(np.where(density > own[:, None], p, 0), axis=1)
    # Bins as high as its own are entered half-way: uniform over a sample if the PDFs are right.
    equal = np.sum(np.where(density == own[:, None], p, 0), axis=1)
    value = np.where(where >= 0, higher + equal / 2, 1.0)
    return np.where(np.isfinite(z) & np.isfinite(own), np.minimum(value, 1), np.nan)


def coverage(pdf, edges, *, z, levels):
    """Return the fraction of true values inside the shortest interval of each level.

    Parameters
    ----------
    z : ndarray of shape (n,)
        True values; rows without one do not count.
    levels : sequence of float

    Returns
    -------
    ndarray of shape (len(levels),)
    """
    pdf, z = np.atleast_2d(np.asarray(pdf)), np.asarray(z, dtype=float)
    use = np.isfinite(z) & np.isfinite(pdf).all(axis=1)
    if not use.any():
        return np.full(len(levels), np.nan)
    out = []
    for level in levels:
        low, high = credible_interval(pdf[use], edges, level)
        out.append(np.mean((z[use] >= low) & (z[use] <= high)))
    return np.array(out)


def summary(pdf, edges, calibrated=None):
    """Return what a catalogue gives of a PDF.

    Parameters
    ----------
    calibrated : ndarray of shape (n, n_bins), optional
        What probabilities, mean and intervals are of; by default `pdf` itself, which peaks,
        entropy and skewness are always of.

    Returns
    -------
    dict of str to ndarray of shape (n,)
        As `peaks`; z_mean, z_std; p_near (probability within 0.01 of the peak); entropy and
        skewness on the paper's bins (`rebinned`); z_low68, z_high68, z_low95, z_high95 (shortest
        intervals).
    """
    out = peaks(pdf, edges)
    held = pdf if calibrated is None else calibrated
    out["z_mean"], out["z_std"] = mean(held, edges), std(held, edges)
    out["p_near"] = mass_near(held, edges, z=out["z_peak"])
    paper, _ = rebinned(pdf, edges)
    out["entropy"], out["skewness"] = entropy(paper), skewness(paper)
    for level in (68, 95):
        out[f"z_low{level}"], out[f"z_high{level}"] = credible_interval(held, edges, level / 100)
    return out
