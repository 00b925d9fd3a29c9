"""What pages of stars share: the Kiel diagram and the colour-magnitude diagram."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from common.inspect.shown import Diagram
from common.inspect.view import some

KIEL, CMD = "Kiel diagram", "Colour-magnitude diagram"


def training_labels(run_dir, columns):
    """Return labels that a run learned from, None where its data are gone or have none of them.

    Parameters
    ----------
    run_dir : path-like or None
    columns : dict of str to str
        Name here -> column of data/labels.parquet.
    """
    path = None if run_dir is None else Path(run_dir) / "data" / "labels.parquet"
    if path is None or not path.is_file():
        return None
    table = pd.read_parquet(path)
    known = {ours: theirs for ours, theirs in columns.items() if theirs in table}
    if not known:
        return None
    if "split" in table:
        table = table[table["split"].isin(["train", "reference"])]
    return table[list(known.values())].rename(columns={v: k for k, v in known.items()})


def diagram(name, labels, catalogue, x, y, x_label, y_label, *, flip_x, others="stars"):
    """Return a `Diagram` with the training set behind the stars, else those of a table.

    Parameters
    ----------
    name : str
    labels : DataFrame or None
        From `training_labels`.
    catalogue : DataFrame
        Others, where the training set is not at hand.
    x, y : (str, str)
        Column of labels, column of the catalogue.
    x_label, y_label : str
    flip_x : bool
    others : str
        What the catalogue's rows are.
    """
    trained = labels is not None and {x[0], y[0]} <= set(labels)
    part = some(labels, (x[0], y[0])) if trained else some(catalogue, (x[1], y[1]))
    where = "of the training set" if trained else "of the catalogue (no training set is at hand)"
    return Diagram(
        name=name, x_label=x_label, y_label=y_label, x=part.iloc[:, 0], y=part.iloc[:, 1],
        others=f"{others} {where}", flip_x=flip_x, flip_y=True,
    )  # fmt: skip
