"""From the line branch's output to lines: which are marked, and how well (Sects 3.1, 4.1)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from common.lines import LINES_MOONS

MARKED = 0.5  # default: probability from which a channel counts as part of a line
MARGIN = 5  # channels on either side, Sect. 3.1
GAP = 5  # default: steps between channels, from which on nothing is continued


def line_channels(z, wavelength, *, lines=LINES_MOONS):
    """Return the channel that each line falls on.

    Parameters
    ----------
    z : ndarray of shape (n,)
    wavelength : ndarray of shape (n_pixels,)
        Å, vacuum, observed, ascending; it may have gaps.
    lines : dict of str to float
        Rest wavelengths in Å, vacuum.

    Returns
    -------
    ndarray of int, shape (n, n_lines)
        -1 where a line is outside, in a gap, or z is missing.
    """
    z = np.asarray(z, dtype=float)
    wavelength = np.asarray(wavelength, dtype=float)
    at = np.array(list(lines.values()))[None] * (1 + z[:, None])
    right = np.clip(np.searchsorted(wavelength, at), 1, len(wavelength) - 1)
    nearest = np.where(at - wavelength[right - 1] < wavelength[right] - at, right - 1, right)
    step = np.gradient(wavelength)[np.clip(nearest, 1, len(wavelength) - 2)]
    # At the edge of a gap the gradient is the gap's: the smaller of both neighbours is a pixel.
    step = np.minimum(step, np.diff(wavelength, append=np.inf)[nearest])
    step = np.minimum(step, np.diff(wavelength, prepend=-np.inf)[nearest])
    inside = np.abs(at - wavelength[nearest]) <= 0.75 * step
    return np.where(inside & np.isfinite(z)[:, None], nearest, -1)


def _reach(channels, wavelength, margin):
    """Return the first and last channel within `margin` of others, not beyond a gap between arms.

    The next channel of the array may lie in the next arm, 1000 Å away.
    """
    gaps = np.flatnonzero(np.diff(wavelength) > GAP * np.median(np.diff(wavelength))) + 1
    edges = np.concatenate([[0], gaps, [len(wavelength)]])
    own = np.searchsorted(edges, channels, side="right") - 1
    return (
        np.maximum(channels - margin, edges[own]),
        np.minimum(channels + margin, edges[own + 1] - 1),
    )


def strength(line_map, channels, wavelength, *, margin=MARGIN):
    """Return the highest probability near each line.

    Parameters
    ----------
    line_map : ndarray of shape (n, n_pixels)
    channels : ndarray of int, shape (n, n_lines)
        From `line_channels`.
    wavelength : ndarray of shape (n_pixels,)

    Returns
    -------
    ndarray of shape (n, n_lines)
        NaN where the line is not in sight.
    """
    seen = channels >= 0
    first, last = _reach(np.where(seen, channels, 0), np.asarray(wavelength), margin)
    near = np.clip(
        channels[..., None] + np.arange(-margin, margin + 1), first[..., None], last[..., None]
    )
    value = line_map[np.arange(len(line_map))[:, None, None], near]
    return np.where(seen, value.max(axis=-1), np.nan)


def found_lines(line_map, z, wavelength, *, lines=LINES_MOONS, threshold=MARKED):
    """Return the names of the lines that the network marks where z puts them.

    The branch learns where lines must be, seen or not (Sect. 3.1): a name is what the network
    holds to be there, not a measured detection.

    Returns
    -------
    list of str, n of them
        Names separated by semicolons.
    """
    names = np.array(list(lines))
    value = strength(line_map, line_channels(z, wavelength, lines=lines), wavelength)
    return [";".join(names[row]) for row in np.nan_to_num(value) > threshold]


def marked_places(line_map, wavelength, *, threshold=MARKED):
    """Return the middle of each marked stretch of one spectrum, ndarray in Å."""
    on = np.flatnonzero(np.asarray(line_map) > threshold)
    if not len(on):
        return np.zeros(0)
    parts = np.split(on, np.flatnonzero(np.diff(on) > 1) + 1)
    return np.array([wavelength[p].mean() for p in parts])


def map_table(line_map, z, wavelength, good, *, lines=LINES_MOONS, threshold=MARKED, margin=MARGIN):
    """Return how well the line branch does its own task.

    Parameters
    ----------
    line_map : ndarray of shape (n, n_pixels)
    z : ndarray of shape (n,)
        True redshifts.
    good : ndarray of bool, shape (n,)
        Which redshifts are right.
    margin : int
        Channels on either side that belong to a line, as in training.

    Returns
    -------
    DataFrame
        redshifts ("all", "right", "wrong"), n, lines (in sight of a spectrum, mean), recall
        (fraction of the channels of true lines that are marked), precision (fraction of the marked
        channels that belong to one).
    """
    truth = true_map(z, wavelength, lines=lines, margin=margin)
    marked = np.asarray(line_map) > threshold
    rows = []
    for name, use in (("all", np.ones(len(z), bool)), ("right", good), ("wrong", ~good)):
        if use.any():
            hit = float((truth[use] & marked[use]).sum())
            rows.append({"redshifts": name, "n": int(use.sum()),
                         "lines": np.mean((line_channels(z[use], wavelength, lines=lines) >= 0)
                                          .sum(axis=1)),
                         "recall": hit / max(truth[use].sum(), 1),
                         "precision": hit / marked[use].sum() if marked[use].any()
                         else np.nan})  # fmt: skip
    return pd.DataFrame(rows)


def true_map(z, wavelength, *, lines=LINES_MOONS, margin=MARGIN):
    """Return the channels within `margin` of a line, ndarray of bool, shape (n, n_pixels).

    A line in the gap between two arms, or beyond the ends, marks nothing, and one at the end of an
    arm nothing beyond the gap.
    """
    wavelength = np.asarray(wavelength, dtype=float)
    channels = line_channels(z, wavelength, lines=lines)
    row, line = np.nonzero(channels >= 0)
    first, last = _reach(channels[row, line], wavelength, margin)
    change = np.zeros((len(channels), len(wavelength) + 1), dtype="int8")  # fewer than 128 lines
    np.add.at(change, (row, first), 1)
    np.add.at(change, (row, last + 1), -1)
    return np.cumsum(change[:, :-1], axis=1, dtype="int8") > 0
