"""The network beside other models on the same stars (Table C.1)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from common import claims, runs
from common.cli import parser, run, say
from common.errors import SuiteError
from common.files import write_parquet
from solarlike_distance.config import TARGETS, Config
from solarlike_distance.othermodels import STANDS, compare_models
from solarlike_distance.tables.rows import read_predictions

CNN, SAME = "CNN", "CNN, their input"
WEIGHTS = {"teff": 2.0539e-6, "logg": 2.7605, "feh": 2.8662, "mg": 0.23398, "bprp": 13.078}
"""Of the paper's weighted mean. It prints none: these give its last column from the other five in
all eleven rows of Table C.1 (`recovered_weights`), in the labels' units to the power of -2."""
BINNED = 325  # default below paper scale: pixels that they see; means of 15 neighbours


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


def cnn_on(x, y, x_test, config):
    """Return what the run's kind of network predicts after learning from other input.

    Parameters
    ----------
    x, y, x_test : ndarrays
        As of `othermodels.compare_models`.
    config : Config
        Layers, input, batch size, epochs and rate; a cosine without early stopping.

    Returns
    -------
    ndarray of shape (m, 5)
    """
    import keras

    from common.inference import predict
    from common.schedules import learning_rate
    from solarlike_distance.model import build_model

    mean, std = y.mean(axis=0), np.maximum(y.std(axis=0), 1e-6)
    steps = -(-len(x) // config.batch_size)
    rate = learning_rate("cosine", initial=config.learning_rate, epochs=config.epochs,
                         steps_per_epoch=steps)  # fmt: skip
    keras.utils.set_random_seed(config.seed)
    model = build_model(replace(config, n_pixels=x.shape[1]))
    model.compile(keras.optimizers.Adam(rate), loss="mse")
    model.fit(x, ((y - mean) / std).astype("float32"), batch_size=config.batch_size,
              epochs=config.epochs, verbose=0)  # fmt: skip
    return predict(model, x_test).astype(float) * std + mean


def baseline_run(run_dir, *, pixels=None, stars=None, seconds=None, autogluon=None):
    """Compare the network of a run with other models on the same test set (Table C.1).

    Writes tables/baselines.ecsv and baselines.parquet (id, model, five predictions).

    Parameters
    ----------
    run_dir : path-like
        A finished run with its data/.
    pixels : int, optional
        Largest number of pixels that the other models see (means of neighbours); 0: all, the
        default at paper scale.
    stars : int, optional
        Training stars that they learn from: `Config.baseline_stars` by default, 0: all.
    seconds : float, optional
        Limit of each label in AutoGluon.
    autogluon : bool, optional
        See `othermodels.compare_models`.

    Returns
    -------
    DataFrame
        model, teff, logg, feh, mg, bprp (mean squared errors), mean (weighted as the paper),
        n (test stars), stars (learned from), pixels, seconds, stands_for (its place in Table C.1).
        Where the others see fewer pixels or stars than the network, a network that learned from
        the same input as they stands beside.

    Raises
    ------
    SuiteError
        If the run is not finished, or its prepared spectra are gone.
    """
    from common.pipeline import Shards, finished
    from solarlike_distance.model import shortest_input

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
    if not len(train) or not len(test):
        raise SuiteError(
            f"{run_dir} has no stars with all five labels to compare models on. Name a run of "
            "solarlike_distance.train."
        )
    limit = config.baseline_stars if stars is None else stars
    if limit and limit < len(train):
        rng = np.random.default_rng(config.seed)
        train = np.sort(rng.permutation(train)[:limit])
    if pixels is None:
        pixels = 0 if config.scale == "paper" else BINNED
    width = pixels or config.n_pixels
    x, x_test = thinned(shards.rows(train), width), thinned(shards.rows(test), width)
    found, took = compare_models(x, y[train], x_test, config=config, seconds=seconds,
                                 folder=run_dir / "work" / "autogluon",
                                 autogluon=autogluon)  # fmt: skip
    ids = labels["id"].astype(str).to_numpy()[test]
    own = read_predictions(run_dir / "predictions.parquet")
    own = own.drop_duplicates("id").set_index("id").reindex(ids)
    everything = {CNN: own[[f"{k}_pred" for k in TARGETS]].to_numpy(float), **found}
    learned = int((known & (labels["split"] == "reference").to_numpy()).sum())
    full, theirs = (learned, config.n_pixels), (len(train), x.shape[1])
    if theirs != full and x.shape[1] >= shortest_input(config):
        everything = {CNN: everything[CNN], SAME: cnn_on(x, y[train], x_test, config)} | found
    rows, parts = [], []
    for name, value in everything.items():
        about = full if name == CNN else theirs
        rows.append({"model": name, **errors_of(value, y[test]), "stars": about[0],
                     "pixels": about[1], "seconds": took.get(name, np.nan),
                     "stands_for": CNN if name == SAME else STANDS.get(name, name)})  # fmt: skip
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
    p.add_argument("--pixels", type=int, help="pixels that the other models see; 0: all "
                   f"(default: all at paper scale, else {BINNED})")  # fmt: skip
    p.add_argument("--stars", type=int, help="training stars that they learn from; 0: all "
                   "(default: of the run's scale)")  # fmt: skip
    p.add_argument("--autogluon", action="store_true", default=None,
                   help="insist on AutoGluon (default: where it is installed)")  # fmt: skip
    p.add_argument("--seconds", type=float, help="limit of each label in AutoGluon")
    return p


def work(args):
    """Do what the command line asks for."""
    from common.accelerator import choose

    choose("float32")
    table = baseline_run(args.run_dir, pixels=args.pixels, stars=args.stars,
                         seconds=args.seconds, autogluon=args.autogluon)  # fmt: skip
    say(table.to_string(index=False, float_format="%.4g"))


def main(argv=None):
    """Run the command line; return the exit status."""
    return run(work, _arguments().parse_args(argv))


if __name__ == "__main__":
    raise SystemExit(main())
