"""Networks with RVS: semi-synthetic spectra in training, real ones through the same doors."""

import json

import numpy as np
import pandas as pd
import pytest

from rvs_hybrid import explain, predict
from rvs_hybrid.networks import load_networks
from tests.archives import archives
from tests.catalogues import read_back
from tests.pictures import rendered
from tests.rvs_hybrid.toy import trained

REAL = ("Kepler-93", "KOI-001", "GaiaDR3-1535964555128078720")


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("semi") / "run"
    with archives("thedoppler"):
        trained(folder, inputs=("rvs",), rvs="semi-synthetic", members=1, epochs=1)
    return folder


def test_every_table_says_semi_synthetic(run_dir):
    table = pd.read_parquet(run_dir / "predictions.parquet")
    assert set(table["dataset"]) == {"gaia-apogee + semi-synthetic RVS"}
    assert table["snr_rvs"].between(10, 110).mean() > 0.9
    assert json.loads((run_dir / "config.json").read_text())["config"]["rvs"] == "semi-synthetic"
    assert not list((run_dir / "data").glob("rvs-*.fits"))  # read back through Gaia's layout


def test_real_rvs_spectra_go_through_the_same_reader_and_network(run_dir, shared_data, tmp_path):
    files = [shared_data / "real/gaia" / f"{name}.csv" for name in REAL]
    out, rejects = read_back(predict.predict_files, run_dir, files, tmp_path / "labels.fits")
    assert len(out) == 3 and not len(rejects)
    assert np.isfinite(out[["teff", "logg", "fe_h", "alpha_m", "teff_err"]].to_numpy()).all()
    assert (out["snr_rvs"] > 15).all()
    assert (out["warnings"].str.contains("NO_") == False).all()  # noqa: E712


@rendered()
def test_real_spectra_are_drawn_over_semi_synthetic_ones(run_dir, shared_data, tmp_path):
    files = [shared_data / "real/gaia" / f"{name}.csv" for name in REAL]
    numbers = explain.beside_synthetic(load_networks(run_dir), files, tmp_path)
    assert len(numbers) == 3 and not any(star["nearest"] for star in numbers)
    assert (tmp_path / "figures/rvs_beside_synthetic.png").stat().st_size > 10_000


def test_real_spectra_are_explained(run_dir, shared_data, tmp_path):
    files = [str(shared_data / "real/gaia" / f"{name}.csv") for name in REAL]
    assert explain.main(["--run-dir", str(run_dir), "-o", str(tmp_path), *files]) == 0
    assert (tmp_path / "explain/gradients.parquet").exists()
    assert (tmp_path / "figures/gradients_rvs_line.png").exists()
