"""Gaia's files as the source of a catalogue: joined by source_id, then cut into batches."""

from __future__ import annotations

from rvs_hybrid.stars.sources import find_sources, gather

ROWS = 1024  # default: sources of a batch, 12 MB of them


class StarFiles:
    """Files of any kind and number, as `common.catalogue.recipe.Recipe` takes a source.

    Parameters
    ----------
    paths : sequence of path-like
        See `rvs_hybrid.stars.sources.gather`.

    Attributes
    ----------
    n : int
        Sources that were read.

    Notes
    -----
    They are one job, since any file may name any star: what went before a kill is read again,
    though not predicted again, and this process reads while others predict.
    """

    joined = True

    def __init__(self, paths):
        self.files = find_sources(paths)
        self.jobs, self.sizes, self.cut, self.n = [self.files], [1], [ROWS], 0

    def read(self, job, rejects):
        """Yield batches of `Sources`; what cannot be read goes to `rejects`."""
        sources = gather(job)
        rejects += sources.rejects
        self.n = len(sources)
        yield from sources.batches(ROWS)

    def none(self):
        """Return what to say where there is no row."""
        if self.n:
            return f"None of the {self.n} source(s) can be used"
        return f"None of the {len(self.files)} file(s) can be read"

    def repeated(self, parts):
        """Return what is left out: nothing, a source is one row."""
        return {}
