"""Tables, figures, claims and the report of a run, from its saved predictions."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import pandas as pd

from common import runs
from common.calibration import Calibration, fit_calibration
from common.commands import evaluate as command
from common.errors import SuiteError
from common.evaluation import write
from common.rows import held_out, kept, name_of, name_on
from rvs_hybrid import tables
from rvs_hybrid.config import PAPER, Config
from rvs_hybrid.evaluation import Evaluation


def evaluate_run(run_dir, out=None, on=None):
    """Evaluate a run on its test split, or on labelled files.

    Reads predictions.parquet, config.json, history.csv and variants/NAME/predictions.parquet.

    What it takes and returns, `common.commands.evaluate.main` says.
    """
    run_dir = Path(run_dir)
    config, about = runs.read_config(run_dir, Config)
    path = runs.predictions_beside(run_dir, PAPER.package, on)
    own = None if path is None else tables.read_predictions(path)
    known = None if own is None else known_labels(own, run_dir)
    common = dict(config=config, about=about, run_dir=run_dir, known=known)
    if on is None:
        df = _held_out(own)
        # The proceedings print no number of test stars.
        differs = name_of(PAPER, config, len(df), 0).removeprefix(config.trained)
        variants, members = _variants(run_dir, df, config)
        ev = Evaluation(
            df=df,
            dataset=_dataset(df) + differs,
            differs=differs,
            calibrations=calibrations(about, own),
            variants=variants,
            members=members,
            history=runs.history_of(run_dir),
            **common,
        )
        return _write(ev, out or run_dir)
    from rvs_hybrid.predict import predict_labelled

    on = Path(on)
    df, rejects = predict_labelled(run_dir, [on])
    out = kept(df, run_dir, on, out)
    ev = Evaluation(
        df=df,
        dataset=name_on(config, df, on),
        calibrations=calibrations(about),
        real=True,
        **common,
    )
    return _write(ev, out, rejects=rejects)


def predict_again(released, out):
    """Predict the test split of a released network anew: its stars are fetched.

    Parameters
    ----------
    released : path-like
        Folder of the network.
    out : path-like
        Run folder to make, or to go on with.
    """
    from common.accelerator import choose
    from rvs_hybrid.train import train

    out, config = Path(out), runs.read_config(released, Config)[0]
    if not (out / "config.json").exists():
        shutil.copytree(released, out, dirs_exist_ok=True)
    if not (out / "predictions.parquet").exists():
        train(config, out, accelerator=choose(config.precision), resume=True)


def evaluate_predictions(path, out):
    """Evaluate a table of true and predicted labels made elsewhere.

    See `rvs_hybrid.tables.read_predictions`. What it takes and returns,
    `common.commands.evaluate.main` says.
    """
    path = Path(path)
    own = tables.read_predictions(path)
    df = _held_out(own)
    dataset = f"{path.name} ({_dataset(df)})" if "dataset" in df else path.name
    ev = Evaluation(
        df=df, dataset=dataset, calibrations=calibrations({}, own), known=known_labels(own)
    )
    return _write(ev, out, source=path)


def calibrations(about, own=None):
    """Return {label: Calibration}: those of a run, else fitted again to its calibration split.

    Parameters
    ----------
    about : dict
        config.json of the run, or {}.
    own : DataFrame, optional
        Predictions of all splits.
    """
    kept = about.get("calibration") or {}
    if kept:
        return {k: Calibration.from_dict(v) for k, v in kept.items()}
    out = {}
    if own is None or "split" not in own:
        return out
    calib = own[own["split"] == "calib"].reset_index(drop=True)
    for label in tables.labels_of(calib):
        if f"{label}_raw" in calib and "logg_pred" in calib:
            try:
                out[label] = fit_calibration(
                    residual=tables.residual(calib, label),
                    sigma=calib[f"{label}_raw"],
                    group=tables.star_group(calib["logg_pred"]),
                )
            except SuiteError:  # too few stars: then only the calibrated error itself is judged
                continue
    return out


def known_labels(own, run_dir=None):
    """Return labels of stars that are no test stars, of which the null is made; None without any.

    Parameters
    ----------
    own : DataFrame
        Predictions of all splits: its calibration stars, where the run keeps no others.
    run_dir : path-like, optional
        Run folder, whose data hold the training stars.
    """
    path = None if run_dir is None else Path(run_dir) / "data" / "labels.parquet"
    if path is not None and path.is_file():
        stars = pd.read_parquet(path)
        return stars[stars["split"] == "train"]
    calib = own[own["split"] == "calib"] if "split" in own else own.iloc[:0]
    return (
        calib[[f"{k}_true" for k in tables.labels_of(calib)]].rename(
            columns=lambda name: name.removesuffix("_true")
        )
        if len(calib)
        else None
    )


def _held_out(df):
    return held_out(df, known=("train", "valid", "calib"))


def _dataset(df):
    """Return the data sets that a table names, joined."""
    if "dataset" not in df:
        return "labelled files"
    return " and ".join(sorted(df["dataset"].astype(str).unique()))


def _variants(run_dir, df, config):
    """Return {name: test predictions} and {name: members}: this run's, then of its variants/."""
    name = "+".join([*config.inputs, *(["2mass"] if config.infrared else [])])
    found = {f"{name} (this run)": df}
    members = {f"{name} (this run)": config.members}
    for path in sorted(run_dir.glob("variants/*/predictions.parquet")):
        found[path.parent.name] = _held_out(tables.read_predictions(path))
        networks = (path.parent / "config.json").is_file()  # the perceptron is one, without
        own = runs.read_config(path.parent, Config)[0] if networks else None
        members[path.parent.name] = own.members if own else 1
    return found, members


def _write(ev, out, **more):
    if not tables.labels_of(ev.df):
        raise SuiteError("No star has both a true and a predicted label: nothing to evaluate.")
    return write(ev, out, **more)


main = partial(
    command.main,
    PAPER,
    "Tables, figures and report of the hybrid network.",
    of_run=evaluate_run,
    of_table=evaluate_predictions,
    again=predict_again,
    unseen="parameters and abundances of APOGEE",
)

if __name__ == "__main__":
    raise SystemExit(main())
