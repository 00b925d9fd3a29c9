"""One file from one address: resumed where it was cut, checked, moved into place when whole."""

from __future__ import annotations

import json
import os
import re
import time
from contextlib import suppress
from pathlib import Path

import requests
import urllib3

from common.assets.locks import PARTIAL, locked
from common.assets.seal import digest
from common.assets.sniff import check
from common.assets.web import ServerError
from common.cli import progress
from common.errors import SuiteError
from common.files import write_json

BLOCK = 1 << 16
MUCH = 1 << 20  # bytes; who gets as far as this in a try may have all tries again
CUT = (urllib3.exceptions.HTTPError, OSError, requests.RequestException)


def download(url, target, *, web, size=None, sha256=None, md5=None, params=None, data=None,
             label=None, shown=True):  # fmt: skip
    """Fetch a file, or what is still missing of it.

    Parameters
    ----------
    url : str
    target : path-like
        Where it goes. What is here of it already lies beside, under the name with ".partial".
    web : common.assets.web.Web
    size : int, optional
        Its exact size in bytes, where known.
    sha256, md5 : str, optional
        Its hash as hex, where known.
    params, data : dict, optional
        Of the query: in the address, or in the body of a POST. Neither is written anywhere.
    label : str, optional
        What the progress bar says; the name by default.
    shown : bool
        Show a progress bar with size and rate.

    Returns
    -------
    Path

    Raises
    ------
    ServerError
        If the server gives it not, or not all of it after all tries; what came is kept, and the
        next call goes on from there.
    SuiteError
        If what came is not what it should be; it is removed.
    """
    target = Path(target)
    if target.is_file():
        return target
    with locked(target):
        if not target.is_file():
            part = _Part(url, target, web, size, params, data)
            part.complete(label or target.name, shown)
            _verify(part, sha256=sha256, md5=md5)
            part.move()
    return target


def _verify(part, *, sha256, md5):
    """Raise `SuiteError` where the whole part is not the file; it is removed then."""
    try:
        check(part.path, part.said, part.target.name)
        for kind, wanted in (("sha256", sha256), ("md5", md5)):
            found = digest(part.path, kind) if wanted else wanted
            if found != wanted:
                raise SuiteError(
                    f"{part.said}: {kind} is {found}; allowed: {wanted}. It was not kept; run the "
                    "same command again, and ask who runs the server where it stays so."
                )
    except SuiteError:
        part.discard()
        raise


class _Part:
    """What has arrived of a file, and by what it is known to be of the same one."""

    def __init__(self, url, target, web, size, params, data):
        self.url, self.target, self.web, self.size = url, target, web, size
        self.params, self.data = params, data
        self.said = web.hidden(url)  # parameters may hold secrets: they are never said
        self.path = target.with_name(target.name + PARTIAL)
        self.note = target.with_name(target.name + PARTIAL + ".json")
        self.tag = self._read_note()
        self.total = None

    def _read_note(self):
        """Return the validator of what has arrived, "" where there is none for this address."""
        with suppress(OSError, ValueError):
            note = json.loads(self.note.read_text())
            if note["url"] == self.said and self.data is None:
                return note["tag"]
        return ""

    @property
    def here(self):
        """Bytes that have arrived."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def discard(self):
        """Forget what has arrived."""
        for path in (self.path, self.note):
            path.unlink(missing_ok=True)
        self.tag = ""

    def move(self):
        """Give the whole file its name."""
        with open(self.path, "rb") as stream:
            os.fsync(stream.fileno())
        os.replace(self.path, self.target)
        self.note.unlink(missing_ok=True)

    def complete(self, label, shown):
        """Fetch until all is here."""
        self.target.parent.mkdir(parents=True, exist_ok=True)
        if self.here and not self.tag:
            self.discard()  # nothing says that the rest would be of the same file
        left = self.web.tries
        options = dict(unit="B", unit_scale=True, unit_divisor=1000, desc=label, shown=shown)
        with progress(total=self.size, initial=self.here, **options) as bar:
            while left > 0:
                before = self.here
                why = self._more(bar)
                if not why:
                    return
                left = self.web.tries if self.here - before > MUCH else left - 1
                self.web.hold(self.web.pause * 2 ** (self.web.tries - left - 1))
        expected = f" of {self.total}" if self.total else ""
        raise ServerError(
            f"{self.said}: {why} again and again; {self.here}{expected} bytes of "
            f"{self.target.name} are here. Run the same command again: it goes on from there."
        )

    def _more(self, bar):
        """Ask once for what is missing; return "" where all is here, else what went wrong."""
        start = self.here if self.tag else 0
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers |= {"Range": f"bytes={start}-", "If-Range": self.tag}
        method = "GET" if self.data is None else "POST"
        answer = self.web.request(method, self.url, headers=headers, params=self.params,
                                  data=self.data, stream=True)  # fmt: skip
        with answer:
            tag, total = _tag(answer), _total(answer)
            if answer.status_code == 416 and total == start:
                self.total = total
                return ""
            same = answer.status_code == 206 and tag in ("", self.tag) and _start(answer) == start
            if answer.status_code in (206, 416) and not same:
                self.discard()  # another file stands there now
                bar.reset()
                return "the file changed on the server while it was fetched"
            if self.size is not None and total not in (None, self.size):
                raise SuiteError(
                    f"{self.said}: the server announces {total} bytes; allowed: {self.size}. The "
                    "file is another one than it was; nothing was kept."
                )
            if not same:
                start, self.tag = 0, tag
                self._write_note()
                bar.reset(total=self.size or total)
            self.total = self.size or total
            why = self._take(answer, start, bar)
        if not why and self.total is not None and self.here != self.total:
            why = "the connection was cut"
        if self.total is not None and self.here > self.total:
            self.discard()
        return why

    def _write_note(self):
        if self.tag:
            write_json(self.note, {"url": self.said, "tag": self.tag})
        else:
            self.note.unlink(missing_ok=True)

    def _take(self, answer, start, bar):
        """Write the body of an answer as it comes; return "" or why it ended early."""
        web, began, seen = self.web, time.monotonic(), 0
        with open(self.path, "r+b" if start else "wb") as out:
            out.seek(start)
            out.truncate()
            try:
                while piece := answer.raw.read1(BLOCK, decode_content=False):
                    out.write(piece)
                    bar.update(len(piece))
                    seen += len(piece)
                    now = time.monotonic()
                    if now - began > web.patience:
                        if seen < web.slowest * (now - began):
                            return f"the server sends less than {web.slowest:g} bytes a second"
                        began, seen = now, 0
            except CUT as error:
                if isinstance(error, OSError) and error.filename:
                    raise  # of our own disk
                return "the connection was cut"
        return ""


def _tag(answer):
    """Return what If-Range may name: a strong ETag, else the date; "" without either."""
    tag = answer.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")


def _start(answer):
    """Return where the bytes of an answer of status 206 begin, -1 where it does not say."""
    found = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return int(found[1]) if found else -1


def _total(answer):
    """Return the size of the whole file, None where the answer does not say."""
    found = re.search(r"/(\d+)$", answer.headers.get("Content-Range", ""))
    if found:
        return int(found[1])
    length = answer.headers.get("Content-Length", "")
    return int(length) if length.isdigit() and answer.status_code == 200 else None
