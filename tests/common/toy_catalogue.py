"""A source of batches in memory, with which the engine of the catalogues is tried."""

import weakref
from itertools import pairwise

import numpy as np
import pandas as pd

from common.catalogue.recipe import Recipe
from common.catalogue.repeats import repeated

NOTES = {"units": {"z": "km / s"}, "ucds": {"z": "src.redshift", "not there": "x"},
         "descriptions": {"id": "name, of Å & <co>"}}  # fmt: skip


def table(n, seed=0):
    """Return rows of a catalogue of all types, with texts and gaps."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame({
        "id": [f"star {'x' * (i % 4)}{i}" for i in range(n)],
        "z": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
        "source": pd.array([None if i % 5 == 2 else 2**62 + i for i in range(n)], dtype="Int64"),
        "quality": np.arange(n, dtype="int16"),
        "good": rng.random(n) < 0.5,
        "p": rng.random(n).astype("float32"),
        "warnings": ["" if i % 3 else 'DIM;"FAR", Å <&>' for i in range(n)],
    })  # fmt: skip


class Batch:
    """A batch that is counted as long as it is held."""

    held, most = weakref.WeakSet(), 0

    def __init__(self, rows):
        self.rows = rows
        Batch.held.add(self)
        Batch.most = max(Batch.most, len(Batch.held))

    def __len__(self):
        return len(self.rows)


class Source:
    """Jobs of batches of the rows of a table.

    Parameters
    ----------
    whole : DataFrame
    cuts : sequence of sequences of int
        Rows of each batch of each job.
    files : sequence of path-like
    """

    def __init__(self, whole, cuts, files=()):
        self.files, self.cut, self.jobs, at = list(files), [], [], 0
        self.joined, self.sizes, self.begun = False, [sum(sizes) for sizes in cuts], []
        for sizes in cuts:
            edges = at + np.cumsum([0, *sizes])
            self.jobs.append([whole.iloc[a:b] for a, b in pairwise(edges)])
            at = edges[-1]

    def read(self, job, rejects):
        self.begun.append(len(job))
        for number, rows in enumerate(job):
            if number == 0:
                rejects.append({"file": "f", "id": "", "reason": "read: damaged"})
            yield Batch(rows)

    def shared(self, folder):
        return self

    def repeated(self, parts):
        return repeated(parts)


def rows_of(batch, stop=None):
    """Return the rows of a batch, those of quality 7 rejected; `stop` is called before."""
    if stop is not None:
        stop(batch)
    bad = batch.rows["quality"] == 7
    lost = [{"file": "f", "id": i, "reason": "seven"} for i in batch.rows["id"][bad]]
    return (None if bad.all() else batch.rows[~bad].reset_index(drop=True)), lost


def recipe(folder, source, stop=None, rows=None, **more):
    """Return the recipe of a catalogue of a run in a folder."""
    run = folder / "run"
    run.mkdir(exist_ok=True)
    if not (run / "config.json").exists():
        (run / "config.json").write_text("{}")
    known = {"notes": NOTES, "meta": {"NETWORK": "toy"}} | more
    return Recipe(source=source, run_dir=run, rows=rows or (lambda b: rows_of(b, stop)), **known)


def stopper(at, error=KeyboardInterrupt):
    """Return a function that raises at its call number `at`, and the list of its calls."""
    calls = []

    def stop(batch):
        calls.append(len(batch))
        if len(calls) == at + 1:
            raise error

    return stop, calls
