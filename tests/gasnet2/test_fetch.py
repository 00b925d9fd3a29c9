"""Fetching the authors' tables, tried against a stand-in for the hub on loopback."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import huggingface_hub.constants as constants
import pytest

from common.errors import MissingDataError
from gasnet2 import fetch, train

CONTENT = {name: (name * 5000).encode() for name in fetch.FILES}


class Hub(BaseHTTPRequestHandler):
    """Answers as the hub does for files of a data set; counts and can spoil what it sends."""

    spoil = False
    requests: ClassVar[list] = []

    def _answer(self, body):
        name = self.path.split("?")[0].rsplit("/", 1)[-1]
        if name not in CONTENT or f"/datasets/{fetch.REPO}/resolve/" not in self.path:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        data = CONTENT[name]
        digest = hashlib.sha256(data).hexdigest()
        start = 0
        if "Range" in self.headers and body:
            start = int(self.headers["Range"].split("=")[1].split("-")[0])
        self.send_response(206 if start else 200)
        for name_and_value in (("ETag", f'"{digest}"'), ("X-Repo-Commit", "0" * 40),
                               ("X-Linked-Etag", f'"{digest}"'), ("X-Linked-Size", str(len(data))),
                               ("Content-Length", str(len(data) - start))):  # fmt: skip
            self.send_header(*name_and_value)
        self.end_headers()
        if body:
            Hub.requests.append(name)
            self.wfile.write((b"x" + data[1:] if Hub.spoil else data)[start:])

    def do_HEAD(self):
        self._answer(False)

    def do_GET(self):
        self._answer(True)

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    Hub.spoil, Hub.requests = False, []
    yield server
    server.shutdown()
    server.server_close()


def test_tables_arrive_once_and_whole(hub, tmp_path):
    paths = fetch.fetch_sdss(tmp_path)
    assert [p.name for p in paths] == list(fetch.FILES)
    for path in paths:
        assert path.read_bytes() == CONTENT[path.name]
    assert sorted(Hub.requests) == sorted(fetch.FILES)
    assert fetch.fetch_sdss(tmp_path, offline=True) == paths
    assert len(Hub.requests) == 3, "what is in the cache is not fetched again"


def test_spoiled_table_is_refused_and_removed(hub, tmp_path):
    Hub.spoil = True
    with pytest.raises(MissingDataError, match=r"the hub announced 50000 bytes|fetch it again"):
        fetch.fetch_sdss(tmp_path)
    assert not (tmp_path / "train.fits").exists()
    Hub.spoil = False
    assert len(fetch.fetch_sdss(tmp_path)) == 3


def test_without_a_network_one_message_says_all(hub, tmp_path, monkeypatch):
    hub.shutdown()
    hub.server_close()
    with pytest.raises(MissingDataError) as error:
        fetch.fetch_sdss(tmp_path)
    text = str(error.value)
    for words in ("train.fits", fetch.SIZE, "python -m gasnet2.fetch", "sdss-mock", "--data-dir"):
        assert words in text


def test_offline_forces_the_message(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SPECTRA_CACHE", str(tmp_path / "cache"))
    arguments = ["--dataset", "sdss", "--offline", "--run-dir", str(tmp_path / "run")]
    assert train.main(arguments) == 1
    assert "--offline was given" in capsys.readouterr().err
