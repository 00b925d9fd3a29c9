"""What the networks are compared with: the paper's random forest, and boosting on what is measured.

The forest has 100 trees (Sect. 4); the paper's MLP is in model.py. Boosting is not in the paper: on
the strong lines and the continuum it says what a network must at least find in the same spectrum,
on colour, mass and redshift what is known without any line.
"""

from __future__ import annotations

import time

import numpy as np

from common.cli import say
from common.files import atomic_path
from lamost_metallicity.preprocess import shape_of
from lamost_metallicity.stronglines import LINES

BANDS = ((4000.0, 5400.0), (5600.0, 6900.0))  # Å, observed: about g and r
CONTINUUM_BINS = 42  # default: of 100 Å
BOOSTED = ("oh_lines", "oh_mass")


def colour(spectra):
    """Return the colour of each spectrum, ndarray of shape (n,), mag; NaN where flux is missing.

    Medians of flux in two bands, which emission lines do not move.
    """
    spectra, out = spectra.in_vacuum(), np.full(len(spectra), np.nan)
    for i in range(len(spectra)):
        wave, flux = np.asarray(spectra.wavelength_of(i)), np.asarray(spectra.flux[i], float)
        good = spectra.informative(i)
        parts = [flux[good & (wave >= low) & (wave <= high)] for low, high in BANDS]
        blue, red = (np.median(part) if len(part) else np.nan for part in parts)
        if blue > 0 and red > 0:
            out[i] = -2.5 * np.log10(blue / red)
    return out


def line_features(labels, x):
    """Return the strong lines, continuum and redshift of spectra, ndarray of shape (n, k).

    Parameters
    ----------
    labels : DataFrame of n rows
        Of `stronglines.strong_lines`, with z and snr_r.
    x : ndarray of shape (n, n_pixels)
        Prepared flux, whose means in bins are the continuum.
    """
    names = [f"{kind}_{line}" for kind in ("flux", "flux_err", "ew") for line in LINES]
    table = labels.rename(columns={f"flux_{line}_err": f"flux_err_{line}" for line in LINES})
    value = {name: table[name].to_numpy(dtype=float) for name in names}
    flux = {line: value[f"flux_{line}"] for line in LINES}
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = [np.log10(flux[a] / flux[b]) for a, b in (("nii", "ha"), ("oiii", "hb"),
                                                           ("ha", "hb"))]  # fmt: skip
        seen = [flux[line] / value[f"flux_err_{line}"] for line in LINES]
    columns = [*ratios, *seen, *(value[f"ew_{line}"] for line in LINES)]
    columns += [labels[name].to_numpy(dtype=float) for name in ("z", "snr_r")]
    columns += [part.mean(axis=1) for part in np.array_split(x, CONTINUUM_BINS, axis=1)]
    table = np.stack(columns, axis=1)
    return np.where(np.isfinite(table), table, np.nan)  # boosting knows what is missing


def boosting_predictions(job, held, *, chunk=4096):
    """Return the metallicities of held-out rows by boosting on lines, and on no line.

    Parameters
    ----------
    job : lamost_metallicity.fitting.Job
        Boosting learns from its training rows.
    held : ndarray of int, shape (n,)
        Rows to predict.

    Returns
    -------
    dict of str to ndarray of shape (n,)
        oh_lines: from `line_features`; oh_mass: from colour, fibre mass and redshift. NaN for
        galaxies without a class of MPA-JHU, of which neither is known.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    labels = job.shards.labels

    def features(column, rows):
        part = labels.iloc[rows]
        if column == "oh_mass":
            return part[["colour", "lgm_fib_true", "z"]].to_numpy(dtype=float)
        pieces = [rows[i : i + chunk] for i in range(0, len(rows), chunk)]
        flux = (shape_of(job.shards.rows(r), job.config) for r in pieces)
        return np.concatenate([line_features(labels.iloc[r], f)
                               for r, f in zip(pieces, flux, strict=True)])  # fmt: skip

    train, out = job.rows("train", job.in_oh), {}
    known = labels["is_sf"].notna().to_numpy()[held]
    target = labels["oh_true"].to_numpy(dtype=float)[train]
    for column in BOOSTED:
        model = HistGradientBoostingRegressor(
            learning_rate=0.05, max_iter=300, random_state=job.config.seed
        )
        model.fit(features(column, train), target)
        out[column] = np.full(len(held), np.nan)
        if known.any():
            out[column][known] = model.predict(features(column, held[known]))
    say(f"boosting: on lines and on colour and mass of {len(train)} spectra")
    return out


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
