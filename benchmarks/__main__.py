"""GaSNet-II ours against the plain Keras way, in one run: ``python -m benchmarks``.

Plain: the paper's Conv1D network, one big numpy array, `fit` and `predict`. Ours: the same sums
over images of height one, shards on disk through tf.data, one traced graph, redshift networks only
for the classes that matter. Rounds alternate, and the median ratio of the rounds is what to quote.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

N_PIXELS, BATCH = 5001, 128


def plain_network(units, activation):
    """Build the paper's network as it is printed: Conv1D over (pixels, channels)."""
    import keras
    from keras import layers

    inputs = keras.Input((N_PIXELS,))
    x = layers.Reshape((N_PIXELS, 1))(inputs)
    for n in (16, 32, 64, 128, 256, 512):
        shortcut = layers.Conv1D(n, 5, strides=3, padding="valid")(x)
        for stride, padding in ((1, "same"), (3, "valid")):
            x = layers.Conv1D(n, 5, strides=stride, padding=padding)(x)
            x = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.Add()([layers.MaxPooling1D(5, strides=1, padding="same")(x), shortcut])
    x = layers.Dropout(0.5)(layers.Flatten()(x))
    x = layers.Dense(256, activation="relu")(x)
    return keras.Model(inputs, layers.Dense(units, activation=activation)(x))


def compare(name, plain, ours, *, n, rounds):
    """Time both in turn and print spectra per second and the ratio."""
    ratios, rates = [], {"plain": [], "ours": []}
    for _ in range(rounds):
        seconds = {}
        for key, work in (("plain", plain), ("ours", ours)):
            began = time.perf_counter()
            work()
            seconds[key] = time.perf_counter() - began
            rates[key].append(n / seconds[key])
        ratios.append(seconds["plain"] / seconds["ours"])
    a, b = (statistics.median(rates[k]) for k in ("plain", "ours"))
    low, middle, high = min(ratios), statistics.median(ratios), max(ratios)
    print(f"| {name} | {a:.0f} | {b:.0f} | {middle:.2f} ({low:.2f}-{high:.2f}) |", flush=True)


def machine():
    """Return a line on the processor, its cores and the libraries."""
    import keras
    import tensorflow as tf

    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [x for x in info.read_text().splitlines() if x.startswith("model name")]
        cpu = lines[0].split(":", 1)[1].strip() if lines else cpu
    return (
        f"{cpu}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"TensorFlow {tf.__version__}, Keras {keras.__version__}"
    )


def speed(rounds, folder):
    """Print the table of training, prediction and routing."""
    import keras
    import pandas as pd

    from common.accelerator import choose
    from common.inference import predict
    from common.pipeline import Shards, ShardWriter, dataset
    from gasnet2.config import SDSS_CLASSES, extragalactic, make_config
    from gasnet2.model import build_classifier, build_redshift
    from gasnet2.networks import Networks, routed

    choose("float32")
    print(f"{machine()}\n")
    print(
        "| work | plain, spectra/s | ours, spectra/s | ratio: median (range) |\n|---|---|---|---|"
    )
    n = 5 * BATCH
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, N_PIXELS)).astype("float32")
    y = rng.integers(0, 13, n)
    with ShardWriter(folder, N_PIXELS) as writer:
        writer.write(x, pd.DataFrame({"id": np.arange(n)}))
    shards = Shards(folder)
    plain, ours = plain_network(13, "softmax"), build_classifier(N_PIXELS, 13)
    for model in (plain, ours):
        model.compile(keras.optimizers.Adam(1e-3), loss="sparse_categorical_crossentropy")
    data = dataset(shards, np.arange(n), y, batch_size=BATCH, seed=1)
    work = (
        lambda: plain.fit(x, y, batch_size=BATCH, verbose=0),
        lambda: ours.fit(data, shuffle=False, verbose=0),
    )
    for trace in work:
        trace()
    compare("training, batch 128", *work, n=n, rounds=rounds)

    for size, name in ((n, f"prediction of {n}"), (16, "prediction of 16")):
        part = x[:size]
        work = (
            lambda part=part: plain.predict(part, verbose=0),
            lambda part=part: predict(ours, part),
        )
        for trace in work:
            trace()
        compare(name, *work, n=size, rounds=rounds)

    config = make_config("sdss-mock", "paper")
    names = extragalactic(SDSS_CLASSES)
    networks = Networks(config, ours, {c: build_redshift(N_PIXELS, 10) for c in names})
    few = x[:130]
    p = np.full((len(few), 13), 0.01)
    p[np.arange(len(few)), np.arange(len(few)) % 13] = 0.88  # the paper's mix: as many of each

    def everything():
        predict(ours, few)
        routed(networks, few, p, all_classes=True)

    def what_matters():
        predict(ours, few)
        routed(networks, few, p)

    everything()
    compare("61 networks: all / routed", everything, what_matters, n=len(few), rounds=rounds)


MEMORY = """
import sys
import numpy as np, pandas as pd
way, folder, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
from common.accelerator import choose
choose("float32")
from common.pipeline import Shards, dataset
shards = Shards(folder)
y = np.zeros(n, dtype="float32")
if way == "plain":
    import tensorflow as tf
    x = shards.rows(np.arange(n))
    data = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(n).batch(128)
else:
    data = dataset(shards, np.arange(n), y, batch_size=128, seed=1)
for _ in data:
    pass
# Not getrusage: its peak is inherited from the parent process, which held the networks.
status = open("/proc/self/status").read()
print("PEAK", int(status.split("VmHWM:")[1].split()[0]) / 1024)
"""


def memory(folder, n):
    """Print the peak memory of one epoch of reading, each way in a process of its own."""
    import pandas as pd

    from common.pipeline import ShardWriter

    with ShardWriter(folder, N_PIXELS) as writer:
        for start in range(0, n, 1024):
            rows = min(1024, n - start)
            writer.write(
                np.zeros((rows, N_PIXELS), dtype="float32"),
                pd.DataFrame({"id": np.arange(start, start + rows)}),
            )
    peak = {}
    for way in ("plain", "ours"):
        command = [sys.executable, "-c", MEMORY, way, str(folder), str(n)]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        peak[way] = float(out.split("PEAK")[1])
    ratio = peak["plain"] / peak["ours"]
    size = n * N_PIXELS * 4 / 2**20
    print(f"\nPeak memory of an epoch over {n} spectra ({size:.0f} MiB of flux): in memory "
          f"{peak['plain']:.0f} MiB, shards {peak['ours']:.0f} MiB, ratio {ratio:.1f}")  # fmt: skip


def main():
    """Run the benchmarks."""
    p = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    p.add_argument("--rounds", type=int, default=5, help="alternating rounds; 0: none")
    p.add_argument("--memory", type=int, default=20000, help="spectra of the memory comparison")
    args = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if args.rounds:
            speed(args.rounds, Path(folder) / "speed")
        if args.memory and Path("/proc/self/status").exists():
            memory(Path(folder) / "memory", args.memory)


if __name__ == "__main__":
    main()
