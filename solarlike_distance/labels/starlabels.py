"""What a catalogue of stars says of spectra: LASP's parameters, joined by obsid, key or file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from common.surveys.columns import stem
from common.surveys.lamost_catalogue import read_star_catalogue
from solarlike_distance.labels.photometry import Places
from solarlike_distance.selection import LASP

WAYS = ("not at all", "by obsid", "by night, plan and fibre", "by name")  # a spectrum is joined so
KEPT = tuple(f"{name}{end}" for name in LASP for end in ("", "_err"))


class StarCatalogue:
    """LAMOST's stellar parameters, and where each spectrum is found.

    Parameters
    ----------
    path : path-like
        As `common.surveys.lamost_catalogue.read_star_catalogue` takes it.

    Raises
    ------
    ReadError
        If it cannot be read, or names no spectra.
    """

    def __init__(self, path):
        table = read_star_catalogue(path)
        self.path = Path(path)
        self._frame = table[[*KEPT, "fibermask", "gaia_source_id"]]
        files = [stem(Path(name)) if name else "" for name in table["file"]]
        self._places = [Places(names) for names in (table["id"], table["key"], files)]

    def find(self, about):
        """Return the row of each spectrum, -1 for none, and how it was found.

        Parameters
        ----------
        about : DataFrame
            id, key, file. What is known goes in this order: obsid, key
            (lmjd-planid-spid-fiberid), name of the file.

        Returns
        -------
        row : ndarray of int, shape (n,)
        way : ndarray of int8, shape (n,)
            Place in `WAYS`.
        """
        row = self._places[0].find(about["id"])
        way = (row >= 0).astype("int8")
        stems = np.array([stem(Path(name)) for name in about["file"]], dtype=object)
        named = (about["key"].to_numpy(object), stems)
        for number, names in enumerate(named, start=2):
            left = row < 0
            row[left] = self._places[number - 1].find(names[left])
            way[left & (row >= 0)] = number
        return row, way

    def fill(self, about):
        """Return spectra with the catalogue's lasp_*, fibermask and source_id; the files' else.

        `_lasp` says how each was found.
        """
        row, way = self.find(about)
        mine = self._frame.take(np.maximum(row, 0)).reset_index(drop=True)
        known = row >= 0
        out = about.reset_index(drop=True).assign(_lasp=way)
        for name in KEPT:
            value = mine[name].where(known, np.nan)
            out[f"lasp_{name}"] = value.where(value.notna(), out[f"lasp_{name}"])
        mask = mine["fibermask"].where(known, np.nan)
        out["fibermask"] = out["fibermask"].where(out["fibermask"].notna(), mask)
        out["source_id"] = mine["gaia_source_id"].where(pd.Series(known), pd.NA)
        return out
