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
        for name, text in (("data/a.txt", "alpha"), ("data/b.txt", "beta"), ("code.py", "1 / 0")):
            bundle.writestr(f"thing/{name}", text)
    known = dict(name="thing", file=file.name, members=("thing/data/*",))
    known["sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
    return file, replace(next(iter(assets.registry().values())), **known)


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
    (tmp_path / "out" / "mark").write_text("first")
    assets.unpack(file, asset, tmp_path / "out")  # a second one keeps the folder
    assert (tmp_path / "out" / "mark").read_text() == "first"


@pytest.mark.parametrize(
    "change, says",
    [({"sha256": "0" * 64}, r"sha256 is .* allowed: 00000"),
     ({"members": ("thing/none",)}, r"no member like 'thing/none'")],
)  # fmt: skip
def test_what_is_not_the_archive_is_refused_and_leaves_nothing(wheel, tmp_path, change, says):
    file, asset = wheel
    with pytest.raises(SuiteError, match=says):
        assets.unpack(file, replace(asset, **change), tmp_path / "deep" / "out")
    assert not list(tmp_path.glob("deep/*"))


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
    nowhere = "http://127.0.0.1:9/simple"
    for name, value in {"INDEX_URL": nowhere, "EXTRA_INDEX_URL": nowhere, "RETRIES": "0",
                        "TIMEOUT": "1", "CONFIG_FILE": "/dev/null"}.items():  # fmt: skip
        monkeypatch.setenv(f"PIP_{name}", value)
    with pytest.raises(MissingDataError, match="could not be fetched"):
        assets.fetch("pypeit")
    assert not any(p.name.startswith(".fetch") for p in cache.iterdir())


def test_unknown_names_are_usage_errors_and_all_are_listed(cache, capsys):
    with pytest.raises(UsageError, match="thedoppler"):
        assets.get("nothing")
    assert assets.main(["path", "nothing"]) == 2
    assert "Received 'nothing'" in capsys.readouterr().err
    assert assets.main(["list"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in assets.registry()) and "not fetched" in text


class Trap:
    def __reduce__(self):
        return (print, ("ran",))


def test_pickles_of_arrays_and_containers_are_read_and_others_refused(tmp_path):
    file, theta = tmp_path / "some.pkl", np.arange(6.0).reshape(2, 3)
    content = {"theta": theta, "n": np.int64(3), "o": OrderedDict(a=(1, [2]))}
    for protocol in (2, 4):
        file.write_bytes(pickle.dumps(content, protocol=protocol))
        back = assets.load_pickle(file)
        np.testing.assert_array_equal(back["theta"], theta)
        assert back["n"] == 3 and back["o"] == content["o"]
    file.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(SuiteError, match=r"builtins\.print"):
        assets.load_pickle(file)
