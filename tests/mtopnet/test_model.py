import inspect
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from scipy.stats import norm

from common.errors import UsageError
from common.models import save_model
from mtopnet import data, losses, scalar_pdf
from mtopnet.comb import STEP, JoinBins, LineComb, RestTemplates, make_grid
from mtopnet.config import COMBS, HEADS, PAPER, SCALES, VARIANTS, Config, make_config, variant_of
from mtopnet.model import (
    COMPONENTS,
    Standardise,
    build_heads,
    build_model,
    build_trunk,
    set_standard,
    shortest_input,
)
from tests.mtopnet.toy_run import tiny_config


def inputs(config, n=8, seed=0):
    rng = np.random.default_rng(seed)
    return {"spectrum": rng.normal(size=(n, config.n_pixels)).astype("f4"),
            "continuum": rng.normal(size=(n, config.n_points)).astype("f4")}  # fmt: skip


def test_layers_are_those_of_the_paper():
    model = build_model(Config())
    shape = {layer.name: tuple(layer.output.shape[1:]) for layer in model.layers}
    blocks = {n: s for n, s in shape.items() if n.endswith(("conv1", "conv2", "pool"))}
    assert blocks == {
        "block1_conv1": (1, 12217, 16), "block1_conv2": (1, 12217, 16),
        "block1_pool": (1, 2443, 16), "block2_conv1": (1, 2443, 32),
        "block2_conv2": (1, 2443, 32), "block2_pool": (1, 488, 32),
        "block3_conv1": (1, 488, 64), "block3_conv2": (1, 488, 64), "block3_pool": (1, 97, 64),
    }  # fmt: skip
    assert shape["flatten"] == (97 * 64,) and shape["continuum_dense"] == (32,)
    assert shape["shared_info"] == (97 * 64 + 32 + 128,)
    hidden = {n: s[0] for n, s in shape.items() if re.search(r"_dense\d$", n)}
    assert hidden == {"lines_dense1": 64, "lines_dense2": 128, "z_dense1": 64, "z_dense2": 128,
                      "mass_dense1": 64, "mass_dense2": 32, "sfr_dense1": 64,
                      "sfr_dense2": 32}  # fmt: skip
    drops = [layer for layer in model.layers if "dropout" in layer.name]
    assert {layer.name.replace("dropout", "dense") for layer in drops} == set(hidden)
    assert {layer.rate for layer in drops} == {0.2}
    assert {k: v.shape[1] for k, v in model.output.items()} == {
        "z": 800, "lines": 12217, "mass": 1, "sfr": 1,
    }  # fmt: skip
    conv = sum(11 * a * b + b for a, b in ((1, 16), (16, 16), (16, 32), (32, 32), (32, 64),
                                            (64, 64)))  # fmt: skip
    conv += sum(a * b + b for a, b in ((1, 16), (16, 32), (32, 64)))
    dense = sum(a * b + b for a, b in (
        (10, 32), (6208, 64), (64, 128), (128, 12217), (6368, 64), (64, 128), (128, 800),
        *2 * ((6368, 64), (64, 32), (32, 1)),
    ))  # fmt: skip
    assert model.count_params() == conv + dense + 4 * 6368 + 2 * 10


def test_training_is_that_of_the_paper():
    config = Config()
    assert config.loss_weights == {"z": 1, "lines": 10, "mass": 1, "sfr": 1}
    rate = losses.rate_of(config, 81)
    epochs = np.array([0, 25, 50, 60, 100])
    got = [float(rate(81 * int(e))) for e in epochs]
    assert got == pytest.approx([0.005, 0.00275, 0.0005, 0.0005, 0.0005])
    assert (config.epochs, config.patience) == (100, 10)
    assert losses.losses(config)["z"] == "categorical_crossentropy"
    assert make_config("moons", "paper", dz=0.0005).n_bins == 4800


def test_ablations_leave_out_losses():
    assert variant_of(Config(), "z-only").loss_weights == dict(z=1, lines=0, mass=0, sfr=0)
    assert variant_of(Config(), "z-lines").loss_weights == dict(z=1, lines=10, mass=0, sfr=0)
    with pytest.raises(UsageError, match=r"one of z-only, .* Received 'none'"):
        variant_of(Config(), "none")


