"""Writing files so that a name is either absent or whole."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path

from common.errors import SuiteError

NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# NumPy and astropy report a full disk without an error number.
TEMPORARY = re.compile(r"\.[0-9a-f]{8}\.(.+)", re.DOTALL)
SHORT_WRITE = re.compile(r"requested and \d+ written|Not enough space on disk")


@contextmanager
def atomic_path(path):
    """Give a temporary path in the same folder, moved to `path` when the block succeeds.

    Parameters
    ----------
    path : path-like
        The final file; its folder is made if it is missing. An older file of this name stays
        untouched until the new one is whole.

    Yields
    ------
    Path
        To be written to; has the same ending as `path`.

    Raises
    ------
    SuiteError
        If the disk is full, or the folder cannot be made or written to. On this and on every
        other failure, Ctrl-C among them, the temporary file is removed.
    """
    path = Path(path)
    temporary = temporary_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _flush(temporary)
        os.replace(temporary, path)
    except OSError as error:
        _translate(error, path, temporary)
        raise
    finally:
        with suppress(OSError):
            temporary.unlink()


def temporary_of(path):
    """Return a new temporary name beside a path."""
    return Path(path).with_name(f".{uuid.uuid4().hex[:8]}.{Path(path).name}")


def clear_temporary(path, every=False):
    """Remove what killed processes left under temporary names beside a path.

    Parameters
    ----------
    path : path-like
        What was to be written: its temporary names, and those of names that begin with its own.
    every : bool
        Of any name in its folder.
    """
    path = Path(path)
    for left in path.parent.glob(".*"):
        match = TEMPORARY.fullmatch(left.name)
        if match and (every or match[1].startswith(path.name)):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


def link(file, target):
    """Let a file stand under another name too, without a copy where the disk allows it."""
    target = Path(target)
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file, target)
    except OSError:  # another disk
        with atomic_path(target) as temporary:
            shutil.copyfile(file, temporary)


def write_parquet(table, path):
    """Write a DataFrame as Parquet, whole or not at all; its folder is made if it is missing."""
    with atomic_path(path) as temporary:
        table.to_parquet(temporary)


def write_text(path, text):
    """Write a text as UTF-8, whole or not at all; its folder is made if it is missing."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path, value):
    """Write JSON, whole or not at all; its folder is made if it is missing."""
    write_text(path, json.dumps(value, indent=1))


def _flush(path):
    """Force a file's content to disk: a full disk may show only then."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _translate(error, path, temporary):
    """Raise the clear error for a full disk or a folder that may not be written to."""
    if error.errno in NO_SPACE or (error.errno is None and SHORT_WRITE.search(str(error))):
        written = temporary.stat().st_size if temporary.exists() else 0
        free = shutil.disk_usage(path.parent).free
        raise SuiteError(
            f"{path}: the disk or quota is full ({error.strerror or error}): "
            f"{written / 1e6:.1f} MB of the file were written and are removed again, "
            f"{free / 1e6:.1f} MB are free. Make room or choose another folder; nothing "
            "stands under this name that was not there before."
        ) from error
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR):
        raise SuiteError(
            f"{path}: cannot be written ({error.strerror}). Allowed: a folder that this user may "
            "write to. Choose another one or change its permissions."
        ) from error
