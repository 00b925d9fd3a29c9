"""What wrong labels cost: the same networks trained on contaminated classes (App. A)."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from common.cli import parser, run, say
from common.errors import UsageError
from gasnet2.networks import Networks, prediction_table, read_config

TRIOS = {  # App. A
    "sdss": ("GALAXY_AGN", "GALAXY_STARBURST", "GALAXY_STARFORMING"),
    "fourmost": ("COSMO_AGN", "ClusB", "RedGAL"),
}
FRACTIONS = (0.0, 0.05, 0.10)  # App. A


def shuffled(names, rows, fraction, rng):
    """Return labels with a fraction of the chosen rows given another label of the set.

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
        Every changed label is a wrong one.
    """
    out = np.array(names, dtype=object)
    classes = np.unique(out[rows])
    for row in rng.permutation(rows)[: round(fraction * len(rows))]:
        out[row] = rng.choice(classes[classes != out[row]])
    return out


def contaminate(run_dir, *, accelerator, fractions=FRACTIONS):
    """Train the trio of App. A at each level of contamination, on the data of a run.

    The labels of training and validation spectra are shuffled, those of test spectra are not.

    Parameters
    ----------
    run_dir : path-like
        Run folder of `gasnet2.train`, with its data.
    accelerator : common.accelerator.Accelerator
    fractions : sequence of float
        Levels of contamination.

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
    config, _ = read_config(run_dir)
    if config.survey not in TRIOS:
        raise UsageError(
            f"App. A contaminates classes of {' and '.join(TRIOS)}. {run_dir} is a run of "
            f"{config.dataset}."
        )
    trio = TRIOS[config.survey]
    config = replace(config, only=trio)
    shards = Shards(run_dir / "data")
    true = shards.labels["class"].to_numpy()
    split = choose_split(shards.labels, config)
    learn = np.flatnonzero((split == "train") | (split == "valid"))
    test = np.flatnonzero(split == "test")
    paths = []
    for fraction in fractions:
        level = f"{round(100 * fraction):02d}"
        path = run_dir / f"contamination_{level}.parquet"
        paths.append(path)
        if path.exists():
            continue
        rng = np.random.default_rng([config.seed, round(1000 * fraction)])
        shards.labels["class"] = shuffled(true, learn, fraction, rng)
        job = fitting.Job(config, run_dir / "work" / path.stem, shards, split, accelerator)
        classifier, redshift = fitting.networks(job, [])
        shards.labels["class"] = true
        table = prediction_table(
            Networks(config, classifier, redshift),
            lambda rows: shards.rows(test[rows]),
            shards.labels.iloc[test],
            split=split[test],
        )
        part = path.with_name("part-" + path.name)
        table.to_parquet(part)
        part.replace(path)
        accuracy = (table["class_true"] == table["class_pred"]).mean()
        say(f"{fraction:.0%} contamination: accuracy {accuracy:.3f} of {len(table)} test spectra")
    return paths


def _arguments():
    p = parser("python -m gasnet2.contaminate", "Train on contaminated classes (App. A).")
    p.add_argument("--run-dir", type=Path, required=True, help="run folder of gasnet2.train")
    p.add_argument("--precision", default="auto", help="as in gasnet2.train")
    return p


def work(args):
    """Do what the command line asks for."""
    from common.accelerator import choose

    contaminate(args.run_dir, accelerator=choose(args.precision))
    say(f"next: python -m gasnet2.evaluate --run-dir {args.run_dir}")


def main(argv=None):
    """Run the command line; return the exit status."""
    return run(work, _arguments().parse_args(argv), kept="Finished levels are kept.")


if __name__ == "__main__":
    sys.exit(main())
