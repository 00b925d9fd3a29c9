"""Whether this process may use the network: not with --offline or SPECTRA_OFFLINE=1."""

from __future__ import annotations

import os
from contextlib import contextmanager

VARIABLE = "SPECTRA_OFFLINE"
_off = [0]


def switched_off():
    """Return True where nothing may be fetched."""
    return bool(_off[0]) or os.environ.get(VARIABLE, "").strip() not in ("", "0")


@contextmanager
def without(wanted=True):
    """Use no network inside the block, in all threads of this process; not where not `wanted`."""
    _off[0] += bool(wanted)
    try:
        yield
    finally:
        _off[0] -= bool(wanted)
