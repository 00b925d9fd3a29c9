import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from common.errors import SuiteError
from common.inference import compiled, predict
from common.models import Reusable
from common.runs import write_history
from common.schedules import learning_rate, plateau_rate
from common.training import fit, watched_weights

X = np.random.default_rng(0).normal(size=(48, 6)).astype("f")
Y = X[:, :1] * 2 - X[:, 1:2]
LOSS = dict(name="n", monitor="val_loss", mode="min")


def model_and_data(seed=0, y=Y):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(8), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.01), loss="mse", metrics=["mae"])
    return model, tf.data.Dataset.from_tensor_slices((X, y)).batch(16)


def train(folder, epochs, *, seed=0):
    model, data = model_and_data(seed)
    options = dict(name="net", folder=folder, monitor="val_mae", mode="min")
    return model, fit(model, data, data, epochs=epochs, units={"mae": 0.1}, **options)


def test_interrupted_run_goes_on_as_if_nothing_had_been(tmp_path):
    whole, history = train(tmp_path / "a", 6)
    train(tmp_path / "b", 3)
    again, resumed = train(tmp_path / "b", 6, seed=99)  # another start must not matter
    assert [r["epoch"] for r in resumed] == list(range(6))
    assert np.allclose([r["loss"] for r in history], [r["loss"] for r in resumed], rtol=1e-5)
    assert np.allclose(predict(whole, X), predict(again, X), atol=1e-5)
    third, history = train(tmp_path / "b", 6, seed=5)  # it is finished
    assert len(history) == 6 and np.array_equal(predict(third, X), predict(again, X))


