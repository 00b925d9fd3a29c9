import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common import pipeline
from common.errors import SuiteError
from common.pipeline import Shards, ShardWriter, ahead, dataset, finished
from common.waiting import Waiting


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


def test_shards_larger_than_memory_are_read_abreast_and_shuffled(shards, monkeypatch):
    for name, value in (("MEMORY", 0), ("BLOCK", 2), ("BUFFER", 5)):
        monkeypatch.setattr(pipeline, name, value)
    index = np.random.default_rng(0).permutation(np.arange(3, 36))
    targets = np.stack([index * 10, index], axis=1)
    ds = dataset(shards, index, targets, batch_size=8, seed=1)
    assert int(ds.cardinality()) == 5
    orders = []
    for _ in range(2):
        x, y = (np.concatenate(v) for v in zip(*ds.as_numpy_iterator(), strict=True))
        assert np.array_equal(x[:, 0] * 10, y[:, 0] * 3) and y.dtype == targets.dtype
        assert sorted(y[:, 1]) == sorted(index)
        orders.append(y[:, 1].tolist())
    assert orders[0] != orders[1] and orders[0] != sorted(index)
    assert len({row // 7 for row in orders[0][:8]}) > 2  # rows of several shards in a batch
    again = dataset(shards, index, targets, batch_size=8, seed=1)
    assert [v for _, y in again for v in y.numpy()[:, 1].tolist()] == orders[0]
    last = dataset(shards, index, targets, batch_size=8, seed=1, replicas=2)
    assert sum(len(y) for _, y in last) == 32
    plain = dataset(shards, index, targets, batch_size=8)  # no shuffle: in the order asked for
    assert np.concatenate([y for _, y in plain.as_numpy_iterator()])[:, 1].tolist() == list(index)


def test_the_clock_runs_while_a_consumer_waits_and_not_while_it_works():
    import time

    import tensorflow as tf

    def slow(value):
        time.sleep(0.02)
        return value

    def late(value):
        return tf.ensure_shape(tf.numpy_function(slow, [value], tf.int64), ())

    source = tf.data.Dataset.range(10).map(late)
    waiting = Waiting()
    ds = waiting.watch(source)
    assert int(ds.cardinality()) == 10
    assert list(ds.as_numpy_iterator()) == list(range(10))
    assert waiting.seconds > 0.2
    waiting.seconds, began = 0.0, time.perf_counter()
    for _ in waiting.watch(tf.data.Dataset.range(10)):
        time.sleep(0.02)
    assert 0 < waiting.seconds < time.perf_counter() - began - 0.2
