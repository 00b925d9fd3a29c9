import re
from itertools import product
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from common.errors import UsageError
from lamost_metallicity import model as networks
from lamost_metallicity.config import PAPER, SCALES, Config, make_config
from lamost_metallicity.figures import network as figures_network
from tests.lamost_metallicity.toy import tiny_config


def test_lengths_are_those_of_the_paper():
    model = networks.build_regressor()
    lengths = [la.output.shape[1:] for la in model.layers if "pool" in la.name or "conv" in la.name]
    assert [tuple(s) for s in lengths] == [
        (4199, 16), (4197, 16), (1399, 16), (1397, 32), (1395, 32), (465, 32),
        (463, 64), (461, 64), (153, 64), (151, 128), (149, 128), (49, 128),
    ]  # fmt: skip
    assert next(la for la in model.layers if "flatten" in la.name).output.shape[1] == 6272


@pytest.mark.parametrize(
    "build, outputs, parameters",
    [
        (networks.build_regressor, 1, 104337),
        (networks.build_classifier, 2, 104337 + 6273),
        (networks.build_error, 2, 104337 + 6273),
        (networks.build_multitask, 3, 104337 + 2 * 6273),
        (networks.build_mlp, 1, 4201 * 1024 + 2 * 1024 * 1024 + 3 * 1024 + 1025),
    ],
)
def test_variants_differ_in_their_output_alone(build, outputs, parameters):
    model = build()
    assert model.count_params() == parameters
    assert model.output_shape == (None, outputs)


def test_errors_beside_the_flux_add_to_the_first_layer_alone():
    model = networks.build_regressor(Config(input="ivar"))
    assert model.input_shape == (None, 8402) and model.count_params() == 104337 + 16 * 3
    first = next(la for la in model.layers if "conv" in la.name)
    kernel = np.zeros((3, 2, 16), dtype="f")
    kernel[1, 1] = 1  # looks at the errors alone
    first.set_weights([kernel, np.zeros(16, dtype="f")])
    flux, error = np.random.default_rng(0).random((2, 1, 4201), dtype="f")
    x = np.stack([flux, error], axis=2).reshape(1, -1)
    out = keras.Model(model.inputs, first.output).predict(x, verbose=0)
    np.testing.assert_allclose(out[0, :, 0], error[0, 1:-1], rtol=1e-5)
    assert networks.build_mlp(Config(input="ivar", mlp_units=(8,))).input_shape == (None, 8402)


def test_the_input_is_a_default_of_the_scale_and_is_named():
    found = {s: make_config("lamost-mock", s) for s in SCALES}
    inputs = {s: c.input for s, c in found.items()}
    assert inputs == {"smoke": "rest", "demo": "rest", "night": "rest", "paper": "paper"}
    assert found["paper"].trained == "lamost-mock"
    assert found["demo"].trained == "lamost-mock (rest network)"
    assert PAPER.run_dir(found["demo"]).name == "lamost-mock-rest-demo"
    paper = make_config("lamost-mock", "demo", input="paper")
    assert paper.trained == "lamost-mock" and paper.channels == 1
    assert make_config("lamost", "paper", input="ivar").trained == "lamost (ivar network)"
    with pytest.raises(UsageError, match="--input must be one of paper, standardised, ivar, rest"):
        make_config("lamost", "paper", input="scaled")


def test_the_network_of_spectra_at_rest_knows_which_wavelength_is_which():
    config = Config(input="rest")
    keras.utils.set_random_seed(0)
    regressor = networks.build_regressor(config)
    assert regressor.input_shape == (None, 4 * 1821) and regressor.output_shape == (None, 1)
    assert networks.build_classifier(config).output_shape == (None, 2)
    x = np.zeros((2, 1821, 4), dtype="float32")
    x[0, 400, 1], x[1, 1200, 1] = 3.0, 3.0  # the same line at two places
    y = regressor.predict(x.reshape(2, -1), verbose=0)
    assert abs(float(y[0, 0] - y[1, 0])) > 1e-4
    told = figures_network.layers(config)
    assert told[0][1] == "1821 × 4" and told[-4:][0][1] == "114 × 16"
    assert told[-3][1] == f"{114 * 16}"


