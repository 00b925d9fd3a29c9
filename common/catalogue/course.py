"""The bar that says how far a catalogue is, how fast it goes and how long it takes."""

from __future__ import annotations

from contextlib import contextmanager

from common.cli import progress


@contextmanager
def course(sizes, todo):
    """Show a bar over the spectra of some jobs, whose number is told from the jobs done so far.

    Parameters
    ----------
    sizes : sequence of int
        Of every job, in any unit.
    todo : sequence of int
        Numbers of the jobs that are not done yet.

    Yields
    ------
    callable
        Takes the `common.catalogue.spread.Receipt` of each job, or of a part of one.
    """
    whole, done, jobs = sum(sizes[job] for job in todo), 0, set()
    with progress(desc="predict", unit="spectra") as bar:

        def seen(receipt):
            nonlocal done
            if receipt.job not in jobs:
                jobs.add(receipt.job)
                done += sizes[receipt.job]
            if len(todo) > 1 and done:
                bar.total = round((bar.n + receipt.spectra) * whole / done)
                bar.set_description(f"predict, {len(jobs)} of {len(todo)} parts", refresh=False)
            bar.update(receipt.spectra)

        yield seen
