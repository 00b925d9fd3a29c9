"""Samples: split by a hash of each object, known again by a fingerprint, mocks told from sky."""

from __future__ import annotations

import hashlib

import numpy as np

from common.errors import UsageError

SPLITS = ("train", "valid", "test")


def place(name, seed):
    """Return where the hash of a seed and a name falls, a number from 0 to below 1."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def split_by_hash(objects, fractions, *, seed, names=SPLITS):
    """Split by a hash of each object.

    Parameters
    ----------
    objects : sequence of str
        Name of the object behind each spectrum: all its spectra go into one split.
    fractions : sequence of float
        Of the splits; the last takes what is left.
    seed : int
        Hashed too.
    names : sequence of str
        Of the splits.

    Returns
    -------
    ndarray of str, shape (n,)
        The same for an object whatever else the sample holds.
    """
    edges = np.cumsum(fractions)[: len(names) - 1]
    known = {name: place(name, seed) for name in dict.fromkeys(objects)}
    at = np.array([known[name] for name in objects], dtype=float)
    return np.array(names, dtype=object)[np.searchsorted(edges, at, side="right")]


def fingerprint(lines):
    """Return a short hash of texts, one a spectrum, in any order."""
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:16]


def refuse_mock(about, config, *, takes="observed spectra", mock=None):
    """Raise `UsageError` where a mock is passed off as observed.

    Parameters
    ----------
    about : DataFrame
        file, mock (bool).
    config : the paper's Config
    takes : str
        What its data set takes, in words.
    mock : str, optional
        The data set that takes a mock; by default the one of the same name.
    """
    made = about["mock"].to_numpy(dtype=bool)
    if made.any() and not config.is_mock:
        raise UsageError(
            f"{about['file'][made].iloc[0]} is a mock (header card MOCK = T), and --dataset "
            f"{config.dataset} takes {takes}. Use --dataset {mock or f'{config.dataset}-mock'}."
        )


def usable(spectra, about, prepared):
    """Split a batch into what can be used and why the rest cannot.

    Parameters
    ----------
    spectra : Spectra
        n of them.
    about : DataFrame of n rows
        file, id and whatever else is known of them.
    prepared : object
        usable, reason and x, the network's input, all of n rows.

    Returns
    -------
    Spectra, DataFrame, ndarray of shape (m, n_pixels), list of dict
        Spectra that can be used, who they are, their input; and the rejects.
    """
    use = prepared.usable
    who = about[use].reset_index(drop=True)
    return spectra[use], who, prepared.x[use], rejected(about, prepared)


def rejected(about, prepared):
    """Return the rows of the table of rejects, dicts of file, id and reason.

    Parameters
    ----------
    about : DataFrame of n rows
        file, id.
    prepared : object
        usable (ndarray of bool, shape (n,)) and reason (ndarray of str).
    """
    bad = ~prepared.usable
    rows = zip(about["file"][bad], about["id"][bad], prepared.reason[bad], strict=True)
    return [{"file": f, "id": i, "reason": r} for f, i, r in rows]
