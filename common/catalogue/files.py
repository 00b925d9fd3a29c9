"""Spectrum files as the source of a catalogue: jobs of some files each, batches of spectra."""

from __future__ import annotations

from pathlib import Path

from common.catalogue.make import make
from common.catalogue.recipe import Recipe
from common.surveys import read_many
from common.surveys.seen import Seen

FILES, BYTES = 256, 2**28  # default: at most so many files, or bytes of files, in a job
CHUNK = 512  # default: spectra of a batch


def jobs_of(files, most=FILES):
    """Return the files in groups that are worked on one after the other, list of lists.

    A group ends where it has so many files, or `BYTES` bytes.
    """
    jobs, size = [[]], 0
    for path in files:
        own = Path(path).stat().st_size
        if jobs[-1] and (len(jobs[-1]) >= most or size + own > BYTES):
            jobs.append([])
            size = 0
        jobs[-1].append(path)
        size += own
    return jobs


class SpectrumFiles:
    """Survey files, read in the order in which they are named.

    Parameters
    ----------
    files : sequence of path-like
    grid : ndarray of shape (n_pixels,), optional
        As of `common.surveys.read_many`.
    duplicates : {"reject", "keep"}
        What becomes of an id that came before, in this call or in the one that it goes on with.

    Attributes
    ----------
    files : list
    jobs : list of lists of path-like
    cut : list
        What decides which spectrum is in which batch, beside the files.
    """

    def __init__(self, files, *, grid=None, duplicates="reject"):
        self.files, self.jobs, self.cut = list(files), jobs_of(files), [FILES, BYTES, CHUNK]
        self._options = {"grid": grid, "duplicates": duplicates, "chunk": CHUNK, "seen": Seen(),
                         "beside": {Path(file) for file in files}}  # fmt: skip

    def read(self, job, rejects):
        """Yield the batches of a job, `Spectra`; what cannot be read goes to `rejects`."""
        return read_many(job, rejects=rejects, progress=False, **self._options)

    def skip(self, parts, number):
        """Take in what a finished job saw: every spectrum left a row or a reject in its parts."""
        if self._options["duplicates"] == "reject":
            seen = self._options["seen"]
            for table in parts.tables(["id", "file"], job=number):
                for identity, file in zip(table["id"], table["file"], strict=True):
                    seen.setdefault(identity, file)
            for row in parts.rejects(job=number, reader=False):
                seen.setdefault(row["id"], row["file"])


def make_of_files(files, rows, out, *, paper, config, run_dir, grid=None, duplicates="reject",
                  **more):  # fmt: skip
    """Make the catalogue of spectrum files, or go on with it after a kill.

    Parameters
    ----------
    files, grid, duplicates
        As of `SpectrumFiles`.
    rows, run_dir, **more
        As of `common.catalogue.recipe.Recipe`.
    out : path-like
        See `common.catalogue.make.make`.
    paper : common.paper.Paper
    config : the paper's Config
        Of the run: the header tells of both, unless `more` has a meta.

    Returns
    -------
    common.catalogue.recipe.Made
    """
    source = SpectrumFiles(files, grid=grid, duplicates=duplicates)
    more = {"meta": paper.header(config, run_dir)} | more
    return make(Recipe(source=source, rows=rows, run_dir=run_dir, **more), out)
