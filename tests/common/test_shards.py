"""Shards of ingested spectra: bit by bit what was written, and damage told by name."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import ReadError
from common.spectra import Spectra
from common.surveys import read_many
from common.surveys.shards import VECTORS, Grids, Shard, write_shard

LONG = 10 ** (3.55 + 1e-4 * np.arange(60))  # spectra of SDSS cover pieces of one grid


def same(a, b):
    assert a.ids.tolist() == b.ids.tolist()
    pd.testing.assert_frame_equal(a.meta, b.meta)
    for name in ("medium", "frame", "unit", "mask_is_warning"):
        assert getattr(a, name) == getattr(b, name)
    for row in range(len(a)):
        assert np.array_equal(a.wavelength_of(row), b.wavelength_of(row))
        for name in VECTORS:
            mine, other = getattr(a, name), getattr(b, name)
            assert (mine is None) == (other is None), name
            if mine is not None:
                assert mine[row].dtype == other[row].dtype
                assert mine[row].tobytes() == np.ascontiguousarray(other[row]).tobytes(), name


def batch(n, one_grid, weights, medium, seed):
    """Spectra of any bits, on pieces of two grids or on one of them."""
    rng = np.random.default_rng(seed)
    odd, waves = np.sort(rng.uniform(3000, 9000, 30)), []
    for _ in range(n):
        grid = (LONG, odd)[rng.integers(2)]
        start = rng.integers(len(grid) - 2)
        waves.append(grid[start : rng.integers(start + 2, len(grid) + 1)])
    waves = [waves[0]] * n if one_grid else waves
    flux = [rng.bytes(4 * len(wave)) for wave in waves]
    flux = [np.frombuffer(bits, np.float32) for bits in flux]  # NaN and inf among them
    vectors = {"flux": flux, "ivar": None, "mask": None, "or_mask": None}
    if weights:
        vectors |= {"ivar": [row[::-1] for row in flux], "mask": [row > 0 for row in flux]}
    if one_grid:
        vectors = {k: v if v is None else np.stack(v) for k, v in vectors.items()}
    meta = pd.DataFrame({"file": ["é, \n"] * n, "survey": "sdss", "z": rng.normal(size=n),
                         "zwarn": pd.array([pd.NA, *range(1, n)], dtype="Int64"), "mock": False,
                         "snr": np.nan})  # fmt: skip
    return Spectra(waves[0] if one_grid else waves, ids=[f"s{i}" for i in range(n)], meta=meta,
                   medium=medium, unit="", **vectors)  # fmt: skip


@settings(max_examples=15)
@given(n=st.integers(1, 6), one_grid=st.booleans(), weights=st.booleans(), seed=st.integers(0, 99),
       medium=st.sampled_from(["air", "vacuum"]),
       ends=st.tuples(st.integers(0, 5), st.integers(1, 6)))  # fmt: skip
def test_spectra_come_back_bit_by_bit(tmp_path_factory, n, one_grid, weights, seed, medium, ends):
    path, spectra = (
        tmp_path_factory.getbasetemp() / "one.parquet",
        batch(n, one_grid, weights, medium, seed),
    )
    about = write_shard(path, spectra)
    shard = Shard(path)
    assert about["rows"] == len(shard) == len(spectra)
    same(shard.read(), spectra)
    start = min(ends[0], n - 1)
    rows = slice(start, start + ends[1])
    same(shard.read(rows), spectra[rows])
    assert write_shard(path, spectra) == about  # and in the same bytes


def test_pieces_of_one_grid_are_kept_once_and_other_grids_apart():
    grids = Grids()
    for piece in (slice(20, 40), slice(10, 30), slice(35, 60), slice(0, 60)):
        assert grids.place(LONG[piece]) == (0, LONG[piece][0])
    assert np.array_equal(grids.grids[0], LONG)
    assert grids.place(LONG + 1e-9)[0] == 1
    off = LONG[5:20].copy()
    off[3] += 1e-6  # agrees where it begins, and not later
    assert grids.place(off)[0] == 2


def test_rows_of_many_groups(tmp_path, monkeypatch):
    monkeypatch.setattr("common.surveys.shards.GROUP", 4)
    spectra = Spectra(LONG, np.arange(11 * 60, dtype="f4").reshape(11, 60), None,
                      [f"s{i}" for i in range(11)])  # fmt: skip
    spectra = replace(spectra, meta=pd.DataFrame({"z": np.arange(11.0)}))
    write_shard(tmp_path / "a.parquet", spectra)
    for rows in (slice(0, 4), slice(3, 5), slice(4, 8), slice(7, 11), slice(2, 10), slice(10, 99)):
        same(Shard(tmp_path / "a.parquet").read(rows), spectra[rows])


def test_other_parquet_files_and_damaged_ones_are_told(tmp_path):
    pd.DataFrame({"id": ["a"]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(ReadError, match="says None of its format"):
        Shard(tmp_path / "other.parquet")
    whole = (tmp_path / "other.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[:-30])
    stream = read_many([tmp_path / "cut.parquet"], progress=False)
    assert list(stream) == []
    assert "damaged Parquet file" in stream.rejects[0]["reason"]
