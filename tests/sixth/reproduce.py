"""All of the paper."""

from functools import partial

from common.commands import reproduce
from tests.sixth.config import PAPER
from tests.sixth.evaluate import evaluate_run
from tests.sixth.explain import explain_run
from tests.sixth.train import train

main = partial(reproduce.main, PAPER, "Train, explain and evaluate.", train=train,
               steps=[("saliency", lambda run_dir, *_: explain_run(run_dir))],
               evaluate=evaluate_run)  # fmt: skip

if __name__ == "__main__":
    raise SystemExit(main())
