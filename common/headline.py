"""The few numbers of an evaluation that a newcomer is shown, each beside the published one."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pandas as pd

from common import claims


@dataclass(frozen=True)
class Score:
    """A number of an evaluation's tables.

    Attributes
    ----------
    quantity : str
        What it is, in words, with its unit.
    tables : dict of str to dict
        Name of a table -> values by which its row is found; the first table that there is counts.
    column : str
        Of the number.
    claim : str
        Id of the published one; "" where the paper prints none.
    n : str
        Column of how many objects it is of.
    """

    quantity: str
    tables: dict = field(hash=False)
    column: str
    claim: str = ""
    n: str = "n"


def scores(wanted, made, path):
    """Return the numbers that the tables have.

    Parameters
    ----------
    wanted : sequence of Score
    made : dict
        Name -> (caption, DataFrame), as `common.evaluation.Evaluation.tables` gives them.
    path : path-like
        The paper's claims.toml.

    Returns
    -------
    list of dict
        quantity, published (None where the paper prints none), ours, n.
    """
    published = {c.id: c.published for c in claims.load(path)} if wanted else {}
    out = []
    for score in wanted:
        row = _row(score, made)
        ours, n = (_number(row, name) for name in (score.column, score.n))
        if ours is None:
            continue
        out.append(
            {
                "quantity": score.quantity,
                "published": published[score.claim] if score.claim else None,
                "ours": ours,
                "n": None if n is None else int(n),
            }
        )
    return out


def _number(row, name):
    """Return a value of a row as a float, None where there is none."""
    value = pd.to_numeric(row.get(name), errors="coerce") if row is not None else None
    return float(value) if value is not None and math.isfinite(value) else None


def _row(score, made):
    for name, where in score.tables.items():
        if name not in made or score.column not in made[name][1]:
            continue
        table = made[name][1]
        for column, value in where.items():
            table = table[table[column] == value] if column in table else table[:0]
        if len(table):
            return table.iloc[0]
    return None
