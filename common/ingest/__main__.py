"""The command `ingest`: from any survey's files to shards."""

from __future__ import annotations

from pathlib import Path

from common.cli import parser, run, say
from common.errors import SuiteError
from common.ingest.folder import REJECTS
from common.ingest.run import SURVEYS, damaged, ingest

KEPT = "Finished shards are kept; go on with the same command."


def main(argv=None):
    """Run the command line; return the exit status."""
    p = parser("python -m common.ingest", "Files of any survey to shards that are read once.")
    p.add_argument("-o", "--output", type=Path, required=True, metavar="SHARDS",
                   help="folder of shards: a new one, or one that is added to")  # fmt: skip
    p.add_argument("--survey", metavar="NAME",
                   help=f"take files of this survey alone: {', '.join(SURVEYS)}")  # fmt: skip
    p.add_argument("--workers", type=_positive, help="processes; by default one a core")
    p.add_argument("--max-rejects", type=_limit, metavar="N",
                   help="stop where more are rejected: a number, or below 1 a share")  # fmt: skip
    p.add_argument("--grid", nargs=3, type=float, metavar=("FIRST", "LAST", "PIXELS"),
                   help="linear grid, vacuum Angstrom, of tables that carry none")  # fmt: skip
    p.add_argument("--check", action="store_true",
                   help="read nothing, and name the shards whose checksum is wrong")  # fmt: skip
    p.add_argument("paths", nargs="*", type=Path, metavar="FILE_OR_FOLDER", help="what to read")
    args = p.parse_args(argv)
    if args.check == bool(args.paths):
        p.error("name files or folders to ingest, or --check and none")
    return run(_check if args.check else _ingest, args, kept=KEPT)


def _positive(text):
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def _limit(text):
    value = float(text)
    if not value >= 0:
        raise ValueError
    return value


def _ingest(args):
    grid = args.grid and (*args.grid[:2], int(args.grid[2]))
    made = ingest(args.paths, args.output, survey=args.survey, workers=args.workers,
                  max_rejects=args.max_rejects, grid=grid)  # fmt: skip
    held = f"; {made.held} files were there already" if made.held else ""
    say(f"{made.rows} spectra of {made.files} files{held} -> {args.output} ({made.total} in all)")
    if made.lost:
        say(f"{made.lost} could not be used -> {args.output / REJECTS}")
    if made.changed:
        names = ", ".join(made.changed[:3]) + (" ..." if len(made.changed) > 3 else "")
        say(f"{len(made.changed)} files changed since their spectra were read, which stand as they "
            f"were: {names}. For the new ones ingest into another folder.")  # fmt: skip


def _check(args):
    wrong = damaged(args.output)
    if wrong:
        names = ", ".join(wrong[:20]) + (" ..." if len(wrong) > 20 else "")
        raise SuiteError(
            f"{args.output}: {len(wrong)} shards are missing or not what was written: {names}. "
            "Delete these and repeat the command that ingested them: their files are read again."
        )
    say(f"all shards in {args.output} are as they were written")


if __name__ == "__main__":
    raise SystemExit(main())
