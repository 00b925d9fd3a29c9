"""The rows that an evaluation judges: read, held out, kept, and what they are called."""

from __future__ import annotations

from pathlib import Path

from common.catalog import read_table
from common.errors import ReadError, SuiteError
from common.files import write_parquet


def read_predictions(path, needs):
    """Read a table of true and predicted values made elsewhere.

    Parameters
    ----------
    path : path-like
        Of a format of `common.catalog.FORMATS`.
    needs : sequence of str
        Columns that it must have.

    Raises
    ------
    ReadError
        If it cannot be read, or lacks a column.
    """
    df = read_table(path)
    missing = [name for name in needs if name not in df]
    if missing:
        raise ReadError(path, f"no column {', '.join(missing)}", f"the columns {', '.join(needs)}")
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


def name_of(config, n, wanted):
    """Return what a run was measured on; a survey's bare name only for a run of the paper's size.

    A smaller run on the survey's spectra cannot confirm or miss what the paper says of its own.

    Parameters
    ----------
    config : the paper's Config
    n : int
        Spectra that were tested.
    wanted : float
        Spectra that the paper tested.
    """
    if config.is_mock or (config.scale == "paper" and n >= 0.9 * wanted):
        return config.dataset
    return f"{config.dataset} ({config.scale} scale, {n} test spectra)"
