"""The paper's SDSS sample rebuilt: 13 classes of DR16, drawn by a hash, spectrum by spectrum."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from common.archives import sdss
from common.archives.desi import frame_of
from common.archives.drawn import write_list
from common.archives.tap import query
from common.assets.registry import cache_dir, server
from gasnet2.classes import fine_class
from gasnet2.selection import select

TABLE = "sdss_dr16.specobj"  # default: primary spectra, one an object
COLUMNS = ("plate", "mjd", "fiberid", "run2d", "class", "subclass", "z", "snmedian")
KEPT = ("class", "plate", "mjd", "fiberid", "run2d", "z", "snr")


def query_of(name):
    """Return the query of all spectra of a class of Table 1, such as "GALAXY_AGN"."""
    coarse, subclass = name.split("_", 1)
    same = (
        f"subclass = '{subclass}'" if subclass != "nan" else "(subclass IS NULL OR subclass = '')"
    )
    return f"SELECT {', '.join(COLUMNS)} FROM {TABLE} WHERE class = '{coarse}' AND {same}"


def labelled(table):
    """Return rows of SDSS's specObj, of TAP or of its FITS file, as `gasnet2.selection` takes them.

    Parameters
    ----------
    table : DataFrame
        plate, mjd, fiberid, run2d, class, subclass, z, snmedian or sn_median_all, in any case.
    """
    table = table.rename(columns=str.lower).rename(columns={"sn_median_all": "snmedian"})
    text = {n: table[n].fillna("").astype(str).str.strip() for n in ("class", "subclass", "run2d")}
    out = table[["plate", "mjd", "fiberid", "z"]].assign(run2d=text["run2d"], snr=table["snmedian"])
    out["class"] = [fine_class(*pair, "sdss")
                    for pair in zip(text["class"], text["subclass"], strict=True)]  # fmt: skip
    names = (table[name].astype(int).astype(str) for name in ("plate", "mjd", "fiberid"))
    out["id"] = ["-".join(parts) for parts in zip(*names, strict=True)]
    return out


def folder():
    """Return the folder of all that was fetched of SDSS DR16."""
    return cache_dir() / "sdss-dr16"


def list_of(config):
    """Return the file that lists what a configuration draws."""
    only = "" if not config.only else "-" + "-".join(config.only)
    return folder() / f"drawn-{config.per_class}-of-each-seed-{config.seed}{only}.csv"


def drawn(config, *, web):
    """Return the spectra that a configuration draws, asking the archive where that is needed.

    Returns
    -------
    DataFrame
        `KEPT`, written to `list_of` too.

    Raises
    ------
    ServerError
        If the archive does not answer.
    """
    path = list_of(config)
    if not path.is_file():
        parts = []
        for name in config.classes:
            file = folder() / "classes" / f"{name}.fits"
            table = labelled(frame_of(query(server("datalab-tap"), query_of(name), file, web=web)))
            parts.append(select(table, config)[0])
        write_list(pd.concat(parts, ignore_index=True)[list(KEPT)], path)
    return read(path)


def read(path):
    """Return a list of spectra that `drawn` wrote."""
    return pd.read_csv(path, dtype={"run2d": str, "class": str})


def files_of(rows, where=None):
    """Return the files of some spectra that are here, list of Path."""
    where = Path(where or folder() / "spectra")
    columns = (rows[name] for name in ("run2d", "plate", "mjd", "fiberid"))
    paths = [sdss.path_of(run2d=r, plate=p, mjd=m, fiberid=f).split("/")[-2:]
             for r, p, m, f in zip(*columns, strict=True)]  # fmt: skip
    return [file for parts in paths if (file := where.joinpath(*parts)).is_file()]


def size_of(config):
    """Return how many bytes the spectra of a configuration are, about."""
    return len(config.classes) * config.per_class * sdss.SIZE
