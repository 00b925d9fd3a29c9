"""Running models over many rows, as one compiled graph."""

from __future__ import annotations

import time

import numpy as np

from common.cli import progress
from common.graphs import graph


def predict(model, x, *, batch_size=256, desc=None):
    """Run a model over all rows.

    Parameters
    ----------
    model : keras.Model
    x : ndarray of shape (n, n_pixels), or dict of str to ndarray of n rows
        The second for a model with named inputs.
    batch_size : int
    desc : str, optional
        Show a progress bar with this text.

    Returns
    -------
    ndarray of shape (n, n_outputs), float32
    """
    step = compiled(model)
    out = []
    n = len(next(iter(x.values()))) if isinstance(x, dict) else len(x)
    starts = range(0, n, batch_size)
    for start in progress(starts, desc=desc) if desc else starts:
        rows = slice(start, start + batch_size)
        out.append(step({k: v[rows] for k, v in x.items()} if isinstance(x, dict) else x[rows]))
    if not out:
        return np.zeros((0, model.output_shape[-1]), dtype="float32")
    return np.concatenate(out)


def compiled(model):
    """Return a function ndarray (or dict of them) -> ndarray that runs a model as one graph.

    `Model.predict` builds a data pipeline at every call, which costs more than a small batch
    itself; the traced function is kept with the model.
    """
    import tensorflow as tf

    if getattr(model, "_compiled_call", None) is None:
        object.__setattr__(model, "_compiled_call", {})
    graphs = model._compiled_call

    def graph_of(named):
        if named not in graphs:
            specs = {t.name: tf.TensorSpec((None, *t.shape[1:]), tf.float32) for t in model.inputs}
            graphs[named] = graph(
                lambda x: model(x, training=False),
                input_signature=[specs if named else next(iter(specs.values()))],
            )
        return graphs[named]

    def run(x):
        if isinstance(x, dict):
            arrays = {k: np.ascontiguousarray(v, dtype="float32") for k, v in x.items()}
            return graph_of(True)(arrays).numpy()
        return graph_of(False)(np.ascontiguousarray(x, dtype="float32")).numpy()

    return run


def seconds_each(answer, x):
    """Return the wall time of a row, reading left out; NaN of none.

    Parameters
    ----------
    answer : callable
        Takes x or a part of it.
    x : ndarray of n rows
    """
    if not len(x):
        return float("nan")
    answer(x[:256])  # traces
    began = time.perf_counter()
    answer(x)
    return (time.perf_counter() - began) / len(x)
