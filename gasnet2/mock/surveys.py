"""Spectra of every class as five surveys would give them, in memory: for one network of them all.

`batches` yields them; `jobs` and `make` are the same in pieces, for several processes.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from common.errors import UsageError
from common.mocks.instrument import MODEL_PIXELS
from common.spectra import Spectra
from gasnet2.config import COARSE, EXTRA_CLASSES, SDSS_CLASSES
from gasnet2.mock.classes import Universe, distributions, draw_z_snr
from gasnet2.mock.compact import Compact
from gasnet2.mock.nothing import empty_fibres
from gasnet2.mock.odd_stars import OddStars
from gasnet2.mock.plates import SURVEYS, Plates
from gasnet2.mock.survey_classes import far_objects, measured_class, offset_fibres

CLASSES = (*SDSS_CLASSES, *EXTRA_CLASSES)
CHUNK = 250
AS_SDSS = 0.6  # share of galaxies and quasars at the redshifts and S/N of SDSS's own
PLAIN = 0.4  # share of the stars that are as narrow in type as the 13-class mock's
FARTHEST = {"GALAXY": 1.7, "QSO": 6.2}
# Beyond this (Å) no strong feature is left on the grid: [O II], Lyman alpha.
LAST_FEATURE = {"GALAXY": 3760.0, "QSO": 1240.0}
FAR = 0.57  # beyond it H alpha is out of sight, and galaxies are seen by [O II]
# Share of the galaxies with lines, of those drawn flat in z, that reach 1.7; the others reach
# `FAR`, as those beyond it are named GALAXY_nan in any case.
FAR_SHARE = 0.4


class SurveyUniverse(Universe):
    """A `Universe` with the classes that only surveys hold, and the surveys' noise.

    `offline` and its errors are those of `common.assets.fetch`.
    """

    def __init__(self, *, offline=False):
        super().__init__(offline=offline)
        self.odd = OddStars(self.stars, offline=offline)
        self.compact = Compact(np.exp(self.odd.dwarfs[1:]), offline=offline)
        self.table = distributions()
        self.plates = {name: Plates(survey, offline=offline) for name, survey in SURVEYS.items()}


_made = []


def universe_of(offline):
    """Return the `SurveyUniverse` of this process, made at the first call: it takes seconds."""
    if not _made:
        _made.append(SurveyUniverse(offline=offline))
    return _made[0]


def _flat(low, high, n, rng):
    return np.exp(rng.uniform(np.log(low), np.log(high), n))


def far_z_snr(name, n, rng, *, survey, table=None):
    """Draw redshifts and S/N: SDSS's own for `AS_SDSS` of them, else flat in z and in ln S/N.

    Parameters
    ----------
    name : str
        Of a class of galaxies or quasars.
    n : int
    rng : numpy.random.Generator
    survey : Survey
    table : dict, optional
        From `distributions`.

    Returns
    -------
    z, snr : ndarray of shape (n,)
    """
    z, snr = draw_z_snr(name, n, rng, table=table)
    wide = np.flatnonzero(rng.random(n) >= AS_SDSS)
    kind = COARSE[name]
    last = survey.wavelength[-1] / LAST_FEATURE[kind] - 1
    last = np.full(len(wide), min(FARTHEST[kind], last))
    if kind == "GALAXY" and name != "GALAXY_nan":
        last[rng.random(len(wide)) >= FAR_SHARE] = FAR
    z[wide] = rng.uniform(0.0 if kind == "GALAXY" else 0.05, last)
    snr[wide] = _flat(*survey.snr, len(wide), rng)
    faint = wide[(z[wide] > FAR) & (kind == "GALAXY")]  # far galaxies are seen by their lines
    snr[faint] = _flat(0.4, 10.0, len(faint), rng)
    return z, np.maximum(snr, 0.3)


def _star(universe, sub, n, rng):
    """Return flux, z and subclasses of stars of a type."""
    if sub == "WD":
        return universe.compact.white_dwarfs(n, rng)
    if sub == "CV":
        return *universe.compact.cataclysmic(n, rng), None
    if f"STAR_{sub}" in EXTRA_CLASSES:
        return *universe.odd.make(sub, n, rng), None
    flux, z = np.empty((n, MODEL_PIXELS), dtype=np.float32), np.empty(n)
    plain = rng.random(n) < (PLAIN if sub != "A0" else 0.25)
    for rows, make in ((plain, universe.star), (~plain, universe.odd.make)):
        if rows.any():
            flux[rows], z[rows] = make(sub, int(rows.sum()), rng)
    return flux, z, None


def spectra_of(universe, name, n, rng, *, survey, first=0):
    """Return simulated spectra of one class as one survey gives them.

    Parameters
    ----------
    universe : SurveyUniverse
    name : str
        One of `CLASSES`.
    n : int
    rng : numpy.random.Generator
    survey : str
        A name of `SURVEYS`.
    first : int
        Number of the first spectrum, for the ids.

    Returns
    -------
    Spectra
        On the survey's grid; meta holds class, subclass, label, z, snr (median per pixel as
        measured), vdisp (km/s, where known), survey, mock. The subclass of a galaxy or quasar is
        that which SDSS's rules give to the lines measured on its noisy spectrum: the label need
        not be the class that was asked for, only of the same coarse class.

    Raises
    ------
    UsageError
        If class or survey are unknown.
    """
    if name not in CLASSES:
        raise UsageError(f"class must be one of {', '.join(CLASSES)}. Received {name!r}.")
    if survey not in SURVEYS:
        raise UsageError(f"survey must be one of {', '.join(SURVEYS)}. Received {survey!r}.")
    plates, (kind, _, sub) = universe.plates[survey], name.partition("_")
    subclass, vdisp = None, np.full(n, np.nan)
    if kind == "NONE":
        flux, snr = empty_fibres(plates, n, rng)
        z = np.zeros(n)
    elif kind == "STAR":
        flux, z, subclass = _star(universe, sub, n, rng)
        low, high = plates.survey.snr
        snr = np.where(
            rng.random(n) < 0.5, _flat(1.5 * low, 2.0 * high, n, rng),
            np.clip(rng.lognormal(np.log(18.0), 0.7, n), 2.0, 120.0),
        )  # fmt: skip
    else:
        z, snr = far_z_snr(name, n, rng, survey=plates.survey, table=universe.table)
        flux, vdisp = far_objects(universe, name, z, rng)
        if survey == "boss" and kind == "QSO":
            flux *= offset_fibres(n, rng)
    noisy, ivar = plates.observe(flux, snr, rng)
    label = np.full(n, name)
    if kind in FARTHEST:
        label = measured_class(
            universe, kind, wave=plates.survey.wavelength, flux=noisy, ivar=ivar, z=z
        )
        subclass = [text.partition("_")[2].replace("nan", "") for text in label]
    found = [np.median(f[i > 0] * np.sqrt(i[i > 0])) for f, i in zip(noisy, ivar, strict=True)]
    meta = pd.DataFrame(
        {
            "class": kind,
            "subclass": subclass if subclass is not None else sub.replace("nan", ""),
            "label": label,
            "z": z,
            "snr": np.array(found, dtype=float),
            "vdisp": vdisp,
            "survey": survey,
            "mock": True,
        }
    )
    ids = [f"mock-{survey}-{name}-{first + k:06d}" for k in range(n)]
    return Spectra(wavelength=plates.survey.wavelength, flux=noisy, ivar=ivar, ids=ids, meta=meta)


@dataclass(frozen=True)
class Job:
    """One batch: what `make` needs, and enough to name a file by (`name`, `number`)."""

    name: str
    survey: str
    number: int  # of the batch within its class
    first: int  # number of its first spectrum within the class
    size: int
    seed: int


def jobs(*, classes=CLASSES, per_class, seed, surveys=tuple(SURVEYS), chunk=CHUNK):
    """Return the batches of a mock, a list of `Job`, in which classes alternate.

    Parameters
    ----------
    classes : sequence of str
        Of `CLASSES`.
    per_class : int
        Spectra per class, all surveys together.
    seed : int
    surveys : sequence of str
        Names of `SURVEYS`; every class takes them in turn.
    chunk : int
        Most spectra of a batch; it is less where a class would not get to all surveys.

    Raises
    ------
    UsageError
        If a number is not positive.
    """
    if per_class < 1 or chunk < 1:
        raise UsageError(
            f"per_class and chunk must be at least 1. Received {per_class} and {chunk}."
        )
    chunk = min(chunk, -(-per_class // len(surveys)))
    return [
        Job(
            name=name, survey=surveys[(number + k) % len(surveys)], number=number, first=first,
            size=min(chunk, per_class - first), seed=seed,
        )
        for number, first in enumerate(range(0, per_class, chunk))
        for k, name in enumerate(classes)
    ]  # fmt: skip


def make(job, *, offline=False):
    """Return the `Spectra` of a `Job`; they depend on nothing else.

    `offline` and its errors are those of `common.assets.fetch`.
    """
    rng = np.random.default_rng([job.seed, zlib.crc32(job.name.encode()), job.number])
    return spectra_of(
        universe_of(offline), job.name, job.size, rng, survey=job.survey, first=job.first
    )


def batches(*, classes=CLASSES, per_class, seed, surveys=tuple(SURVEYS), offline=False,
            chunk=CHUNK):  # fmt: skip
    """Yield the `Spectra` of `jobs`, one class and survey at a time; errors as there."""
    for job in jobs(classes=classes, per_class=per_class, seed=seed, surveys=surveys, chunk=chunk):
        yield make(job, offline=offline)
