"""Train the classifier and all redshift ensembles from one command (Sect. 3.3)."""

from __future__ import annotations

import json
import math
import shutil
import sys
import time
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np

from common.cli import parser, run, say
from common.errors import UsageError
from gasnet2.config import DATASETS, SCALES, extragalactic, make_config

MIN_TRAIN = 5  # default: a redshift network needs at least this many spectra
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
        grid = dict(wave_min=first, wave_max=last, n_pixels=int(pixels))
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


def open_run(run_dir, config, *, resume):
    """Make a run folder, or check that it holds the same run to go on with.

    Raises
    ------
    UsageError
        If the folder holds a run and `resume` is off, or a run of another configuration.
    """
    run_dir = Path(run_dir)
    path = run_dir / "config.json"
    if not path.exists():
        run_dir.mkdir(parents=True, exist_ok=True)
        return {}
    if not resume:
        raise UsageError(
            f"{run_dir} holds a run already. Go on with it (--resume), or name another --run-dir."
        )
    about = json.loads(path.read_text())
    old = about.get("config", {})
    plain = json.loads(json.dumps(asdict(config)))
    differ = [f.name for f in fields(config) if old.get(f.name) != plain[f.name]]
    if differ:
        text = ", ".join(f"{name} ({old.get(name)} there, {plain[name]} here)" for name in differ)
        raise UsageError(f"{run_dir} holds a run with another configuration: {text}.")
    return about


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
    from common.provenance import versions
    from common.training import write_json
    from gasnet2.data import choose_split, fingerprint, prepare
    from gasnet2.networks import Networks, prediction_table

    run_dir = Path(run_dir)
    if accelerator.worker:  # every worker computes the same; the first one's files count
        run_dir = run_dir.with_name(f"{run_dir.name}-worker{accelerator.worker}")
    about = open_run(run_dir, config, resume=resume)
    about = {"timing": {}} | about
    about |= {"config": asdict(config), "versions": versions(), "device": accelerator.device}
    write_json(run_dir / "config.json", about)
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

    began = time.perf_counter()
    history = []
    job = Job(config, run_dir, shards, split, accelerator)
    classifier, redshift = networks(job, history)
    about["timing"].setdefault("training_s", time.perf_counter() - began)

    held = np.flatnonzero((split == "valid") | (split == "test"))
    trained = Networks(config, classifier, redshift)
    about["parameters"] = {"classifier": classifier.count_params()} | {
        name: model.count_params() // config.members for name, model in redshift.items()
    }
    about["timing"]["classify_seconds_per_spectrum"] = _seconds_each(classifier, shards, held)
    table = prediction_table(
        trained, lambda rows: shards.rows(held[rows]), labels.iloc[held], split=split[held]
    )
    about["validation_mae"] = _validation_mae(table)
    about["trained_spectra"] = sum(row["n_train"] for row in history)
    part = run_dir / ".predictions.parquet"
    table.to_parquet(part)
    part.replace(run_dir / "predictions.parquet")
    write_json(run_dir / "config.json", about)
    return table


class Job:
    """What all networks of a run share."""

    def __init__(self, config, run_dir, shards, split, accelerator):
        from common.training import Reusable

        self.config, self.run_dir, self.shards, self.split = config, run_dir, shards, split
        self.accelerator, self.reusable = accelerator, Reusable()

    def rows(self, use):
        """Return the training and validation rows among those where `use` is True."""
        return {s: np.flatnonzero(use & (self.split == s)) for s in ("train", "valid")}


def networks(job, history):
    """Train the classifier and every redshift ensemble of a job, or load what is finished.

    Parameters
    ----------
    job : Job
    history : list
        Filled with the rows of history.csv, which is written after each network.

    Returns
    -------
    keras.Model, dict of str to keras.Model
    """
    from common.training import write_history

    classifier = _classifier(job, history)
    write_history(job.run_dir / "history.csv", history)
    names, redshift = extragalactic(job.config.classes), {}
    pooled = _pooled(names, job, history) if job.config.pool_epochs else None
    for name in names:
        model = _ensemble(name, job, history, pooled)
        if model is not None:
            redshift[name] = model
        write_history(job.run_dir / "history.csv", history)
    _forget((job.run_dir / "work").glob("pooled/*"))
    return classifier, redshift


