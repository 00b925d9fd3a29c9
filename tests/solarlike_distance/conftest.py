import pytest

from tests.solarlike_distance import toy_run as run


@pytest.fixture(scope="session")
def made_run(made_once):
    """A folder with run/, a tiny network's; in/, its stars; table.pkl, what training returned."""

    def make(folder):
        run.files(folder / "in")
        run.make_run(folder / "run", folder / "in").to_pickle(folder / "table.pkl")

    return made_once("solarlike_distance", make)
