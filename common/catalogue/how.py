"""By whom a catalogue is made, and as one file or many."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from common.catalog import check_format
from common.catalogue.limit import check_limit, limit_of
from common.errors import UsageError


@dataclass(frozen=True)
class How:
    """Options of every command that makes a catalogue.

    Attributes
    ----------
    workers : int
        Processes on this machine; 0: this process alone.
    dask : str, optional
        Address of a scheduler, or its scheduler file; see `common.catalogue.cluster.Cluster`.
    partitioned : bool
        A folder of Parquet files in place of one file.
    max_rejects : int or float, optional
        Stop when more cannot be used: a number, or a share; see `common.catalogue.limit.Limit`.
    """

    workers: int = 0
    dask: str | None = None
    partitioned: bool = False
    max_rejects: int | float | None = None

    def __post_init__(self):
        if self.workers < 0:
            raise UsageError(f"--workers must not be negative. Received {self.workers}.")
        if self.workers and self.dask:
            raise UsageError("--workers and --dask are two ways to share the work. Choose one.")
        check_limit(self.max_rejects)

    def check(self, out):
        """Raise `UsageError` where a catalogue cannot be written under a name."""
        ending = check_format(out)
        if self.partitioned and ending != ".parquet":
            raise UsageError(
                f"--partitioned writes a folder of Parquet files, whose name ends in .parquet. "
                f"Received {out}."
            )
        if self.partitioned and Path(out).is_file():
            raise UsageError(f"--partitioned: {out} is a file. Name another output, or remove it.")
        if not self.partitioned and Path(out).is_dir():
            raise UsageError(f"{out} is a folder. Add --partitioned, or name another output.")

    def crew(self):
        """Return who does the work, a context manager; of None where this process does it."""
        if self.dask:
            from common.catalogue.cluster import Cluster

            return Cluster(self.dask)
        if self.workers:
            from common.catalogue.crew import Processes

            return Processes(self.workers)
        return nullcontext()


def add_how(p):
    """Add the options of `How` to an argument parser."""
    p.add_argument("--workers", type=int, default=0, metavar="N",
                   help="processes of this machine that share the work; 0: this one")  # fmt: skip
    p.add_argument("--dask", metavar="ADDRESS",
                   help="scheduler of dask.distributed whose workers share the work, or its "
                   "scheduler file (docs/scale.md)")  # fmt: skip
    p.add_argument("--partitioned", action="store_true",
                   help="OUT.parquet is a folder of files: too many rows for one")  # fmt: skip
    p.add_argument("--max-rejects", type=limit_of, metavar="N|SHARE",
                   help="stop where more cannot be used: a number (100), or a share with a point "
                   "(0.2); what is finished is kept")  # fmt: skip


def how_of(args):
    """Return the `How` that parsed arguments ask for."""
    return How(args.workers, args.dask, args.partitioned, args.max_rejects)