def _classifier(job, history):
    from common.training import save_model
    from gasnet2.model import build_classifier

    config, labels = job.config, job.shards.labels
    code = {name: k for k, name in enumerate(config.classes)}
    path = job.run_dir / "models" / "classifier.keras"
    work = job.run_dir / "work" / "classifier"
    if path.exists():
        return _finished(path, [work], history)
    model, rows = _train(
        job,
        "classifier",
        work,
        lambda: build_classifier(config.n_pixels, len(config.classes), config),
        job.rows(np.ones(len(labels), dtype=bool)),
        labels["class"].map(code).to_numpy(),
        seed=config.seed,
        loss="sparse_categorical_crossentropy",
        metric="accuracy",
    )
    history += rows
    save_model(model, path)
    _forget([work])
    return model


def _redshift_labels(job):
    """Return the labels that redshift networks are trained on, ndarray of shape (n, 1)."""
    z = job.shards.labels["z"].to_numpy(dtype="float32")
    return np.clip(z, 0, job.config.z_max)[:, None] * job.config.z_scale


def _fresh(job, start):
    """Return a function that builds a redshift network whose output starts at `start`."""
    from gasnet2.model import build_redshift

    def build():
        model = build_redshift(job.config.n_pixels, 1, job.config)
        if job.config.initialiser != "faithful":
            # Huber's gradient is bounded, so that many steps would go into reaching the mean.
            kernel, _ = model.layers[-1].get_weights()
            model.layers[-1].set_weights([kernel, np.array([start], dtype="float32")])
        return model

    return build


def _pooled(names, job, history):
    """Train one redshift network a member on all classes together; return their weights.

    Not in the paper: where time is short, the classes learn from each other what lines look like.
    """
    import keras

    labels, target, weights = job.shards.labels, _redshift_labels(job), []
    rows = job.rows(labels["class"].isin(names).to_numpy() & np.isfinite(labels["z"]).to_numpy())
    missing = [n for n in names if not (job.run_dir / "models" / f"redshift_{n}.keras").exists()]
    for i in range(job.config.members):
        folder = job.run_dir / "work" / "pooled" / str(i)
        if not missing:
            history += json.loads((folder / "history.json").read_text())
            continue
        model, of_member = _train(
            job,
            f"pooled/{i}",
            folder,
            _fresh(job, float(np.median(target[rows["train"]]))),
            rows,
            target,
            seed=job.config.seed + 500 + i,
            loss=keras.losses.Huber(job.config.huber_delta),
            metric="mae",
            epochs=job.config.pool_epochs,
        )
        history += of_member
        weights.append(model.get_weights())
    return weights


def _ensemble(name, job, history, pooled):
    import keras

    from common.ensemble import combine
    from common.training import save_model
    from gasnet2.model import build_redshift

    config, labels = job.config, job.shards.labels
    path = job.run_dir / "models" / f"redshift_{name}.keras"
    folders = [job.run_dir / "work" / f"redshift_{name}" / str(i) for i in range(config.members)]
    if path.exists():
        return _finished(path, folders, history)
    rows = job.rows((labels["class"] == name).to_numpy() & np.isfinite(labels["z"]).to_numpy())
    if len(rows["train"]) < MIN_TRAIN:
        print(
            f"warning: {name}: {len(rows['train'])} training spectra, {MIN_TRAIN} are needed; "
            "no redshift network is trained for it",
            file=sys.stderr,
        )
        return None
    target = _redshift_labels(job)
    fresh = _fresh(job, float(np.median(target[rows["train"]])))

    def from_pool(i):
        def build():
            model = fresh()
            model.set_weights(pooled[i])
            return model

        return build

    members = []
    for i, folder in enumerate(folders):
        trained, of_member = _train(
            job,
            f"{name}/{i}",
            folder,
            from_pool(i) if pooled else fresh,
            rows,
            target,
            seed=config.seed + 1000 * (1 + config.classes.index(name)) + i,
            loss=keras.losses.Huber(config.huber_delta),
            metric="mae",
            # What the pooled network knows is to be refined, not unlearned.
            rate=config.learning_rate / (3 if pooled else 1),
        )
        history += of_member
        members.append(build_redshift(config.n_pixels, 1, config))
        members[-1].set_weights(trained.get_weights())
    model = combine(members, scale=1 / config.z_scale, name=f"redshift_{name}")
    save_model(model, path)
    _forget(folders)
    return model


