"""``python -m lamost_metallicity.mock``: see `lamost_metallicity.mock.make`."""

from functools import partial

from common.commands import mock as command
from lamost_metallicity.config import PAPER
from lamost_metallicity.mock.make import make_mock

main = partial(command.main, PAPER, make=make_mock, n=1000,
               about="Write a mock of LAMOST galaxies, with MPA-JHU tables.",
               unit="galaxies of all kinds; about a third have a metallicity")  # fmt: skip

if __name__ == "__main__":
    raise SystemExit(main())
