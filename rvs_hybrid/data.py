"""From stars to prepared rows: samples, spectra, targets and splits."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from common import pipeline
from common.cli import say
from common.errors import MissingDataError, SuiteError, UsageError
from common.sample import refuse_mock
from rvs_hybrid.config import DATASETS, EVERY_INPUT, INPUTS, LABELS, RVS
from rvs_hybrid.inputs import inputs_of, join_row, layout, split_row
from rvs_hybrid.tables import SYNTHETIC

ROWS = 4096
RVS_LIMITS = "the Cannon model's range"


def load_sample(config, *, data_dir=None, offline=False, notes=None):
    """Return the stars of a data set: the registry's, the archives', a folder's, or a mock.

    Parameters
    ----------
    config : Config
    data_dir : path-like, optional
        The user's own stars; a mock is written there.
    offline : bool
        Use no network.
    notes : path-like, optional
        Folder that gets the list of what was drawn from the archives.

    Raises
    ------
    UsageError
        If a mock is passed off as observed.
    """
    if config.is_mock:
        from rvs_hybrid.mock.make import make_mock

        make_mock(n=config.n_stars, seed=config.seed, out_dir=data_dir, offline=offline)
    elif data_dir is None and config.dataset == DATASETS[1]:
        from rvs_hybrid.archive import find

        data_dir = find(config, offline=offline, notes=notes)
    if data_dir is not None:
        from rvs_hybrid.stars.folder import read_folder

        made = config.rvs == RVS[1]
        sample = read_folder(
            data_dir,
            inputs=[name for name in config.inputs if not (made and name == "rvs")],
            rvs_dir=None if config.rvs in RVS else config.rvs,
            labels=config.label_scale,
        )
        refuse_mock(sample.files, config, takes="observed stars", mock=DATASETS[2])
        return sample
    if config.rvs == RVS[2]:
        raise UsageError(
            f"--dataset {config.dataset} with --rvs {config.rvs} takes your own stars: name their "
            "folder with --data-dir."
        )
    from rvs_hybrid.stars.sample import load

    try:
        return load(offline=offline)
    except MissingDataError as error:
        from rvs_hybrid.archive import registry_lacks

        raise registry_lacks(error) from None


def labels_of(stars):
    """Return which of the five labels a table of stars has, in order."""
    return tuple(name for name in LABELS if name in stars and stars[name].notna().any())


def named(config, *, own, made):
    """Return what a run's predictions are of, in words: a table that travels alone says it.

    Parameters
    ----------
    config : Config
    own : bool
        True for stars of the user's own (--data-dir).
    made : bool
        True where any RVS spectrum is none that was observed.
    """
    name = config.trained
    if config.is_mock:  # all of it is made
        return name
    if own and config.dataset == DATASETS[0]:
        name += " (own stars)"
    return f"{name} + {SYNTHETIC}" if made else name


def rvs_spectra(stars, config, folder, *, offline=False):
    """Return RVS spectra of the stars, their S/N, and which were made by a model.

    Semi-synthetic spectra are written in Gaia's own layout and read back through the survey's
    reader, as the user's files are.

    Parameters
    ----------
    stars : DataFrame
        n rows.
    config : Config
        `config.rvs`: "semi-synthetic", or the folder of the user's files.
    folder : path-like
        Where the semi-synthetic files go.
    offline : bool
        Use no network.

    Returns
    -------
    flux : ndarray of shape (n, 2401), float32
        NaN rows where a star has none.
    snr : ndarray of shape (n,)
    made : ndarray of bool, shape (n,)
        True where the file says that the spectrum is none that was observed.
    """
    from rvs_hybrid.stars.sources import find_sources, kind_of

    if config.rvs != RVS[1]:
        files = find_sources([Path(config.rvs)])
        files = [file for file in files if kind_of(file) == "RVS spectra"]
    else:
        files = list(_semi_synthetic(stars, config, Path(folder), offline))
    flux, snr, made = match_rvs(files, stars["source_id"].to_numpy())
    if config.rvs == RVS[1]:
        for file in files:
            file.unlink()
    return flux, snr, made


def match_rvs(files, source_id):
    """Return the RVS spectra in some files in the order of the given sources, as `rvs_spectra`.

    Raises
    ------
    SuiteError
        If a source is in two files.
    """
    from common.surveys.gaia_rvs import N_PIXELS, read_rvs, rvs_array

    row = {int(s): i for i, s in enumerate(source_id)}
    flux = np.full((len(row), N_PIXELS), np.nan, "float32")
    snr, made, of = np.full(len(row), np.nan), np.zeros(len(row), bool), {}
    for file in files:
        spectra = read_rvs(file)
        values, reasons = rvs_array(spectra)
        for i, source in enumerate(spectra.ids.astype("int64")):
            here = row.get(int(source))
            if here is None or reasons[i] is not None:
                continue
            if here in of:
                raise SuiteError(
                    f"Source {source} is in {of[here]} and in {file}. Keep one spectrum a source."
                )
            of[here], flux[here], snr[here] = file, values[i], spectra.meta["snr"].iloc[i]
            made[here] = spectra.meta["mock"].iloc[i]
    return flux, snr, made


def _semi_synthetic(stars, config, folder, offline):
    """Write RVS spectra from the Cannon model at each star's labels, file after file."""
    from common.mocks import rvs as mock
    from common.surveys.gaia_rvs import write_rvs

    rng = np.random.default_rng(config.seed)
    model = mock.RVS(offline=offline)
    metal = stars["fe_h"].fillna(stars["m_h"]).to_numpy(float)
    snr = mock.draw_snr(len(stars), rng)
    n_outside = 0
    for start in range(0, len(stars), ROWS):
        rows = slice(start, start + ROWS)
        part = stars.iloc[rows]
        flux, error, outside = mock.make_rvs(
            teff=part["teff"].to_numpy(float),
            logg=part["logg"].to_numpy(float),
            fe_h=metal[rows],
            alpha_m=part["alpha_m"].to_numpy(float),
            snr=snr[rows],
            rng=rng,
            model=model,
        )
        good = ~outside  # a clipped label would be a wrong one
        n_outside += int(outside.sum())
        file = folder / f"rvs-{start // ROWS:04d}.fits"
        write_rvs(
            file,
            source_id=part["source_id"].to_numpy()[good],
            flux=flux[good],
            flux_error=error[good],
            ra=part["ra"].to_numpy(float)[good],
            dec=part["dec"].to_numpy(float)[good],
            mock=True,
        )
        yield file
    if n_outside:
        say(f"semi-synthetic RVS: {n_outside} stars outside {RVS_LIMITS} have none")


