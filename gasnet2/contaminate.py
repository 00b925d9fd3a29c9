"""What wrong labels cost: the same networks on contaminated classes (App. A)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from common import runs
from common.cli import parser, run, say
from common.errors import UsageError
from common.files import write_parquet
from gasnet2.config import Config
from gasnet2.networks import Networks, prediction_table

TRIOS = {  # App. A
    "sdss": ("GALAXY_AGN", "GALAXY_STARBURST", "GALAXY_STARFORMING"),
    "fourmost": ("COSMO_AGN", "ClusB", "RedGAL"),
}
FRACTIONS = (0.0, 0.05, 0.10)  # App. A


def shuffled(names, rows, fraction, rng):
    """Return labels of which a fraction is shuffled among itself (Fig. A1).

    Parameters
    ----------
    names : ndarray of str, shape (n,)
    rows : ndarray of int
        Rows that may change.
    fraction : float
        Share of these rows.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of str, shape (n,)
        Some of the shuffled rows get their own label back, by chance.
    """
    out = np.array(names, dtype=object)
    chosen = rng.permutation(rows)[: round(fraction * len(rows))]
    out[chosen] = rng.permutation(out[chosen])
    return out


def contaminate(run_dir, *, accelerator, fractions=FRACTIONS, epochs=None, redshifts=True):
    """Train the trio of App. A at each level of contamination, on the data of a run.

    Labels are shuffled in the whole data set, test spectra included (Fig. A1: "labels in the
    dataset"); class_clean keeps the label that each test spectrum had before.

    Parameters
    ----------
    run_dir : path-like
        Run folder of `gasnet2.train`, with its data.
    accelerator : common.accelerator.Accelerator
    fractions : sequence of float
        Levels of contamination.
    epochs : int, optional
        Of each network; as in the run by default. A short run's may be too few: three classes
        have fewer spectra than all of them.
    redshifts : bool
        False: classifiers alone.

    Returns
    -------
    list of Path
        contamination_00.parquet and so on, tables as predictions.parquet, which
        `gasnet2.evaluate` draws Figs. A1-A3 from.
    """
    from common.pipeline import Shards
    from gasnet2 import fitting
    from gasnet2.data import choose_split

    run_dir = Path(run_dir)
    config, _ = runs.read_config(run_dir, Config)
    if config.is_templates:
        raise UsageError(
            f"App. A is of the paper's networks. {run_dir} holds the template network: train with "
            "--network paper."
        )
    if config.survey not in TRIOS:
        raise UsageError(
            f"App. A contaminates classes of {' and '.join(TRIOS)}. {run_dir} is a run of "
            f"{config.dataset}."
        )
    trio = TRIOS[config.survey]
    config = replace(config, only=trio, epochs=config.epochs if epochs is None else epochs)
    shards = Shards(run_dir / "data")
    true = shards.labels["class"].to_numpy()
    shards.labels["split"] = split = choose_split(shards.labels, config)
    used = np.flatnonzero(split != "")
    test = np.flatnonzero(split == "test")
    paths = []
    for fraction in fractions:
        level = f"{round(100 * fraction):02d}"
        path = run_dir / f"contamination_{level}.parquet"
        paths.append(path)
        if path.exists():
            continue
        rng = np.random.default_rng([config.seed, round(1000 * fraction)])
        shards.labels["class"] = shuffled(true, used, fraction, rng)
        job = fitting.Job(config, run_dir / "work" / path.stem, shards, accelerator)
        classifier, redshift = fitting.networks(job, [], redshifts=redshifts)
        table = prediction_table(
            Networks(config, classifier, redshift),
            lambda rows: shards.rows(test[rows]),
            shards.labels.iloc[test],
            split=split[test],
        )
        shards.labels["class"] = true
        table["class_clean"] = true[test]
        table["dataset"] = config.dataset
        write_parquet(table, path)
        right = [(table[c] == table["class_pred"]).mean() for c in ("class_true", "class_clean")]
        say(f"{fraction:.0%} contamination: accuracy {right[0]:.3f} of {len(table)} test spectra, "
            f"{right[1]:.3f} by their labels before")  # fmt: skip
    return paths


def _arguments():
    p = parser("python -m gasnet2.contaminate", "Train on contaminated classes (App. A).")
    p.add_argument("--run-dir", type=Path, required=True, help="run folder of gasnet2.train")
    p.add_argument("--precision", default="auto", help="as in gasnet2.train")
    p.add_argument("--epochs", type=int, help="epochs of each network (default: as in the run)")
    p.add_argument("--classes-only", action="store_true", help="train no redshift networks")
    return p


def work(args):
    """Do what the command line asks for."""
    from common.accelerator import choose

    if args.epochs is not None and args.epochs <= 0:
        raise UsageError(f"--epochs must be above 0. Received {args.epochs}.")
    contaminate(args.run_dir, accelerator=choose(args.precision), epochs=args.epochs,
                redshifts=not args.classes_only)  # fmt: skip
    say(f"next: python -m gasnet2.evaluate --run-dir {args.run_dir}")


def main(argv=None):
    """Run the command line; return the exit status."""
    return run(work, _arguments().parse_args(argv), kept="Finished levels are kept.")


if __name__ == "__main__":
    raise SystemExit(main())
