"""Make a released network of a run."""

from functools import partial

from common.commands import release as command
from tests.sixth.config import PAPER
from tests.sixth.evaluate import Evaluation
from tests.sixth.predict import load, predict_files

main = partial(
    command.main,
    PAPER,
    Evaluation,
    load=load,
    predict=predict_files,
    errors={},
    tables=("scatter",),
)