def prepare(config, folder, *, data_dir=None, offline=False):
    """Write the prepared rows of a data set, or find them finished.

    Parameters
    ----------
    config : Config
        Its `inputs` say what a row holds.
    folder : path-like
        Of the shards.
    data_dir : path-like, optional
        The user's own stars.
    offline : bool
        Use no network.

    Returns
    -------
    common.pipeline.Shards
        Rows as `rvs_hybrid.inputs.join_row` makes them; labels: the star table with `id`,
        `snr_rvs` and has_* columns.
    """
    from rvs_hybrid.stars.sample import quality

    folder = Path(folder)
    if pipeline.finished(folder):
        return pipeline.Shards(folder)
    sample = load_sample(config, data_dir=data_dir, offline=offline, notes=folder)
    labels = labels_of(sample.stars)
    usable, cuts = quality(sample.stars, sample.xp, labels=labels, need_xp="xp" in config.inputs)
    say(cuts.to_string(index=False))
    rows = np.flatnonzero(usable)
    if config.most_stars and len(rows) > config.most_stars:
        rng = np.random.default_rng(config.seed)
        rows = np.sort(rng.choice(rows, config.most_stars, replace=False))
    if not len(rows):
        raise UsageError("No star of this data set can be used; the counts above say why.")
    stars = sample.stars.iloc[rows].reset_index(drop=True)
    stars["id"] = stars["source_id"].astype(str)
    folder.mkdir(parents=True, exist_ok=True)
    rvs = None
    if "rvs" not in config.inputs:
        stars["snr_rvs"], stars["rvs_made"] = np.nan, False
    elif sample.rvs is not None and config.rvs != RVS[1]:
        rvs, stars["rvs_made"] = sample.rvs[rows], stars["rvs_made"].fillna(0).astype(bool)
    else:
        found = rvs_spectra(stars, config, folder, offline=offline)
        rvs, stars["snr_rvs"], stars["rvs_made"] = found
    if rvs is not None and not np.isfinite(rvs).all(axis=1).any():
        raise UsageError(
            f"--rvs {config.rvs}: none of its spectra is of a star of this data set. They are "
            "joined by source_id."
        )
    bare = 0
    with pipeline.ShardWriter(folder, layout(config)[1]) as out:
        for start in range(0, len(rows), ROWS):
            here = slice(start, start + ROWS)
            part = stars.iloc[here]
            inputs = inputs_of(
                part,
                config,
                **{k: None if v is None else v[rows[here]] for k, v in sample.spectra.items()},
                rvs=None if rvs is None else rvs[here],
            )
            has = presence(inputs)
            some = np.any(list(has.values()), axis=0)
            bare += int((~some).sum())
            row = part.assign(**has)[some].reset_index(drop=True)
            if len(row):
                out.write(join_row(inputs)[some], row)
    cuts.loc[len(cuts)] = ("none of the network's inputs", bare, len(rows) - bare)
    if bare:
        say(f"{bare} stars have none of the network's inputs ({config.name}) and are left out")
    cuts.to_csv(folder / "selection.csv", index=False)
    return pipeline.Shards(folder)


def presence(inputs):
    """Return {"has_rvs": ...}, each ndarray of bool, shape (n,): whether an input is whole.

    Of the paper's four inputs, and of those that a network has beyond these.
    """
    n = len(next(iter(inputs.values())))
    found = {name: np.isfinite(values).all(axis=1) for name, values in inputs.items()}
    return {
        f"has_{name}": found.get(name, np.zeros(n, bool))
        for name in EVERY_INPUT
        if name in INPUTS or name in found
    }


def fingerprint(stars):
    """Return a short hash of which stars are in which split."""
    text = "\n".join(f"{s},{p}" for s, p in zip(stars["source_id"], stars["split"], strict=True))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def scaling(y, kind):
    """Return offset and scale of the labels over training rows, ndarrays of shape (n_labels,)."""
    if kind == "minmax":
        low, high = np.nanmin(y, axis=0), np.nanmax(y, axis=0)
        return low, high - low
    return np.nanmean(y, axis=0), np.nanstd(y, axis=0)


def dataset(shards, rows, targets, *, config, **options):
    """Return `common.pipeline.dataset` of (dict of inputs, scaled labels) over some rows."""
    plain = pipeline.dataset(shards, rows, targets, **options)
    return plain.map(lambda x, y: (split_row(x, config), y))
