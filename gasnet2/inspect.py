"""A page to look at classified spectra by eye: why an object got its answer."""

from __future__ import annotations

from functools import partial

from common.commands import inspect as command
from gasnet2.config import PAPER


def _view():
    from gasnet2.inspecting import GasnetView

    return GasnetView


main = partial(command.main, PAPER, view=_view)

if __name__ == "__main__":
    raise SystemExit(main())
