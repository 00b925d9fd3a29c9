"""Evaluate a run, files, or a table made elsewhere."""

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from common import evaluation, rows, runs
from common.commands import evaluate as command
from tests.sixth.config import PAPER, Config
from tests.sixth.figures import plots, scatter
from tests.sixth.predict import predict_labelled


@dataclass(kw_only=True)
class Evaluation(evaluation.Evaluation):
    paper, title, survey, subject, place = PAPER, "One line on {}", "line", "LAMOST", "LAMOST"
    claims = Path(__file__).with_name("claims.toml")
    parts = {"Redshifts": ("", ("scatter",))}  # noqa: RUF012
    printed, cover_figures = ("scatter",), ("F1_redshifts",)
    references = ("Nobody 2026: the paper made up here",)

    def tables(self, out):
        return {"scatter": ("Table 1: dz / (1 + z)", scatter(self.df))}

    def figures(self):
        return plots(self)

    def measured(self, every):
        return {"sigma": scatter(self.df)["sigma"][0]}


def evaluate_run(run_dir, out=None, on=None):
    (config, about), rejects = runs.read_config(run_dir, Config), None
    df, name = pd.read_parquet(runs.predictions_of(run_dir, PAPER.package)), config.dataset
    if on is not None:
        df, rejects = predict_labelled(run_dir, [on])
        out, name = rows.kept(df, run_dir, on, out), f"{name} -> {on.name}"
    ev = Evaluation(df=rows.held_out(df), dataset=name, config=config, about=about,
                    real=on is not None, run_dir=run_dir)  # fmt: skip
    return evaluation.write(ev, out or run_dir, rejects=rejects)


def evaluate_predictions(path, out):
    df = rows.held_out(rows.read_predictions(path, ("z_true", "z_pred")))
    return evaluation.write(Evaluation(df=df, dataset=Path(path).name), out, source=path)


main = partial(
    command.main,
    PAPER,
    "Evaluate the redshifts of one line.",
    of_run=evaluate_run,
    of_table=evaluate_predictions,
)

if __name__ == "__main__":
    sys.exit(main())
