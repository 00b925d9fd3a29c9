"""Accuracy as the paper gives it: the average over classes, each class alike (Figs 12, C1)."""

from __future__ import annotations

import numpy as np
import pandas as pd

FEWEST = 5  # default: fewer spectra of a class say nothing of its accuracy


def class_accuracies(df, classes):
    """Return the accuracy of each class.

    Parameters
    ----------
    df : DataFrame
        class_true, class_pred.
    classes : sequence of str

    Returns
    -------
    DataFrame
        class, n, accuracy, accuracy_se (binomial); classes without a row are left out.
    """
    part = df[df["class_true"].isin(classes)]
    right = (part["class_true"] == part["class_pred"]).groupby(part["class_true"]).agg
    table = pd.DataFrame({"n": right("size"), "accuracy": right("mean").astype(float)})
    table["accuracy_se"] = np.sqrt(table["accuracy"] * (1 - table["accuracy"]) / table["n"])
    order = [name for name in classes if name in table.index]
    return table.loc[order].rename_axis("class").reset_index()


def average_over_classes(df, classes, *, fewest=FEWEST):
    """Return the average accuracy over classes, its error, and what it is of.

    Parameters
    ----------
    df, classes
        As of `class_accuracies`.
    fewest : int
        Classes with fewer spectra are left out.

    Returns
    -------
    average, error : float
        NaN where no class has enough; the error is binomial, of each class, propagated.
    n, k : int
        Spectra and classes in the average.
    """
    table = class_accuracies(df, classes)
    table = table[table["n"] >= fewest]
    if not len(table):
        return np.nan, np.nan, 0, 0
    error = float(np.sqrt((table["accuracy_se"] ** 2).sum())) / len(table)
    return float(table["accuracy"].mean()), error, int(table["n"].sum()), len(table)
