"""All archives at one server on loopback, with an empty cache and pauses that take no time."""

from contextlib import contextmanager

from common.assets.registry import servers
from common.assets.web import Web
from tests.servers.loopback import Loopback


@contextmanager
def everything(monkeypatch, tmp_path, *apps, **options):
    """Yield the server; TAP services are below /tap."""
    monkeypatch.setenv("SPECTRA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(Web, "hold", lambda self, seconds: None)
    with Loopback(*apps, **options) as here:
        for name, (_, variable) in servers().items():
            monkeypatch.setenv(variable, here.url + ("/tap" if name.endswith("-tap") else ""))
        yield here
