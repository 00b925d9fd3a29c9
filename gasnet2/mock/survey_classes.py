"""Galaxies and quasars of the surveys: mixed kinds, named by SDSS's rules from noisy spectra."""

from __future__ import annotations

import numpy as np

from common.mocks.instrument import MODEL_PIXELS, STEP, model_grid
from common.resample import log_overlap
from gasnet2.mock.pipeline_classes import is_broad, subclasses
from gasnet2.mock.sdss import ELG_Z, draw_kinds


def far_objects(universe, name, z, rng):
    """Return noiseless spectra of what a class is drawn from, and velocity dispersions.

    Parameters
    ----------
    universe : gasnet2.mock.classes.Universe
    name : str
        Of a class of galaxies or quasars.
    z : ndarray of shape (n,)
    rng : numpy.random.Generator

    Returns
    -------
    flux : ndarray of shape (n, MODEL_PIXELS)
    vdisp : ndarray of shape (n,)
        km/s; NaN for quasars.
    """
    kinds = draw_kinds(name, z, rng)
    if name.startswith("GALAXY_STAR"):
        kinds = np.where(z > ELG_Z[0], "ELG", kinds)
    flux = np.empty((len(z), MODEL_PIXELS), dtype=np.float32)
    vdisp = np.full(len(z), np.nan)
    for kind in sorted(set(kinds)):
        rows = kinds == kind
        if name.startswith("GALAXY"):
            flux[rows], vdisp[rows] = universe.galaxy_and_dispersion(kind, z[rows], rng)
        else:
            flux[rows] = universe.quasar(kind, z[rows], rng)
    return flux, vdisp


def offset_fibres(n, rng):
    """Return how much too blue BOSS's quasars are, ndarray of shape (n, MODEL_PIXELS).

    Their fibres were set for 4000 Å, those of the standard stars for 5400 Å (Dawson et al. 2013,
    AJ 145, 10, Sect. 2; Margala et al. 2016, ApJ 831, 157: a power law of differing slope). Every
    second one here, as later plates have less of it.
    """
    slope = np.where(rng.random(n) < 0.5, np.abs(rng.normal(0.0, 0.7, n)), 0.0)
    return np.exp(-np.outer(slope, np.log(model_grid() / 5400.0))).astype(np.float32)


def measured_class(universe, coarse, *, wave, flux, ivar, z):
    """Return the class that lines measured on noisy spectra give, ndarray of str (n,).

    Parameters
    ----------
    universe : gasnet2.mock.classes.Universe
    coarse : {"GALAXY", "QSO"}
    wave : ndarray of shape (m,)
        Å; the spectra are brought to steps of 1e-4 in log10 first.
    flux, ivar : ndarrays of shape (n, m)
    z : ndarray of shape (n,)

    Returns
    -------
    ndarray of str
        Of `gasnet2.config.SDSS_CLASSES`: of a galaxy's second name, BROADLINE, nothing is kept.
    """
    first = np.log10(wave[0])
    n = int((np.log10(wave[-1]) - first) / STEP) + 1
    matrix = log_overlap(wave, first=first, step=STEP, n=n)
    weight = (matrix @ ivar.T).T
    total = (matrix @ (ivar * flux).T).T
    flux = np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)
    lines = universe.pipeline.measure(flux, weight, z=z, kind=coarse, log0=first)
    if coarse == "QSO":
        return np.where(is_broad(lines), "QSO_BROADLINE", "QSO_nan")
    names = [sub.split(" ")[0] for sub in subclasses(lines)]
    return np.array([f"GALAXY_{sub if sub not in ('', 'BROADLINE') else 'nan'}" for sub in names])
