"""Table C.1: the paper's weights, the chain over labels, models on the same test set."""

import sys
import types

import numpy as np
import pandas as pd
import pytest

from common import claims
from common.errors import SuiteError
from common.pipeline import ShardWriter
from solarlike_distance import baselines, measured, othermodels
from solarlike_distance.config import TARGETS, make_config
from solarlike_distance.evaluation import Evaluation
from solarlike_distance.figures import network
from solarlike_distance.tables.given import read_ecsv
from tests.solarlike_distance import toy

CONFIG = make_config("lamost-mock", "smoke", n_pixels=60, trees=25, tree_features=0.5,
                     mlp_units=(32,))  # fmt: skip
SCALE = np.array([400.0, 0.2, 0.25, 0.9, 0.12])
MIDDLE = np.array([5600.0, 4.3, -0.1, 4.6, 0.8])


def made(n, seed=0):
    """Return spectra that show four labels, the fifth follows from the first; labels."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 5))
    z[:, 4] = z[:, 0] ** 2 - 1
    x = 1 + 0.01 * rng.normal(size=(n, 60))
    x[:, :20] += 0.03 * np.repeat(z[:, :4], 5, axis=1)
    return x.astype("float32"), z * SCALE + MIDDLE


def test_the_papers_weighted_mean_follows_from_its_own_rows():
    weights, off = baselines.recovered_weights()
    assert off < 3e-5  # half the last printed digit is 5e-5
    for label, weight in weights.items():
        assert baselines.WEIGHTS[label] == pytest.approx(weight, rel=2e-4), label
    table = baselines.published_table()
    assert len(table) == 11 and table["model"].iloc[0] == baselines.CNN
    assert set(othermodels.ORDER) == set(table["model"]) - {baselines.CNN}
    row = table.set_index("model").loc["CatBoost"]
    assert row[list(TARGETS)].tolist() == [7925, 0.00401, 0.0023, 0.0536, 0.00117]


def test_errors_are_mean_squares_and_their_weighted_mean():
    true = np.tile(MIDDLE, (4, 1))
    off = np.array([100.0, 0.1, 0.05, 0.3, 0.04])
    predicted = true + off
    predicted[3, 0] = np.nan
    row = baselines.errors_of(predicted, true)
    assert row["n"] == 3
    np.testing.assert_allclose([row[k] for k in TARGETS], off**2)
    assert row["mean"] == pytest.approx(sum(baselines.WEIGHTS[k] * row[k] for k in TARGETS))


def test_thinned_spectra_are_means_of_neighbours():
    x = np.arange(20.0).reshape(2, 10)
    np.testing.assert_allclose(baselines.thinned(x, 5)[0], [0.5, 2.5, 4.5, 6.5, 8.5])
    assert baselines.thinned(x, 4).shape == (2, 3)
    np.testing.assert_allclose(baselines.thinned(x, 10), x)
    assert baselines.thinned(np.ones((1, 4875))).shape == (1, 325)


def test_a_chain_gives_each_label_those_before_it():
    seen = []

    class Model:
        def fit(self, x, y):
            seen.append(x.shape[1])
            self.y = y
            return self

        def predict(self, x):
            seen.append(x.shape[1])
            return np.full(len(x), len(seen), float)

    x, y = made(50)
    found = othermodels.chain(Model, x, y, x[:3])
    assert seen == [60, 60, 61, 61, 62, 62, 63, 63, 64, 64]
    np.testing.assert_allclose(found[0], np.array([2, 4, 6, 8, 10]) * y.std(0) + y.mean(0))


def test_every_model_learns():
    pytest.importorskip("lightgbm")
    x, y = made(500)
    x_test, true = made(300, seed=1)
    found, took = othermodels.compare_models(x, y, x_test, config=CONFIG, autogluon=False)
    assert set(found) == set(othermodels.STANDS) - {"CatBoost direct"} == set(took)
    # Who is not AutoGluon's does not bear the name of one of AutoGluon's models.
    assert not set(othermodels.STANDS) & set(othermodels.ORDER)
    assert set(othermodels.STANDS.values()) == set(othermodels.ORDER) - {"NeuralNetFastAI"}
    for name, value in found.items():
        mse = baselines.errors_of(value, true)
        # Neighbours are poor here as in the paper: earlier labels drown the spectrum.
        for k, label in enumerate(TARGETS[: 1 if "neighbours" in name else 4]):
            assert mse[label] < 0.6 * SCALE[k] ** 2, (name, label)
    trees = baselines.errors_of(found["LightGBM direct"], true)
    assert trees["bprp"] < 0.5 * true[:, 4].var()  # follows from the first label


def test_too_few_stars_and_autogluon_that_is_not_there(monkeypatch):
    x, y = made(10)
    with pytest.raises(SuiteError, match="40 training stars"):
        othermodels.compare_models(x, y, x, config=CONFIG)
    x, y = made(60)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SuiteError, match=r"\[autogluon\]"):
        othermodels.compare_models(x, y, x, config=CONFIG, autogluon=True)


class Predictor:
    """Stands for AutoGluon's: two models, the mean of the training labels and the last column."""

    def __init__(self, *, label, problem_type, eval_metric, path, verbosity):
        self.label = label
        assert (problem_type, eval_metric) == ("regression", "mean_squared_error")

    def fit(self, data, *, hyperparameters, time_limit, fit_weighted_ensemble):
        assert hyperparameters is othermodels.AUTOGLUON and not fit_weighted_ensemble
        self.columns = [c for c in data.columns if c != self.label]
        self.mean = data[self.label].mean()
        return self

    def model_names(self):
        return ["KNeighborsUnif", "LightGBM"]

    def predict(self, data, model):
        assert list(data.columns) == self.columns
        if model == "KNeighborsUnif":
            return np.full(len(data), self.mean)
        return data[self.columns[-1]].to_numpy() * 0 + len(self.columns)


