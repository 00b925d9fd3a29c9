"""``python -m rvs_hybrid.mock``: see `rvs_hybrid.mock.make`."""

from functools import partial

from common.commands import mock as command
from rvs_hybrid.config import PAPER
from rvs_hybrid.mock.make import make_mock

main = partial(command.main, PAPER, make=make_mock, n=1000,
               about="Write a mock of stars of Gaia with labels of APOGEE.",
               unit="stars; nearly all have labels and an XP spectrum")  # fmt: skip

if __name__ == "__main__":
    raise SystemExit(main())
