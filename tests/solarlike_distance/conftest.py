"""Stars and a trained run that several files of tests take."""

import pytest

from tests.solarlike_distance import toy


@pytest.fixture
def few(tmp_path):
    """Files of nine stars, one spectrum each, and what they are; gaia.csv stands beside."""
    about = toy.stars(9, seed=4)
    toy.photometry(about).to_csv(tmp_path / "gaia.csv", index=False)
    (tmp_path / "in").mkdir()
    for row in range(9):
        toy.write_image(tmp_path / "in" / f"star-{row}.fits", about, row)
    return tmp_path / "in", about


@pytest.fixture(scope="session")
def made_run(made_once):
    """A folder with run/, a tiny network's; in/, its stars; table.pkl, what training returned."""

    def make(folder):
        toy.write_files(folder / "in")
        toy.make_run(folder / "run", folder / "in").to_pickle(folder / "table.pkl")

    return made_once("solarlike_distance", make)
