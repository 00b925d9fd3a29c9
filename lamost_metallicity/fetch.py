"""Fetch the paper's galaxies into the cache: LAMOST's spectra and MPA-JHU's tables."""

from __future__ import annotations

from common.cli import parser, run, say
from lamost_metallicity.archive import find
from lamost_metallicity.config import PAPER


def main(argv=None):
    """Run the command line; return the exit status."""
    p = parser("python -m lamost_metallicity.fetch", __doc__)
    p.add_argument("--scale", default="demo", choices=tuple(PAPER.scales),
                   help="paper: all galaxies; else as many as of a mock")  # fmt: skip
    p.add_argument("--galaxies", type=int, help="spectra, below the paper's scale")
    p.add_argument("--seed", type=int, default=PAPER.seed, help="of the draw")
    p.add_argument("--unmatched-too", action="store_true",
                   help="also galaxies without labels, which Sect. 5 predicts")  # fmt: skip
    p.add_argument("--offline", action="store_true", help="use no network: say what is here")

    def work(args):
        config = PAPER.configure("lamost", args.scale, n_galaxies=args.galaxies, seed=args.seed)
        paths, labels = find(config, offline=args.offline, every=args.unmatched_too)
        say(f"{len(paths)} spectra are here; labels in {labels}")

    return run(work, p.parse_args(argv), kept="What came is kept; the same command goes on.")


if __name__ == "__main__":
    raise SystemExit(main())
