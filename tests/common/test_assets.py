"""The registry: what it holds, what it refuses, what it says without a network."""

import hashlib
import re
import zipfile
from dataclasses import replace

import pytest

from common import assets
from common.assets.__main__ import main
from common.assets.locks import locked
from common.assets.registry import KINDS, server, servers
from common.assets.web import Web
from common.errors import MissingDataError, SuiteError, UsageError
from tests.servers import Loopback
from tests.servers.archives import hub, zenodo
from tests.servers.loopback import cut, login, status

FITS = b"SIMPLE  =                    T".ljust(2880)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(Web, "hold", lambda self, seconds: None)
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


def test_every_entry_states_source_size_licence_citation_and_purpose():
    found = assets.registry()
    assert {"sdss-mangadap", "thedoppler", "pypeit"} <= set(found)
    for asset in found.values():
        assert asset.kind in KINDS and asset.bytes > 1e5 and asset.version
        assert asset.licence and asset.citation and asset.content and asset.purpose
        if asset.kind == "package":
            assert len(asset.sha256) == 64 and int(asset.sha256, 16) > 0 and asset.members
            pickles = [m for m in asset.members if m.endswith(".pkl")]
            assert set(pickles) <= set(asset.hashes)
        else:
            assert asset.server in servers()
            assert asset.paths or asset.command.startswith("python -m ")


def test_every_server_can_be_replaced_by_a_mirror(monkeypatch):
    for name, (url, variable) in servers().items():
        assert url.startswith("https://") and not url.endswith("/")
        assert re.fullmatch(r"SPECTRA_SERVER_[A-Z_]+|HF_ENDPOINT", variable)
        monkeypatch.delenv(variable, raising=False)
        assert server(name) == url
        monkeypatch.setenv(variable, "http://mirror.example/of/it/")
        assert server(name) == "http://mirror.example/of/it"


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


