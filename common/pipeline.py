"""Shards on disk -> tf.data: prepared spectra of any number without holding them in memory."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd

from common.errors import SuiteError
from common.files import write_json

ROWS_PER_SHARD = 4096
MEMORY = 0.5  # default: share of the memory that a shuffle of single rows from disk may take
BLOCK, ABREAST, BUFFER = 64, 8, 8192  # default: rows read at once, shards read at a time, shuffled


class ShardWriter:
    """Write prepared spectra, batch after batch, into a folder of memory-mappable arrays.

    Use as a context manager; the folder counts as finished only when it closes without an error.

    Parameters
    ----------
    folder : path-like
        New folder, or one that an interrupted run left unfinished (written anew).
    n_pixels : int
        Pixels of the common grid.
    """

    def __init__(self, folder, n_pixels):
        self.folder = Path(folder)
        self.n_pixels = n_pixels
        self._rows, self._count, self._sizes, self._labels = [], 0, [], []

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        for old in (*self.folder.glob("x-*.npy"), self.folder / "shards.json"):
            old.unlink(missing_ok=True)
        return self

    def write(self, x, labels):
        """Add rows: x of shape (n, n_pixels), labels a DataFrame of n rows."""
        if len(x) != len(labels) or x.shape[1] != self.n_pixels:
            raise SuiteError(
                f"Expected {len(labels)} rows of {self.n_pixels} pixels. Received {x.shape}."
            )
        self._labels.append(labels)
        self._rows.append(np.asarray(x, dtype="float32"))
        self._count += len(x)
        while self._count >= ROWS_PER_SHARD:
            self._flush(ROWS_PER_SHARD)

    def _flush(self, n):
        rows = np.concatenate(self._rows)
        np.save(self.folder / f"x-{len(self._sizes):05d}.npy", rows[:n])
        self._sizes.append(n)
        self._rows, self._count = [rows[n:]], len(rows) - n

    def __exit__(self, kind, error, trace):
        if kind is not None:
            return
        if self._count:
            self._flush(self._count)
        if self._labels:
            table = pd.concat(self._labels, ignore_index=True)
            table.to_parquet(self.folder / "labels.parquet")
        write_json(self.folder / "shards.json", {"n_pixels": self.n_pixels, "sizes": self._sizes})


class Shards:
    """Prepared spectra on disk, read by row number.

    Attributes
    ----------
    labels : DataFrame
        One row a spectrum, with at least ``id``.
    n_pixels : int
        Pixels of the common grid.
    n_bytes : int
        Of all spectra.
    starts : ndarray of int
        Row number at which each shard begins, and the number of rows.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        marker = self.folder / "shards.json"
        if not marker.exists():
            raise SuiteError(f"{folder}: no finished shards here. Prepare the data again.")
        about = json.loads(marker.read_text())
        self.n_pixels = about["n_pixels"]
        self.starts = np.concatenate([[0], np.cumsum(about["sizes"])]).astype(int)
        self.n_bytes = 4 * self.n_pixels * len(self)
        self._arrays = [
            np.load(self.folder / f"x-{i:05d}.npy", mmap_mode="r")
            for i in range(len(about["sizes"]))
        ]
        table = self.folder / "labels.parquet"
        self.labels = pd.read_parquet(table) if table.exists() else pd.DataFrame({"id": []})
        if len(self.labels) != len(self):
            raise SuiteError(
                f"{folder}: {len(self)} spectra but {len(self.labels)} rows of labels. "
                "Prepare the data again."
            )

    def __len__(self):
        return int(self.starts[-1])

    def rows(self, index):
        """Return spectra by row number, ndarray of shape (len(index), n_pixels), float32."""
        index = np.asarray(index)
        out = np.empty((len(index), self.n_pixels), dtype="float32")
        shard = np.searchsorted(self.starts, index, side="right") - 1
        for s in np.unique(shard):
            here = shard == s
            out[here] = self._arrays[s][index[here] - self.starts[s]]
        return out


def finished(folder):
    """Return whether a folder holds finished shards."""
    return (Path(folder) / "shards.json").exists()


