"""From one mock to another without its labels: domain-adversarial training (Sect. 5.4, ours).

The paper names the remedy for simulations that are not quite the sky, and leaves it for later: a
classifier tries to tell the two data sets apart from the shared layer, and the gradient that helps
it is reversed there (Ganin & Lempitsky 2015), so that the network keeps what both have in common.
Labels of the second set are used for nothing but the test of what it brings.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from common.cli import parser, run, say
from common.errors import UsageError
from common.metrics import mad_sigma
from mtopnet.kinds import other_kind

UNITS = 64  # default: of the domain classifier
KEPT = "Prepared spectra are kept; the same command takes them up again."


def reversed_gradient(x, strength):
    """Return x as it is, with its gradient times -strength."""
    from keras import ops

    return ops.stop_gradient((1 + strength) * x) - strength * x


def strength_of(progress):
    """Return how much of the gradient is reversed, from 0 to 1 over a training (Ganin's Eq. 14)."""
    return 2 / (1 + math.exp(-10 * progress)) - 1


def _layer():
    """Return the layer class; Keras is imported only where it is needed."""
    import keras
    from keras import layers

    @keras.saving.register_keras_serializable("mtopnet")
    class ReverseGradient(layers.Layer):
        """Pass values on, and their gradients with the other sign."""

        def build(self, shape):
            self.strength = self.add_weight(
                shape=(), initializer="zeros", trainable=False, name="strength"
            )

        def call(self, x):
            return reversed_gradient(x, self.strength)

    return ReverseGradient


def with_domain(model):
    """Return a model that has the output "domain" too: the probability of the second data set.

    It shares all layers with `model`, whose weights are trained by it.
    """
    import keras
    from keras import layers

    shared = model.get_layer("shared_info").output
    x = _layer()(name="domain_reversal")(shared)
    x = layers.Dense(UNITS, activation="relu", name="domain_dense")(x)
    x = layers.Dense(1, activation="sigmoid", name="domain_output", dtype="float32")(x)
    return keras.Model(model.input, {**model.output, "domain": x}, name="mtopnet_domain")


def joint_batches(source, target):
    """Return batches half of labelled, half of unlabelled spectra.

    Parameters
    ----------
    source, target : tf.data.Dataset of (inputs, targets), or (inputs, targets, weights)
        The target's targets are not looked at.

    Returns
    -------
    tf.data.Dataset of (inputs, targets, weights)
        Weights of the tasks are 0 in the unlabelled half and such that a loss is the mean
        over the labelled one.
    """
    import tensorflow as tf

    def join(first, second):
        (x, y, *own), (x2, *_) = first, second
        n, n2 = (tf.shape(v["spectrum"])[0] for v in (x, x2))
        inputs = {k: tf.concat([x[k], x2[k]], axis=0) for k in x}
        share = tf.cast(n + n2, tf.float32) / tf.cast(n, tf.float32)
        targets = {
            k: tf.concat([v, tf.zeros([n2, *v.shape[1:]], v.dtype)], axis=0) for k, v in y.items()
        }
        own = own[0] if own else dict.fromkeys(y, tf.ones([n]))
        weights = {k: tf.concat([share * v, tf.zeros([n2])], axis=0) for k, v in own.items()}
        domain = tf.concat([tf.zeros([n, 1]), tf.ones([n2, 1])], axis=0)
        return inputs, targets | {"domain": domain}, weights | {"domain": tf.ones([n + n2])}

    return tf.data.Dataset.zip((source, target.repeat())).map(join).prefetch(2)


def _nothing(inputs, *others):
    """Return an empty batch."""
    return {k: v[:0] for k, v in inputs.items()}, *others


def fit_adversarial(networks, *, source, target, rows, weight, epochs, seed, rate):
    """Train a network on, against a classifier of its two data sets.

    Parameters
    ----------
    networks : Networks
        Trained on `source`; its network is trained further in place.
    source, target : Shards
    rows : (ndarray of int, ndarray of int)
        Training rows of both.
    weight : float
        Of the classifier's loss; 0 trains on without it, the control.
    epochs : int
        Passes through the source's training rows.
    seed : int
    rate : float
        Highest learning rate.

    Returns
    -------
    list of dict
        Losses of each epoch.
    """
    import keras

    from common.schedules import learning_rate
    from mtopnet.data import dataset, targets
    from mtopnet.losses import losses
    from mtopnet.networks import NAME

    config = replace(networks.config, batch_size=max(2, networks.config.batch_size // 2))
    steps = math.ceil(len(rows[0]) / config.batch_size)
    keras.utils.set_random_seed(seed)
    model = with_domain(networks.models[NAME])
    schedule = learning_rate("cosine", initial=rate, epochs=epochs, steps_per_epoch=steps)
    model.compile(
        keras.optimizers.Adam(schedule),
        loss=losses(config) | {"domain": "binary_crossentropy"},
        loss_weights=config.loss_weights | {"domain": float(weight)},
        weighted_metrics={"domain": "accuracy"},
    )
    y = targets(source.labels, networks.scaling, config)[rows[0]]
    blank = np.zeros((len(rows[1]), y.shape[1]))  # the target's labels stay out
    blank[:, 0] = config.z_min
    half = partial(dataset, config=config, batch_size=config.batch_size)
    labelled = half(source, rows[0], y, seed=seed)
    batches = joint_batches(labelled, half(target, rows[1], blank, seed=seed + 1))
    if not weight:  # the control knows nothing of the target, not even its batch statistics
        batches = joint_batches(labelled, labelled.map(_nothing))
    reversal, total = model.get_layer("domain_reversal"), max(1, steps * epochs)

    class Rise(keras.callbacks.Callback):
        """Raise the reversal step by step."""

        def __init__(self):
            super().__init__()
            self.seen = 0

        def on_train_batch_begin(self, batch, logs=None):
            reversal.strength.assign(strength_of(self.seen / total))
            self.seen += 1

    fitted = model.fit(
        batches, epochs=epochs, shuffle=False, verbose=0,
        callbacks=[Rise(), keras.callbacks.TerminateOnNaN()],
    )  # fmt: skip
    networks.forget()
    history = pd.DataFrame(fitted.history).to_dict("records")
    if not np.isfinite(history[-1]["loss"]):
        raise UsageError(
            f"The loss became {history[-1]['loss']} with --weight {weight:g} and --learning-rate "
            f"{rate:g}. Try smaller ones."
        )
    return history


def scores(table, config):
    """Return how right a table of predictions is.

    Returns
    -------
    dict
        n; success_0.003, success_0.01, success_0.1 (between centres of bins, as the paper);
        lgm_mad, sfr_mad (1.48 times the median of |predicted - true|, dex).
    """
    edges = config.edges
    own = np.searchsorted(edges, table["z_true"], side="right") - 1
    middle = (edges[1:] + edges[:-1]) / 2
    away = np.abs(table["z_peak"].to_numpy() - middle[np.clip(own, 0, len(middle) - 1)])
    out = {"n": len(table)}
    for limit in (0.003, 0.01, 0.1):
        out[f"success_{limit:g}"] = float(np.mean(away < limit + 1e-9))
    for name in ("lgm", "sfr"):
        residual = (table[f"{name}_pred"] - table[f"{name}_true"]).to_numpy(dtype=float)
        out[f"{name}_mad"] = float(mad_sigma(residual, about=0))
    return out


def _rows(shards, split):
    """Return the row numbers of a split."""
    return np.flatnonzero((shards.labels["split"] == split).to_numpy())


def _measure(networks, domains, network):
    """Return a row of the table for the test split of each domain's shards."""
    from mtopnet.networks import prediction_table

    out = []
    for name, shards in domains.items():
        rows = _rows(shards, "test")
        rows = rows[~other_kind(shards.labels.iloc[rows])]  # whose redshifts are judged
        labels = shards.labels.iloc[rows]
        if labels["z_true"].isna().all():
            say(f"{network} on {name}: no labels to test it with")
            continue
        table, *_ = prediction_table(
            networks, lambda i, rows=rows, shards=shards: shards.rows(rows[i]), labels
        )
        own = scores(table, networks.config)
        out.append({"network": network, "tested_on": name, **own})
        say(f"{network} on {name}: |dz| < 0.01 in {own['success_0.01']:.3f} of {own['n']} spectra")
    return out


def _calibration(networks, source):
    """Return errors and recalibrated PDFs on the validation split of the labelled data set.

    Those of the network before it was adapted are not its own; the target has no labels.
    """
    from mtopnet.networks import prediction_table
    from mtopnet.train import calibrate, recalibrate

    rows = _rows(source, "valid")
    table, *both = prediction_table(networks, lambda i: source.rows(rows[i]),
                                    source.labels.iloc[rows],
                                    passes=networks.config.mc_passes)  # fmt: skip
    return {"calibration": calibrate(table),
            "pdf_calibration": recalibrate(table, *both, networks.config)}  # fmt: skip


def adapt(
    run_dir, out=None, *, target_dir=None, n_galaxies=None, weight=0.1, epochs=None, rate=1e-3,
    offline=False,
):  # fmt: skip
    """Adapt a run's network to another data set, and say what it brought.

    Parameters
    ----------
    run_dir : path-like
        Finished run of `mtopnet.train`, with its data.
    out : path-like, optional
        Where the adapted network goes, a run folder for `mtopnet.predict`: RUN/adapted by default.
    target_dir : path-like, optional
        Spectra of the other data set, and labels for the test where there are any. Default: our
        mock with other sky residuals, throughput and line ratios ("shifted"), other galaxies.
    n_galaxies : int, optional
        Of that mock; as many as the run's by default.
    weight : float
        Of the domain classifier.
    epochs : int, optional
        Half of the run's by default.
    rate : float
        Highest learning rate.
    offline : bool
        Use no network.

    Returns
    -------
    DataFrame
        As written to adaptation.ecsv: the run's network ("before"), the same trained on as long
        without the classifier ("control"), and with it ("adapted"), each tested on the source's
        and the target's test split.
    """
    from common.catalog import write_table
    from common.files import write_json
    from common.models import save_model
    from common.pipeline import Shards
    from common.runs import read_config, write_history
    from mtopnet.config import Config
    from mtopnet.networks import NAME, load_networks

    run_dir = Path(run_dir)
    out = Path(out or run_dir / "adapted")
    if (out / "config.json").exists():
        raise UsageError(f"{out} holds a run already. Name another -o.")
    config, about = read_config(run_dir, Config)
    epochs = epochs or max(1, config.epochs // 2)
    domains = {
        "source": Shards(run_dir / "data"),
        "target": _target_shards(config, out, target_dir, n_galaxies, offline),
    }
    rows = [_rows(shards, "train") for shards in domains.values()]
    if min(map(len, rows)) < 2:
        raise UsageError("Adaptation needs training spectra in both data sets.")
    table, history = _measure(load_networks(run_dir), domains, "before"), []
    for name, share in (("control", 0.0), ("adapted", weight)):
        networks = load_networks(run_dir)
        losses = fit_adversarial(
            networks, **domains, rows=rows, weight=share, epochs=epochs, seed=config.seed,
            rate=rate,
        )  # fmt: skip
        history += [{"network": name, "epoch": i, **row} for i, row in enumerate(losses)]
        table += _measure(networks, domains, name)
    save_model(networks.models[NAME], out / "models" / f"{NAME}.keras")
    write_history(out / "history.csv", history)
    table = pd.DataFrame(table)
    write_table(table, out / "adaptation.ecsv", meta={"DATASET": config.dataset})
    about = json.loads((run_dir / "config.json").read_text())
    target = str(target_dir) if target_dir else "moons-mock, shifted"
    about["adaptation"] = dict(target=target, weight=weight, epochs=epochs, rate=rate)
    for name, known in _calibration(networks, domains["source"]).items():
        about[name] = {k: v.to_dict() for k, v in known.items()}
    write_json(out / "config.json", about)
    return table


def _target_shards(config, out, target_dir, n_galaxies, offline):
    """Return prepared spectra of the target; the shifted mock where no folder is named."""
    import tempfile

    from common.pipeline import Shards, finished
    from mtopnet.data import from_files, spectrum_files

    folder, options = out / "data", dict(offline=offline, mock_allowed=True, labels_needed=False)
    if finished(folder):
        return Shards(folder)
    if target_dir is not None:
        return from_files(config, folder, target_dir, spectrum_files(target_dir), **options)
    from mtopnet.mock.make import make_mock

    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mock-", dir=out) as files:
        # Another seed: galaxies that the source does not have.
        paths = make_mock(
            n=n_galaxies or config.n_galaxies, seed=config.seed + 1000, out_dir=files,
            exposures=config.exposures, variant="shifted", offline=offline,
        )  # fmt: skip
        return from_files(config, folder, files, paths, **options)


def _arguments():
    p = parser(
        "python -m mtopnet.adversarial",
        "Adapt a trained network to another, unlabelled data set.",
    )
    p.add_argument("--run-dir", type=Path, required=True, help="run folder of mtopnet.train")
    p.add_argument("-o", "--output", type=Path, help="run folder of the adapted network "
                   "(default: RUN/adapted)")  # fmt: skip
    p.add_argument("--target-dir", type=Path, help="spectra and labels (for the test alone) of the "
                   "other data set (default: a mock with other sky and line ratios)")  # fmt: skip
    p.add_argument("--galaxies", type=int, help="galaxies of that mock (default: as the run's)")
    p.add_argument("--weight", type=float, default=0.1, help="of the domain classifier's loss")
    p.add_argument("--epochs", type=int, help="epochs (default: half of the run's)")
    p.add_argument("--learning-rate", type=float, default=1e-3, help="highest learning rate")
    p.add_argument("--precision", default="auto", help="as in mtopnet.train")
    p.add_argument("--offline", action="store_true", help="use no network")
    return p


def work(args):
    """Do what the command line asks for."""
    from common.accelerator import choose

    for name in ("galaxies", "weight", "epochs", "learning_rate"):
        value = getattr(args, name)
        if value is not None and not value > 0:
            option = "--" + name.replace("_", "-")
            raise UsageError(f"{option} must be above 0. Received {value}.")
    choose(args.precision)
    table = adapt(args.run_dir, args.output, target_dir=args.target_dir, n_galaxies=args.galaxies,
                  weight=args.weight, epochs=args.epochs, rate=args.learning_rate,
                  offline=args.offline)  # fmt: skip
    say(table.to_string(index=False, float_format="%.3f"))


def main(argv=None):
    """Run the command line; return the exit status."""
    return run(work, _arguments().parse_args(argv), kept=KEPT)


if __name__ == "__main__":
    raise SystemExit(main())