def test_classifier_nodes_are_independent_sigmoids():
    keras.utils.set_random_seed(0)
    model = networks.build_classifier(tiny_config())
    p = model.predict(np.random.default_rng(0).random((20, 421), dtype="f"), verbose=0)
    assert ((p > 0) & (p < 1)).all()
    assert np.ptp(p.sum(axis=1)) > 1e-4, "a softmax would sum to 1"


def test_shortest_input_builds_and_one_less_does_not():
    n = networks.shortest_input(Config())
    assert networks.build_regressor(tiny_config(n_pixels=n)).output_shape == (None, 1)
    with pytest.raises(UsageError, match=f"at least {n} for 4 modules. Received {n - 1}"):
        networks.build_regressor(tiny_config(n_pixels=n - 1))


def test_likelihood_is_lowest_at_the_true_width():
    rng = np.random.default_rng(0)
    true = rng.normal(0.0, 0.3, (20000, 1)).astype("f")

    def loss(sigma):
        predicted = np.stack([np.zeros(20000), np.full(20000, np.log(sigma))], axis=1).astype("f")
        # the weight's factor is that of a constant here: divide it out
        return float(keras.ops.mean(networks.gaussian_nll(true, predicted))) / sigma

    values = {s: loss(s) for s in (0.15, 0.25, 0.3, 0.35, 0.6)}
    assert min(values, key=values.get) == 0.3
    assert values[0.3] == pytest.approx(0.5 + np.log(0.3), abs=0.02)


def test_missing_labels_count_for_nothing():
    true = tf.constant([[1.0, np.nan, 3.0], [np.nan, np.nan, np.nan]])
    predicted = tf.Variable([[2.0, 7.0, 3.0], [1.0, 1.0, 1.0]])
    with tf.GradientTape() as tape:
        loss = networks.known_mse(true, predicted)
    assert loss.numpy().tolist() == [0.5, 0.0]
    gradient = tape.gradient(loss, predicted).numpy()
    assert gradient.tolist() == [[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]], "and no NaN in the gradient"


def test_paper_scale_is_the_papers():
    config = make_config("lamost", "paper")
    assert (config.epochs, config.batch_size, config.learning_rate) == (100, 128, 1e-3)
    assert (config.schedule, config.patience, config.split) == ("plateau", 10, (0.7, 0.1, 0.2))
    assert (config.per_kind, config.confidence, config.trees) == (10000, 0.85, 100)
    assert config.mlp_units == (1024, 1024, 1024)
    assert np.array_equal(config.grid, np.arange(3800.0, 8001.0))


def test_every_scale_has_the_papers_network():
    for names in product(PAPER.datasets, SCALES):
        config = make_config(*names, input="paper")
        assert networks.build_regressor(config).count_params() == 104337, names


def test_scale_table_of_the_documentation_matches():
    page = Path(__file__).resolve().parents[2] / "docs/command-line.md"
    text = page.read_text().split("## python -m lamost_metallicity.train")[1].split("\n## ")[0]
    for scale in SCALES:
        row = re.search(rf"^\| `{scale}` \|(.*)\|$", text, flags=re.M)[1].replace(" ", "")
        cells, config = row.split("|"), make_config("lamost", scale)
        share = "all" if config.tree_features == 1 else f"{config.tree_features:.0%}"
        sizes = [config.n_galaxies, config.per_kind, config.epochs, config.batch_size]
        assert cells[:5] == [str(v) for v in [*sizes, config.learning_rate]], scale
        assert ("cosine" in cells[5]) == (config.schedule == "cosine"), scale
        assert cells[6] == f"{config.trees},{share}", scale
