"""Make a released network of a run: ``python -m solarlike_distance.release NAME --run-dir RUN``."""

from functools import partial

from common.commands import release as command
from solarlike_distance.catalog import make_catalogue
from solarlike_distance.config import PAPER, TARGETS
from solarlike_distance.evaluation import Evaluation
from solarlike_distance.networks import load_networks

main = partial(command.main, PAPER, Evaluation, load=load_networks, predict=make_catalogue,
               errors={f"cnn_{name}": f"cnn_{name}_err" for name in TARGETS},
               tables=("scatter", "distance", "coverage"))  # fmt: skip

if __name__ == "__main__":
    raise SystemExit(main())
