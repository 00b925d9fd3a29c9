"""Redshifts of files."""

import sys
from functools import partial

import pandas as pd

from common import runs
from common.catalogue.files import SpectrumFiles
from common.catalogue.make import make
from common.catalogue.recipe import Recipe
from common.commands import predict as command
from common.fitting import load_model
from common.inference import predict
from common.surveys import find_files, read_many
from tests.sixth.config import PAPER, Config
from tests.sixth.data import usable
from tests.sixth.model import build


def load(run_dir):
    config, _ = runs.read_config(run_dir, Config)
    path = run_dir / "models" / "line.keras"
    return config, load_model(path, config, lambda: build(config))


def predicted(model, about, x):
    return about.assign(z_pred=predict(model, x)[:, 0])


def predict_files(run_dir, paths, out, *, precision="float32"):
    files, (config, model) = find_files(paths), load(run_dir)

    def rows(spectra):
        about, x, lost = usable(spectra, config)
        return predicted(model, about, x)[["id", "file", "z_pred"]], lost

    recipe = Recipe(source=SpectrumFiles(files), rows=rows, run_dir=run_dir,
                    options={"precision": precision}, meta=PAPER.header(config, run_dir),
                    notes={"ucds": {"z_pred": "src.redshift"}})  # fmt: skip
    return make(recipe, out)


def predict_labelled(run_dir, paths):
    (config, model), rejects, parts = load(run_dir), [], []
    for spectra in read_many(paths, rejects=rejects):
        about, x, lost = usable(spectra, config)
        rejects += lost
        parts.append(predicted(model, about, x))
    return pd.concat(parts, ignore_index=True), pd.DataFrame(rejects)


main = partial(
    command.main,
    PAPER,
    "Redshifts of one line.",
    predict=predict_files,
)

if __name__ == "__main__":
    sys.exit(main())
