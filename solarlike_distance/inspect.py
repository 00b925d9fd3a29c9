"""A page to look at stars by eye: labels with errors, and what they hang on."""

from __future__ import annotations

from functools import partial

from common.commands import inspect as command
from solarlike_distance.config import PAPER


def _view():
    from solarlike_distance.inspecting import SolarlikeView

    return SolarlikeView


main = partial(command.main, PAPER, view=_view, unit="stars")

if __name__ == "__main__":
    raise SystemExit(main())
