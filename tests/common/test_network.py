"""One switch keeps a process off the network, whoever asks."""

from argparse import Namespace

import pytest

from common import assets
from common.assets.web import ServerError, Web
from common.cli import run
from common.errors import MissingDataError
from common.network import switched_off, without
from tests.servers import Loopback


def test_the_switch_is_an_option_or_a_variable(monkeypatch):
    monkeypatch.delenv("SPECTRA_OFFLINE", raising=False)
    seen = []
    for offline in (True, False):
        assert run(lambda a: seen.append(switched_off()), Namespace(offline=offline)) == 0
    assert run(lambda a: seen.append(switched_off()), Namespace()) == 0
    assert seen == [True, False, False] and not switched_off()
    with without(), without(False):
        assert switched_off()
    for value, off in (("1", True), ("0", False), ("", False)):
        monkeypatch.setenv("SPECTRA_OFFLINE", value)
        assert switched_off() == off


def test_nothing_is_asked_while_it_is_off(tmp_path, monkeypatch):
    monkeypatch.setenv("SPECTRA_CACHE", str(tmp_path))
    monkeypatch.setattr("common.assets.fetching.fetch_package", None)
    with Loopback(files={"/a": b"x"}) as here, Web() as web:
        with without():
            with pytest.raises(ServerError, match="switched off"):
                web.get(f"{here.url}/a")
            with pytest.raises(MissingDataError, match=r"\(offline\)"):
                assets.fetch("pypeit")
        assert here.requests == []
        assert web.get(f"{here.url}/a").content == b"x"


@pytest.mark.parametrize("verb", ["train", "reproduce", "predict", "evaluate", "explain"])
def test_every_command_that_may_fetch_has_the_option(verb, capsys):
    import importlib

    for package in ("gasnet2", "lamost_metallicity", "mtopnet", "rvs_hybrid", "solarlike_distance"):
        name = "catalog" if (package, verb) == ("solarlike_distance", "predict") else verb
        module = importlib.import_module(f"{package}.{name}")
        with pytest.raises(SystemExit):
            module.main(["--help"])
        assert "--offline" in capsys.readouterr().out
