"""Mock MOONS spectra: a forward model in the files of MOONS1D, the instrument's own simulator.

Files that `make_mock` writes under its folder:

spectra/moons-mock-NNNNN.fits
    MOONS1D's merged layout (see `common.surveys.moons`), but many spectra a file: HDUs DATA_x and
    ERR_x of shape (spectra, pixels) in erg / (s cm2 Å), QUAL_x and Sky of one row, for the arms x =
    RI, YJ, H, and a table TARGETS with one row for each spectrum. Card MOCK = T. Those of the
    variant "realistic" are moons-mock-realistic-NNNNN.fits, with NaN in bad pixels.
labels.fits
    The rows of all TARGETS: id, galaxy, exposure (h), z, log_mass, log_sfr (Chabrier), m_h (AB,
    without noise), f_ha, f_oiii (erg / (s cm2), dimmed by dust, before the fibre), f_ha_fibre (Ha
    inside the fibre), kind, sersic_n, r_e (arcsec, circularised), oh (12 + log O/H, N2 of PP04),
    ebv_stars, ebv_gas (mag), sigma_gas (km/s), fibre_h (share of the light in the fibre at 1.65
    µm), line_snr_1, line_snr_2 (S/N of the strongest two lines outside bright sky), mag_r ...
    mag_ks (AB, measured). `kind` is quiescent, star-forming or starburst; in "realistic" also agn,
    blend (a second galaxy in the fibre), star, outside (redshifts beyond the bins), failed (a
    fibre without light).
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from astropy.table import vstack

from common import cli
from common.errors import UsageError
from common.files import atomic_path
from common.mocks import moons_camera
from mtopnet.config import MOCKS
from mtopnet.mock import files as mock_files
from mtopnet.mock.realistic import Realistic
from mtopnet.mock.universe import VARIANTS, Universe

CHUNK = 250  # galaxies made at a time, and in one file
VERSION = 4  # of the recipe; files of another one are made anew
BOTH = ("faint", "realistic")  # that "both" is made of, half of the galaxies each


def make_mock(
    *, n, seed, out_dir, exposures=(2, 4, 8), offline=False, progress=True, variant="default",
):  # fmt: skip
    """Write a mock of MOONS galaxies with labels.

    Parameters
    ----------
    n : int
        Galaxies; each is seen once for each exposure.
    seed : int
        Not negative. Same seed, variant and exposures: same galaxies; a larger n leaves all whole
        files as they are and adds some.
    out_dir : path-like
        Made where missing. Files of an interrupted call with the same arguments are kept.
    exposures : tuple of float
        Hours on target, in exposures of 300 s.
    offline, progress : bool
        Never touch the network; show a progress bar.
    variant : {"default", "shifted", "faint", "realistic", "both"}
        "shifted": other sky, throughput, calibration and line ratios; "faint": lines of a third of
        the flux; "realistic": the same galaxies as an instrument would give them, and spectra that
        are of no such galaxy; "both": half of the galaxies from each of the last two, with the
        names and files that these have by themselves. See `VARIANTS`.

    Returns
    -------
    list of Path
        The files of spectra; labels.fits lies in out_dir.

    Raises
    ------
    UsageError
        If n, the seed, an exposure or the variant cannot be used.
    MissingDataError
        If a template archive is neither cached nor fetchable.
    """
    if n < 1:
        raise UsageError(f"n must be at least 1. Received {n}.")
    if seed < 0:
        raise UsageError(f"seed must not be negative. Received {seed}.")
    exposures = tuple(float(hours) for hours in exposures)
    if not exposures or not all(
        np.isfinite(hours) and moons_camera.exposures_of(hours) >= 1 for hours in exposures
    ):
        raise UsageError(
            f"exposures must be hours of at least one exposure of 300 s. Received {exposures}."
        )
    if len({f"{hours:g}" for hours in exposures}) < len(exposures):  # as ids name them
        raise UsageError(f"exposures must differ from each other. Received {exposures}.")
    if variant not in MOCKS:
        raise UsageError(f"variant must be one of {', '.join(MOCKS)}. Received {variant!r}.")
    out_dir, jobs = Path(out_dir), []
    for name, number in _parts(variant, n).items():
        universe = _universe(name, offline)
        stem = "moons-mock-realistic" if name == "realistic" else "moons-mock"
        for first in range(0, number, CHUNK):
            path = out_dir / "spectra" / f"{stem}-{first // CHUNK:05d}.fits"
            jobs.append((universe, name, path, first, min(CHUNK, number - first)))
    tables = []
    with cli.progress(total=n, unit="galaxies", shown=progress, desc="moons mock") as bar:

        def work(job):
            universe, name, path, first, size = job
            key = f"v{VERSION} seed={seed} size={size} hours={exposures} {name}"
            table = mock_files.finished(path, key)
            if table is None:
                rng = np.random.default_rng([seed, first, list(VARIANTS).index(name)])
                table = mock_files.write_file(path, key, universe, size, first, exposures, rng)
            bar.update(size)
            return table

        # numpy leaves Python's lock in its long loops: two threads make use of two cores.
        with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
            tables = list(pool.map(work, jobs))
    with atomic_path(out_dir / "labels.fits") as temporary:
        labels = vstack(tables, metadata_conflicts="silent")
        labels.meta = {"MOCK": True, "SEED": seed, "VARIANT": variant}
        labels.write(temporary, format="fits", overwrite=True)
    return [path for _, _, path, _, _ in jobs]


def _parts(variant, n):
    """Return {variant: number of galaxies} that a mock is made of."""
    if variant != "both":
        return {variant: n}
    return {name: m for name, m in zip(BOTH, (n - n // 2, n // 2), strict=True) if m}


def _universe(variant, offline):
    """Return the universe of a variant."""
    if variant == "realistic":
        return Realistic(offline=offline)
    return Universe(variant=variant, offline=offline)


def main(argv=None):
    """Run the command line; return the exit status."""
    p = cli.parser("python -m mtopnet.mock", "Write a mock of MOONS galaxies with labels.")
    p.add_argument("--n", type=int, default=1000, help="galaxies")
    p.add_argument("--seed", type=int, default=1, help="same seed, same galaxies")
    p.add_argument("--out", required=True, metavar="DIR", help="where files and figures go")
    p.add_argument(
        "--exposures", type=float, nargs="+", default=[2.0, 4.0, 8.0], metavar="HOURS",
        help="hours on target, one spectrum of a galaxy for each",
    )  # fmt: skip
    p.add_argument("--variant", choices=MOCKS, default="default",
                   help="shifted: other sky residuals, throughput and line ratios; faint: lines "
                   "of a third of the flux; realistic: these as an instrument would give them, "
                   "with stars, other redshifts and failed fibres; both: half faint, half "
                   "realistic")  # fmt: skip
    p.add_argument("--figures", action="store_true",
                   help="also draw the galaxies, some spectra and published relations")  # fmt: skip
    p.add_argument("--offline", action="store_true", help="never touch the network")
    p.add_argument("--quiet", action="store_true", help="no progress bar")
    return cli.run(_command, p.parse_args(argv))


def _command(args):
    paths = make_mock(
        n=args.n, seed=args.seed, out_dir=args.out, exposures=args.exposures,
        offline=args.offline, progress=not args.quiet, variant=args.variant,
    )  # fmt: skip
    print(f"{len(paths)} files of mock spectra (simulated, not observed) in {args.out}/spectra, "
          f"labels in {args.out}/labels.fits")  # fmt: skip
    if args.figures:
        from mtopnet.mock import figures as figures_mock

        for path in figures_mock.draw_all(Path(args.out), offline=args.offline):
            print(path)
