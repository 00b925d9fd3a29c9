"""What may be removed from the cache: leftovers, older versions, or a named asset."""

from __future__ import annotations

import shutil

from common.assets.locks import LOCK, PARTIAL
from common.assets.registry import cache_dir, get, path, registry

SCRATCH = (".fetch-*", ".unpack-*")


def size_of(place):
    """Return the bytes of a file or of all files in a folder."""
    if not place.is_dir():
        return place.stat().st_size
    return sum(file.stat().st_size for file in place.rglob("*") if file.is_file())


def leftovers():
    """Return what interrupted fetches and older versions of the registry left, list of Path.

    What another process is fetching right now is not among them.
    """
    root = cache_dir()
    if not root.is_dir():
        return []
    busy = {lock for lock in root.rglob(f"*{LOCK}") if _held(lock)}
    folders = {asset.folder for asset in registry().values()}
    packages = [asset.name for asset in registry().values() if asset.kind == "package"]
    found = [] if busy else [old for pattern in SCRATCH for old in root.glob(pattern)]
    for place in root.iterdir():
        of = [name for name in packages if place.name.startswith(f"{name}-")]
        if place.is_dir() and of and place.name not in folders:
            found.append(place)
    for file in root.rglob("*"):
        name = file.name.removesuffix(LOCK).removesuffix(".json").removesuffix(PARTIAL)
        if name != file.name and file.is_file() and file.with_name(name + LOCK) not in busy:
            if file.name.endswith((LOCK, PARTIAL, PARTIAL + ".json")):
                found.append(file)
    return sorted(found)


def _held(lock):
    """Return True where another process holds a lock."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True


def remove(places):
    """Remove files and folders; return their bytes."""
    freed = 0
    for place in places:
        freed += size_of(place)
        if place.is_dir():
            shutil.rmtree(place)
        else:
            place.unlink()
    return freed


def clean(names=()):
    """Remove the named assets, or leftovers where none is named; return (paths, bytes)."""
    places = [path(get(name).name) for name in names] if names else leftovers()
    places = [place for place in places if place.exists()]
    return places, remove(places)
