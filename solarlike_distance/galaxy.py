"""The network on a mock Galaxy of known metallicity gradients: what the paper does with its stars.

Spectra are written, read, pre-processed and predicted like any others; what was planted waits
beside them, and `evaluate` compares.
"""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from common import claims, runs
from common.cli import parser, run, say
from common.errors import SuiteError
from common.files import write_parquet
from solarlike_distance.config import Config
from solarlike_distance.tables import given, gradients, recovery
from solarlike_distance.tables.rows import read_predictions, with_types

FILE, LAW = "galaxy.parquet", "galaxy_law.ecsv"
STARS = {"smoke": 120, "demo": 2500, "paper": 20000}  # default


def law_table(galaxy):
    """Return the gradients that a Galaxy has in the middles of the bins of Tables 3 and 4.

    Returns
    -------
    DataFrame
        kind, at (kpc), law (dex/kpc).
    """
    parts = []
    for kind, edges, function in (
        ("radial", gradients.Z_EDGES, galaxy.radial_at),
        ("vertical", gradients.R_EDGES, galaxy.vertical_at),
    ):
        middle = np.round((np.array(edges[1:]) + np.array(edges[:-1])) / 2, 3)
        parts.append(pd.DataFrame({"kind": kind, "at": middle, "law": function(middle)}))
    return pd.concat(parts, ignore_index=True)


def with_law(table, law):
    """Return a table of recovery with the Galaxy's law and corrected - law over its error.

    Parameters
    ----------
    table : DataFrame
        From `recovery.recovery_table`.
    law : DataFrame
        From `law_table`.
    """
    known = {(row.kind, round(row.at, 3)): row.law for row in law.itertuples()}
    value = np.array([
        known.get((row.kind, row.at if isinstance(row.at, str) else round(row.at, 3)), np.nan)
        for row in table.itertuples()
    ])  # fmt: skip
    return table.assign(law=value, law_off=(table["corrected"] - value) / table["corrected_error"])


def galaxy_run(run_dir, *, stars=None, seed=None, galaxy=None, offline=False):
    """Make a mock Galaxy, predict its spectra with the networks of a run, and keep both.

    Writes galaxy.parquet (predictions and what was planted) and tables/galaxy_law.ecsv into the
    run folder, which `evaluate` takes as the run's catalogue.

    Parameters
    ----------
    run_dir : path-like
        A finished run.
    stars : int, optional
        By default what the run's scale says.
    seed : int, optional
        Of the Galaxy; other than the run's own mock by default.
    galaxy : mock_galaxy.Galaxy, optional
        With other gradients.
    offline : bool
        Never touch the network.

    Returns
    -------
    DataFrame
        `recovery.recovery_table` with the law, or an empty one where too few stars have known
        errors.
    """
    run_dir = Path(run_dir)
    config, _ = runs.read_config(run_dir, Config)
    own = read_predictions(run_dir / "predictions.parquet")
    from solarlike_distance.catalog import predict_labelled
    from solarlike_distance.mock.galaxy import Galaxy, make_galaxy

    galaxy = galaxy or Galaxy()
    with tempfile.TemporaryDirectory(prefix="galaxy-", dir=run_dir) as folder:
        make_galaxy(n=stars or STARS[config.scale], seed=config.seed + 1 if seed is None else seed,
                    out_dir=folder, galaxy=galaxy, offline=offline)  # fmt: skip
        df, _ = predict_labelled(run_dir, [folder])
        if not len(df):
            raise SuiteError("No spectrum of the mock Galaxy could be used.")
        df = given.with_truth(with_types(df), Path(folder) / "truth.parquet")
    write_parquet(df, run_dir / FILE)
    law = law_table(galaxy)
    claims.write(law, run_dir / "tables" / LAW, dataset=config.dataset, **asdict(galaxy))
    try:
        return with_law(recovery.recovery_table(df, own, seed=config.seed), law)
    except SuiteError as error:
        say(f"the gradients cannot be corrected: {error}")
        return pd.DataFrame()


def _arguments():
    p = parser("python -m solarlike_distance.galaxy",
               "Known gradients of a mock Galaxy through a run's networks.")  # fmt: skip
    p.add_argument("--run-dir", type=Path, required=True,
                   help="run folder of solarlike_distance.train")  # fmt: skip
    p.add_argument("-n", "--stars", type=int, help="stars (default: of the run's scale)")
    p.add_argument("--seed", type=int, help="of the Galaxy (default: the run's plus 1)")
    p.add_argument("--offline", action="store_true", help="use no network")
    return p


def work(args):
    """Do what the command line asks for."""
    from common.accelerator import choose

    choose("float32")
    table = galaxy_run(args.run_dir, stars=args.stars, seed=args.seed, offline=args.offline)
    if len(table):
        say(table.to_string(index=False, float_format="%.4f"))
        say(recovery.summary(table).to_string(index=False, float_format="%.4f"))


def main(argv=None):
    """Run the command line; return the exit status."""
    return run(work, _arguments().parse_args(argv))


if __name__ == "__main__":
    raise SystemExit(main())
