"""Figures of an evaluation: which are drawn from what, and why one was left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from common.errors import SuiteError
from common.figures import save

ONLY_FILES = "drawn for real files (--on) only"


@dataclass(frozen=True)
class Plot:
    """A figure and what it is drawn from.

    Attributes
    ----------
    name : str
        Of the files, without an ending ("F4_residuals").
    caption : str
    draw : callable
        () -> matplotlib Figure; raises `SuiteError` with the reason where it cannot.
    needs : sequence of str
        Columns of which rows must have a value.
    fewest : int
        Rows that must have all of them.
    rows : DataFrame, optional
        Rows that are asked; the evaluation's without it.
    only_files : bool
        Drawn for an evaluation on files (--on) alone.
    """

    name: str
    caption: str
    draw: Callable
    needs: tuple = ()
    fewest: int = 0
    rows: pd.DataFrame | None = None
    only_files: bool = False


def lacking(rows, columns, fewest=0):
    """Return the reason why there is not enough to draw, or an empty string.

    Parameters
    ----------
    rows : DataFrame
    columns : sequence of str
        Columns of which rows must have a value.
    fewest : int
        Rows that must have all of them.
    """
    for name in columns:
        if name not in rows or rows[name].isna().all():
            return f"no row has a value of {name}"
    n = len(rows.dropna(subset=list(columns)))
    return f"only {n} rows have {', '.join(columns)}; {fewest} are needed" if n < fewest else ""


def draw(plots, folder, *, rows, on_files):
    """Draw every figure that there is the input for, and take away what an earlier call left.

    Parameters
    ----------
    plots : sequence of Plot
    folder : pathlib.Path
        Where NAME.png, NAME.pdf and NAME.svg go.
    rows : DataFrame
        Rows of figures that name none of their own.
    on_files : bool
        Whether the evaluation is one on files (--on).

    Returns
    -------
    drawn : dict of str to Path
        Caption -> PNG.
    skipped : list of dict
        figure, reason.
    """
    drawn, skipped = {}, []
    for plot in plots:
        reason = ONLY_FILES if plot.only_files and not on_files else ""
        reason = reason or lacking(
            rows if plot.rows is None else plot.rows, plot.needs, plot.fewest
        )
        if not reason:
            try:
                drawn[plot.caption] = save(plot.draw(), folder / plot.name)
                continue
            except SuiteError as error:
                reason = str(error)
        skipped.append({"figure": plot.caption, "reason": reason})
        for ending in ("png", "pdf", "svg"):  # an older one would be taken for this evaluation's
            (folder / f"{plot.name}.{ending}").unlink(missing_ok=True)
    return drawn, skipped
