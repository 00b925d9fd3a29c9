"""N2 and O3N2 of the lines that SDSS's own pipeline lists beside its spectra: an outside judge."""

from __future__ import annotations

import numpy as np
import pandas as pd

from common.errors import ReadError
from common.surveys.sdss import sdss_ids
from common.surveys.tablefile import read_columns
from lamost_metallicity.stronglines import CALIBRATIONS, metallicity

AREAS = {"hb": "h_beta", "oiii": "o_iii_5007", "ha": "h_alpha", "nii": "n_ii_6583"}
PLACE = ("plate", "mjd", "fiberid")
PREFIX = "pipe_"
INDICES = ("n2", "o3n2", *CALIBRATIONS)


def pipeline_lines(about):
    """Return indices and metallicities of the pipeline's line areas.

    Parameters
    ----------
    about : DataFrame of n rows
        id, file, survey. Tables of SDSS spectra with PLATE, MJD, FIBERID and columns such as
        H_alpha_AREA and H_alpha_AREA_ERR are looked at.

    Returns
    -------
    DataFrame of n rows
        `PREFIX` and the columns of `stronglines.metallicity`; NaN where the file has no such
        column, the pipeline no error, or a line is below 3 sigma. Without any column where no file
        lists lines.
    """
    parts = []
    for path in about.loc[about["survey"] == "sdss", "file"].unique():
        lines = _read(path)
        if lines is not None:
            parts.append(lines.assign(file=path))
    if not parts:
        return pd.DataFrame(index=about.index)
    known = pd.concat(parts).drop_duplicates(["file", "id"])
    rows = about[["file", "id"]].merge(known, on=["file", "id"], how="left")
    found = metallicity(rows)
    names = [name for index in INDICES for name in (index, f"{index}_err")]
    return found[names].add_prefix(PREFIX).set_index(about.index)


def _read(path):
    """Return id and fluxes with errors of a table, None where it lists no lines."""
    names = [f"{area}_area{end}" for area in AREAS.values() for end in ("", "_err")]
    try:
        table = read_columns(path, [*PLACE, *names])
    except ReadError:
        return None
    if not {*PLACE, *names} <= set(table):
        return None
    out = {"id": sdss_ids(*(table[name].to_numpy() for name in PLACE))}
    for line, area in AREAS.items():
        flux, error = (table[f"{area}_area{end}"].to_numpy(dtype=float) for end in ("", "_err"))
        good = np.isfinite(flux) & np.isfinite(error) & (error > 0)
        out[f"flux_{line}"] = np.where(good, flux, np.nan)
        out[f"flux_{line}_err"] = np.where(good, error, np.nan)
    return pd.DataFrame(out)
