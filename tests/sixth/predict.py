"""Redshifts of files."""

from functools import partial
from pathlib import Path

from common import runs
from common.catalogue.files import make_of_files
from common.catalogue.make import ALONE
from common.catalogue.step import Step
from common.commands import predict as command
from common.fitting import load_model
from common.inference import predict
from common.rows import collected, of_files
from common.surveys import find_files, read_many
from tests.sixth.config import PAPER, Config
from tests.sixth.data import usable
from tests.sixth.model import build

COLUMNS = ["id", "file", "z_pred"]  # of the catalogue


def load(run_dir):
    config, _ = runs.read_config(run_dir, Config)
    path = run_dir / "models" / "line.keras"
    return config, load_model(path, config, lambda: build(config))


def predicted(spectra, config, model):
    _, about, x, lost = usable(spectra, config)
    return about.assign(z_pred=predict(model, x)[:, 0], dataset=of_files(about["mock"])), lost


class Rows:
    def __init__(self, run_dir):
        self.config, self.model = load(Path(run_dir))

    def __call__(self, spectra):
        table, lost = predicted(spectra, self.config, self.model)
        return table[COLUMNS], lost


def predict_files(run_dir, paths, out, *, precision="float32", how=ALONE):
    files, rows = find_files(paths), Step(Rows, run_dir, precision=precision)
    return make_of_files(files, rows, out, paper=PAPER, config=rows.here.config, run_dir=run_dir,
                         options={"precision": precision}, how=how,
                         notes={"ucds": {"z_pred": "src.redshift"}})  # fmt: skip


def predict_labelled(run_dir, paths):
    config, model = load(run_dir)
    return collected(read_many(paths), lambda spectra: predicted(spectra, config, model))


main = partial(command.main, PAPER, "Redshifts of one line.", predict=predict_files)

if __name__ == "__main__":
    raise SystemExit(main())