def test_autogluons_chain_runs_each_model_along_its_own_predictions(monkeypatch, tmp_path, capsys):
    for name in ("autogluon", "autogluon.tabular"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    sys.modules["autogluon.tabular"].TabularPredictor = Predictor
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    x, y = made(60)
    found, _ = othermodels.compare_models(x, y, x[:4], config=CONFIG, folder=tmp_path)
    assert list(found) == ["LightGBM", "KNeighborsUnif"]  # in the paper's order
    np.testing.assert_allclose(found["KNeighborsUnif"][0], y.mean(axis=0))
    wanted = np.array([60, 61, 62, 63, 64]) * y.std(axis=0) + y.mean(axis=0)
    np.testing.assert_allclose(found["LightGBM"][2], wanted)
    assert "did not fit" in capsys.readouterr().out


def test_a_run_is_compared_on_its_own_test_set(tmp_path, capsys):
    pytest.importorskip("lightgbm")
    config = make_config("lamost-mock", "smoke", n_pixels=60, trees=10, tree_features=0.5,
                         mlp_units=(8,), baseline_stars=80)  # fmt: skip
    x, y = made(200)
    labels = pd.DataFrame(y, columns=[f"{k}_true" for k in TARGETS]).assign(
        id=[f"s{i}" for i in range(200)], split=["reference"] * 140 + ["test"] * 60
    )
    with ShardWriter(tmp_path / "data", 60) as writer:
        writer.write(x, labels)
    test = labels[labels["split"] == "test"].iloc[::-1]  # joined by id, not by position
    predictions = test.assign(**{f"{k}_pred": test[f"{k}_true"] + s
                                 for k, s in zip(TARGETS, SCALE, strict=True)})  # fmt: skip
    toy.write_run(tmp_path, predictions, config)
    assert baselines.main(["--run-dir", str(tmp_path), "--pixels", "30"]) == 0
    assert "LightGBM direct" in capsys.readouterr().out
    table = read_ecsv(tmp_path / "tables" / "baselines.ecsv")
    own = table.set_index("model").loc[baselines.CNN]
    np.testing.assert_allclose(own[list(TARGETS)].to_numpy(float), SCALE**2, rtol=1e-6)
    assert own["stars"] == 140 and own["n"] == 60
    assert (table["stars"].iloc[1:] == 80).all() and (table["pixels"].iloc[1:] == 30).all()
    assert len(pd.read_parquet(tmp_path / "baselines.parquet")) == 60 * len(table)
    # The network on the input of the others stands beside; whatever else, it has learned.
    same = table.set_index("model").loc[baselines.SAME]
    assert same["stands_for"] == "CNN" and same["teff"] < 1.5 * SCALE[0] ** 2
    assert set(table["stands_for"]) <= set(baselines.published_table()["model"])
    figure = network.models(table, baselines.published_table())
    names = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert names[:2] == [baselines.CNN, baselines.SAME] and len(names) == len(table)
    # On the same input there is one network, and only of such are claims judged.
    whole = baselines.baseline_run(tmp_path, pixels=0, stars=0)
    assert baselines.SAME not in set(whole["model"]) and set(whole["stars"]) == {140}


@pytest.mark.parametrize("pixels, judged", [(4875, True), (325, False)])
def test_claims_are_judged_on_the_input_of_the_network_alone(pixels, judged):
    row = dict.fromkeys((*TARGETS, "mean"), 1.0)
    table = pd.DataFrame([{"model": "CNN", "stars": 9, "pixels": 4875, **row},
                          {"model": "LightGBM", "stars": 9, "pixels": pixels, **row},
                          {"model": "LightGBM direct", "stars": 9, "pixels": 4875, **row},
                          ])  # fmt: skip
    df = toy.predictions(40)
    ev = Evaluation(df=df, everything=df, dataset="lamost-mock", baselines=table)
    found = measured.measure(claims.load(ev.claims), ev)
    assert found["mse-cnn-teff"] == 1.0 and ("mse-lightgbm-teff" in found) == judged
    assert sum(k.startswith("mse-") for k in found) == (12 if judged else 6)


def test_a_run_without_data_says_so(tmp_path):
    toy.write_run(tmp_path)
    with pytest.raises(SuiteError, match="lacks its prepared spectra"):
        baselines.baseline_run(tmp_path)
