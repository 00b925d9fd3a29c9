"""Commands killed with SIGKILL at random moments and gone on with: ``python -m benchmarks.kill``.

A command is run once undisturbed. Then it is begun, killed at a moment drawn evenly from the time
that it took, repeated as its documentation says, killed again, ... until it comes to its end; what
it then leaves must be what the undisturbed run left. So it goes on until it was killed often
enough. The inputs are small, those of the tests; the commands are the real ones, each in a process
of its own, which is forked from one that has imported their libraries and nothing else: most of
such a short run would be imports otherwise.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

IMPORTED = (
    "keras",
    "tensorflow",
    "common.inference",
    "gasnet2.predict",
    "gasnet2.templates.catalogue",
    "gasnet2.train",
    "solarlike_distance.catalog",
    "tests.gasnet2.toy",
)
LONGEST = 1800  # s: an attempt that takes longer hangs


@dataclass(frozen=True)
class Case:
    """A command that is killed.

    Attributes
    ----------
    inputs : callable
        Folder -> None: writes what the command reads, once.
    command : callable
        List of arguments -> exit status: makes the tasks small and calls the command.
    arguments : callable
        (folder of inputs, folder of outputs) -> list of arguments.
    again : callable
        Folder of outputs -> further arguments of a command that goes on.
    result : callable
        Folder of outputs -> dict of names to anything that can be compared.
    stage : callable
        Folder of outputs -> how far a killed command was, in words.
    """

    inputs: Callable
    command: Callable
    arguments: Callable
    again: Callable
    result: Callable
    stage: Callable


def _predict(argv):
    from common.catalogue import files
    from gasnet2.predict import main

    files.FILES, files.CHUNK = 6, 4
    return main(argv)


def _catalog(argv):
    from common.catalogue import files
    from solarlike_distance.catalog import main

    files.FILES, files.CHUNK = 6, 4
    return main(argv)


def _train(argv):
    import pytest

    from gasnet2.config import PAPER
    from gasnet2.train import main
    from tests.eager import train_eagerly
    from tests.gasnet2.toy import TINY

    tiny = {k: v for k, v in TINY.items() if k != "scale"}
    PAPER.scales["smoke"] = tiny | {"members": 1}
    train_eagerly(pytest.MonkeyPatch())
    return main(argv)


def _whole(path):
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def catalogue(out):
    """Return the bytes of a catalogue and its rejects, hashed, and the names beside them."""
    return {path.name: _whole(path) for path in sorted(out.iterdir())}


def parts_of(out):
    """Return how far a catalogue is."""
    if (out / "a.fits").exists() and not (out / "a.fits.parts").exists():
        return "catalogue stands"
    n = len(list((out / "a.fits.parts").glob("job-*")))
    begun = any((out / "a.fits.parts").glob("part-*"))
    return "before the first part" if not begun else f"{'some' if n else 'no'} jobs finished"


def networks(out):
    """Return the weights of a run's networks, its predictions and the names of its files."""
    import keras
    import pandas as pd

    table = pd.read_parquet(out / "run" / "predictions.parquet")
    files = (path for path in (out / "run").rglob("*") if path.is_file())
    found = {"rows": list(table["id"]), "files": sorted(str(p.relative_to(out)) for p in files)}
    for name in table.select_dtypes("number"):
        found[name] = table[name].to_numpy()
    for path in sorted((out / "run" / "models").glob("*.keras")):
        weights = keras.models.load_model(path, compile=False).get_weights()
        found[path.stem] = np.concatenate([w.ravel() for w in weights])
    return found


def trained(out):
    """Return how far a training is."""
    run = out / "run"
    if (run / "predictions.parquet").exists():
        return "predictions stand"
    n = len(list((run / "models").glob("*.keras")))
    if n:
        return "some networks trained"
    return "data or first network" if run.exists() else "before the run folder"


def _gasnet_files(folder):
    """Write 72 spectra in files of three, one file twice, and one file that holds none."""
    from tests.gasnet2.toy import write_table

    (folder / "files").mkdir()
    kinds = ("STAR_A0", "GALAXY_nan", "QSO_nan")
    for number in range(24):
        path, plate = folder / "files" / f"{number:03d}.fits", 10 * number
        write_table(path, per_class=1, seed=number, classes=kinds, first_plate=plate)
    again = (folder / "files" / "003.fits").read_bytes()
    (folder / "files" / "099.fits").write_bytes(again)
    (folder / "files" / "100.fits").write_text("no spectrum")


def _table(folder):
    from tests.gasnet2.toy import write_table

    (folder / "files").mkdir()
    write_table(folder / "files" / "spectra.fits", per_class=30)


def _stars(folder):
    """Write stars of 24 files, two of them twice, and train a small network on some."""
    from tests.solarlike_distance import toy

    toy.write_files(folder / "train")
    toy.make_run(folder / "run", folder / "train")
    (folder / "files").mkdir()
    for number in range(24):
        path = folder / "files" / f"{number:03d}.fits"
        toy.write_table(path, toy.stars(3, seed=100 + number))
    for number in (3, 20):
        again = (folder / "files" / f"{number:03d}.fits").read_bytes()
        (folder / "files" / f"{number + 100:03d}.fits").write_bytes(again)


