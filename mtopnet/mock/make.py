"""Mock MOONS spectra: a forward model in the files of MOONS1D, the instrument's own simulator.

Files that `make_mock` writes under its folder:

spectra/moons-mock-NNNNN.fits
    MOONS1D's merged layout (see `common.surveys.moons`), but many spectra a file: HDUs DATA_x and
    ERR_x of shape (spectra, pixels) in erg / (s cm2 Å), QUAL_x and Sky of one row, for the arms x =
    RI, YJ, H, and a table TARGETS with one row for each spectrum. Card MOCK = T.
labels.fits
    The rows of all TARGETS: id, galaxy, exposure (h), z, log_mass, log_sfr (Chabrier), m_h (AB,
    without noise), f_ha, f_oiii (erg / (s cm2), dimmed by dust, before the fibre), f_ha_fibre (Ha
    inside the fibre), kind, sersic_n, r_e (arcsec, circularised), oh (12 + log O/H, N2 of PP04),
    ebv_stars, ebv_gas (mag), sigma_gas (km/s), fibre_h (share of the light in the fibre at 1.65
    µm), line_snr_1, line_snr_2 (S/N of the strongest two lines outside bright sky), mag_r ...
    mag_ks (AB, measured).
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
from common.mocks import moons, moons_camera
from mtopnet.config import Config
from mtopnet.mock import files as mock_files
from mtopnet.mock import lines as mock_lines
from mtopnet.mock import population as mock_population
from mtopnet.mock.continuum import ABSORPTION, BANDS, WIND_KMS, Continua, absorption

CHUNK = 250  # galaxies made at a time, and in one file
VERSION = 4  # of the recipe; files of another one are made anew
M_H, LOG_MASS = 25.0, 9.0  # Sect. 2: brighter than this, or of more mass
UNIT = moons_camera.Camera.UNIT
# 5-sigma depths (AB) of the measured magnitudes, like COSMOS2020's (Weaver et al. 2022); the floor.
DEPTHS = {"r": 27.2, "i": 27.0, "z": 26.6, "y": 25.7, "j": 25.9, "h": 25.5, "ks": 25.2}
FLOOR = 0.03  # mag

# What is different in the second universe, on which a network trained on the first is tried: a
# brighter night seen less deep, imperfect sky subtraction and flux calibration, other gas.
VARIANTS = {
    "default": (moons_camera.Observation(), {}),
    "shifted": (
        moons_camera.Observation(
            seeing=1.0, airmass=1.4, sky_residual=0.01, sky_shift=0.03, throughput=0.8,
            calibration=0.10, sky_level=1.3,
        ),
        {"o3": 0.15, "n2": 0.15, "o2": -0.2, "s2": -0.1},
    ),
    # All lines fainter, so that half of the galaxies pass F(Ha) > 1e-17 as Sect. 4.1 has it. The
    # relations that the paper names give 10^-16.55 with its rates, which Fig. 2 calls average.
    "faint": (moons_camera.Observation(), {"lines": -0.45}),
}  # fmt: skip


class Universe:
    """Everything that the mock needs, loaded once.

    Parameters
    ----------
    variant : str
        One of `VARIANTS`.
    offline : bool
        Never touch the network.

    Raises
    ------
    UsageError
        If the variant is unknown.
    MissingDataError
        If an archive is neither cached nor fetchable.
    """

    def __init__(self, *, variant="default", offline=False):
        if variant not in VARIANTS:
            raise UsageError(f"variant must be one of {', '.join(VARIANTS)}. Received {variant!r}.")
        self.observation, self.shift = VARIANTS[variant]
        self.camera = moons_camera.Camera(self.observation, offline=offline)
        self.sky_lines = mock_files.sky_lines(self.camera.photons)
        self.masked = moons.sky_photons(offline=offline) > Config.sky_limit
        self.continua = Continua(offline=offline)

    def draw(self, n, rng):
        """Return n galaxies of the paper's selection, 0.7 < z < 3 and m_H < 25 or log M > 9.

        Returns
        -------
        galaxies : dict of str to ndarray of shape (n,)
            As `mock_population.draw`, and m_h.
        """
        parts, found = [], 0
        while found < n:
            galaxies = mock_population.draw(4 * n, rng)
            galaxies["m_h"] = self.continua.magnitudes(galaxies, bands=("h",))["h"]
            keep = selected(m_h=galaxies["m_h"], log_mass=galaxies["log_mass"])
            parts.append({name: values[keep] for name, values in galaxies.items()})
            found += int(keep.sum())
        return {name: np.concatenate([p[name] for p in parts])[:n] for name in parts[0]}

    def make(self, n, rng):
        """Return n galaxies as the fibre receives them.

        Returns
        -------
        flux : ndarray of shape (n, 12217), float32
            Noise-free, inside the fibre, 1e-19 erg / (s cm2 Å).
        galaxies : dict of str to ndarray of shape (n,)
            What was planted; also oh, fibre_h and mag_*.
        fluxes : dict of str to ndarray of shape (n,)
            Line fluxes before the fibre, erg / (s cm2).
        share : ndarray of shape (n, 12217), float32
            Of the light in the fibre.
        """
        galaxies = self.draw(n, rng)
        weights = self.continua.weights(galaxies)
        wave = moons.grid()
        flux = self.continua.observed(galaxies, wave, weights)

        def level(rest):
            at = np.clip(np.searchsorted(wave, rest * (1 + galaxies["z"])), 30, len(wave) - 31)
            near = at[:, None] + np.arange(-30, 31, 6)
            return np.take_along_axis(flux, near, axis=1).mean(axis=1)

        holes = absorption(galaxies, level, rng)
        rests = {name: rest for name, (rest, _) in ABSORPTION.items()}
        slow = np.full(n, WIND_KMS)
        mock_lines.add_lines(flux, fluxes=holes, z=galaxies["z"], kms=slow, wavelengths=rests)
        fluxes = mock_lines.observed(galaxies, rng, shift=self.shift)
        scaled = {name: values / UNIT for name, values in fluxes.items()}
        mock_lines.add_lines(flux, fluxes=scaled, z=galaxies["z"], kms=galaxies["sigma_gas"])
        share = moons_camera.fibre_share(
            r_e=galaxies["r_e"], n=galaxies["sersic_n"], observation=self.observation
        )
        flux *= share
        galaxies["oh"] = mock_lines.abundance(
            galaxies["log_mass"], galaxies["log_sfr"], galaxies["z"]
        )
        galaxies["fibre_h"] = share[:, np.searchsorted(wave, 16450.0)]
        magnitudes = self.continua.magnitudes(galaxies, weights)
        for band in BANDS:
            galaxies[f"mag_{band}"] = measured(magnitudes[band], band, rng)
        return flux, galaxies, fluxes, share


def selected(*, m_h, log_mass):
    """Return a mask of the galaxies that the paper's sample holds (Sect. 2)."""
    return (m_h < M_H) | (log_mass > LOG_MASS)


