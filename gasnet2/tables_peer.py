"""Classes and redshifts of somebody else on the same spectra, beside ours in bins of S/N."""

from __future__ import annotations

import numpy as np
import pandas as pd

from common import metrics
from common.catalog import read_table
from common.errors import ReadError, UsageError
from common.surveys.ids import named_ids
from common.surveys.quantities import without_marks
from gasnet2.config import gf_threshold
from gasnet2.tables import SNR_BINS, coarse, outlier_limit, scalar_columns

REDSHIFT = ("z_pred", "pred_bar", "z")  # in this order: beside a prediction, z is the truth
CLASS = ("class_pred", "spectype", "class")


def read_peer(path):
    """Read a table of a peer's classes and redshifts.

    Parameters
    ----------
    path : path-like
        As of `common.catalog.read_table`, whatever the case of the names: id, or plate, mjd and
        fiber (or fiberid); z (z_pred, or the authors' pred_bar); and where it has classes, class
        (class_pred, or redrock's spectype).

    Returns
    -------
    DataFrame
        id, z, class (STAR, GALAXY or QSO; empty where unknown); the first row of an id.

    Raises
    ------
    ReadError
        If it cannot be read, or has no id or no redshift.
    """
    table = scalar_columns(read_table(path))
    lower = {}
    for name in table.columns:
        lower.setdefault(str(name).lower(), table[name])
    fiber = lower.get("fiber", lower.get("fiberid"))
    z = next((lower[k] for k in REDSHIFT if k in lower), None)
    found = [lower.get("plate"), lower.get("mjd"), fiber]
    if z is None or ("id" not in lower and any(v is None for v in found)):
        raise ReadError(
            path, f"columns {list(table.columns)}", "id (or plate, mjd, fiber), and z; also class"
        )
    if "id" in lower:
        ids = named_ids(lower["id"])
    else:
        ids = ["-".join(row) for row in zip(*(named_ids(v) for v in found), strict=True)]
    names = [k for k in CLASS if k in lower and "pred_bar" not in lower]
    kinds = lower[names[0]].astype(str).str.strip().str.upper() if names else [""] * len(table)
    z = without_marks(pd.to_numeric(z, errors="coerce").to_numpy(float))
    peer = pd.DataFrame({"id": [key(i) for i in ids], "z": z, "class": coarse(kinds)})
    peer.attrs["name"] = str(getattr(path, "name", path))
    return peer.drop_duplicates("id", ignore_index=True)


def key(identity):
    """Return an id by which spectra are matched: plate-mjd-fiber without leading zeros."""
    text = str(identity).strip()
    parts = text.split("-")
    plain = len(parts) == 3 and all(p.isdigit() for p in parts)
    return "-".join(str(int(p)) for p in parts) if plain else text


def peer_table(df, peer):
    """Return our numbers beside a peer's on the spectra that both have, in bins of S/N.

    Parameters
    ----------
    df : DataFrame
        Predictions: id, class_true, snr; where known coarse_true, class_pred, z_true, and
        z_routed_pred (what a user gets) or z_pred.
    peer : DataFrame
        As `read_peer` returns it.

    Returns
    -------
    DataFrame
        class (true, coarse), snr ("all", or a bin of Fig. 14), n, and of ours and the peer's
        (`_peer`): accuracy (coarse), gf, outlier_fraction, failed (no redshift: neither good nor
        within the limit). NaN where there is none.

    Raises
    ------
    UsageError
        If no spectrum is in both.
    """
    theirs = peer.set_index("id").reindex([key(i) for i in df["id"]])
    both = theirs["z"].notna().to_numpy() | theirs["class"].notna().to_numpy()
    if not both.any():
        raise UsageError(
            f"None of the {len(peer)} spectra of the peer is among the {len(df)} evaluated: its "
            f"ids are such as {peer['id'].iloc[0]}, ours such as {df['id'].iloc[0]}."
        )
    ours, theirs = df[both].reset_index(drop=True), theirs[both].reset_index(drop=True)
    true = coarse(ours["coarse_true"] if "coarse_true" in ours else ours["class_true"])
    sets = {"": _answers(ours), "_peer": (theirs["class"].to_numpy(), theirs["z"].to_numpy(float))}
    z_true = ours["z_true"].to_numpy(float) if "z_true" in ours else np.full(len(ours), np.nan)
    snr = ours["snr"].to_numpy(float) if "snr" in ours else np.full(len(ours), np.nan)
    rows = []
    for kind in ("STAR", "GALAXY", "QSO"):
        for name, (low, high) in {"all": (None, None), **SNR_BINS}.items():
            here = true == kind
            if low is not None:
                here &= (snr >= low) & (snr < high)
            if here.any():
                row = {"class": kind, "snr": name, "n": int(here.sum())}
                for end, (found, z) in sets.items():
                    row |= _scores(kind, found[here], z_true[here], z[here], end)
                rows.append(row)
    return pd.DataFrame(rows)


def _answers(df):
    """Return our coarse classes ("" unknown) and redshifts of what a user gets."""
    name = next((k for k in ("coarse_pred", "class_pred") if k in df), None)
    kinds = coarse(df[name]) if name else np.full(len(df), "", object)
    z = next((k for k in ("z_routed_pred", "z_pred") if k in df and df[k].notna().any()), None)
    return kinds, df[z].to_numpy(float) if z else np.full(len(df), np.nan)


def _scores(kind, found, z_true, z, end):
    """Return the numbers of one side on spectra of one true class, names ending in `end`."""
    classified = (found != "").any()
    row = {f"accuracy{end}": float((found == kind).mean()) if classified else np.nan}
    if kind != "STAR":
        pair = dict(z_true=z_true, z_pred=z)
        row[f"gf{end}"] = metrics.good_fraction(**pair, limit=gf_threshold(kind))[0]
        limit = outlier_limit(kind)
        row[f"outlier_fraction{end}"] = metrics.outlier_fraction(**pair, limit=limit)[0]
        row[f"failed{end}"] = int((~np.isfinite(z)).sum())
    return row
