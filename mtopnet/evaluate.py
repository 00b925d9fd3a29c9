"""Every metric, table and figure of the paper from saved predictions, and a report."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from common import runs
from common.commands import evaluate as command
from common.errors import ReadError
from common.evaluation import write
from common.inspect.verdicts import read_verdicts
from common.rows import held_out, kept, name_of, name_of_table
from mtopnet import published
from mtopnet.config import PAPER, Config
from mtopnet.evaluation import Evaluation
from mtopnet.kinds import other_kind
from mtopnet.tables import redshifts as tables
from mtopnet.tables import variants as tables_variants


def evaluate_run(run_dir, out=None, on=None, inspected=None):
    """Evaluate a run on its test split, or on spectrum files with labels.

    Reads predictions.parquet, pdf_test.npy, pdf_test_ids.parquet, config.json, history.csv,
    variants/, and where they exist tables/latent.ecsv and the figures of `explain` and `latent`.
    `inspected` is a CSV of an inspector's verdicts, whose redshifts are the labels then (see
    `common.inspect.verdicts.read_verdicts`).

    What it takes and returns, `common.commands.evaluate.main` says.
    """
    run_dir = Path(run_dir)
    config, about = runs.read_config(run_dir, Config)
    common = dict(config=config, about=about, edges=config.edges)
    if on is None:
        path = runs.predictions_of(run_dir, PAPER.package)
        own = tables.read_predictions(path)
        test = held_out(own)
        df = _compared(test, path, config.edges)
        pdf, rows = read_pdf(run_dir, df)
        ev = Evaluation(
            df=df,
            everything=_every_label(run_dir, own),
            mixed=test,
            dataset=name_of(PAPER, config, len(df), published.value("test-size")),
            history=runs.history_of(run_dir),
            pdf=pdf,
            pdf_rows=rows,
            variants=tables_variants.read_variants(run_dir, config=config),
            **common,
        )
        return write(ev, out or run_dir)
    from mtopnet.predict import predict_labelled

    on = Path(on)
    verdicts = None if inspected is None else read_verdicts(inspected)
    df, pdf, rejects = predict_labelled(run_dir, [on], verdicts)
    out = kept(df, run_dir, on, out)
    df = tables.with_dz(tables.with_types(df), config.edges)
    ev = Evaluation(
        df=tables.labelled(df),
        everything=df[~other_kind(df)],
        mixed=df,
        dataset=f"{config.dataset} -> {on.resolve().name}{', labels by eye' * bool(inspected)}",
        pdf=pdf[tables.judged(df)],
        pdf_rows=tables.labelled(df),
        real=True,
        **common,
    )
    return write(ev, out, rejects=rejects)


def evaluate_predictions(path, out):
    """Evaluate a table of true and predicted redshifts made elsewhere.

    See `mtopnet.tables.redshifts.read_predictions`. What it takes and returns,
    `common.commands.evaluate.main` says.
    """
    path = Path(path)
    own = tables.read_predictions(path)
    df = held_out(own)
    ev = Evaluation(
        df=_compared(df, path),
        everything=own[~other_kind(own)],
        mixed=df,
        dataset=name_of_table(path, df, Evaluation.survey),
    )
    return write(ev, out, source=path)


def _every_label(run_dir, df):
    """Return the labels of all splits where the run still has its data, else of the predicted.

    Those of galaxies: what is none of the network's kind has no redshift to compare.
    """
    path = run_dir / "data" / "labels.parquet"
    labels = pd.read_parquet(path) if path.is_file() else df
    return labels[~other_kind(labels)]


def _compared(df, path, edges=None):
    """Return the rows with a true redshift, and dz."""
    df = tables.labelled(tables.with_dz(df, edges))
    if not df["z_peak"].notna().any():
        raise ReadError(path, "no row with both z_true and z_peak", "at least one such row")
    return df


def read_pdf(run_dir, df):
    """Read a run's PDFs of test spectra and the rows that they belong to, joined by id.

    Parameters
    ----------
    run_dir : path-like
        With pdf_test.npy of shape (n, n_bins) and pdf_test_ids.parquet, a column id of n rows.
    df : DataFrame
        With id.

    Returns
    -------
    ndarray of shape (m, n_bins), DataFrame of m rows; or None, None
        None where the run keeps no PDFs.

    Raises
    ------
    ReadError
        If PDFs and ids do not go together.
    """
    path, names = Path(run_dir) / "pdf_test.npy", Path(run_dir) / "pdf_test_ids.parquet"
    if not path.is_file() or not names.is_file():
        return None, None
    remedy = "Take both files away: the evaluation then goes without PDFs; or train again."
    try:
        every, ids = np.load(path, mmap_mode="r"), pd.read_parquet(names)["id"].astype(str)
    except (OSError, ValueError, KeyError) as error:
        raise ReadError(path, f"not readable ({error})", "PDFs and their ids", remedy) from error
    if every.ndim != 2 or len(every) != len(ids) or ids.duplicated().any():
        found = f"an array of shape {every.shape} and {ids.nunique()} ids"
        raise ReadError(path, found, "one row of probabilities for each id", remedy)
    where = pd.Series(np.arange(len(ids)), index=ids.to_numpy()).reindex(df["id"])
    known = where.notna().to_numpy()
    if not known.any():
        return None, None
    rows = where.to_numpy()[known].astype(int)
    return np.asarray(every[rows]), df[known].reset_index(drop=True)


main = partial(
    command.main,
    PAPER,
    "Metrics, tables, figures and report of redshifts, masses and rates from MOONS spectra.",
    of_run=evaluate_run,
    of_run_only=(command.INSPECTED,),
    of_table=evaluate_predictions,
)

if __name__ == "__main__":
    raise SystemExit(main())
