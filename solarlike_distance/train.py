"""Train the networks of the folds, calibrate their errors, predict the stars they have not seen."""

from __future__ import annotations

from functools import partial

import numpy as np

from common.cli import say
from common.commands import train as command
from solarlike_distance.config import PAPER, TARGETS

RANGE = (0.001, 0.999)  # default: quantiles of the reference set beyond which a star is unusual


def train(config, run_dir, *, accelerator, data_dir=None, resume=False, offline=False):
    """Train the networks of a run and predict the stars that they have not seen.

    What it takes, `common.commands.train.main` says.

    Returns
    -------
    DataFrame
        Predictions, as written to predictions.parquet: of the reference stars of every trained
        fold, each by the network that was not trained on it (split "reference"), and of the test
        stars by the mean of all networks (split "test").
    """
    from common.files import write_json
    from common.inference import predict, seconds_each
    from common.runs import finish, start
    from solarlike_distance import fitting
    from solarlike_distance.data import fingerprint, prepare
    from solarlike_distance.networks import Networks
    from solarlike_distance.unseen import predict_unseen

    run_dir, about, shards = start(
        config, run_dir, prepare, accelerator=accelerator, data_dir=data_dir, resume=resume,
        offline=offline,
    )  # fmt: skip
    job = fitting.Job(config, run_dir, shards, accelerator)
    about["data_fingerprint"] = fingerprint(shards.labels)
    about["sizes"] = {s: len(job.rows(s)) for s in ("reference", "test")}
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
    about["timing"]["seconds_per_spectrum"] = seconds_each(
        partial(predict, models[0]), shards.rows(job.rows("test")[:512])
    )
    table = predict_unseen(job, trained)
    about |= {
        "folds": trained.folds,
        "scatter": trained.scatter,
        "correlation": trained.correlation,
        "errors": {name: model.to_dict() for name, model in trained.errors.items()},
    }
    finish(config, run_dir, about, table)
    say(_summary(table, trained.scatter))
    return table


def _ranges(labels):
    """Return 0.1 and 99.9 % of what the networks learned from."""
    names = {name: f"{name}_true" for name in TARGETS} | {"snr_g": "snr_g"}
    return {k: np.nanquantile(labels[v].to_numpy(float), RANGE).tolist() for k, v in names.items()}


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


main = partial(command.main, PAPER, train)

if __name__ == "__main__":
    raise SystemExit(main())
