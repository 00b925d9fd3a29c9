"""Catalogues written chunk by chunk are those written at once."""

import gc
import tracemalloc
from itertools import pairwise

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.catalog import FORMATS, read_table, write_table
from common.catalogue.stream import write_stream
from common.errors import SuiteError, UsageError
from tests.common import toy_catalogue

NOTES = {"units": {"z": "K", "p": "dex"}, "ucds": {"z": "phys.temperature"},
         "descriptions": {"z": "temperature, <5 % & Å", "id": "name"},
         "meta": {"NETWORK": "test", "N": 3}}  # fmt: skip
frame = toy_catalogue.table


def cut(table, edges):
    edges = sorted({0, len(table), *edges})
    return [table.iloc[a:b] for a, b in pairwise(edges)] or [table]


def repeated(part, n):
    for _ in range(n):
        gc.collect()  # astropy's tables lie in circles until the collector comes
        yield part


@pytest.mark.filterwarnings("ignore:.*did not parse as fits unit")
@pytest.mark.parametrize("ending", FORMATS)
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(edges=st.lists(st.integers(1, 6), max_size=3))
def test_chunks_give_what_one_table_gives(ending, edges, tmp_path):
    table, one, many = frame(7), tmp_path / f"one{ending}", tmp_path / f"many{ending}"
    notes = {k: v for k, v in NOTES.items() if ending != ".csv" or k != "meta"}
    write_table(table, one, **notes)
    assert write_stream(lambda: iter(cut(table, edges)), many, **notes) == 7
    pd.testing.assert_frame_equal(read_table(many), read_table(one))
    if ending != ".parquet":  # row groups are the chunks
        assert many.read_bytes() == one.read_bytes()


def test_no_rows_at_all_and_chunks_of_other_columns(tmp_path):
    for ending in FORMATS:
        path = tmp_path / f"a{ending}"
        assert write_stream(lambda: iter([frame(0)]), path, **NOTES) == 0
        back = read_table(path)
        assert len(back) == 0 and list(back) == list(frame(1))
        path.unlink()
    parts = [frame(3), frame(3).drop(columns="p")]
    with pytest.raises(SuiteError, match="chunk"):
        write_stream(lambda: iter(parts), tmp_path / "a.csv")
    assert not list(tmp_path.iterdir())
    with pytest.raises(UsageError, match="must end in"):
        write_stream(lambda: iter(parts), tmp_path / "a.txt")
    with pytest.raises(UsageError, match="unit given"):
        write_stream(lambda: iter(parts), tmp_path / "a.csv", units={"nothing": "K"})


@pytest.mark.filterwarnings("ignore:.*did not parse as fits unit")
def test_memory_does_not_grow_with_the_rows(tmp_path):
    part = frame(200)
    peaks = {}
    gc.freeze()  # what other tests left, TensorFlow among it, need not be looked through each time
    for ending in (".fits", ".vot", ".ecsv"):
        for chunks in (2, 12):
            tracemalloc.start()
            write_stream(lambda n=chunks: repeated(part, n), tmp_path / f"a{ending}")
            peaks[ending, chunks] = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert peaks[ending, 12] < 1.5 * peaks[ending, 2] + 1e5, ending
    gc.unfreeze()
