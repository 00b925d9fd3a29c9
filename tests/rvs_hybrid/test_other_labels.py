"""Runs on GSP-Spec's labels and XP coefficients: what they say of themselves, and predict."""

import json

import numpy as np
import pytest
from astropy.table import Table

from common.accelerator import choose
from common.surveys.gaia_xp import XPCoefficients
from rvs_hybrid import data, evaluate, predict, reproduce, train
from rvs_hybrid.config import PAPER, make_config
from rvs_hybrid.inputs import BANDS
from rvs_hybrid.stars.sample import split_of
from rvs_hybrid.tables import read_predictions, truth_of
from tests.rvs_hybrid import toy
from tests.rvs_hybrid.test_folder import gspspec

INPUTS = ("phot", "coefficients")


def raw(stars, seed=0):
    """Return XP coefficients that follow from the made-up stars' labels."""
    rng, n = np.random.default_rng(seed), len(stars)
    order = np.arange(55.0)
    shape = np.where(order > 0, 0.1 * np.maximum(order, 1) ** -1.5, 1.0)
    hot, metal = (stars["teff"] - 5000) / 400, (stars["fe_h"] + 0.2) / 0.2
    bright = 1e3 * 10 ** (-0.4 * (stars["g"] - 12))
    bands = []
    for sign in (1, -1):
        c = shape * (
            1 + 0.3 * sign * np.outer(hot, np.sin(order)) + 0.2 * np.outer(metal, order % 2)
        )
        c[:, 0] = 1 + 0.05 * sign * hot
        bands.append(c * bright.to_numpy()[:, None] + 0.01 * rng.normal(size=(n, 55)))
    error = np.full((n, 55), 0.01)
    return XPCoefficients(stars["source_id"].to_numpy(), *bands, error, error)


def write_xp(path, xp):
    columns = {"source_id": xp.source_id}
    for band in BANDS:
        columns[f"{band}_coefficients"] = getattr(xp, band)
        columns[f"{band}_coefficient_errors"] = getattr(xp, f"{band}_error")
    Table(columns).write(path)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder of stars with GSP-Spec's labels, coefficients and magnitudes."""
    pytest.importorskip("gaiaxpy")
    folder = tmp_path_factory.mktemp("gspspec")
    stars = toy.make_sample(300, with_m_h=True).stars
    flags = np.where(np.arange(300) % 10, "0" * 41, "1" + "0" * 40)
    gspspec(folder / "ap.csv", stars, flags)
    toy.source_table(folder / "source.csv", stars)
    xp = raw(stars)
    xp.bp[stars["split"].to_numpy() == "test"] = np.nan  # judged from RP alone
    write_xp(folder / "xp.fits", xp)
    return folder


@pytest.fixture(scope="module")
def run_dir(files, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "gspspec"
    config = toy.tiny_config(inputs=INPUTS, label_scale="gspspec")
    train.train(config, out, accelerator=choose("float32"), data_dir=files)
    return out


def test_a_run_on_gspspec_says_so_wherever_its_numbers_go(run_dir, files, tmp_path):
    table = read_predictions(run_dir / "predictions.parquet")
    assert set(table["dataset"]) == {"gaia-apogee (GSP-Spec labels) (own stars)"}
    assert truth_of(table) == "GSP-Spec" and not table["has_coefficients"].all()
    about = json.loads((run_dir / "config.json").read_text())
    assert about["config"]["label_scale"] == "gspspec" and "m_h" in about["config"]["labels"]
    assert sum(about["sizes"].values()) <= 270  # a tenth has a flag
    evaluate.evaluate_run(run_dir)
    report = (run_dir / "report.html").read_text()
    assert "GSP-Spec" in report and "predicted minus APOGEE" not in report
    out = tmp_path / "labels.fits"
    predict.predict_files(run_dir, [files / "xp.fits", files / "source.csv"], out)
    found = Table.read(out)
    assert found.meta["LABELS"] == "GSP-Spec" and found.meta["INPUTS"] == "phot+coefficients"
    flags = np.char.count(np.asarray(found["warnings"]).astype(str), "NO_COEFFICIENTS")
    lacks = split_of(found["source_id"]) == "test"  # BP, that is: RP alone is no whole input
    assert lacks.any() and (flags == lacks).all()


def test_labels_of_another_scale_never_fill_the_papers_column():
    config = make_config("gaia-rvs", "paper", label_scale="gspspec")
    assert config.trained == "gaia-rvs (GSP-Spec labels)" and PAPER.differs(config)
    assert PAPER.run_dir(config) != PAPER.run_dir(make_config("gaia-rvs", "paper"))
    assert data.named(config, own=True, made=False) != "gaia-rvs"
    usual = make_config("gaia-rvs", "paper")
    assert usual.trained == "gaia-rvs" and usual.inputs == ("rvs", "xp", "phot", "parallax")


def test_labelled_files_are_of_the_networks_own_scale(run_dir, files, tmp_path):
    table, rejects = predict.predict_labelled(run_dir, [files])
    assert set(table["dataset"]) == {"real files (GSP-Spec labels)"}
    stars = toy.make_sample(300, with_m_h=True).stars.set_index("source_id")
    true = stars.loc[table["source_id"], "teff"]
    np.testing.assert_allclose(table["teff_true"], true, rtol=1e-6)
    assert any("no GSP-Spec label" in reason for reason in rejects["reason"])


@pytest.mark.parametrize("options, says", [
    (["--labels", "gspspec"], "--data-dir"), (["--inputs", "coefficients"], "--data-dir"),
])  # fmt: skip
def test_what_the_registrys_stars_have_not_is_told(options, says, tmp_path, capsys):
    assert train.main(["--run-dir", str(tmp_path / "run"), *options]) == 2
    assert says in capsys.readouterr().err and not (tmp_path / "run").exists()


def test_a_network_without_spectra_by_wavelength_is_reproduced_without_gradients(tmp_path, capsys):
    reproduce.explain(tmp_path, make_config(inputs=INPUTS), None)
    assert "no gradients" in capsys.readouterr().out
