"""From rows of a catalogue and their spectra to a page: what all papers share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from common.catalog import is_text
from common.inspect.shown import Shown
from common.surveys import find_files, read_many

NOT_SHOWN = ("warnings", "file")


class View:
    """How a paper shows its objects; a paper derives from it.

    Parameters
    ----------
    run_dir : path-like or None
        None where no network is at hand: the page then shows what the catalogue says alone.
    table : DataFrame
        The whole catalogue.

    Attributes
    ----------
    identity : str
        The catalogue's column that spectra are found by.
    units, descriptions, flag_words : dict of str to str
        Of columns; and what each of the catalogue's warnings means.
    """

    identity = "id"
    units = descriptions = flag_words = {}  # noqa: RUF012
    grid = None

    def __init__(self, run_dir, table):
        self.run_dir, self.table = run_dir, table

    def batches(self, paths, rows, rejects):
        """Yield `Spectra` of the rows that are in files, in the files' order.

        Parameters
        ----------
        paths : sequence of path-like
        rows : DataFrame
        rejects : list
            Gets what could not be read.
        """
        wanted = set(rows[self.identity].astype(str))
        files, named = find_files(paths), set()
        if "file" in rows:
            named = {Path(name).name for name in rows["file"]}
        chosen = [file for file in files if file.name in named] or files
        for spectra in read_many(chosen, rejects=rejects, grid=self.grid):
            use = np.isin(self.ids_of(spectra), list(wanted))
            if use.any():
                yield spectra[use]

    def ids_of(self, spectra):
        """Return what the catalogue calls each spectrum, ndarray of str."""
        return spectra.ids

    def shown(self, spectra, rows):
        """Return the `Shown` of spectra, list, given their rows of the catalogue."""
        spectra = spectra.in_vacuum()
        return [self.plain(spectra, i, row) for i, (_, row) in enumerate(rows.iterrows())]

    def plain(self, spectra, i, row):
        """Return what the spectrum and the catalogue say of an object."""
        flux = np.array(spectra.flux[i], dtype=float)
        error = None
        if spectra.ivar is not None:
            ivar = np.asarray(spectra.ivar[i], dtype=float)
            error = np.where(ivar > 0, 1 / np.sqrt(np.where(ivar > 0, ivar, 1)), np.nan)
        flux[~spectra.informative(i)] = np.nan
        return Shown(
            id=str(row[self.identity]),
            file=str(row.get("file", "")),
            wavelength=np.asarray(spectra.wavelength_of(i), dtype=float),
            flux=flux,
            error=error,
            flags=self.flags(row),
            numbers=numbers(row, self.units, self.descriptions, skip=(self.identity, *NOT_SHOWN)),
        )

    def flags(self, row):
        """Return the warnings of a row with what they mean, list of (name, words)."""
        names = str(row.get("warnings", "")).split(";")
        return [(name, self.flag_words.get(name, "")) for name in names if name]

    def page(self, objects, title, facts):
        """Return the `Page` of objects."""
        raise NotImplementedError


def numbers(row, units, descriptions, *, skip=()):
    """Return the numbers of a row for people: list of (column, value with unit, what it is).

    A column X_err is said with X.
    """
    out = []
    for name, value in row.items():
        if name in skip or (name.endswith("_err") and name.removesuffix("_err") in row):
            continue
        if isinstance(value, np.ndarray | list):
            continue
        text = as_text(value)
        if f"{name}_err" in row and text != "–":
            text += f" ± {rounded(row[f'{name}_err'])}"
        unit = units.get(name, "") if text != "–" else ""
        out.append((str(name), f"{text} {unit}".strip(), descriptions.get(name, "")))
    return out


def as_text(value, digits=6):
    """Return a value as a short text, "–" where there is none."""
    if isinstance(value, str):
        return value or "–"
    if pd.isna(value):
        return "–"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    return f"{value:.{digits}g}" if isinstance(value, float | np.floating) else str(value)


def rounded(error):
    """Return an error to two digits, "–" where there is none."""
    return "–" if pd.isna(error) else f"{float(f'{error:.2g}'):g}"


def per_cent(p):
    """Return a probability in words."""
    if not np.isfinite(p):
        return "unknown"
    if p < 0.001 or p > 0.99:
        return "under 0.1 %" if p < 0.001 else "over 99 %"
    return f"{100 * p:.0f} %" if p > 0.01 else f"{100 * p:.1f} %"


def finite(*values):
    """Return which rows of some columns are all finite, ndarray of bool."""
    return np.all([np.isfinite(np.asarray(v, dtype=float)) for v in values], axis=0)


def some(table, names, *, most=2000, seed=1):
    """Return at most `most` rows of a table in which the columns `names` are known numbers."""
    if not set(names) <= set(table.columns) or any(is_text(table[n]) for n in names):
        return table.iloc[:0].reindex(columns=list(names)).astype(float)
    part = table[list(names)].astype(float)
    part = part[finite(*(part[n] for n in names))]
    return part if len(part) <= most else part.sample(most, random_state=seed)
