"""Train the metallicity networks, the classifier and the baselines from one command."""

from __future__ import annotations

from functools import partial

import numpy as np

from common.cli import say
from common.commands import train as command
from common.errors import SuiteError
from lamost_metallicity.config import PAPER


def train(config, run_dir, *, accelerator, data_dir=None, resume=False, offline=False):
    """Train every network of a run and predict its validation and test splits.

    What it takes, `common.commands.train.main` says.

    Returns
    -------
    DataFrame
        Predictions of the validation and test splits, and of the galaxies without labels (split
        "unmatched"), as written to predictions.parquet.
    """
    from common.files import write_json
    from common.inference import predict, seconds_each
    from common.runs import finish, start
    from lamost_metallicity import fitting
    from lamost_metallicity.baselines import boosting_predictions, forest_predictions
    from lamost_metallicity.data import UNMATCHED, choose_sample, fingerprint, prepare
    from lamost_metallicity.networks import Networks, prediction_table
    from lamost_metallicity.tables.regression import kept_scales, scales_of

    run_dir, about, shards = start(
        config, run_dir, prepare, accelerator=accelerator, data_dir=data_dir, resume=resume,
        offline=offline,
    )  # fmt: skip
    labels, split = shards.labels, shards.labels["split"].to_numpy()
    in_oh, in_class = choose_sample(labels, config)
    about["data_fingerprint"] = fingerprint(labels)
    about["sizes"] = {
        kind: {s: int((use & (split == s)).sum()) for s in ("train", "valid", "test")}
        for kind, use in (("regression", in_oh), ("classification", in_class))
    }
    write_json(run_dir / "config.json", about)
    for kind, sizes in about["sizes"].items():
        say(f"{kind}: " + ", ".join(f"{n} {s}" for s, n in sizes.items()) + " spectra")
    say(f"{config.dataset}: {accelerator.device}, {accelerator.precision}")

    history = []
    job = fitting.Job(config, run_dir, shards, accelerator, in_oh, in_class)
    models = fitting.networks(job, history)
    about["timing"]["training_s"] = sum(row["seconds"] for row in history)
    about["parameters"] = {name: model.count_params() for name, model in models.items()}
    about["training_range"] = _ranges(labels[in_oh & (split == "train")])

    held = np.flatnonzero(((split != "train") & (in_oh | in_class)) | (split == UNMATCHED))
    trained = Networks(config, models)
    about["timing"]["seconds_per_spectrum"] = {
        name: seconds_each(partial(predict, model), shards.rows(held[:1024]))
        for name, model in models.items()
    }
    table = prediction_table(
        trained,
        lambda rows: shards.rows(held[rows]),
        labels.assign(in_oh=in_oh, in_class=in_class).iloc[held],
        split=split[held],
    )
    table["oh_rf"], about["forest"] = forest_predictions(job, held)
    table = table.assign(**boosting_predictions(job, held))
    trained.calibration = calibrate(table)
    about["calibration"] = trained.calibration.to_dict() if trained.calibration else {}
    table = table.assign(**trained.errors(table["oh_sigma_raw"], table["snr_r"]))
    about["line_scales"] = kept_scales(scales_of(table))
    return finish(config, run_dir, about, table)


def calibrate(table):
    """Fit the errors of the paper's network on the validation split; None where it is too small.

    Parameters
    ----------
    table : DataFrame
        As from `prediction_table`.

    Returns
    -------
    Calibration or None
        From the error network's sigma to half-widths about the regressor's metallicity.
    """
    from common.calibration import fit_calibration
    from lamost_metallicity.networks import snr_group

    valid = table[(table["split"] == "valid") & table["in_oh"].astype(bool)]
    try:
        return fit_calibration(
            residual=(valid["oh_pred"] - valid["oh_true"]).to_numpy(),
            sigma=valid["oh_sigma_raw"].to_numpy(),
            group=snr_group(valid["snr_r"]),
        )
    except SuiteError as error:
        say(f"errors are not calibrated: {error}")
        return None


def _ranges(labels):
    """Return 1 and 99 % of what the regressor learned from."""
    names = {"oh": "oh_true", "z": "z", "snr_r": "snr_r"}
    return {k: np.nanquantile(labels[v].to_numpy(float), (0.01, 0.99)).tolist()
            for k, v in names.items()}  # fmt: skip


main = partial(command.main, PAPER, train)

if __name__ == "__main__":
    raise SystemExit(main())
