"""GaSNet-II from nothing to its score card at smoke scale: the way, not the numbers."""

import json

import numpy as np
import pandas as pd
import pytest

from gasnet2.config import make_config
from gasnet2.data import prepare
from tests.archives import archives
from tests.reproduction.products import check_products, reproduced

MOCKS = ("sdss-mangadap", "thedoppler", "pypeit")


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gasnet2")
    return reproduced("gasnet2", folder, "sdss-mock", "--members", "1", needs=MOCKS)


def test_every_product_is_there_and_the_parameters_are_the_papers(run_dir):
    figures = [f"{stem}*" for stem in ("F12", "F13", "F14", "F15", "F16", "F17", "F18", "D1")]
    assert (check_products(run_dir, "sdss", figures=figures)["verdict"] != "untested").any()
    assert len(list((run_dir / "models").glob("*.keras"))) == 7
    assert list((run_dir / "tables").glob("*.ecsv"))
    parameters = json.loads((run_dir / "config.json").read_text())["parameters"]
    assert parameters.pop("classifier") == 4163325
    assert set(parameters.values()) == {4160241}


def test_held_out_spectra_are_of_all_classes(run_dir):
    table = pd.read_parquet(run_dir / "predictions.parquet")
    assert table["class_true"].nunique() == 13
    assert np.isfinite(table.loc[table["coarse_true"] != "STAR", "z_pred"]).all()


@pytest.mark.parametrize("dataset, classes", [("desi-mock", 3), ("fourmost-mock", 10)])
def test_other_surveys_mocks_reach_the_network(dataset, classes, tmp_path):
    config = make_config(dataset, "smoke", per_class=6)
    with archives(*MOCKS):
        shards = prepare(config, tmp_path / "data", data_dir=tmp_path / "files")
    assert shards.labels["class"].nunique() == classes
    assert len(shards) == 6 * classes
    x = shards.rows(np.arange(len(shards)))
    assert np.allclose((x**2).mean(axis=1), 1, rtol=1e-3), "unit rms"
