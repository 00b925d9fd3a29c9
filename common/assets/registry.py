"""What the project knows of everything that it can fetch: registry.toml, read."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path

from common.errors import MissingDataError, UsageError

KINDS = ("package", "hub", "file", "record", "archive")


@dataclass(frozen=True)
class Asset:
    """One thing that can be fetched: where it comes from, what is in it, whom to cite.

    Attributes
    ----------
    name : str
    kind : str
        "package": an archive of the Python package registry, of which `members` are unpacked.
        "hub": files of a data set on Hugging Face. "file": files on a server. "record": all files
        of a Zenodo record. "archive": rows and files that a paper's own command asks for.
    version, licence, citation, content, purpose : str
        As text; `purpose` says which network needs it.
    bytes : int
        Size of what is fetched: exact for packages, else about.
    sha256 : str
        Of a package's archive.
    file : str
        A package's file.
    members : tuple of str
        Patterns of the members that are unpacked.
    hashes : dict of str to str
        sha256 of files that are pinned by themselves, such as pickles, by their path.
    server : str
        A key of `servers`.
    paths : tuple of str
        Files on the server; of a record its number.
    command : str
        Of an archive: what gets it.
    """

    name: str
    kind: str
    version: str
    bytes: int
    licence: str
    citation: str
    content: str
    purpose: str
    sha256: str = ""
    file: str = ""
    members: tuple = ()
    hashes: dict = field(default_factory=dict)
    server: str = ""
    paths: tuple = ()
    command: str = ""

    @property
    def folder(self):
        """Name of its folder inside the cache."""
        if self.kind == "package":
            return f"{self.name}-{self.version}-{self.sha256[:8]}"
        return self.name

    @property
    def size(self):
        """Its size in words."""
        return said_size(self.bytes)


def said_size(n):
    """Return a number of bytes in words, such as "3.8 GB"."""
    for unit, power in (("TB", 12), ("GB", 9)):
        if n >= 10**power:
            return f"{n / 10**power:.1f} {unit}"
    return f"{n / 1e6:.0f} MB" if n >= 1e6 else f"{n / 1e3:.0f} kB"


@cache
def _read():
    text = resources.files("common.assets").joinpath("registry.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def registry():
    """Return {name: Asset} of everything that the project knows."""
    return {
        name: Asset(
            name=name,
            **{key: tuple(v) if isinstance(v, list) else v for key, v in entry.items()},
        )
        for name, entry in _read()["assets"].items()
    }


def get(name):
    """Return the `Asset` of a name; UsageError where it is unknown."""
    known = registry()
    if name not in known:
        raise UsageError(f"Asset must be one of {', '.join(known)}. Received {name!r}.")
    return known[name]


def servers():
    """Return {name: (address, environment variable that replaces it)} of all servers."""
    return {name: (s["url"], s["variable"]) for name, s in _read()["servers"].items()}


def server(name):
    """Return the address of a server, without a slash at its end: the user's mirror, or its own."""
    url, variable = servers()[name]
    return os.environ.get(variable, "").strip().rstrip("/") or url


def cache_dir():
    """Return the folder that holds fetched data (``SPECTRA_CACHE`` overrides), a Path."""
    import platformdirs

    chosen = os.environ.get("SPECTRA_CACHE")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("spectra-reproductions"))


def path(name):
    """Return the folder of an asset's files, whether or not it is there yet."""
    return cache_dir() / get(name).folder


def missing(asset, why):
    """Return the `MissingDataError` of an asset: what, how large, why, and which command."""
    version = f" {asset.version}" if asset.version else ""
    error = MissingDataError(
        f"{asset.name}{version} ({asset.size}, {asset.content}) is not in {cache_dir()}: {why}. "
        f"With a network, run `{asset.command or f'python -m common.assets fetch {asset.name}'}`; "
        "the folder it makes can be copied to another machine (SPECTRA_CACHE names the cache)."
    )
    error.why = f"{asset.name}: {why}"
    return error
