"""Train the networks of a run on, on real stars with LASP's parameters, and judge them on others.

A network that learned from a mock has seen no real spectrum. LAMOST's catalogue has Teff, log g and
[Fe/H] for millions; M_G and (BP-RP)_0, which it lacks, are held at what the networks said before.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from common.cli import parser, run, say
from common.commands.train import KEPT
from common.errors import MissingDataError, UsageError
from common.files import write_json
from common.paper import PRECISIONS
from common.pipeline import Shards, ShardWriter, finished
from common.rejects import reject_table
from common.runs import read_config
from common.sample import rejected
from common.surveys import read_many
from solarlike_distance.config import PAPER, TARGETS, Config
from solarlike_distance.data import object_table, place_of, spectrum_files, split_of
from solarlike_distance.labelled import BASIC, find_labels
from solarlike_distance.labels.starlabels import StarCatalogue
from solarlike_distance.preprocess import preprocess
from solarlike_distance.selection import solar_like

DATASET = "lamost-lasp"  # observed spectra, labels of LASP: not the paper's sample
SETTINGS = dict(epochs=12, learning_rate=1e-4, batch_size=32, schedule="cosine", members=0,
                test_fraction=0.35)  # fmt: skip
"""Default: a third is held apart, since the stars are few; every fold gets a network."""
OPTIONS = tuple(
    o for o in PAPER.options if o.sets in ("members", "epochs", "learning_rate", "batch_size")
)


def tuned_config(begun, run_dir, **changes):
    """Return the configuration of a tuning: the network and the splits' seed are the run's own.

    Parameters
    ----------
    begun : Config
        Of the run whose networks are trained on.
    run_dir : path-like
        Its folder.
    **changes
        Fields of `SETTINGS` to override; those that are None are left alone.
    """
    changes = {k: v for k, v in changes.items() if v is not None}
    return replace(begun, dataset=DATASET, tuned_from=str(run_dir), **SETTINGS | changes)


def command(config):
    """Return how a tuned configuration is made, as `common.paper.Paper.command` does.

    Parameters
    ----------
    config : Config
        From `tuned_config`; the run that it names is still there.

    Returns
    -------
    command, unsaid : str
        Both commands, of the run and of its tuning; what their options cannot say.
    """
    begun = read_config(config.tuned_from, Config)[0]
    name = Path(config.tuned_from).name
    train, unsaid = PAPER.command(begun)
    words = [PAPER.module("tune"), f"--from {name} --data-dir LAMOST_SPECTRA",
             f"--precision {config.precision}"]  # fmt: skip
    usual = tuned_config(begun, config.tuned_from)
    for option in OPTIONS:
        value = getattr(config, option.sets)
        if value != getattr(usual, option.sets):
            words.append(f"{option.name} {value}")
    return f"{train} --run-dir {name} && {' '.join(words)}", unsaid


def tune(config, run_dir, *, accelerator, data_dir, resume=False):
    """Train networks on, and predict the real stars that they have not seen.

    Parameters
    ----------
    config : Config
        From `tuned_config`.
    run_dir : path-like
        New run folder: what a training leaves (docs/run-folder.md).
    accelerator : common.accelerator.Accelerator
    data_dir : path-like
        Folder, or file, of LAMOST spectra; their parameters are in the files or in a star
        catalogue in the folder.
    resume : bool
        Go on with an interrupted tuning.

    Returns
    -------
    DataFrame
        As of `train.trained`: M_G, (BP-RP)_0 and the distance have no label.

    Raises
    ------
    MissingDataError
        If too few stars can be used.
    UsageError
        If the spectra are a mock's.
    """
    from solarlike_distance.networks import load_networks
    from solarlike_distance.train import trained

    begun = load_networks(config.tuned_from)
    return trained(config, run_dir, prepare, begun=begun, accelerator=accelerator,
                   data_dir=data_dir, resume=resume)  # fmt: skip


def prepare(config, folder, *, data_dir, offline=True):
    """Read, prepare and label the solar-like stars among some spectra, or take the shards there.

    Parameters
    ----------
    config, folder, data_dir, offline
        As of `data.prepare`.

    Returns
    -------
    Shards
        labels: who they are, L_true (LASP's Teff, log g and [Fe/H], NaN for the others), object,
        split, fold. Beside them counts.json: spectra left after each cut.
    """
    folder = Path(folder)
    if finished(folder):
        return Shards(folder)
    tables, rejects, counts = find_labels([data_dir])[0], [], {}
    stars = StarCatalogue(tables["stars"]) if "stars" in tables else None
    folder.mkdir(parents=True, exist_ok=True)
    with ShardWriter(folder, config.n_pixels) as writer:
        for spectra in read_many(spectrum_files([data_dir]), rejects=rejects):
            prepared = preprocess(spectra, config)
            about = object_table(spectra, prepared)
            _refuse_mock(about)
            rejects += rejected(about, prepared)
            rows = labelled(about if stars is None else stars.fill(about), config)
            use = np.ones(len(rows), dtype=bool)
            for name, keep in _cuts(rows, prepared.usable, config):
                use &= keep
                counts[name] = counts.get(name, 0) + int(use.sum())
            if use.any():
                writer.write(prepared.x[use], rows[use])
        told = ", ".join(f"{n} {name}" for name, n in counts.items())
        if not next(reversed(counts.values()), 0):
            raise MissingDataError(
                f"{data_dir}: no star to tune on ({told or 'no spectrum could be read'}). Needed: "
                "LAMOST low-resolution spectra with LASP's Teff, log g and [Fe/H] in the files or "
                "in a star catalogue in the folder."
            )
    if rejects:
        from common.catalog import write_table

        write_table(reject_table(rejects), folder / "rejects.ecsv")
    write_json(folder / "counts.json", counts)
    say(f"spectra: {told}")
    return Shards(folder)


def _refuse_mock(about):
    mock = about["mock"].to_numpy(dtype=bool)
    if mock.any():
        raise UsageError(
            f"{about['file'][mock].iloc[0]} is a mock (header card MOCK = T); networks are tuned "
            "on observed spectra. To train on a mock: python -m solarlike_distance.train."
        )


def labelled(about, config):
    """Return spectra with LASP's parameters as labels, and the split of their stars.

    Parameters
    ----------
    about : DataFrame
        From `data.object_table`.
    config : Config
    """
    out = about.copy()
    for name in TARGETS:
        known = name in BASIC
        out[f"{name}_true"] = out[f"lasp_{name}"].astype(float) if known else np.nan
        out[f"{name}_err"] = out[f"lasp_{name}_err"].astype(float) if known else np.nan
    out["object"] = place_of(out)
    out["split"], out["fold"] = split_of(out["object"], config)
    return out


def _cuts(rows, usable, config):
    """Return [(name, ndarray of bool)] of the cuts that a star must pass, in order."""
    labels = {name: rows[f"{name}_true"].to_numpy(float) for name in BASIC}
    quality = (rows["snr_g"] > config.snr_g_min) & (rows["fibermask"].fillna(0) == 0)
    return [
        ("read", np.ones(len(rows), dtype=bool)),
        ("usable", usable),
        ("with parameters", np.isfinite(list(labels.values())).all(axis=0)),
        ("solar-like", solar_like(**labels, config=config)),
        (f"with S/N_g > {config.snr_g_min:g} and FIBERMASK = 0", quality.to_numpy()),
    ]


def _arguments():
    p = parser("python -m solarlike_distance.tune",
               "Train the networks of a run on, on real stars with LASP's parameters.")  # fmt: skip
    p.add_argument("--from", dest="begun", type=Path, required=True, metavar="RUN",
                   help="run folder of solarlike_distance.train")  # fmt: skip
    p.add_argument("--data-dir", type=Path, required=True, help="folder or file of LAMOST spectra; "
                   "their parameters are in the files, or in a star catalogue there")  # fmt: skip
    p.add_argument("--run-dir", type=Path, help="new run folder (default: runs/"
                   f"{DATASET}-NETWORK-SCALE)")  # fmt: skip
    p.add_argument("--precision", default="auto", help=PRECISIONS)
    for option in OPTIONS:
        option.add(p)
    p.add_argument("--resume", action="store_true", help="go on with an interrupted tuning")
    return p


def work(args):
    """Do what the command line asks for."""
    from common.accelerator import choose

    changes = {option.sets: option.checked(args) for option in OPTIONS}
    config = tuned_config(read_config(args.begun, Config)[0], args.begun, **changes)
    accelerator = choose(args.precision)
    config = replace(config, precision=accelerator.precision)
    run_dir = args.run_dir or PAPER.run_dir(config)
    tune(config, run_dir, accelerator=accelerator, data_dir=args.data_dir, resume=args.resume)
    say(f"run folder: {run_dir}")
    say(f"next: {PAPER.module('evaluate')} --run-dir {run_dir}")


def main(argv=None):
    """Run the command line; return the exit status."""
    return run(work, _arguments().parse_args(argv), kept=KEPT)


if __name__ == "__main__":
    raise SystemExit(main())
