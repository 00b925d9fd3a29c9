"""Make a released network of a run: ``python -m rvs_hybrid.release NAME --run-dir RUN``."""

from functools import partial

from common.commands import release as command
from rvs_hybrid.config import LABELS, PAPER
from rvs_hybrid.evaluation import Evaluation
from rvs_hybrid.networks import load_networks
from rvs_hybrid.predict import predict_files

main = partial(command.main, PAPER, Evaluation, load=load_networks, predict=predict_files,
               errors={name: f"{name}_err" for name in LABELS},
               tables=("labels",), models=("held-out/*.keras",))  # fmt: skip

if __name__ == "__main__":
    raise SystemExit(main())
