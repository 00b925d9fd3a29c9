"""The paper's galaxies from LAMOST DR10 and MPA-JHU: chosen by catalogue, fetched by obsid."""

from __future__ import annotations

import numpy as np
import pandas as pd

from common.archives import lamost
from common.archives.drawn import keep, write_list
from common.assets import fetch, get
from common.assets.lacking import lacking
from common.assets.registry import cache_dir, path, said_size
from common.cli import say
from common.errors import MissingDataError
from common.network import switched_off
from common.sample import place
from common.surveys.lamost_catalogue import read_general_catalogue
from common.surveys.mpajhu import read_mpajhu
from lamost_metallicity import selection

RELEASE = {"release": "dr10", "version": "v2.0"}  # Sect. 2: DR10
CATALOGUE = "dr10_v2.0_LRS_catalogue.fits.gz"
CATALOGUE_SIZE = 1_500_000_000  # bytes, about
LABELS = "mpajhu-dr8"
OFFLINE = "fetching is switched off (--offline)"


def folder():
    """Return the folder of all that was fetched of LAMOST's galaxies."""
    return cache_dir() / "lamost-dr10-galaxies"


def galaxies(catalogue):
    """Return the rows of LAMOST's general catalogue that are galaxies (Sect. 2)."""
    kind = catalogue["class"].str.strip().str.upper()
    return catalogue[kind == "GALAXY"].drop(columns="class").reset_index(drop=True)


def most_of(config):
    """Return how many spectra a configuration asks for, None for all."""
    return None if config.scale == "paper" else config.n_galaxies


def choose(objects, mpajhu, config, *, every=False):
    """Choose the spectra to fetch.

    Parameters
    ----------
    objects : DataFrame
        As of `galaxies`.
    mpajhu : DataFrame
        As `common.surveys.mpajhu.read_mpajhu` gives it.
    config : Config
        Limits of Sect. 2; below the paper's scale so many galaxies as of a mock, by a hash.
    every : bool
        Also galaxies without an MPA-JHU counterpart, which Sect. 5 predicts.

    Returns
    -------
    chosen : DataFrame
        id, ra, dec, z, snr_r, matched.
    counts : DataFrame
        As of `selection.select`.
    """
    sample, counts = selection.select(
        objects, mpajhu, z_max=config.z_max, snr_min=config.snr_min, radius=config.match_radius
    )
    chosen = sample if every else sample[sample["matched"]]
    most = most_of(config)
    if most is not None and most < len(chosen):
        order = np.argsort([place(f"sample/{i}", config.seed) for i in chosen["id"]])
        chosen = chosen.iloc[np.sort(order[:most])]
    return chosen[["id", "ra", "dec", "z", "snr_r", "matched"]].reset_index(drop=True), counts


def list_of(config, *, every=False):
    """Return the file that lists what a configuration asks for."""
    limits = f"z{config.z_max:g}-snr{config.snr_min:g}-r{config.match_radius:g}"
    size = "all" if most_of(config) is None else f"{most_of(config)}-seed-{config.seed}"
    return folder() / f"drawn-{size}-{limits}{'-unmatched-too' if every else ''}.csv"


def find(config, *, offline=False, notes=None, web=None, every=False):
    """Return the spectra of a configuration and the folder of labels, fetched where they lack.

    Parameters
    ----------
    config : Config
    offline : bool
        Use no network, and what is here.
    notes : path-like, optional
        Folder that gets drawn.csv, the list of what was asked for.
    web : common.assets.web.Web, optional
        Of `common.archives.lamost.session`.
    every : bool
        As of `choose`.

    Returns
    -------
    paths : list of Path
    labels : Path

    Raises
    ------
    MissingDataError
        If nothing of it is here or can be had: says what, how large, which command, which mock.
    """
    listed, spectra = list_of(config, every=every), folder() / "spectra"
    try:
        if not (offline or switched_off()):
            with web or lamost.session() as session:
                _fetch(listed, spectra, config, session, every)
        elif not listed.is_file():
            raise MissingDataError(OFFLINE)
        labels, ids = fetch(LABELS, offline=True), pd.read_csv(listed, dtype={"id": str})["id"]
        paths = lamost.here(ids, spectra)
        if not paths:
            raise MissingDataError(OFFLINE)
    except MissingDataError as error:
        raise _lacks(config, error) from None
    keep(listed, notes, n_here=len(paths), n=len(ids))
    return paths, labels


def _fetch(listed, spectra, config, web, every):
    """Fetch what lacks: catalogue and labels, the list, the spectra."""
    fetch(LABELS, progress=True)
    if not listed.is_file():
        file = lamost.fetch_catalogue(CATALOGUE, folder(), web=web, **RELEASE)
        objects, mpajhu = galaxies(read_general_catalogue(file)), read_mpajhu(path(LABELS))
        chosen, counts = choose(objects, mpajhu, config, every=every)
        say(selection.printed(counts))
        write_list(chosen, listed)
    ids = pd.read_csv(listed, dtype={"id": str})["id"]
    lamost.fetch_spectra(ids, spectra, web=web, **RELEASE)


def _lacks(config, why):
    known = selection.PUBLISHED['in MPA-JHU within 1"']
    n = min(most_of(config) or known, known)
    size = n * lamost.SIZE + CATALOGUE_SIZE + get(LABELS).bytes
    asked = "" if lamost.TOKEN.variable in str(why) else lamost.TOKEN.maybe("LAMOST")
    return lacking(
        dataset="lamost", what=f"{n} LAMOST DR10 spectra of galaxies and MPA-JHU's tables",
        size=f"about {said_size(size)}", why=why, more=asked,
        command=f"python -m lamost_metallicity.fetch --scale {config.scale}",
        mock="python -m lamost_metallicity.train --dataset lamost-mock",
    )  # fmt: skip
