"""M-TOPnet: layout of the convolutions and width of the bins, each against the other in one run.

``python -m benchmarks.mtopnet`` times one batch after the other, in turn, on spectra of noise, and
prints medians and ratios. ``--run-dir RUN`` prints instead what a finished run and its variants
(`mtopnet.train --variants fine comb`) say of the same test spectra: what narrow bins gain.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np

from benchmarks.__main__ import machine

BATCH = 64
CASES = {  # name: changes of the paper's configuration, and its convolutions
    "dz = 0.003, dense head (the paper's)": (dict(), "image"),
    "the same, Conv1D": (dict(), "1d"),
    "dz = 0.0005, dense head": (dict(dz=0.0005), "image"),
    "dz = 0.0005, hierarchical head": (dict(dz=0.0005, head="hierarchical"), "image"),
    "dz = 0.0005, comb of lines": (dict(dz=0.0005, head="comb"), "image"),
}


def network(changes, layout):
    """Return a compiled network and its batches (targets are made as in training)."""
    import keras
    import tensorflow as tf

    from mtopnet import data, losses
    from mtopnet.config import make_config

    config = make_config("moons-mock", "paper", batch_size=BATCH, **changes)
    model = as_conv1d(config) if layout == "1d" else _built(config)
    losses.compile_model(model, config, 10)
    rng = np.random.default_rng(0)
    x = {
        "spectrum": rng.normal(size=(BATCH, config.n_pixels)).astype("f4"),
        "continuum": rng.normal(size=(BATCH, config.n_points)).astype("f4"),
    }
    z = rng.uniform(config.z_min, config.z_max, BATCH)

    def make(z):
        return data.redshift_target(z, config), data.line_mask(z, config)

    def expand(z):
        bins, lines = tf.numpy_function(make, [z], (tf.float32, tf.uint8))
        bins = tf.ensure_shape(bins, (None, config.n_bins))
        lines = tf.ensure_shape(lines, (None, config.n_pixels))
        value = tf.cast(z, tf.float32)[:, None]
        return x, {"z": bins, "lines": lines, "mass": value, "sfr": value}

    batches = tf.data.Dataset.from_tensors(z).repeat(8).map(expand).prefetch(2)
    keras.utils.set_random_seed(0)
    return model, batches, x


def _built(config):
    from mtopnet.model import build_model

    return build_model(config)


def as_conv1d(config):
    """Return the paper's network with Conv1D in place of images of height one."""
    import keras
    from keras import layers

    from mtopnet import model

    spectrum = keras.Input((config.n_pixels,), name="spectrum")
    continuum = keras.Input((config.n_points,), name="continuum")
    x = layers.Reshape((config.n_pixels, 1))(spectrum)
    for filters in config.filters:
        skip = layers.Conv1D(filters, 1)(x)
        y = layers.Conv1D(filters, config.kernel_size, padding="same", activation="relu")(x)
        y = layers.Conv1D(filters, config.kernel_size, padding="same")(y)
        x = layers.AveragePooling1D(config.pool)(layers.ReLU()(layers.Add()([skip, y])))
    c = model.Standardise()(continuum)
    c = layers.Dense(config.continuum_units, activation="relu")(c)
    inputs = {"spectrum": spectrum, "continuum": continuum}
    return keras.Model(inputs, model.output_heads([layers.Flatten()(x), c], config))


def speed(rounds):
    """Print spectra per second of training and prediction, and seconds against the paper's."""
    from common.inference import predict
    from mtopnet.networks import answers_model

    work, times = {}, {}
    for name, (changes, layout) in CASES.items():
        model, batches, x = network(changes, layout)
        answers = answers_model(model)
        many = {k: np.concatenate([v] * 8) for k, v in x.items()}
        work[name] = (
            lambda model=model, batches=batches: model.fit(batches, verbose=0),
            lambda answers=answers, many=many: predict(answers, many, batch_size=BATCH),
        )
        for one in work[name]:
            one()  # traces
        times[name] = ([], [])
    for _ in range(rounds):
        for name, pair in work.items():
            for one, seconds in zip(pair, times[name], strict=True):
                began = time.perf_counter()
                one()
                seconds.append(time.perf_counter() - began)
    first = next(iter(CASES))
    print("| network | training, spectra/s | time against the first | prediction, spectra/s | "
          "time against the first |\n|---|---|---|---|---|")  # fmt: skip
    for name, pair in times.items():
        cells = []
        for seconds, base in zip(pair, times[first], strict=True):
            ratio = statistics.median(a / b for a, b in zip(seconds, base, strict=True))
            cells += [f"{8 * BATCH / statistics.median(seconds):.0f}", f"{ratio:.2f}"]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def accuracy(run_dir):
    """Print how near the peaks are to the true redshifts, for a run and its variants."""
    import pandas as pd

    folders = {"the run": Path(run_dir)}
    folders |= {p.name: p for p in sorted((Path(run_dir) / "variants").glob("*")) if p.is_dir()}
    print("| network | test spectra | within 0.01 | of these: median of \\|z - true\\|, 1e-4 | "
          "68 % within, 1e-4 |\n|---|---|---|---|---|")  # fmt: skip
    for name, folder in folders.items():
        table = pd.read_parquet(folder / "predictions.parquet")
        table = table[table["split"] == "test"]
        away = np.abs(table["z_peak"] - table["z_true"]).to_numpy()
        near = away[away < 0.01]
        middle, most = np.quantile(near, (0.5, 0.68)) * 1e4 if len(near) else (np.nan, np.nan)
        print(f"| {name} | {len(away)} | {len(near) / len(away):.3f} | {middle:.2f} | {most:.2f} |")


def main():
    """Print the table that is asked for."""
    p = argparse.ArgumentParser(prog="python -m benchmarks.mtopnet", description=__doc__)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--precision", default="auto")
    p.add_argument("--run-dir", type=Path, help="print accuracies of a run and its variants")
    args = p.parse_args()
    if args.run_dir:
        accuracy(args.run_dir)
        return
    from common.accelerator import choose

    accelerator = choose(args.precision)
    print(f"{machine()}; {accelerator.device}, {accelerator.precision}, batch {BATCH}\n")
    speed(args.rounds)


if __name__ == "__main__":
    main()
