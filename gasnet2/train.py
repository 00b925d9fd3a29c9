"""Train the classifier and all redshift ensembles from one command (Sect. 3.3)."""

from __future__ import annotations

import time
from functools import partial

import numpy as np

from common.cli import say
from common.commands import train as command
from gasnet2.config import PAPER


def train(config, run_dir, *, accelerator, data_dir=None, resume=False, offline=False):
    """Train every network of a run and predict its validation and test splits.

    What it takes, `common.commands.train.main` says.

    Returns
    -------
    DataFrame
        Predictions of the validation and test splits, as written to predictions.parquet.
    """
    from common.files import write_json
    from common.runs import finish, start
    from gasnet2 import fitting
    from gasnet2.data import choose_split, fingerprint, prepare
    from gasnet2.networks import Networks, prediction_table

    run_dir, about, shards = start(
        config, run_dir, prepare, accelerator=accelerator, data_dir=data_dir, resume=resume,
        offline=offline,
    )  # fmt: skip
    labels = shards.labels
    labels["split"] = split = choose_split(labels, config)
    about["data_fingerprint"] = fingerprint(labels[split != ""])
    about["sizes"] = {s: int((split == s).sum()) for s in ("train", "valid", "test")}
    write_json(run_dir / "config.json", about)
    counts = ", ".join(f"{n} {s}" for s, n in about["sizes"].items())
    say(f"{config.dataset}: {counts} spectra; {accelerator.device}, {accelerator.precision}")

    history = []
    job = fitting.Job(config, run_dir, shards, accelerator)
    classifier, redshift = fitting.networks(job, history)
    about["timing"]["training_s"] = sum(row["seconds"] for row in history)

    held = np.flatnonzero((split == "valid") | (split == "test"))
    trained = Networks(config, classifier, redshift)
    about["parameters"] = {"classifier": classifier.count_params()} | {
        name: model.count_params() // config.members for name, model in redshift.items()
    }
    on_cpu = accelerator.device.endswith("CPU")
    about["timing"] |= seconds_each(trained, shards.rows(held[:1024]), on_cpu=on_cpu)
    table = prediction_table(
        trained, lambda rows: shards.rows(held[rows]), labels.iloc[held], split=split[held]
    )
    about["validation_mae"] = _validation_mae(table)
    about["trained_spectra"] = sum(row["n_train"] for row in history)
    return finish(run_dir, about, table)


def seconds_each(trained, x, *, on_cpu):
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


main = partial(command.main, PAPER, train)

if __name__ == "__main__":
    raise SystemExit(main())
