"""Train the networks of the folds, calibrate their errors, predict the stars they have not seen."""

from __future__ import annotations

from functools import partial

import numpy as np

from common.cli import say
from common.commands import train as command
from solarlike_distance.config import PAPER, TARGETS

RANGE = (0.001, 0.999)  # default: quantiles of the reference set beyond which a star is unusual


def train(config, run_dir, *, accelerator, data_dir=None, resume=False, offline=False):
    """Train the networks of a run and predict the stars that they have not seen: `trained`.

    What it takes, `common.commands.train.main` says.
    """
    from solarlike_distance.data import prepare

    return trained(config, run_dir, prepare, accelerator=accelerator, data_dir=data_dir,
                   resume=resume, offline=offline)  # fmt: skip


def trained(config, run_dir, prepare, *, begun=None, **how):
    """Train the networks of a run and predict the stars that they have not seen.

    Parameters
    ----------
    config, run_dir, prepare, **how
        As of `common.runs.start`.
    begun : Networks, optional
        Of another run, whose training goes on: their scaling is kept, and of labels that the stars
        lack their scatter and errors too.

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
    from solarlike_distance.data import fingerprint
    from solarlike_distance.networks import Networks
    from solarlike_distance.unseen import predict_unseen

    accelerator = how["accelerator"]
    run_dir, about, shards = start(config, run_dir, prepare, **how)
    job = fitting.Job(config, run_dir, shards, accelerator)
    about["data_fingerprint"] = fingerprint(shards.labels)
    about["sizes"] = {s: len(job.rows(s)) for s in ("reference", "test")}
    about |= {"begun_as": begun.config.trained} if begun else {}
    about["scaling"] = begun.scaler if begun else fitting.scaling(job)
    about["training_range"] = _ranges(shards.labels.iloc[job.rows("reference")], begun)
    write_json(run_dir / "config.json", about)
    say(f"{config.dataset}: {about['sizes']['reference']} reference and {about['sizes']['test']} "
        f"test spectra; {accelerator.device}, {accelerator.precision}")  # fmt: skip

    history = []
    models = fitting.networks(job, about["scaling"], history, begun.models if begun else ())
    about["timing"]["training_s"] = sum(row["seconds"] for row in history)
    about["parameters"] = {"cnn": models[0].count_params()}
    first = dict(scatter=dict(begun.scatter), correlation=begun.correlation,
                 errors=dict(begun.errors)) if begun else {}  # fmt: skip
    networks = Networks(config, models, fitting.folds_of(config), about["scaling"],
                        training_range=about["training_range"], **first)  # fmt: skip
    about["timing"]["seconds_per_spectrum"] = seconds_each(
        partial(predict, models[0]), shards.rows(job.rows("test")[:512])
    )
    table = predict_unseen(job, networks)
    about |= {
        "folds": networks.folds,
        "scatter": networks.scatter,
        "correlation": networks.correlation,
        "errors": {name: model.to_dict() for name, model in networks.errors.items()},
    }
    finish(config, run_dir, about, table)
    say(_summary(table, networks.scatter))
    return table


def _ranges(labels, begun=None):
    """Return 0.1 and 99.9 % of what the networks learned from, before this training too."""
    out = dict(begun.training_range) if begun else {}
    names = {name: f"{name}_true" for name in TARGETS} | {"snr_g": "snr_g"}
    for key, column in names.items():
        if not labels[column].notna().any():
            continue
        low, high = np.nanquantile(labels[column].to_numpy(float), RANGE).tolist()
        before = out.get(key, (low, high))
        out[key] = [min(low, before[0]), max(high, before[1])]
    return out


def _summary(table, scatter):
    """Return one line: the scatter on the test set."""
    test = table[table["split"] == "test"]
    text = ", ".join(
        f"{name} {scatter[key]:.{digits}f} {unit}"
        for key, name, digits, unit in (
            ("teff", "Teff", 0, "K"), ("logg", "log g", 3, "dex"), ("feh", "[Fe/H]", 3, "dex"),
            ("mg", "M_G", 3, "mag"), ("bprp", "(BP-RP)0", 3, "mag"),
        )
        if test[f"{key}_true"].notna().any()
    )  # fmt: skip
    off = (test["distance_pred"] / test["distance_true"] - 1).dropna()
    if len(off) > 1:
        text += f", distance {100 * off.std():.1f} %"
    return f"scatter on {len(test)} test spectra: {text}"


main = partial(command.main, PAPER, train)

if __name__ == "__main__":
    raise SystemExit(main())
