"""Make a released network of a run: ``python -m gasnet2.release NAME --run-dir RUN``."""

from functools import partial

from common.commands import release as command
from gasnet2.config import PAPER
from gasnet2.evaluation import Evaluation
from gasnet2.networks import load_networks
from gasnet2.predict import predict_files

main = partial(command.main, PAPER, Evaluation, load=load_networks, predict=predict_files,
               errors={"z": "z_err"},
               tables=("coarse", "errors", "trust"))  # fmt: skip

if __name__ == "__main__":
    raise SystemExit(main())
