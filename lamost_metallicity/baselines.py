"""The random forest that the paper compares with (Sect. 4: 100 trees); the MLP is in model.py."""

from __future__ import annotations

import time

import numpy as np

from common.cli import say
from common.files import atomic_path


def random_forest(x, target, *, config):
    """Fit a random forest to spectra.

    Parameters
    ----------
    x : ndarray of shape (n, n_pixels * channels)
        From `preprocess`.
    target : ndarray of shape (n,)
    config : Config
        `trees`, `tree_features` and seed.

    Returns
    -------
    sklearn.ensemble.RandomForestRegressor
    """
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(
        n_estimators=config.trees,
        max_features=config.tree_features,
        n_jobs=-1,
        random_state=config.seed,
    )
    return forest.fit(x, target)


def forest_predictions(job, held, *, chunk=4096):
    """Return the forest's metallicities of held-out rows, or take those of an earlier call.

    Parameters
    ----------
    job : lamost_metallicity.fitting.Job
        The forest learns from its training rows, the first `Config.tree_rows` of them in a
        seeded order where that is above 0.
    held : ndarray of int, shape (n,)
        Rows to predict.

    Returns
    -------
    ndarray of shape (n,)
    dict
        rows: training rows; seconds of the fit.
    """
    path = job.run_dir / "work" / "forest.npz"
    if path.exists():
        with np.load(path) as file:
            if np.array_equal(file["held"], held):
                about = {"rows": int(file["rows"]), "seconds": float(file["seconds"])}
                return file["oh"], about
    rows = job.rows("train", job.in_oh)
    if job.config.tree_rows:
        order = np.random.default_rng(job.config.seed).permutation(len(rows))
        rows = np.sort(rows[order[: job.config.tree_rows]])
    target = job.shards.labels["oh_true"].to_numpy(dtype=float)
    began = time.perf_counter()
    forest = random_forest(job.shards.rows(rows), target[rows], config=job.config)
    seconds = time.perf_counter() - began
    oh = [forest.predict(job.shards.rows(held[i : i + chunk])) for i in range(0, len(held), chunk)]
    oh = np.concatenate(oh) if oh else np.zeros(0)
    with atomic_path(path) as temporary:
        np.savez(temporary, held=held, oh=oh, rows=len(rows), seconds=seconds)
    say(f"random forest: {job.config.trees} trees on {len(rows)} spectra, {seconds:.0f} s")
    return oh, {"rows": len(rows), "seconds": seconds}
