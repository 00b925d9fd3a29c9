"""The engine: batches of any source to a catalogue, in memory that does not grow with them."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from common.catalogue.assemble import rejects_of
from common.catalogue.course import course
from common.catalogue.how import How
from common.catalogue.limit import Limit
from common.catalogue.parts import Parts
from common.catalogue.recipe import Made
from common.catalogue.spread import do_job, spread
from common.errors import SuiteError

ALONE = How()


def make(recipe, out, how=ALONE):
    """Make a catalogue, or go on with one that was interrupted.

    Parameters
    ----------
    recipe : Recipe
    out : path-like
        Catalogue: .fits, .vot, .xml, .parquet, .ecsv or .csv. Finished batches are Parquet files
        in OUT.parts until it stands, and what cannot be used goes to OUT.rejects.ecsv. Where the
        work stops early, what is finished is in OUT.partial.ENDING as well.
    how : common.catalogue.how.How
        By whom, and as one file or many: neither changes a row, nor the order of the rows.

    Returns
    -------
    Made

    Raises
    ------
    UsageError
        If the ending is another one, or OUT.parts holds parts of another catalogue.
    SuiteError
        If no spectrum can be used, more cannot be used than `how` allows, or the disk is full.

    Notes
    -----
    Memory holds the batch in work and the few that are read ahead, the list of files, and what
    `common.catalogue.repeats.repeated` says where ids that come twice are rejected.
    """
    out = Path(out)
    how.check(out)
    parts = Parts(out, recipe.mark())
    try:
        _work(recipe, parts, how)
    except BaseException:
        _keep_partial(recipe, parts, out, how)
        raise
    rows, lost = _written(recipe, parts, out, how)
    told = recipe.told(parts) if rows and recipe.told else ""
    first = next(parts.rejects(), None)
    parts.remove()
    if not rows:
        why = f" The first: {first['reason']}" if first else ""
        raise SuiteError(f"{recipe.nothing()}; the reasons are in {rejects_of(out)}.{why}")
    return Made(rows, lost, told, tuple((one.name, one.path) for one in recipe.beside))


def _work(recipe, parts, how):
    """Make the parts that are not there yet."""
    source = recipe.source
    todo = [number for number in range(len(source.jobs)) if not parts.finished(number)]
    limit = Limit(how.max_rejects)
    with how.crew() as crew, course(source.sizes, todo) as seen:

        def took(receipt):
            seen(receipt)
            limit.add(receipt)

        if crew is not None:
            spread(recipe, parts, crew, todo, took)
        else:
            for number in todo:
                took(do_job(source, recipe.rows, parts, number, source.jobs[number]))
    limit.check(parts)


def _keep_partial(recipe, parts, out, how):
    """Write what is finished of an interrupted call beside the catalogue that it was to make."""
    try:
        rows, _ = _written(recipe, parts, _partial(out), how, _partial)
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


def _written(recipe, parts, out, how, place=lambda path: path):
    """Write all files; where that fails, into a new temporary folder, and say so."""
    parts.leave_out(recipe.source.repeated(parts))
    split = how.partitioned
    try:
        return recipe.write(parts, out, place, partitioned=split)
    except (OSError, SuiteError) as error:
        spare = Path(tempfile.mkdtemp(prefix="catalogue-"))
        try:
            own = spare / out.name
            recipe.write(parts, own, lambda path: spare / place(path).name, partitioned=split)
        except (OSError, SuiteError):
            shutil.rmtree(spare, ignore_errors=True)
            raise error from None
        raise SuiteError(
            f"{error} The finished catalogue is at {spare / out.name} instead. Its parts are kept "
            f"in {parts.folder}: go on with the same command once there is room."
        ) from error
