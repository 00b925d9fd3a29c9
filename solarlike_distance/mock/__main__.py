"""``python -m solarlike_distance.mock``: see `solarlike_distance.mock.make`."""

from functools import partial

from common.commands import mock as command
from solarlike_distance.config import PAPER
from solarlike_distance.mock.make import make_mock

main = partial(command.main, PAPER, make=make_mock, n=1000,
               about="Write a mock of LAMOST stars, with labels of APOGEE and Gaia.",
               unit="spectra; three in four pass the paper's cuts")  # fmt: skip

if __name__ == "__main__":
    raise SystemExit(main())
