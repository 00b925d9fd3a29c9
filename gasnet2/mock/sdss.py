"""The SDSS mock's spectra: a mixed population is observed, and the pipeline's rules name it.

A spectrum of a class is drawn at a redshift and S/N of that class, as one of several kinds of
galaxy or quasar, observed, and kept where the subclass measured on the noisy spectrum is the
class's own. So a star-forming galaxy whose lines drown has no subclass, and a quasar is BROADLINE
where its lines are seen, as in the survey.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from common.mocks import instrument
from common.mocks.noise import FibreNoise
from gasnet2.mock.classes import distributions, draw_z_snr, sdss_star
from gasnet2.mock.pipeline_classes import is_broad, subclasses

CHUNK = 250  # spectra made at a time: 14 MB per array at rest
# What a class is drawn from: mostly what it should be, and all else that noise may take for it.
MIXTURES = {
    "GALAXY_nan": {"nan": 0.82, "STARFORMING": 0.08, "COMPOSITE": 0.05, "AGN": 0.05},
    "GALAXY_AGN": {"AGN": 0.68, "COMPOSITE": 0.2, "nan": 0.04, "STARFORMING": 0.08},
    "GALAXY_STARFORMING": {"STARFORMING": 0.8, "COMPOSITE": 0.1, "STARBURST": 0.05, "AGN": 0.05},
    "GALAXY_STARBURST": {"STARBURST": 0.8, "STARFORMING": 0.15, "AGN": 0.05},
    "QSO_nan": {"BROADLINE": 0.35, "nan": 0.45, "weak": 0.2},
    "QSO_BROADLINE": {"BROADLINE": 0.6, "nan": 0.35, "weak": 0.05},
}
# Share of emission-line galaxies among GALAXY_nan by redshift, the rest being red. About what the
# numbers of targets give: BOSS's and eBOSS's red galaxies reach 0.7 and 1.0, eBOSS's emission-line
# targets span 0.6 to 1.1 (Reid et al. 2016, MNRAS 455, 1553; Ross et al. 2020, MNRAS 498, 2354;
# Raichoor et al. 2021, MNRAS 500, 3254).
ELG_Z = (0.57, 0.65, 0.70, 0.75, 0.80, 0.90, 1.00, 1.10)
ELG_SHARE = (0.0, 0.08, 0.18, 0.35, 0.50, 0.65, 0.85, 0.95)
TRIES = 6  # at one redshift and S/N; then others of the class are drawn
ROUNDS = 500  # of drawing: where these do not do, something is wrong with the rules


@dataclass
class Observed:
    """Observed spectra of a class and what is known of them.

    Attributes
    ----------
    flux, ivar : ndarray of shape (n, BOSS_PIXELS), float32
        To 10350 Å: H alpha is seen to z = 0.57. Tables of SDSS spectra end at 9200 Å.
    z : ndarray of shape (n,)
    vdisp : ndarray of shape (n,)
        Velocity dispersion of the stars, km/s; 0 for stars and quasars.
    kind : ndarray of str, shape (n,)
        What the forward model made, whatever the pipeline takes it for.
    """

    flux: np.ndarray
    ivar: np.ndarray
    z: np.ndarray
    vdisp: np.ndarray
    kind: np.ndarray


class Survey:
    """Makes and classifies SDSS spectra.

    Parameters
    ----------
    universe : gasnet2.mock.classes.Universe
    offline : bool
        Never touch the network.
    """

    def __init__(self, universe, *, offline=False):
        self.universe = universe
        grid = instrument.SDSS_COEFF0 + instrument.STEP * np.arange(instrument.BOSS_PIXELS)
        self.noise = FibreNoise(10**grid, offline=offline)
        self._onto_grid = instrument.Resampler(self.noise.wavelength)
        self._table = distributions()

    def observe(self, flux, snr, rng):
        """Return noisy flux and ivar (n, BOSS_PIXELS) of noiseless spectra (n, MODEL_PIXELS)."""
        flux = self._onto_grid(flux)
        self.noise.miscalibrate(flux, rng)
        return self.noise.observe(*self.noise.scaled(flux, snr=snr, rng=rng), rng)

    def stars(self, kind, n, rng):
        """Return `Observed` stars of an SDSS type."""
        flux, z, snr = sdss_star(self.universe, kind, n, rng)
        return Observed(*self.observe(flux, snr, rng), z, np.zeros(n), np.full(n, kind))

    def candidates(self, name, z, snr, rng):
        """Return `Observed` galaxies or quasars that a class is chosen from, at these z and S/N."""
        kind = draw_kinds(name, z, rng)
        flux = np.empty((len(z), instrument.MODEL_PIXELS), dtype=np.float32)
        vdisp = np.zeros(len(z))
        for one in sorted(set(kind)):
            rows = kind == one
            if name.startswith("GALAXY"):
                made = self.universe.galaxy_and_dispersion(one, z[rows], rng)
                flux[rows], vdisp[rows] = made
            else:
                flux[rows] = self.universe.quasar(one, z[rows], rng)
        return Observed(*self.observe(flux, snr, rng), z, vdisp, kind)

    def belongs(self, name, spectra):
        """Return where the pipeline would give observed spectra this class, ndarray of bool.

        Of quasars only BROADLINE is asked for: a second name beside it hangs on how [N II] is told
        from a broad H alpha.
        """
        coarse, sub = name.split("_")
        lines = self.universe.pipeline.measure(spectra.flux, spectra.ivar, z=spectra.z, kind=coarse)
        if coarse == "QSO":
            return is_broad(lines) == (sub == "BROADLINE")
        return subclasses(lines) == sub.replace("nan", "")

    def draw(self, name, n, rng, progress):
        """Return n `Observed` spectra of one of the 13 classes.

        Parameters
        ----------
        name : str
        n : int
        rng : numpy.random.Generator
        progress : callable
            Called with the number of spectra that have been added.
        """
        coarse, sub = name.split("_")
        out = None
        z, snr = np.zeros(n), np.zeros(n)
        missing, tries = np.arange(n), np.full(n, TRIES)
        for _ in range(ROUNDS):
            anew = missing[tries[missing] >= TRIES]
            if coarse != "STAR":
                z[anew], snr[anew] = draw_z_snr(name, len(anew), rng, table=self._table)
            tries[anew] = 0
            left = []
            for first in range(0, len(missing), CHUNK):
                rows = missing[first : first + CHUNK]
                if coarse == "STAR":
                    made, kept = self.stars(sub, len(rows), rng), np.ones(len(rows), dtype=bool)
                else:
                    made = self.candidates(name, z[rows], snr[rows], rng)
                    kept = self.belongs(name, made)
                if out is None:
                    out = Observed(*(_room(n, v) for v in vars(made).values()))
                for into, values in zip(vars(out).values(), vars(made).values(), strict=True):
                    into[rows[kept]] = values[kept]
                left.append(rows[~kept])
                progress(int(kept.sum()))
            missing = np.concatenate(left)
            tries[missing] += 1
            if not len(missing):
                return out
        raise RuntimeError(f"{len(missing)} of {n} spectra of {name} were never classified so.")


def _room(n, values):
    """Return an empty array for n rows like these values, names of kinds of any length."""
    return np.empty((n, *values.shape[1:]), "U12" if values.dtype.kind == "U" else values.dtype)


def draw_kinds(name, z, rng):
    """Draw what each spectrum of a class may be, ndarray of str (n,): see `MIXTURES`."""
    kinds, shares = zip(*MIXTURES[name].items(), strict=True)
    out = rng.choice(kinds, len(z), p=shares)
    if name == "GALAXY_nan":
        emission = rng.random(len(z)) < np.interp(z, ELG_Z, ELG_SHARE)
        out = np.where(z > ELG_Z[0], np.where(emission, "ELG", "nan"), out)
    return out
