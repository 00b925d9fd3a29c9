"""What reads a file of a kind: every reader of spectra and of tables."""

from __future__ import annotations

from pathlib import Path

from common.surveys import (
    apogee,
    gaia_rvs,
    gaia_source,
    gaia_xp,
    lamost_catalogue,
    moons_labels,
    mpajhu,
    read_many,
    tablefile,
)
from common.surveys.describe import describe
from common.surveys.desi_catalogue import read_redshifts
from common.surveys.gaia_tables import columns_of, read_gaia_table
from common.surveys.read import read


def _many(path):
    for _ in read_many(path, progress=False):
        pass


def _columns(path):
    columns_of(path)
    tablefile.read_columns(path, ("source_id", "ra", "z", "flux"), ids=("source_id",))


def _mpajhu(path):
    """Read a folder in which the file stands for all tables of the catalogue."""
    mpajhu.read_mpajhu(path.parent)


def _parquet_or_text(path):
    moons_labels.read_labels(path)


ALL = {
    "spectra": (read, read, _many, describe),
    "redshifts": (read_redshifts,),
    "table": (gaia_source.read_gaia_source, read_gaia_table, _columns),
    "rvs": (gaia_rvs.read_rvs, gaia_rvs.read_rvs, read_gaia_table),
    "xp": (gaia_xp.read_xp, gaia_xp.read_xp, gaia_source.read_gspspec),
    "allstar": (apogee.read_allstar,),
    "lasp": (lamost_catalogue.read_star_catalogue,),
    "labels": (_parquet_or_text,),
    "mpajhu": (_mpajhu,),
}
ANY = (read, _many, read_gaia_table, _columns, gaia_rvs.read_rvs, gaia_xp.read_xp,
       apogee.read_allstar, describe, read_redshifts, lamost_catalogue.read_star_catalogue,
       _parquet_or_text)  # fmt: skip


def reader_of(kind, rng):
    """Return a reader for a file of a kind; one time in ten any one at all."""
    return rng.choice(ANY if rng.random() < 0.1 and kind != "mpajhu" else ALL[kind])


def name_in(folder, seed):
    """Return the path under which a file is read."""
    if seed.kind != "mpajhu":
        return Path(folder) / seed.name
    return Path(folder) / "mpajhu" / seed.name
