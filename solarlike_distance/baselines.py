"""Other models on the same stars (Appendix C, Table C.1), label after label in a chain.

Through AutoGluon where it is installed (the extra `autogluon`), as in the paper; else LightGBM and
scikit-learn directly, under the names of the paper's table, with AutoGluon's published choices
where it has fixed ones.
"""

from __future__ import annotations

import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from common import claims, runs
from common.cli import parser, run, say
from common.errors import SuiteError
from common.files import write_parquet
from solarlike_distance.config import TARGETS, Config
from solarlike_distance.tables import scatter as tables

CNN = "CNN"
ORDER = ("LightGBMXT", "LightGBM", "LightGBMLarge", "CatBoost", "NeuralNetFastAI",
         "NeuralNetTorch", "ExtraTreesMSE", "RandomForestMSE", "KNeighborsUnif",
         "KNeighborsDist")  # of Table C.1  # fmt: skip
WEIGHTS = {"teff": 2.0539e-6, "logg": 2.7605, "feh": 2.8662, "mg": 0.23398, "bprp": 13.078}
"""Of the paper's weighted mean. It prints none: these give its last column from the other five in
all eleven rows of Table C.1 (`recovered_weights`), in the labels' units to the power of -2."""
BINNED = 325  # default: pixels that the other models see; means of 15 neighbours at full size
HELD = 0.1  # default: share of the training stars on which boosting and networks stop
FEWEST = 40
SMALL = 2_000_000  # numbers below which LightGBM's threads wait for each other more than they work
NEIGHBOURS = 5  # AutoGluon's


AUTOGLUON = {  # its own models, under the names of Table C.1
    "GBM": [
        {"extra_trees": True, "ag_args": {"name_suffix": "XT"}},
        {},
        {"learning_rate": 0.03, "num_leaves": 128, "feature_fraction": 0.9, "min_data_in_leaf": 3,
         "ag_args": {"name_suffix": "Large"}},
    ],
    "CAT": {},
    "FASTAI": {},
    "NN_TORCH": {},
    "XT": {"criterion": "squared_error", "ag_args": {"name_suffix": "MSE"}},
    "RF": {"criterion": "squared_error", "ag_args": {"name_suffix": "MSE"}},
    "KNN": [{"weights": "uniform", "ag_args": {"name_suffix": "Unif"}},
            {"weights": "distance", "ag_args": {"name_suffix": "Dist"}}],
}  # fmt: skip


def published_table():
    """Return Table C.1 from claims.toml: model, teff, logg, feh, mg, bprp, mean."""
    rows = {}
    for claim in claims.load(Path(__file__).with_name("claims.toml")):
        if claim.measure["metric"] == "mse":
            rows.setdefault(claim.measure["model"], {})[claim.measure["label"]] = claim.published
    return pd.DataFrame([{"model": model, **row} for model, row in rows.items()])


def recovered_weights(table=None):
    """Return ({label: weight}, largest residual): what makes the last column of Table C.1.

    Parameters
    ----------
    table : DataFrame, optional
        Columns as of `published_table`.
    """
    from scipy.optimize import nnls

    table = published_table() if table is None else table
    matrix = table[list(TARGETS)].to_numpy(float)
    scale = matrix.max(axis=0)
    weights, _ = nnls(matrix / scale, table["mean"].to_numpy(float))
    weights = weights / scale
    off = np.abs(matrix @ weights - table["mean"]).max()
    return dict(zip(TARGETS, weights, strict=True)), float(off)


def errors_of(predicted, true):
    """Return the mean squared error of each label and the paper's weighted mean.

    Parameters
    ----------
    predicted, true : ndarray of shape (n, 5)
        In the order of `TARGETS`; rows with a NaN are left out.

    Returns
    -------
    dict
        teff, logg, feh, mg, bprp, mean; n.
    """
    keep = np.isfinite(predicted).all(axis=1) & np.isfinite(true).all(axis=1)
    mse = np.mean((predicted[keep] - true[keep]) ** 2, axis=0)
    row = dict(zip(TARGETS, mse, strict=True))
    return row | {"mean": sum(WEIGHTS[k] * v for k, v in row.items()), "n": int(keep.sum())}


