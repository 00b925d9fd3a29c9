"""Tests that need templates are skipped where those can neither be found nor fetched."""

from contextlib import contextmanager

import pytest

from common import assets
from common.errors import MissingDataError


@contextmanager
def archives(*names):
    """Skip the test where a named archive, or one that the block needs, cannot be had."""
    try:
        for name in names:
            assets.fetch(name)
        yield
    except MissingDataError as error:
        pytest.skip(f"the archives are neither cached nor fetchable: {error}")
