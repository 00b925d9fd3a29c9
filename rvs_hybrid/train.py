"""Train the ensemble on real stars, calibrate its errors, predict the held-out ones."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import asdict, replace
from functools import partial

import numpy as np

from common.cli import say
from common.commands import train as command
from common.errors import SuiteError, UsageError
from rvs_hybrid.config import PAPER

HELD = ("valid", "calib", "test")
FROM_STARS = (
    "source_id", "split", "ra", "dec", "g", "bp", "rp", "j", "h", "k", "a_k", "snr", "snr_rvs",
    "parallax", "parallax_error", "parallax_zp", "ruwe", "has_rvs", "has_xp", "has_phot",
    "has_parallax",
)  # fmt: skip


def train(config, run_dir, *, accelerator, data_dir=None, resume=False, offline=False):
    """Train every member of a run and predict the stars that it was not trained on.

    What it takes, `common.commands.train.main` says.

    Returns
    -------
    DataFrame
        Predictions of the calibration and test splits, as written to predictions.parquet.
    """
    from common.files import write_json
    from common.fitting import Job
    from common.runs import start
    from rvs_hybrid import data, fitting

    run_dir, about, shards = start(
        config, run_dir, data.prepare, accelerator=accelerator, data_dir=data_dir, resume=resume,
        offline=offline, later=("labels",),
    )  # fmt: skip

    def keep(**more):
        about.update(more)
        write_json(run_dir / "config.json", about)

    stars = shards.labels
    config = replace(config, labels=data.labels_of(stars))
    _check_splits(stars)
    sizes = {s: int((stars["split"] == s).sum()) for s in ("train", *HELD)}
    y = stars.loc[stars["split"] == "train", list(config.labels)].to_numpy(float)
    offset, scale = data.scaling(y, config.scaling)
    keep(
        config=asdict(config),
        sizes=sizes,
        data_fingerprint=data.fingerprint(stars),
        scaling={"offset": offset.tolist(), "scale": scale.tolist()},
    )
    counts = ", ".join(f"{n} {s}" for s, n in sizes.items())
    say(f"{config.dataset} ({config.name}): {counts} stars; {accelerator.device}, "
        f"{accelerator.precision}")  # fmt: skip
    job = Job(config, run_dir, shards, accelerator)
    if "kept" not in about:
        began, history = time.perf_counter(), []
        scores = fitting.train_members(job, offset=offset, scale=scale, history=history)
        about["timing"]["training_s"] = time.perf_counter() - began
        about["scores"] = scores
        keep(
            kept={
                rule: fitting.kept([s[rule] for s in scores], config.keep) for rule in fitting.RULES
            },
            limits=_limits(job),
        )
    shutil.rmtree(run_dir / "work", ignore_errors=True)
    return _finish(job, about, keep)


def _check_splits(stars):
    for split in ("train", *HELD):
        if not (stars["split"] == split).any():
            raise UsageError(
                f"There is no star in the split {split!r}: {len(stars)} stars are too few. The "
                "split is a hash of source_id (see rvs_hybrid/README.md)."
            )


def _limits(job):
    from rvs_hybrid.fitting import statistics_of
    from rvs_hybrid.inputs import split_row
    from rvs_hybrid.quality import fit_limits

    rows = job.rows("train")
    inputs = split_row(job.shards.rows(rows), job.config)
    stars = job.shards.labels.iloc[rows]
    labels = {name: stars[name].to_numpy(float) for name in job.config.labels}
    return fit_limits(inputs, labels, statistics_of(job))


def _finish(job, about, keep):
    """Predict held-out stars by both rules, calibrate the errors, write predictions.parquet."""
    from common.calibration import fit_calibration
    from common.files import write_parquet
    from rvs_hybrid import data
    from rvs_hybrid import networks as nets
    from rvs_hybrid.inputs import split_row
    from rvs_hybrid.model import build_precursor
    from rvs_hybrid.quality import judge

    config, run_dir, shards = job.config, job.run_dir, job.shards
    held = np.flatnonzero(shards.labels["split"].isin(HELD[1:]).to_numpy())
    stars = shards.labels.iloc[held].reset_index(drop=True)
    inputs = split_row(shards.rows(held), config)
    # Without what an earlier end calibrated: the same run then gives the same table again.
    trained = replace(nets.load_networks(run_dir), calibration={}, partial={})
    about["parameters"] = {
        "member": int(trained.members[0].count_params()),
        "guiglion2020": int(build_precursor("guiglion2020").count_params()),
    }
    nets.physical(trained, {k: v[:64] for k, v in inputs.items()})  # traces
    began = time.perf_counter()
    found = nets.columns(trained, inputs)
    each = (time.perf_counter() - began) / len(held)
    about["timing"]["seconds_per_star_core"] = each * (os.cpu_count() or 1)
    mean = np.stack([found[f"{name}_pred"] for name in config.labels], axis=1)
    groups, calib = nets.group(mean, config), (stars["split"] == "calib").to_numpy()
    more = [f"has_{name}" for name in config.inputs if f"has_{name}" not in FROM_STARS]
    table = stars[[*FROM_STARS, *more]].copy()
    calibration = {}
    for name in config.labels:
        true = stars[name].to_numpy(float)
        use = calib & np.isfinite(true)
        raw = found[f"{name}_raw"]
        try:
            calibration[name] = fit_calibration(
                residual=(found[f"{name}_pred"] - true)[use], sigma=raw[use], group=groups[use]
            )
            found[f"{name}_sigma"] = calibration[name].apply(sigma=raw, group=groups)
        except SuiteError as error:  # a small sample of the user's; what is trained is worth having
            say(f"the errors of {name} stay as the networks give them: {error}")
            found[f"{name}_sigma"] = raw
        table[f"{name}_true"], table[f"{name}_true_err"] = true, stars[f"{name}_err"].to_numpy()
    precursor = nets.columns(nets.load_networks(run_dir, "precursor"), inputs)
    for name in config.labels:
        found[f"{name}_pred_precursor"] = precursor[f"{name}_pred"]
        found[f"{name}_ensemble_precursor"] = precursor[f"{name}_ensemble"]
    table = table.assign(**{k: np.asarray(v, "float32") for k, v in found.items()})
    predicted = {name: found[f"{name}_pred"] for name in config.labels}
    table["limit_distance"], table["outside_limits"] = judge(inputs, predicted, trained.limits)
    made = bool(shards.labels["rvs_made"].any())
    table["dataset"] = data.named(config, own=about["data_dir"] is not None, made=made)
    write_parquet(table, run_dir / "predictions.parquet")
    keep(
        calibration={name: c.to_dict() for name, c in calibration.items()},
        calibration_partial=_partial(trained, inputs, stars, calib),
        rvs_made=made,
    )
    return table


def _partial(trained, inputs, stars, calib):
    """Calibrate errors of stars with only some inputs, by taking the others from calib stars."""
    from common.calibration import fit_calibration
    from rvs_hybrid import networks as nets

    config, out = trained.config, {}
    for pattern in nets.partial_patterns(config):
        rows = calib.copy()
        for kind in pattern:
            rows &= np.isfinite(inputs[kind]).all(axis=1)
        part = {name: values[rows].copy() for name, values in inputs.items()}
        for name, values in part.items():
            if name.removesuffix("_error") not in pattern:
                values[:] = np.nan
        try:
            mean, aleatoric, spread = nets.physical(trained, part)
            raw, groups = np.hypot(aleatoric, spread), nets.group(mean, config)
            out["+".join(pattern)] = {
                name: fit_calibration(
                    residual=(mean[:, i] - stars[name].to_numpy(float)[rows]),
                    sigma=raw[:, i],
                    group=groups,
                ).to_dict()
                for i, name in enumerate(config.labels)
            }
        except SuiteError:  # too few such stars: their errors are those of the others
            continue
    return out


main = partial(command.main, PAPER, train)

if __name__ == "__main__":
    raise SystemExit(main())
