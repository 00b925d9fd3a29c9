"""Device, precision and distribution strategy, chosen by one call."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from common.errors import UsageError

PRECISIONS = ("auto", "float32", "cpu_bf16", "mixed_bfloat16", "mixed_float16")
_FPMATH = "ONEDNN_DEFAULT_FPMATH_MODE"


@dataclass(frozen=True)
class Accelerator:
    """What a run computes on.

    Attributes
    ----------
    device : str
        Such as "CPU" or "2 x GPU".
    precision : str
        One of `PRECISIONS` but "auto".
    strategy : tf.distribute.Strategy
        Build and compile models inside its ``scope()``.
    replicas : int
        Copies of the model that share a batch.
    worker : int
        Number of this process among the workers of TF_CONFIG; 0 is the one whose files count.
    """

    device: str
    precision: str
    strategy: object = field(repr=False)
    replicas: int = 1
    worker: int = 0

    def scope(self):
        """Return the context to build models in (a null one on a single device)."""
        return self.strategy.scope() if self.replicas > 1 else contextlib.nullcontext()

    def ready(self, model, data):
        """Make a compiled model ready to fit; needed with several workers only.

        Keras 3.15 fails in `fit` there, twice: it builds the metrics from a batch that is spread
        over workers, and averages their scalars along an axis they do not have. They are built
        from a local batch here, and averaged as scalars.
        """
        if type(self.strategy).__name__ != "CollectiveAllReduceStrategy":
            return
        import keras
        from keras.src.backend.tensorflow import trainer

        with self.strategy.scope():
            model._symbolic_build(data_batch=next(iter(data)))
        model._maybe_symbolic_build = lambda *_, **__: None

        def mean(values, strategy, reduction):
            return keras.tree.map_structure(
                lambda value: strategy.reduce("MEAN", value, axis=None), values
            )

        trainer.reduce_per_replica = mean  # predictions do not come this way, see `predict`


def cpu_flags():
    """Return the processor's feature flags, a set of str (empty where not known)."""
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return set()
    for line in info.read_text().splitlines():
        if line.startswith("flags"):
            return set(line.split(":", 1)[1].split())
    return set()


def choose(precision="auto", *, devices=None):
    """Choose device, precision policy and distribution strategy.

    Call it before anything computes: bf16 arithmetic on CPUs and the memory growth of GPUs
    are fixed at TensorFlow's first operation.

    Parameters
    ----------
    precision : str
        "float32"; "cpu_bf16" (float32 values, products on the CPU's bf16 units with float32
        sums); "mixed_bfloat16"; "mixed_float16" (Keras scales the loss by itself); "auto"
        takes "cpu_bf16" on CPUs with AMX and no GPU, where it doubles the speed, and
        "float32" elsewhere.
    devices : sequence of str, optional
        Devices to spread over, such as ("CPU:0", "CPU:1"). Default: all workers of TF_CONFIG,
        else all local GPUs, else the CPU.

    Returns
    -------
    Accelerator

    Raises
    ------
    UsageError
        If the precision is unknown, or not to be had on this machine.
    """
    if precision not in PRECISIONS:
        raise UsageError(
            f"--precision must be one of {', '.join(PRECISIONS)}. Received {precision!r}."
        )
    flags = cpu_flags()
    if precision == "cpu_bf16":
        if not flags & {"amx_bf16", "avx512_bf16"}:
            raise UsageError(
                "--precision cpu_bf16 needs a CPU with amx_bf16 or avx512_bf16, and this one has "
                "neither. Use float32."
            )
        if "tensorflow" in sys.modules and os.environ.get(_FPMATH) != "BF16":
            raise UsageError(
                "--precision cpu_bf16 must be chosen before TensorFlow is imported. "
                f"Set {_FPMATH}=BF16 in the environment."
            )
    before = os.environ.get(_FPMATH)
    auto_bf16 = precision == "auto" and "amx_bf16" in flags and "tensorflow" not in sys.modules
    if precision == "cpu_bf16" or auto_bf16:
        os.environ[_FPMATH] = "BF16"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

    import keras
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if auto_bf16 and gpus and before is None:
        del os.environ[_FPMATH]
    if precision == "auto":
        precision = "cpu_bf16" if os.environ.get(_FPMATH) == "BF16" and not gpus else "float32"
    for gpu in gpus:
        with contextlib.suppress(RuntimeError):  # already in use: its memory is as it is
            tf.config.experimental.set_memory_growth(gpu, True)
    keras.mixed_precision.set_global_policy("float32" if precision == "cpu_bf16" else precision)
    strategy = _strategy(tf, gpus, devices)
    kind = "GPU" if gpus and not devices else "CPU"
    n = strategy.num_replicas_in_sync
    worker = 0 if devices else _worker(json.loads(os.environ.get("TF_CONFIG") or "{}"))
    return Accelerator(kind if n == 1 else f"{n} x {kind}", precision, strategy, n, worker)


def _worker(config):
    """Return the number of this process in a TF_CONFIG; a chief comes before the workers."""
    task = config.get("task", {})
    if task.get("type") == "chief":
        return 0
    return int(task.get("index", 0)) + ("chief" in config.get("cluster", {}))


def _strategy(tf, gpus, devices):
    if os.environ.get("TF_CONFIG") and not devices:
        return tf.distribute.MultiWorkerMirroredStrategy()
    if devices and len(devices) > 1:
        return tf.distribute.MirroredStrategy(list(devices))
    if len(gpus) > 1 and not devices:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()