def thinned(x, pixels=BINNED):
    """Return spectra of shape (n, pixels or fewer): means of neighbouring pixels."""
    x = np.asarray(x, "float32")
    step = max(1, -(-x.shape[1] // pixels))
    full = x.shape[1] // step * step
    return x[:, :full].reshape(len(x), full // step, step).mean(axis=2)


def models(config, width, jobs=-1):
    """Return {name in Table C.1: function that makes the model for one label}.

    Parameters
    ----------
    config : Config
        trees, tree_features (share of its pixels that a tree or a split looks at), mlp_units, seed.
    width : int
        Pixels that the models see.
    jobs : int
        Threads of LightGBM, -1: all.

    Returns
    -------
    dict
        Without LightGBM or CatBoost (the extras `boosting`, `autogluon`) where they are not
        installed. LightGBMXT: extremely randomised splits; LightGBMLarge: 128 leaves, a rate of
        0.03 (AutoGluon's "extra_trees" and "Large"). NeuralNetTorch stands for a perceptron of
        scikit-learn, NeuralNetFastAI is left out: AutoGluon's two perceptrons differ in library.
    """
    from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
    from sklearn.neighbors import KNeighborsRegressor
    from sklearn.neural_network import MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    share = min(1.0, config.tree_features * config.n_pixels / width)
    forest = dict(n_estimators=config.trees, max_features=share, random_state=config.seed,
                  n_jobs=-1)  # fmt: skip
    out = {}
    try:
        from lightgbm import LGBMRegressor
    except ImportError:
        say("LightGBM is not installed: pip install 'spectra-reproductions[boosting]'")
    else:
        light = dict(n_estimators=config.trees, random_state=config.seed, n_jobs=jobs, verbose=-1,
                     colsample_bytree=share, subsample=0.9, subsample_freq=1)  # fmt: skip
        rate = min(0.3, 0.05 * 300 / config.trees)  # AutoGluon's 0.05 where there are 300 trees
        out |= {
            "LightGBMXT": lambda: LGBMRegressor(learning_rate=rate, extra_trees=True, **light),
            "LightGBM": lambda: LGBMRegressor(learning_rate=rate, **light),
            "LightGBMLarge": lambda: LGBMRegressor(
                learning_rate=0.6 * rate, num_leaves=128, min_child_samples=5, **light
            ),
        }
    try:
        from catboost import CatBoostRegressor
    except ImportError:
        pass
    else:
        out["CatBoost"] = lambda: CatBoostRegressor(
            iterations=config.trees, random_seed=config.seed, verbose=False,
            allow_writing_files=False,
        )  # fmt: skip
    return out | {
        "NeuralNetTorch": lambda: make_pipeline(
            StandardScaler(),
            MLPRegressor(hidden_layer_sizes=config.mlp_units, early_stopping=True,
                         validation_fraction=HELD, max_iter=100, random_state=config.seed),
        ),
        "ExtraTreesMSE": lambda: ExtraTreesRegressor(**forest),
        "RandomForestMSE": lambda: RandomForestRegressor(**forest),
        "KNeighborsUnif": lambda: KNeighborsRegressor(NEIGHBOURS),
        "KNeighborsDist": lambda: KNeighborsRegressor(NEIGHBOURS, weights="distance"),
    }  # fmt: skip


def chain(make, x, y, x_test):
    """Return predictions of five labels, each from the spectrum and the labels before it.

    As Appendix C says of AutoGluon: the labels are put in an order; a model of each learns with
    the true values of those before it, and predicts with their predictions.

    Parameters
    ----------
    make : callable
        Gives a new regressor with fit and predict.
    x, x_test : ndarray of shape (n, pixels), (m, pixels)
    y : ndarray of shape (n, labels)

    Returns
    -------
    ndarray of shape (m, labels)
    """
    mean, scale = y.mean(axis=0), y.std(axis=0)
    scaled = (y - mean) / np.where(scale > 0, scale, 1.0)
    found = np.empty((len(x_test), y.shape[1]))
    for i in range(y.shape[1]):
        model = make().fit(np.hstack([x, scaled[:, :i]]), scaled[:, i])
        found[:, i] = model.predict(np.hstack([x_test, found[:, :i]]))
    return found * scale + mean


def autogluon_chain(x, y, x_test, *, folder, seconds):
    """Return what each of AutoGluon's models predicts, by the same chain.

    Parameters
    ----------
    x, y, x_test : ndarrays
        As of `chain`.
    folder : path-like
        Where AutoGluon keeps its models.
    seconds : float or None
        Limit of each label's fit.

    Returns
    -------
    dict of str to ndarray of shape (m, labels)
        Without models that AutoGluon could not fit: a library is missing, or the time was up.

    Raises
    ------
    ImportError
        Without AutoGluon.
    """
    from autogluon.tabular import TabularPredictor

    mean, scale = y.mean(axis=0), y.std(axis=0)
    scaled = (y - mean) / np.where(scale > 0, scale, 1.0)
    columns = [f"p{i:04d}" for i in range(x.shape[1])]
    train, test = pd.DataFrame(x, columns=columns), pd.DataFrame(x_test, columns=columns)
    found = {}
    for i, label in enumerate(TARGETS[: y.shape[1]]):
        known = pd.DataFrame(scaled[:, : i + 1], columns=list(TARGETS[: i + 1]))
        predictor = TabularPredictor(
            label=label, problem_type="regression", eval_metric="mean_squared_error",
            path=str(Path(folder) / label), verbosity=0,
        ).fit(pd.concat([train, known], axis=1), hyperparameters=AUTOGLUON, time_limit=seconds,
              fit_weighted_ensemble=False)  # fmt: skip
        for name in predictor.model_names():
            own = found.setdefault(name, np.full((len(x_test), y.shape[1]), np.nan))
            before = pd.DataFrame(own[:, :i], columns=list(TARGETS[:i]))
            own[:, i] = predictor.predict(pd.concat([test, before], axis=1), model=name)
    return {k: v * scale + mean for k, v in found.items() if np.isfinite(v).all()}


def compare_models(x, y, x_test, *, config, folder=None, seconds=None, autogluon=None):
    """Fit every model of Table C.1 and return what each predicts.

    Parameters
    ----------
    x, x_test : ndarray of shape (n, pixels), (m, pixels)
        Pre-processed spectra.
    y : ndarray of shape (n, 5)
    config : Config
    folder : path-like, optional
        Where AutoGluon keeps its models.
    seconds : float, optional
        Limit of each label in AutoGluon.
    autogluon : bool, optional
        Use it, or not; by default where it is installed.

    Returns
    -------
    dict of str to ndarray of shape (m, 5)
    dict of str to float
        Seconds of each fit; none with AutoGluon.

    Raises
    ------
    SuiteError
        If there are too few stars, or AutoGluon is asked for and not installed.
    """
    from importlib.util import find_spec

    if len(x) < FEWEST:
        raise SuiteError(f"The model comparison needs {FEWEST} training stars; {len(x)} are here.")
    found, took = {}, {}
    installed = find_spec("autogluon") is not None
    if autogluon and not installed:
        raise SuiteError(
            "AutoGluon is not installed: pip install 'spectra-reproductions[autogluon]', or leave "
            "--autogluon out."
        )
    if autogluon or (autogluon is None and installed):
        found = autogluon_chain(x, y, x_test, folder=folder, seconds=seconds)
        missing = [name for name in ORDER if name not in found]
        if missing:
            say(f"AutoGluon did not fit {', '.join(missing)}: a library of theirs is not installed "
                "(pip install 'spectra-reproductions[autogluon]'), or the time was up")  # fmt: skip
        return {k: found[k] for k in sorted(found, key=_place)}, {}
    jobs = 1 if x.size < SMALL else -1
    for name, make in models(config, x.shape[1], jobs).items():
        began = time.perf_counter()
        with warnings.catch_warnings():
            # a perceptron that is still learning after its last epoch; names that LightGBM gives
            warnings.simplefilter("ignore", UserWarning)
            found[name] = chain(make, x, y, x_test)
        took[name] = time.perf_counter() - began
    return found, took


def _place(name):
    return ORDER.index(name) if name in ORDER else len(ORDER)


def baseline_run(run_dir, *, pixels=BINNED, stars=None, seconds=None, autogluon=None):
    """Compare the network of a run with other models on the same test set (Table C.1).

    Writes tables/baselines.ecsv and baselines.parquet (id, model, five predictions).

    Parameters
    ----------
    run_dir : path-like
        A finished run with its data/.
    pixels : int
        Largest number of pixels that the other models see (means of neighbours); 0: all.
    stars : int, optional
        Training stars that they learn from: `Config.baseline_stars` by default, 0: all.
    seconds : float, optional
        Limit of each label in AutoGluon.
    autogluon : bool, optional
        See `compare_models`.

    Returns
    -------
    DataFrame
        model, teff, logg, feh, mg, bprp (mean squared errors), mean (weighted as the paper),
        n (test stars), stars (learned from), pixels, seconds.

    Raises
    ------
    SuiteError
        If the run is not finished, or its prepared spectra are gone.
    """
    from common.pipeline import Shards, finished

    run_dir = Path(run_dir)
    config, _ = runs.read_config(run_dir, Config)
    if not finished(run_dir / "data") or not (run_dir / "predictions.parquet").is_file():
        raise SuiteError(
            f"{run_dir} lacks its prepared spectra (data/) or predictions.parquet: the comparison "
            "needs a finished run with its data."
        )
    shards = Shards(run_dir / "data")
    labels = shards.labels.reset_index(drop=True)
    y = labels[[f"{k}_true" for k in TARGETS]].to_numpy(float)
    known = np.isfinite(y).all(axis=1)
    train = np.flatnonzero(known & (labels["split"] == "reference").to_numpy())
    test = np.flatnonzero(known & (labels["split"] == "test").to_numpy())
    limit = config.baseline_stars if stars is None else stars
    if limit and limit < len(train):
        rng = np.random.default_rng(config.seed)
        train = np.sort(rng.permutation(train)[:limit])
    width = pixels or config.n_pixels
    x, x_test = thinned(shards.rows(train), width), thinned(shards.rows(test), width)
    found, took = compare_models(x, y[train], x_test, config=config, seconds=seconds,
                                 folder=run_dir / "work" / "autogluon",
                                 autogluon=autogluon)  # fmt: skip
    ids = labels["id"].astype(str).to_numpy()[test]
    own = tables.read_predictions(run_dir / "predictions.parquet")
    own = own.drop_duplicates("id").set_index("id").reindex(ids)
    everything = {CNN: own[[f"{k}_pred" for k in TARGETS]].to_numpy(float), **found}
    learned = int((known & (labels["split"] == "reference").to_numpy()).sum())
    rows, parts = [], []
    for name, value in everything.items():
        about = (learned, config.n_pixels) if name == CNN else (len(train), x.shape[1])
        rows.append({"model": name, **errors_of(value, y[test]), "stars": about[0],
                     "pixels": about[1], "seconds": took.get(name, np.nan)})  # fmt: skip
        part = pd.DataFrame(value, columns=[f"{k}_pred" for k in TARGETS])
        parts.append(part.assign(id=ids, model=name))
    table = pd.DataFrame(rows)
    write_parquet(pd.concat(parts, ignore_index=True), run_dir / "baselines.parquet")
    claims.write(table, run_dir / "tables" / "baselines.ecsv", dataset=config.dataset)
    return table


def _arguments():
    p = parser("python -m solarlike_distance.baselines",
               "The network beside other models on the same test set (Table C.1).")  # fmt: skip
    p.add_argument("--run-dir", type=Path, required=True,
                   help="run folder of solarlike_distance.train")  # fmt: skip
    p.add_argument("--pixels", type=int, default=BINNED,
                   help="pixels that the other models see; 0: all")  # fmt: skip
    p.add_argument("--stars", type=int, help="training stars that they learn from; 0: all "
                   "(default: of the run's scale)")  # fmt: skip
    p.add_argument("--autogluon", action="store_true", default=None,
                   help="insist on AutoGluon (default: where it is installed)")  # fmt: skip
    p.add_argument("--seconds", type=float, help="limit of each label in AutoGluon")
    return p


def work(args):
    """Do what the command line asks for."""
    table = baseline_run(args.run_dir, pixels=args.pixels, stars=args.stars,
                         seconds=args.seconds, autogluon=args.autogluon)  # fmt: skip
    say(table.to_string(index=False, float_format="%.4g"))


def main(argv=None):
    """Run the command line; return the exit status."""
    return run(work, _arguments().parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
