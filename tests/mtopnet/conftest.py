import shutil

import pytest

from tests.mtopnet.toy_run import train_tiny


@pytest.fixture(scope="module")
def run_dir(made_once, tmp_path_factory):
    """The run folder of a tiny network, a copy that the tests of a file may change."""
    made = made_once("mtopnet", train_tiny) / "run"
    return shutil.copytree(made, tmp_path_factory.mktemp("mtopnet") / "run")
