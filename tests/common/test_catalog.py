"""Catalogues in every format, and files that are whole or absent."""

import os
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import Table

from common.catalog import check_format, read_table, write_table
from common.errors import ReadError, SuiteError, UsageError
from common.files import atomic_path

ROOT = Path(__file__).resolve().parents[2]
ENDINGS = (".fits", ".vot", ".xml", ".parquet", ".ecsv", ".csv")


@pytest.fixture
def frame():
    return pd.DataFrame({
        "id": ["3586-55181-0004", "", "nan"],
        "class": ["QSO_nan", "STAR_A0", "nan"],
        "z": [0.1, np.nan, 2.5],
        "n": pd.array([1, None, 999999], dtype="Int64"),
        "good": [True, False, True],
        "p": np.array([0.25, 0.5, 1.0], dtype=np.float32),
    })  # fmt: skip


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_is_written_is_read(frame, tmp_path, ending):
    write_table(frame, tmp_path / f"a{ending}")
    back = read_table(tmp_path / f"a{ending}")
    assert list(back.columns) == list(frame.columns)
    for name in ("id", "class", "good", "p"):
        assert back[name].tolist() == frame[name].tolist()
    np.testing.assert_array_equal(back["z"], frame["z"])
    assert back["n"].isna().tolist() == [False, True, False]
    assert back["n"].dropna().tolist() == [1, 999999]
    assert os.listdir(tmp_path) == [f"a{ending}"]
    write_table(pd.DataFrame({"file": [], "reason": []}).astype(str), tmp_path / f"b{ending}")
    assert list(read_table(tmp_path / f"b{ending}").columns) == ["file", "reason"]


@pytest.mark.filterwarnings("ignore:.*did not parse as fits unit")
def test_units_ucds_and_meta_reach_fits_ecsv_and_parquet(frame, tmp_path):
    """The unit dex reaches FITS though the standard has it not."""
    notes = {"units": {"p": "Angstrom", "z": "dex"}, "ucds": {"z": "src.redshift"},
             "descriptions": {"z": "redshift from Å"}}  # fmt: skip
    write_table(frame, tmp_path / "a.fits", **notes, meta={"NETWORK": "toy", "LONGER_THAN_8": 2})
    assert (tmp_path / "a.fits").stat().st_size % 2880 == 0
    with fits.open(tmp_path / "a.fits") as hdus:
        hdus.verify("exception")
        header = hdus[1].header
    assert (header["TUNIT3"], header["TUNIT6"]) == ("dex", "Angstrom")
    assert (header["TUCD3"], header["TCOMM3"]) == ("src.redshift", "redshift from \\xc5")
    assert (header["NETWORK"], header["LONGER_THAN_8"]) == ("toy", 2)
    assert str(Table.read(tmp_path / "a.fits")["z"].unit) == "dex"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "z" in read_table(tmp_path / "a.fits")
    write_table(frame, tmp_path / "a.ecsv", meta={"SEED": 1}, **notes)
    table = Table.read(tmp_path / "a.ecsv", format="ascii.ecsv")
    assert (str(table["z"].unit), table["z"].description) == ("dex", "redshift from Å")
    assert (table["z"].meta["ucd"], table.meta["SEED"]) == ("src.redshift", 1)
    write_table(frame, tmp_path / "a.parquet", **notes)
    assert pq.read_schema(tmp_path / "a.parquet").field("z").metadata[b"unit"] == b"dex"


def test_published_predictions_and_astropys_tables(shared_data, tmp_path):
    table = read_table(shared_data / "reference/gasnet2/test_results.fits")
    assert len(table) == 18000
    assert {"label", "SNR", "pred_bar", "pred_std"} <= set(table.columns)
    write_table(Table({"id": ["a", "b"], "x": [[1.0, 2.0], [3.0, 4.0]]}), tmp_path / "a.fits")
    back = read_table(tmp_path / "a.fits")
    assert back["id"].tolist() == ["a", "b"]
    np.testing.assert_array_equal(np.stack(back["x"]), [[1, 2], [3, 4]])


