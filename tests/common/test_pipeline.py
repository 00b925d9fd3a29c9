import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common import pipeline
from common.errors import SuiteError
from common.pipeline import Shards, ShardWriter, ahead, dataset, finished


@pytest.fixture
def shards(tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "ROWS_PER_SHARD", 7)
    x = np.arange(40 * 3, dtype="float32").reshape(40, 3)
    with ShardWriter(tmp_path / "data", 3) as writer:
        for start, stop in ((0, 5), (5, 25), (25, 40)):
            labels = pd.DataFrame({"id": [f"s{i}" for i in range(start, stop)]})
            writer.write(x[start:stop], labels)
    return Shards(tmp_path / "data")


def test_rows_come_back_whatever_shard_they_lie_in(shards):
    index = np.array([39, 0, 7, 6, 13, 14, 0])
    assert np.array_equal(shards.rows(index)[:, 0], index * 3)
    assert shards.labels["id"].tolist() == [f"s{i}" for i in range(40)]


def test_every_row_once_an_epoch_with_its_own_target(shards):
    index = np.arange(3, 33)
    ds = dataset(shards, index, index * 10, batch_size=8, seed=1)
    orders = []
    for _ in range(2):
        x, y = (np.concatenate(v) for v in zip(*ds.as_numpy_iterator(), strict=True))
        assert np.array_equal(x[:, 0] * 10, y * 3)
        assert sorted(y) == sorted(index * 10)
        orders.append(y.tolist())
    assert orders[0] != orders[1], "each epoch is shuffled anew"
    again = dataset(shards, index, index * 10, batch_size=8, seed=1)  # same seed, same order
    assert [v for _, y in again for v in y.numpy().tolist()] == orders[0]


@settings(max_examples=20, deadline=None)
@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=5), per_shard=st.integers(1, 8))
def test_any_batches_into_any_shards(tmp_path_factory, sizes, per_shard):
    folder = tmp_path_factory.mktemp("shards")
    keep, pipeline.ROWS_PER_SHARD = pipeline.ROWS_PER_SHARD, per_shard
    try:
        n = 0
        with ShardWriter(folder, 1) as writer:
            for size in sizes:
                values = np.arange(n, n + size, dtype="f")[:, None]
                writer.write(values, pd.DataFrame({"id": range(n, n + size)}))
                n += size
    finally:
        pipeline.ROWS_PER_SHARD = keep
    shards = Shards(folder)
    assert shards.rows(np.arange(len(shards)))[:, 0].tolist() == list(range(n))


def test_interrupted_writing_counts_as_nothing_and_a_wrong_shape_is_named(tmp_path):
    with pytest.raises(RuntimeError), ShardWriter(tmp_path, 2) as writer:
        writer.write(np.zeros((1, 2)), pd.DataFrame({"id": ["a"]}))
        raise RuntimeError
    assert not finished(tmp_path)
    with pytest.raises(SuiteError, match="no finished shards"):
        Shards(tmp_path)
    expected = pytest.raises(SuiteError, match=r"Expected 1 rows of 2 pixels")
    with expected, ShardWriter(tmp_path, 2) as writer:
        writer.write(np.zeros((1, 3)), pd.DataFrame({"id": ["a"]}))


def test_ahead_keeps_order_and_errors():
    def source():
        yield from range(5)
        raise ValueError("after five")

    seen = []
    with pytest.raises(ValueError, match="after five"):
        for item in ahead(source()):
            seen.append(item)
    assert seen == list(range(5))
