"""Damaged files through every reader: spectra, a table, or an error of the project's own."""

import gzip
import random
import tracemalloc

import numpy as np
import pytest

from benchmarks.fuzz.__main__ import seeds_of
from benchmarks.fuzz.mutate import FITS, TEXT, WRAP, mutated
from benchmarks.fuzz.seeds import cut, real, written
from benchmarks.fuzz.targets import ALL, name_in
from benchmarks.fuzz.watch import run
from common.errors import ReadError
from common.surveys import read
from common.surveys.gaia_tables import read_gaia_table
from common.surveys.gaia_xp import read_xp

HEAD = "source_id,ra,dec\n"
ROW = "5853498713190525697,1.5,2.5\n"


@pytest.mark.filterwarnings("ignore:.*have no zero point")
@pytest.mark.parametrize("seed", written(), ids=lambda seed: seed.name)
def test_undamaged_seeds_are_read(seed, tmp_path):
    path = name_in(tmp_path, seed)
    path.parent.mkdir(exist_ok=True)
    for name in (path.name, *(["galSpecExtra.fits"] if seed.kind == "mpajhu" else [])):
        path.with_name(name).write_bytes(seed.content)
    ALL[seed.kind][0](path)


def test_damage_is_told_by_its_number_and_leaves_little_as_it_was():
    seeds = written()
    others = [seed.content for seed in seeds]
    for seed in seeds[:3] + seeds[-3:]:
        made = [[mutated(seed.content, random.Random(f"1:{i}"), others) for i in range(60)]
                for _ in range(2)]  # fmt: skip
        assert made[0] == made[1]
        assert sum(content != seed.content for content in made[0]) > 45
    assert len(set(FITS)) + len(set(TEXT)) + len(set(WRAP)) > 20


def test_some_hundred_damaged_files():
    tally = run(16, range(250), written())
    assert tally.failures == [] and tally.files == 250
    assert tally.read > 50 and tally.refused > 50


def test_a_reader_that_fails_is_seen(monkeypatch, tmp_path):
    from benchmarks.fuzz import watch

    def bad(path):
        raise KeyError("x")

    monkeypatch.setattr("benchmarks.fuzz.targets.reader_of", lambda kind, rng: bad)
    monkeypatch.setattr(watch.signal, "setitimer", lambda *args: None)
    (failure,) = watch.one(1, 0, written(), tmp_path).failures
    assert failure["kind"] == "foreign" and "KeyError" in failure["text"]


@pytest.mark.slow
def test_many_damaged_files_small_and_whole(shared_data):
    for whole, n in ((False, 4000), (True, 300)):
        tally = run(1 + whole, range(n), seeds_of(shared_data, whole=whole))
        assert tally.failures == [] and tally.files == n


def test_real_files_can_be_cut_down(shared_data, tmp_path):
    seeds = [seed for seed in real(shared_data / "real" / "desi") if seed.name.startswith("coadd")]
    small = cut(seeds[0])
    assert len(small.content) < len(seeds[0].content) / 10
    (tmp_path / "coadd-cut.fits").write_bytes(small.content)
    whole = tmp_path / "coadd-whole.fits"
    whole.write_bytes(seeds[0].content)
    assert set(read(tmp_path / "coadd-cut.fits").ids) <= set(read(whole).ids)


BOMBS = {
    "zeros": gzip.compress(b"\0" * 100_000_000, 1),
    "one line": gzip.compress(b"source_id," + b"a" * 60_000_000, 1),
    "rows": gzip.compress((HEAD + ROW * 1_500_000).encode(), 1),
    "long line": HEAD.encode() + b"1" * 9_000_000,
    "nul": HEAD.encode() + b"1,2\0,3\n" * 3,
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_unpacks_to_much_is_refused_before_memory_is_taken(tmp_path, name):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(BOMBS[name])
    tracemalloc.start()
    try:
        with pytest.raises(ReadError):
            read_gaia_table(path)
        assert tracemalloc.get_traced_memory()[1] < 400_000_000
    finally:
        tracemalloc.stop()


ALIASES = "".join(f"# - &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))
MARKUP = {
    "yaml": f"# %ECSV 1.0\n# ---\n# datatype:\n# - &a0 {{name: x}}\n{ALIASES}x\n1\n",
    "object": "# %ECSV 1.0\n# ---\n# datatype: !!python/object/apply:os.getcwd []\nx\n1\n",
    "xml": '<?xml version="1.0"?><!DOCTYPE V [<!ENTITY a0 "b">'
    + "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 12))
    + "]><VOTABLE><DESCRIPTION>&a11;</DESCRIPTION></VOTABLE>",
}


@pytest.mark.parametrize("name", MARKUP)
def test_markup_that_grows_when_it_is_read_is_refused(tmp_path, name):
    path = tmp_path / "a.txt"
    path.write_text(MARKUP[name])
    with pytest.raises(ReadError):
        read_gaia_table(path)


def test_two_numbers_in_a_cell_are_refused(tmp_path):
    """Found by damage to TFORM: columns of XP coefficients of different shapes."""
    from astropy.table import Table

    columns = {f"{b}_coeff_{i}": np.ones((4, 1 + (i == 7))) for b in ("bp", "rp")
               for i in range(55)}  # fmt: skip
    Table({"source_id": np.arange(1, 5) * 10**18} | columns).write(tmp_path / "a.fits")
    with pytest.raises(ReadError, match="2 values in each row of the column bp_coeff_7"):
        read_xp(tmp_path / "a.fits")


@pytest.mark.parametrize("where", ["source_id", "bp_coeff_7"])
@pytest.mark.parametrize("kind", ["PJ()", "2J"])
def test_arrays_in_the_cells_of_a_column_are_refused(tmp_path, where, kind):
    """Found by damage to TFORM: rows of any length, in a column of ids too."""
    from astropy.io import fits

    names = ["source_id", *(f"{b}_coeff_{i}" for b in ("bp", "rp") for i in range(55))]
    rows = {"PJ()": [np.arange(1), np.arange(3)], "2J": np.arange(4).reshape(2, 2)}[kind]
    columns = [
        fits.Column(n, kind, array=np.array(rows, dtype=object) if kind == "PJ()" else rows)
        if n == where
        else fits.Column(n, "K", array=np.arange(1, 3) * 10**18)
        for n in names
    ]
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "a.fits")
    with pytest.raises(ReadError, match=f"in each row of the column {where}"):
        read_xp(tmp_path / "a.fits")
