"""A mock Galaxy through a run: what was planted is joined, kept, and becomes its catalogue."""

import numpy as np
import pandas as pd
import pytest

from common.errors import SuiteError
from solarlike_distance import catalog, evaluate, galaxy, scorecard
from solarlike_distance.mock import galaxy as mock_galaxy
from solarlike_distance.tables import given, gradients, recovery
from tests.solarlike_distance import toy

LAW = mock_galaxy.Galaxy(radial=toy.RADIAL, vertical=toy.VERTICAL, cross=0.0)


@pytest.fixture
def run_dir(tmp_path, monkeypatch):
    """A run whose `catalog` gives made-up predictions of the mock Galaxy's files."""
    own = pd.concat([toy.predictions(200), toy.predictions(900, 1, "reference")])
    toy.write_run(tmp_path, own)
    stars, seen = toy.predictions(3000, 2), {}

    def make_galaxy(*, n, seed, out_dir, galaxy, offline):
        seen.update(n=n, seed=seed, galaxy=galaxy)
        truth = stars[["id", "feh_planted", "distance_planted", "binary"]]
        truth.rename(columns={"id": "obsid"}).iloc[::-1].to_parquet(f"{out_dir}/truth.parquet")

    def predict_labelled(run_dir, paths):
        return stars.filter(regex="^(?!binary|.*_planted)"), pd.DataFrame()

    monkeypatch.setattr(mock_galaxy, "make_galaxy", make_galaxy)
    monkeypatch.setattr(catalog, "predict_labelled", predict_labelled)
    return tmp_path, seen, stars


def test_the_galaxys_gradients_come_back_through_a_run(run_dir):
    folder, seen, stars = run_dir
    table = galaxy.galaxy_run(folder, galaxy=LAW)
    assert seen == {"n": galaxy.STARS["smoke"], "seed": 43, "galaxy": LAW}
    assert (table["off"].dropna().abs() < 4).all()
    found = recovery.summary(table).set_index("kind")
    assert (found["within_2"] > 0.6).all() and (found["law_within_2"] > 0.6).all()
    assert (found["plane_off"].abs() < 3).all()
    kept = pd.read_parquet(folder / galaxy.FILE).set_index("id")
    np.testing.assert_allclose(kept["feh_planted"].loc[stars["id"]], stars["feh_planted"])
    assert not list(folder.glob("galaxy-*"))  # its files are gone


def test_evaluate_takes_it_as_the_catalogue_and_the_card_prints_it(run_dir, capsys):
    folder = run_dir[0]
    galaxy.galaxy_run(folder, galaxy=LAW)
    evaluate.evaluate_run(folder)
    table = given.read_ecsv(folder / "tables" / "recovery.ecsv")
    assert table["n"].max() > 2000  # of the Galaxy's 3000 stars, not of the run's own
    row = table[(table["kind"] == "radial") & (table["at"].astype(str) == "0.5")].iloc[0]
    assert row["law"] == pytest.approx(toy.RADIAL)
    assert scorecard.main(["--run-dir", str(folder)]) == 0
    text = capsys.readouterr().out
    assert "| radial | all stars | " in text and f"| {toy.VERTICAL:.3f} |" in text
    with pytest.raises(SuiteError, match="evaluate"):
        scorecard.card(folder / "tables")


def test_the_law_in_the_middles_of_the_bins():
    law = galaxy.law_table(mock_galaxy.Galaxy())
    assert law.groupby("kind").size().to_dict() == {"radial": 10, "vertical": 7}
    assert set(law.loc[law["kind"] == "radial", "at"]) == set(gradients.published("radial")["at"])
    at = law.set_index(["kind", "at"])["law"]
    assert at["radial", 0.1] == pytest.approx(-0.055 + 0.033 * 0.1)
    assert at["vertical", 8.5] == pytest.approx(-0.24 + 0.033 * (8.5 - gradients.R_SUN))


def test_a_run_without_predictions_says_so(tmp_path, capsys):
    assert galaxy.main(["--run-dir", str(tmp_path)]) == 1
    assert "config.json" in capsys.readouterr().err
