"""The authors' public SDSS tables, fetched once into the cache."""

from __future__ import annotations

import hashlib
from pathlib import Path

from common.errors import MissingDataError

REPO = "Fucheng/GaSNet-II-SDSS-dataset"
FILES = ("train.fits", "valid.fits", "test.fits")
SIZE = "about 3.8 GB"  # 260 000 spectra of 3600 float32 pixels
BLOCK = 1 << 20


def sha256_of(path):
    """Return the sha256 of a file as hex."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _missing(reason, folder):
    return MissingDataError(
        f"The SDSS training tables ({', '.join(FILES)}; {SIZE}) are not in {folder} and could not "
        f"be fetched: {reason}. With a network, `python -m gasnet2.fetch` gets them from the "
        f"Hugging Face data set {REPO}, or give a folder of SDSS files with --data-dir. Without: "
        "`python -m gasnet2.train --dataset sdss-mock` runs now."
    )


def fetch_sdss(folder=None, *, offline=False):
    """Return the authors' tables, fetching what is not in the cache.

    Parameters
    ----------
    folder : path-like, optional
        Where the files go; a folder of the project's cache by default.
    offline : bool
        Use no network.

    Returns
    -------
    list of Path

    Raises
    ------
    MissingDataError
        If a file is neither there nor to be had, or what arrived is not what the hub announced.

    Notes
    -----
    huggingface_hub shows progress and goes on with interrupted downloads; size and, where the hub
    states it, sha256 of each file are checked after arrival.
    """
    from common.assets import cache_dir

    folder = Path(folder) if folder else cache_dir() / "sdss-gasnet2"
    return [_fetch(name, folder, offline) for name in FILES]


def _fetch(name, folder, offline):
    path, seal = folder / name, folder / f"{name}.sha256"
    if path.exists() and seal.exists():
        return path
    if offline:
        raise _missing("--offline was given", folder)
    import httpx2 as httpx
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    failures = (httpx.HTTPError, HfHubHTTPError, LocalEntryNotFoundError, ConnectionError)
    try:
        about = get_hf_file_metadata(hf_hub_url(REPO, name, repo_type="dataset"))
        arrived = Path(hf_hub_download(REPO, name, repo_type="dataset", local_dir=folder))
    except failures as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise _missing(lines[0], folder) from error
    found = sha256_of(arrived)
    etag = (about.etag or "").strip('"')
    wrong_size = about.size is not None and arrived.stat().st_size != about.size
    if wrong_size or (len(etag) == 64 and found != etag):
        size = arrived.stat().st_size
        arrived.unlink()
        raise MissingDataError(
            f"{arrived}: {size} bytes with sha256 {found} arrived; the hub announced {about.size} "
            f"bytes and {etag}. The file was removed; fetch it again."
        )
    seal.write_text(f"{found}  {name}\n")
    return path


def main(argv=None):
    """Fetch the tables from the command line; return the exit status."""
    from common.cli import parser, run, say

    p = parser("python -m gasnet2.fetch", "Fetch the authors' SDSS tables into the cache.")
    p.add_argument("-o", "--output", type=Path, help="folder (default: the project's cache)")
    return run(lambda a: [say(str(f)) for f in fetch_sdss(a.output)], p.parse_args(argv))


if __name__ == "__main__":
    raise SystemExit(main())
