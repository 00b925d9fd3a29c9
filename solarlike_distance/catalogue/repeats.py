"""Spectra that come twice: copies go, and other spectra of the same observation are flagged."""

from __future__ import annotations

import numpy as np

from common.surveys.seen import number_of

KEYS = ("_name", "_content")  # hidden columns of the parts: hashes of an observation, of its values


def keys_of(spectra, table, names):
    """Return the hidden columns of some spectra, dict of str to ndarray of int64, shape (n,).

    Parameters
    ----------
    spectra : Spectra of n rows
    table : DataFrame of n rows
        id, key and file.
    names : sequence of str
        What each observation is called.
    """
    # Only an obsid or a key names an observation; without them the file does.
    named = table["id"].astype(str).str.isdecimal() | (table["key"].astype(str) != "")
    name = names.where(named, table["file"].astype(str) + "|" + names)
    values = (
        [number_of(str(v).encode()) for v in name],
        [_content(spectra, row) for row in range(len(spectra))],
    )
    return {key: np.array(v, dtype="int64") for key, v in zip(KEYS, values, strict=True)}


def _content(spectra, row):
    """Return a hash of a spectrum's values, int of 64 bits."""
    values = [np.asarray(spectra.wavelength_of(row)), np.asarray(spectra.flux[row])]
    values += [np.asarray(v[row]) for v in (spectra.ivar, spectra.mask) if v is not None]
    return number_of(b"".join(v.tobytes() for v in values))


def repeated(parts):
    """Tell which rows of the parts are not alone.

    Parameters
    ----------
    parts : common.catalogue.parts.Parts

    Returns
    -------
    copies : ndarray of bool, shape (n,)
        The same observation with the same values came before.
    shared : ndarray of bool, shape (n,)
        Another row that is no copy has the same observation.
    """
    pairs = [t.to_numpy(np.int64) for t in parts.tables(KEYS)]
    pairs = np.concatenate([np.zeros((0, 2), np.int64), *pairs])
    order = np.lexsort((np.arange(len(pairs)), pairs[:, 1], pairs[:, 0]))
    same_name = np.zeros(len(pairs), dtype=bool)
    same_name[1:] = np.diff(pairs[order, 0]) == 0
    same = same_name.copy()
    same[1:] &= np.diff(pairs[order, 1]) == 0
    copies = np.zeros(len(pairs), dtype=bool)
    copies[order] = same
    # Without the copies, rows that share a name lie side by side.
    kept = order[~same]
    beside = np.diff(pairs[kept, 0]) == 0
    shared = np.zeros(len(pairs), dtype=bool)
    shared[kept[1:][beside]] = True
    shared[kept[:-1][beside]] = True
    return copies, shared


def without_copies(parts):
    """Return what yields the rows that are no copies, flagged, and the rejects of those that are.

    Sixteen bytes a spectrum are held.

    Parameters
    ----------
    parts : common.catalogue.parts.Parts

    Returns
    -------
    callable
        () -> iterator over (DataFrame, list of dict), see `common.catalogue.assemble.assemble`.
    """
    copies, shared = repeated(parts)

    def revised():
        start = 0
        for table in parts.tables():
            copy, other = (v[start : start + len(table)] for v in (copies, shared))
            start += len(table)
            gap = np.where((table["warnings"] != "") & other, ";", "")
            table["warnings"] = table["warnings"] + gap + np.where(other, "DUPLICATE_OBSID", "")
            lost = [{"file": row.file, "id": row.name, "reason": "the same spectrum came before"}
                    for row in table[copy].itertuples()]  # fmt: skip
            yield table[~copy].reset_index(drop=True), lost

    return revised
