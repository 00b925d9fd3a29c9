"""The engine: batches of any source to a catalogue, in memory that does not grow with them."""

from __future__ import annotations

import shutil
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from common.catalog import check_format
from common.catalogue.assemble import rejects_of
from common.catalogue.parts import Parts
from common.catalogue.recipe import Made
from common.cli import progress
from common.errors import SuiteError
from common.pipeline import ahead


def make(recipe, out):
    """Make a catalogue, or go on with one that was interrupted.

    Parameters
    ----------
    recipe : Recipe
    out : path-like
        Catalogue: .fits, .vot, .xml, .parquet, .ecsv or .csv. Finished batches are Parquet files
        in OUT.parts until it stands, and what cannot be used goes to OUT.rejects.ecsv. Where the
        work stops early, what is finished is in OUT.partial.ENDING as well.

    Returns
    -------
    Made

    Raises
    ------
    UsageError
        If the ending is another one, or OUT.parts holds parts of another catalogue.
    SuiteError
        If no spectrum can be used, or the disk is full.

    Notes
    -----
    Memory holds the batch in work and the few that are read ahead, the list of files, and twelve
    bytes a spectrum where ids that come twice are rejected.
    """
    out = Path(out)
    check_format(out)
    parts = Parts(out, recipe.mark())
    try:
        _work(recipe, parts)
    except BaseException:
        _keep_partial(recipe, parts, out)
        raise
    rows, lost = _written(recipe, parts, out)
    told = recipe.told(parts) if rows and recipe.told else ""
    first = next(parts.rejects(), None)
    parts.remove()
    if not rows:
        why = f" The first: {first['reason']}" if first else ""
        raise SuiteError(f"{recipe.nothing()}; the reasons are in {rejects_of(out)}.{why}")
    return Made(rows, lost, told, tuple((one.name, one.path) for one in recipe.beside))


def _work(recipe, parts):
    """Make the parts that are not there yet."""
    source = recipe.source
    with progress(desc="predict", unit="spectra") as bar:
        for number, job in enumerate(source.jobs):
            if parts.finished(number):
                source.skip(parts, number)
                continue
            if len(source.jobs) > 1:
                bar.set_description(f"predict, part {number + 1} of {len(source.jobs)}")
            with closing(ahead(source.read(job, parts.begin(number)))) as batches:
                for batch, spectra in enumerate(batches):
                    if not parts.has(number, batch):
                        parts.write(number, batch, *recipe.rows(spectra))
                    bar.update(len(spectra))
            parts.finish(number)


def _keep_partial(recipe, parts, out):
    """Write what is finished of an interrupted call beside the catalogue that it was to make."""
    try:
        rows, _ = _written(recipe, parts, _partial(out), _partial)
    except (OSError, SuiteError) as error:  # what stopped the work is told after it
        print(error, file=sys.stderr)
    else:
        if rows:
            print(f"finished rows are in {_partial(out)}", file=sys.stderr)
        for one in recipe.beside if rows else ():
            print(f"their {one.name} are in {_partial(Path(one.path))}", file=sys.stderr)
    if not parts.clean():
        print(f"the parts to go on from are in {parts.folder}", file=sys.stderr)


def _partial(path):
    return path.with_name(f"{path.stem}.partial{path.suffix}")


def _written(recipe, parts, out, place=lambda path: path):
    """Write all files; where that fails, into a new temporary folder, and say so."""
    try:
        return recipe.write(parts, out, place)
    except (OSError, SuiteError) as error:
        spare = Path(tempfile.mkdtemp(prefix="catalogue-"))
        try:
            recipe.write(parts, spare / out.name, lambda path: spare / place(path).name)
        except (OSError, SuiteError):
            shutil.rmtree(spare, ignore_errors=True)
            raise error from None
        raise SuiteError(
            f"{error} The finished catalogue is at {spare / out.name} instead. Its parts are kept "
            f"in {parts.folder}: go on with the same command once there is room."
        ) from error
