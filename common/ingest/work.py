"""What one process does: the files of a job become shards, and a receipt of them."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections import Counter
from multiprocessing import connection, parent_process
from pathlib import Path

import numpy as np

from common.catalogue.parts import stamp
from common.rejects import COLUMNS
from common.spectra import KIND, Spectra
from common.surveys import read_many
from common.surveys.shards import PLAN, VECTORS, write_shard

ROWS = 1024  # default: spectra of a shard
_PLAN = {}  # of this process: what `begin` read


def begin(folder):
    """Read the plan that the jobs of this process are of; end with the process that began it."""
    folder = Path(folder)
    _PLAN.update(json.loads((folder / PLAN).read_text()), folder=folder)
    _PLAN["beside"] = {Path(path) for job in _PLAN["jobs"] for path in job}
    parent = parent_process()
    if parent is not None:  # one that is killed cannot say so to its workers; Ctrl-C reaches all
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel):
    connection.wait([sentinel])
    os._exit(1)


def work(number):
    """Read the files of a job of the plan and write its shards.

    Parameters
    ----------
    number : int

    Returns
    -------
    dict
        shards (as of `common.surveys.shards.write_shard`, with their names), sources (file, size,
        time in ns, spectra) and rejects.
    """
    options, rejects, rows = _PLAN["options"], [], Counter()
    grid = None if options["grid"] is None else np.linspace(*options["grid"])
    # Before they are read: a file that is being written is then one that changed.
    stamps = {path: _stamp(path, rejects) for path in _PLAN["jobs"][number]}
    files = [path for path, (_, size, _) in stamps.items() if size >= 0]
    writer = _Writer(_PLAN["folder"], f"{_PLAN['name']}/{number:06d}")
    stream = files and read_many(
        files, progress=False, chunk=ROWS, grid=grid, rejects=rejects, beside=_PLAN["beside"]
    )
    for spectra in stream:
        spectra = _of_survey(spectra, options["survey"], rejects)
        if len(spectra):
            rows.update(spectra.meta["file"])
            writer.add(spectra)
    sources = [[*about, rows[path]] for path, about in stamps.items()]
    return {"shards": writer.close(), "sources": sources, "rejects": rejects}


def _stamp(path, rejects):
    """Return path, size and time of a file; of one that is gone, which is a reject, -1 and -1."""
    try:
        return stamp(path)
    except OSError as error:
        reason = f"the file went away before it was read ({error.strerror})"
        rejects.append(dict.fromkeys(COLUMNS, "") | {"file": path, "reason": reason})
        return [str(Path(path).resolve()), -1, -1]


def _of_survey(spectra, survey, rejects):
    """Return the spectra of a survey; each file of another one is a reject."""
    if survey is None:
        return spectra
    found = spectra.meta["survey"].to_numpy(dtype=str)
    other = found != survey
    for path, name in dict(zip(spectra.meta["file"][other], found[other], strict=True)).items():
        reason = f"a file of the survey {name or 'that it does not name'}, not of {survey}"
        if not any(row["file"] == path and row["reason"] == reason for row in rejects):
            rejects.append(dict.fromkeys(COLUMNS, "") | {"file": path, "reason": reason})
    return spectra[~other] if other.any() else spectra


class _Writer:
    """Shards of `ROWS` spectra, those of each kind in shards of their own."""

    def __init__(self, folder, stem):
        self.folder, self.stem = folder, stem
        self.held, self.shards = {}, []

    def add(self, spectra):
        absent = [name for name in VECTORS if getattr(spectra, name) is None]
        survey = spectra.meta["survey"].to_numpy(dtype=str)
        for name in dict.fromkeys(survey):
            kind = (name, *(getattr(spectra, k) for k in KIND), *absent, *spectra.meta.columns)
            part = spectra[survey == name] if (survey != name).any() else spectra
            self.held.setdefault(kind, []).append(part)
            while sum(map(len, self.held[kind])) >= ROWS:
                whole = Spectra.concatenate(self.held[kind])
                self.held[kind] = [whole[ROWS:]] if len(whole) > ROWS else []
                self._write(whole[:ROWS] if len(whole) > ROWS else whole)

    def _write(self, spectra):
        name = f"{self.stem}-{len(self.shards):03d}.parquet"
        self.shards.append({"name": name} | write_shard(self.folder / name, spectra))

    def close(self):
        for parts in self.held.values():
            if parts:
                self._write(Spectra.concatenate(parts))
        return self.shards
