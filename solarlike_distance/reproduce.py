"""Train, compare, explain, evaluate and report: the whole paper by one command."""

from __future__ import annotations

from functools import partial

from common.commands import reproduce
from solarlike_distance.baselines import baseline_run
from solarlike_distance.config import PAPER
from solarlike_distance.evaluate import evaluate_run
from solarlike_distance.explain import explain_run
from solarlike_distance.galaxy import galaxy_run
from solarlike_distance.train import train


def _galaxy(run_dir, config, args):
    """Pass a mock Galaxy through the networks of a mock's run."""
    if config.is_mock:
        galaxy_run(run_dir, offline=args.offline)


main = partial(
    reproduce.main,
    PAPER,
    "Train, evaluate, explain and report the distances of solar-like stars.",
    train=train,
    steps=[
        ("Table C.1", lambda run_dir, config, args: baseline_run(run_dir)),
        ("SHAP", lambda run_dir, config, args: explain_run(run_dir)),
        ("mock Galaxy", _galaxy),
    ],
    evaluate=evaluate_run,
)

if __name__ == "__main__":
    raise SystemExit(main())
