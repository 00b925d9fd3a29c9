"""A mock of one emission line in LAMOST's files, and the way from files to shards."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from common import sample
from common.errors import MissingDataError, UsageError
from common.mocks import lamost
from common.mocks.lamost_files import coadd_table, write_mock
from common.pipeline import Shards, ShardWriter, finished
from common.resample import to_grid
from common.sample import refuse_mock, split_by_hash
from common.surveys import find_files, read_many
from tests.sixth.model import HALPHA


@dataclass
class Prepared:
    x: np.ndarray
    reason: np.ndarray

    @property
    def usable(self):
        return self.reason == ""


def write_files(folder, n=120, *, seed=1):
    """Write galaxies of one line, z from 0 to 0.05, as one file of LAMOST."""
    rng, wave = np.random.default_rng(seed), lamost.grid()
    z = rng.uniform(0, 0.05, n)
    line = np.exp(-0.5 * ((wave - HALPHA * (1 + z[:, None])) / 5.0) ** 2)
    flux = (1 + 3 * line + 0.1 * rng.normal(size=line.shape)).astype("float32")
    rows = pd.DataFrame({"obsid": 800_000_001 + np.arange(n), "ra": 180.0, "dec": 20.0, "z": z,
                         "class": "GALAXY", "subclass": "Non"})  # fmt: skip
    Path(folder).mkdir(parents=True, exist_ok=True)
    hdu = coadd_table(flux=flux, ivar=np.full_like(flux, 100.0), rows=rows)
    return write_mock([hdu], Path(folder) / "lines.fits")


def preprocess(spectra, config):
    """Return the network's input: flux on the grid over its median, less 1."""
    flux, covered = to_grid(spectra, config.grid)
    level = np.median(flux, axis=1, keepdims=True)
    reason = np.where(covered.all(axis=1) & (level[:, 0] > 0), "", "does not cover 6550-6900 Å")
    x = np.where((reason == "")[:, None], flux / np.where(level > 0, level, 1) - 1, 0)
    return Prepared(x.astype("float32"), reason.astype(object))


def usable(spectra, config):
    """Prepare a batch of spectra; what is returned, `common.sample.usable` says."""
    meta = spectra.meta
    about = pd.DataFrame({"id": spectra.ids, "file": meta["file"], "z_true": meta["z"],
                          "mock": meta["mock"]})  # fmt: skip
    return sample.usable(spectra, about, preprocess(spectra, config))


def prepare(config, folder, *, data_dir, offline):
    """Return the shards of a data set, made where they are not there yet."""
    if finished(folder):
        return Shards(folder)
    if data_dir is None and not config.is_mock:
        raise MissingDataError("--dataset line needs --data-dir, a folder with spectra.")
    if config.is_mock:
        write_files(data_dir, config.n, seed=config.seed)
    rejects = []
    with ShardWriter(folder, config.n_pixels) as writer:
        for spectra in read_many(find_files([data_dir]), rejects=rejects):
            _, about, x, lost = usable(spectra, config)
            rejects += lost
            refuse_mock(about, config)
            split = split_by_hash(about["id"], config.split, seed=config.seed)
            writer.write(x, about[["id", "z_true"]].assign(split=split))
    shards = Shards(folder)
    if not len(shards):
        raise UsageError(f"No spectrum in {data_dir} can be used.")
    return shards
