"""A page to look at Gaia's stars by eye: labels with errors, and what they hang on."""

from __future__ import annotations

from functools import partial

from common.commands import inspect as command
from rvs_hybrid.config import PAPER


def _view():
    from rvs_hybrid.inspecting import StarView

    return StarView


main = partial(command.main, PAPER, view=_view, unit="stars")

if __name__ == "__main__":
    raise SystemExit(main())