def _finished(path, folders, history):
    """Load a network that an earlier call finished, and its history."""
    import keras

    for folder in folders:
        history += json.loads((folder / "history.json").read_text())
    return keras.models.load_model(path, compile=False)


def _forget(folders):
    """Remove training states that a saved network has made superfluous."""
    for folder in folders:
        (folder / "state.npz").unlink(missing_ok=True)


def _train(job, name, folder, build, rows, target, *, seed, loss, metric, epochs=None, rate=None):
    """Train one network; return it with its best weights, and its history."""
    import keras

    from common.pipeline import dataset
    from common.training import fit, learning_rate, write_json

    config, accelerator = job.config, job.accelerator
    epochs, rate = epochs or config.epochs, rate or config.learning_rate
    steps = math.ceil(len(rows["train"]) / config.batch_size)

    def compiled_or_plain(*, compiled):
        model = build()
        if compiled:
            schedule = learning_rate(
                config.schedule, initial=rate, epochs=epochs, steps_per_epoch=steps
            )
            model.compile(keras.optimizers.Adam(schedule), loss=loss, metrics=[metric])
        return model

    keras.utils.set_random_seed(seed)
    with accelerator.scope():
        model = job.reusable.get((metric, steps, epochs, rate), compiled_or_plain)
    options = dict(batch_size=config.batch_size, replicas=accelerator.replicas)
    train = dataset(job.shards, rows["train"], target[rows["train"]], seed=seed, **options)
    valid = None
    if len(rows["valid"]):
        valid = dataset(job.shards, rows["valid"], target[rows["valid"]], **options)
    accelerator.ready(model, train)
    history = fit(
        model,
        train,
        valid,
        name=name,
        folder=folder,
        epochs=epochs,
        monitor=f"val_{metric}" if valid is not None else metric,
        mode="max" if metric == "accuracy" else "min",
        units={"mae": 1 / config.z_scale},
    )
    history = [row | {"n_train": len(rows["train"])} for row in history]
    write_json(folder / "history.json", history)
    shown = ("loss", "val_loss", metric, f"val_{metric}")
    last = ", ".join(f"{k} {history[-1][k]:.4g}" for k in shown if k in history[-1])
    say(f"{name}: {last} after {len(history)} epochs")
    return model, history


def _seconds_each(classifier, shards, rows):
    """Return the wall time of classifying one spectrum, reading left out (Sect. 4.2.1)."""
    from common.training import predict

    x = shards.rows(rows[:1024])
    predict(classifier, x[:256])  # traces the network
    began = time.perf_counter()
    predict(classifier, x)
    return (time.perf_counter() - began) / max(len(x), 1)


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
    if not args.resume and not (run_dir / "config.json").exists():
        shutil.rmtree(run_dir / "data", ignore_errors=True)
    train(config, run_dir, accelerator=accelerator, data_dir=args.data_dir, resume=args.resume,
          offline=args.offline)  # fmt: skip
    say(f"run folder: {run_dir}")
    say(f"next: python -m gasnet2.evaluate --run-dir {run_dir}")


def main(argv=None):
    """Run the command line; return the exit status."""
    return run(work, _arguments().parse_args(argv), kept=KEPT)


if __name__ == "__main__":
    sys.exit(main())
