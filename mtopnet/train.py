"""Train M-TOPnet, and the networks that show what each of its tasks is good for."""

from __future__ import annotations

from functools import partial

import numpy as np

from common.cli import say
from common.commands import train as command
from common.errors import SuiteError
from mtopnet import pdf as pdfs
from mtopnet.config import PAPER, known_variants, variant_of
from mtopnet.kinds import other_kind


def train(
    config, run_dir, *, accelerator, data_dir=None, variants=(), resume=False, offline=False
):  # fmt: skip
    """Train the network of a run and its variants, and predict their validation and test splits.

    Parameters
    ----------
    config, run_dir, accelerator, data_dir, resume, offline
        As `common.commands.train.main` says; a variant's folder is variants/NAME in the run's.
    variants : sequence of str
        Some of `mtopnet.config.VARIANTS`.

    Returns
    -------
    DataFrame
        Predictions of the validation and test splits, as written to predictions.parquet.
    """
    from common.files import write_json
    from common.runs import begin, start
    from mtopnet.data import prepare

    beside = {name: variant_of(config, name) for name in variants}  # known before the training
    run_dir, about, shards = start(
        config, run_dir, prepare, accelerator=accelerator, data_dir=data_dir, resume=resume,
        offline=offline,
    )  # fmt: skip
    write_json(run_dir / "config.json", about)
    say(f"{config.dataset}: {accelerator.device}, {accelerator.precision}")
    table = _one(config, run_dir, about, shards, accelerator, offline)
    for name, own in beside.items():
        say(f"variant {name}")
        folder = run_dir / "variants" / name
        # A variant goes on by itself where its folder is of a call before; another configuration
        # there is an error.
        folder, about = begin(folder, own, accelerator=accelerator, data_dir=data_dir, resume=True)
        _one(own, folder, about, shards, accelerator, offline)
    return table


def _one(config, run_dir, about, shards, accelerator, offline):
    """Train one network on prepared spectra and write all that is known of it."""
    from common.files import write_json
    from common.fitting import Job
    from common.inference import seconds_each
    from common.runs import finish
    from mtopnet import fitting
    from mtopnet.data import fingerprint
    from mtopnet.networks import (
        NAME,
        SCALARS,
        Networks,
        answers,
        entropy_group,
        prediction_table,
    )
    from mtopnet.preprocess import sky_mask

    labels = shards.labels
    split = labels["split"].to_numpy()
    job = Job(config, run_dir, shards, accelerator)
    about["data_fingerprint"] = fingerprint(labels)
    about["sizes"] = {s: int((split == s).sum()) for s in ("train", "valid", "test")}
    about["sizes"] |= {"all": len(labels), "galaxies": int(labels["galaxy"].nunique())}
    about["masked_fraction"] = float(sky_mask(config, offline=offline).mean())
    about["n_bins"] = config.n_bins
    about["scaling"] = fitting.scaling_of(job)
    write_json(run_dir / "config.json", about)
    say(", ".join(f"{about['sizes'][s]} {s}" for s in ("train", "valid", "test")) + " spectra")

    history = []
    model = fitting.network(job, about["scaling"], history)
    about["timing"]["training_s"] = sum(row["seconds"] for row in history)
    about["parameters"] = {NAME: model.count_params()}
    about["best_epoch"] = fitting.best_epoch(history)
    about["training_range"] = _ranges(labels[(split == "train") & ~other_kind(labels)])

    held = np.flatnonzero(split != "train")
    trained = Networks(config, {NAME: model}, about["scaling"])
    each = seconds_each(partial(answers, trained), shards.rows(held[:1024]))
    about["timing"]["seconds_per_spectrum"] = {NAME: each}
    table, pdf, averaged = prediction_table(
        trained,
        lambda rows: shards.rows(held[rows]),
        labels.iloc[held],
        passes=config.mc_passes,
    )
    trained.calibration = calibrate(table)
    about["calibration"] = {k: v.to_dict() for k, v in trained.calibration.items()}
    for name in SCALARS:
        if known := trained.calibration.get(name):
            group = entropy_group(table["entropy"])
            table[f"{name}_sigma"] = known.apply(sigma=table[f"{name}_raw"], group=group)
    trained.pdfs = recalibrate(table, pdf, averaged, config)
    about["pdf_calibration"] = {k: v.to_dict() for k, v in trained.pdfs.items()}
    held = trained.calibrated(pdf)
    table = table.assign(**pdfs.summary(pdf, config.edges, held))
    if averaged is not None:
        held = trained.calibrated(averaged, "z_mc")
        table["p_near_mc"] = pdfs.mass_near(held, config.edges, z=table["z_peak_mc"])
    _write_pdfs(table, pdf, run_dir)
    return finish(config, run_dir, about, table)


