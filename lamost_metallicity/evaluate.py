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
from common.rows import held_out, kept, name_of, name_of_table, name_on, unlearned
from lamost_metallicity.config import PAPER, Config
from lamost_metallicity.data import UNMATCHED, learned
from lamost_metallicity.evaluation import Evaluation
from lamost_metallicity.tables import beyond as tables_beyond
from lamost_metallicity.tables import real as tables_real
from lamost_metallicity.tables import regression as tables


def evaluate_run(run_dir, out=None, on=None):
    """Evaluate a run on its test split, or on spectrum files.

    Reads predictions.parquet, config.json, history.csv, and where they exist data/selection.ecsv
    and figures/saliency.png.

    What it takes and returns, `common.commands.evaluate.main` says; files are judged against the
    MPA-JHU labels where they lie with their tables, and against the strong lines of each spectrum.
    Spectra of galaxies that the run learned from are left out.
    """
    run_dir = Path(run_dir)
    config, about = runs.read_config(run_dir, Config)
    path = runs.predictions_beside(run_dir, PAPER.package, on)
    own = None if path is None else tables.read_predictions(path)
    scales = tables.scales_from(about["line_scales"]) if own is None else tables.scales_of(own)
    calibration = _calibration(about)
    common = dict(config=config, about=about, run_dir=run_dir)
    if on is None:
        df = held_out(own)
        ev = _evaluation(
            df,
            own,
            scales,
            calibration,
            dataset=_name(config, df),
            history=runs.history_of(run_dir),
            counts=_counts(run_dir / "data" / "selection.ecsv"),
            sample=_sample(run_dir / "data" / "labels.parquet"),
            **common,
        )
        return write(ev, out or run_dir)
    from lamost_metallicity.predict import predict_labelled

    on = Path(on)
    df, rejects = predict_labelled(run_dir, [on])
    df, rejects = unlearned(
        df,
        rejects,
        learned(df, run_dir, config),
        of=("galaxy", "galaxies"),
        how="trained, stopped or calibrated",
    )  # fmt: skip
    out = kept(df, run_dir, on, out)
    name = name_on(config, df, on)
    df = tables.with_types(df)
    if "oh_true" not in df:
        df["oh_true"] = np.nan
    ev = _evaluation(df, df, scales, calibration, dataset=name, real=True, **common)
    return write(ev, out, rejects=rejects)


def evaluate_predictions(path, out):
    """Evaluate a table of true and predicted metallicities made elsewhere.

    See `lamost_metallicity.tables.regression.read_predictions`. What it takes and returns,
    `common.commands.evaluate.main` says.
    """
    path = Path(path)
    own = tables.read_predictions(path)
    df = held_out(own)
    if not len(tables.regression_rows(df)):
        raise ReadError(path, "no row with both oh_true and oh_pred", "at least one such row")
    ev = _evaluation(
        df, own, tables.scales_of(own), None, dataset=name_of_table(path, df, Evaluation.survey)
    )
    return write(ev, out, source=path)


def _evaluation(df, everything, scales, calibration, **about):
    """Return the Evaluation: strong lines on the labels' scale, intervals of its rows."""
    if "split" in everything:
        known = everything["split"] != UNMATCHED
        about["unmatched"], everything = everything[~known], everything[known]
    df = tables_real.with_kind(tables.on_label_scale(df, scales))
    ev = Evaluation(df=df, everything=everything, **about)
    rows = ev.rows
    if calibration is not None and "oh_sigma_raw" in rows and "snr_r" in rows:
        from lamost_metallicity.networks import snr_group

        ev.groups = snr_group(rows["snr_r"])
    if len(rows):
        ev.half = tables_beyond.half_widths(rows, calibration, ev.groups)
    return ev


def _calibration(about):
    from common.calibration import Calibration

    value = about.get("calibration")
    return Calibration.from_dict(value) if value else None


def _counts(path):
    from astropy.table import Table

    return Table.read(path, format="ascii.ecsv").to_pandas() if path.is_file() else None


def _sample(path):
    """Return the regression's sample, the training split too; None where the data are gone."""
    if not path.is_file():
        return None
    labels = pd.read_parquet(path)
    names = [n for n in ("split", "z", "snr_r", "petro_r", "oh_true") if n in labels]
    return labels.loc[labels["has_label"].eq(True), names].reset_index(drop=True)


def _name(config, df):
    if config.variant:  # another input than the paper's cannot confirm or miss what it says
        return config.trained
    wanted = PAPER.configure(config.dataset, "paper").split[2] * 38500  # Sect. 2
    return name_of(PAPER, config, len(tables.regression_rows(df)), wanted)


main = partial(
    command.main,
    PAPER,
    "Metrics, tables, figures and report of the metallicities of LAMOST galaxies.",
    of_run=evaluate_run,
    of_table=evaluate_predictions,
    unseen="metallicities of line ratios, masses and rates",
)

if __name__ == "__main__":
    raise SystemExit(main())
