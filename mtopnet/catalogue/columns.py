"""The columns of the catalogue, what they mean, and what is warned of."""

from __future__ import annotations

import numpy as np
import pandas as pd

from common.catalog import joined
from mtopnet import linemap
from mtopnet import pdf as pdfs
from mtopnet.kinds import LIMIT
from mtopnet.tables import redshifts as tables

SECOND = 0.3  # default: a second peak with more than this share of the first is told of
BAD_PIXELS = 0.3  # default: a larger share of channels without information is flagged
MARKED = 0.5  # default: fewer of the lines in sight marked than this share is told of
ABOUT = ("id", "file", "ra", "dec", "exposure", "m_h")

UNITS = {"ra": "deg", "dec": "deg", "exposure": "h", "m_h": "mag",
         "log_mass": "dex(solMass)", "log_mass_err": "dex", "log_sfr": "dex(solMass / yr)",
         "log_sfr_err": "dex"}  # fmt: skip
UCDS = {
    "id": "meta.id;meta.main",
    "ra": "pos.eq.ra;meta.main",
    "dec": "pos.eq.dec;meta.main",
    "exposure": "time.duration;obs.exposure",
    "m_h": "phot.mag;em.IR.H",
    "z": "src.redshift",
    "z_low68": "stat.min;src.redshift",
    "z_high68": "stat.max;src.redshift",
    "z_low95": "stat.min;src.redshift",
    "z_high95": "stat.max;src.redshift",
    "z_mean": "src.redshift;stat.mean",
    "z_std": "stat.stdev;src.redshift",
    "p_z": "stat.probability",
    "z2": "src.redshift",
    "p_z2": "stat.probability",
    "entropy": "stat.value",
    "skewness": "stat.value",
    "quality": "meta.code.qual",
    "log_mass": "phys.mass",
    "log_mass_err": "stat.error;phys.mass",
    "log_sfr": "phys.SFR",
    "log_sfr_err": "stat.error;phys.SFR",
    "p_none": "stat.probability",
    "warnings": "meta.code.qual",
}
DESCRIPTIONS = {
    "exposure": "exposure time as the file gives it",
    "m_h": "apparent AB magnitude in H as the file gives it",
    "z": "redshift: centre of the bin where the network's own PDF is highest",
    "z_low68": "lower end of the shortest interval that holds 68 % of the calibrated PDF",
    "z_high68": "its upper end",
    "z_low95": "lower end of the shortest interval that holds 95 % of the calibrated PDF",
    "z_high95": "its upper end",
    "z_mean": "mean of the calibrated PDF",
    "z_std": "standard deviation of the calibrated PDF",
    "p_z": "calibrated probability within 0.01 of z",
    "z2": "second solution: the network's highest other maximum, at least 0.02 away; missing "
    "without one",
    "p_z2": "calibrated probability within 0.01 of z2",
    "entropy": "Shannon entropy of the network's own PDF on bins of 0.003, in nats: 0 sure, 6.7 "
    "flat",
    "skewness": "skewness of that PDF's vector of probabilities on bins of 0.003: 28 sure, 0 flat",
    "quality": "1 where entropy is below the cut (the paper: 2), else 0",
    "log_mass": "log stellar mass (solar masses)",
    "log_mass_err": "half-width of a 68 % interval about it",
    "log_sfr": "log star formation rate (solar masses a year)",
    "log_sfr_err": "half-width of a 68 % interval about it",
    "lines": "lines that the network marks where z puts them; what it holds to be there, not a "
    "measured detection",
    "p_none": "probability that the spectrum is none of the network's kind: a star, a redshift "
    "beyond the bins, a fibre without light; only of networks that were trained with such spectra",
    "warnings": "semicolon-separated; empty where there is nothing to warn of",
}


def flags(networks, about, values, share):
    """Return what to warn of, dict of str to ndarray of bool, shape (n,).

    Parameters
    ----------
    networks : Networks
    about : DataFrame of n rows
        bad_fraction, note, survey.
    values : DataFrame of n rows
        As `mtopnet.networks.predicted` gives it.
    share : ndarray of shape (n,)
        Of the lines in sight at z, those that the network marks; NaN where it marks none at all.
    """
    config = networks.config
    z = values["z_peak"].to_numpy(float)
    ranges = getattr(networks, "training_range", None) or {}

    def beyond(name, value):
        low, high = ranges.get(name, (-np.inf, np.inf))
        return (value < low) | (value > high)

    survey = about["survey"] if "survey" in about else pd.Series("", index=about.index)
    note = about["note"] if "note" in about else pd.Series("", index=about.index)
    nothing = np.zeros(len(about), bool)
    return {
        "TWO_SOLUTIONS": (values["p_peak2"] > SECOND * values["p_peak"]).to_numpy(),
        "EDGE_OF_Z": (z < config.z_min + pdfs.NEAR) | (z > config.z_max - pdfs.NEAR),
        "NO_BRIGHT_LINE": (z >= tables.DARK_Z[0]) & (z < tables.DARK_Z[1]),
        "LINES_DISAGREE": share < MARKED,
        "Z_RANGE": beyond("z", z),
        "MASS_RANGE": beyond("log_mass", values["lgm_pred"].to_numpy(float)),
        "SFR_RANGE": beyond("log_sfr", values["sfr_pred"].to_numpy(float)),
        "BAD_PIXELS": about["bad_fraction"].to_numpy(float) > BAD_PIXELS,
        "NEGATIVE_CONTINUUM": note.str.contains("negative").to_numpy(bool),
        "OTHER_KIND": (values["p_none"] > LIMIT).to_numpy() if "p_none" in values else nothing,
        "OTHER_SURVEY": ~survey.isin(["", "moons"]).to_numpy(),
    }


