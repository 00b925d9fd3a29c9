"""Files of a server, of a data set on Hugging Face, of a Zenodo record: fetched as they are."""

from __future__ import annotations

import re
from urllib.parse import quote

from common.assets.registry import server
from common.assets.seal import seal
from common.assets.transfer import download
from common.assets.unpacking import safe_name
from common.assets.web import ServerError
from common.errors import SuiteError


def fetch_direct(asset, folder, *, web, progress=True):
    """Fetch the files of an asset into a folder and seal it.

    Parameters
    ----------
    asset : Asset
        Of kind "file", "hub" or "record".
    folder : path-like
    web : common.assets.web.Web
    progress : bool
        Show progress bars.

    Raises
    ------
    ServerError
        If a file could not be had, or not all of it; what came is kept.
    SuiteError
        If what came is not what it should be.
    """
    for name, about in FILES[asset.kind](asset, web):
        download(target=folder / name, web=web, shown=progress, **about)
    seal(folder, f"{asset.name} {asset.version}".strip())


def _plain(asset, web):
    """Yield (name, arguments of `download`) of files of a server."""
    for path in asset.paths:
        name = path.rsplit("/", 1)[-1]
        yield name, {"url": f"{server(asset.server)}/{path}", "sha256": asset.hashes.get(name)}


def _hub(asset, web):
    """Yield the same of files of a data set: the hub announces size and sha256 of each."""
    for path in asset.paths:
        repo, name = path.rsplit("/", 1)
        url = f"{server(asset.server)}/datasets/{repo}/resolve/{asset.version}/{name}"
        about = web.head(url, allow_redirects=False, headers={"Accept-Encoding": "identity"})
        tag = about.headers.get("X-Linked-Etag", about.headers.get("ETag", "")).strip('W/"')
        size = about.headers.get("X-Linked-Size", "")
        if not size and about.status_code < 300:
            size = about.headers.get("Content-Length", "")
        yield (
            name,
            {
                "url": url,
                "size": int(size) if size.isdigit() else None,
                "sha256": tag
                if re.fullmatch("[0-9a-f]{64}", tag)
                else None,  # else of a small file
            },
        )


def _record(asset, web):
    """Yield the same of all files of a record, of which Zenodo says size and md5."""
    base = f"{server(asset.server)}/api/records/{asset.paths[0]}"
    answer = web.get(base, headers={"Accept": "application/json"})
    try:
        files = answer.json()["files"]
        rows = [(f["key"], int(f["size"]), str(f["checksum"])) for f in files]
    except (ValueError, KeyError, TypeError) as error:
        raise ServerError(
            f"{base}: no list of files came (an HTML page, or another layout than Zenodo's). Try "
            "again later."
        ) from error
    for name, size, checksum in rows:
        if safe_name(name) is None:
            raise SuiteError(f"{base}: a file is called {name!r}; allowed: names in the folder.")
        kind, _, value = checksum.partition(":")
        hashes = {kind: value} if kind in ("md5", "sha256") else {}
        yield name, {"url": f"{base}/files/{quote(name)}/content", "size": size, **hashes}


FILES = {"file": _plain, "hub": _hub, "record": _record}
