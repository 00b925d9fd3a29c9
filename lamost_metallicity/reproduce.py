"""Train, explain, evaluate and report: the whole paper by one command."""

from __future__ import annotations

from functools import partial

from common.commands import reproduce
from lamost_metallicity.config import PAPER
from lamost_metallicity.evaluate import evaluate_run
from lamost_metallicity.explain import explain_run
from lamost_metallicity.train import train

main = partial(
    reproduce.main,
    PAPER,
    "Train, evaluate, explain and report the metallicities of LAMOST galaxies.",
    train=train,
    steps=[("saliency", lambda run_dir, config, args: explain_run(run_dir))],
    evaluate=evaluate_run,
)

if __name__ == "__main__":
    raise SystemExit(main())
