"""Make a released network of a run: ``python -m lamost_metallicity.release NAME --run-dir RUN``."""

from functools import partial

from common.commands import release as command
from lamost_metallicity.config import PAPER
from lamost_metallicity.evaluation import Evaluation
from lamost_metallicity.networks import NEEDED, load_networks
from lamost_metallicity.predict import predict_files

main = partial(command.main, PAPER, Evaluation, load=load_networks, predict=predict_files,
               errors={"oh": "oh_err"},
               tables=("methods", "baselines", "sigma_snr_r", "classifier", "coverage"),
               models=tuple(f"{name}.keras" for name in NEEDED))  # fmt: skip

if __name__ == "__main__":
    raise SystemExit(main())