def measured(magnitude, band, rng):
    """Return measured AB magnitudes: a survey's depth, a floor, at most the depth's 1 sigma."""
    sigma = 0.2 * 10 ** (-0.4 * DEPTHS[band])
    flux = 10 ** (-0.4 * magnitude)
    flux = flux + np.hypot(sigma, flux * FLOOR / 1.086) * rng.standard_normal(len(flux))
    return -2.5 * np.log10(np.maximum(flux, sigma))


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
    variant : {"default", "shifted", "faint"}
        "shifted": other sky, throughput, calibration and line ratios; "faint": lines of a third of
        the flux. See `VARIANTS`.

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
    out_dir = Path(out_dir)
    universe = Universe(variant=variant, offline=offline)
    jobs = []
    for first in range(0, n, CHUNK):
        path = out_dir / "spectra" / f"moons-mock-{first // CHUNK:05d}.fits"
        jobs.append((path, first, min(CHUNK, n - first)))
    tables = []
    with cli.progress(total=n, unit="galaxies", shown=progress, desc="moons mock") as bar:

        def work(job):
            path, first, size = job
            key = f"v{VERSION} seed={seed} size={size} hours={exposures} {variant}"
            table = mock_files.finished(path, key)
            if table is None:
                rng = np.random.default_rng([seed, first, list(VARIANTS).index(variant)])
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
    return [path for path, _, _ in jobs]


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
    p.add_argument("--variant", choices=tuple(VARIANTS), default="default",
                   help="shifted: other sky residuals, throughput and line ratios; faint: lines "
                   "of a third of the flux")  # fmt: skip
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
