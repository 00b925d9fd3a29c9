"""Redshifts of files."""

import pandas as pd

from common import runs
from common.fitting import load_model
from common.inference import predict
from tests.sixth.config import Config
from tests.sixth.data import chunks
from tests.sixth.model import build


def load(run_dir):
    config, _ = runs.read_config(run_dir, Config)
    path = run_dir / "models" / "line.keras"
    return config, load_model(path, config, lambda: build(config))


def predict_labelled(run_dir, paths):
    (config, model), rejects = load(run_dir), []
    parts = [about.assign(z_pred=predict(model, x)[:, 0])
             for about, x in chunks(paths, config, rejects)]  # fmt: skip
    return pd.concat(parts, ignore_index=True), pd.DataFrame(rejects)
