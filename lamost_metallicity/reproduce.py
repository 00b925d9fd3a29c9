"""Train, explain, evaluate and report: the whole paper by one command."""

from __future__ import annotations

import sys

from common.commands import reproduce
from lamost_metallicity.config import PAPER
from lamost_metallicity.evaluate import evaluate_run
from lamost_metallicity.explain import explain_run
from lamost_metallicity.train import train


def main(argv=None):
    """Run the command line; return the exit status."""
    return reproduce.main(
        PAPER,
        "Train, evaluate, explain and report the metallicities of LAMOST galaxies.",
        train=train,
        steps=[("saliency", lambda run_dir, config, args: explain_run(run_dir))],
        evaluate=evaluate_run,
        argv=argv,
    )


if __name__ == "__main__":
    sys.exit(main())
