"""From any number of spectrum files to one catalogue of metallicities (Sect. 5, Table 3)."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from common import sample
from common.catalog import joined
from common.catalogue.files import make_of_files
from common.catalogue.make import ALONE
from common.catalogue.step import Step
from common.commands import predict as command
from common.crossmatch import say_joined
from common.errors import MissingDataError, UsageError
from common.paper import Option, number
from common.pipeline import ahead
from common.rows import collected, of_files
from common.surveys import read_many
from lamost_metallicity import selection
from lamost_metallicity.config import PAPER
from lamost_metallicity.data import label_folder, object_table, spectrum_files
from lamost_metallicity.networks import load_networks, predicted, prediction_table
from lamost_metallicity.pipelinelines import pipeline_lines
from lamost_metallicity.preprocess import preprocess

OII, HA, NII = 3728.48, 6564.61, 6585.27  # Å, vacuum
MARGIN = 15.0  # Å, default: a line this close to the window's end is cut
BAD_PIXELS = 0.3  # default: a larger share of pixels without information is flagged

UNITS = {"ra": "deg", "dec": "deg", "oh": "dex", "oh_err": "dex", "log_mass": "dex(solMass)",
         "log_sfr": "dex(solMass / yr)"}  # fmt: skip
UCDS = {
    "id": "meta.id;meta.main",
    "ra": "pos.eq.ra;meta.main",
    "dec": "pos.eq.dec;meta.main",
    "snr_r": "stat.snr;em.opt.R",
    "z": "src.redshift",
    "p_sf": "stat.probability",
    "p_other": "stat.probability",
    "oh": "phys.abund",
    "oh_err": "stat.error;phys.abund",
    "log_mass": "phys.mass",
    "log_sfr": "phys.SFR",
    "warnings": "meta.code.qual",
}
DESCRIPTIONS = {
    "snr_r": "signal-to-noise ratio per pixel in the r band",
    "z": "redshift as the file gives it; the networks do not use it",
    "p_sf": "the classifier's confidence that it is a star-forming galaxy",
    "p_other": "its confidence that it is another galaxy",
    "oh": "12 + log(O/H) in the gas, by the regression network; missing where not star-forming",
    "oh_err": "half-width of a 68 % interval about oh in dex, calibrated on held-out galaxies",
    "log_mass": "log stellar mass in the fibre (solar masses), by the multi-task network",
    "log_sfr": "log star formation rate in the fibre (solar masses a year), by the same network",
    "warnings": "semicolon-separated; empty where there is nothing to warn of",
}


def flags(networks, about, oh, star_forming):
    """Return what to warn of, dict of str to ndarray of bool, shape (n,).

    Parameters
    ----------
    networks : Networks
    about : DataFrame of n rows
        z, snr_r, bad_fraction, survey.
    oh : ndarray of shape (n,)
        Predicted metallicities.
    star_forming : ndarray of bool, shape (n,)
    """
    config = networks.config
    z = about["z"].to_numpy(dtype=float)

    def outside(rest):
        wave = rest * (1 + z)
        return (wave < config.wave_min + MARGIN) | (wave > config.wave_max - MARGIN)

    def range_of(name, value):
        low, high = networks.training_range.get(name, (-np.inf, np.inf))
        return (value < low) | (value > high)

    return {
        "NOT_STAR_FORMING": ~star_forming,
        "NO_Z": ~np.isfinite(z),
        "HA_NII_OUTSIDE": outside(HA) | outside(NII),
        "OII_OUTSIDE": outside(OII),
        "OH_RANGE": star_forming & range_of("oh", oh),
        "Z_RANGE": range_of("z", z),
        "SNR_RANGE": range_of("snr_r", about["snr_r"].to_numpy(dtype=float)),
        "BAD_PIXELS": about["bad_fraction"].to_numpy() > BAD_PIXELS,
        "OTHER_SURVEY": ~about["survey"].isin(["", "lamost"]).to_numpy(),
    }


def catalogue(networks, x, about, *, confidence, everything=False):
    """Predict prepared spectra.

    Parameters
    ----------
    networks : Networks
    x : ndarray of shape (n, n_pixels * channels)
        From `preprocess`.
    about : DataFrame of n rows
        As from `object_table`.
    confidence : float
        p_sf from which a galaxy counts as star-forming (the paper: 0.85).
    everything : bool
        Give metallicity, mass and rate for the other galaxies too, flagged.

    Returns
    -------
    DataFrame of n rows
        id, file, ra, dec and the columns of `DESCRIPTIONS`.
    """
    values = predicted(networks, x, about["snr_r"])
    p, p_other = values["p_sf"].to_numpy(), values["p_other"].to_numpy()
    star_forming = selection.star_forming(p_sf=p, p_other=p_other, confidence=confidence)
    table = about[["id", "file", "ra", "dec", "snr_r", "z"]].reset_index(drop=True)
    table["p_sf"], table["p_other"] = p, p_other
    shown = star_forming | everything
    columns = {"oh": "oh_pred", "oh_err": "oh_sigma", "log_mass": "lgm_pred", "log_sfr": "sfr_pred"}
    for ours, theirs in columns.items():
        table[ours] = values[theirs].where(shown, np.nan).astype("float64")
    table["warnings"] = joined(flags(networks, about, values["oh_pred"].to_numpy(), star_forming))
    return table


def usable(networks, spectra):
    """Prepare a batch of spectra; what is returned, `common.sample.usable` says."""
    prepared = preprocess(spectra, networks.config)
    return sample.usable(spectra, object_table(spectra, prepared), prepared)


def usable_chunks(networks, files, rejects):
    """Yield Spectra, who they are, and the network input of those that can be used."""
    for batch in ahead(read_many(files, rejects=rejects)):
        spectra, about, x, lost = usable(networks, batch)
        rejects += lost
        if len(x):
            yield spectra, about, x


class Rows:
    """The networks of a run, and rows of the catalogue for any number of batches.

    Parameters
    ----------
    run_dir : path-like
    confidence, everything
        As in `predict_files`.
    """

    def __init__(self, run_dir, *, confidence, everything):
        self.networks = load_networks(run_dir)
        own = self.networks.config.confidence
        self.choice = {"confidence": own if confidence is None else confidence,
                       "everything": everything}  # fmt: skip

    def __call__(self, batch):
        """Return the rows of a batch (None where it has none) and the rejects."""
        _, about, x, lost = usable(self.networks, batch)
        return (catalogue(self.networks, x, about, **self.choice) if len(x) else None), lost


def predict_files(run_dir, paths, out, *, confidence=None, everything=False, precision="float32",
                  how=ALONE):  # fmt: skip
    """Predict files and folders and write one catalogue, or go on with it after a kill.

    Parameters
    ----------
    run_dir : path-like
        Run folder with the trained networks.
    paths : sequence of path-like
        Files, or folders to search.
    out : path-like
        Catalogue, see `common.catalogue.make.make`.
    confidence : float, optional
        As in `catalogue`; the run's own by default.
    everything : bool
        As in `catalogue`.
    precision : str
        What the networks compute in, which is chosen already.
    how : common.catalogue.how.How
        By whom, and as one file or many.

    Returns
    -------
    common.catalogue.recipe.Made
        Spectra in the catalogue, and in OUT.rejects.ecsv.
    """
    if confidence is not None and not 0 <= confidence <= 1:
        raise UsageError(f"--confidence must be within 0 and 1. Received {confidence:g}.")
    rows = Step(Rows, run_dir, precision=precision, confidence=confidence, everything=everything)
    files, known = spectrum_files(paths), rows.here
    return make_of_files(
        files, rows, out, paper=PAPER, config=known.networks.config, run_dir=run_dir, how=how,
        told=_star_forming, options=known.choice | {"precision": precision},
        notes={"units": UNITS, "ucds": UCDS, "descriptions": DESCRIPTIONS},
    )  # fmt: skip


def _star_forming(parts):
    other = (t["warnings"].str.contains("NOT_STAR_FORMING") for t in parts.tables(["warnings"]))
    return f", {sum(int((~one).sum()) for one in other)} of them star-forming galaxies"


def predict_labelled(run_dir, paths):
    """Predict files for an evaluation: the table that `evaluate` reads, with split "real".

    Parameters
    ----------
    run_dir : path-like
    paths : sequence of path-like
        Files, or folders to search. Where a folder holds MPA-JHU tables too (or in labels/), they
        give the labels.

    Returns
    -------
    DataFrame, DataFrame
        As `lamost_metallicity.networks.prediction_table`, for every spectrum that can be used,
        with its strong lines, those of its survey's pipeline where the file lists them, survey and
        dataset; and the rejects.

    Raises
    ------
    SuiteError
        If no spectrum can be used.
    """
    from lamost_metallicity.stronglines import strong_lines

    networks, mpajhu, way = load_networks(run_dir), _labels(paths), []

    def step(batch):
        spectra, about, x, lost = usable(networks, batch)
        if not len(x):
            return None, lost
        labels = about if mpajhu is None else selection.label(about, mpajhu)
        if mpajhu is not None:
            way.append(labels["separation"].notna())
            labels["in_class"] = np.any(selection.kinds(labels, networks.config.class_2), axis=0)
            labels["in_oh"] = labels["is_sf"].eq(True) & labels["oh_true"].notna()
        labels = pd.concat([labels, strong_lines(spectra), pipeline_lines(about)], axis=1)
        split = np.full(len(x), "real", dtype=object)
        table = prediction_table(networks, lambda rows: x[rows], labels, split=split)
        table["survey"] = about["survey"].to_numpy()
        return table.assign(dataset=of_files(about["mock"])), lost

    table, rejects = collected(read_many(spectrum_files(paths)), step)
    if way:
        say_joined("the MPA-JHU catalogue", np.concatenate(way), ("not at all", "by position"))
    return table, rejects


def _labels(paths):
    """Return the MPA-JHU table of the first folder that has one, else None."""
    from common.surveys.mpajhu import read_mpajhu

    for path in paths:
        if Path(path).is_dir():
            try:
                return read_mpajhu(label_folder(path))
            except MissingDataError:
                continue
    return None


main = partial(
    command.main,
    PAPER,
    "Star-forming galaxies among spectra and their gas-phase metallicities, as one catalogue.",
    predict=predict_files,
    options=(
        number(
            "--confidence",
            "p_sf from which a galaxy counts as star-forming (default: the run's, 0.85)",
            zero=True,
        ),
        Option(
            "--all",
            "metallicities of the other galaxies too",
            more={"action": "store_true", "dest": "everything"},
        ),
    ),
)

if __name__ == "__main__":
    raise SystemExit(main())
