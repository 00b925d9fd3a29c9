"""Released networks: what is checked before they are read, and half precision on disk."""

import json
from types import SimpleNamespace
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import released
from common.errors import ReadError, UsageError
from common.half import compare, halved, rounded

PAPER = SimpleNamespace(package="toypaper", module=lambda verb: f"python -m toypaper.{verb}")


@pytest.fixture
def room(tmp_path, monkeypatch):
    """A folder with one released network of two files, in place of a package's own."""
    folder = tmp_path / "toy"
    (folder / "models").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "models" / "a.keras").write_bytes(b"weights")
    (folder / released.CARD).write_text("a card")
    files = {name: released.sha256(folder / name) for name in released.contents(folder)}
    manifest = {"toy": {"about": "for tests", "files": files}}
    (tmp_path / released.MANIFEST).write_text(json.dumps(manifest))
    monkeypatch.setattr(released, "room", lambda package: tmp_path)
    return tmp_path


def test_default_name_and_folder_of_ones_own(room, tmp_path, capsys):
    assert released.run_folder(PAPER) == room / "toy"
    assert "for tests" in capsys.readouterr().out
    assert released.run_folder(PAPER, "toy") == room / "toy"
    own = tmp_path / "runs" / "own"
    own.mkdir(parents=True)
    assert released.run_folder(PAPER, own) == own
    assert released.run_folder(PAPER, "nowhere").name == "nowhere"
    assert released.is_released(room / "toy") and not released.is_released(own)
    assert released.writable(PAPER, own) == own
    assert not released.writable(PAPER, room / "toy").is_relative_to(room)


def test_nothing_released_asks_for_a_run(tmp_path, monkeypatch):
    monkeypatch.setattr(released, "room", lambda package: tmp_path)
    with pytest.raises(UsageError, match=r"python -m toypaper\.train"):
        released.run_folder(PAPER)
    assert "without released networks" in released.listing("toypaper")


@pytest.mark.parametrize(
    "harm, says",
    [
        (lambda f: (f / "models" / "a.keras").write_bytes(b"weightz"), "sha256"),
        (lambda f: (f / "models" / "a.keras").unlink(), "no such file"),
        (lambda f: (f / "models" / "b.keras").write_bytes(b"weights"), "not of the release"),
    ],
)
def test_damaged_missing_and_foreign_files_are_named(room, harm, says):
    harm(room / "toy")
    with pytest.raises(ReadError, match=says) as error:
        released.run_folder(PAPER)
    assert ".keras" in str(error.value) and "Install the package again" in str(error.value)


@pytest.mark.parametrize("text", ["{", "[]", '{"toy": 1}', '{"toy": {"about": "x"}}'])
def test_manifest_that_is_none_is_named(room, text):
    (room / released.MANIFEST).write_text(text)
    with pytest.raises(ReadError, match=r"manifest\.json"):
        released.run_folder(PAPER)


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_half_precision_keeps_signs_and_exponents(values):
    x = np.array(values, dtype=np.float32)
    y = rounded(x)
    assert y.dtype == np.float32
    normal = (np.abs(x) > 1e-36) & (np.abs(x) < 3e38)
    assert np.all(np.abs(y - x)[normal] <= np.abs(x)[normal] * 2.0**-11)
    assert np.array_equal(rounded(y)[normal], y[normal]), "again changes nothing"


def test_halved_network_is_smaller_and_the_same_every_time(tmp_path):
    import keras

    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(256)])
    model.save(tmp_path / "a.keras")
    halved(tmp_path / "a.keras", tmp_path / "b.keras")
    halved(tmp_path / "a.keras", tmp_path / "c.keras")
    assert (tmp_path / "b.keras").read_bytes() == (tmp_path / "c.keras").read_bytes()
    sizes = [
        sum(i.compress_size for i in ZipFile(tmp_path / f"{n}.keras").infolist()) for n in "ab"
    ]
    assert sizes[1] < 0.7 * sizes[0]
    again = keras.models.load_model(tmp_path / "b.keras")
    for old, new in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(new, rounded(old))


def test_change_is_told_in_units_of_the_error():
    before = pd.DataFrame({"z": [1.0, 2.0, np.nan], "z_err": [0.1, 0.1, 0.1]})
    after = before.assign(z=[1.005, 2.02, np.nan])
    row = compare(before, after, {"z": "z_err", "teff": "teff_err"}).iloc[0]
    assert row["n"] == 2 and row["within"] == 0.5 and not row["enough"]
    assert row["largest"] == pytest.approx(0.2)
    assert compare(before, before, {"z": "z_err"})["enough"].all()
