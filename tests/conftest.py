"""Switches, skip reasons and the folder of real data."""

import os
from pathlib import Path

import pytest

SWITCHES = {"slow": "--slow", "gpu": "--gpu", "network": "--network"}


def pytest_addoption(parser):
    for name, switch in SWITCHES.items():
        parser.addoption(switch, action="store_true", help=f"run the tests marked {name}")


def pytest_collection_modifyitems(config, items):
    for item in items:
        for name, switch in SWITCHES.items():
            if name in item.keywords and not config.getoption(switch):
                item.add_marker(pytest.mark.skip(reason=f"marked {name}: run with {switch}"))


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real spectra and published results, where there is one."""
    root = Path(__file__).resolve().parents[1]
    folder = Path(os.environ.get("SHARED_DATA", root.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}: set SHARED_DATA to the folder that holds it")
    return folder
