"""Saliency: what is at rest where, and that a trained network looks at lines, not beside them."""

import keras
import numpy as np
import pandas as pd
import pytest

from lamost_metallicity import explain
from lamost_metallicity.config import make_config
from lamost_metallicity.figures.explain import saliency_by_redshift
from lamost_metallicity.model import build_regressor
from lamost_metallicity.preprocess import min_max
from tests.lamost_metallicity import toy

CONFIG = make_config(
    "lamost-mock", "smoke", input="standardised", n_pixels=1051, filters=(8, 16, 16, 32)
)


def galaxies(n, seed=1):
    """Return network input whose line ratios follow the metallicity, O/H and redshifts.

    A continuum of random colour has nothing to do with the metallicity.
    """
    rng = np.random.default_rng(seed)
    about = toy.galaxies(n, seed=seed, star_forming=2.0) | {"z": rng.uniform(0, 0.2, n)}
    about["snr"][:] = 20
    wave = 10**toy.LOG_WAVE
    flux = toy.fluxes(about, seed=seed)[0] + rng.uniform(-0.3, 0.3, (n, 1)) * (wave - 5000) / 2000
    x = min_max(np.stack([np.interp(CONFIG.grid, wave, row) for row in flux]))
    return x, about["oh"], about["z"]


@pytest.fixture(scope="module")
def trained():
    """The paper's network, narrower and on a coarser grid, after a few seconds of training."""
    keras.utils.set_random_seed(1)
    x, oh, _ = galaxies(1200)
    model = build_regressor(CONFIG)
    model.compile(keras.optimizers.Adam(2e-3), "mse")
    model.layers[-1].bias.assign([8.7])
    model.fit(x, oh[:, None], batch_size=64, epochs=8, verbose=0)
    return model


def test_line_windows_outweigh_line_free_windows_of_the_same_width(trained):
    x, oh, z = galaxies(150, seed=2)
    assert np.std(trained.predict(x, verbose=0)[:, 0] - oh) < 0.6 * np.std(oh), "it has learned"
    weight = explain.relative_saliency(trained, x)
    np.testing.assert_allclose(weight.mean(axis=1), 1, rtol=1e-5)
    values = explain.at_rest(weight, z, wavelength=CONFIG.grid)
    table = explain.window_weights(values).set_index("window")
    lines = table.loc[["Hα + [N II]", "[O III]"]]
    assert (lines["n"] > 100).all()
    assert (lines["ratio"] > 1.5).all(), table
    assert (lines["weight"] > lines["highest_free"]).all(), table


def test_an_untrained_network_prefers_no_window():
    keras.utils.set_random_seed(3)
    x, _, z = galaxies(60, seed=2)
    flat = np.broadcast_to(0.5 + 0.05 * np.sin(np.arange(CONFIG.n_pixels)), x.shape)
    weight = explain.relative_saliency(build_regressor(CONFIG), flat.astype("float32"))
    values = explain.at_rest(weight, z, wavelength=CONFIG.grid)
    ratio = explain.window_weights(values).set_index("window").loc["Hα + [N II]", "ratio"]
    assert 0.5 < ratio < 1.5


def test_at_rest_lines_fall_on_lines():
    grid = np.linspace(3800, 8000, 4201)
    z = np.array([0.0, 0.1, 0.2, np.nan])
    values = np.exp(-0.5 * ((grid - 6000 * (1 + np.nan_to_num(z))[:, None]) / 8) ** 2)
    rest = explain.at_rest(values, z, wavelength=grid)
    peaks = explain.REST[np.nanargmax(rest[:3], axis=1)]
    np.testing.assert_allclose(peaks, 6000, atol=2)
    assert np.isnan(rest[3]).all()
    assert np.isnan(rest[2, explain.REST > 8000 / 1.2 + 2]).all()


def test_window_weights_by_hand():
    values = np.ones((4, len(explain.REST)))
    inside = (explain.REST >= 6530) & (explain.REST <= 6605)
    values[:, inside] = 3.0
    values[3, explain.REST > 6550] = np.nan  # does not cover the window
    table = explain.window_weights(values).set_index("window")
    row = table.loc["Hα + [N II]"]
    assert (row["n"], row["weight"], row["free"], row["ratio"]) == (3, 3.0, 1.0, 3.0)
    assert table.loc["Hβ", "ratio"] == 1.0
    # The line-free windows are free of the lines that are looked at.
    for low, high in explain.LINE_WINDOWS.values():
        assert all(high <= a or low >= b for a, b in explain.FREE)


def test_bins_of_redshift_need_some_spectra():
    values = np.tile(np.arange(4.0)[:, None], (3, len(explain.REST)))
    z = np.array([0.01] * 10 + [0.12] * 2)
    bins = explain.by_redshift(values, z)
    assert list(bins) == ["0 ≤ z < 0.05"] and bins["0 ≤ z < 0.05"][0] == 10
    few = explain.by_redshift(values[:3], z[:3])
    assert [n for n, _ in few.values()] == [3]


def test_the_figure_shows_every_bin(trained):
    x, _, z = galaxies(60, seed=4)
    values = explain.at_rest(explain.relative_saliency(trained, x), z, wavelength=CONFIG.grid)
    bins = explain.by_redshift(values, z)
    flux = explain.by_redshift(explain.at_rest(x, z, wavelength=CONFIG.grid), z)
    table = pd.concat([explain.window_weights(values).assign(z=name) for name in bins])
    figure = saliency_by_redshift(rest=explain.REST, bins=bins, table=table,
                                  flux={n: m for n, (_, m) in flux.items()})  # fmt: skip
    assert len(figure.axes) == len(bins) == 4
