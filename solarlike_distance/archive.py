"""The paper's stars from LAMOST, APOGEE and Gaia: chosen by table, fetched by obsid."""

from __future__ import annotations

import numpy as np
import pandas as pd

from common.archives import gaia, lamost
from common.archives.drawn import keep, write_list
from common.assets import fetch, get
from common.assets.lacking import lacking
from common.assets.registry import cache_dir, said_size
from common.cli import say
from common.errors import MissingDataError
from common.files import link
from common.network import switched_off
from common.sample import place
from solarlike_distance import selection
from solarlike_distance.labels import sources

RELEASE = {"release": "dr9", "version": "v1.1"}  # Sect. 2.1
CATALOGUE = "dr9_v1.1_LRS_stellar.fits.gz"
CATALOGUE_SIZE = 1_400_000_000  # bytes, about
APOGEE = "allstar-dr17"
OFFLINE = "fetching is switched off (--offline)"


def folder():
    """Return the folder of all that was fetched of LAMOST's stars; its tables are in tables/."""
    return cache_dir() / "lamost-dr9-stars"


def most_of(config):
    """Return how many spectra a configuration asks for, None for all."""
    return None if config.scale == "paper" else config.n_stars


def list_of(config):
    """Return the file that lists what a configuration asks for."""
    size = "all" if most_of(config) is None else f"{most_of(config)}-seed-{config.seed}"
    return folder() / f"drawn-{size}.csv"


def choose(tables, config):
    """Choose the spectra to fetch: those that pass all cuts, below the paper's scale some.

    Parameters
    ----------
    tables : solarlike_distance.labels.sources.Tables
    config : Config

    Returns
    -------
    chosen : DataFrame
        id, key, ra, dec, source_id, APOGEE_ID.
    counts : DataFrame
        As of `selection.select`.
    """
    sample, counts = selection.select(tables, config)
    sample = sample[sample["id"] != ""]
    most = most_of(config)
    if most is not None and most < len(sample):
        order = np.argsort([place(f"sample/{i}", config.seed) for i in sample["id"]])
        sample = sample.iloc[np.sort(order[:most])]
    columns = ["id", "key", "ra", "dec", "source_id", "APOGEE_ID"]
    return sample[columns].reset_index(drop=True), counts


def find(config, *, offline=False, notes=None, web=None):
    """Return the spectra of a configuration and the folder of tables, fetched where they lack.

    Parameters
    ----------
    config : Config
    offline : bool
        Use no network, and what is here.
    notes : path-like, optional
        Folder that gets drawn.csv, the list of what was asked for.
    web : common.assets.web.Web, optional
        Of `common.archives.lamost.session`.

    Returns
    -------
    paths : list of Path
    tables : Path

    Raises
    ------
    MissingDataError
        If nothing of it is here or can be had: says what, how large, which command, which mock.
    """
    listed, spectra = list_of(config), folder() / "spectra"
    try:
        if not (offline or switched_off()):
            with web or lamost.session() as session:
                _fetch(listed, spectra, config, session)
        elif not listed.is_file():
            raise MissingDataError(OFFLINE)
        ids = pd.read_csv(listed, dtype={"id": str})["id"]
        paths = lamost.here(ids, spectra)
        if not paths:
            raise MissingDataError(OFFLINE)
    except MissingDataError as error:
        raise _lacks(config, error) from None
    keep(listed, notes, n_here=len(paths), n=len(ids))
    return paths, folder() / "tables"


def _fetch(listed, spectra, config, web):
    """Fetch what lacks: the tables one after the other, the list, the spectra."""
    tables = folder() / "tables"
    if not listed.is_file():
        lamost.fetch_catalogue(CATALOGUE, tables, web=web, **RELEASE)
        allstar = get(APOGEE).paths[0].rsplit("/", 1)[-1]
        link(fetch(APOGEE, progress=True) / allstar, tables / allstar)
        stars, apogee = sources.read_stars_and_apogee(tables)
        _, _, row, _ = selection.candidates(stars, apogee, config)
        ids = apogee["source_id"].take(np.unique(row)).dropna().astype("int64")
        gaia.fetch_sources(ids, tables / "gaia_source.fits", web=web)
        gaia.fetch_distances(ids, tables / "geodist.fits", web=web)
        chosen, counts = choose(sources.read_tables(tables), config)
        say(selection.printed(counts))
        write_list(chosen, listed)
    ids = pd.read_csv(listed, dtype={"id": str})["id"]
    lamost.fetch_spectra(ids, spectra, web=web, **RELEASE)


def _lacks(config, why):
    known = selection.PUBLISHED["S/N_g and FIBERMASK"]
    n = min(most_of(config) or known, known)
    size = n * lamost.SIZE + CATALOGUE_SIZE + get(APOGEE).bytes
    asked = "" if lamost.TOKEN.variable in str(why) else lamost.TOKEN.maybe("LAMOST")
    return lacking(
        dataset="lamost",
        what=f"{n} LAMOST DR9 spectra of stars and tables of LASP, APOGEE, Gaia and distances",
        size=f"about {said_size(size)}", why=why, more=asked,
        command=f"python -m solarlike_distance.fetch --scale {config.scale}",
        mock="python -m solarlike_distance.train --dataset lamost-mock",
    )  # fmt: skip
