"""Mock spectra of all surveys as shards, made on the way: no files are written, parts are kept."""

from __future__ import annotations

import json
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread

import numpy as np
import pandas as pd

from common.cli import progress
from common.files import atomic_path, write_json, write_parquet
from common.pipeline import Shards
from gasnet2.mock.surveys import jobs, make
from gasnet2.templates.inputs import CHANNELS, N_PIXELS, prepare

COLUMNS = ("ra", "dec", "snr", "vdisp", "z")


def make_shards(config, folder, *, offline=False):
    """Make the mock of all surveys, or go on with one that was interrupted.

    Parameters
    ----------
    config : gasnet2.config.Config
        classes, per_class, seed, use_ivar.
    folder : path-like
        Of the shards; each batch of the mock is one, and is not made twice.
    offline : bool
        Use no network.

    Returns
    -------
    common.pipeline.Shards
        Labels id, file, class, coarse, survey, mock and `COLUMNS`.

    Raises
    ------
    MissingDataError
        If a template archive is neither cached nor fetchable.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    work, mark = _jobs(config), folder / "parts.json"
    own = {name: list(v) if isinstance(v := getattr(config, name), tuple) else v
           for name in ("classes", "per_class", "seed", "use_ivar")}  # fmt: skip
    if not mark.exists() or json.loads(mark.read_text()) != own:  # parts of another mock
        for path in folder.glob("part-*.parquet"):
            path.unlink()
        write_json(mark, own)
    missing = [k for k in range(len(work)) if not _label_path(folder, k).exists()]
    if missing:
        # In this process, so that what is not cached is fetched once.
        _one(folder, missing[0], work[missing[0]], config.use_ivar, offline)
    total = sum(work[k].size for k in missing[1:])
    with progress(total=total, unit="spectra", desc="mock of the surveys") as bar:
        for size in _each(folder, work, missing[1:], config.use_ivar):
            bar.update(size)
    tables = [pd.read_parquet(_label_path(folder, k)) for k in range(len(work))]
    write_parquet(pd.concat(tables, ignore_index=True), folder / "labels.parquet")
    sizes = [len(t) for t in tables]
    write_json(folder / "shards.json", {"n_pixels": CHANNELS * N_PIXELS, "sizes": sizes})
    for k in range(len(work)):
        _label_path(folder, k).unlink()
    mark.unlink()
    return Shards(folder)


def _jobs(config):
    """Return the batches of the mock: classes of one size together."""
    sizes = {}
    for name in config.classes:
        sizes.setdefault(config.size_of(name), []).append(name)
    return [
        job
        for size, names in sizes.items()
        for job in jobs(classes=names, per_class=size, seed=config.seed)
    ]


def _each(folder, work, numbers, use_ivar):
    """Make the batches of these numbers in a process for each core; yield their sizes."""
    workers = min(os.cpu_count() or 1, 8, len(numbers))
    if workers < 2 or len(numbers) < 8:
        for k in numbers:
            yield _one(folder, k, work[k], use_ivar, True)
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), _end_with_parent) as pool:
        futures = [pool.submit(_one, folder, k, work[k], use_ivar, True) for k in numbers]
        try:
            for future in futures:
                yield future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _end_with_parent():
    """Let this process end when that which began it is killed: its queue would wait for ever."""

    def wait():
        parent_process().join()
        os._exit(1)

    Thread(target=wait, daemon=True).start()


def _label_path(folder, k):
    return folder / f"part-{k:05d}.parquet"


def _one(folder, k, job, use_ivar, offline):
    """Make one batch: its input, then its labels, which say that it is whole."""
    spectra = make(job, offline=offline)
    prepared = prepare(spectra, use_ivar=use_ivar)
    use, meta = prepared.usable, spectra.meta
    table = pd.DataFrame({"id": spectra.ids, "file": "", "class": meta["label"]})
    table["coarse"] = table["class"].str.split("_").str[0]
    for name in COLUMNS:
        table[name] = meta[name].to_numpy(float) if name in meta else np.nan
    table["survey"], table["mock"] = meta["survey"].to_numpy(), True
    with atomic_path(folder / f"x-{k:05d}.npy") as temporary, open(temporary, "wb") as file:
        np.save(file, prepared.x[use].astype(np.float16))
    write_parquet(table[use].reset_index(drop=True), _label_path(folder, k))
    return len(spectra)