CASES = {
    "predict": Case(
        _gasnet_files,
        _predict,
        lambda given, out: ["-o", out / "a.fits", "--precision", "float32", given / "files"],
        lambda out: [], catalogue, parts_of,
    ),
    "catalog": Case(
        _stars,
        _catalog,
        lambda given, out: ["--run-dir", given / "run", "-o", out / "a.fits", "--precision",
                            "float32", given / "files"],
        lambda out: [], catalogue, parts_of,
    ),
    "train": Case(
        _table,
        _train,
        lambda given, out: ["--dataset", "sdss", "--scale", "smoke", "--precision", "float32",
                            "--data-dir", given / "files", "--run-dir", out / "run"],
        lambda out: ["--resume"] if (out / "run" / "config.json").exists() else [],
        networks, trained,
    ),
}  # fmt: skip


def attempt(case, given, out, after=None, options=()):
    """Run a command, killed so many seconds after its start if it has not ended.

    Returns
    -------
    killed : bool
    seconds : float
    """
    context = multiprocessing.get_context("forkserver")
    argv = [str(a) for a in (*case.arguments(given, out), *case.again(out), *options)]
    log = given / "last.log"
    process = context.Process(target=_run, args=(case.command, argv, log))
    began = time.monotonic()
    process.start()
    process.join(LONGEST if after is None else after)
    killed, seconds = process.is_alive(), time.monotonic() - began
    if killed:
        process.kill()
        process.join()
        if after is None:
            raise RuntimeError(f"it hangs: {log.read_text()[-2000:]}")
    elif process.exitcode:
        raise RuntimeError(f"exit status {process.exitcode}: {log.read_text()[-3000:]}")
    return killed, seconds


def _run(command, argv, log):
    """Be a command, whose output goes to a file."""
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.exit(command(argv))


def differences(one, other):
    """Return what differs between two results, list of str; numbers by how much."""
    if list(one) != list(other):
        return [f"{sorted(one)} instead of {sorted(other)}"]
    found = []
    for name, value in one.items():
        if isinstance(value, np.ndarray):
            if value.shape != other[name].shape:
                found.append(f"{name}: shape {value.shape} instead of {other[name].shape}")
            elif not np.array_equal(value, other[name], equal_nan=True):
                found.append(f"{name}: by up to {np.nanmax(np.abs(value - other[name])):.2g}")
        elif value != other[name]:
            odd = set(value) ^ set(other[name]) if isinstance(value, list) else ()
            found.append(f"{name} {sorted(odd)}" if odd else name)
    return found


def torment(case, folder, kills, *, seed=0, options=(), say=print):
    """Kill a command so many times; return what was found.

    Parameters
    ----------
    case : Case
    folder : path-like
        Empty.
    kills : int
    seed : int
        Of the moments.
    options : sequence of str
        Further arguments of the command ("--workers", "2").
    say : callable

    Returns
    -------
    dict
        kills, runs that came to their end, those that differ (list of texts), stages: where the
        kills fell, seconds of an undisturbed run.
    """
    rng, given = np.random.default_rng(seed), Path(folder) / "given"
    given.mkdir(parents=True)
    case.inputs(given)
    whole = Path(folder) / "whole"
    whole.mkdir()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(IMPORTED))
    first = context.Process(target=os.getpid)  # the imports are not of the time of a run
    first.start()
    first.join()
    _, seconds = attempt(case, given, whole, options=options)
    expected, stages, wrong, ended = case.result(whole), Counter(), [], 0
    done = 0
    while done < kills:
        out = Path(folder) / f"run-{ended}"
        out.mkdir()
        killed, own = True, 0
        while killed:
            after = rng.uniform(0, seconds) if done < kills else None
            killed, _ = attempt(case, given, out, after, options)
            if killed:
                stages[case.stage(out)] += 1
                done, own = done + 1, own + 1
        ended += 1
        wrong += [f"run {ended}: {text}" for text in differences(case.result(out), expected)]
        say(
            f"{done} kills; run {ended} came to its end after {own}; differences: {wrong or 'none'}"
        )
    return {"kills": done, "runs": ended, "wrong": wrong, "stages": dict(stages),
            "seconds": seconds}  # fmt: skip


def main():
    """Kill and print."""
    p = argparse.ArgumentParser(prog="python -m benchmarks.kill", description=__doc__)
    p.add_argument("--what", choices=CASES, required=True)
    p.add_argument("--kills", type=int, default=50)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--workers", type=int, default=0, help="of predict and catalog")
    args = p.parse_args()
    options = ("--workers", str(args.workers)) if args.workers else ()
    with tempfile.TemporaryDirectory() as folder:
        found = torment(CASES[args.what], folder, args.kills, seed=args.seed, options=options,
                        say=lambda text: print(text, flush=True))  # fmt: skip
    print(f"{args.what}: {found['kills']} kills in {found['runs']} runs of "
          f"{found['seconds']:.1f} s; where they fell: {found['stages']}; "
          f"different: {found['wrong'] or 'none'}")  # fmt: skip
    return int(bool(found["wrong"]))


if __name__ == "__main__":
    raise SystemExit(main())
