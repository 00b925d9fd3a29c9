"""From logits over classes and redshifts to the best solution, the second, errors and PDFs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from common.shifts import redshift_of
from gasnet2.config import COARSE
from gasnet2.templates.inputs import STEP
from gasnet2.templates.model import blocks

# Half-width of what counts as one solution, in pixels of 138 km/s: what is called a good redshift
# (Sect. 4.1: Bias below 0.0015 for galaxies, 0.015 for quasars).
WINDOW = {"STAR": 3, "NONE": 0, "GALAXY": 3, "QSO": 32}
# How far another solution is, at least: the tail of a line is none.
APART = {"STAR": 6, "NONE": 0, "GALAXY": 16, "QSO": 64}
LEVEL = 0.6827


@dataclass
class Solutions:
    """What the network says of n spectra.

    Attributes
    ----------
    p_class : ndarray of shape (n, n_classes)
        Probability of each class, whatever the redshift.
    z_class : ndarray of shape (n, n_classes)
        Best redshift of each class.
    coarse, coarse_second : ndarray of str, shape (n,)
        Coarse class of the best solution, the most probable one with all its redshifts together;
        and that of the second, the most probable solution beside.
    best, second : ndarray of int, shape (n,)
        Most probable class within the solution.
    z, z_err, p : ndarrays of shape (n,)
        Redshift of the best solution, half-width that holds 68 % of the probability near it, and
        probability of the solution, not yet calibrated.
    z_second, p_second : ndarrays of shape (n,)
    edge : ndarray of bool, shape (n,)
        Whether the best redshift lies at an end of its range.
    """

    p_class: np.ndarray
    z_class: np.ndarray
    coarse: np.ndarray
    coarse_second: np.ndarray
    best: np.ndarray
    second: np.ndarray
    z: np.ndarray
    z_err: np.ndarray
    p: np.ndarray
    z_second: np.ndarray
    p_second: np.ndarray
    edge: np.ndarray


def probabilities(logits, temperature=1.0):
    """Return the softmax of logits / temperature, ndarray like logits."""
    x = np.asarray(logits, dtype=np.float32) / np.float32(temperature)
    x = np.exp(x - x.max(axis=1, keepdims=True))
    return x / x.sum(axis=1, keepdims=True)


def _window_sums(p, half):
    """Return the sum within `half` pixels of each pixel along the last axis."""
    if half == 0:
        return p
    n = p.shape[-1]
    total = np.zeros((*p.shape[:-1], n + 2 * half + 1))
    np.cumsum(p, axis=-1, dtype=np.float64, out=total[..., half + 1 : half + 1 + n])
    total[..., half + 1 + n :] = total[..., half + n, None]
    return (total[..., 2 * half + 1 :] - total[..., :n]).astype(np.float32)


def _centre(p, at, half):
    """Return mean position, spread of 68 % and mass of p (n, m) within `half` of `at` (n,)."""
    n, m = p.shape
    index = at[:, None] + np.arange(-half, half + 1)
    inside = (index >= 0) & (index < m)
    weight = np.where(inside, p[np.arange(n)[:, None], np.clip(index, 0, m - 1)], 0.0)
    mass = weight.sum(axis=1)
    mean = (weight * index).sum(axis=1) / np.maximum(mass, 1e-30)
    off = np.abs(index - mean[:, None])
    order = np.argsort(off, axis=1)
    grown = np.cumsum(np.take_along_axis(weight, order, axis=1), axis=1)
    off = np.take_along_axis(off, order, axis=1)
    first = np.argmax(grown >= LEVEL * mass[:, None], axis=1)
    rows = np.arange(n)
    # Between two pixels the mass grows evenly.
    before = np.where(first > 0, grown[rows, first - 1], 0.0)
    start = np.where(first > 0, off[rows, first - 1], 0.0)
    part = (LEVEL * mass - before) / np.maximum(grown[rows, first] - before, 1e-30)
    width = start + part * (off[rows, first] - start)
    return mean, np.maximum(width, 0.1), mass


def solve(p, classes, *, each=True):
    """Find the solutions in the probabilities of all classes and redshifts.

    Parameters
    ----------
    p : ndarray of shape (n, n_logits)
        From `probabilities`; order of `gasnet2.templates.model.blocks`.
    classes : sequence of str
    each : bool
        Whether to find the best redshift of each class too; NaN without it.

    Returns
    -------
    Solutions
    """
    n, k = len(p), len(classes)
    p_class, z_class = np.zeros((n, k)), np.full((n, k), np.nan)
    rows, found = np.arange(n), []
    for block in blocks(classes):
        own = p[:, block.start : block.stop].reshape(n, len(block.classes), block.n_shifts)
        half = WINDOW[block.coarse]
        columns = list(block.classes)
        p_class[:, columns] = own.sum(axis=2)
        for i, column in enumerate(columns) if each else ():
            at = _window_sums(own[:, i], half).argmax(axis=1)
            z_class[:, column] = _z(block, _centre(own[:, i], at, half)[0])
        every = own.sum(axis=1)
        scores = _window_sums(every, half)
        for which in range(2):  # the best of the block, and the best that is not the same
            at = scores.argmax(axis=1)
            # The summit is broad where the PDF is narrow: its middle is that of the PDF.
            mean, width, mass = _centre(every, at, half)
            near = np.clip(np.round(mean).astype(int), 0, block.n_shifts - 1)
            inner = _take(own, near, half)
            found.append(
                {
                    "coarse": np.full(n, block.coarse, dtype=object),
                    "class": np.array(columns)[inner.argmax(axis=1)],
                    "z": _z(block, mean),
                    "z_err": width * STEP * np.log(10) * (1 + _z(block, mean)),
                    "p": mass,
                    "edge": (near < 1) | (near > block.n_shifts - 2),
                }
            )
            near = np.abs(np.arange(block.n_shifts)[None] - at[:, None]) <= APART[block.coarse]
            scores = np.where(near, 0.0, scores)
            if block.n_shifts <= 2 * half + 1 or which:
                break
    stacked = {name: np.stack([one[name] for one in found]) for name in found[0]}
    # The class first, all its redshifts together; then its best redshift.
    of_kind = coarse_probability(p_class, classes)
    chosen = np.array(list(of_kind), dtype=object)[np.argmax(list(of_kind.values()), axis=0)]
    order = np.argsort(-stacked["p"] - (stacked["coarse"] == chosen), axis=0)
    second = np.argmax(
        np.where(np.arange(len(found))[:, None] == order[0], -1, stacked["p"]), axis=0
    )
    first = {name: value[order[0], rows] for name, value in stacked.items()}
    second = {name: value[second, rows] for name, value in stacked.items()}
    wide = np.array([c not in ("STAR", "NONE") for c in first["coarse"]])
    return Solutions(
        p_class, z_class, first["coarse"], second["coarse"], first["class"],
        second["class"], first["z"], first["z_err"], np.minimum(first["p"], 1.0), second["z"],
        second["p"] if len(found) > 1 else np.zeros(n), first["edge"].astype(bool) & wide,
    )  # fmt: skip


def _z(block, mean):
    return redshift_of(block.first + mean, STEP)


def _take(own, at, half):
    """Return the sum of p (n, classes, m) within `half` of `at`, shape (n, classes)."""
    m = own.shape[2]
    index = np.clip(at[:, None] + np.arange(-half, half + 1), 0, m - 1)
    return np.take_along_axis(own, index[:, None, :], axis=2).sum(axis=2)


def pdf(p, classes):
    """Return the probability of each redshift over galaxies and quasars.

    Parameters
    ----------
    p : ndarray of shape (n, n_logits)
    classes : sequence of str

    Returns
    -------
    z : ndarray of shape (m,)
        Equal steps in log(1 + z).
    pdf : ndarray of shape (n, m)
        What is missing to 1 belongs to stars and to none of the classes.
    """
    chosen = [b for b in blocks(classes) if b.coarse in ("GALAXY", "QSO")]
    first, last = min(b.first for b in chosen), max(b.last for b in chosen)
    out = np.zeros((len(p), last - first + 1))
    for block in chosen:
        own = p[:, block.start : block.stop].reshape(len(p), len(block.classes), block.n_shifts)
        start = block.first - first
        out[:, start : start + block.n_shifts] += own.sum(axis=1)
    return redshift_of(np.arange(first, last + 1), STEP), out


def coarse_probability(p_class, classes):
    """Return {coarse class: probability (n,)}."""
    kinds = np.array([COARSE[name] for name in classes])
    return {kind: p_class[:, kinds == kind].sum(axis=1) for kind in dict.fromkeys(kinds)}