def test_order_of_batches_and_dropout_go_on_too(tmp_path):
    """To the last bit: each epoch has the order and the dropout that it would have had."""

    def run(name, *epochs):
        for n in epochs:
            keras.utils.set_random_seed(3)
            layers = [keras.layers.Dense(8), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
            model = keras.Sequential([keras.Input((6,)), *layers])
            model.compile(keras.optimizers.Adam(0.01), loss="mse", metrics=["mae"])
            data = tf.data.Dataset.from_tensor_slices((X, Y))
            train = data.shuffle(48, seed=7, reshuffle_each_iteration=True).batch(16).prefetch(2)
            fit(model, train, data.batch(16), folder=tmp_path / name, epochs=n, **LOSS)
        with np.load(tmp_path / name / "state.npz") as state:
            return [state[k] for k in state.files if k.startswith("weights")]

    whole = run("whole", 5)
    for cut in ((2, 5), (1, 2, 5)):
        for ours, theirs in zip(whole, run(str(cut), *cut), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_best_epoch_is_kept(tmp_path):
    model, data = model_and_data()
    # The last epoch spoils the weights.
    rates = keras.optimizers.schedules.PiecewiseConstantDecay([6], [0.01, 0.5])
    model.optimizer.learning_rate = rates
    history = fit(model, data, data, folder=tmp_path, epochs=3, **LOSS)
    losses = [r["val_loss"] for r in history]
    assert losses[2] > min(losses)
    assert np.mean((predict(model, X) - Y) ** 2) == pytest.approx(min(losses), rel=1e-4)


def test_units_and_history_file(tmp_path):
    _, history = train(tmp_path / "n", 1)
    model, data = model_and_data()
    plain = model.fit(data, validation_data=data, shuffle=False, verbose=0).history
    assert history[0]["val_mae"] == pytest.approx(0.1 * plain["val_mae"][0], rel=1e-4)
    write_history(tmp_path / "history.csv", history)
    table = pd.read_csv(tmp_path / "history.csv")
    assert table["network"].tolist() == ["net"]
    assert {"epoch", "loss", "val_loss", "mae", "val_mae", "seconds"} <= set(table)


def test_loss_that_is_not_finite_stops_with_the_place(tmp_path):
    model, data = model_and_data(y=np.where(np.arange(48)[:, None] == 20, np.nan, Y))
    with pytest.raises(SuiteError, match=r"GALAXY_AGN/3: the loss became nan in epoch 1, step 2"):
        fit(model, data, data, epochs=1, **LOSS | {"name": "GALAXY_AGN/3"}, folder=tmp_path)


def test_schedules():
    rate = learning_rate("steps", initial=1e-3, epochs=50, steps_per_epoch=10)
    values = [float(rate(10 * epoch + 1)) for epoch in range(50)]
    assert values[0] == values[4] == pytest.approx(1e-3)
    assert values[5] == pytest.approx(5e-4)  # it halves every five epochs
    assert values[49] == pytest.approx(1e-3 / 2**9)
    rate = learning_rate("cosine", initial=1e-3, epochs=10, steps_per_epoch=10)
    values = [float(rate(step)) for step in range(101)]
    assert max(values) == pytest.approx(1e-3, rel=0.01)
    assert values[0] < 1e-4
    assert values[-1] == pytest.approx(1e-6, rel=0.1)
    with pytest.raises(SuiteError, match=r"'steps' or 'cosine'\. Received"):
        learning_rate("linear", initial=1, epochs=1, steps_per_epoch=1)


def test_rate_falls_after_epochs_without_a_better_value():
    options = dict(initial=1.0, factor=0.1, patience=3)
    for losses, rate in (([], 1), ([5, 4, 4, 4], 1), ([5, 4, 4, 4, 4], 0.1),
                         ([5, 4, 4, 4, 4, 3, 3, 3], 0.1), ([5, *[4] * 7], 0.01)):  # fmt: skip
        assert plateau_rate(losses, **options) == pytest.approx(rate), losses
    assert plateau_rate([1, 2, 3, 4], mode="max", **options) == 1.0


def test_plateau_lowers_the_rate_of_the_optimiser_and_resumes(tmp_path):
    plateau = dict(initial=0.5, factor=0.5, patience=1)

    def run(folder, epochs):
        model, data = model_and_data()
        model.compile(keras.optimizers.Adam(0.5), loss="mse")  # too fast: it does not settle
        rates, real = [], model.fit
        note = lambda *_: rates.append(float(model.optimizer.learning_rate))  # noqa: E731
        watch = keras.callbacks.LambdaCallback(on_epoch_begin=note)
        model.fit = lambda *a, callbacks, **k: real(*a, callbacks=[*callbacks, watch], **k)
        history = fit(model, data, data, folder=folder, epochs=epochs, plateau=plateau, **LOSS)
        return rates, [row["val_loss"] for row in history]

    rates, losses = run(tmp_path / "whole", 8)
    expected = [plateau_rate(losses[:i], **plateau) for i in range(8)]
    assert np.allclose(rates, expected, rtol=1e-6)
    assert rates[-1] < rates[0]
    first, _ = run(tmp_path / "parts", 3)
    rest, again = run(tmp_path / "parts", 8)
    assert np.allclose(first + rest, rates, rtol=1e-6)
    assert np.allclose(again, losses, rtol=1e-4)


def test_predict_is_the_model_whatever_the_batch():
    model, _ = model_and_data()
    assert np.allclose(predict(model, X, batch_size=7), model.predict(X, verbose=0), atol=1e-6)
    assert predict(model, X[:0]).shape == (0, 1)
    assert compiled(model)(X[:2]).dtype == np.float32
    first, second = keras.Input((4,), name="first"), keras.Input((2,), name="second")
    joined = keras.layers.Concatenate()([first, second])
    model = keras.Model({"first": first, "second": second}, keras.layers.Dense(3)(joined))
    x = {"second": X[:, 4:], "first": X[:, :4]}  # inputs go by their names
    assert np.allclose(predict(model, x, batch_size=7), model.predict(x, verbose=0), atol=1e-5)
    assert predict(model, {k: v[:0] for k, v in x.items()}).shape == (0, 3)


def test_reused_model_starts_anew():
    def build(*, compiled):
        return model_and_data(seed=7)[0]

    reusable, (_, data) = Reusable(), model_and_data()
    first = reusable.get("a", build)
    first.fit(data, shuffle=False, verbose=0)
    trained = first.get_weights()
    again = reusable.get("a", build)
    assert again is first and float(again.optimizer.iterations) == 0
    again.fit(data, shuffle=False, verbose=0)
    pairs = zip(trained, again.get_weights(), strict=True)
    assert all(np.allclose(a, b, atol=1e-6) for a, b in pairs)


def test_patience_stops_and_a_resumed_run_stays_stopped(tmp_path):
    model, data = model_and_data()
    model.optimizer.learning_rate = 0.0  # nothing gets better after the first epoch
    options = dict(folder=tmp_path, epochs=50, patience=3, **LOSS)
    assert len(fit(model, data, data, **options)) == 4
    assert len(fit(model_and_data(seed=2)[0], data, data, **options)) == 4


def test_watched_split_has_its_own_best_epoch_and_decides_nothing(tmp_path):
    opposite = {"test": model_and_data(y=-Y)[1]}

    def run(folder, epochs, **more):
        model, data = model_and_data()
        return model, fit(model, data, data, folder=folder, epochs=epochs, **LOSS, **more)

    plain, history = run(tmp_path / "plain", 5)
    run(tmp_path / "watched", 2, watch=opposite)
    model, watched = run(tmp_path / "watched", 5, watch=opposite)  # resumed
    assert [r["val_loss"] for r in watched] == pytest.approx([r["val_loss"] for r in history])
    assert np.allclose(predict(model, X), predict(plain, X), atol=1e-5)
    losses = [r["test_loss"] for r in watched]
    assert np.argmin(losses) == 0  # what the network learns makes it worse there
    model.set_weights(watched_weights(tmp_path / "watched", "test"))
    assert np.mean((predict(model, X) + Y) ** 2) == pytest.approx(losses[0], rel=1e-4)
