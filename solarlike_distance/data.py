"""Splits, and the way from files to shards (Sect. 2.1, 3.2)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from common import sample
from common.catalog import write_table
from common.cli import say
from common.errors import MissingDataError
from common.pipeline import Shards, ShardWriter, finished
from common.rejects import reject_table
from common.rows import MOCK_FILES, REAL_FILES
from common.runs import read_config
from common.sample import refuse_mock, rejected, split_by_hash
from common.surveys import find_files, read_many
from common.surveys.lamost_catalogue import observation_key
from solarlike_distance import selection
from solarlike_distance.config import TARGETS, Config
from solarlike_distance.labels import sources
from solarlike_distance.preprocess import preprocess

ABOUT = ("id", "key", "file", "survey", "ra", "dec", "z", "snr_g", "snr_r", "class", "subclass",
         "fibermask", "release", "mock")  # fmt: skip
LASP = tuple(f"lasp_{name}{end}" for name in selection.LASP for end in ("", "_err"))
TEXT = ("file", "survey", "class", "subclass", "release")


def object_table(spectra, prepared=None):
    """Return who the spectra of a batch are.

    Parameters
    ----------
    spectra : Spectra
    prepared : Prepared, optional
        Their pre-processing.

    Returns
    -------
    DataFrame
        The columns of `ABOUT`: key is the observation's name (lmjd-planid-spid-fiberid), by which
        spectra without obsid are known; lasp_* of the file, where it has them; with `prepared`
        snr_g is measured where the survey does not say, and flag, replaced, bad_fraction are there.
    """
    meta = spectra.meta
    table = pd.DataFrame({"id": spectra.ids})
    for name in (*ABOUT[1:], *LASP):
        blank = False if name == "mock" else "" if name in TEXT else np.nan
        table[name] = meta[name].to_numpy() if name in meta else blank
    table["key"] = ""
    if {"lmjd", "planid", "spid", "fiberid"} <= set(meta):
        parts = (meta[name].to_numpy() for name in ("lmjd", "planid", "spid", "fiberid"))
        table["key"] = observation_key(*parts)
    if prepared is not None:
        table["snr_g"], table["flag"] = prepared.snr_g, prepared.flag
        table["replaced"], table["bad_fraction"] = prepared.replaced, prepared.bad_fraction
    return table


def spectrum_files(paths):
    """Return the files, of folders those that may hold spectra: tables are left out."""
    return find_files(paths, skip=lambda path: sources.kind_of(path) is not None)


def split_of(objects, config):
    """Split by a hash of each star: reference and test set, and folds of the reference set.

    Parameters
    ----------
    objects : sequence of str
        Name of the star behind each spectrum: all its spectra go to one side.
    config : Config
        test_fraction, folds, and the seed that is hashed too.

    Returns
    -------
    split : ndarray of str, shape (n,)
        "reference" or "test"; the same for a star whatever else the sample holds.
    fold : ndarray of int, shape (n,)
        0 to folds - 1; -1 in the test set.

    Notes
    -----
    The paper splits spectra 8:2 by `random_state` 42 [code]. Which of them that puts where depends
    on the order of their table, which is not released, and spectra of one star may come to lie on
    both sides. The hash has neither trait; 42 is its seed.
    """
    sides = ("test", "reference")
    split = split_by_hash([f"split/{name}" for name in objects],
                          (config.test_fraction, 1 - config.test_fraction),
                          seed=config.seed, names=sides)  # fmt: skip
    known = {name: int(sample.place(f"fold/{name}", config.seed) * config.folds)
             for name in dict.fromkeys(objects)}  # fmt: skip
    fold = np.array([known[name] for name in objects], dtype=int)
    return split, np.where(split == "test", -1, fold)


def fingerprint(labels):
    """Return a short hash of ids and labels, in any order of rows."""
    columns = labels[["id", *(f"{name}_true" for name in TARGETS)]]
    rows = ("|".join([str(i), *(f"{v:.5f}" for v in y)])
            for i, *y in columns.itertuples(index=False))  # fmt: skip
    return sample.fingerprint(rows)


CELL = 2  # decimals of a degree: spectra that agree in them are taken to be of one star


def place_of(about):
    """Return a name for the place of each spectrum, list of str; its id where it has none."""
    places = zip(about["id"], about["ra"].astype(float), about["dec"].astype(float), strict=True)
    return [
        f"{ra:.{CELL}f} {dec:.{CELL}f}" if np.isfinite(ra + dec) else str(i)
        for i, ra, dec in places
    ]


def learned(df, run_dir, config):
    """Return which spectra a run, or the one that it began from, was trained or calibrated on.

    Parameters
    ----------
    df : DataFrame of n rows
        id, object, ra, dec; dataset, which tells a mock's files from others.
    run_dir : path-like
    config : Config
        Of the run.

    Returns
    -------
    ndarray of bool, shape (n,)
        Every spectrum of a star that any spectrum of was learned from.
    """
    names = pd.Series(place_of(df) if config.tuned_from else df["object"].astype(str), df.index)
    path = Path(run_dir) / "data" / "labels.parquet"
    if path.is_file():
        known = pd.read_parquet(path, columns=["id", "object", "split"])
        known = known[known["split"] == "reference"].astype(str)
        out = df["id"].astype(str).isin(set(known["id"])) | names.isin(set(known["object"]))
    else:  # the prepared spectra may have been removed: the rule of the splits tells as well
        same_kind = df["dataset"].eq(MOCK_FILES if config.is_mock else REAL_FILES)
        if config.is_mock:
            from solarlike_distance.mock.make import OBSIDS, SOURCE_IDS

            numbers = (SOURCE_IDS, OBSIDS)  # a star that Gaia has not is known by its spectrum
            same_kind = same_kind & np.any([k.made(names, config.seed) for k in numbers], axis=0)
        out = same_kind & (split_of(names, config)[0] == "reference")
    out = out.to_numpy()
    if config.tuned_from and (Path(config.tuned_from) / "config.json").is_file():
        out = out | learned(df, config.tuned_from, read_config(config.tuned_from, Config)[0])
    return out


def _find_data(config, data_dir, offline, notes):
    """Return the spectrum files and the folder of tables; a mock is made where it is not there."""
    if config.is_mock:
        from solarlike_distance.mock.make import make_mock

        make_mock(n=config.n_stars, seed=config.seed, out_dir=data_dir, offline=offline)
    elif data_dir is None:
        from solarlike_distance.archive import find

        return find(config, offline=offline, notes=notes)
    return spectrum_files(data_dir), data_dir


def prepare(config, folder, *, data_dir=None, offline=False):
    """Read, prepare, match and label a data set into shards, or take those already there.

    Parameters
    ----------
    config : Config
    folder : path-like
        Where the shards go, with selection.ecsv (what each cut leaves), rejects.ecsv, and
        drawn.csv (what was asked of LAMOST's archive).
    data_dir : path-like, optional
        Spectra, and the tables of `sources.PATTERNS`; a mock is written there. Without it they are
        fetched.
    offline : bool
        Use no network.

    Returns
    -------
    Shards
        Of the spectra that pass all cuts, have all labels and can be prepared; labels: those of
        `selection.select`, of `object_table`, split, fold, and of a mock `*_planted`.

    Raises
    ------
    MissingDataError
        If files are missing, or hold no spectrum of the sample.
    UsageError
        If a mock is passed off as observed.
    """
    folder = Path(folder)
    if finished(folder):
        return Shards(folder)
    paths, tables = _find_data(config, data_dir, offline, folder)
    chosen, counts = selection.select(sources.read_tables(tables), config)
    finder, planted = _Sample(chosen), truth(data_dir)
    rejects, sizes = [], counts["n"].tolist()
    folder.mkdir(parents=True, exist_ok=True)
    with ShardWriter(folder, config.n_pixels) as writer:
        n = 0
        for spectra in read_many(paths, rejects=rejects):
            prepared = preprocess(spectra, config)
            about = object_table(spectra, prepared)
            refuse_mock(about, config)
            rejects += rejected(about, prepared)
            use, row = finder.find(about)
            use &= prepared.usable
            if use.any():
                writer.write(prepared.x[use], finder.labels(about[use], row[use], config, planted))
                n += int(use.sum())
        if not n:
            _write_rejects(rejects, folder)
            first = f" The first reject: {rejects[0]['reason']}." if rejects else ""
            raise MissingDataError(
                f"None of the spectra in {len(paths)} file(s) of {tables} can be used and is one "
                f"of the {len(chosen)} that pass the cuts.\n{selection.printed(counts)}{first}"
            )
        counts = selection.counts_table([*sizes, n], config)
        write_table(counts, folder / "selection.ecsv", meta={"DATASET": config.dataset})
        _write_rejects(rejects, folder)
    say(selection.printed(counts))
    return Shards(folder)


def _write_rejects(rejects, folder):
    if rejects:
        write_table(reject_table(rejects), folder / "rejects.ecsv")


class _Sample:
    """The rows of a sample, found by obsid or else by night, plan, spectrograph and fibre."""

    def __init__(self, sample):
        self.sample = sample
        self.places = [
            dict(zip(sample[name].iloc[::-1], range(len(sample) - 1, -1, -1), strict=True))
            for name in ("id", "key")
        ]
        for place in self.places:
            place.pop("", None)

    def find(self, about):
        """Return which spectra are in the sample, and their rows there (-1 for the others)."""
        by_id, by_key = self.places
        pairs = zip(about["id"], about["key"], strict=True)
        row = np.array([by_id.get(i, by_key.get(k, -1)) for i, k in pairs], dtype=int)
        return row >= 0, row

    def labels(self, about, row, config, planted):
        """Return the labels of some spectra: what files say comes before the catalogue."""
        about = about.reset_index(drop=True)
        sample = self.sample.iloc[row].reset_index(drop=True)
        out = about.combine_first(sample[[c for c in sample if c in about]])[list(about)]
        new = [c for c in sample if c not in about]
        out = pd.concat([out, sample[new]], axis=1)
        out["split"], out["fold"] = split_of(out["object"], config)
        return out.merge(planted, on="id", how="left")


def truth(data_dir):
    """Return id and the planted truths of a mock; id alone for observed spectra."""
    path = Path(data_dir or ".") / "truth.parquet"
    if data_dir is None or not path.is_file():
        return pd.DataFrame({"id": pd.Series(dtype=str)})
    table = pd.read_parquet(path)
    keep = [c for c in table if c.endswith("_planted") or c == "binary"]
    return table[keep].assign(id=table["obsid"].astype(str)).drop_duplicates("id")
