"""Train the classifier and all redshift ensembles from one command (Sect. 3.3)."""

from __future__ import annotations

import time
from functools import partial

import numpy as np

from common.cli import say
from common.commands import train as command
from gasnet2.config import PAPER

TIMED = 1024  # default: held-out spectra, of all classes alike, that the speed is measured on


def train(config, run_dir, *, accelerator, data_dir=None, resume=False, offline=False):
    """Train every network of a run and predict its validation and test splits.

    What it takes, `common.commands.train.main` says.

    Returns
    -------
    DataFrame
        Predictions of the validation and test splits, as written to predictions.parquet.
    """
    from common.files import write_json, write_parquet
    from common.runs import finish, start
    from gasnet2 import fitting
    from gasnet2.data import choose_split, fingerprint, prepare, split_is_named
    from gasnet2.samples import SAMPLE

    run_dir, about, shards = start(
        config, run_dir, prepare, accelerator=accelerator, data_dir=data_dir, resume=resume,
        offline=offline,
    )  # fmt: skip
    labels = shards.labels
    labels["split"] = split = choose_split(labels, config)
    about["data_fingerprint"] = fingerprint(labels[split != ""])
    about["sizes"] = {s: int((split == s).sum()) for s in ("train", "valid", "test")}
    about["split_of_files"] = not config.is_mock and split_is_named(labels)
    sample = labels.loc[split != "", ["id", "class", "z", "snr", "split"]]
    sample = sample.rename(columns={"class": "class_true", "z": "z_true"})
    write_parquet(sample.reset_index(drop=True), run_dir / SAMPLE)
    write_json(run_dir / "config.json", about)
    counts = ", ".join(f"{n} {s}" for s, n in about["sizes"].items())
    say(f"{config.dataset}: {counts} spectra; {accelerator.device}, {accelerator.precision}")

    history = []
    job = fitting.Job(config, run_dir, shards, accelerator)
    held = np.flatnonzero((split == "valid") | (split == "test"))
    if config.is_templates:
        table = _templates(job, history, about, held)
    else:
        table = _paper(job, history, about, held)
    about["validation_mae"] = _validation_mae(table)
    about["trained_spectra"] = sum(row["n_train"] for row in history)
    return finish(config, run_dir, about, table)


def _paper(job, history, about, held):
    """Train the paper's networks; return their predictions of the rows that are held out."""
    from gasnet2 import fitting
    from gasnet2.networks import Networks
    from gasnet2.samples import evenly

    config, shards, labels = job.config, job.shards, job.shards.labels
    classifier, redshift = fitting.networks(job, history)
    about["timing"]["training_s"] = sum(row["seconds"] for row in history)
    trained = Networks(config, classifier, redshift)
    about["parameters"] = {"classifier": classifier.count_params()} | {
        name: model.count_params() // config.members for name, model in redshift.items()
    }
    on_cpu = job.accelerator.device.endswith("CPU")
    timed = held[evenly(labels["class"].to_numpy()[held], TIMED, seed=config.seed)]
    about["timing"] |= seconds_each(trained, shards.rows(timed), on_cpu=on_cpu)
    about["timed"] = {k: int(n) for k, n in labels["class"].iloc[timed].value_counts().items()}
    return trained.table(
        lambda rows: shards.rows(held[rows]), labels.iloc[held],
        split=labels["split"].to_numpy()[held],
    )  # fmt: skip


def _templates(job, history, about, held):
    """Train the template network; return its predictions of the rows that are held out."""
    from gasnet2.templates.fitting import network

    shards, labels = job.shards, job.shards.labels
    trained = network(job, history)
    about["timing"]["training_s"] = sum(row["seconds"] for row in history)
    about["parameters"] = {"templates": trained.model.count_params()}
    about["calibration"] = trained.about()
    began = time.perf_counter()
    table = trained.table(
        lambda rows: shards.rows(held[rows]), labels.iloc[held],
        split=labels["split"].to_numpy()[held],
    )  # fmt: skip
    about["timing"]["predict_seconds_per_spectrum"] = (time.perf_counter() - began) / len(held)
    return table


def seconds_each(trained, x, *, on_cpu):
    """Return what a spectrum costs (Sect. 4.2.1, 4.3.2), reading left out.

    Which spectra they are matters: a star needs no redshift network.

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


main = partial(command.main, PAPER, train)

if __name__ == "__main__":
    raise SystemExit(main())
