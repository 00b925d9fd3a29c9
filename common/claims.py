"""Published numbers as claims that a run confirms, misses, or has not tested."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from common.errors import ReadError
from common.files import atomic_path

COLUMNS = (
    "id", "where", "quantity", "conditions", "published", "tolerance", "ours", "dataset", "verdict",
)  # fmt: skip
BETTER = ("higher", "lower", "none")


@dataclass(frozen=True)
class Claim:
    """One published number.

    Attributes
    ----------
    id : str
        Unique in its file.
    where : str
        Figure, table or section that prints it.
    quantity, conditions : str
        What is measured, on what.
    published, tolerance : float
        The number, and how far from it still counts as reproduced.
    dataset : str
        The survey the number is about ("sdss"): a mock never stands for it.
    better : {"higher", "lower", "none"}
        A value beyond the tolerance on the better side also counts as reproduced.
    measure : dict
        How the paper's package measures it (its own keys).
    """

    id: str
    where: str
    quantity: str
    conditions: str
    published: float
    tolerance: float
    dataset: str
    better: str = "none"
    measure: dict = field(default_factory=dict)


def load(path):
    """Read a claims file (TOML, array of tables ``claim``) into a list of Claim.

    Raises
    ------
    ReadError
        If the file is not TOML, an entry lacks a field or has an unknown one, or an id repeats.
    """
    path = Path(path)
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))["claim"]
    except (OSError, tomllib.TOMLDecodeError, KeyError) as error:
        raise ReadError(path, f"{error}", "a TOML file with [[claim]] entries") from error
    claims, seen = [], set()
    for number, entry in enumerate(entries, 1):
        try:
            claim = Claim(**entry)
        except TypeError as error:
            allowed = f"the fields {', '.join(Claim.__dataclass_fields__)}"
            raise ReadError(path, f"entry {number} ({entry.get('id')}): {error}", allowed) from None
        if claim.id in seen:
            raise ReadError(path, f"the id {claim.id!r} twice", "one entry for each id")
        if claim.better not in BETTER:
            raise ReadError(path, f"{claim.id}: better = {claim.better!r}", f"one of {BETTER}")
        seen.add(claim.id)
        claims.append(claim)
    return claims


def verdict(claim, ours):
    """Return "reproduced", "missed" or (where `ours` is None or NaN) "untested"."""
    if ours is None or not np.isfinite(ours):
        return "untested"
    # A hair of slack: a difference of exactly the tolerance must not fall to rounding.
    slack = claim.tolerance * (1 + 1e-9) + 1e-12
    close = abs(ours - claim.published) <= slack
    beyond = (claim.better == "higher" and ours > claim.published) or (
        claim.better == "lower" and ours < claim.published
    )
    return "reproduced" if close or beyond else "missed"


def judge(claims, measured, dataset):
    """Return the table of claims after a run.

    Parameters
    ----------
    claims : list of Claim
    measured : dict of str to float
        Claim id → what the run gave. Ids that are missing, or NaN, are untested.
    dataset : str
        What the run was measured on: a survey's own name ("sdss"), or anything else, such as
        "sdss-mock" or "sdss (authors' predictions)".

    Returns
    -------
    DataFrame with `COLUMNS`
        One row for each claim on the survey it is about, which only a run on that survey fills,
        and one more under the run's own name for what a run on something else measured.
    """
    rows = []
    for claim in claims:
        ours = measured.get(claim.id)
        ours = float("nan") if ours is None else float(ours)
        values = {claim.dataset: float("nan")}
        if np.isfinite(ours):
            values = {dataset: ours} if dataset == claim.dataset else {dataset: ours, **values}
        for name, value in values.items():
            rows.append(
                {
                    **{key: getattr(claim, key) for key in COLUMNS[:6]},
                    "ours": value,
                    "dataset": name,
                    "verdict": verdict(claim, value),
                }
            )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def write(table, path, **meta):
    """Write a DataFrame as ECSV, whole or not at all; `meta` goes to its header."""
    from astropy.table import Table

    out = Table.from_pandas(table.reset_index(drop=True))
    out.meta.update({key: value for key, value in meta.items() if value is not None})
    with atomic_path(path) as temporary:
        out.write(temporary, format="ascii.ecsv")
    return Path(path)
