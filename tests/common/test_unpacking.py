"""Archives and pickles that attack: each is refused, and nothing of it stays."""

import gzip
import hashlib
import io
import os
import pickle
import stat
import subprocess
import tarfile
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.assets import load_pickle
from common.assets.unpacking import safe_name, unpack
from common.errors import SuiteError

GOOD = {"a/spec.fits": b"one", "a/b/other.fits": b"two", "read.me": b""}


def make_zip(path, members):
    """`members`: (name, content, unix mode or None)."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content, mode in members:
            info = zipfile.ZipInfo("x")
            info.filename = name  # as it is: the constructor would mend it
            info.compress_type = zipfile.ZIP_DEFLATED
            if mode is not None:
                info.external_attr = mode << 16
            bundle.writestr(info, content)
    return path


def make_tar(path, members):
    """`members`: TarInfo fields, with the content under "data"."""
    with tarfile.open(path, "w:gz") as bundle:
        for fields in members:
            fields = dict(fields)
            data = fields.pop("data", b"")
            info = tarfile.TarInfo(fields.pop("name"))
            for name, value in fields.items():
                setattr(info, name, value)
            info.size = len(data)
            bundle.addfile(info, io.BytesIO(data))
    return path


def test_plain_files_of_zip_and_tar_come_out(tmp_path):
    made = [
        make_zip(tmp_path / "a.zip", [(n, c, 0o100644) for n, c in GOOD.items()]),
        make_tar(tmp_path / "a.tgz", [{"name": "a", "type": tarfile.DIRTYPE}]
                 + [{"name": n, "data": c} for n, c in GOOD.items()]),
    ]  # fmt: skip
    (tmp_path / "mine").mkdir()
    for i, archive in enumerate(made):
        files = unpack(archive, tmp_path / f"out{i}")
        assert {f.relative_to(tmp_path / f"out{i}").as_posix(): f.read_bytes()
                for f in files} == GOOD  # fmt: skip
        assert (tmp_path / f"out{i}").stat().st_mode == (tmp_path / "mine").stat().st_mode
        chosen = unpack(archive, tmp_path / f"some{i}", members=["a/*.fits"])
        assert [f.name for f in chosen] == ["other.fits", "spec.fits"]


LINK, DEVICE, FIFO = stat.S_IFLNK | 0o777, stat.S_IFCHR | 0o666, stat.S_IFIFO | 0o644
ZIPS = {
    "traversal": ("../evil", b"x", None),
    "deep traversal": ("a/../../evil", b"x", None),
    "absolute": ("/etc/evil", b"x", None),
    "drive": ("C:/evil", b"x", None),
    "backslash": ("..\\evil", b"x", None),
    "control": ("a\nb", b"x", None),
    "long": ("n" * 300, b"x", None),
    "link": ("link", b"/etc/passwd", LINK),
    "folder that is a link": ("link/", b"/etc", LINK),
    "device": ("null", b"", DEVICE),
    "fifo": ("pipe", b"", FIFO),
}
TARS = {
    "traversal": {"name": "../evil", "data": b"x"},
    "absolute": {"name": "/tmp/evil", "data": b"x"},
    "symlink": {"name": "a/link", "type": tarfile.SYMTYPE, "linkname": "/etc/passwd"},
    "hard link": {"name": "a/link", "type": tarfile.LNKTYPE, "linkname": "a/spec.fits"},
    "character device": {"name": "a/null", "type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3},
    "block device": {"name": "a/sda", "type": tarfile.BLKTYPE},
    "fifo": {"name": "a/pipe", "type": tarfile.FIFOTYPE},
    "sparse": {"name": "a/sparse", "type": tarfile.GNUTYPE_SPARSE},
    "folder outside": {"name": "../out", "type": tarfile.DIRTYPE},
    "twice": {"name": "a/spec.fits", "data": b"other"},
}
CASES = [(make_zip, k, [*((n, c, None) for n, c in GOOD.items()), v]) for k, v in ZIPS.items()]
CASES += [(make_tar, k, [{"name": "a/spec.fits", "data": b"one"}, v]) for k, v in TARS.items()]


@pytest.mark.parametrize(
    "make, attack, members", CASES, ids=[f"{m.__name__}-{k}" for m, k, _ in CASES]
)
def test_attacks_are_refused_and_leave_nothing(make, attack, members, tmp_path):
    archive = make(tmp_path / "evil.bin", members)
    before = sorted(tmp_path.parent.iterdir())
    with pytest.raises(SuiteError, match=r"Nothing of it was unpacked|cannot be unpacked"):
        unpack(archive, tmp_path / "in" / "out")
    assert list((tmp_path / "in").iterdir()) == []
    assert sorted(tmp_path.parent.iterdir()) == before


def test_bombs_are_stopped_by_what_comes_not_by_what_is_said(tmp_path):
    bomb = make_zip(tmp_path / "b.zip", [("zeros", bytes(3_000_000), None)])
    raw = bytearray(bomb.read_bytes())
    true = (3_000_000).to_bytes(4, "little")
    while (at := raw.find(true)) >= 0:  # the headers now say that it is small
        raw[at : at + 4] = (3).to_bytes(4, "little")
    liar = tmp_path / "liar.zip"
    liar.write_bytes(raw)
    for archive in (bomb, liar):
        with pytest.raises(SuiteError, match=r"more than 0\.1 MB|cannot be unpacked"):
            unpack(archive, tmp_path / "out", most_bytes=100_000)
    tar = tmp_path / "b.tar.gz"
    make_tar(tar, [{"name": "zeros", "data": bytes(3_000_000)}])
    with pytest.raises(SuiteError, match=r"more than 0\.1 MB"):
        unpack(tar, tmp_path / "out", most_bytes=100_000)
    many = make_zip(tmp_path / "m.zip", [(f"{i}", b"", None) for i in range(12)])
    with pytest.raises(SuiteError, match="12 files; allowed: at most 10"):
        unpack(many, tmp_path / "out", most_files=10)
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".unpack-*"))


def test_damaged_and_locked_archives_are_clear_errors(tmp_path):
    good = make_zip(tmp_path / "a.zip", [("a", os.urandom(5000), None)]).read_bytes()
    spoilt = good[:1000] + bytes(300) + good[1300:]
    locked = bytearray(good)
    for mark in (b"PK\x03\x04", b"PK\x01\x02"):
        locked[good.index(mark) + (6 if mark == b"PK\x03\x04" else 8)] |= 1
    for content in (good[:-30], b"no archive", b"", spoilt, bytes(locked), gzip.compress(b"x")):
        (tmp_path / "x").write_bytes(content)
        with pytest.raises(SuiteError, match="cannot be unpacked"):
            unpack(tmp_path / "x", tmp_path / "out")
        assert not (tmp_path / "out").exists()
    with pytest.raises(SuiteError, match="no member like 'b"):
        unpack(tmp_path / "a.zip", tmp_path / "out", members=["b*"])


@settings(max_examples=60)
@given(st.text(st.sampled_from("ab./\\:~\n "), min_size=0, max_size=12))
def test_a_safe_name_stays_inside(name):
    path = safe_name(name)
    if path is not None:
        inside = os.path.normpath(os.path.join("/root/of/it", str(path)))
        assert inside.startswith("/root/of/it/") and "\n" not in str(path)


def save(path, content):
    path.write_bytes(content)
    return path, hashlib.sha256(content).hexdigest()


def test_pickles_of_arrays_and_containers_are_read(tmp_path):
    theta = np.arange(6.0).reshape(2, 3)
    content = {"theta": theta, "n": np.int64(3), "o": OrderedDict(a=(1, [2]))}
    for protocol in (2, 4):
        file, known = save(tmp_path / "some.pkl", pickle.dumps(content, protocol=protocol))
        back = load_pickle(file, sha256=known)
        np.testing.assert_array_equal(back["theta"], theta)
        assert back["n"] == 3 and back["o"] == content["o"]


class Call:
    def __init__(self, function, *arguments):
        self.pair = function, arguments

    def __reduce__(self):
        return self.pair


EVIL = {
    "print": Call(print, "ran"),
    "system": Call(os.system, "touch ran"),
    "eval": Call(eval, "1"),
    "subprocess": Call(subprocess.Popen, ["touch", "ran"]),
    "nested": {"theta": [np.arange(3), Call(exec, "import os")]},
    "in an array": np.array([Call(os.getenv, "HOME")], dtype=object),
    "numpy's own": Call(np.load, "x"),
    "getattr": Call(getattr, np, "load"),
}


@pytest.mark.parametrize("name", EVIL)
def test_evil_pickles_are_refused_even_where_their_hash_matches(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for protocol in (0, 2, 4, 5):
        try:
            content = pickle.dumps(EVIL[name], protocol=protocol)
        except TypeError:  # modules cannot be pickled: by hand
            content = b"cbuiltins\ngetattr\n(cnumpy\nload\nS'x'\ntR."
        file, known = save(tmp_path / "evil.pkl", content)
        with pytest.raises(SuiteError, match="A pickle asks for"):
            load_pickle(file, sha256=known)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"\x80\x04", b"P1\n.", b"garbage", b"(lp0\n" * 3])
def test_damaged_pickles_are_clear_errors(content, tmp_path):
    file, known = save(tmp_path / "bad.pkl", content)
    with pytest.raises(SuiteError, match=r"damaged pickle|outside itself"):
        load_pickle(file, sha256=known)


def test_a_pickle_of_another_hash_is_not_even_looked_at(tmp_path, monkeypatch):
    file, _ = save(tmp_path / "some.pkl", pickle.dumps([1]))
    monkeypatch.setattr("common.assets.pickles._PlainUnpickler", None)
    with pytest.raises(SuiteError, match=f"allowed: {'0' * 64}.*is not read"):
        load_pickle(file, sha256="0" * 64)
