"""A page to look at galaxies by eye: lines, metallicities, and what they hang on."""

from __future__ import annotations

from functools import partial

from common.commands import inspect as command
from lamost_metallicity.config import PAPER


def _view():
    from lamost_metallicity.inspecting import MetallicityView

    return MetallicityView


main = partial(command.main, PAPER, view=_view)

if __name__ == "__main__":
    raise SystemExit(main())
