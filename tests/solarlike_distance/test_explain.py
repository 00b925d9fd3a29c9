"""Attributions find a planted line, and add up to what they explain."""

import sys

import keras
import numpy as np
import pandas as pd
import pytest

from common import attribution
from common.errors import SuiteError
from solarlike_distance import explain
from solarlike_distance.config import TARGETS, make_config
from solarlike_distance.figures import explain as figures_explain
from solarlike_distance.model import build_model
from tests.pictures import rendered

GRID = np.linspace(3925.0, 8799.0, 488)
CENTRES = (4102.9, 4227.9, 4669.0, 5176.0, 5271.0)  # a line for each label


def spectra(n, seed=0):
    """Return normalised spectra whose line k is as deep as label k says; labels (n, 5)."""
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(n, 5))
    x = 1 + 0.01 * rng.normal(size=(n, len(GRID)))
    for k, centre in enumerate(CENTRES):
        x -= (0.3 + 0.08 * y[:, [k]]) * np.exp(-0.5 * ((GRID - centre) / 15.0) ** 2)
    return x.astype("float32"), y


@pytest.fixture(scope="module")
def trained():
    """A small network after some seconds of training."""
    keras.utils.set_random_seed(1)
    model = build_model(make_config(n_pixels=len(GRID), filters=(8, 16), units=(32,)))
    x, y = spectra(2000)
    model.compile(keras.optimizers.Adam(2e-3), "mse")
    model.fit(x, y, batch_size=32, epochs=8, verbose=0)
    return model


@pytest.fixture(scope="module")
def made(trained):
    x, _ = spectra(12, seed=2)
    background, _ = spectra(60, seed=3)
    return explain.explain(trained, x, background, n_samples=200, steps=16)


def test_the_network_has_learned(trained):
    x, y = spectra(300, seed=1)
    assert np.std(trained.predict(x, verbose=0) - y, axis=0).max() < 0.5


@pytest.mark.parametrize("method", ["SHAP", "integrated gradients", "gradient"])
def test_attributions_find_the_planted_line_of_each_label(made, method):
    curves = attribution.normalised(made[0][method])
    assert curves.shape == (5, len(GRID))
    np.testing.assert_allclose(curves.max(axis=1), 1)
    for curve, centre in zip(curves, CENTRES, strict=True):
        assert abs(GRID[np.argmax(curve)] - centre) < 25
        inside = np.abs(GRID - centre) < 40
        assert curve[inside].mean() > 4 * curve[~inside].mean()


def test_sums_are_the_differences_of_outputs_within_the_stated_tolerance(made):
    off = made[1].set_index("method")[list(TARGETS)]
    assert (off.loc["integrated gradients"] < 0.03).all(), off
    assert (off.loc["SHAP"] < 0.2).all(), off  # of 200 draws


def test_more_draws_add_up_better(trained):
    x, background = spectra(6, seed=4)[0], spectra(60, seed=3)[0]
    off = []
    for n in (8, 512):
        one = dict(outputs=[1])
        values = attribution.shap_values(trained, x, background=background, n_samples=n, **one)
        assert values.shape == (6, 1, len(GRID))
        found = attribution.completeness(values, model=trained, x=x, reference=background, **one)
        off.append(found[0])
    assert off[1] < 0.12 < 1.5 * off[0] and off[1] < 0.6 * off[0]


def test_of_a_linear_model_attributions_are_known():
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2)])
    weights = np.arange(12.0).reshape(6, 2).astype("float32")
    model.set_weights([weights, np.zeros(2, "float32")])
    x, baseline = np.ones((3, 6), "float32"), np.full(6, 0.25, "float32")
    values = attribution.integrated_gradients(model, x, baseline=baseline, outputs=[1], steps=3)
    np.testing.assert_allclose(values[:, 0], np.tile(0.75 * weights[:, 1], (3, 1)), rtol=1e-5)
    slopes = attribution.gradients(model, x, outputs=[0, 1])
    np.testing.assert_allclose(slopes[0], weights.T)
    shap = attribution.shap_values(model, x, background=baseline[None], outputs=[0, 1])
    np.testing.assert_allclose(shap[0], 0.75 * weights.T, rtol=1e-4)
    assert attribution.completeness(shap, model=model, x=x, reference=baseline,
                                    outputs=[0, 1]).max() < 1e-4  # fmt: skip


@rendered()
def test_kinds_of_stars_and_lines(tmp_path, made):
    values, sums = made
    rng = np.random.default_rng(0)
    teff, feh = rng.uniform(5100, 6800, 12), np.linspace(-0.8, 0.4, 12)
    teff[:6] = 4900
    table = explain.keep(values, sums, out=tmp_path, wavelength=GRID, teff=teff, feh=feh,
                         dataset="lamost-mock")  # fmt: skip
    assert table["line"].iloc[-1] == "beyond 5500 Å"
    found = table.set_index("line")
    for label, line in zip(TARGETS, ("Hδ", "Ca I", "Fe I 4668", "Mg I b", "Fe I 5270"),
                           strict=True):  # fmt: skip
        assert found[label].idxmax() == line
        assert found.loc["beyond 5500 Å", label] < 0.6
    curves = pd.read_parquet(tmp_path / "explain" / "shap.parquet")
    assert "teff, cool, ≤ 5000 K" in curves and "mg, metal-poor, < 0" in curves
    for name in ("F15_shap_teff", "F16_shap_feh", "attributions"):
        assert (tmp_path / "figures" / f"{name}.png").stat().st_size > 10000
    assert len(figures_explain.methods(wavelength=GRID, made=values).axes) == 5
    groups = explain.groups(teff=[5000.0, 5001.0], feh=[0.0, -0.1])
    assert [m.tolist() for m in groups["teff"].values()] == [[False, True], [True, False]]
    assert [m.tolist() for m in groups["feh"].values()] == [[True, False], [False, True]]


def test_stars_of_every_kind_are_explained():
    rng = np.random.default_rng(1)
    labels = pd.DataFrame({"split": np.where(rng.random(4000) < 0.5, "test", "reference"),
                           "teff_true": np.where(rng.random(4000) < 0.05, 4900.0, 5800.0),
                           "feh_true": np.where(rng.random(4000) < 0.7, -0.2, 0.1)})  # fmt: skip
    config = make_config()
    rows = explain.stars_to_explain(labels, config, stars=80)
    assert len(rows) == 80 == len(set(rows))
    part = labels.iloc[rows]
    assert (part["split"] == "test").all()
    assert 30 <= (part["teff_true"] < 5000).sum() <= 40
    few = explain.stars_to_explain(labels.head(20), config, stars=80)
    assert len(few) == (labels.head(20)["split"] == "test").sum()


def test_without_shap_the_extra_is_named(monkeypatch, trained):
    monkeypatch.setitem(sys.modules, "shap", None)
    x = spectra(2)[0]
    with pytest.raises(SuiteError, match=r"spectra-reproductions\[shap\]"):
        attribution.shap_values(trained, x, background=x, outputs=[0])