def dataset(shards, index, targets, *, batch_size, seed=None, replicas=1):
    """Return a tf.data pipeline over some rows of the shards.

    Only row numbers are shuffled, so that the shuffle is uniform over the whole set; the rows of a
    batch are then gathered from disk in parallel. Shards that are larger than half of the memory,
    whose rows would each be fetched from the disk, are read block by block instead: the shards in
    another order in each epoch, several of them at a time and in parallel, through a buffer that
    shuffles their rows.

    Parameters
    ----------
    shards : Shards
    index : ndarray of int, shape (n,)
        Row numbers.
    targets : ndarray of shape (n, ...)
        One target for each row of `index`, in its order.
    batch_size : int
        Rows of a batch, over all replicas.
    seed : int, optional
        Shuffle anew in every epoch, from this seed; no shuffle without it.
    replicas : int
        Replicas that share a batch: a last batch too small for all of them is left out of a
        shuffled epoch.

    Returns
    -------
    tf.data.Dataset of (x, y)
    """
    import tensorflow as tf

    index, targets = np.asarray(index), np.asarray(targets)
    if len(index) != len(targets):
        raise SuiteError(f"Received {len(index)} rows and {len(targets)} targets.")
    drop = seed is not None and replicas > 1 and len(index) >= batch_size
    if seed is not None and shards.n_bytes > MEMORY * _memory():
        return _interleaved(shards, index, targets, seed, batch_size, drop)

    def gather(rows):
        return shards.rows(rows)

    def load(rows, y):
        x = tf.numpy_function(gather, [rows], tf.float32, stateful=False)
        return tf.ensure_shape(x, (None, shards.n_pixels)), y

    ds = tf.data.Dataset.from_tensor_slices((index, targets))
    if seed is not None:
        ds = ds.shuffle(len(index), seed=seed, reshuffle_each_iteration=True)
    ds = ds.batch(batch_size, drop_remainder=drop)
    return ds.map(load, num_parallel_calls=2).prefetch(2)


def _memory():
    """Return the bytes of memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _interleaved(shards, index, targets, seed, batch_size, drop):
    """Return a shuffled pipeline that reads shards block by block, see `dataset`."""
    import tensorflow as tf

    order = np.argsort(index, kind="stable")
    index, targets = index[order], targets[order]
    ends = np.searchsorted(index, shards.starts)  # of the rows of each shard
    spans = np.stack([ends[:-1], ends[1:]], axis=1)
    spans = spans[spans[:, 0] < spans[:, 1]].astype(np.int64)

    def gather(low, high):
        return shards.rows(index[low:high]), targets[low:high]

    def load(low, high):
        x, y = tf.numpy_function(gather, [low, high], [tf.float32, targets.dtype], stateful=False)
        return tf.ensure_shape(x, (None, shards.n_pixels)), tf.ensure_shape(
            y, (None, *targets.shape[1:])
        )

    def blocks(span):
        low = tf.data.Dataset.range(span[0], span[1], BLOCK)
        return low.map(lambda at: load(at, tf.minimum(at + BLOCK, span[1])))

    ds = tf.data.Dataset.from_tensor_slices(spans)
    ds = ds.shuffle(len(spans), seed=seed, reshuffle_each_iteration=True)
    ds = ds.interleave(blocks, cycle_length=ABREAST, num_parallel_calls=tf.data.AUTOTUNE)
    ds = ds.unbatch().shuffle(BUFFER, seed=seed, reshuffle_each_iteration=True)
    ds = ds.apply(tf.data.experimental.assert_cardinality(len(index)))
    return ds.batch(batch_size, drop_remainder=drop).prefetch(2)


def ahead(iterable, depth=2):
    """Yield from an iterable that runs in a thread of its own, a few items ahead.

    Reading files then overlaps with the network's arithmetic. An error in the iterable is raised
    here, after the items before it.
    """
    import queue
    import threading

    items, stop, end = queue.Queue(depth), threading.Event(), object()

    def put(item):
        while not stop.is_set():
            try:
                return items.put(item, timeout=0.2)
            except queue.Full:
                continue

    def fill():
        try:
            for item in iterable:
                put((item, None))
                if stop.is_set():
                    return
            put((end, None))
        except BaseException as error:
            put((end, error))

    thread = threading.Thread(target=fill, daemon=True)
    thread.start()
    try:
        while True:
            item, error = items.get()
            if error is not None:
                raise error
            if item is end:
                return
            yield item
    finally:
        stop.set()
