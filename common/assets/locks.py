"""One process at a time for a file or folder that is being fetched."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from pathlib import Path

from common.cli import say

PARTIAL, LOCK = ".partial", ".lock"  # endings beside the name: no reader takes them for data


@contextmanager
def locked(path):
    """Hold the lock of a path: a second process waits, and says so, until the first is done.

    Who gets in has to look first whether the path is there now: when all went well, the lock's file
    goes too, and of those that waited more than one may get in then.
    """
    from filelock import FileLock, Timeout

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.with_name(path.name + LOCK)
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"another process is fetching {path.name}: waiting for it")
        lock.acquire()
    try:
        yield
        with suppress(OSError):
            file.unlink()
    finally:
        lock.release()
