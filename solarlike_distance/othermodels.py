"""Models beside the network, label after label in a chain (Appendix C).

Through AutoGluon where it is installed (the extra `autogluon`), as in the paper; else LightGBM,
CatBoost and scikit-learn directly, under names of their own, with AutoGluon's published choices
where it has fixed ones.
"""

from __future__ import annotations

import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from common.cli import say
from common.errors import SuiteError
from solarlike_distance.config import TARGETS

ORDER = ("LightGBMXT", "LightGBM", "LightGBMLarge", "CatBoost", "NeuralNetFastAI",
         "NeuralNetTorch", "ExtraTreesMSE", "RandomForestMSE", "KNeighborsUnif",
         "KNeighborsDist")  # of Table C.1  # fmt: skip
STANDS = {  # without AutoGluon: our name, and the model of Table C.1 that it stands for
    "LightGBM direct, extra trees": "LightGBMXT",
    "LightGBM direct": "LightGBM",
    "LightGBM direct, 128 leaves": "LightGBMLarge",
    "CatBoost direct": "CatBoost",
    "scikit-learn perceptron": "NeuralNetTorch",
    "scikit-learn extra trees": "ExtraTreesMSE",
    "scikit-learn random forest": "RandomForestMSE",
    "scikit-learn neighbours, uniform": "KNeighborsUnif",
    "scikit-learn neighbours, by distance": "KNeighborsDist",
}
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


def models(config, width, jobs=-1):
    """Return {name, a key of `STANDS`: function that makes the model for one label}.

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
        installed. Extra trees: extremely randomised splits; 128 leaves: with a rate of 0.03
        (AutoGluon's "extra_trees" and "Large"). One perceptron stands for NeuralNetTorch; none for
        NeuralNetFastAI: AutoGluon's two differ in library.
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
            "LightGBM direct, extra trees": lambda: LGBMRegressor(
                learning_rate=rate, extra_trees=True, **light
            ),
            "LightGBM direct": lambda: LGBMRegressor(learning_rate=rate, **light),
            "LightGBM direct, 128 leaves": lambda: LGBMRegressor(
                learning_rate=0.6 * rate, num_leaves=128, min_child_samples=5, **light
            ),
        }
    try:
        from catboost import CatBoostRegressor
    except ImportError:
        pass
    else:
        out["CatBoost direct"] = lambda: CatBoostRegressor(
            iterations=config.trees, random_seed=config.seed, verbose=False,
            allow_writing_files=False,
        )  # fmt: skip
    return out | {
        "scikit-learn perceptron": lambda: make_pipeline(
            StandardScaler(),
            MLPRegressor(hidden_layer_sizes=config.mlp_units, early_stopping=True,
                         validation_fraction=HELD, max_iter=100, random_state=config.seed),
        ),
        "scikit-learn extra trees": lambda: ExtraTreesRegressor(**forest),
        "scikit-learn random forest": lambda: RandomForestRegressor(**forest),
        "scikit-learn neighbours, uniform": lambda: KNeighborsRegressor(NEIGHBOURS),
        "scikit-learn neighbours, by distance": lambda: KNeighborsRegressor(
            NEIGHBOURS, weights="distance"
        ),
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
    """Fit every model of Table C.1, or what stands for it, and return what each predicts.

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
