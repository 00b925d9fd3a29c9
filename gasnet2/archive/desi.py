"""The paper's DESI sample rebuilt: whole healpixels of the early data, as many as are needed."""

from __future__ import annotations

import pandas as pd

from common import sample
from common.archives import desi
from common.archives.drawn import write_list
from common.assets.registry import cache_dir
from gasnet2.selection import PARTS

MARGIN = 2.0  # default: objects of a class for each that is drawn; S/N is known from spectra alone
PIXELS = 40  # default: healpixels of the paper's sample, for what is said of its size


def folder():
    """Return the folder of all that was fetched of DESI's early data."""
    return cache_dir() / "desi-edr"


def list_of(config):
    """Return the file that lists the healpixels of a configuration."""
    return folder() / f"pixels-{config.per_class}-of-each-seed-{config.seed}.csv"


def choose_pixels(counts, *, classes, per_class, seed):
    """Choose healpixels, in the order of a hash, until there is enough of each class.

    Parameters
    ----------
    counts : DataFrame
        survey, program, healpix, spectype, n (objects with ZWARN = 0).
    classes : sequence of str
        STAR, QSO, GALAXY.
    per_class : int
    seed : int

    Returns
    -------
    DataFrame
        survey, program, healpix and n of each class. All there are where these are not enough.
    """
    counts = counts[counts["spectype"].isin(classes) & counts["survey"].isin(PARTS)]
    table = counts.pivot_table(index=list(desi.PIXEL), columns="spectype", values="n",
                               aggfunc="sum", fill_value=0)  # fmt: skip
    table = table.reindex(columns=list(classes), fill_value=0).reset_index()
    names = ["-".join(map(str, row)) for row in table[list(desi.PIXEL)].itertuples(index=False)]
    order = pd.Series([sample.place(f"sample/{n}", seed) for n in names], dtype=float).argsort()
    table = table.iloc[order].reset_index(drop=True)
    before = table[list(classes)].cumsum() - table[list(classes)]
    return table[(before < MARGIN * per_class).any(axis=1)].reset_index(drop=True)


def drawn(config, *, web):
    """Return the healpixels of a configuration, asking the archive where that is needed."""
    path = list_of(config)
    if not path.is_file():
        counts = desi.counts(folder() / "counts.fits", web=web, surveys=PARTS)
        chosen = choose_pixels(counts, classes=config.classes, per_class=config.per_class,
                               seed=config.seed)  # fmt: skip
        write_list(chosen, path)
    return read(path)


def read(path):
    """Return a list of healpixels that `drawn` wrote."""
    return pd.read_csv(path)


def files_of(pixels, where=None):
    """Return the coadds of some healpixels whose redshifts are here too, list of Path."""
    where, found = where or folder() / "spectra", []
    for row in pixels.itertuples():
        names = desi.paths_of(survey=row.survey, program=row.program, healpix=int(row.healpix))
        coadd, redrock = (where / name.rsplit("/", 1)[-1] for name in names)
        if coadd.is_file() and redrock.is_file():
            found.append(coadd)
    return found


def size_of(config):
    """Return how many bytes the files of a configuration are, about."""
    return max(1, round(PIXELS * config.per_class / 7000)) * desi.SIZE
