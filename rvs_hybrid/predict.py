"""Labels of the user's own stars, as one catalogue."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from common.catalog import joined
from common.catalogue.make import ALONE, make
from common.catalogue.recipe import Recipe
from common.catalogue.step import Step
from common.commands import predict as command
from common.errors import SuiteError
from common.rejects import reject_table
from common.rows import MOCK_FILES, REAL_FILES
from rvs_hybrid import networks as nets
from rvs_hybrid.config import EVERY_INPUT, NAMES, PAPER, UNITS
from rvs_hybrid.data import presence
from rvs_hybrid.inputs import inputs_of
from rvs_hybrid.quality import judge
from rvs_hybrid.stars import files
from rvs_hybrid.stars.sample import split_of
from rvs_hybrid.tables import SYNTHETIC

RUWE = 1.4  # Lindegren 2018, GAIA-C3-TN-LU-LL-124: above it the astrometry does not fit one star
LOW_SNR = 15.0  # [seed]: the sample's lower limit
TABLES = {
    "apogee": "an APOGEE allStar table (FITS)",
    "gspspec": "Gaia's astrophysical_parameters (GSP-Spec's parameters and flags)",
}
ABOUT = ("source_id", "ra", "dec", "g", "snr_rvs", "parallax", "parallax_error", "ruwe")
COLUMN_UNITS = {"ra": "deg", "dec": "deg", "g": "mag", "parallax": "mas", "parallax_error": "mas"}
COLUMN_UCDS = {
    "source_id": "meta.id;meta.main", "ra": "pos.eq.ra;meta.main", "dec": "pos.eq.dec;meta.main",
    "g": "phot.mag;em.opt", "snr_rvs": "stat.snr", "parallax": "pos.parallax",
    "parallax_error": "stat.error;pos.parallax", "ruwe": "stat.fit.goodness",
    "limit_distance": "stat.value", "outside_limits": "meta.code", "warnings": "meta.code",
    "file": "meta.file",
}  # fmt: skip
LABEL_UCDS = {
    "teff": "phys.temperature.effective", "logg": "phys.gravity",
    "m_h": "phys.abund.Z", "fe_h": "phys.abund.Fe", "alpha_m": "phys.abund",
}  # fmt: skip
DESCRIPTIONS = {
    "source_id": "Gaia DR3 identifier",
    "snr_rvs": "signal-to-noise ratio of the RVS spectrum",
    "ruwe": "renormalised unit weight error of the astrometry",
    "limit_distance": "distance of the XP spectrum (without a sampled one of its coefficients) "
    "from the training set, in units of the one that 99.9 % of it stay below",
    "outside_limits": "XP or RVS spectrum, colours, parallax or labels lie outside those limits of "
    "the training set that the network keeps",
    "warnings": "semicolon-separated; empty where there is nothing to warn of",
    "file": "first file that names the source",
}


def flags_of(stars, present, networks, outside):
    """Return {flag: ndarray of bool, shape (n,)} of the catalogue's warnings.

    Parameters
    ----------
    stars : DataFrame
        With parallax, parallax_zp, ruwe, snr_rvs, rvs_made, mock.
    present : dict
        As `rvs_hybrid.data.presence` gives it.
    networks : Networks
        Inputs that they do not have are not missed.
    outside : ndarray of bool, shape (n,)
    """
    config = networks.config
    has_parallax = present["has_parallax"] & ("parallax" in config.inputs)
    corrected = stars["parallax"].to_numpy(float) - np.nan_to_num(stars["parallax_zp"])
    missing = {f"NO_{kind.upper()}": ~present[f"has_{kind}"] for kind in config.inputs}
    return missing | {
        "NEGATIVE_PARALLAX": corrected < 0,
        "NO_ZERO_POINT": (stars["parallax"].notna() & stars["parallax_zp"].isna()).to_numpy(),
        "DR2_TRAINED": has_parallax & (networks.gaia == "DR2"),  # the star's own is of DR3
        "HIGH_RUWE": stars["ruwe"].to_numpy(float) > RUWE,
        "LOW_SNR_RVS": stars["snr_rvs"].to_numpy(float) < LOW_SNR,
        "MADE_RVS": stars["rvs_made"].to_numpy(bool),
        "MOCK": stars["mock"].to_numpy(bool),
        "OUTSIDE_LIMITS": outside,
    }


def catalogue(networks, stars, inputs):
    """Predict prepared stars.

    Parameters
    ----------
    networks : Networks
    stars : DataFrame of n rows
        As `rvs_hybrid.stars.sources.Sources` has it.
    inputs : dict of str to ndarray
        As `rvs_hybrid.inputs.inputs_of` gives them.

    Returns
    -------
    DataFrame of n rows
        `ABOUT`; for each label its value, L_err (half-width of the calibrated 68 % interval) and
        L_ensemble (standard deviation over members, not an error); limit_distance,
        outside_limits, warnings, file.
    """
    config = networks.config
    found = nets.columns(networks, inputs)
    table = stars[list(ABOUT)].reset_index(drop=True)
    for name in config.labels:
        table[name] = found[f"{name}_pred"]
        table[f"{name}_err"] = found.get(f"{name}_sigma", found[f"{name}_raw"])
        table[f"{name}_ensemble"] = found[f"{name}_ensemble"]
    predicted = {name: found[f"{name}_pred"] for name in config.labels}
    table["limit_distance"], table["outside_limits"] = judge(inputs, predicted, networks.limits)
    outside = table["outside_limits"].to_numpy()
    table["warnings"] = joined(flags_of(stars, presence(inputs), networks, outside))
    table["file"] = stars["file"].to_numpy()
    return table


def usable(networks, sources):
    """Return the stars that have at least one input of the network, their inputs, and the rejects.

    Parameters
    ----------
    networks : Networks
    sources : rvs_hybrid.stars.sources.Sources

    Returns
    -------
    DataFrame, dict of str to ndarray, list of dict
    """
    stars, config = sources.stars, networks.config
    inputs = inputs_of(stars, config, **sources.spectra)
    use = np.zeros(len(stars), bool)
    for values in inputs.values():
        use |= np.isfinite(values).any(axis=1)
    reason = f"none of the network's inputs ({', '.join(config.inputs)})"
    lost = [
        {"file": row.file, "id": str(row.source_id), "reason": reason}
        for row in stars[~use].itertuples()
    ]
    inputs = {name: values[use] for name, values in inputs.items()}
    return stars[use].reset_index(drop=True), inputs, lost


def chunks(networks, sources):
    """Yield (stars, inputs) of the sources with at least one input that the network has."""
    for batch in sources.batches(files.ROWS):
        stars, inputs, lost = usable(networks, batch)
        sources.rejects += lost
        if len(stars):
            yield stars, inputs


class Rows:
    """The networks of a run, and rows of the catalogue for any number of batches."""

    def __init__(self, run_dir):
        self.networks = nets.load_networks(run_dir)

    def __call__(self, batch):
        """Return the rows of a batch of sources (None where it has none) and the rejects."""
        stars, inputs, lost = usable(self.networks, batch)
        return (catalogue(self.networks, stars, inputs) if len(stars) else None), lost


def predict_files(run_dir, paths, out, *, precision="float32", how=ALONE):
    """Predict the sources in files and folders and write one catalogue, or go on after a kill.

    Parameters
    ----------
    run_dir : path-like
        Run folder with the trained networks.
    paths : sequence of path-like
        See `rvs_hybrid.stars.sources.gather`, whose memory grows with the sources.
    out : path-like
        Catalogue, see `common.catalogue.make.make`.
    precision : str
        What the networks compute in, which is chosen already.
    how : common.catalogue.how.How
        By whom, and as one file or many.

    Returns
    -------
    common.catalogue.recipe.Made
        Stars in the catalogue, and in OUT.rejects.ecsv.
    """
    rows = Step(Rows, run_dir, precision=precision)
    networks, source = rows.here.networks, files.StarFiles(paths)
    config = networks.config
    more = {"PARALLAX": f"Gaia {networks.gaia}"} if "parallax" in config.inputs else {}
    if config.variant:
        more["LABELS"] = config.truth

    recipe = Recipe(
        source=source,
        rows=rows,
        run_dir=run_dir,
        options={"precision": precision},
        notes=notes_of(config.labels, networks.calibration, truth=config.truth),
        meta=PAPER.header(config, run_dir, INPUTS=config.name, RVS=networks.rvs, **more),
        none=source.none,
    )
    return make(recipe, out, how)


def notes_of(labels, calibrated, *, truth="APOGEE"):
    """Return units, ucds and descriptions of the columns of a catalogue of some labels.

    `calibrated` holds those whose errors are; the labels are on the scale of `truth`.
    """
    units = COLUMN_UNITS | {f"{k}{e}": UNITS[k] for k in labels for e in ("", "_err", "_ensemble")}
    ucds = COLUMN_UCDS | {k: LABEL_UCDS[k] for k in labels}
    ucds |= {f"{k}_err": f"stat.error;{LABEL_UCDS[k]}" for k in labels}
    ucds |= {f"{k}_ensemble": f"stat.stdev;{LABEL_UCDS[k]}" for k in labels}
    texts = dict(DESCRIPTIONS)
    for k in labels:
        texts |= {
            k: f"{NAMES[k]}: mean of the ensemble, on {truth}'s scale",
            f"{k}_err": f"half-width of the calibrated 68 % interval of {NAMES[k]}"
            if k in calibrated
            else f"error of {NAMES[k]} as the networks give it, not calibrated",
            f"{k}_ensemble": f"standard deviation of {NAMES[k]} over the ensemble; not an error",
        }
    return {"units": units, "ucds": ucds, "descriptions": texts}


def predict_labelled(run_dir, paths):
    """Predict sources with known labels: the table that `evaluate` reads, with split "real".

    Parameters
    ----------
    run_dir : path-like
    paths : sequence of path-like
        Gaia's files beside an APOGEE allStar table, whose labels are taken; of a network of
        GSP-Spec's labels Gaia's astrophysical_parameters.

    Returns
    -------
    DataFrame, DataFrame
        As predictions.parquet of a run, and the rejects.

    Raises
    ------
    SuiteError
        If no source that can be used has a label.
    """
    from rvs_hybrid.stars.sources import read_sources

    networks = nets.load_networks(run_dir)
    config, parts = networks.config, []
    sources, labels = read_sources(paths, config.label_scale), config.labels
    name = f"{REAL_FILES} ({config.truth} labels)" if config.variant else REAL_FILES
    for stars, inputs in chunks(networks, sources):
        seen = _seen(run_dir, stars["source_id"])
        for source in stars.loc[seen, "source_id"]:
            reason = "the run was trained, stopped or calibrated on this star"
            sources.rejects.append({"file": "", "id": str(source), "reason": reason})
        if seen.all():
            continue
        stars = stars[~seen].reset_index(drop=True)
        inputs = {kind: values[~seen] for kind, values in inputs.items()}
        names = np.where(stars["rvs_made"], f"{name} + {SYNTHETIC}", name)
        names = np.where(stars["mock"], MOCK_FILES, names)
        part = stars.drop(columns=["file", "has_rvs", "mock"]).assign(
            split="real", **presence(inputs)
        )
        for label in labels:
            part[f"{label}_true"], part[f"{label}_true_err"] = stars[label], stars[f"{label}_err"]
        found = nets.columns(networks, inputs)
        part = part.assign(**found, dataset=names)
        predicted = {label: found[f"{label}_pred"] for label in labels}
        part["limit_distance"], part["outside_limits"] = judge(inputs, predicted, networks.limits)
        known = part[[f"{label}_true" for label in labels]].notna().any(axis=1)
        for source in part.loc[~known, "source_id"]:
            reason = f"no {config.truth} label to compare with"
            sources.rejects.append({"file": "", "id": str(source), "reason": reason})
        parts.append(part[known])
    if not parts or not sum(len(part) for part in parts):
        table = TABLES[config.label_scale]
        raise SuiteError(
            f"No source that can be used has a label and was not trained on. Put {table} "
            "beside Gaia's files; inputs of this network: "
            f"{', '.join(networks.config.inputs)} of {', '.join(EVERY_INPUT)}."
        )
    rejects = reject_table(sources.rejects)
    return pd.concat(parts, ignore_index=True), rejects


def _seen(run_dir, source_id):
    """Return which sources a run was trained, stopped or calibrated on, ndarray of bool."""
    path = Path(run_dir) / "data" / "labels.parquet"
    if not path.exists():  # prepared rows may have been removed: the rule tells as well
        return split_of(source_id) != "test"
    known = pd.read_parquet(path, columns=["source_id", "split"])
    return source_id.isin(known.loc[known["split"] != "test", "source_id"]).to_numpy()


main = partial(
    command.main,
    PAPER,
    "Labels of Gaia's stars, as one catalogue.",
    predict=predict_files,
    unit="stars",
    paths="gaia_source tables, XP coefficients, RVS spectra",
)

if __name__ == "__main__":
    raise SystemExit(main())
