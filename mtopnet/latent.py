"""What the layers behind the shared one encode: UMAP and k-nearest-neighbour scores (Fig. 13)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from common import claims
from common.cli import parser, run, say
from common.errors import SuiteError
from common.files import write_parquet
from mtopnet.kinds import other_kind

NEIGHBOURS = 10  # default, of the score
FOLDS = 5
FEWEST = 50  # spectra without which a score says nothing
QUANTITIES = {  # column: name, seen in training
    "lgm_true": ("log M", True),
    "sfr_true": ("log SFR", True),
    "log_f_ha": ("log F(Hα)", False),
    "z_true": ("redshift", True),
    "sersic_n": ("Sérsic index", False),
    "m_h": ("m_H", False),
}
FLOOR = 1e-20  # erg/s/cm2: fluxes of passive galaxies may be zero


def umap_plane(features, *, seed=1, n_neighbors=15, min_dist=0.1):
    """Return the two UMAP coordinates of feature vectors (McInnes et al. 2018).

    Parameters
    ----------
    features : ndarray of shape (n, k)
    seed : int
        With one the result repeats; UMAP then runs on one thread.
    n_neighbors, min_dist
        UMAP's own defaults; the paper states none.

    Returns
    -------
    ndarray of shape (n, 2), float32

    Raises
    ------
    SuiteError
        If umap-learn is not installed, or there are too few rows for it.
    """
    try:
        import umap
    except ImportError as error:
        raise SuiteError(
            f"UMAP needs the package umap-learn, which cannot be imported ({error}). Install the "
            "extra: pip install '.[umap]'. The scores need no UMAP: --no-umap."
        ) from error
    if len(features) < 3 * n_neighbors:
        raise SuiteError(f"UMAP needs {3 * n_neighbors} spectra or more. Received {len(features)}.")
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its single thread under a seed
        reducer = umap.UMAP(n_neighbors=n_neighbors, min_dist=min_dist, random_state=seed)
        return reducer.fit_transform(standardised(features)).astype("float32")


def standardised(features):
    """Return features with mean 0 and standard deviation 1 each; constant ones become 0."""
    features = np.asarray(features, dtype="float64")
    spread = features.std(axis=0)
    return (features - features.mean(axis=0)) / np.where(spread > 0, spread, 1)


def knn_score(features, values, galaxy, *, k=NEIGHBOURS, folds=FOLDS, seed=1):
    """Return how well a quantity can be read off its neighbours in feature space.

    Parameters
    ----------
    features : ndarray of shape (n, m)
    values : ndarray of shape (n,)
        Rows without one do not count.
    galaxy : array-like of shape (n,)
        All spectra of a galaxy are in one fold, so that none is predicted from itself.
    k : int
        Neighbours that are averaged, with weights 1 / distance.
    folds : int
    seed : int

    Returns
    -------
    float
        R2 over all folds: 1 is perfect, 0 no better than the mean; NaN below `FEWEST` rows or
        where all values are equal.
    """
    from sklearn.neighbors import KNeighborsRegressor

    values = np.asarray(values, float)
    use = np.isfinite(values) & np.isfinite(features).all(axis=1)
    values, x = values[use], standardised(np.asarray(features)[use])
    if len(values) < FEWEST or np.ptp(values) == 0:
        return float("nan")
    code = pd.factorize(np.asarray(galaxy)[use])[0]
    fold = (np.random.default_rng(seed).permutation(code.max() + 1) % folds)[code]
    predicted = np.empty(len(values))
    for i in range(folds):
        learn, test = fold != i, fold == i
        if test.any():
            model = KNeighborsRegressor(min(k, int(learn.sum())), weights="distance")
            predicted[test] = model.fit(x[learn], values[learn]).predict(x[test])
    left = np.sum((values - predicted) ** 2)
    return float(1 - left / np.sum((values - values.mean()) ** 2))


def score_table(features, about, *, plane=None, continuum=None, seed=1):
    """Return how well each quantity is encoded.

    Parameters
    ----------
    features : ndarray of shape (n, m)
        Of the network (m = 192).
    about : DataFrame of n rows
        galaxy, and those of `QUANTITIES` that are known.
    plane : ndarray of shape (n, 2), optional
        UMAP coordinates.
    continuum : ndarray of shape (n, 10), optional
        Part of the network's input, to compare with.

    Returns
    -------
    DataFrame
        quantity, in_training, n, r2 (of all features), r2_umap, r2_continuum (of the continuum
        points alone), r2_shuffled (of shuffled values: what chance gives).
    """
    rng = np.random.default_rng(seed)
    rows = []
    for column, (name, seen) in QUANTITIES.items():
        if column not in about or about[column].notna().sum() < FEWEST:
            continue
        value = about[column].to_numpy(float)
        row = {"quantity": name, "in_training": seen, "n": int(np.isfinite(value).sum()),
               "r2": knn_score(features, value, about["galaxy"])}  # fmt: skip
        for key, x in (("r2_umap", plane), ("r2_continuum", continuum)):
            if x is not None:
                row[key] = knn_score(x, value, about["galaxy"])
        row["r2_shuffled"] = knn_score(features, rng.permutation(value), about["galaxy"])
        rows.append(row)
    return pd.DataFrame(rows)


def with_flux(about):
    """Return labels with log_f_ha, floored at 1e-20 erg/s/cm2."""
    if "f_ha" not in about:
        return about
    return about.assign(log_f_ha=np.log10(np.maximum(about["f_ha"].astype(float), FLOOR)))


def latent_run(run_dir, out=None, *, n=6000, umap=True):
    """Write UMAP coordinates, scores and Fig. 13 of a run's test spectra.

    Parameters
    ----------
    run_dir : path-like
    out : path-like, optional
        Output folder; the run folder by default.
    n : int
        Spectra at most, drawn by the run's seed.
    umap : bool
        False: scores alone, which need no umap-learn.

    Returns
    -------
    DataFrame
        As `score_table`; also in tables/latent.ecsv. explain/latent.parquet holds id, umap_1,
        umap_2 and the quantities; figures/F13_latent the figure.
    """
    from common.figures import save
    from common.pipeline import Shards
    from mtopnet.figures.explain import latent_planes
    from mtopnet.networks import load_networks, shared_features

    networks = load_networks(run_dir)
    config = networks.config
    shards = Shards(Path(run_dir) / "data")
    own = ~other_kind(shards.labels)
    test = np.flatnonzero((shards.labels["split"] == "test").to_numpy() & own)
    if len(test) < FEWEST:
        raise SuiteError(f"{run_dir}: {len(test)} test spectra are too few; {FEWEST} are needed.")
    test = np.sort(np.random.default_rng(config.seed).permutation(test)[:n])
    x = shards.rows(test)
    about = with_flux(shards.labels.iloc[test].reset_index(drop=True))
    features = np.asarray(shared_features(networks, x), dtype=float)
    plane = umap_plane(features, seed=config.seed) if umap else None
    table = score_table(
        features, about, plane=plane, continuum=x[:, config.n_pixels :].astype(float)
    )
    out = Path(out or run_dir)
    claims.write(table, out / "tables" / "latent.ecsv", dataset=config.dataset)
    known = [c for c in QUANTITIES if c in about]
    kept = about[["id", "galaxy", *known]].copy()
    if plane is not None:
        kept["umap_1"], kept["umap_2"] = plane[:, 0], plane[:, 1]
        figure = latent_planes(plane, about, table, quantities=QUANTITIES)
        save(figure, out / "figures" / "F13_latent")
    write_parquet(kept, out / "explain" / "latent.parquet")
    return table


def _arguments():
    p = parser("python -m mtopnet.latent",
               "What the layers behind the shared one encode, as UMAP and as scores.")  # fmt: skip
    p.add_argument("--run-dir", type=Path, required=True, help="run folder of mtopnet.train")
    p.add_argument("-o", "--output", type=Path, help="output folder (default: the run folder)")
    p.add_argument("-n", "--spectra", type=int, default=6000, help="test spectra at most")
    p.add_argument("--no-umap", action="store_true", help="scores alone: needs no umap-learn")
    return p


def work(args):
    """Do what the command line asks for."""
    from common.accelerator import choose

    choose("float32")
    table = latent_run(args.run_dir, args.output, n=args.spectra, umap=not args.no_umap)
    for row in table.itertuples():
        seen = "" if row.in_training else " (never a label)"
        say(f"{row.quantity:14s} R2 {row.r2:.3f} of {row.n} spectra{seen}")
    if not args.no_umap:
        say(f"figure: {Path(args.output or args.run_dir) / 'figures' / 'F13_latent.png'}")


def main(argv=None):
    """Run the command line; return the exit status."""
    return run(work, _arguments().parse_args(argv))


if __name__ == "__main__":
    raise SystemExit(main())
