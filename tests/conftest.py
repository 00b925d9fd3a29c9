"""Switches, skip reasons, the folder of real data, and what lets the tests share a machine."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

SWITCHES = {"slow": "--slow", "gpu": "--gpu", "network": "--network"}
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS",
           "TF_NUM_INTEROP_THREADS")  # fmt: skip
LONGEST = (  # a long file that begins last would keep the other workers waiting
    "reproduction",
    "test_contract.py",
    "test_train_predict.py",
    "test_train.py",
    "test_catalog.py",
    "test_products.py",
    "test_evaluate.py",
    "test_mock.py",
    "test_accelerator.py",
    "test_contaminate.py",
)
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0"))
if WORKERS:  # before NumPy and TensorFlow start their threads
    for variable in THREADS:
        os.environ.setdefault(variable, str(max(1, (os.cpu_count() or 1) // WORKERS)))
# How fast a test runs depends on what else the machine does.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")


def pytest_addoption(parser):
    for name, switch in SWITCHES.items():
        parser.addoption(switch, action="store_true", help=f"run the tests marked {name}")


def pytest_collection_modifyitems(config, items):
    for item in items:
        for name, switch in SWITCHES.items():
            if name in item.keywords and not config.getoption(switch):
                item.add_marker(pytest.mark.skip(reason=f"marked {name}: run with {switch}"))
    if WORKERS:
        items.sort(key=lambda item: _rank(item.path))  # stable: the order within a file stays


def _rank(path):
    return next((i for i, name in enumerate(LONGEST) if name in path.parts), len(LONGEST))


def pytest_configure():
    from tests.pictures import render_on_demand

    render_on_demand()


@pytest.fixture(autouse=True)
def own_settings_of_figures():
    """Keep matplotlib's settings to one test: importing gaiaxpy switches LaTeX on for all."""
    import matplotlib

    with matplotlib.rc_context({"text.usetex": False}):
        yield


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """Return a function (name, make) -> folder that `make` filled: for all files and workers.

    Tests that change something in it take a copy.
    """
    root = tmp_path_factory.getbasetemp()
    root = (root.parent if WORKERS else root) / "made-once"
    root.mkdir(exist_ok=True)

    def folder_of(name, make):
        folder, done = root / name, root / f"{name}.done"
        if not done.exists():
            try:
                folder.mkdir()
            except FileExistsError:  # another worker is at it: to wait would take as long
                folder = tmp_path_factory.mktemp(name)
                make(folder)
            else:
                make(folder)
                done.touch()
        return folder

    return folder_of


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real spectra and published results, where there is one."""
    root = Path(__file__).resolve().parents[1]
    folder = Path(os.environ.get("SHARED_DATA", root.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}: set SHARED_DATA to the folder that holds it")
    return folder
