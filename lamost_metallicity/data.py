"""Sample, labels and splits (Sect. 2, 5), and the way from files to shards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from common import sample
from common.catalog import write_table
from common.cli import say
from common.errors import MissingDataError
from common.files import write_parquet
from common.pipeline import Shards, ShardWriter, finished
from common.rejects import reject_table
from common.rows import MOCK_FILES, REAL_FILES
from common.sample import refuse_mock, rejected, split_by_hash
from common.surveys import find_files, read_many
from common.surveys.mpajhu import read_mpajhu
from lamost_metallicity import selection
from lamost_metallicity.preprocess import preprocess

TABLES = ("gal_", "galspec", "fiblgm", "totlgm", "lamost-catalog", "dr")  # files without spectra
UNMATCHED = "unmatched"  # the split of galaxies without labels: what Sect. 5 predicts
ABOUT = ("id", "file", "survey", "ra", "dec", "z", "snr_r", "petro_r", "class", "mock")


def object_table(spectra, prepared=None):
    """Return who the spectra of a batch are, a DataFrame with the columns of `ABOUT`."""
    meta = spectra.meta
    table = pd.DataFrame({"id": spectra.ids})
    for name in ABOUT[1:]:
        blank = {"file": "", "survey": "", "class": "", "mock": False}.get(name, np.nan)
        table[name] = meta[name].to_numpy() if name in meta else blank
    if prepared is not None:
        table["snr_r"], table["bad_fraction"] = prepared.snr_r, prepared.bad_fraction
    return table


def spectrum_files(paths):
    """Return the files, of folders those that may hold spectra: catalogues are left out."""
    return find_files(paths, skip=lambda path: path.name.lower().startswith(TABLES))


def label_folder(data_dir):
    """Return where the MPA-JHU tables of a data set are: its folder, or labels/ in it."""
    inner = Path(data_dir) / "labels"
    return inner if inner.is_dir() else Path(data_dir)


def split_of(objects, config):
    """Return the split of each spectrum, 7:1:2 by a hash of its object (Sect. 3.2)."""
    return split_by_hash(objects, config.split, seed=config.seed)


def choose_sample(labels, config):
    """Choose what each network learns from.

    Parameters
    ----------
    labels : DataFrame
        As `prepare` keeps it: is_sf, bptclass, has_label.
    config : Config
        Seed, `per_kind` and `class_2`.

    Returns
    -------
    in_oh : ndarray of bool, shape (n,)
        The regression's sample: star-forming with a metallicity (Sect. 2).
    in_class : ndarray of bool, shape (n,)
        The classifier's: at most `per_kind` star-forming galaxies and as many others (Sect. 5).
    """
    in_class = np.zeros(len(labels), dtype=bool)
    rng = np.random.default_rng(config.seed)
    for kind in selection.kinds(labels, config.class_2):
        in_class[rng.permutation(np.flatnonzero(kind))[: config.per_kind]] = True
    return labels["has_label"].to_numpy(dtype=bool), in_class


def fingerprint(labels):
    """Return a short hash of ids, classes and metallicities, in any order of rows."""
    columns = labels[["id", "bptclass", "oh_true"]].fillna({"bptclass": 0, "oh_true": 0.0})
    rows = [f"{i}|{c}|{oh:.5f}" for i, c, oh in columns.itertuples(index=False)]
    return sample.fingerprint(rows)


def learned(df, run_dir, config):
    """Return which spectra a run was trained, stopped or calibrated on.

    Parameters
    ----------
    df : DataFrame of n rows
        id, and where labels are known specobjid; dataset, which tells a mock's files from others.
    run_dir : path-like
    config : Config
        Of the run.

    Returns
    -------
    ndarray of bool, shape (n,)
        Every spectrum of a galaxy that any spectrum of was learned from.
    """
    names = pd.Series("", df.index)
    if "specobjid" in df:  # a column of NaN where there are no labels
        names = df["specobjid"].astype(object).where(df["specobjid"].notna(), "").astype(str)
    path = Path(run_dir) / "data" / "labels.parquet"
    if path.is_file():
        known = pd.read_parquet(path, columns=["id", "object", "split"])
        known = known[known["split"].isin(("train", "valid"))]
        same = names.isin(set(known["object"]) - {""}) & (names != "")
        return (df["id"].astype(str).isin(set(known["id"].astype(str))) | same).to_numpy()
    # The prepared spectra may have been removed: the rule of the splits tells as well.
    same_kind = df["dataset"].eq(MOCK_FILES if config.is_mock else REAL_FILES).to_numpy()
    if config.is_mock:
        from lamost_metallicity.mock.make import SPECOBJIDS

        same_kind = same_kind & SPECOBJIDS.made(names, config.seed)
    return same_kind & (names != "").to_numpy() & (split_of(names, config) != "test")


def _find_data(config, data_dir, offline, notes):
    """Return the spectrum files and the folder of labels; a mock is made where it is not there."""
    if config.is_mock:
        from lamost_metallicity.mock.make import make_mock

        make_mock(n=config.n_galaxies, seed=config.seed, out_dir=data_dir, offline=offline)
    elif data_dir is None:
        from lamost_metallicity.archive import find

        return find(config, offline=offline, notes=notes)
    return spectrum_files(data_dir), label_folder(data_dir)


def prepare(config, folder, *, data_dir=None, offline=False):
    """Read, prepare, match and label a data set into shards, or take those already there.

    Parameters
    ----------
    config : Config
    folder : path-like
        Where the shards go, with selection.ecsv (what each cut leaves), rejects.ecsv, and
        drawn.csv (what was asked of LAMOST's archive).
    data_dir : path-like, optional
        Spectra and MPA-JHU tables; a mock is written there. Without it they are fetched.
    offline : bool
        Use no network.

    Returns
    -------
    Shards
        labels: object (one name for all spectra of a galaxy, "" without an MPA-JHU counterpart),
        split (`UNMATCHED` without one), those of `selection.select`, oh_planted (mocks), and where
        there is a counterpart those of `stronglines.strong_lines` and colour (mag).

    Raises
    ------
    MissingDataError
        If files are missing, or hold no labelled galaxy.
    UsageError
        If a mock is passed off as observed.
    """
    folder = Path(folder)
    if finished(folder):
        shards = Shards(folder)
        # Else an earlier call ended before the labels, or knew no colour.
        if {"has_label", "colour"} <= set(shards.labels):
            return shards
    paths, label_dir = _find_data(config, data_dir, offline, folder)
    mpajhu = read_mpajhu(label_dir)
    matcher = _Matcher(mpajhu, config.match_radius)
    rejects, seen, kept = [], [], []
    with ShardWriter(folder, config.width) as writer:
        for spectra in read_many(paths, rejects=rejects):
            prepared = preprocess(spectra, config)
            about = object_table(spectra, prepared)
            refuse_mock(about, config)
            galaxy = about["class"].str.upper().isin(("", "GALAXY")).to_numpy()  # not "Unknown"
            seen.append(about[galaxy])
            rejects += rejected(about, prepared)
            about["object"] = matcher.names(about)
            use = prepared.usable & galaxy
            if use.any():
                about = about.loc[use, ["id", "object"]].reset_index(drop=True)
                known = about["object"] != ""
                about["split"] = np.where(known, split_of(about["object"], config), UNMATCHED)
                writer.write(prepared.x[use], about)
                kept.append(_with_lines(about, spectra[use]))
    if rejects:
        write_table(reject_table(rejects), folder / "rejects.ecsv")
    if not any((part["split"] != UNMATCHED).any() for part in kept):
        (folder / "shards.json").unlink()
        first = f" The first reject: {rejects[0]['reason']}." if rejects else ""
        raise MissingDataError(
            f"No galaxy of {len(paths)} file(s) in {data_dir or label_dir.parent} can be used and "
            f"has an MPA-JHU counterpart within {config.match_radius:g} arcsec.{first}"
        )
    chosen, counts = selection.select(
        pd.concat(seen, ignore_index=True), mpajhu, z_max=config.z_max, snr_min=config.snr_min,
        radius=config.match_radius,
    )  # fmt: skip
    write_table(counts, folder / "selection.ecsv", meta={"DATASET": config.dataset})
    say(selection.printed(counts))
    labels = pd.concat(kept, ignore_index=True).merge(chosen, on="id", how="left")
    labels["has_label"] = labels["has_label"].eq(True)
    labels = labels.merge(_truth(data_dir), on="id", how="left")
    write_parquet(labels, folder / "labels.parquet")
    return Shards(folder)


class _Matcher:
    """Names the galaxy behind each spectrum: the first MPA-JHU spectrum within a radius."""

    def __init__(self, mpajhu, radius):
        from astropy.coordinates import SkyCoord

        # Kept, since astropy keeps the tree of places with it. DR7's tables have no ids.
        self.sky = SkyCoord(mpajhu["ra"].to_numpy(float), mpajhu["dec"].to_numpy(float), unit="deg")
        ids = mpajhu["specobjid"].to_numpy(dtype=object)
        self.known = np.where(ids == "", [f"row {i}" for i in range(len(ids))], ids)
        self.radius = radius

    def names(self, about):
        """Return one name a row, "" where there is no MPA-JHU spectrum; repeats share theirs."""
        from astropy import units
        from astropy.coordinates import SkyCoord

        out = np.full(len(about), "", dtype=object)
        place = about[["ra", "dec"]].to_numpy(dtype=float)
        placed = np.flatnonzero(np.isfinite(place).all(axis=1))
        if len(placed) and len(self.known):
            here = SkyCoord(*place[placed].T, unit="deg")
            pairs = here.search_around_sky(self.sky, self.radius * units.arcsec)
            found = pd.Series(pairs[0]).groupby(placed[pairs[1]]).min()
            out[found.index.to_numpy(dtype=int)] = self.known[found.to_numpy(dtype=int)]
        return out


def _with_lines(about, spectra):
    """Return the rows with strong lines and colour of the spectra that methods are compared on."""
    from lamost_metallicity.baselines import colour
    from lamost_metallicity.stronglines import strong_lines

    known = np.flatnonzero(about["split"] != UNMATCHED)
    if not len(known):
        return about
    lines = strong_lines(spectra[known]).assign(colour=colour(spectra[known]))
    lines.index = known
    return about.join(lines)


def _truth(data_dir):
    """Return id and oh_planted of a mock; empty for observed spectra."""
    path = Path(data_dir or ".") / "truth.parquet"
    if data_dir is None or not path.is_file():
        return pd.DataFrame({"id": pd.Series(dtype=str), "oh_planted": pd.Series(dtype=float)})
    table = pd.read_parquet(path, columns=["obsid", "oh"])
    return pd.DataFrame({"id": table["obsid"].astype(str), "oh_planted": table["oh"]})
