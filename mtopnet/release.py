"""Make a released network of a run: ``python -m mtopnet.release NAME --run-dir RUN``."""

from functools import partial

from common.commands import release as command
from mtopnet.config import PAPER
from mtopnet.evaluation import Evaluation
from mtopnet.networks import load_networks
from mtopnet.predict import predict_files

main = partial(command.main, PAPER, Evaluation, load=load_networks, predict=predict_files,
               errors={"z": "z_std", "log_mass": "log_mass_err", "log_sfr": "log_sfr_err"},
               tables=("success", "residuals", "errors", "calibration", "none"))  # fmt: skip

if __name__ == "__main__":
    raise SystemExit(main())
