"""Train, explain, evaluate and report: the whole paper by one command."""

from __future__ import annotations

from functools import partial

from common.commands import reproduce
from gasnet2.config import PAPER
from gasnet2.evaluate import evaluate_run
from gasnet2.explain import explain_run
from gasnet2.train import train

main = partial(
    reproduce.main,
    PAPER,
    "Train, evaluate, explain and report GaSNet-II.",
    train=train,
    steps=[("gradients", lambda run_dir, config, args: explain_run(run_dir))],
    evaluate=evaluate_run,
)

if __name__ == "__main__":
    raise SystemExit(main())
