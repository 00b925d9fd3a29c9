"""Run folders: begun, checked before they are gone on with, and read."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import asdict, fields
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from common.errors import ReadError, SuiteError, UsageError
from common.files import atomic_path, clear_temporary, temporary_of, write_json, write_parquet
from common.provenance import versions


def begin(run_dir, config, *, accelerator, data_dir=None, resume=False, later=()):
    """Make a run folder, or check that it holds the same run to go on with, and note what is run.

    Parameters
    ----------
    run_dir : path-like
    config : dataclass
        The hyper-parameters.
    accelerator : common.accelerator.Accelerator
        Workers but the first get a folder of their own beside: all compute the same.
    data_dir : path-like, optional
        Folder of the data set's files.
    resume : bool
        Go on with an interrupted run.
    later : sequence of str
        Fields of the configuration that are known only once data are read.

    Returns
    -------
    run_dir : Path
    about : dict
        What config.json holds, as it was just written.

    Raises
    ------
    UsageError
        If the folder holds a run and `resume` is off, a run of another configuration or on other
        data, or if the data lie where the run keeps what it prepares.
    """
    run_dir = Path(run_dir)
    if accelerator.worker:
        run_dir = run_dir.with_name(f"{run_dir.name}-worker{accelerator.worker}")
    prepared = run_dir / "data"
    if data_dir and Path(data_dir).resolve().is_relative_to(prepared.resolve()):
        raise UsageError(
            f"--data-dir {data_dir} lies in {prepared}, where the run keeps what it prepares. "
            "Name another run folder."
        )
    about = open_run(run_dir, config, resume=resume, data_dir=data_dir, later=later)
    if not about:  # what lies there without a configuration is of nobody knows what
        (prepared / "shards.json").unlink(missing_ok=True)
        shutil.rmtree(run_dir / "work", ignore_errors=True)
    _clear(run_dir)
    about = {"timing": {}, "versions": versions(), "device": accelerator.device} | about
    about |= {"config": asdict(config), "data_dir": str(data_dir) if data_dir else None}
    write_json(run_dir / "config.json", about)
    return run_dir, about


def _clear(run_dir):
    """Remove what a killed training left half written."""
    for folder in (run_dir, *(path for path in run_dir.rglob("*") if path.is_dir())):
        clear_temporary(folder / "any", every=True)


def start(config, run_dir, prepare, *, accelerator, data_dir=None, resume=False, offline=False,
          later=()):  # fmt: skip
    """Begin a run, or go on with one, and prepare its data.

    Parameters
    ----------
    config, run_dir, accelerator, data_dir, resume, later
        As of `begin`.
    prepare : callable
        `(config, folder, *, data_dir, offline)` -> common.pipeline.Shards. A mock always gets a
        folder for its files.
    offline : bool
        Use no network.

    Returns
    -------
    run_dir : Path
    about : dict
        What config.json is to hold: with data_s, the seconds that the data took.
    shards : common.pipeline.Shards
    """
    run_dir, about = begin(run_dir, config, accelerator=accelerator, data_dir=data_dir,
                           resume=resume, later=later)  # fmt: skip
    folder, began = run_dir / "data", time.perf_counter()
    if config.is_mock and data_dir is None:
        # The files of a mock can be made again: only a folder that the user names keeps them.
        name = temporary_of("mock").name
        with TemporaryDirectory(prefix=f"{name}-", dir=run_dir) as files:
            shards = prepare(config, folder, data_dir=files, offline=offline)
    else:
        shards = prepare(config, folder, data_dir=data_dir, offline=offline)
    about["timing"].setdefault("data_s", time.perf_counter() - began)
    return run_dir, about, shards


def finish(config, run_dir, about, table):
    """Write what a training ends with: predictions.parquet and config.json.

    Parameters
    ----------
    config : the paper's Config
    run_dir : Path
    about : dict
        Of config.json.
    table : DataFrame
        Predictions; it gets a column dataset.

    Returns
    -------
    DataFrame
        The table.
    """
    # A table that travels alone still says what it is of.
    table["dataset"] = config.trained
    write_parquet(table, run_dir / "predictions.parquet")
    write_json(run_dir / "config.json", about)
    return table


def open_run(run_dir, config, *, resume, data_dir=None, later=()):
    """Return what config.json of a run folder holds, {} of a new one; see `begin`."""
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
    known = [f for f in fields(config) if f.name not in later]
    differ = [f.name for f in known if old.get(f.name, f.default) != plain[f.name]]
    if differ:
        text = ", ".join(f"{name} ({old.get(name)} there, {plain[name]} here)" for name in differ)
        raise UsageError(f"{run_dir} holds a run with another configuration: {text}.")
    ours = str(data_dir) if data_dir else None
    theirs = about.get("data_dir", ours)
    if theirs != ours:
        raise UsageError(
            f"{run_dir} holds a run on other data: --data-dir {theirs} there, {ours} here. Name "
            "that one, or another --run-dir."
        )
    return about


def read_config(run_dir, kind):
    """Return the configuration of a run and everything else in its config.json.

    Parameters
    ----------
    run_dir : path-like
    kind : type
        The paper's Config.

    Returns
    -------
    Config, dict

    Raises
    ------
    ReadError
        If the folder holds no run of this paper.
    """
    path = Path(run_dir) / "config.json"
    package = kind.__module__.rpartition(".")[0]
    allowed = f"the folder of a run that `python -m {package}.train --run-dir DIR` made"
    if not path.exists():
        raise ReadError(run_dir, "no config.json in this folder", allowed)
    try:
        about = json.loads(path.read_text())
        known = {k: tuple(v) if isinstance(v, list) else v for k, v in about["config"].items()}
        return kind(**known), about
    except (ValueError, KeyError, TypeError) as error:
        raise ReadError(path, f"not a configuration ({error})", allowed) from error


def check_finished(run_dir, config, missing):
    """Raise `ReadError` where there are files or notes of a finished training that a run lacks.

    Parameters
    ----------
    run_dir : path-like
    config : the paper's Config
    missing : sequence of str
    """
    if missing:
        package = type(config).__module__.rpartition(".")[0]
        raise ReadError(
            run_dir,
            f"no {', '.join(missing)}",
            "a run whose training is finished",
            f"Finish it: python -m {package}.train --dataset {config.dataset} --run-dir {run_dir} "
            "--resume, with the same options.",
        )


def predictions_of(run_dir, package):
    """Return the path of a finished run's predictions.parquet.

    Raises
    ------
    SuiteError
        If the training is not finished.
    """
    path = Path(run_dir) / "predictions.parquet"
    if not path.is_file():
        raise SuiteError(
            f"{run_dir} has no predictions.parquet: its training is not finished. Go on with it: "
            f"python -m {package}.train --run-dir {run_dir} --resume, with the same options."
        )
    return path


def predictions_beside(run_dir, package, on):
    """Return `predictions_of`, or None where files are judged and the run has none of its own.

    A released network comes without them.

    Parameters
    ----------
    run_dir : path-like
    package : str
    on : path-like or None
        The files.
    """
    if on is not None and not (Path(run_dir) / "predictions.parquet").is_file():
        return None
    return predictions_of(run_dir, package)


def write_history(path, rows):
    """Write the history of all networks as CSV, one row an epoch."""
    with atomic_path(path) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False)


def history_of(run_dir):
    """Return the history of a run's networks, a DataFrame; None without one."""
    path = Path(run_dir) / "history.csv"
    return pd.read_csv(path) if path.is_file() else None
