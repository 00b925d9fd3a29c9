"""Labels, splits and the way from files to shards and batches (Sect. 3.1)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from common import sample
from common.assets.lacking import lacking
from common.catalog import write_table
from common.errors import MissingDataError
from common.lines import LINES_MOONS
from common.pipeline import Shards, ShardWriter, finished
from common.rejects import reject_table
from common.sample import refuse_mock, rejected, split_by_hash
from common.surveys import find_files, read_many
from common.surveys.ids import place_of
from common.surveys.moons_labels import NUMBERS, TEXTS, find_labels, read_labels
from mtopnet.kinds import other_kind
from mtopnet.linemap import true_map
from mtopnet.preprocess import grid, preprocess

NAMES = {"z": "z_true", "log_mass": "lgm_true", "log_sfr": "sfr_true"}  # labels here


def label_table(data_dir):
    """Return the labels of a data set's folder, one row a spectrum, by the names used here.

    Returns
    -------
    DataFrame
        As `common.surveys.moons_labels.read_labels` gives it, with z_true, lgm_true (log Msun) and
        sfr_true (log Msun/yr) for its z, log_mass and log_sfr.

    Raises
    ------
    MissingDataError
        If there is no table.
    ReadError
        If it lacks a column that is needed, or an id stands there twice.
    """
    table = read_labels(data_dir).rename(columns=NAMES)
    for name in NAMES.values():
        if name not in table:
            table[name] = np.nan
        table[name] = table[name].astype(float)
    return table


def by_eye(verdicts, data_dir):
    """Return labels with an inspector's redshifts, one row a verdict that has one.

    Parameters
    ----------
    verdicts : DataFrame
        As from `common.inspect.verdicts.read_verdicts`.
    data_dir : path-like
        What its table of labels says beside the redshift is kept, where it has one.
    """
    own = _labels_or_none(data_dir, needed=False)
    if own is None:
        numbers = [*NAMES.values(), *(name for name in NUMBERS if name not in NAMES)]
        own = pd.DataFrame(columns=[*TEXTS, *numbers]).set_index("id")
        own = own.astype(dict.fromkeys(numbers, float))
    seen = verdicts[verdicts["z"].notna()]
    out = own.drop(columns="id", errors="ignore").reindex(seen.index).assign(z_true=seen["z"])
    out = out.rename_axis("id").reset_index()
    return out.assign(galaxy=out["galaxy"].fillna(out["id"]), kind=out["kind"].fillna(""))


def spectrum_files(paths):
    """Return the files, of folders those that may hold spectra: labels are left out."""
    return find_files(paths, skip=lambda path: path.name.lower().startswith("labels"))


def split_of(objects, config):
    """Split by a hash of each galaxy, 70:15:15 (Sect. 3.1).

    Parameters
    ----------
    objects : sequence of str
        Name of the galaxy behind each spectrum: all its exposures go into one split. (The paper
        splits spectra, by what it says: the 4 h spectrum of a test galaxy may then have been
        trained on at 8 h.)
    config : Config
        Fractions, and the seed that is hashed too.

    Returns
    -------
    ndarray of str, shape (n,)
        "train", "valid" or "test"; the same for a galaxy whatever else the sample holds.
    """
    return split_by_hash(objects, config.split, seed=config.seed)


def fingerprint(labels):
    """Return a short hash of ids and redshifts, in any order of rows."""
    rows = zip(labels["id"], labels["z_true"], strict=True)
    return sample.fingerprint([f"{i}|{z:.5f}" for i, z in rows])


def label_faults(table, config):
    """Return why labels cannot be trained on, "" where they can, ndarray of str, shape (n,).

    A redshift has to lie in the bins; masses and rates of star formation may be missing. Spectra of
    another kind (`other_kind`) need none where the network learns to tell them.
    """
    z = table["z_true"].to_numpy(dtype=float)
    reason = np.full(len(z), "", dtype=object)
    fine = (z >= config.z_min) & (z < config.z_max)
    if config.none:
        fine |= other_kind(table)
    for i in np.flatnonzero(~fine):
        reason[i] = (
            f"label z = {z[i]:.4f} outside the network's bins, {config.z_min:g} <= z < "
            f"{config.z_max:g}"
            if np.isfinite(z[i])
            else "no redshift in the table of labels"
        )
    return reason


def _find_data(config, data_dir, offline):
    """Return the spectrum files; a mock is made in `data_dir` where it is not there yet."""
    if config.is_mock:
        from mtopnet.mock.make import make_mock

        make_mock(n=config.n_galaxies, seed=config.seed, out_dir=data_dir,
                  exposures=config.exposures, variant=config.mock, offline=offline)  # fmt: skip
    elif data_dir is None:
        raise lacking(
            dataset="moons", what="118 194 simulated spectra with MOONS1D and their labels",
            size="about 23 GB", why="the paper's authors have not published them", command="",
            mock="python -m mtopnet.train --dataset moons-mock",
            more="MOONS1D's own output and labels.fits can be used (data/README.md says how).",
        )  # fmt: skip
    find_labels(data_dir)  # known before hours of reading
    inner = Path(data_dir) / "spectra"
    return spectrum_files(inner if inner.is_dir() else data_dir)


def prepare(config, folder, *, data_dir=None, offline=False):
    """Read, prepare and label a data set into shards, or take those already there.

    Parameters
    ----------
    config : Config
    folder : path-like
        Where the shards go, with rejects.ecsv.
    data_dir : path-like, optional
        Spectra and labels; a mock is written there.
    offline : bool
        Use no network.

    Returns
    -------
    Shards
        Rows of `config.n_input` numbers: channels, continuum points, photometry. Labels: id,
        galaxy, file, split, mock and those of `label_table`.

    Raises
    ------
    MissingDataError
        If files are missing, or hold no spectrum that can be used.
    UsageError
        If a mock is passed off as observed.
    """
    folder = Path(folder)
    if finished(folder):
        return Shards(folder)
    paths = _find_data(config, data_dir, offline)
    return from_files(config, folder, data_dir, paths, offline=offline)


def from_files(
    config, folder, data_dir, paths, *, offline=False, mock_allowed=False, labels_needed=True
):
    """Read, prepare and label files into shards; arguments and errors as of `prepare`.

    Parameters
    ----------
    paths : sequence of path-like
        The spectra.
    mock_allowed : bool
        Take mocks whatever the configuration's data set is.
    labels_needed : bool
        Without them and without a table: rows with NaN in place of labels.
    """
    folder = Path(folder)
    table = _labels_or_none(data_dir, labels_needed)
    rejects, kept = [], 0
    with ShardWriter(folder, config.n_input) as writer:
        for spectra in read_many(paths, rejects=rejects):
            part = with_labels(spectra, table, config)
            faults = label_faults(part, config) if table is not None else ""
            if not mock_allowed:
                refuse_mock(part, config, takes="MOONS1D's or observed spectra")
            prepared = preprocess(spectra, config, offline=offline)
            reason = np.where(prepared.usable, faults, prepared.reason)
            prepared = replace(prepared, reason=reason)
            rejects += rejected(part, prepared)
            use = prepared.usable
            if use.any():
                part = part[use].reset_index(drop=True)
                part["split"], part["note"] = split_of(part["galaxy"], config), prepared.note[use]
                writer.write(prepared.inputs[use], part)
                kept += len(part)
    if rejects:
        write_table(reject_table(rejects), folder / "rejects.ecsv")
    if not kept:
        (folder / "shards.json").unlink()
        first = f" The first reject: {rejects[0]['reason']}." if rejects else ""
        raise MissingDataError(
            f"No spectrum of {len(paths)} file(s) in {data_dir} can be used and has a label that "
            f"can.{first}"
        )
    return Shards(folder)


def _labels_or_none(data_dir, needed):
    try:
        return label_table(data_dir).set_index("id", drop=False)
    except MissingDataError:
        if needed:
            raise
        return None


def with_labels(spectra, table, config):
    """Return the labels of each spectrum of a batch, and set its photometry from them.

    Parameters
    ----------
    spectra : Spectra
        Its `meta` gets the columns mag_BAND of the table.
    table : DataFrame or None
        As from `label_table`, with the id as its index.
    config : Config

    Returns
    -------
    DataFrame of n rows
        NaN in the rows that the table does not know.
    """
    if table is None:
        table = pd.DataFrame(columns=["id", "galaxy", "kind", *NAMES.values()]).astype(
            dict.fromkeys(NAMES.values(), float)
        )
        table["galaxy"] = table["galaxy"].astype(object)
    rows = place_of(table.index, spectra.ids)
    part = table.drop(columns="id").reset_index(drop=True)
    part = part.reindex(np.where(rows < 0, len(part), rows))  # beyond the end: all missing
    part.insert(0, "id", spectra.ids)
    part = part.reset_index(drop=True)
    lost = part["galaxy"].isna()
    meta = spectra.meta
    named = meta["galaxy"].to_numpy() if "galaxy" in meta else part["id"].to_numpy()
    part["galaxy"] = part["galaxy"].where(~lost, pd.Series(named)).astype(str)
    part["galaxy"] = part["galaxy"].where(part["galaxy"] != "", part["id"])
    part["kind"] = part["kind"].where(~lost, "").astype(str)
    part.insert(2, "file", meta["file"].to_numpy() if "file" in meta else "")
    part["mock"] = meta["mock"].to_numpy(dtype=bool) if "mock" in meta else False
    for band in config.photometry:
        if (name := f"mag_{band}") in part and name not in meta:
            meta[name] = part[name].to_numpy(dtype=float)
    return part


def line_windows(config):
    """Return what the line masks are made of.

    Returns
    -------
    wave : ndarray of shape (n_pixels,)
        Channels, Å, vacuum.
    rest : ndarray of shape (n_lines,)
        Lines at rest, Å, vacuum.
    """
    return grid(config), np.array(sorted(LINES_MOONS.values()))


def line_mask(z, config):
    """Return ones within `line_margin` channels of each line at its redshift (Sect. 3.1).

    Parameters
    ----------
    z : ndarray of shape (n,)

    Returns
    -------
    ndarray of shape (n, n_pixels), uint8
        As `mtopnet.linemap.true_map`.
    """
    return true_map(z, grid(config), margin=config.line_margin).view("uint8")


def redshift_target(z, config):
    """Return a Gaussian about the middle of each redshift's bin, its sum 1 (Sect. 3.1).

    Parameters
    ----------
    z : ndarray of shape (n,)

    Returns
    -------
    ndarray of shape (n, n_bins), float32
    """
    edges = config.edges
    middle = (edges[1:] + edges[:-1]) / 2
    own = np.clip(np.searchsorted(edges, z, side="right") - 1, 0, config.n_bins - 1)
    # exp underflows beyond 38 sigma, so only bins near enough are computed.
    reach = min(int(np.ceil(8 * config.z_sigma / config.dz)) + 1, config.n_bins - 1)
    near = own[:, None] + np.arange(-reach, reach + 1)
    inside = (near >= 0) & (near < config.n_bins)
    away = (np.arange(-reach, reach + 1) * config.dz) / max(config.z_sigma, 1e-12)
    weight = np.where(inside, np.exp(-0.5 * away**2), 0)
    out = np.zeros((len(own), len(middle)), dtype="float32")
    rows = np.broadcast_to(np.arange(len(own))[:, None], near.shape)
    out[rows[inside], near[inside]] = (weight / weight.sum(axis=1, keepdims=True))[inside]
    return out


def targets(labels, scaling, config):
    """Return what `dataset` needs of each row: z, standardised log mass and log SFR, (n, 3).

    With `config.none` a fourth column: 1 where a row is none of the network's kind, else 0.

    Parameters
    ----------
    labels : DataFrame
        z_true, lgm_true, sfr_true, kind.
    scaling : dict of str to (mean, std)
        lgm and sfr.
    """
    columns = [labels["z_true"].to_numpy(dtype=float)]
    for name in ("lgm", "sfr"):
        mean, std = scaling[name]
        columns.append((labels[f"{name}_true"].to_numpy(dtype=float) - mean) / std)
    if config.none:
        columns.append(other_kind(labels).astype(float))
    return np.stack(columns, axis=1)


def dataset(shards, index, y, *, config, batch_size, seed=None, replicas=1):
    """Return batches of ({spectrum, continuum}, {task: target}); targets are made as they go.

    With `config.none` batches have weights too: those of tasks are 0 where a row is none of the
    network's kind, and such that a loss is the mean over the others.

    Redshift vectors and line masks of a batch are a few ms of work, and 200 times as large as the
    numbers that they are made from: stored, those of the paper's sample would fill 6 GB.

    Parameters
    ----------
    shards : Shards
    index : ndarray of int, shape (n,)
    y : ndarray of shape (n, 3 or 4)
        As from `targets`.
    config : Config
    batch_size, seed, replicas
        As of `common.pipeline.dataset`.
    """
    import tensorflow as tf

    from common.pipeline import dataset as rows

    def make(z):
        return redshift_target(z, config), line_mask(z, config)

    def expand(x, y):
        z, lines = tf.numpy_function(make, [y[:, 0]], (tf.float32, tf.uint8), stateful=False)
        z = tf.ensure_shape(z, (None, config.n_bins))
        lines = tf.ensure_shape(lines, (None, config.n_pixels))
        scalars = tf.cast(y[:, 1:], tf.float32)
        inputs = {"spectrum": x[:, : config.n_pixels], "continuum": x[:, config.n_pixels :]}
        out = {"z": z, "lines": lines, "mass": scalars[:, :1], "sfr": scalars[:, 1:2]}
        if not config.none:
            return inputs, out
        own = 1 - scalars[:, 2]
        share = own * tf.cast(tf.size(own), tf.float32) / tf.maximum(tf.reduce_sum(own), 1)
        weights = dict.fromkeys(out, share) | {"none": tf.ones_like(own)}
        return inputs, out | {"none": scalars[:, 2:3]}, weights

    ds = rows(shards, index, y, batch_size=batch_size, seed=seed, replicas=replicas)
    return ds.map(expand, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)
