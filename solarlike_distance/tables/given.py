"""Tables that an evaluation takes beside the predictions: a mock's truth, isochrones, gradients."""

from __future__ import annotations

from pathlib import Path

from common import catalog
from common.errors import ReadError
from common.surveys.ids import named_ids
from solarlike_distance.tables.recovery import BOTH


def read_ecsv(path):
    """Return an ECSV file as a DataFrame whose attrs are its meta, None where there is none."""
    from astropy.table import Table

    if not path.is_file():
        return None
    table = Table.read(path, format="ascii.ecsv")
    df = table.to_pandas()
    df.attrs.update(table.meta)
    return df


def with_truth(df, path):
    """Return predictions with the columns `*_planted` of a table, joined by obsid.

    Raises
    ------
    ReadError
        If the table lacks them, or is of other spectra.
    """
    if path is None:
        return df
    truth = catalog.read_table(path)
    truth = truth.rename(columns={"obsid": "id"})
    planted = [c for c in truth if str(c).endswith("_planted") or c == "binary"]
    if "id" not in truth or not planted:
        found = f"columns {', '.join(map(str, truth.columns[:12]))}"
        raise ReadError(path, found, "obsid (or id) and columns that end in _planted")
    truth = truth[["id", *planted]].assign(id=named_ids(truth["id"])).drop_duplicates("id")
    kept = df.drop(columns=[c for c in planted if c in df])
    out = kept.merge(truth, on="id", how="left")
    if not out[planted[0]].notna().any():
        raise ReadError(path, "no obsid of the predictions", "the truth of the same spectra")
    return out


def read_isochrones(path):
    """Return isochrones (feh, bprp, mg), None without a path."""
    if path is None:
        return None
    df = catalog.read_table(path)
    if not {"feh", "bprp", "mg"} <= set(df):
        found = f"columns {', '.join(map(str, df.columns[:12]))}"
        raise ReadError(path, found, "feh, bprp and mg along each isochrone")
    return df


def read_gradients(paths):
    """Return {name: {kind: table}} of gradients by others: kind, at, gradient, gradient_error.

    Raises
    ------
    ReadError
        If a table lacks a column, or a kind is neither radial nor vertical.
    """
    out = {}
    for path in map(Path, paths):
        df = catalog.read_table(path)
        if not {"kind", "at", "gradient"} <= set(df) or not set(df["kind"]) <= set(BOTH):
            found = f"columns {', '.join(map(str, df.columns[:12]))}"
            allowed = "kind (radial, vertical), at (kpc), gradient (dex/kpc), gradient_error"
            raise ReadError(path, found, allowed)
        out[path.stem] = {kind: part for kind, part in df.groupby("kind")}
    return out
