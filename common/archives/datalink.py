"""Gaia's spectra of many sources: DataLink's data server, in parts, unpacked safely."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from common.assets.registry import server
from common.assets.transfer import download
from common.assets.unpacking import unpack
from common.assets.web import ServerError
from common.cli import progress, say
from common.errors import UsageError

PRODUCTS = ("RVS", "XP_CONTINUOUS", "XP_SAMPLED")
MOST = 5000  # sources of a request that the archive answers
SIZE = 2000  # default


def fetch_spectra(ids, product, folder, *, web, release="Gaia DR3", size=SIZE, shown=True):
    """Fetch a DataLink product of some sources.

    Parameters
    ----------
    ids : array-like of int, shape (n,)
        source_id; those without the product are left out by the archive.
    product : {"RVS", "XP_CONTINUOUS", "XP_SAMPLED"}
    folder : path-like
        Gets a folder of FITS files for each part, named after the product and the part's ids.
    web : common.assets.web.Web
    release : str
    size : int
        Sources of a part, at most 5000.
    shown : bool
        Show a progress bar.

    Returns
    -------
    list of Path
        The files, as `common.surveys` reads them.

    Raises
    ------
    ServerError
        If a part could not be had; those that came are kept, and the next call asks for the others.
    SuiteError
        If what came is no safe archive.
    """
    if product not in PRODUCTS or not 0 < size <= MOST:
        raise UsageError(
            f"The product must be one of {', '.join(PRODUCTS)}, of 1 to {MOST} sources at once. "
            f"Received {product!r} and {size}."
        )
    folder, ids = Path(folder), np.unique(np.asarray(ids, dtype="int64"))
    parts = [ids[start : start + size] for start in range(0, len(ids), size)]
    places = [folder / _name(product, part) for part in parts]
    url, said = f"{server('gaia-data')}/data", f"{product} of {len(ids)} sources"
    bar = progress(list(zip(parts, places, strict=True)), desc=product, unit="part", shown=shown)
    for part, place in bar:
        if place.is_dir():
            continue
        try:
            _fetch(url, part, product, release, place, web)
        except ServerError as error:
            here = sum(p.is_dir() for p in places)
            raise ServerError(
                f"{error} {here} of {len(places)} parts of {said} are here; the same command asks "
                "for the others.", error.status,
            ) from None  # fmt: skip
    files = sorted(file for place in places for file in place.rglob("*") if file.is_file())
    if shown:
        say(f"{said}: {len(files)} file(s) in {folder}")
    return files


def _name(product, part):
    return f"{product.lower()}-{hashlib.sha256(part.tobytes()).hexdigest()[:16]}"


def _fetch(url, part, product, release, place, web):
    """Fetch one part and unpack it into its own folder."""
    form = {
        "ID": ",".join(map(str, part)), "RETRIEVAL_TYPE": product, "DATA_STRUCTURE": "RAW",
        "RELEASE": release, "FORMAT": "fits", "VALID_DATA": "true", "USE_ZIP_ALWAYS": "true",
    }  # fmt: skip
    archive = place.with_name(place.name + ".zip")
    download(url, archive, web=web, data=form, shown=False)
    try:
        unpack(archive, place)
    finally:
        archive.unlink(missing_ok=True)
