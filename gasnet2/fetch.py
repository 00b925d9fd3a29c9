"""Fetch the spectra of the paper's data sets into the cache, or those of a list into a folder."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd

from common.archives import desi, sdss
from common.assets.registry import cache_dir
from common.assets.web import Web
from common.cli import parser, run, say
from common.errors import UsageError
from common.surveys.ids import int64
from gasnet2.archive.find import authors_tables, find
from gasnet2.config import PAPER

KEPT = "What came is kept; the same command goes on."


def fetch_list(dataset, path, folder, *, web):
    """Fetch the spectra of a list.

    Parameters
    ----------
    dataset : {"sdss", "desi"}
    path : path-like
        Of plate-mjd-fibre (`common.archives.sdss.read_list`), or of TARGETIDs, one a line.
    folder : path-like
    web : common.assets.web.Web

    Returns
    -------
    list of Path
        The files: of DESI those of the healpixels that hold the targets.
    """
    if dataset == "sdss":
        return sdss.fetch_spectra(sdss.read_list(path), folder, web=web).paths
    lines = [line.strip() for line in Path(path).read_text().splitlines() if line.strip()]
    if not lines or not all(line.isdigit() for line in lines):
        raise UsageError(f"{path}: must be TARGETIDs, whole numbers, one a line.")
    targets = pd.Series(int64(lines)).astype("int64")
    name = hashlib.sha256(targets.to_numpy().tobytes()).hexdigest()[:16]
    table = desi.pixels_of(targets, cache_dir() / "desi-edr" / "targets" / f"{name}.fits", web=web)
    return desi.fetch_pixels(table.drop_duplicates(list(desi.PIXEL)), folder, web=web).paths


def main(argv=None):
    """Run the command line; return the exit status."""
    p = parser("python -m gasnet2.fetch", __doc__)
    p.add_argument("--dataset", default="sdss", choices=("sdss", "desi", "fourmost"))
    p.add_argument("--source", default="archive", choices=("archive", "authors"),
                   help="of sdss: DR16's own spectra, or the authors' tables, which have no "
                   "wavelengths")  # fmt: skip
    p.add_argument("--scale", default="demo", choices=tuple(PAPER.scales),
                   help="whose number of spectra")  # fmt: skip
    p.add_argument("--per-class", type=int, help="spectra of each class (default: the scale's)")
    p.add_argument("--seed", type=int, default=PAPER.seed, help="of the draw")
    p.add_argument("--ids", type=Path, metavar="FILE",
                   help="list of plate-mjd-fibre, or of TARGETIDs, not a sample")  # fmt: skip
    p.add_argument("-o", "--output", type=Path, help="folder of the files of --ids")
    p.add_argument("--offline", action="store_true", help="use no network: say what is here")

    def work(args):
        if args.ids is not None:
            if args.dataset == "fourmost" or args.offline or args.output is None:
                raise UsageError(
                    "--ids goes with --dataset sdss or desi, needs the network and -o FOLDER."
                )
            with Web() as web:
                paths = fetch_list(args.dataset, args.ids, args.output, web=web)
        elif args.source == "authors":
            if args.dataset != "sdss":
                raise UsageError("--source authors goes with --dataset sdss.")
            paths = authors_tables(offline=args.offline)
        else:
            config = PAPER.configure(args.dataset, args.scale, per_class=args.per_class,
                                     seed=args.seed)  # fmt: skip
            paths = find(config, offline=args.offline)
        say(f"{len(paths)} file(s) in {paths[0].parent if len(paths) == 1 else cache_dir()}")

    return run(work, p.parse_args(argv), kept=KEPT)


if __name__ == "__main__":
    raise SystemExit(main())
