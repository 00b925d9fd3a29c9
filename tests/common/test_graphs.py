"""Compiled functions of several models."""

import logging

import keras
import numpy as np

from common.attribution import gradients
from common.inference import predict


def test_each_model_counts_its_own_traces(caplog):
    """Ten models of one line of code are no function that is traced at every call."""
    x = np.ones((2, 3), "float32")
    with caplog.at_level(logging.WARNING, "tensorflow"):
        logging.getLogger("tensorflow").addHandler(caplog.handler)
        try:
            for _ in range(10):
                model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
                assert predict(model, x).shape == (2, 1)
                assert gradients(model, x, outputs=[0], batch_size=2).shape == (2, 1, 3)
        finally:
            logging.getLogger("tensorflow").removeHandler(caplog.handler)
    assert not [record for record in caplog.records if "retracing" in record.getMessage()]
