"""The peer on the spectra that a run's network was tested on."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from common import claims, cli, runs
from common.errors import SuiteError, UsageError
from common.figures import save
from common.files import write_parquet
from common.mocks import moons
from common.rows import held_out, kept
from common.surveys import read_many
from common.surveys.ids import place_of
from mtopnet.config import PAPER, Config
from mtopnet.data import label_table, spectrum_files, split_of
from mtopnet.figures.peer import success_beside
from mtopnet.kinds import other_kind
from mtopnet.mock.make import BOTH, make_mock
from mtopnet.peer import scalars
from mtopnet.peer.fit import NO_ERRORS, Fitter, Grid, peak
from mtopnet.peer.templates import make
from mtopnet.tables import peer as tables_peer
from mtopnet.tables import redshifts as tables

SAME_Z = 1e-4  # labels that differ by more are of other galaxies


def peer_run(run_dir, out=None, *, on=None, data_dir=None, n=None, prior=False, degree=-1,
             offline=False):  # fmt: skip
    """Fit the test spectra of a run, or those of a folder, and compare with its network.

    Parameters
    ----------
    run_dir : path-like
    out : path-like, optional
        Output folder: the run folder by default, or RUN/on_FOLDER.
    on : path-like, optional
        Folder of spectra and labels that the network predicts and the peer fits.
    data_dir : path-like, optional
        Spectra and labels of the run itself; without it a mock is made again, and other data are
        read where the run read them.
    n : int, optional
        Spectra at most, drawn by the run's seed.
    prior : bool
        Give the peer the mock's own distribution of redshifts.
    degree : int
        Of polynomials added in each arm; -1: none.
    offline : bool
        Use no network.

    Returns
    -------
    DataFrame, DataFrame
        As `mtopnet.tables.peer.peer_table` and `floor_table` (empty with `on`: nothing to learn
        from). Also in tables/peer.ecsv, tables/peer_floor.ecsv, figures/peer and peer.parquet (id,
        galaxy, z_peer, peer_gap: by how much in chi2 the best redshift leads).

    Raises
    ------
    SuiteError
        If the run is not finished, or its spectra are not found.
    UsageError
        If the spectra have no errors or other pixels than MOONS's.
    """
    run_dir = Path(run_dir)
    config, about = runs.read_config(run_dir, Config)
    if n is not None and n < 1:
        raise UsageError(f"--n must be at least 1. Received {n}.")
    if on is None:
        df = held_out(tables.read_predictions(runs.predictions_of(run_dir, PAPER.package)))
        out = Path(out or run_dir)
    else:
        from mtopnet.predict import predict_labelled

        df, _, _ = predict_labelled(run_dir, [Path(on)])
        out, df = kept(df, run_dir, on, out), tables.with_types(df)
    df = of_its_kind(df[df["z_true"].notna()])
    if n is not None and n < len(df):
        rows = np.sort(np.random.default_rng(config.seed).permutation(len(df))[:n])
        df = df.iloc[rows].reset_index(drop=True)
    grid = Grid(moons.grid(), z_range=(config.z_min, config.z_max))
    templates = make(grid, variant=light_of(config.mock), seed=config.seed, offline=offline)
    density = _density(templates.z) if prior else None
    fitter = Fitter(templates.all, grid, parts=_arms(), degree=degree)
    own = Path(on) if on is not None else data_dir or about.get("data_dir")
    with _spectra(config, own, out, offline) as folder:
        labels = label_table(folder)
        _check_same(df, labels, folder)
        learn = labels.iloc[:0]
        if on is None:
            learn = labels[split_of(labels["galaxy"].astype(str), config) == "train"]
            learn = of_its_kind(learn)
        found, known = _fitted(folder, df, learn, grid, templates, fitter, density)
    df = df.merge(found, on="id", how="inner", validate="1:1")
    floor = pd.DataFrame()
    if len(known) >= 10 * tables.FEWEST:
        df = _with_scalars(df, learn, known, config.seed)
        floor = tables_peer.floor_table(df)
    table = tables_peer.peer_table(df)
    claims.write(table, out / "tables" / "peer.ecsv", dataset=config.dataset, prior=prior)
    if len(floor):
        claims.write(floor, out / "tables" / "peer_floor.ecsv", dataset=config.dataset)
    names = ["id", "galaxy", "z_peer", "peer_gap", "lgm_peer", "sfr_peer"]
    write_parquet(df[[c for c in names if c in df]], out / "peer.parquet")
    save(success_beside(table), out / "figures" / "peer")
    return table, floor


def light_of(mock):
    """Return the variant that templates are made of: both kinds of a mixed mock shine alike."""
    return BOTH[0] if mock == "both" else mock


def of_its_kind(df):
    """Return the rows of galaxies: redshifts of stars and failed fibres are nobody's to find."""
    return df[~other_kind(df)].reset_index(drop=True)


