"""Spectrum files as the source of a catalogue: jobs of some files each, batches of spectra."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from common.catalogue.jobparts import write_plain
from common.catalogue.make import ALONE, make
from common.catalogue.recipe import Recipe
from common.catalogue.repeats import repeated
from common.errors import SuiteError
from common.surveys import read_many
from common.surveys.read import open_survey

FILES, BYTES = 256, 2**26  # default: at most so many files, or bytes of files, in a job
CHUNK = 512  # default: spectra of a batch
GZIP = b"\x1f\x8b"
LIST = "files.json"  # in OUT.parts: what is read, for other processes


class Piece(NamedTuple):
    """Some spectra of a file that is too big for one job."""

    path: Path
    start: int
    stop: int

    def __str__(self):
        return f"{self.path}, spectra {self.start + 1} to {self.stop}"


def jobs_of(files, most=None, *, cut=True):
    """Return jobs of some files each, and the bytes of each.

    A job ends where it has so many files, or `BYTES` bytes; a file of more bytes than that, which
    is not compressed, is cut into jobs of its own.

    Parameters
    ----------
    files : sequence of path-like
    most : int, optional
        Files of a job; `FILES` by default.
    cut : bool
        False: no file is cut.

    Returns
    -------
    list of lists of path-like or of one Piece, list of int
    """
    jobs, sizes, most = [], [], FILES if most is None else most
    for path in files:
        size = Path(path).stat().st_size
        pieces = _pieces(path, size) if cut and size > BYTES else []
        if pieces:
            jobs += [[piece] for piece in pieces]
            sizes += [size // len(pieces)] * len(pieces)
        elif jobs and _has_room(jobs[-1], sizes[-1] + size, most):
            jobs[-1].append(path)
            sizes[-1] += size
        else:
            jobs.append([path])
            sizes.append(size)
    return jobs, sizes


def _has_room(job, size, most):
    return not isinstance(job[0], Piece) and len(job) < most and size <= BYTES


def _pieces(path, size):
    """Return a big file in pieces of about `BYTES`, of whole batches; [] where it is not cut."""
    with open(path, "rb") as file:
        if file.read(2) == GZIP:  # each piece would unpack the whole of it
            return []
    try:
        with open_survey(path) as (reader, hdus):
            total = reader.count(hdus)
    except SuiteError:  # the reader of the job says what is wrong
        return []
    rows = max(1, total * BYTES // size // CHUNK) * CHUNK
    starts = range(0, total, rows) if total > rows else ()
    return [Piece(Path(path), start, start + rows) for start in starts]


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
        options = self._options
        if isinstance(job[0], Piece):
            options = options | {"rows": slice(job[0].start, job[0].stop)}
            job = [job[0].path]
        return read_many(job, rejects=rejects, progress=False, **options)


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
