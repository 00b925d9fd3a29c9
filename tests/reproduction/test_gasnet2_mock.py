"""GaSNet-II from nothing to its score card at smoke scale: the way, not the numbers."""

import json

import numpy as np
import pandas as pd
import pytest

from gasnet2 import reproduce
from gasnet2.config import make_config
from gasnet2.data import prepare
from tests.archives import archives
from tests.pictures import rendered
from tests.reproduction.products import check_claims, check_products, check_report


@pytest.fixture(scope="module")
def templates():
    with archives("sdss-mangadap", "thedoppler", "pypeit"):
        yield


@pytest.fixture(scope="module")
def run_dir(templates, tmp_path_factory):
    folder = tmp_path_factory.mktemp("gasnet2") / "run"
    arguments = ["--dataset", "sdss-mock", "--scale", "smoke", "--members", "1", "--epochs", "1"]
    with rendered():
        assert reproduce.main([*arguments, "-o", str(folder)]) == 0
    return folder


def test_every_product_is_there(run_dir):
    check_products(run_dir)
    assert len(list((run_dir / "models").glob("*.keras"))) == 7
    for stem in ("F12", "F13", "F14", "F15", "F16", "F17", "F18", "D1"):
        for ending in ("png", "pdf"):
            assert list((run_dir / "figures").glob(f"{stem}*.{ending}")), f"{stem}.{ending}"
    assert list((run_dir / "tables").glob("*.ecsv"))


def test_claims_have_the_agreed_columns_and_a_mock_never_stands_for_the_survey(run_dir):
    assert (check_claims(run_dir, "sdss")["verdict"] != "untested").any()


def test_report_is_one_file_that_says_mock(run_dir):
    check_report(run_dir)


def test_parameters_in_the_run_are_the_papers(run_dir):
    parameters = json.loads((run_dir / "config.json").read_text())["parameters"]
    assert parameters["classifier"] == 4163325
    assert {n for k, n in parameters.items() if k != "classifier"} == {4160241}


def test_held_out_spectra_are_of_all_classes(run_dir):
    table = pd.read_parquet(run_dir / "predictions.parquet")
    assert table["class_true"].nunique() == 13
    assert np.isfinite(table.loc[table["coarse_true"] != "STAR", "z_pred"]).all()


@pytest.mark.parametrize("dataset, classes", [("desi-mock", 3), ("fourmost-mock", 10)])
def test_other_surveys_mocks_reach_the_network(dataset, classes, templates, tmp_path):
    config = make_config(dataset, "smoke", per_class=6)
    shards = prepare(config, tmp_path / "data")
    assert shards.labels["class"].nunique() == classes
    assert len(shards) == 6 * classes
    x = shards.rows(np.arange(len(shards)))
    assert np.allclose((x**2).mean(axis=1), 1, rtol=1e-3), "unit rms"
    assert [p.name for p in tmp_path.iterdir()] == ["data"], "a mock's files do not stay"
