"""The rows that an evaluation judges: read, held out, kept, and what they are called."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from common.catalog import read_table
from common.errors import ReadError, SuiteError
from common.files import write_parquet
from common.pipeline import ahead
from common.rejects import reject_table
from common.surveys.quantities import without_marks

MOCK_FILES, REAL_FILES = "mock files", "real files"  # what the data set of files is called


def read_predictions(path, needs):
    """Read a table of true and predicted values made elsewhere.

    Parameters
    ----------
    path : path-like
        Of a format of `common.catalog.FORMATS`.
    needs : sequence of str
        Columns that it must have. Marks of missing values (-9999 and its kin) become NaN.

    Raises
    ------
    ReadError
        If it cannot be read, or lacks a column.
    """
    df = read_table(path)
    missing = [name for name in needs if name not in df]
    if missing:
        raise ReadError(path, f"no column {', '.join(missing)}", f"the columns {', '.join(needs)}")
    for name in df.select_dtypes("float"):
        df[name] = without_marks(df[name]).astype(df[name].dtype)
    return df


def held_out(df, known=("train", "valid")):
    """Return the rows of the test split; all rows where the table names no splits.

    Parameters
    ----------
    df : DataFrame
        With or without a column split.
    known : sequence of str
        Other splits that a run has.

    Raises
    ------
    SuiteError
        If the table has rows of other splits only.
    """
    if "split" in df and (df["split"] == "test").any():
        kept = df[df["split"] == "test"].reset_index(drop=True)
        kept.attrs = df.attrs
        return kept
    others = [name for name in known if "split" in df and (df["split"] == name).any()]
    if others:
        raise SuiteError(
            f"The table has rows of split {', '.join(others)} but no row of split 'test'."
        )
    return df


def name_of_table(path, df, survey):
    """Return what a table made elsewhere is of: the survey, the file, the data sets in it."""
    kinds = sorted(set(df["dataset"].astype(str)) - {""}) if "dataset" in df else []
    parts = filter(None, (Path(path).name, " and ".join(kinds)))
    return f"{survey} ({', '.join(parts)})"


def collected(stream, step, *, what="spectrum"):
    """Predict labelled files, batch by batch, for an evaluation.

    Parameters
    ----------
    stream : SpectraStream
        From `common.surveys.read_many`.
    step : callable
        Batch -> (DataFrame of predictions and labels, or None; list of dicts of file, id and
        reason): a row or a reject for each spectrum.
    what : str
        What is missing where there is no row, in words.

    Returns
    -------
    DataFrame, DataFrame
        All rows, and the rejects.

    Raises
    ------
    SuiteError
        If there is no row; it names up to three reasons.
    """
    parts = []
    for batch in ahead(stream):
        table, lost = step(batch)
        stream.rejects += lost
        if table is not None and len(table):
            parts.append(table)
    if not parts:
        reasons = sorted({row["reason"] for row in stream.rejects})
        raise SuiteError(f"No {what} to evaluate on: {'; '.join(reasons[:3])}.")
    return pd.concat(parts, ignore_index=True), reject_table(stream.rejects)


def unlearned(df, rejects, known, *, of, how):
    """Return the rows that a run did not learn from, and the rejects with the others.

    Parameters
    ----------
    df, rejects : DataFrame
        Predictions of labelled files (file, id), and what was rejected before.
    known : ndarray of bool, shape (n,)
        What the run learned from.
    of : (str, str)
        What the spectra are of, one and many ("star", "stars").
    how : str
        What the run did with them ("trained").

    Raises
    ------
    SuiteError
        If nothing is left.
    """
    if known.all():
        raise SuiteError(
            f"All {len(df)} spectra are of {of[1]} that the run was {how} on. Give others, or "
            "evaluate the run without --on."
        )
    lost = df.loc[known, ["file", "id"]].assign(reason=f"of a {of[0]} that the run was {how} on")
    lost = reject_table(lost.to_dict("records"))
    rejects = pd.concat([rejects, lost], ignore_index=True)
    return df[~known].reset_index(drop=True), rejects


def of_files(mock):
    """Return the data set of each spectrum of files, ndarray of str, from whether it is a mock."""
    return np.where(np.asarray(mock, dtype=bool), MOCK_FILES, REAL_FILES)


def name_on(config, df, on):
    """Return what a run was measured on with the files of a folder, whose rows have a dataset."""
    kinds = " and ".join(sorted(df["dataset"].unique()))
    return f"{config.trained} -> {kinds} ({Path(on).resolve().name})"


def kept(df, run_dir, on, out=None):
    """Keep what was predicted of files: figures can be drawn again without the networks.

    Parameters
    ----------
    df : DataFrame
        Goes to predictions.parquet.
    run_dir, on, out : path-like
        As of `common.commands.evaluate.main`.

    Returns
    -------
    Path
        Where the evaluation goes.
    """
    out = Path(out or Path(run_dir) / f"on_{Path(on).resolve().name}")
    write_parquet(df, out / "predictions.parquet")
    return out


def name_of(paper, config, n, wanted):
    """Return what a run was measured on; a survey's bare name only for a run that is the paper's.

    A run on fewer spectra, of other settings or of another network cannot confirm or miss what the
    paper says of its own: its name says how it differs from its scale, and no claim is about it.

    Parameters
    ----------
    paper : common.paper.Paper
    config : the paper's Config
    n : int
        Spectra that were tested.
    wanted : float
        Spectra that the paper tested.
    """
    if config.is_mock or config.variant or not (paper.differs(config) or n < 0.9 * wanted):
        return config.trained
    words = [f"{config.scale} scale", *paper.differs(config, config.scale), f"{n} test spectra"]
    return f"{config.dataset} ({', '.join(words)})"
