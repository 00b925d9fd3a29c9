"""Fetch the paper's stars into the cache: LAMOST's spectra, APOGEE's and Gaia's tables."""

from __future__ import annotations

from common.cli import parser, run, say
from solarlike_distance.archive import find
from solarlike_distance.config import PAPER


def main(argv=None):
    """Run the command line; return the exit status."""
    p = parser("python -m solarlike_distance.fetch", __doc__)
    p.add_argument("--scale", default="demo", choices=tuple(PAPER.scales),
                   help="paper: all that pass the cuts; else as many as of a mock")  # fmt: skip
    p.add_argument("--stars", type=int, help="spectra, below the paper's scale")
    p.add_argument("--seed", type=int, default=PAPER.seed, help="of the draw")
    p.add_argument("--offline", action="store_true", help="use no network: say what is here")

    def work(args):
        config = PAPER.configure("lamost", args.scale, n_stars=args.stars, seed=args.seed)
        paths, tables = find(config, offline=args.offline)
        say(f"{len(paths)} spectra are here; tables in {tables}")

    return run(work, p.parse_args(argv), kept="What came is kept; the same command goes on.")


if __name__ == "__main__":
    raise SystemExit(main())
