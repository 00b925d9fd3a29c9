"""The command `release`: a finished run becomes a network that comes with the package."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from common import runs
from common.card import card
from common.catalog import read_table
from common.cli import parser, run, say
from common.errors import UsageError
from common.files import write_json, write_text
from common.half import compare, halved
from common.released import CARD, MANIFEST, contents, room, sha256

# Of config.json: of this machine alone.
LEFT_OUT = ("data_dir", "device")


def main(paper, evaluation, argv=None, *, load, predict, errors, tables=(), models=("**/*.keras",)):
    """Run the command line; return the exit status.

    Parameters
    ----------
    paper : common.paper.Paper
    evaluation : type
        The paper's `common.evaluation.Evaluation`: what the card cites and shows of files.
    argv : sequence of str, optional
    load : callable
        Run folder -> its networks; it raises `ReadError` where training is not finished.
    predict : callable
        `(run_dir, paths, out)`: writes a catalogue.
    errors : dict of str to str
        Column of the catalogue -> that of its error.
    tables : sequence of str
        Tables of the run that the card shows.
    models : sequence of str
        Patterns of the networks, within models/, that a prediction needs.
    """
    p = parser(paper.module("release"), f"Release a trained network with {paper.package}.")
    p.add_argument("--run-dir", type=Path, required=True,
                   help=f"finished and evaluated run folder of {paper.package}.train")  # fmt: skip
    p.add_argument("--about", required=True, help="one line: what it is for, trained on what")
    p.add_argument("--check", type=Path, nargs="+", metavar="FILE_OR_FOLDER", help="spectra whose "
                   "catalogue must not change by half precision on disk; full precision is kept "
                   "without them")  # fmt: skip
    p.add_argument("--into", type=Path, default=room(paper.package), metavar="DIR",
                   help="folder of released networks")  # fmt: skip
    p.add_argument("name", metavar="NAME", help="what users call it")

    def work(args):
        folder = release(
            paper, evaluation, args.run_dir, args.name, about=args.about, check=args.check,
            into=args.into, load=load, predict=predict, errors=errors, tables=tables, models=models,
        )  # fmt: skip
        size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
        say(f"released: {folder} ({size / 1e6:.1f} MB)")

    return run(work, p.parse_args(argv))


def release(paper, evaluation, run_dir, name, *, about, into, load, predict, errors, check=None,
            tables=(), models=("**/*.keras",)):  # fmt: skip
    """Make a released network of a run: its folder, its card, its row of the manifest.

    Parameters
    ----------
    paper, evaluation, load, predict, errors, tables, models
        As of `main`.
    run_dir : path-like
    name, about : str
    into : path-like
        Folder of released networks.
    check : sequence of path-like, optional
        Files whose catalogue decides whether half precision is enough.

    Returns
    -------
    Path
        Its folder.
    """
    if not name.isidentifier():
        raise UsageError(f"NAME must be letters, digits and _. Received {name!r}.")
    run_dir, into = Path(run_dir), Path(into)
    config, kept = runs.read_config(run_dir, paper.config)
    load(run_dir)  # a run that is not finished says so
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into, prefix=".making-") as made:
        half, table = Path(made) / name, None
        _copy(run_dir, half, models, halved)
        if check:
            table = compare(*(_catalogue(predict, d, check, made) for d in (run_dir, half)), errors)
        if table is None or not len(table) or not table["enough"].all():
            shutil.rmtree(half)
            _copy(run_dir, half, models, shutil.copyfile)
        write_text(
            half / CARD,
            card(
                evaluation,
                run_dir,
                half,
                config=config,
                kept=kept,
                about=about,
                half=table,
                tables=tables,
            ),
        )
        shutil.rmtree(into / name, ignore_errors=True)
        shutil.move(half, into / name)
    path = into / MANIFEST
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    files = {f: sha256(into / name / f) for f in contents(into / name)}
    kept[name] = {"about": about, "files": files}
    write_json(path, kept)
    return into / name


def _copy(run_dir, folder, models, copy):
    """Copy what a network is made of; `copy` is for the networks' own files."""
    folder.mkdir(parents=True)
    about = json.loads((run_dir / "config.json").read_text(encoding="utf-8"))
    kept = _unplaced({k: v for k, v in about.items() if k not in LEFT_OUT})
    write_text(folder / "config.json", json.dumps(kept))  # limits of a training set are long lists
    for path in sorted({p for m in models for p in (run_dir / "models").glob(m)}):
        target = folder / path.relative_to(run_dir)
        target.parent.mkdir(parents=True, exist_ok=True)
        copy(path, target)


def _unplaced(value):
    """Return a value of config.json with names instead of this machine's paths."""
    if isinstance(value, dict):
        return {k: _unplaced(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_unplaced(v) for v in value]
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value


def _catalogue(predict, run_dir, paths, folder):
    """Return the catalogue of some files by the networks of a folder."""
    with tempfile.TemporaryDirectory(dir=folder) as work:
        predict(run_dir, paths, Path(work) / "catalogue.parquet")
        return read_table(Path(work) / "catalogue.parquet")
