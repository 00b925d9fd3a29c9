"""From batches to rows in any process: what to load is named, and each process loads it once."""

from __future__ import annotations

import hashlib
import pickle
import sys
import threading
from functools import cached_property, lru_cache
from importlib import import_module
from pathlib import Path

from common.errors import SuiteError

_ONE = threading.Lock()  # networks of a process work for one thread at a time


class Step:
    """What makes rows of batches: a class that is named, and what it is called with.

    Parameters
    ----------
    make : callable of a module
        ``(run_dir, **options)`` -> callable: batch -> (DataFrame or None, list of rejects), as
        `common.catalogue.recipe.Recipe.rows`. It loads networks and tables.
    run_dir : path-like
    precision : str, optional
        What the networks compute in: in this process it is chosen already. None where there are no
        networks.
    **options
        Of what can be pickled, and small: paths of tables, not tables.
    """

    def __init__(self, make, run_dir, *, precision="float32", **options):
        self._make, self.run_dir, self.precision = make, run_dir, precision
        self._options = options

    @cached_property
    def here(self):
        """What `make` gives in this process."""
        return self._make(self.run_dir, **self._options)

    def __call__(self, batch):
        """Return the rows and the rejects of a batch."""
        return self.here(batch)

    def order(self):
        """Return what another process makes the same step of, bytes."""
        module = self._make.__module__
        if module == "__main__":  # a program that was called as `python -m`
            module = sys.modules[module].__spec__.name
        name = f"{module}:{self._make.__qualname__}"
        return pickle.dumps(
            (name, str(self.run_dir), digest(self.run_dir), self.precision, self._options)
        )


def taken(order):
    """Return what makes rows, loaded in this process at the first call for this order.

    Parameters
    ----------
    order : bytes
        From `Step.order`.

    Raises
    ------
    SuiteError
        If the run folder is not the one that the order was given for.
    """
    with _ONE:
        rows = _loaded(order)

    def alone(batch):
        with _ONE:
            return rows(batch)

    return alone


@lru_cache(maxsize=1)  # default: a process works on one catalogue at a time
def _loaded(order):
    name, run_dir, wanted, precision, options = pickle.loads(order)
    if digest(run_dir) != wanted:
        raise SuiteError(
            f"{Path(run_dir).absolute()} holds other networks here than where the catalogue was "
            "begun. Allowed: one run folder, seen by all workers. Let them share a file system."
        )
    if precision is not None:
        from common.accelerator import choose

        choose(precision)
    module, _, attribute = name.partition(":")
    make = import_module(module)
    for part in attribute.split("."):
        make = getattr(make, part)
    return make(run_dir, **options)


def digest(run_dir):
    """Return a hash of what a run predicts with: its configuration and its networks."""
    run_dir = Path(run_dir)
    files = [run_dir / "config.json", *sorted((run_dir / "models").rglob("*"))]
    whole = hashlib.sha256()
    for path in files:
        if path.is_file():
            whole.update(f"{path.relative_to(run_dir).as_posix()}\n".encode())
            with open(path, "rb") as file:
                whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()
