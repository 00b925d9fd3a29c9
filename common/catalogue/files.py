"""Spectrum files as the source of a catalogue: jobs of some files each, batches of spectra."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from common.catalogue.jobparts import write_plain
from common.catalogue.make import ALONE, make
from common.catalogue.recipe import Recipe
from common.catalogue.repeats import repeated
from common.surveys import read_many

FILES, BYTES = 256, 2**28  # default: at most so many files, or bytes of files, in a job
CHUNK = 512  # default: spectra of a batch
LIST = "files.json"  # in OUT.parts: what is read, for other processes


def jobs_of(files):
    """Return the files in groups, the jobs of a catalogue, and the bytes of each.

    A group ends where it has `FILES` files or `BYTES` bytes.

    Returns
    -------
    list of lists of path-like, list of int
    """
    jobs, sizes = [[]], [0]
    for path in files:
        own = Path(path).stat().st_size
        if jobs[-1] and (len(jobs[-1]) >= FILES or sizes[-1] + own > BYTES):
            jobs.append([])
            sizes.append(0)
        jobs[-1].append(path)
        sizes[-1] += own
    return jobs, sizes


class Reader:
    """What reads the files of a job, in whichever process: small, and can be pickled.

    Parameters
    ----------
    beside, **options
        As of `common.surveys.read_many`.
    """

    def __init__(self, beside, **options):
        self._options = options | {"beside": beside}

    def read(self, job, rejects):
        """Yield the batches of a job, `Spectra`; what cannot be read goes to `rejects`."""
        return read_many(job, rejects=rejects, progress=False, **self._options)


class Listed:
    """The files that a list on disk names, read when first asked for: rarely, and once a process.

    Parameters
    ----------
    path : path-like
        Of a file with JSON, a list of paths.
    """

    def __init__(self, path):
        self._path = str(path)

    def __contains__(self, file):
        if file is None:
            return False
        return Path(file) in _named(self._path, Path(self._path).stat().st_mtime_ns)


@lru_cache(maxsize=1)
def _named(path, version):
    return {Path(file) for file in json.loads(Path(path).read_text())}


class SpectrumFiles:
    """Survey files, read in the order in which they are named.

    Parameters
    ----------
    files : sequence of path-like
    grid : ndarray of shape (n_pixels,), optional
        As of `common.surveys.read_many`.
    duplicates : {"reject", "keep"}
        What becomes of an id that came before.

    Attributes
    ----------
    files : list
    jobs : list of lists of path-like
    sizes : list of int
        Bytes of each job.
    cut : list
        What decides which spectrum is in which batch, beside the files.
    joined : bool
        False: any process can read a job.
    """

    joined = False

    def __init__(self, files, *, grid=None, duplicates="reject"):
        self.files, self.cut = list(files), [FILES, BYTES, CHUNK]
        self.jobs, self.sizes = jobs_of(files)
        self._options = {"grid": grid, "duplicates": duplicates, "chunk": CHUNK}
        self._own = Reader({Path(file) for file in files}, **self._options)

    def read(self, job, rejects):
        """Yield the batches of a job, `Spectra`; what cannot be read goes to `rejects`."""
        return self._own.read(job, rejects)

    def shared(self, folder):
        """Return what reads jobs in other processes, which see this folder, OUT.parts."""
        path = Path(folder) / LIST
        if not path.exists():
            write_plain(path, [str(file) for file in self.files])
        return Reader(Listed(path), **self._options)

    def repeated(self, parts):
        """Return which rows are left out: those whose id came before, in another job."""
        return (
            repeated(parts)
            if self._options["duplicates"] == "reject" and len(self.jobs) > 1
            else {}
        )


def make_of_files(files, rows, out, *, paper, config, run_dir, how=ALONE, grid=None,
                  duplicates="reject", **more):  # fmt: skip
    """Make the catalogue of spectrum files, or go on with it after a kill.

    Parameters
    ----------
    files, grid, duplicates
        As of `SpectrumFiles`.
    rows, run_dir, **more
        As of `common.catalogue.recipe.Recipe`.
    out, how
        As of `common.catalogue.make.make`.
    paper : common.paper.Paper
    config : the paper's Config
        Of the run: the header tells of both, unless `more` has a meta.

    Returns
    -------
    common.catalogue.recipe.Made
    """
    source = SpectrumFiles(files, grid=grid, duplicates=duplicates)
    more = {"meta": paper.header(config, run_dir)} | more
    return make(Recipe(source=source, rows=rows, run_dir=run_dir, **more), out, how)