def object_table(spectra, prepared):
    """Return who the spectra of a batch are and what became of them, a DataFrame of n rows.

    Parameters
    ----------
    spectra : Spectra
    prepared : Prepared
        Of these spectra.

    Returns
    -------
    DataFrame of n rows
        `ABOUT`, survey, galaxy and mock, NaN or empty where the files do not say; bad_fraction and
        note.
    """
    meta, table = spectra.meta, pd.DataFrame({"id": spectra.ids})
    for name in (*ABOUT[1:], "survey", "galaxy", "mock"):
        blank = {"file": "", "survey": "", "galaxy": "", "mock": False}.get(name, np.nan)
        table[name] = meta[name].to_numpy() if name in meta else blank
    table["bad_fraction"], table["note"] = prepared.bad_fraction, prepared.note
    return table


def catalogue(networks, x, about, *, cut=tables.ENTROPY_CUT, passes=0):
    """Predict prepared spectra.

    Parameters
    ----------
    networks : Networks
    x : ndarray of shape (n, n_input)
        From `mtopnet.preprocess.preprocess`: `Prepared.inputs`.
    about : DataFrame of n rows
        As from `object_table`.
    cut : float
        Entropy (nats) below which a redshift counts as good (the paper: 2).
    passes : int
        With more than 0, redshifts are those of so many passes of MC dropout, averaged.

    Returns
    -------
    DataFrame of n rows
        `ABOUT` and the columns of `DESCRIPTIONS`; p_none where the network has it.
    ndarray of shape (n, n_bins)
        The calibrated PDFs.
    """
    from mtopnet.networks import line_map, mc_predicted, predicted
    from mtopnet.preprocess import grid

    values, pdf = predicted(networks, x, calibrated=True)
    if passes:
        averaged, pdf = mc_predicted(networks, x, passes, calibrated=True)
        values = values.assign(**{c: averaged[c].to_numpy() for c in averaged})
    table = pd.DataFrame({name: about[name].to_numpy() if name in about else np.nan
                          for name in ABOUT})  # fmt: skip
    table["z"] = values["z_peak"].to_numpy(float)
    for name in ("z_low68", "z_high68", "z_low95", "z_high95", "z_mean", "z_std"):
        table[name] = values[name].to_numpy(float)
    table["p_z"], table["z2"] = values["p_near"], values["z_peak2"]
    second = np.where(np.isfinite(table["z2"]), table["z2"], table["z"])
    table["p_z2"] = np.where(np.isfinite(table["z2"]),
                             pdfs.mass_near(pdf, networks.edges, z=second), np.nan)  # fmt: skip
    table["entropy"], table["skewness"] = values["entropy"], values["skewness"]
    table["quality"] = (table["entropy"] < cut).astype("int16")
    scalars = {"log_mass": "lgm_pred", "log_mass_err": "lgm_sigma", "log_sfr": "sfr_pred",
               "log_sfr_err": "sfr_sigma"}  # fmt: skip
    for name, theirs in scalars.items():
        table[name] = values[theirs].to_numpy(float) if theirs in values else np.nan
    share = np.full(len(table), np.nan)
    table["lines"] = ""
    if "lines" in networks.config.tasks:
        marked, wavelength = line_map(networks, x), grid(networks.config)
        table["lines"] = linemap.found_lines(marked, table["z"], wavelength)
        value = linemap.strength(marked, linemap.line_channels(table["z"], wavelength), wavelength)
        seen = np.isfinite(value).sum(axis=1)
        share = (np.nan_to_num(value) > linemap.MARKED).sum(axis=1) / np.maximum(seen, 1)
        share[~(marked > linemap.MARKED).any(axis=1)] = np.nan  # says nothing about this spectrum
    if "p_none" in values:
        table["p_none"] = values["p_none"].to_numpy(float)
    table["warnings"] = joined(flags(networks, about, values, share))
    return table, pdf
