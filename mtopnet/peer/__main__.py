"""``python -m mtopnet.peer``: see `mtopnet.peer.beside`."""

from __future__ import annotations

from pathlib import Path

from common.cli import parser, run, say
from common.evaluation import as_text


def _arguments():
    p = parser("python -m mtopnet.peer", "Template fitting of a network's test spectra, beside it.")
    p.add_argument("--run-dir", type=Path, required=True, help="run folder of mtopnet.train")
    p.add_argument("-o", "--output", type=Path,
                   help="output folder (default: the run folder, or on_FOLDER in it)")  # fmt: skip
    p.add_argument("--on", type=Path, metavar="FOLDER",
                   help="spectra and labels in place of the run's test split")  # fmt: skip
    p.add_argument("--data-dir", type=Path,
                   help="the run's spectra and labels (default: a mock is made again)")  # fmt: skip
    p.add_argument("-n", "--n", type=int, help="test spectra at most")
    p.add_argument("--prior", action="store_true",
                   help="give the peer the mock's own distribution of redshifts")  # fmt: skip
    p.add_argument("--degree", type=int, default=-1,
                   help="of polynomials added in each arm; -1: none")  # fmt: skip
    p.add_argument("--offline", action="store_true", help="use no network")
    return p


def work(args):
    """Do what the command line asks for."""
    from common.accelerator import choose
    from mtopnet.peer.beside import peer_run

    if args.on is not None:
        choose("float32")
    table, floor = peer_run(args.run_dir, args.output, on=args.on, data_dir=args.data_dir,
                            n=args.n, prior=args.prior, degree=args.degree,
                            offline=args.offline)  # fmt: skip
    shown = table[table["low"].isna()]
    say(as_text(shown[[c for c in shown if not c.endswith("_err") and c not in ("low", "high")]]))
    if len(floor):
        say(as_text(floor.dropna(axis=1, how="all")))


def main(argv=None):
    """Run the command line; return the exit status."""
    return run(work, _arguments().parse_args(argv))


if __name__ == "__main__":
    raise SystemExit(main())
