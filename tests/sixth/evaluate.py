"""Evaluate a run, files, or a table made elsewhere."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from common import evaluation
from common.commands import evaluate as command
from tests.sixth.config import PAPER
from tests.sixth.figures import plots, scatter
from tests.sixth.predict import predict_labelled


@dataclass(kw_only=True)
class Evaluation(evaluation.Evaluation):
    paper, title, survey, subject, place = PAPER, "One line on {}", "line", "LAMOST", "LAMOST"
    claims = Path(__file__).with_name("claims.toml")
    parts = {"Redshifts": ("", ("scatter",))}  # noqa: RUF012
    printed, cover_figures = ("scatter",), ("F1_redshifts",)
    beside = evaluation.Beside("Files", "On other files.", "scatter")
    references = ("Nobody 2026: the paper made up here",)

    def tables(self, out):
        return {"scatter": ("Table 1: dz / (1 + z)", scatter(self.df))}

    def figures(self):
        return plots(self)

    def measured(self, every):
        return {"sigma": scatter(self.df)["sigma"][0]}


evaluate_run = partial(command.evaluate_run, Evaluation, predict_labelled)
main = partial(
    command.main, PAPER, "Evaluate the redshifts of one line.", of_run=evaluate_run,
    of_table=partial(command.evaluate_table, Evaluation, ("z_true", "z_pred")),
)  # fmt: skip

if __name__ == "__main__":
    raise SystemExit(main())
