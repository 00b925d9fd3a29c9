"""Archives unpacked without trusting them: plain files, inside the folder, up to a limit."""

from __future__ import annotations

import fnmatch
import re
import shutil
import stat
import tarfile
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from common.errors import SuiteError, short

MOST_FILES = 200_000
MOST_BYTES = 20_000_000_000
MOST_RATIO = 2000  # unpacked over packed; of what has grown beyond SMALL
SMALL = 50_000_000
LONGEST = 240  # characters of a name
BLOCK = 1 << 20


def unpack(archive, folder, *, members=None, most_bytes=MOST_BYTES, most_files=MOST_FILES,
           most_ratio=MOST_RATIO):  # fmt: skip
    """Unpack a zip or tar archive into a new folder, all of it or nothing.

    Parameters
    ----------
    archive : path-like
        Zip (wheels too) or tar, also packed by gzip, bzip2 or xz.
    folder : path-like
        To be made; must not be there.
    members : sequence of str, optional
        Patterns of `fnmatch` of the members to take, each of which must fit one; all by default.
    most_bytes, most_files : int
        Largest size of all that is unpacked, and number of files.
    most_ratio : float
        How many times larger than the archive the unpacked files may be, above 50 MB.

    Returns
    -------
    list of Path
        The files, with their paths inside the archive.

    Raises
    ------
    SuiteError
        If the archive is damaged, lacks a member, or holds anything but plain files with names
        inside the folder, or more than allowed. Nothing is left then.
    """
    archive, folder = Path(archive), Path(folder)
    limit = max(min(most_bytes, most_ratio * archive.stat().st_size), min(SMALL, most_bytes))
    folder.parent.mkdir(parents=True, exist_ok=True)
    room = Path(tempfile.mkdtemp(prefix=".unpack-", dir=folder.parent))
    scratch = room / "new"  # which others may read, where this user lets them
    scratch.mkdir()
    try:
        with _opened(archive) as entries:
            chosen = _chosen(entries, members, archive)
            if len(chosen) > most_files:
                raise _refused(archive, f"{len(chosen)} files", f"at most {most_files}")
            left = limit
            for name, entry in chosen:
                left -= _write(archive, entries, entry, scratch / name, left, limit)
        scratch.rename(folder)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, NotImplementedError, RuntimeError,
            ValueError, OSError) as error:  # fmt: skip
        if isinstance(error, OSError) and error.filename:
            raise  # of our own disk
        raise SuiteError(
            f"{archive}: cannot be unpacked ({short(error)}); allowed: a whole zip or tar archive "
            "without a password. Delete it and fetch it again."
        ) from error
    finally:
        shutil.rmtree(room, ignore_errors=True)
    return sorted(path for path in folder.rglob("*") if path.is_file())


def safe_name(name):
    """Return a member's name as a relative path, None where it is none inside the folder."""
    bad = "\\" in name or re.search(r"[\x00-\x1f\x7f]", name) or re.match(r"[A-Za-z]:", name)
    path = PurePosixPath(name)
    if bad or not name or path.is_absolute() or ".." in path.parts or not path.parts:
        return None
    if len(name) > LONGEST or any(len(part.encode()) > LONGEST for part in path.parts):
        return None
    return path


def _refused(archive, found, allowed):
    return SuiteError(
        f"{archive}: holds {found}; allowed: {allowed}. Nothing of it was unpacked. Ask who "
        "runs the server that it came from."
    )


class _Zip(zipfile.ZipFile):
    def entries(self):
        """Return (name, is plain file, is folder, entry) of all members."""
        for info in self.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            plain = kind in (0, stat.S_IFREG) and not info.is_dir()
            folder = info.is_dir() and kind in (0, stat.S_IFDIR)
            yield info.filename, plain, folder, info

    def stream(self, entry):
        """Return the content of a member, to be read."""
        return self.open(entry)


class _Tar(tarfile.TarFile):
    def entries(self):
        """Return (name, is plain file, is folder, entry) of all members."""
        for info in self:
            yield info.name, info.isreg() and not info.issparse(), info.isdir(), info

    def stream(self, entry):
        """Return the content of a member, to be read."""
        return self.extractfile(entry)


def _opened(archive):
    return _Zip(archive) if zipfile.is_zipfile(archive) else _Tar.open(archive)


def _chosen(entries, members, archive):
    """Return {path: entry} of the members to take, after a look at all of them."""
    found = {}
    for name, plain, folder, entry in entries.entries():
        path = safe_name(name.rstrip("/") if folder else name)
        if path is None:
            raise _refused(archive, f"a member {short(name, 80)!r}", "names inside the folder")
        if folder:
            continue
        if not plain:
            raise _refused(archive, f"{short(name, 80)!r}, which is a link or a device",
                           "plain files")  # fmt: skip
        if path in found:
            raise _refused(archive, f"{short(name, 80)!r} twice", "each name once")
        found[path] = entry
    taken = list(found) if members is None else []
    for pattern in members or ():
        fits = fnmatch.filter(map(str, found), pattern)
        if not fits:
            raise SuiteError(f"{archive}: holds no member like {pattern!r}.")
        taken += [PurePosixPath(name) for name in fits]
    return [(path, found[path]) for path in dict.fromkeys(taken)]


def _write(archive, entries, entry, path, left, limit):
    """Write one member and return its size, by what comes and not by what the archive says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    with entries.stream(entry) as source, open(path, "xb") as out:
        while block := source.read(min(BLOCK, left - size + 1)):
            size += len(block)
            if size > left:
                raise _refused(archive, f"more than {limit / 1e6:g} MB when unpacked",
                               f"at most {limit / 1e6:g} MB")  # fmt: skip
            out.write(block)
    return size
