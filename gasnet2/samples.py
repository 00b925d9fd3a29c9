"""Spectra to show: examples of a run's classes, and real ones beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from common.errors import SuiteError
from common.surveys import find_files
from gasnet2.config import COARSE
from gasnet2.inputs import shown
from gasnet2.tables import coarse

SAMPLE = "sample.parquet"  # of a run folder: every spectrum of the sample, without its flux
ENOUGH = 200  # spectra of one class whose median and percentiles are drawn


def of_run(run_dir, config, per_class=ENOUGH):
    """Return prepared spectra of a run's own data, at most `per_class` of each class.

    Parameters
    ----------
    run_dir : path-like
    config : gasnet2.config.Config

    Returns
    -------
    labels : DataFrame
        id, class, z, snr, ...
    x : ndarray of shape (n, n_pixels)
        Normalised flux on the run's grid.

    Raises
    ------
    SuiteError
        If the run folder does not hold its prepared spectra any more.
    """
    from common.pipeline import Shards

    shards = Shards(Path(run_dir) / "data")
    rng = np.random.default_rng(config.seed)
    rows = [
        np.sort(rng.permutation(np.flatnonzero(shards.labels["class"] == name))[:per_class])
        for name in config.classes
    ]
    rows = np.concatenate(rows).astype(int)
    if not rows.size:
        raise SuiteError(f"{run_dir}: no spectrum of the run's classes is left in its data.")
    labels = shards.labels.iloc[rows].reset_index(drop=True)
    return labels, shown(shards.rows(rows), config)


def before_split(run_dir):
    """Return the sample of a run before the split, as training left it; None without it.

    Parameters
    ----------
    run_dir : path-like

    Returns
    -------
    DataFrame or None
        id, class_true, z_true, snr, split ("train", "valid", "test").
    """
    path = Path(run_dir) / SAMPLE
    return pd.read_parquet(path) if path.is_file() else None


def of_files(config, paths):
    """Return prepared labelled spectra of files: labels and normalised flux, as `of_run`."""
    from gasnet2.predict import usable_chunks

    chunks = list(usable_chunks(config, find_files(paths), []))
    if not chunks:
        raise SuiteError("None of the files holds a spectrum that can be used.")
    labels = pd.concat([c[0] for c in chunks], ignore_index=True)
    return labels, shown(np.concatenate([c[1] for c in chunks]), config)


def evenly(names, n, *, seed):
    """Choose rows of all classes alike: files hold one class after the other.

    Parameters
    ----------
    names : ndarray of str
        Class of each row.
    n : int
        Rows to choose; all of them where there are fewer.
    seed : int

    Returns
    -------
    ndarray of int, in order
        A class that has too few leaves its share to the others.
    """
    shuffled = np.random.default_rng(seed).permutation(len(names))
    turn = pd.Series(np.asarray(names)[shuffled]).groupby(np.asarray(names)[shuffled]).cumcount()
    return np.sort(shuffled[np.argsort(turn.to_numpy(), kind="stable")[:n]])


def brightest(labels, x, classes, *, quantile=0.8, seed=1):
    """Return {class: (flux, z)}: of each class one spectrum among those of high S/N."""
    rng = np.random.default_rng(seed)
    out = {}
    for name in classes:
        rows = np.flatnonzero(labels["class"] == name)
        if not rows.size:
            continue
        snr = labels["snr"].to_numpy(float)[rows]
        if np.isfinite(snr).any():
            rows = rows[snr >= np.nanquantile(snr, quantile)]
        row = rng.choice(rows)
        out[name] = (x[row], float(labels["z"].iloc[row]))
    return out


def same_redshift(labels, x, classes, redshifts, *, within=0.1):
    """Return {redshift: {class: (flux, z)}}: of each class a bright spectrum near each redshift.

    Of the five nearest within `within`, that of the highest S/N. A redshift near which one of the
    classes has none is left out.
    """
    out = {}
    for at in redshifts:
        found = {}
        for name in classes:
            rows = np.flatnonzero(labels["class"] == name)
            off = np.abs(labels["z"].to_numpy(float)[rows] - at)
            rows = rows[np.argsort(off)][: min(5, int((off <= within).sum()))]
            if rows.size:
                row = rows[np.argmax(labels["snr"].fillna(0).to_numpy(float)[rows])]
                found[name] = (x[row], float(labels["z"].iloc[row]))
        if len(found) == len(classes):
            out[at] = found
    return out


def beside(config, mock, real):
    """Return what `gasnet2.figures.classes.mock_beside_real` draws.

    Stars are compared as observed; the rest at rest wavelengths, on the range that most of the
    real spectra cover, so that lines fall on lines whatever the redshifts.

    Parameters
    ----------
    config : gasnet2.config.Config
    mock, real : tuple of (DataFrame, ndarray)
        Labels and normalised flux, as `of_run` and `of_files` return them.
    """
    out = {}
    for name in config.classes:
        rows = [np.flatnonzero(labels["class"] == name)[:ENOUGH] for labels, _ in (mock, real)]
        if not all(r.size for r in rows):
            continue
        grid = config.grid
        z = [part[0]["z"].to_numpy(float)[r] for part, r in zip((mock, real), rows, strict=True)]
        if COARSE[name] != "STAR" and all(np.isfinite(v).any() for v in z):
            low, high = np.nanpercentile(z[1], [25, 75])
            first, last = grid[0] / (1 + low), grid[-1] / (1 + high)
            if first >= last:
                first, last = grid[0] / (1 + high), grid[-1] / (1 + low)
            grid = np.linspace(first, last, 2000)
        else:
            z = [np.zeros(len(r)) for r in rows]
        flux = [
            np.array(
                [
                    np.interp(grid, config.grid / (1 + v), part[1][i], left=np.nan, right=np.nan)
                    for i, v in zip(r, shift, strict=True)
                    if np.isfinite(v)
                ]
            )
            for part, r, shift in zip((mock, real), rows, z, strict=True)
        ]
        if all(len(f) for f in flux):
            flux = [f[np.isfinite(f).mean(axis=1) > 0.3] for f in flux]
            if all(len(f) for f in flux):
                both = np.logical_and(*(np.isfinite(f).any(axis=0) for f in flux))
                out[name] = {"wavelength": grid[both]} | {
                    key: f[:, both] for key, f in zip(("mock", "real"), flux, strict=True)
                }
    return out


def failed(df, *, limits):
    """Return the positions of rows with a wrong coarse class or redshift, brightest first.

    The redshift is that of the predicted class, and wrong beyond its limit; `df` and `limits` as
    of `failures`.
    """
    true = coarse(df["coarse_true"] if "coarse_true" in df else df["class_true"])
    pred = coarse(df["class_pred"])
    dz = np.abs(df["z_routed_pred"] - df["z_true"]).to_numpy() / (1 + df["z_true"].to_numpy())
    limit = np.array([limits.get(t, np.inf) for t in true])
    bad = np.flatnonzero((true != pred) | (dz > limit))
    snr = df["snr"].fillna(0).to_numpy()
    return bad[np.argsort(-snr[bad], kind="stable")]  # bright ones are the least excusable


def failures(df, labels, x, *, limits, most=12):
    """Return {text: flux} and {text: z} of the worst failures, to be looked at one by one.

    A failure is a wrong coarse class, or a redshift (of the predicted class) beyond its limit.

    Parameters
    ----------
    df : DataFrame
        Predictions: id, class_true, class_pred, z_true, z_routed_pred, snr.
    labels : DataFrame
        With ``id``, one row for each row of `x`.
    x : ndarray of shape (n, n_pixels)
    limits : dict of str to float
        Coarse class → |dz| beyond which its redshift is catastrophic.
    """
    bad = failed(df, limits=limits)[:most]
    where = {id_: i for i, id_ in enumerate(labels["id"].astype(str))}
    fluxes, redshifts = {}, {}
    for row in bad:
        line = df.iloc[row]
        if str(line["id"]) not in where:
            continue
        said = [
            f"{line[c]} z={line[z]:.3f}" if np.isfinite(line[z]) else str(line[c])
            for c, z in (("class_true", "z_true"), ("class_pred", "z_routed_pred"))
        ]
        text = f"{line['id']}: {said[0]} called {said[1]}, S/N {line['snr']:.1f}"
        fluxes[text] = x[where[str(line["id"])]]
        redshifts[text] = line["z_true"]
    return fluxes, redshifts
