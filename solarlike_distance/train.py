"""Train the networks of the folds, calibrate their errors, predict the stars they have not seen."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from common.cli import parser, run, say
from common.errors import UsageError
from solarlike_distance.config import DATASETS, OUT_OF_RANGE, SCALES, TARGETS, make_config

KEPT = "Finished epochs and networks are kept; go on with the same command and --resume."
POSITIVE = ("stars", "epochs", "batch_size", "learning_rate", "trees")
RANGE = (0.001, 0.999)  # default: quantiles of the reference set beyond which a star is unusual


def _arguments():
    p = parser(
        "python -m solarlike_distance.train",
        "Train the network of stellar labels and M_G from LAMOST spectra of solar-like stars.",
    )
    add_training_options(p)
    p.add_argument("--run-dir", type=Path, help="run folder (default: runs/DATASET-SCALE)")
    return p


def add_training_options(p):
    """Add the options of a training to an argument parser."""
    p.add_argument("--dataset", default="lamost-mock", choices=DATASETS, help="what to train on")
    p.add_argument("--data-dir", type=Path, help="folder with LAMOST spectra, a LAMOST star "
                   "catalogue, APOGEE's allStar and Gaia's tables; a mock is written and kept "
                   "there")  # fmt: skip
    p.add_argument("--scale", default="demo", choices=tuple(SCALES), help="sizes and schedule")
    p.add_argument("--seed", type=int, default=42, help="the one seed of the run")
    p.add_argument("--precision", default="auto", help="auto, float32, cpu_bf16, mixed_bfloat16 or "
                   "mixed_float16")  # fmt: skip
    p.add_argument("--stars", type=int, help="spectra of a mock; three in four pass the cuts")
    p.add_argument("--members", type=int, help="folds of the cross-validation that get a network; "
                   "0: all five")  # fmt: skip
    p.add_argument("--epochs", type=int, help="most epochs of each network")
    p.add_argument("--learning-rate", type=float, help="first, highest learning rate")
    p.add_argument("--batch-size", type=int, help="spectra of a batch")
    p.add_argument("--trees", type=int, help="trees of each ensemble of Table C.1")
    p.add_argument("--out-of-range", choices=OUT_OF_RANGE, help="what stands for pixels below 0.1 "
                   "and above 1.2: one (the released code) or zero (the paper's text)")  # fmt: skip
    p.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    p.add_argument("--offline", action="store_true", help="use no network")


def config_of(args):
    """Return the configuration that the options of `add_training_options` ask for."""
    for name in POSITIVE:
        value = getattr(args, name)
        if value is not None and not value > 0:
            option = "--" + name.replace("_", "-")
            raise UsageError(f"{option} must be above 0. Received {value}.")
    for name in ("seed", "members"):
        value = getattr(args, name)
        if value is not None and value < 0:
            raise UsageError(f"--{name} must not be negative. Received {value}.")
    return make_config(
        args.dataset,
        args.scale,
        seed=args.seed,
        n_stars=args.stars,
        members=args.members,
        epochs=args.epochs,
        learning_rate=args.learning_rate,
        batch_size=args.batch_size,
        trees=args.trees,
        out_of_range=args.out_of_range,
    )


def default_run_dir(config):
    """Return the run folder of a configuration where the user names none."""
    return Path("runs") / f"{config.dataset}-{config.scale}"


def train(config, run_dir, *, accelerator, data_dir=None, resume=False, offline=False):
    """Train the networks of a run and predict the stars that they have not seen.

    Parameters
    ----------
    config : Config
    run_dir : path-like
        Run folder.
    accelerator : common.accelerator.Accelerator
    data_dir : path-like, optional
        Folder of the data set's files.
    resume : bool
        Go on with an interrupted run.
    offline : bool
        Use no network.

    Returns
    -------
    DataFrame
        Predictions, as written to predictions.parquet: of the reference stars of every trained
        fold, each by the network that was not trained on it (split "reference"), and of the test
        stars by the mean of all networks (split "test").
    """
    from common.files import write_json, write_parquet
    from common.runs import begin
    from solarlike_distance import fitting
    from solarlike_distance.data import fingerprint, prepare
    from solarlike_distance.networks import Networks
    from solarlike_distance.unseen import predict_unseen

    run_dir, about = begin(
        run_dir, config, accelerator=accelerator, data_dir=data_dir, resume=resume
    )
    began = time.perf_counter()
    shards = prepare(config, run_dir / "data", data_dir=data_dir, offline=offline)
    job = fitting.Job(config, run_dir, shards, accelerator)
    about["data_fingerprint"] = fingerprint(shards.labels)
    about["sizes"] = {s: len(job.rows(s)) for s in ("reference", "test")}
    about["timing"].setdefault("data_s", time.perf_counter() - began)
    about["scaling"] = fitting.scaling(job)
    about["training_range"] = _ranges(shards.labels.iloc[job.rows("reference")])
    write_json(run_dir / "config.json", about)
    say(f"{config.dataset}: {about['sizes']['reference']} reference and {about['sizes']['test']} "
        f"test spectra; {accelerator.device}, {accelerator.precision}")  # fmt: skip

    history = []
    models = fitting.networks(job, about["scaling"], history)
    about["timing"]["training_s"] = sum(row["seconds"] for row in history)
    about["parameters"] = {"cnn": models[0].count_params()}
    trained = Networks(config, models, fitting.folds_of(config), about["scaling"],
                       training_range=about["training_range"])  # fmt: skip
    about["timing"]["seconds_per_spectrum"] = _seconds_each(models[0], shards, job.rows("test"))
    table = predict_unseen(job, trained)
    about |= {
        "folds": trained.folds,
        "scatter": trained.scatter,
        "correlation": trained.correlation,
        "errors": {name: model.to_dict() for name, model in trained.errors.items()},
    }
    table["dataset"] = config.dataset  # a table that travels alone still says what it is of
    write_parquet(table, run_dir / "predictions.parquet")
    write_json(run_dir / "config.json", about)
    say(_summary(table, trained.scatter))
    return table


def _ranges(labels):
    """Return 0.1 and 99.9 % of what the networks learned from."""
    names = {name: f"{name}_true" for name in TARGETS} | {"snr_g": "snr_g"}
    return {k: np.nanquantile(labels[v].to_numpy(float), RANGE).tolist() for k, v in names.items()}


def _seconds_each(model, shards, rows):
    """Return the wall time of a spectrum in one network, reading left out."""
    from common.inference import predict

    x = shards.rows(rows[:512])
    predict(model, x)  # traces
    began = time.perf_counter()
    predict(model, x)
    return (time.perf_counter() - began) / max(len(x), 1)


def _summary(table, scatter):
    """Return one line: the scatter on the test set."""
    test = table[table["split"] == "test"]
    text = ", ".join(
        f"{name} {scatter[key]:.{digits}f} {unit}"
        for key, name, digits, unit in (
            ("teff", "Teff", 0, "K"), ("logg", "log g", 3, "dex"), ("feh", "[Fe/H]", 3, "dex"),
            ("mg", "M_G", 3, "mag"), ("bprp", "(BP-RP)0", 3, "mag"),
        )
    )  # fmt: skip
    off = (test["distance_pred"] / test["distance_true"] - 1).dropna()
    if len(off) > 1:
        text += f", distance {100 * off.std():.1f} %"
    return f"scatter on {len(test)} test spectra: {text}"


def work(args):
    """Do what the command line asks for."""
    from common.accelerator import choose

    config = config_of(args)
    accelerator = choose(args.precision)
    config = replace(config, precision=accelerator.precision)
    run_dir = args.run_dir or default_run_dir(config)
    train(config, run_dir, accelerator=accelerator, data_dir=args.data_dir, resume=args.resume,
          offline=args.offline)  # fmt: skip
    say(f"run folder: {run_dir}")
    say(f"next: python -m solarlike_distance.evaluate --run-dir {run_dir}")


def main(argv=None):
    """Run the command line; return the exit status."""
    return run(work, _arguments().parse_args(argv), kept=KEPT)


if __name__ == "__main__":
    sys.exit(main())