def test_offline_never_opens_a_connection(cache, monkeypatch, capsys):
    monkeypatch.setattr("socket.socket", None)
    monkeypatch.setattr("subprocess.run", None)
    for name, asset in assets.registry().items():
        if asset.kind != "archive":
            assert main(["fetch", name, "--offline"]) == 1
            assert "(offline)" in capsys.readouterr().err


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
    for verb in ("path", "where", "fetch", "clean", "verify"):
        assert main([verb, "nothing"]) == 2
        assert "Received 'nothing'" in capsys.readouterr().err
    assert main(["list"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in assets.registry()) and "not fetched" in text
    assert main(["fetch", "sdss-dr16"]) == 2
    assert "python -m gasnet2.fetch --scale paper" in capsys.readouterr().err


HUB = {f"Fucheng/GaSNet-II-SDSS-dataset/{n}.fits": FITS * (i + 4) for i, n in
       enumerate(("train", "valid", "test"))}  # fmt: skip


def test_a_data_set_of_the_hub_is_fetched_checked_and_cleaned(cache, monkeypatch, capsys):
    with Loopback(hub(HUB)) as here:
        monkeypatch.setenv("HF_ENDPOINT", here.url)
        here.faults += [lambda r, a: a, lambda r, a: a, cut(3000), lambda r, a: a, cut(5000)]
        assert main(["fetch", "sdss-gasnet2"]) == 0
        folder = cache / "sdss-gasnet2"
        assert capsys.readouterr().out.strip() == str(folder)
        for name, body in HUB.items():
            assert (folder / name.rsplit("/", 1)[1]).read_bytes() == body
        n = len(here.requests)
        assert main(["fetch", "sdss-gasnet2"]) == 0 and len(here.requests) == n
        assert sorted(p.name for p in cache.rglob("*") if p.suffix in (".lock", ".partial")) == []
    assert main(["verify"]) == 0
    assert "sdss-gasnet2: 3 files as they were fetched" in capsys.readouterr().out
    (folder / "test.fits").write_bytes(b"spoilt")
    assert main(["verify", "sdss-gasnet2"]) == 1
    assert "test.fits: its sha256 is not the one" in capsys.readouterr().err
    assert main(["clean", "sdss-gasnet2"]) == 0 and not folder.exists()


def test_a_file_that_is_not_what_the_hub_announced_is_refused(cache, monkeypatch):
    name = next(iter(HUB))
    with Loopback(hub(HUB)) as here:
        monkeypatch.setenv("HF_ENDPOINT", here.url)
        spoil = FITS * 3 + FITS.replace(b"T", b"F")

        def other(request, answer):
            if request.path == f"/cdn/{name}":
                answer.body = spoil
            return answer

        here.always = other
        with pytest.raises(SuiteError, match="sha256 is"):
            assets.fetch("sdss-gasnet2")
        assert not assets.is_cached("sdss-gasnet2")
        here.always = None
        assert assets.is_cached(assets.fetch("sdss-gasnet2").name)


def test_a_record_of_zenodo_comes_with_its_hashes(cache, monkeypatch):
    files = {"train set.npz": b"PK numbers", "model.keras": b"PK weights"}
    with Loopback(zenodo("13748129", files)) as here:
        monkeypatch.setenv("SPECTRA_SERVER_ZENODO", here.url)
        folder = assets.fetch("solardis")
        assert {p.name: p.read_bytes() for p in folder.iterdir() if p.name != assets.DONE} == files
    with Loopback(zenodo("13748129", {"../evil": b"x"})) as here:
        monkeypatch.setenv("SPECTRA_SERVER_ZENODO", here.url)
        assert main(["clean", "solardis"]) == 0
        with pytest.raises(SuiteError, match="names in the folder"):
            assets.fetch("solardis")
    with Loopback() as here:
        here.always = login
        monkeypatch.setenv("SPECTRA_SERVER_ZENODO", here.url)
        with pytest.raises(MissingDataError, match="no list of files came"):
            assets.fetch("solardis")


def test_files_of_a_server_that_fails_half_way_are_gone_on_with(cache, monkeypatch):
    asset = assets.get("mpajhu-dr8")
    with Loopback(files={f"/{path}": FITS for path in asset.paths}) as here:
        monkeypatch.setenv("SPECTRA_SERVER_SDSS", here.url)
        here.faults += [lambda r, a: a, status(503, Retry_After="900")]
        with pytest.raises(MissingDataError) as caught:
            assets.fetch("mpajhu-dr8")
        assert "wait for 900 s" in str(caught.value)
        assert "python -m common.assets fetch mpajhu-dr8" in str(caught.value)
        assert not assets.is_cached("mpajhu-dr8")
        assets.fetch("mpajhu-dr8")
        assert [len(here.asked(f"/{path}")) for path in asset.paths] == [1, 2, 1]


def test_leftovers_are_removed_but_not_what_another_process_is_at(cache, capsys):
    folder = cache / "allstar-dr17"
    folder.mkdir(parents=True)
    for name in ("x.fits.partial", "x.fits.partial.json", "x.fits.lock", "keep.fits"):
        (folder / name).write_text("")
    (cache / "pypeit-1.0-00000000").mkdir()
    (cache / ".unpack-abc").mkdir()
    with pytest.raises(OSError), locked(folder / "y.fits"):
        (folder / "y.fits.partial").write_text("")
        assert main(["clean"]) == 0
        assert sorted(p.name for p in folder.iterdir()) == ["keep.fits", "y.fits.lock",
                                                            "y.fits.partial"]  # fmt: skip
        raise OSError("the transfer failed")
    assert not (cache / "pypeit-1.0-00000000").exists() and (cache / ".unpack-abc").exists()
    assert main(["clean"]) == 0 and "removed" in capsys.readouterr().out
    assert sorted(p.name for p in cache.rglob("*")) == ["allstar-dr17", "keep.fits"]
