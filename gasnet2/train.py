"""Train the classifier and all redshift ensembles from one command (Sect. 3.3)."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from common.cli import parser, run, say
from common.errors import UsageError
from gasnet2.config import DATASETS, SCALES, make_config

KEPT = "Finished epochs and networks are kept; go on with the same command and --resume."


def _arguments():
    p = parser("python -m gasnet2.train", "Train GaSNet-II: classes and redshifts of spectra.")
    add_training_options(p)
    p.add_argument("--run-dir", type=Path, help="run folder (default: runs/DATASET-SCALE)")
    return p


def add_training_options(p):
    """Add the options of a training to an argument parser."""
    p.add_argument("--dataset", default="sdss-mock", choices=DATASETS, help="what to train on")
    p.add_argument("--data-dir", type=Path, help="folder of the data set's files")
    p.add_argument("--scale", default="demo", choices=tuple(SCALES), help="sizes and schedule")
    p.add_argument("--seed", type=int, default=1, help="the one seed of the run")
    p.add_argument("--precision", default="auto", help="auto, float32, cpu_bf16, mixed_bfloat16 or "
                   "mixed_float16")  # fmt: skip
    p.add_argument("--initialiser", choices=("he", "faithful"), help="default: he; faithful is "
                   "the authors' RandomNormal(0, 1e-3)")  # fmt: skip
    p.add_argument("--members", type=int, help="sub-networks of each ensemble")
    p.add_argument("--epochs", type=int, help="epochs of each network")
    p.add_argument("--pool-epochs", type=int, help="epochs of networks of all classes together, "
                   "which members start from; 0: none, as in the paper")  # fmt: skip
    p.add_argument("--per-class", type=int, help="spectra of each class, all splits together")
    p.add_argument("--learning-rate", type=float, help="highest learning rate")
    p.add_argument("--batch-size", type=int, help="spectra of a batch")
    p.add_argument("--grid", type=float, nargs=3, metavar=("FIRST", "LAST", "PIXELS"),
                   help="the network's linear grid in Angstrom, taken too for tables that do not "
                   "carry theirs, such as the authors' (default: 4000 9000 5001)")  # fmt: skip
    p.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    p.add_argument("--offline", action="store_true", help="use no network")


def config_of(args):
    """Return the configuration that the options of `add_training_options` ask for."""
    for name in ("members", "epochs", "per_class", "batch_size", "learning_rate"):
        value = getattr(args, name)
        if value is not None and value <= 0:
            option = "--" + name.replace("_", "-")
            raise UsageError(f"{option} must be above 0. Received {value}.")
    grid = {}
    if args.grid:
        first, last, pixels = args.grid
        if not (0 < first < last and pixels == int(pixels) and pixels >= 2):
            raise UsageError(
                f"--grid takes FIRST < LAST in Angstrom and a whole number of pixels. Received "
                f"{first:g} {last:g} {pixels:g}."
            )
        grid = dict(wave_min=first, wave_max=last, n_pixels=int(pixels), grid_named=True)
    return make_config(
        args.dataset,
        args.scale,
        seed=args.seed,
        initialiser=args.initialiser,
        members=args.members,
        epochs=args.epochs,
        pool_epochs=args.pool_epochs,
        per_class=args.per_class,
        learning_rate=args.learning_rate,
        batch_size=args.batch_size,
        **grid,
    )


def default_run_dir(config):
    """Return the run folder of a configuration where the user names none."""
    return Path("runs") / f"{config.dataset}-{config.scale}"


def train(config, run_dir, *, accelerator, data_dir=None, resume=False, offline=False):
    """Train every network of a run and predict its validation and test splits.

    Parameters
    ----------
    config : Config
    run_dir : path-like
        Run folder; see docs/run-folder.md for what it holds.
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
        Predictions of the validation and test splits, as written to predictions.parquet.
    """
    from common.files import write_json
    from common.runs import begin
    from gasnet2 import fitting
    from gasnet2.data import choose_split, fingerprint, prepare
    from gasnet2.networks import Networks, prediction_table

    run_dir, about = begin(
        run_dir, config, accelerator=accelerator, data_dir=data_dir, resume=resume
    )
    began = time.perf_counter()
    shards = prepare(config, run_dir / "data", data_dir=data_dir, offline=offline)
    labels = shards.labels
    split = choose_split(labels, config)
    about["data_fingerprint"] = fingerprint(labels[split != ""])
    about["sizes"] = {s: int((split == s).sum()) for s in ("train", "valid", "test")}
    about["timing"].setdefault("data_s", time.perf_counter() - began)
    write_json(run_dir / "config.json", about)
    counts = ", ".join(f"{n} {s}" for s, n in about["sizes"].items())
    say(f"{config.dataset}: {counts} spectra; {accelerator.device}, {accelerator.precision}")

    history = []
    job = fitting.Job(config, run_dir, shards, split, accelerator)
    classifier, redshift = fitting.networks(job, history)
    about["timing"]["training_s"] = sum(row["seconds"] for row in history)

    held = np.flatnonzero((split == "valid") | (split == "test"))
    trained = Networks(config, classifier, redshift)
    about["parameters"] = {"classifier": classifier.count_params()} | {
        name: model.count_params() // config.members for name, model in redshift.items()
    }
    on_cpu = accelerator.device.endswith("CPU")
    about["timing"] |= _seconds_each(trained, shards.rows(held[:1024]), on_cpu=on_cpu)
    table = prediction_table(
        trained, lambda rows: shards.rows(held[rows]), labels.iloc[held], split=split[held]
    )
    about["validation_mae"] = _validation_mae(table)
    about["trained_spectra"] = sum(row["n_train"] for row in history)
    table["dataset"] = config.dataset  # a table that travels alone still says what it is of
    part = run_dir / ".predictions.parquet"
    table.to_parquet(part)
    part.replace(run_dir / "predictions.parquet")
    write_json(run_dir / "config.json", about)
    return table


def _seconds_each(trained, x, *, on_cpu):
    """Return what a spectrum costs (Sect. 4.2.1, 4.3.2), reading left out.

    Wall time to classify it; for class and redshift the time of the cores that work on it, which
    other programs on the machine do not change, or the wall time of one accelerator.
    """
    from common.inference import predict
    from gasnet2.networks import routed

    routed(trained, x[:1], predict(trained.classifier, x[:1]), all_classes=True)  # traces
    clock = time.process_time if on_cpu else time.perf_counter
    began, cores_began = time.perf_counter(), clock()
    p = predict(trained.classifier, x)
    classified = time.perf_counter()
    routed(trained, x, p)
    n = max(len(x), 1)
    return {
        "classify_seconds_per_spectrum": (classified - began) / n,
        "seconds_per_spectrum_core": (clock() - cores_began) / n,
    }


def _validation_mae(table):
    valid = table[(table["split"] == "valid") & table["z_pred"].notna()]
    error = (valid["z_pred"] - valid["z_true"].clip(0, 5)).abs()
    return {k: float(v) for k, v in error.groupby(valid["class_true"]).mean().items()}


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
    say(f"next: python -m gasnet2.evaluate --run-dir {run_dir}")


def main(argv=None):
    """Run the command line; return the exit status."""
    return run(work, _arguments().parse_args(argv), kept=KEPT)


if __name__ == "__main__":
    sys.exit(main())
