"""Jobs of a catalogue, in this process or spread over the processes of a crew."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from common.catalogue.crew import completed
from common.catalogue.jobparts import ABOUT, JobParts
from common.catalogue.step import taken
from common.errors import SuiteError
from common.pipeline import ahead

FAILURES = 5  # default: after so many parts that cannot be made no more are begun


class Receipt(NamedTuple):
    """What a task made: its job, how many spectra were in it, and what could not be used.

    `lost` is the number of rejects among the spectra, `unread` that of those that no batch has.
    """

    job: int
    spectra: int
    lost: int = 0
    unread: int = 0


def do_job(source, rows, parts, number, job, seen=lambda n: None):
    """Make what is missing of the parts of one job.

    Parameters
    ----------
    source, rows
        As of `common.catalogue.recipe.Recipe`.
    parts : common.catalogue.jobparts.JobParts
    number : int
    job : object
        One of the source's jobs.
    seen : callable
        Called with the number of spectra of each batch.

    Returns
    -------
    Receipt
    """
    spectra, lost, unread = 0, 0, parts.begin(number)
    with closing(ahead(source.read(job, unread))) as batches:
        for batch, some in enumerate(batches):
            if not parts.has(number, batch):
                table, rejects = rows(some)
                parts.write(number, batch, table, rejects)
                lost += len(rejects)
            spectra += len(some)
            seen(len(some))
    parts.finish(number)
    return Receipt(number, spectra, lost, len(unread))


@dataclass(frozen=True)
class Order:
    """What every task of a catalogue takes with it.

    Attributes
    ----------
    step : bytes
        From `common.catalogue.step.Step.order`.
    reader : object
        `read(job, rejects)`; None where the parent reads.
    folder : str
        OUT.parts.
    here : str
        Folder that paths are relative to.
    """

    step: bytes
    reader: object
    folder: str
    here: str

    def parts(self):
        """Return the writer of parts, after a look whether this machine sees their folder."""
        if os.getcwd() != self.here:
            try:
                os.chdir(self.here)
            except OSError:
                raise _not_shared(self.here) from None
        if not (Path(self.folder) / ABOUT).is_file():
            raise _not_shared(Path(self.folder).absolute())
        return JobParts(self.folder)


def _not_shared(folder):
    return SuiteError(
        f"The worker on {socket.gethostname()} does not see {folder}. Workers need the file system "
        "of the process that gives them work."
    )


def take_job(order, number, job):
    """Do a job in a worker; return its `Receipt`."""
    parts = order.parts()  # before paths are looked at
    return do_job(order.reader, taken(order.step), parts, number, job)


def take_batch(order, number, batch, spectra):
    """Make one batch in a worker that the parent has read; return its `Receipt`."""
    parts, rejects = order.parts(), []
    if not parts.has(number, batch):
        table, rejects = taken(order.step)(spectra)
        parts.write(number, batch, table, rejects)
    return Receipt(number, len(spectra), len(rejects))


def spread(recipe, parts, crew, todo, seen):
    """Let a crew do jobs, or the batches of jobs that only this process can read.

    Parameters
    ----------
    recipe : common.catalogue.recipe.Recipe
    parts : common.catalogue.parts.Parts
    crew : object
        See `common.catalogue.crew.completed`.
    todo : list of int
        Numbers of the jobs.
    seen : callable
        Called with each `Receipt`.

    Raises
    ------
    SuiteError
        If a part could not be made; the others are.
    """
    source, failed = recipe.source, []
    reader = None if source.joined else source.shared(parts.folder)
    order = Order(recipe.rows.order(), reader, str(parts.folder), os.getcwd())

    def tasks():
        for number in todo:
            if len(failed) >= FAILURES:
                return
            if not source.joined:
                yield order, number, source.jobs[number]
                continue
            for batch, some in enumerate(source.read(source.jobs[number], parts.begin(number))):
                if not parts.has(number, batch):
                    yield order, number, batch, some

    function = take_batch if source.joined else take_job
    try:
        for done in completed(crew, function, tasks()):
            if done.error is None:
                seen(done.result)
                continue
            failed.append(done)
            print(f"{_named(done)}: {done.error}", file=sys.stderr)
            if done.defect:
                print(done.defect, file=sys.stderr)
    finally:
        parts.look()
    if failed:
        raise SuiteError(
            f"{len(failed)} part(s) could not be made. {_named(failed[0])}: {failed[0].error} "
            "Finished parts are kept; go on with the same command."
        )
    if source.joined:
        for number in todo:
            parts.finish(number)


def _named(done):
    """Return what a task is, in words: its part, and its batch or its first file."""
    _, number, what, *_ = done.task
    if isinstance(what, int):
        return f"part {number + 1}, batch {what + 1}"
    first = next(iter(what))
    named = f" ({first}, {len(what)} in all)" if isinstance(first, str | Path | tuple) else ""
    return f"part {number + 1}{named}"