def _arms():
    return [np.isin(np.arange(moons.PIXELS), np.arange(moons.PIXELS)[part])
            for part in moons.arm_slices().values()]  # fmt: skip


def _density(z):
    """Return the density of redshifts as a function."""
    from scipy.stats import gaussian_kde

    return gaussian_kde(z)


@contextmanager
def _spectra(config, folder, out, offline):
    """Give the folder of spectra and labels; a mock's is made again where none is named."""
    if folder is not None:
        yield Path(folder)
        return
    if not config.is_mock:
        raise UsageError("Give --data-dir: this run does not say where its spectra are.")
    out.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(out).free < 3e5 * config.n_galaxies:
        raise SuiteError(
            f"{out} has no room for the mock's files, {0.3 * config.n_galaxies / 1e3:.1f} GB: name "
            "another -o, or give --data-dir."
        )
    with TemporaryDirectory(prefix="mock-", dir=out) as made:
        make_mock(n=config.n_galaxies, seed=config.seed, out_dir=made, exposures=config.exposures,
                  variant=config.mock, offline=offline)  # fmt: skip
        yield Path(made)


def _check_same(df, labels, folder):
    """Raise where the labels are not of the spectra that the network was tested on."""
    rows = place_of(labels["id"], df["id"])
    z = labels["z_true"].to_numpy(float)
    same = rows >= 0
    same &= np.abs(np.where(rows >= 0, z[rows], np.nan) - df["z_true"].to_numpy(float)) < SAME_Z
    if not same.all():
        raise SuiteError(
            f"{folder}: {(~same).sum()} of the {len(df)} tested spectra are not there with their "
            "redshifts. Give --data-dir with the run's own spectra; a mock of another version "
            "cannot be made again, train anew."
        )


def _fitted(folder, df, learn, grid, templates, fitter, density):
    """Return redshifts of the tested spectra, and features of these and of those to learn from."""
    wanted = df[["id", "z_true"]].assign(test=True)
    wanted = pd.concat([wanted, learn[["id", "z_true"]].assign(test=False)], ignore_index=True)
    rows, known, columns = [], {}, 1 + 2 * (len(templates.lines) + scalars.BINS)
    with cli.progress(total=len(wanted), unit="spectra", desc="peer") as bar:
        for spectra in read_many(spectrum_files(_inner(folder))):
            flux, ivar = _arrays(spectra)
            place = place_of(wanted["id"], spectra.ids)
            for i in np.flatnonzero(place >= 0):
                row = wanted.iloc[place[i]]
                weight, product = (v[0] for v in grid.sums(flux[i : i + 1], ivar[i : i + 1]))
                bar.update(1)
                if not weight.any():
                    continue
                if len(learn):
                    known[row["id"]] = scalars.features(grid, templates, weight, product,
                                                        row["z_true"])  # fmt: skip
                if row["test"]:
                    gain = fitter.gain(weight, product)
                    rows.append((row["id"], *peak(grid.z, gain, prior=density)))
    x = np.array(list(known.values())).reshape(len(known), columns)
    return (
        pd.DataFrame(rows, columns=["id", "z_peer", "peer_gap"]),
        pd.DataFrame(x, index=list(known)),
    )


def _inner(folder):
    inner = Path(folder) / "spectra"
    return inner if inner.is_dir() else folder


def _arrays(spectra):
    """Return flux and ivar of a batch, 0 where a pixel is bad."""
    spectra, wave = spectra.in_vacuum(), moons.grid()
    if spectra.is_ragged or len(spectra.wavelength) != len(wave) or not np.allclose(
        spectra.wavelength, wave, rtol=0, atol=1e-3
    ):  # fmt: skip
        raise UsageError(
            f"The peer fits MOONS's own {len(wave)} pixels. Received "
            f"{'spectra of several grids' if spectra.is_ragged else len(spectra.wavelength)}."
        )
    if spectra.ivar is None:
        raise UsageError(NO_ERRORS)
    ivar = np.asarray(spectra.ivar, dtype=float)
    if spectra.mask is not None and not spectra.mask_is_warning:
        ivar = np.where(np.asarray(spectra.mask, dtype=bool), 0, ivar)
    return np.asarray(spectra.flux, dtype=float), ivar


def _with_scalars(df, learn, known, seed):
    """Return the table with lgm_peer and sfr_peer, learned on the rows to learn from."""
    own = known.reindex(df["id"]).to_numpy()
    train = learn[learn["id"].isin(known.index)]
    x = known.loc[train["id"]].to_numpy()
    for name in ("lgm", "sfr"):
        predict = scalars.learned(x, train[f"{name}_true"].to_numpy(float), seed=seed)
        df = df.assign(**{f"{name}_peer": predict(own)})
    return df
