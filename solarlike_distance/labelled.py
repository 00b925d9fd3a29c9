"""Labels of spectra from the tables that lie with them, for an evaluation."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from common.cli import say
from common.rows import of_files
from solarlike_distance.data import truth
from solarlike_distance.labels import sources
from solarlike_distance.labels.photometry import Sky, read_photometry
from solarlike_distance.labels.starlabels import StarCatalogue
from solarlike_distance.selection import APOGEE, absolute_magnitude

INDEX = ("index.csv", "index.fits", "index.txt")
BASIC = ("teff", "logg", "feh")


class Labels:
    """The tables of the first folder that has some.

    Parameters
    ----------
    paths : sequence of path-like
        Files and folders.
    config : Config

    Attributes
    ----------
    tables : dict
        photometry and stars, as `catalog.star_table` takes them, where they are there.
    """

    def __init__(self, paths, config):
        found, folder = find_labels(paths)
        self.tables, self._apogee, self._planted = {}, None, None
        if "stars" in found:
            self.tables["stars"] = StarCatalogue(found["stars"])
        if "gaia" in found:
            self.tables["photometry"] = read_photometry(
                found["gaia"], config=config, distances=found.get("geodist")
            )
        if "apogee" in found:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=".*rows left out: the star has another")
                self._apogee = sources.read_allstar(found["apogee"])
            position = (self._apogee[c].to_numpy(float) for c in ("ra", "dec"))
            self._sky = Sky(*position, config.match_apogee)
        if folder is not None:
            self._planted = truth(folder)

    def label(self, table):
        """Return predictions with L_true, L_err, labels ("LASP", "APOGEE", ""), object, distances.

        Parameters
        ----------
        table : DataFrame
            From `catalog.star_table`.
        """
        out = table.copy()
        for name in BASIC:
            out[f"{name}_true"] = out[f"lasp_{name}"].astype(float)
            out[f"{name}_err"] = out[f"lasp_{name}_err"].astype(float)
        known = np.isfinite(out["teff_true"].to_numpy())
        out["labels"] = np.where(known, "LASP", "")
        if self._apogee is not None:
            out = self._by_apogee(out)
        if "phot_g_mean_mag" in out:
            out["distance_true"] = out["r_med_geo"]
            out["mg_true"] = absolute_magnitude(
                g=out["phot_g_mean_mag"], distance=out["r_med_geo"], a_g=out["ag_gspphot"]
            )
            out["bprp_true"] = out["bp_rp"] - out["ebpminrp_gspphot"]
        source = out["source_id"] if "source_id" in out else pd.Series(pd.NA, index=out.index)
        out["object"] = source.astype("string").fillna(out["id"].astype("string")).astype(str)
        out["split"] = "real"
        out["dataset"] = of_files(out["mock"])
        if self._planted is not None and len(self._planted):
            out = out.merge(self._planted, on="id", how="left")
        return out

    def _by_apogee(self, out):
        """Return labels with APOGEE's where it has the star."""
        row = self._sky.find(out["ra"].to_numpy(float), out["dec"].to_numpy(float))
        mine = self._apogee.take(np.maximum(row, 0)).reset_index(drop=True)
        have = (row >= 0) & np.isfinite(mine[list(APOGEE.values())].to_numpy(float)).all(axis=1)
        for name, theirs in APOGEE.items():
            out[f"{name}_true"] = mine[theirs].where(have, out[f"{name}_true"])
            out[f"{name}_err"] = mine[f"{theirs}_err"].where(have, out[f"{name}_err"])
        out["labels"] = np.where(have, "APOGEE", out["labels"])
        out["APOGEE_ID"] = mine["apogee_id"].where(row >= 0, "")
        return out


def on_one_scale(df):
    """Return rows judged on one scale alone: the labels that most stars have.

    APOGEE's and LASP's parameters are on other scales: together they give a scatter of neither.

    Parameters
    ----------
    df : DataFrame
        From `Labels.label`. The others keep their predictions and lasp_*, without labels.
    """
    counts = df["labels"][df["labels"] != ""].value_counts()
    if len(counts) < 2:
        return df
    most = "APOGEE" if counts["APOGEE"] == counts.max() else "LASP"
    other = df["labels"].isin(set(counts.index) - {most})
    say(f"judged against {most}'s parameters of {counts[most]} stars; {other.sum()} with others' "
        "alone are not judged, whose scale is another")  # fmt: skip
    out = df.copy()
    out.loc[other, [f"{name}{end}" for name in BASIC for end in ("_true", "_err")]] = np.nan
    out.loc[other, "labels"] = ""
    return out


def find_labels(paths):
    """Return {kind: path} of the tables of the first folder that has some, and that folder."""
    for path in map(Path, paths):
        if not path.is_dir():
            continue
        found = sources.find_tables(path)
        if "stars" not in found:
            index = next((path / n for n in INDEX if (path / n).is_file()), None)
            found |= {"stars": index} if index else {}
        if found or (path / "truth.parquet").is_file():
            return found, path
    return {}, None
