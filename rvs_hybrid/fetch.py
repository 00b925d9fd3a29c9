"""Fetch stars of APOGEE with Gaia's RVS and XP spectra into the cache."""

from __future__ import annotations

from common.cli import parser, run, say
from rvs_hybrid.archive import find
from rvs_hybrid.config import DATASETS, PAPER


def main(argv=None):
    """Run the command line; return the exit status."""
    p = parser("python -m rvs_hybrid.fetch", __doc__)
    p.add_argument("--scale", default="demo", choices=tuple(PAPER.scales),
                   help="whose number of stars")  # fmt: skip
    p.add_argument("--most-stars", type=int, help="stars (default: the scale's; 0 is all)")
    p.add_argument("--seed", type=int, default=PAPER.seed, help="of the draw")
    p.add_argument("--offline", action="store_true", help="use no network: say what is here")

    def work(args):
        config = PAPER.configure(DATASETS[1], args.scale, most_stars=args.most_stars,
                                 seed=args.seed)  # fmt: skip
        say(f"stars in {find(config, offline=args.offline)}")

    return run(work, p.parse_args(argv), kept="What came is kept; the same command goes on.")


if __name__ == "__main__":
    raise SystemExit(main())
