"""What several tasks gain over one (Fig. 5) from runs of several seeds: one run is one draw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from common import runs
from common.catalog import write_table
from common.cli import parser, run, say
from common.errors import UsageError
from common.rows import held_out
from mtopnet.config import PAPER, Config
from mtopnet.tables import redshifts as tables
from mtopnet.tables import variants as tables_variants

GAINS = ("success_minus_own", "catastrophic_minus_own")


def gain_table(run_dirs):
    """Return what each network loses against all tasks together, over runs of different seeds.

    Parameters
    ----------
    run_dirs : sequence of path-like
        Finished runs that differ in their seed alone, with the same variants.

    Returns
    -------
    DataFrame
        network, sample ("8 h", "all"), seeds; success and catastrophic of the network and
        success_minus_own, catastrophic_minus_own (against the run's own network on the same
        spectra), means over seeds, with errors of these means from their scatter (X_err; NaN of
        one seed).

    Raises
    ------
    UsageError
        If a seed comes twice, or a configuration differs in more than that.
    """
    parts, first = {}, None
    for run_dir in map(Path, run_dirs):
        config, _ = runs.read_config(run_dir, Config)
        own = {k: v for k, v in vars(config).items() if k != "seed"}
        first = first or (run_dir, own)
        differ = [k for k, v in own.items() if v != first[1][k]]
        if differ or config.seed in parts:
            what = f"differs in {', '.join(differ)}" if differ else f"has seed {config.seed} again"
            raise UsageError(
                f"{run_dir} {what}. Give runs that differ from {first[0]} by the seed."
            )
        df = held_out(tables.read_predictions(runs.predictions_of(run_dir, PAPER.package)))
        df = tables.labelled(tables.with_dz(df, config.edges))
        variants = tables_variants.read_variants(run_dir, config=config)
        parts[config.seed] = tables_variants.variant_table(df, variants)
    table = pd.concat(parts.values(), ignore_index=True)
    rows = []
    for (network, sample), part in table.groupby(["network", "sample"], sort=False):
        row = {"network": network, "sample": sample, "seeds": len(part)}
        row |= {name: part[name].mean() for name in ("success", "catastrophic")}
        for name in GAINS:
            value = part[name].to_numpy(float)
            row[name] = value.mean()
            row[f"{name}_err"] = (
                value.std(ddof=1) / np.sqrt(len(value)) if len(value) > 1 else np.nan
            )
        rows.append(row)
    return pd.DataFrame(rows)


def _arguments():
    p = parser("python -m mtopnet.seeds", "What several tasks gain, over runs of several seeds.")
    p.add_argument("runs", type=Path, nargs="+", metavar="RUN",
                   help="run folders with variants, alike but for the seed")  # fmt: skip
    p.add_argument("-o", "--output", type=Path, required=True, help="table: .ecsv, .fits or .csv")
    return p


def work(args):
    """Do what the command line asks for."""
    table = gain_table(args.runs)
    write_table(table, args.output)
    say(table.to_string(index=False, float_format="%.4f"))


def main(argv=None):
    """Run the command line; return the exit status."""
    return run(work, _arguments().parse_args(argv))


if __name__ == "__main__":
    raise SystemExit(main())
