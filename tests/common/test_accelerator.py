"""Each setting is fixed for a whole process, so each is tried in a process of its own."""

import json
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from common.accelerator import choose, cpu_flags
from common.errors import UsageError

ROOT = Path(__file__).resolve().parents[2]
LOSS_TOLERANCE = 1e-5  # two replicas add the same gradients in another order

TRAIN = """
import json, sys
devices = json.loads(sys.argv[2])
if devices:
    import tensorflow as tf
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from common.accelerator import choose
accelerator = choose(sys.argv[1], devices=devices)
import keras
import numpy as np
import tensorflow as tf
from gasnet2.model import build_redshift
from tests.gasnet2.toy import tiny_config
keras.utils.set_random_seed(3)
rng = np.random.default_rng(0)
x = rng.normal(size=(64, 320)).astype("f")
y = x[:, :1] * 0.5
with accelerator.scope():
    model = build_redshift(320, 1, tiny_config(filters=(8, 8)))
    # Batch statistics are per replica; without them both runs compute the same function.
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    model.compile(keras.optimizers.Adam(1e-3), loss=keras.losses.Huber(0.1))
data = tf.data.Dataset.from_tensor_slices((x, y)).batch(16)
accelerator.ready(model, data)
history = model.fit(data, epochs=3, verbose=0).history["loss"]
from common.inference import predict
out = predict(model, x[:8])
print("RESULT " + json.dumps(dict(
    loss=history, out=out.tolist(), dtype=str(out.dtype), precision=accelerator.precision,
    replicas=accelerator.replicas, optimizer=type(model.optimizer).__name__,
    compute=model.layers[2].compute_dtype)))
"""


def train(precision, devices=(), **env):
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, precision, json.dumps(list(devices))],
        capture_output=True, text=True, cwd=ROOT, env=os.environ | env, timeout=300,
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert lines, done.stderr[-2000:]
    return json.loads(lines[0].removeprefix("RESULT "))


@pytest.fixture(scope="module")
def one_device():
    return train("float32")


def test_two_devices_give_the_losses_of_one(one_device):
    two = train("float32", ["CPU:0", "CPU:1"])
    assert (one_device["replicas"], two["replicas"]) == (1, 2)
    np.testing.assert_allclose(two["loss"], one_device["loss"], rtol=0, atol=LOSS_TOLERANCE)


def test_mixed_float16_scales_the_loss_and_keeps_the_head_in_float32(one_device):
    half = train("mixed_float16")
    found = (half["optimizer"], half["compute"], half["dtype"])
    assert found == ("LossScaleOptimizer", "float16", "float32")
    assert np.allclose(half["loss"], one_device["loss"], atol=0.02)


@pytest.mark.skipif(
    not cpu_flags() & {"amx_bf16", "avx512_bf16"}, reason="this CPU has no bf16 arithmetic"
)
def test_bf16_arithmetic_stays_close_to_float32(one_device):
    bf16 = train("cpu_bf16")
    assert (bf16["precision"], bf16["compute"]) == ("cpu_bf16", "float32")
    # bf16 keeps 8 bits: relative steps of 2**-8 in products, sums in float32.
    assert np.allclose(bf16["loss"], one_device["loss"], atol=0.02)


def test_cpu_bf16_after_tensorflow_and_unknown_precisions_are_refused():
    import tensorflow  # noqa: F401

    with pytest.raises(UsageError, match=r"before TensorFlow is imported|needs a CPU"):
        choose("cpu_bf16")
    with pytest.raises(UsageError, match=r"float32.*mixed_float16.*Received 'float8'"):
        choose("float8")


def test_two_workers_of_tf_config_give_the_losses_of_one(one_device):
    ports = []
    for _ in range(2):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(free.getsockname()[1])
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    tasks = [{"type": "worker", "index": i} for i in range(2)]
    configs = [json.dumps({"cluster": cluster, "task": task}) for task in tasks]
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda c: train("float32", TF_CONFIG=c), configs))
    for result in results:
        assert result["replicas"] == 2
        assert np.allclose(result["loss"], one_device["loss"], atol=LOSS_TOLERANCE)