def test_other_endings_and_units_of_no_column_are_refused(frame, tmp_path):
    for name in ("a.txt", "a", "a.fits.bak"):
        for work in (lambda p: write_table(frame, p), read_table, check_format):
            with pytest.raises(UsageError, match=r"must end in one of \.fits"):
                work(tmp_path / name)
    with pytest.raises(UsageError, match="unit given for columns that are not"):
        write_table(frame, tmp_path / "a.fits", units={"zz": "deg"})
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("ending", ENDINGS)
def test_damaged_and_missing_catalogues(tmp_path, ending):
    with pytest.raises(ReadError, match="no such file"):
        read_table(tmp_path / f"no{ending}")
    text = "" if ending == ".csv" else "nothing of the kind"  # any text is a CSV
    (tmp_path / f"a{ending}").write_text(text)
    with pytest.raises(ReadError, match="damaged"):
        read_table(tmp_path / f"a{ending}")


def test_full_disk(tmp_path):
    """A limit on file size stands in for the full disk: the write itself fails half-way."""
    code = f"""
        import resource, numpy as np, pandas as pd
        from common.catalog import write_table
        from common.errors import SuiteError
        names = [old + ending for ending in {ENDINGS} for old in ("old", "new")]
        for name in names[::2]:
            write_table(pd.DataFrame({{"x": [1.0]}}), name)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        frame = pd.DataFrame({{"x": np.random.default_rng(0).normal(size=100_000)}})
        for name in names:
            try:
                write_table(frame, name)
            except SuiteError as error:
                print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    for text in ("the disk or quota is full", "MB are free",
                 "About 0.8 MB are needed for 100000 rows"):  # fmt: skip
        assert done.stdout.count(text) == 2 * len(ENDINGS), done.stderr
    assert set(os.listdir(tmp_path)) == {f"old{ending}" for ending in ENDINGS}
    assert all(len(read_table(path)) == 1 for path in tmp_path.iterdir())


def test_nothing_is_left_of_a_failed_write(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error), atomic_path(path) as temporary:
            temporary.write_text("half")
            raise error
        assert path.read_text() == "old" and os.listdir(tmp_path) == ["a.txt"]


def test_folder_that_may_not_be_written_to(tmp_path, monkeypatch):
    def refuse(source, target):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    with (
        pytest.raises(SuiteError, match=r"cannot be written.*Choose another"),
        atomic_path(tmp_path / "a") as temporary,
    ):
        temporary.write_text("x")
    assert os.listdir(tmp_path) == []
    (tmp_path / "a").write_text("")
    with pytest.raises(SuiteError, match="cannot be written"):
        write_table(pd.DataFrame({"x": [1]}), tmp_path / "a" / "b.csv")  # a file, not a folder


def test_votable_rows_of_any_length_leave_memory_whole(tmp_path):
    code = """
        import sys
        import pandas as pd
        from common.catalog import write_table
        for length in range(150, 260):
            write_table(pd.DataFrame({"text": ["x" * length]}), sys.argv[1])
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "a.vot")],
        cwd=ROOT, env=os.environ | {"PYTHONMALLOC": "debug"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-500:]


def test_votable_keeps_units_ucds_and_meta(frame, tmp_path):
    from astropy.io.votable import parse

    frame["n"] += 2**62
    write_table(
        frame, tmp_path / "a.vot", units={"p": "dex", "z": "km / s"}, ucds={"z": "src.redshift"},
        descriptions={"z": "redshift from Å & <more>"}, meta={"NETWORK": "GaSNet-II"},
    )  # fmt: skip
    table = Table.read(tmp_path / "a.vot", format="votable")
    assert (str(table["p"].unit), str(table["z"].unit)) == ("dex", "km / s")
    assert table["z"].description == "redshift from Å & <more>"
    assert table["z"].meta["ucd"] == "src.redshift"
    assert table["n"].mask.tolist() == [False, True, False] and table["n"][0] == 2**62 + 1
    whole = parse(tmp_path / "a.vot")
    assert [(i.name, i.value) for i in whole.resources[0].infos] == [("NETWORK", "GaSNet-II")]
