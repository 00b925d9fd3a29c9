"""SDSS's tree of spectra: one spec-lite file for each plate, date and fibre."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from common.archives.tree import Item, fetch_many
from common.assets.registry import server
from common.errors import ReadError

RUNS = {"26": "sdss", "103": "sdss", "104": "sdss"}  # the SDSS-I/II reductions; others are (e)BOSS
RELEASE = "dr16"
SIZE = 210_000  # bytes of a spec-lite file, about


def path_of(*, run2d, plate, mjd, fiberid, release=RELEASE):
    """Return the path of a spec-lite file in SDSS's tree.

    Parameters
    ----------
    run2d : str or int
        The reduction, such as 26 or v5_13_0.
    plate, mjd, fiberid : int
    release : str
    """
    tree = RUNS.get(str(run2d), "eboss")
    name = f"spec-{int(plate):04d}-{int(mjd):05d}-{int(fiberid):04d}.fits"
    return f"{release}/{tree}/spectro/redux/{run2d}/spectra/lite/{int(plate):04d}/{name}"


def fetch_spectra(rows, folder, *, web, release=RELEASE, shown=True):
    """Fetch the spectra of a list.

    Parameters
    ----------
    rows : DataFrame
        plate, mjd, fiberid, run2d.
    folder : path-like
        Gets a folder for each plate.
    web, shown
        As of `common.archives.tree.fetch_many`, with its errors.
    release : str

    Returns
    -------
    common.archives.tree.Fetched
    """
    base, items = server("sdss"), []
    columns = (rows[name] for name in ("run2d", "plate", "mjd", "fiberid"))
    for run2d, plate, mjd, fiberid in zip(*columns, strict=True):
        path = path_of(run2d=run2d, plate=plate, mjd=mjd, fiberid=fiberid, release=release)
        name = f"{int(plate):04d}/{path.rsplit('/', 1)[-1]}"
        items.append(Item(f"{plate}-{mjd}-{fiberid}", f"{base}/{path}", name))
    return fetch_many(items, folder, web=web, label="SDSS spectra", shown=shown)


def read_list(path):
    """Read a list of spectra: plate-mjd-fibre a line, or a table with these columns.

    Parameters
    ----------
    path : path-like
        Text of lines such as ``266-51602-1`` (with the reduction after a space, where it is not
        26 or, from plate 3510 on, v5_13_0), or csv with plate, mjd, fiberid and run2d.

    Returns
    -------
    DataFrame
        plate, mjd, fiberid (int), run2d (str).

    Raises
    ------
    ReadError
        If a line is none of these.
    """
    with open(path, encoding="utf-8") as stream:
        lines = [line.strip() for line in stream if line.strip() and not line.startswith("#")]
    if lines and "plate" in lines[0].lower():
        table = pd.read_csv(path, comment="#", dtype={"run2d": str})
        table.columns = [name.strip().lower() for name in table.columns]
        lacking = {"plate", "mjd", "fiberid"} - set(table)
        if lacking:
            raise ReadError(path, f"no column {', '.join(sorted(lacking))}",
                            "plate, mjd, fiberid and, where known, run2d")  # fmt: skip
    else:
        found = [re.fullmatch(r"(?:spec-)?(\d+)-(\d+)-(\d+)(?:\.fits)?(?:[\s,]+(\S+))?", line)
                 for line in lines]  # fmt: skip
        if not found or not all(found):
            bad = next((x for x, m in zip(lines, found, strict=True) if not m), "an empty list")
            raise ReadError(path, bad, "lines of plate-mjd-fibre, such as 266-51602-1")
        table = pd.DataFrame([m.groups() for m in found],
                             columns=["plate", "mjd", "fiberid", "run2d"])  # fmt: skip
    for name in ("plate", "mjd", "fiberid"):
        table[name] = table[name].astype(int)
    guess = np.where(table["plate"] >= 3510, "v5_13_0", "26")
    if "run2d" not in table:
        table["run2d"] = guess
    table["run2d"] = table["run2d"].astype(object).where(table["run2d"].notna(), guess)
    return table[["plate", "mjd", "fiberid", "run2d"]]
