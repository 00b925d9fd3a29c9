"""The paper's samples: its cuts one after the other, the draw of each class, and what is left."""

from __future__ import annotations

import numpy as np
import pandas as pd

from common import sample
from common.cuts import counted, printed
from gasnet2.config import CLASSES, published

__all__ = ["Tally", "cuts", "draw", "printed", "select"]
SNR_MIN = 2.0  # Sect. 2.3: DESI
PARTS = ("sv1", "sv3")  # Sect. 2.3: of DESI's early data
PUBLISHED = {  # survey: spectra after the last cut, Tables 1 to 3
    "sdss": 260_000,  # of more than 4 million with a class (Sect. 2.1)
    "fourmost": 200_000,
    "desi": 21_000,
}


def cuts(table, survey):
    """Return the paper's cuts of a survey, list of (name, ndarray of bool, True where it is kept).

    Parameters
    ----------
    table : DataFrame of n rows
        snr, zwarn; survey_part where the part of DESI's early data is to be cut too, as in its
        catalogue: a user's own files may be of any.
    survey : {"sdss", "fourmost", "desi", "surveys"}
        Of SDSS and 4MOST the paper takes all spectra of its classes.
    """
    if survey != "desi":
        return []
    parts = []
    if "survey_part" in table:
        parts = [("sv1 or sv3", table["survey_part"].isin(PARTS).to_numpy())]
    return [
        *parts,
        ("ZWARN = 0", (table["zwarn"].fillna(0) == 0).to_numpy(dtype=bool)),
        (f"S/N > {SNR_MIN:g}", ~(table["snr"] <= SNR_MIN).to_numpy(dtype=bool)),
    ]


def draw(ids, classes, *, per_class, seed):
    """Draw spectra of each class by a hash of their ids.

    Parameters
    ----------
    ids, classes : sequences of str, of n spectra
    per_class : int
        At most as many of each.
    seed : int

    Returns
    -------
    ndarray of bool, shape (n,)
        The same spectra whatever the order of rows; a smaller draw is part of a larger one.
    """
    place = pd.Series([sample.place(f"sample/{i}", seed) for i in ids], dtype=float)
    rank = place.groupby(np.asarray(classes, dtype=object)).rank(method="first")
    return (rank <= per_class).to_numpy(dtype=bool)


def select(table, config):
    """Apply the cuts to a table and draw the sample.

    Parameters
    ----------
    table : DataFrame of n rows
        id, class (as `gasnet2.classes.fine_class` gives it), and what `cuts` needs.
    config : Config
        Survey, classes, per_class, seed.

    Returns
    -------
    chosen : DataFrame
        The rows that were drawn, in their order.
    counts : DataFrame
        As of `Tally.counts`.
    """
    tally, keep = Tally(config), np.ones(len(table), dtype=bool)
    tally.add(table)
    for _, passed in cuts(table, config.survey):
        keep &= passed
    left = table[keep & table["class"].isin(config.classes).to_numpy()]
    drawn = draw(left["id"], left["class"], per_class=config.per_class, seed=config.seed)
    return left[drawn].reset_index(drop=True), tally.counts()


class Tally:
    """Counts what each cut leaves, batch after batch.

    Parameters
    ----------
    config : Config
    """

    def __init__(self, config):
        self.config, self.n = config, {"spectra": 0}
        self.of_class = dict.fromkeys(config.classes or CLASSES[config.survey], 0)

    def add(self, table):
        """Count the rows of a table, as `cuts` takes it, with class."""
        keep = np.ones(len(table), dtype=bool)
        self.n["spectra"] += len(table)
        for name, passed in cuts(table, self.config.survey):
            keep &= passed
            self.n[name] = self.n.get(name, 0) + int(keep.sum())
        for name, n in table.loc[keep, "class"].value_counts().items():
            if name in self.of_class:
                self.of_class[name] += int(n)

    def counts(self):
        """Return cut, n, fraction (of the row before) and published (NaN where not printed)."""
        per_class = self.config.per_class
        n = self.n | {
            f"of the {len(self.of_class)} classes": sum(self.of_class.values()),
            f"at most {per_class} of each": sum(min(k, per_class) for k in self.of_class.values()),
        }
        said = [np.nan] * (len(n) - 1) + [PUBLISHED[published(self.config.survey)]]
        return counted(n, n.values(), said)
