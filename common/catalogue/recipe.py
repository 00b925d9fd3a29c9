"""What a catalogue is made of: a source of batches, a step from each to rows, and notes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from common.catalogue.assemble import assemble
from common.catalogue.parts import fingerprint, stamp
from common.files import atomic_path


@dataclass(frozen=True)
class Beside:
    """A file that goes with a catalogue, row by row.

    Attributes
    ----------
    name : str
        What it holds, in words ("PDFs").
    path : path-like
    write : callable
        (`Parts`, path) -> anything. Hidden columns of the parts may hold what it writes.
    """

    name: str
    path: Path
    write: Callable


class Made(NamedTuple):
    """What became of the spectra: in the catalogue, in the table of rejects, and more in words."""

    rows: int
    lost: int
    told: str
    beside: tuple


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How the rows of a catalogue are made, and what is said of them.

    Attributes
    ----------
    source : object
        Such as `common.catalogue.files.SpectrumFiles`: `files` and `cut`, which belong to the
        fingerprint; `jobs`, and their `sizes` in any unit; `read(job, rejects)`, an iterator over
        batches that is the same each time; `joined`, whether only this process can read; where
        it is not, `shared(folder)`, which can be pickled and reads the same; and
        `repeated(parts)`, the rows to leave out, see `common.catalogue.parts.Parts.leave_out`.
    rows : callable
        Batch -> (DataFrame or None, list of dicts of file, id and reason): a row or a reject for
        each spectrum. Columns whose names begin with "_" stay in the parts. A
        `common.catalogue.step.Step`, so that other processes can do it.
    run_dir : path-like
        The run that predicts.
    options : dict
        Of what JSON can hold: all else that the rows depend on.
    notes : dict
        units, ucds and descriptions of the columns.
    meta : dict, or callable of `Parts`
        Of the whole table.
    revise : callable, optional
        `Parts` -> what `common.catalogue.assemble.assemble` takes.
    beside : sequence of Beside
    told : callable, optional
        `Parts` -> text that follows the number of spectra.
    none : callable, optional
        () -> what is said where there is no row, in place of a count of the files.
    """

    source: object
    rows: Callable
    run_dir: Path
    options: dict = field(default_factory=dict)
    notes: dict = field(default_factory=dict)
    meta: dict | Callable = field(default_factory=dict)
    revise: Callable | None = None
    beside: tuple = ()
    told: Callable | None = None
    none: Callable | None = None

    def mark(self):
        """Return what tells this catalogue from others."""
        own = {"run": stamp(Path(self.run_dir) / "config.json"), "cut": self.source.cut}
        return fingerprint(self.source.files, own | self.options)

    def nothing(self):
        """Return what is said where there is no row."""
        if self.none:
            return self.none()
        n = len(self.source.files)
        return f"None of the {n} file(s) holds a spectrum that can be used"

    def write(self, parts, out, place, *, partitioned=False):
        """Write the catalogue of some parts and all that goes with it; return rows and rejects.

        Parameters
        ----------
        parts : common.catalogue.parts.Parts
        out : path-like
        place : callable
            The path of a file beside -> where it is written.
        partitioned : bool
            A folder of files in place of one.
        """
        result = assemble(
            parts,
            out,
            notes=self.notes,
            meta=self.meta(parts) if callable(self.meta) else self.meta,
            revise=self.revise(parts) if self.revise else None,
            partitioned=partitioned,
        )
        for one in self.beside if result[0] else ():
            with atomic_path(place(Path(one.path))) as temporary:
                one.write(parts, temporary)
        return result
