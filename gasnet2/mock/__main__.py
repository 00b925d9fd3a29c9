"""``python -m gasnet2.mock``: see `gasnet2.mock.make`."""

from functools import partial

from common.commands import mock as command
from common.paper import Option
from gasnet2.config import PAPER
from gasnet2.mock.make import make_mock


def make(*, n, seed, out_dir, offline, survey):
    """Write n spectra of each class of a survey; return the files."""
    return make_mock(survey=survey, n_per_class=n, seed=seed, out_dir=out_dir, offline=offline)


main = partial(
    command.main,
    PAPER,
    make=make,
    n=100,
    about="Write a mock of SDSS, DESI or 4MOST spectra, with classes and redshifts.",
    unit="spectra of each of the survey's classes",
    options=(Option("--survey", "whose files (default: sdss)",
                    more={"choices": ("sdss", "desi", "fourmost"), "default": "sdss"}),),
)  # fmt: skip

if __name__ == "__main__":
    raise SystemExit(main())
