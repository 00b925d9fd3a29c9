"""Sample, labels and splits of GaSNet-II (Sect. 2), and the way from files to shards."""

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
from common.sample import SPLITS, refuse_mock, rejected
from common.surveys import find_files, read_many
from gasnet2 import selection
from gasnet2.classes import coarse_class, fine_class, kind_of
from gasnet2.config import CLASSES, published
from gasnet2.inputs import n_inputs, prepared

SAME_OBJECT = 1.0  # arcsec, default: spectra closer than this are of one object
COLUMNS = ("id", "file", "ra", "dec", "snr", "vdisp", "class", "coarse", "z", "mock")


def label_table(spectra, survey):
    """Return the labels of a batch, a DataFrame with the columns of `COLUMNS`.

    Parameters
    ----------
    spectra : Spectra
    survey : {"sdss", "fourmost", "desi", "surveys"}
        Whose classes to use; the last has SDSS's and more.
    """
    meta = spectra.meta
    named = kind_of if survey == "surveys" else str
    survey = published(survey)
    table = pd.DataFrame({"id": spectra.ids})
    for name in ("file", "ra", "dec", "snr", "vdisp", "z"):
        table[name] = meta[name].to_numpy() if name in meta else ("" if name == "file" else np.nan)
    blank = pd.Series([""] * len(spectra))
    pairs = zip(meta.get("class", blank), meta.get("subclass", blank), strict=True)
    # Only SDSS's own spectra have its subclasses: an empty one of another survey means nothing.
    own = meta["survey"] if "survey" in meta else [survey] * len(spectra)
    table["class"] = [
        named(fine_class(c, s, survey if survey == "sdss" and o in ("sdss", "") else ""))
        for (c, s), o in zip(pairs, own, strict=True)
    ]
    table["mock"] = meta["mock"].to_numpy(dtype=bool) if "mock" in meta else False
    table["coarse"] = [coarse_class(c) for c in table["class"]]
    return table[list(COLUMNS)]


def by_eye(labels, verdicts):
    """Return labels as an inspector gives them; without class and redshift where none was given.

    Parameters
    ----------
    labels : DataFrame
        As from `label_table`.
    verdicts : DataFrame
        As from `common.inspect.verdicts.read_verdicts`.
    """
    found = verdicts.reindex(labels["id"])
    kind = found["class"].fillna("").to_numpy(object)
    coarse = [coarse_class(name) for name in kind]
    return labels.assign(**{"class": kind, "coarse": coarse, "z": found["z"].to_numpy(float)})


def objects(labels):
    """Return one number an object: spectra of one place on the sky are of one object.

    Parameters
    ----------
    labels : DataFrame with id and, where known, ra and dec in degrees

    Returns
    -------
    ndarray of int, shape (n,)
        Rows without a position are told apart by id.
    """
    from astropy import units as u
    from astropy.coordinates import SkyCoord, search_around_sky
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    n = len(labels)
    group = pd.factorize(labels["id"])[0]
    known = np.flatnonzero(np.isfinite(labels["ra"]) & np.isfinite(labels["dec"]))
    first, second = np.arange(n), np.zeros(n, dtype=int)
    second = pd.Series(np.arange(n)).groupby(group).transform("first").to_numpy()
    if len(known) > 1:
        sky = SkyCoord(
            labels["ra"].to_numpy()[known] * u.deg, labels["dec"].to_numpy()[known] * u.deg
        )
        a, b, _, _ = search_around_sky(sky, sky, SAME_OBJECT * u.arcsec)
        first, second = np.concatenate([first, known[a]]), np.concatenate([second, known[b]])
    graph = coo_matrix((np.ones(len(first)), (first, second)), shape=(n, n))
    return connected_components(graph, directed=False)[1]


def choose_split(labels, config):
    """Choose the sample and split it per class and by object (Sect. 2.1: 70/15/15).

    Parameters
    ----------
    labels : DataFrame
        As from `label_table`.
    config : Config
        Classes, size and fractions of the splits, seed.

    Returns
    -------
    ndarray of str, shape (n,)
        "train", "valid", "test", or empty where a row is not used. All spectra of one object are
        in one split, that of the object's first class. Real files that are named after the splits
        (see `split_is_named`) keep theirs instead, whatever objects they hold.
    """
    rng = np.random.default_rng(config.seed)
    if not config.is_mock and split_is_named(labels):
        return _split_of_files(labels, config, rng)
    group = objects(labels)
    name = labels["class"].to_numpy()
    split = np.full(len(labels), "", dtype=object)
    of_object = {}
    edges = np.cumsum(config.split)
    for class_name in config.classes:
        rows = np.flatnonzero(name == class_name)
        if config.survey != "surveys":  # whose classes come out as measured, all to be used
            rows = np.sort(rng.permutation(rows)[: config.size_of(class_name)])
        numbers = rng.permutation(np.unique(group[rows]))
        new = [g for g in numbers if g not in of_object]
        ends = np.round(edges * len(new)).astype(int)
        for k, g in enumerate(new):
            of_object[g] = SPLITS[int(np.searchsorted(ends, k, side="right").clip(0, 2))]
        split[rows] = [of_object[g] for g in group[rows]]
    return split