def _write_pdfs(table, pdf, run_dir):
    """Write pdf_test.npy, the network's own PDFs, and the ids of its rows."""
    from common.files import atomic_path, write_parquet

    test = (table["split"] == "test").to_numpy()
    with atomic_path(run_dir / "pdf_test.npy") as path:
        np.save(path, pdf[test].astype("float32"))
    write_parquet(table.loc[test, ["id"]].reset_index(drop=True), run_dir / "pdf_test_ids.parquet")


def calibrate(table):
    """Fit the errors of mass and SFR on the validation split, in two groups of entropy.

    Parameters
    ----------
    table : DataFrame
        As from `prediction_table`.

    Returns
    -------
    dict of str to Calibration
        lgm and sfr, and lgm_mc and sfr_mc where the table has averages of MC dropout; without
        those that have too few spectra.
    """
    from common.calibration import fit_calibration
    from mtopnet.networks import SCALARS, entropy_group

    valid, out = table[(table["split"] == "valid") & ~other_kind(table)], {}
    for kind in ("", "_mc") if "entropy_mc" in table else ("",):
        for name in SCALARS:
            residual = (valid[f"{name}_pred{kind}"] - valid[f"{name}_true"]).to_numpy(dtype=float)
            use = np.isfinite(residual)
            try:
                out[name + kind] = fit_calibration(
                    residual=residual[use],
                    sigma=valid[f"{name}_raw{kind}"].to_numpy(dtype=float)[use],
                    group=entropy_group(valid.loc[use, f"entropy{kind}"]),
                )
            except SuiteError as error:
                say(f"errors of {name}{kind} are not calibrated: {error}")
    return out


def recalibrate(table, pdf, averaged, config):
    """Fit what makes redshift PDFs hold what they say, on the validation split.

    Parameters
    ----------
    table : DataFrame of n rows
        With split and z_true.
    pdf : ndarray of shape (n, n_bins)
        The network's own.
    averaged : ndarray of shape (n, n_bins) or None
        Of MC dropout.
    config : Config

    Returns
    -------
    dict of str to Recalibration
        z, and z_mc where there are averages; without those that have too few spectra.
    """
    from mtopnet.recalibration import fit_recalibration

    valid, out = np.flatnonzero((table["split"] == "valid") & ~other_kind(table)), {}
    z = table["z_true"].to_numpy(dtype=float)[valid]
    for name, every in (("z", pdf), ("z_mc", averaged)):
        if every is None:
            continue
        try:
            out[name] = fit_recalibration(every[valid], config.edges, z=z, seed=config.seed)
        except SuiteError as error:
            say(f"PDFs of {name} stay as they are: {error}")
    return out


def _ranges(labels):
    """Return 1 and 99 % of what the network learned from."""
    names = {"z": "z_true", "log_mass": "lgm_true", "log_sfr": "sfr_true"}
    out = {}
    for key, column in names.items():
        values = labels[column].to_numpy(dtype=float)
        values = values[np.isfinite(values)]
        if len(values):
            out[key] = np.quantile(values, (0.01, 0.99)).tolist()
    return out


def variants_of(args, default=()):
    """Return what `train` takes of --variants, or of a default where nobody says."""
    return {"variants": known_variants(default if args.variants is None else args.variants)}


main = partial(command.main, PAPER, train, more=variants_of)

if __name__ == "__main__":
    raise SystemExit(main())
