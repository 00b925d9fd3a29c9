"""A page to look at MOONS spectra by eye: PDFs, solutions, and what they hang on."""

from __future__ import annotations

from functools import partial

from common.commands import inspect as command
from mtopnet.config import PAPER


def _view():
    from mtopnet.inspecting import MtopView

    return MtopView


main = partial(command.main, PAPER, view=_view)

if __name__ == "__main__":
    raise SystemExit(main())