def split_is_named(labels):
    """Return whether the spectra lie in files named after the splits, and in no others.

    So the authors released theirs: train.fits, valid.fits, test.fits. Only a run that keeps that
    split has not trained on their 18 000 published test spectra.

    Parameters
    ----------
    labels : DataFrame
        With the path of each spectrum's file, where known.
    """
    return "file" in labels and set(_stems(labels)) == set(SPLITS)


def _stems(labels):
    """Return the name of each row's file without folder and endings, Series of str."""
    return labels["file"].astype(str).map(lambda path: Path(path).name.split(".")[0])


def _split_of_files(labels, config, rng):
    """Return the split that the files are named after; of large classes a share of each split."""
    stem, name = _stems(labels).to_numpy(dtype=object), labels["class"].to_numpy()
    split = np.full(len(labels), "", dtype=object)
    ends = np.round(np.cumsum([0, *config.split]) * config.per_class).astype(int)
    for class_name in config.classes:
        of_class = name == class_name
        for part, most in zip(SPLITS, np.diff(ends), strict=True):
            rows = np.flatnonzero(of_class & (stem == part))
            if of_class.sum() > config.per_class:
                rows = rng.permutation(rows)[:most]
            split[rows] = part
    return split


def fingerprint(labels):
    """Return a short hash of ids, classes and redshifts, in any order of rows."""
    rows = labels[["id", "class", "z"]].to_numpy()
    return sample.fingerprint(f"{i}|{c}|{z:.6f}" for i, c, z in rows)


def poor(spectra, labels, config):
    """Return the rows that the paper's selection leaves out (Sect. 2.3: DESI), ndarray of bool."""
    kept = [keep for _, keep in selection.cuts(_about(spectra, labels), config.survey)]
    return ~np.logical_and.reduce([np.ones(len(labels), dtype=bool), *kept])


def _about(spectra, labels):
    """Return the labels with what the selection looks at besides."""
    return labels.assign(zwarn=spectra.meta["zwarn"].to_numpy() if "zwarn" in spectra.meta else 0)


def find_data(config, data_dir=None, *, offline=False, notes=None):
    """Return the files of a data set, made (mocks) or fetched (SDSS, DESI) where that is needed.

    Parameters
    ----------
    config : Config
    data_dir : path-like, optional
        Folder of the files; a mock is written there.
    offline : bool
        Use no network.
    notes : path-like, optional
        Folder that gets the list of what was drawn from an archive.

    Returns
    -------
    list of Path

    Raises
    ------
    MissingDataError
        If the files are neither here nor to be had.
    """
    if config.is_mock:
        from gasnet2.mock.make import make_mock

        return make_mock(
            survey=config.survey,
            n_per_class=config.per_class,
            seed=config.seed,
            out_dir=Path(data_dir),
            offline=offline,
        )
    if data_dir:
        return find_files([data_dir])
    from gasnet2.archive.find import find

    return find(config, offline=offline, notes=notes)


def prepare(config, folder, *, data_dir=None, offline=False):
    """Read, label and prepare a data set into shards, or take those already there.

    Parameters
    ----------
    config : Config
    folder : path-like
        Where the shards go; what cannot be used goes to rejects.ecsv there, what each of the
        paper's cuts leaves to selection.ecsv, what was drawn from an archive to drawn.csv.
    data_dir, offline
        As in `find_data`.

    Returns
    -------
    Shards

    Raises
    ------
    MissingDataError
        If no file holds a usable spectrum of one of the classes.
    """
    folder = Path(folder)
    if finished(folder):
        return Shards(folder)
    if config.survey == "surveys":
        from gasnet2.templates.data import make_shards

        return make_shards(config, folder, offline=offline)
    paths = find_data(config, data_dir, offline=offline, notes=folder)
    rejects, unlabelled, tally = [], 0, selection.Tally(config)
    with ShardWriter(folder, n_inputs(config)) as writer:
        for spectra in read_many(paths, rejects=rejects, grid=config.table_grid):
            labels = label_table(spectra, config.survey)
            inside = labels["class"].isin(CLASSES[config.survey]).to_numpy(copy=True)
            unlabelled += int((~inside).sum())
            refuse_mock(labels, config)
            tally.add(_about(spectra, labels))
            left_out = poor(spectra, labels, config) & inside
            rejects += [
                {"file": f, "id": i, "reason": "left out by the paper: S/N <= 2 or ZWARN > 0"}
                for f, i in zip(labels["file"][left_out], labels["id"][left_out], strict=True)
            ]
            inside &= ~left_out
            if not inside.any():
                continue
            chosen, labels = spectra[inside], labels[inside].reset_index(drop=True)
            ready = prepared(chosen, config)
            rejects += rejected(labels, ready)
            writer.write(ready.x[ready.usable], labels[ready.usable])
    if rejects:
        write_table(reject_table(rejects), folder / "rejects.ecsv")
    shards, counts = Shards(folder), tally.counts()
    write_table(counts, folder / "selection.ecsv", meta={"DATASET": config.dataset})
    if not config.is_mock and len(shards):
        say(selection.printed(counts))
    if not len(shards):
        (folder / "shards.json").unlink()
        raise MissingDataError(
            f"No spectrum of the classes {', '.join(config.classes)} in {len(paths)} file(s): "
            f"{unlabelled} of other or no class, {len(rejects)} rejected"
            + (f" (the first: {rejects[0]['reason']})" if rejects else "")
            + ". Labels are read from the files; give files that have them."
        )
    return shards