def test_too_few_channels_are_refused():
    assert shortest_input(Config()) == 125
    with pytest.raises(UsageError, match="at least 125 for 3 blocks"):
        build_model(tiny_config(n_pixels=120))


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("dz", [0.03, 0.003])
def test_every_head_gives_probabilities_and_is_read_back(head, dz, tmp_path):
    config = tiny_config(head=head, dz=dz)
    keras.utils.set_random_seed(0)
    model, x = build_model(config), inputs(config)
    before = keras.ops.convert_to_numpy(model(x)["z"])
    assert before.shape == (8, config.n_bins) and before.dtype == np.float32
    assert np.allclose(before.sum(axis=1), 1, atol=1e-5) and (before >= 0).all()
    save_model(model, tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras", compile=False)
    assert np.allclose(keras.ops.convert_to_numpy(again(x)["z"]), before, atol=1e-6)


def test_the_comb_reads_all_lines_of_a_redshift():
    """Evidence put at the lines of a redshift gives that redshift the highest score."""
    config = make_config("moons-mock", "paper", dz=0.0005)
    layer = LineComb(dict(n_pixels=config.n_pixels, z_min=0.6, z_max=3.0, dz=0.0005))
    z = np.array([0.7312, 1.0004, 1.5, 2.3333, 2.95])
    evidence = data.line_mask(z, make_config("moons-mock", "paper", line_margin=2))[..., None]
    layer.build(evidence.shape)
    layer.set_weights([np.ones(layer.weight.shape, "f4")])
    score = keras.ops.convert_to_numpy(layer(evidence))
    middle = (config.edges[1:] + config.edges[:-1]) / 2
    for own, redshift in zip(score, z, strict=True):
        best = middle[own > own.max() - 0.5]
        assert np.abs(best - redshift).min() < 0.0008 and np.ptp(best) < 0.004


@pytest.mark.parametrize("kind", [LineComb, RestTemplates])
def test_the_comb_is_a_sum_over_lines_one_by_one(kind):
    settings = dict(n_pixels=1527, z_min=0.6, z_max=3.0, dz=0.003)
    layer, rng = kind(settings), np.random.default_rng(2)
    evidence = rng.normal(size=(3, 1527, 4)).astype("f4")
    layer.build(evidence.shape)
    weight = rng.normal(size=layer.weight.shape).astype("f4")
    layer.weight.assign(weight)
    got = keras.ops.convert_to_numpy(layer(evidence))
    grid = make_grid(Config(**settings))
    left, right = evidence[:, grid.left], evidence[:, grid.left + 1]
    fine = (left + (right - left) * grid.share[:, None]) * grid.known[:, None]
    score = np.zeros((3, grid.n_shifts))
    for w, (point, shift, count) in zip(weight, grid.lines, strict=True):
        score[:, shift : shift + count] += fine[:, point : point + count] @ w
    edges = Config(**settings).edges
    at = np.log((1 + (edges[1:] + edges[:-1]) / 2) / 1.6) / STEP
    expected = [np.interp(at, np.arange(grid.n_shifts), row) for row in score]
    assert np.allclose(got, expected, atol=1e-4 * np.abs(expected).max())
    if kind is RestTemplates:
        before = float(layer.losses[-1])
        layer.learned.assign(rng.normal(size=layer.learned.shape).astype("f4"))
        assert np.abs(keras.ops.convert_to_numpy(layer(evidence)) - got).max() > 1
        assert before == 0 < float(layer.losses[-1]), "what is not smooth costs"


def test_lines_of_the_comb_stay_on_its_grid():
    config = Config()
    grid = make_grid(config)
    for point, shift, count in grid.lines:
        assert 0 <= point <= point + count <= len(grid.left)
        assert 0 <= shift <= shift + count <= grid.n_shifts
    assert (grid.n_shifts - 2) * STEP >= np.log(4 / 1.6) - STEP
    assert 15 < len(grid.lines) < 42, "Lya is never seen"


def test_joined_bins_are_sums_of_probabilities():
    logits = np.random.default_rng(0).normal(size=(3, 12)).astype("f4")
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    joined = np.exp(keras.ops.convert_to_numpy(JoinBins(4)(logits)))
    joined /= joined.sum(axis=1, keepdims=True)
    assert np.allclose(joined, p.reshape(3, 3, 4).sum(axis=-1), atol=1e-6)


def test_continuum_is_standardised_by_numbers_in_the_model(tmp_path):
    config = tiny_config()
    continuum = np.random.default_rng(1).normal(5, 3, (400, config.n_points)).astype("f4")
    continuum[:, 3] = 7.0
    continuum[::2, 4] = np.nan
    model = build_model(config)
    set_standard(model, continuum)
    save_model(model, tmp_path / "m.keras")
    layer = keras.models.load_model(tmp_path / "m.keras").get_layer("continuum_standard")
    out = keras.ops.convert_to_numpy(layer(continuum))
    assert np.allclose(out.mean(axis=0), 0, atol=1e-4)
    expected = np.ones(config.n_points)
    expected[3], expected[4] = 0, np.sqrt(0.5)
    assert np.allclose(out.std(axis=0), expected, atol=1e-4)
    assert (out[::2, 4] == 0).all() and isinstance(layer, Standardise)
    assert not layer.trainable_variables


def test_dropout_stays_on_in_the_mc_heads_and_only_there():
    config = tiny_config()
    keras.utils.set_random_seed(0)
    model, x = build_model(config), inputs(config)
    features = build_trunk(model)(x)
    heads = build_heads(model, config)
    once, twice = (keras.ops.convert_to_numpy(heads(features)["z"]) for _ in range(2))
    plain = keras.ops.convert_to_numpy(model(x)["z"])
    assert np.abs(once - twice).max() > 1e-6
    assert np.array_equal(plain, keras.ops.convert_to_numpy(model(x)["z"]))
    off = build_heads(model, tiny_config(dropout=0.0))
    assert np.allclose(keras.ops.convert_to_numpy(off(features)["z"]), plain, atol=1e-6)


def test_unknown_masses_count_for_nothing():
    true, predicted = np.array([[1.0], [np.nan]], "f4"), np.array([[3.0], [5.0]], "f4")
    assert keras.ops.convert_to_numpy(losses.known_mse(true, predicted)).tolist() == [4.0, 0.0]
    raw = np.random.default_rng(0).normal(size=(2, 3 * COMPONENTS)).astype("f4")
    loss = keras.ops.convert_to_numpy(losses.mixture_loss(true, raw))
    assert loss[1] == 0
    weight, mean, sigma = scalar_pdf.components(raw[:1])
    expected = -np.log((weight * norm.pdf(1.0, mean, sigma)).sum())
    assert loss[0] == pytest.approx(expected, rel=1e-5)


def test_binned_mixtures_integrate_to_one_and_keep_their_moments():
    raw = np.random.default_rng(3).normal(0, 0.7, (20, 3 * COMPONENTS))
    edges = np.linspace(-60, 80, 28001)
    pdf = scalar_pdf.binned(raw, edges, 10.0, 0.5)
    assert np.allclose(pdf.sum(axis=1), 1, atol=1e-4)
    middle = (edges[1:] + edges[:-1]) / 2
    mean, std = scalar_pdf.moments(raw)
    got = pdf @ middle
    assert np.allclose(got, 10 + 0.5 * mean, atol=2e-3)
    assert np.allclose(np.sqrt(pdf @ middle**2 - got**2), 0.5 * std, atol=1e-2)


@pytest.mark.parametrize("head", COMBS)
def test_outputs_of_the_comb_are_float32_under_mixed_precision(head):
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        model = build_model(tiny_config(head=head))
        assert {v.dtype for v in model.output.values()} == {"float32"}
        assert model.get_layer("block1_conv1").compute_dtype == "bfloat16"
    finally:
        keras.mixed_precision.set_global_policy(before)


@pytest.mark.parametrize("dataset", PAPER.datasets)
@pytest.mark.parametrize("scale", SCALES)
def test_every_scale_has_a_configuration(dataset, scale):
    config = make_config(dataset, scale)
    ours = scale != "paper"
    assert (config.head, config.input) == (("comb", "errors") if ours else ("dense", "paper"))
    assert config.dz == (0.0005 if ours else 0.003)
    assert config.variant == ("comb-errors" if ours else "")
    for name in VARIANTS:
        if name in (("fine", "comb", "narrow") if ours else ("dense",)):
            with pytest.raises(UsageError, match=f"--variants {name} would train the run's own"):
                variant_of(config, name)
        else:
            assert variant_of(config, name) != config


def test_the_papers_own_network_is_an_option_at_every_scale():
    for scale in SCALES:
        config = make_config("moons-mock", scale, head="dense", input="paper")
        assert config.dz == 0.003 and config.variant == "" and config.n_points == 10
    assert make_config("moons-mock", "demo", head="dense", dz=0.0005).dz == 0.0005
    assert make_config("moons-mock", "demo", head="hierarchical").variant == "hierarchical-errors"


def test_every_field_names_its_source():
    text = Path(inspect.getfile(Config)).read_text()
    body = text[text.index("class Config") : text.index("@property")]
    lines = [line for line in body.splitlines() if re.match(r"    \w+: ", line)]
    assert len(lines) > 30
    for line in lines[2:]:
        assert re.search(r"#.*(Sect\.|default|code|ours)", line), line
