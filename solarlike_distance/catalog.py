"""From any number of LAMOST spectra to one catalogue of stars and distances (Table D.1)."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from common import sample
from common.catalog import joined
from common.catalogue.files import make_of_files
from common.catalogue.make import ALONE
from common.catalogue.parts import stamp
from common.catalogue.step import Step
from common.cli import say
from common.commands import predict as command
from common.crossmatch import say_joined
from common.errors import UsageError
from common.paper import Option
from common.rows import collected
from common.surveys import read_many
from solarlike_distance.catalogue import columns
from solarlike_distance.catalogue.repeats import keys_of, without_copies
from solarlike_distance.config import PAPER
from solarlike_distance.data import object_table, spectrum_files
from solarlike_distance.labels import photometry as photometry_table
from solarlike_distance.labels import starlabels
from solarlike_distance.labels.photometry import read_photometry
from solarlike_distance.labels.starlabels import StarCatalogue
from solarlike_distance.networks import load_networks, predicted, with_distances
from solarlike_distance.preprocess import preprocess
from solarlike_distance.tables.application import why_not


def known_table(about, *, photometry=None, stars=None):
    """Return what tables say of spectra: `about` with lasp_*, source_id and Gaia's columns.

    Parameters
    ----------
    about : DataFrame of n rows
        From `object_table`.
    photometry, stars
        As of `star_table`.
    """
    table = about.reset_index(drop=True)
    if stars is not None:
        table = stars.fill(table)
    if photometry is not None:
        row, way = photometry.find(table)
        own = photometry.columns(row).assign(_photometry=way)
        if "source_id" in table:
            own["source_id"] = own["source_id"].fillna(table.pop("source_id"))
        table = pd.concat([table, own], axis=1)
    return table


JOINED = {  # hidden column: the table, and the ways in which a spectrum is found in it
    "_photometry": ("photometry", photometry_table.WAYS),
    "_lasp": ("stars", starlabels.WAYS),
}


def star_table(networks, x, about, *, photometry=None, stars=None):
    """Predict prepared spectra.

    Parameters
    ----------
    networks : Networks
    x : ndarray of shape (n, n_pixels)
        From `preprocess`.
    about : DataFrame of n rows
        From `object_table`.
    photometry : Photometry, optional
        Without it there are no distances.
    stars : StarCatalogue, optional
        LASP's parameters and Gaia's ids.

    Returns
    -------
    DataFrame of n rows
        `about`, lasp_*, source_id, Gaia's columns, L_pred, L_sigma of every label L, and
        `solarlike_distance.distance.columns`; `JOINED`, how a spectrum was found in each table.
    """
    return predicted_table(networks, x, known_table(about, photometry=photometry, stars=stars))


def predicted_table(networks, x, table):
    """Return the rows of `known_table` with predictions and distances; see `star_table`."""
    table = table.reset_index(drop=True)
    options = {}
    if "ag_given" in table:
        options = {"ag": table["ag_given"], "ag_error": table["ag_given_error"]}
    table = pd.concat([table, predicted(networks, x, table["snr_g"])], axis=1)
    return with_distances(networks, table, **options)


def usable(networks, spectra):
    """Prepare a batch of spectra; what is returned, `common.sample.usable` says."""
    prepared = preprocess(spectra, networks.config)
    return sample.usable(spectra, object_table(spectra, prepared), prepared)


def part_of(networks, spectra, about, x, *, photometry=None, stars=None, select=None):
    """Return the rows of a catalogue, with the hidden columns that tell repeated spectra.

    Returns
    -------
    DataFrame or None, list of dict
        The rows, and rejects: the stars that `select` leaves out, which are not predicted.
    """
    table, lost = known_table(about, photometry=photometry, stars=stars), []
    if select == "paper":
        why = why_not(table, networks.config)
        use = why == ""
        lost = [{"file": f, "id": i, "reason": r} for f, i, r in
                zip(table["file"][~use], table["id"][~use], why[~use], strict=True)]  # fmt: skip
        spectra, table, x = spectra[use], table[use], x[use]
    if not len(x):
        return None, lost
    table = predicted_table(networks, x, table)
    table["name"] = columns.observation_name(table)
    extinction = photometry is not None and photometry.extinction is not None
    table["warnings"] = joined(columns.flags(table, networks, extinction=extinction))
    part = columns.catalogue(table)
    hidden = {name: table[name] for name in JOINED if name in table}
    return part.assign(**hidden, **keys_of(spectra, table, part["name"])), lost


class Rows:
    """The networks of a run, tables of stars, and rows of the catalogue for any batches.

    Parameters
    ----------
    run_dir : path-like
    photometry, lasp, distances, extinction, select
        As of `make_catalogue`.

    Attributes
    ----------
    networks : Networks
    tables : dict
        photometry and stars, those that are given.
    """

    def __init__(self, run_dir, *, photometry, lasp, distances, extinction, select):
        self.networks, self._select, self.tables = load_networks(run_dir), select, {}
        if photometry is not None:
            self.tables["photometry"] = read_photometry(
                photometry, config=self.networks.config, extinction=extinction, distances=distances
            )
            _check_select(select, self.tables["photometry"])
        if lasp is not None:
            self.tables["stars"] = StarCatalogue(lasp)

    def __call__(self, batch):
        """Return the rows of a batch (None where it has none) and the rejects."""
        spectra, about, x, lost = usable(self.networks, batch)
        if not len(x):
            return None, lost
        part, out = part_of(self.networks, spectra, about, x, select=self._select, **self.tables)
        return part, lost + out


def make_catalogue(run_dir, paths, out, *, photometry=None, lasp=None, distances=None,
                   extinction=None, select=None, precision="float32", how=ALONE):  # fmt: skip
    """Predict files and folders and write one catalogue.

    Parameters
    ----------
    run_dir : path-like
        Run folder with the trained networks.
    paths : sequence of path-like
        Files, or folders to search.
    out : path-like
        Catalogue, see `common.catalogue.make.make`.
    photometry : path-like, optional
        Table of Gaia's columns, see `read_photometry`; without it there are no distances.
    lasp : path-like, optional
        LAMOST's catalogue of stellar parameters.
    distances : path-like, optional
        Bailer-Jones et al.'s distances, joined to the photometry by source_id.
    extinction : str, optional
        Column of the photometry with A_G.
    select : {"paper"}, optional
        Only the stars that the paper applies its network to (`tables.application`): the others are
        rejects.
    precision : str
        What the networks compute in, which is chosen already.
    how : common.catalogue.how.How
        By whom, and as one file or many.

    Returns
    -------
    common.catalogue.recipe.Made
        Spectra in the catalogue, and in OUT.rejects.ecsv.

    Raises
    ------
    UsageError
        If an option cannot be used, or OUT.parts holds parts of another catalogue.
    ReadError
        If the run is not finished or a table cannot be read.
    SuiteError
        If no spectrum can be used.

    Notes
    -----
    Memory holds the tables beside what `common.catalogue.make.make` needs, and 16 bytes a spectrum;
    each worker holds the tables too.
    """
    if photometry is None and (extinction or distances):
        option = "--extinction" if extinction else "--distances"
        raise UsageError(f"{option} needs --photometry, the table that it belongs to.")
    if photometry is None and select:
        raise UsageError(f"--select {select} needs --photometry: which stars lack a good distance.")
    given = {"photometry": photometry, "lasp": lasp, "distances": distances}
    rows = Step(Rows, run_dir, precision=precision, extinction=extinction, select=select, **given)
    files, networks, tables = spectrum_files(paths), rows.here.networks, rows.here.tables

    def meta(parts):
        own = {"SPECTRA": _kinds(parts),
               "AG": extinction or "from bp_rp and cnn_bprp, as in the released code",
               "SELECTED": select or "all"}  # fmt: skip
        return PAPER.header(networks.config, run_dir) | own

    return make_of_files(
        files, rows, out, paper=PAPER, config=networks.config, run_dir=run_dir, how=how,
        duplicates="keep", options={k: stamp(v) for k, v in given.items()}
        | {"extinction": extinction, "select": select, "precision": precision},
        notes=columns.notes(), meta=meta, revise=without_copies,
        told=partial(_say_tally, tables=tables),
    )  # fmt: skip


def _check_select(select, photometry):
    """Raise where the photometry cannot say which stars lack a good distance."""
    needed = ("parallax", "parallax_over_error", "distance_gspphot")
    lacking = [n for n in needed if not photometry.frame[n].notna().any()]
    if select and lacking:
        raise UsageError(
            f"--select {select}: {photometry.path} has no {', '.join(lacking)}. Needed: parallax, "
            "parallax_error or parallax_over_error, and distance_gspphot of Gaia DR3."
        )


def _kinds(parts):
    """Return what the spectra are, "observed", "mock" or "observed and mock"."""
    values = {bool(v) for table in parts.tables(["mock"]) for v in table["mock"].unique()}
    return " and ".join(name for name in ("observed", "mock") if (name == "mock") in values)


def _say_tally(parts, *, tables):
    """Say how many are joined, have a distance, are warned of, before repeats are looked for."""
    warned, distances = Counter(), 0
    for name, (what, known) in JOINED.items():
        if what in tables:
            ways = [table[name].to_numpy() for table in parts.tables([name])]
            say_joined(tables[what].path, np.concatenate(ways), known)
    for table in parts.tables(["cnn_distance", "warnings"]):
        distances += int(table["cnn_distance"].notna().sum())
        for text in table["warnings"]:
            warned.update(filter(None, text.split(";")))
    told = ", ".join(f"{name} {n}" for name, n in warned.most_common())
    say(f"{distances} distances; warnings: {told or 'none'}")
    return ""


def predict_labelled(run_dir, paths):
    """Predict files for an evaluation: the table that `evaluate` reads, with split "real".

    Parameters
    ----------
    run_dir : path-like
    paths : sequence of path-like
        Files, or folders to search. Tables in a folder (or in labels/ there) give labels: a star
        catalogue (LASP's, or index.csv), APOGEE's allStar in its place where it has the star, and
        Gaia's columns with geometric distances.

    Returns
    -------
    DataFrame, DataFrame
        As predictions.parquet of a run (docs/run-folder.md), for every spectrum that can be used;
        and the rejects.

    Raises
    ------
    SuiteError
        If no spectrum can be used.
    """
    from solarlike_distance.labelled import Labels

    networks = load_networks(run_dir)
    labels = Labels(paths, networks.config)

    def step(batch):
        _, about, x, lost = usable(networks, batch)
        if not len(x):
            return None, lost
        return labels.label(star_table(networks, x, about, **labels.tables)), lost

    stream = read_many(spectrum_files(paths), duplicates="keep", progress=False)
    df, rejects = collected(stream, step)
    for name, (what, known) in JOINED.items():
        if what in labels.tables:
            say_joined(labels.tables[what].path, df[name].to_numpy(), known)
    return df.drop(columns=[name for name in JOINED if name in df]), rejects


TABLE = {"type": Path, "metavar": "TABLE"}
OPTIONS = (
    Option("--photometry", "columns of Gaia's gaia_source (csv, ecsv, FITS, VOTable), joined by "
           "obsid, else source_id, else position within 3 arcsec; without it there are no "
           "distances", more=TABLE),
    Option("--distances", "distances of Bailer-Jones et al. (2021), joined to the photometry by "
           "source_id", more=TABLE),
    Option("--extinction", "column of the photometry with A_G, such as ag_gspphot (default: from "
           "observed and predicted colour, as in the released code)", more={"metavar": "COLUMN"}),
    Option("--select", "paper: only the stars that the paper applies its network to, solar-like by "
           "LASP, S/N_g of 10 or more, and without a good distance of Gaia's (needs --photometry "
           "with parallax, its error and distance_gspphot); the others are rejects",
           more={"choices": ("paper",)}),
    Option("--lasp", "LAMOST's catalogue of stellar parameters, joined by obsid, else by night, "
           "plan and fibre", more=TABLE),
)  # fmt: skip


main = partial(
    command.main,
    PAPER,
    "Labels, absolute magnitudes and distances of stars from LAMOST spectra, as one catalogue.",
    predict=make_catalogue,
    options=OPTIONS,
    verb="catalog",
)

if __name__ == "__main__":
    raise SystemExit(main())
