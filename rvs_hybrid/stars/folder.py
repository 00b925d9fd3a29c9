"""The user's own training stars: one folder with APOGEE's allStar and Gaia's files."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from common.cli import say
from common.crossmatch import by_id, by_position
from common.errors import MissingDataError, ReadError
from common.surveys.apogee import STAR_BAD, read_allstar
from common.surveys.apogee_xp import RADIUS, possible
from common.surveys.find import find_files
from common.surveys.gaia_source import read_gaia_source
from rvs_hybrid.config import LABELS
from rvs_hybrid.stars.sample import Sample, complete
from rvs_hybrid.stars.sources import (
    ENDINGS,
    kind_of,
    read_sources,
    says_mock,
    with_zero_point,
)

APOGEE_EPOCH = 2000.0  # yr: positions of 2MASS, observed 1997-2001
FROM_APOGEE = ("apogee_id", "snr", "j", "h", "k", "a_k", *LABELS, *(f"{n}_err" for n in LABELS))
FROM_EITHER = ("ra", "dec", "g", "bp", "rp")
ALLSTAR = "APOGEE labels (an allStar table, FITS)"
NEEDED = {  # start of a kind, input that needs it: what is missing
    ("XP", "xp"): "XP continuous coefficients (Gaia's XP_CONTINUOUS)",
    ("XP", "coefficients"): "XP continuous coefficients (Gaia's XP_CONTINUOUS)",
    ("RVS", "rvs"): "RVS spectra (Gaia's RVS)",
}


def read_folder(data_dir, *, inputs=("xp",), rvs_dir=None, labels="apogee", progress=True):
    """Read a folder of labels, XP coefficients, gaia_source tables and RVS spectra.

    Parameters
    ----------
    data_dir : path-like
        Searched at all levels; kinds are told by the columns. gaia_source and RVS may be missing
        where allStar has the magnitudes.
    inputs : sequence of str
        Of the network: XP coefficients and RVS spectra are needed only where they are among these.
    rvs_dir : path-like, optional
        Another folder, of RVS spectra.
    labels : {"apogee", "gspspec"}
        Of APOGEE's allStar, or GSP-Spec's of Gaia's astrophysical_parameters, whose quality flags
        are all zero; allStar is then left aside.
    progress : bool
        Print the counts.

    Returns
    -------
    rvs_hybrid.stars.sample.Sample
        Stars with these labels that Gaia's files name. Joined by source_id, or, where allStar has
        those of Gaia DR2 (before DR17), by position within 1 arcsec at the epoch 2000.

    Raises
    ------
    MissingDataError
        If the folder lacks what training needs, or no star is in both.
    """
    folders = [Path(folder) for folder in (data_dir, rvs_dir) if folder is not None]
    kinds = {file: _kind(file) for file in find_files(folders, ENDINGS, labels=True)}
    found = ", ".join(sorted(set(filter(None, kinds.values())))) or "nothing of use"
    apogee = [file for file, kind in kinds.items() if kind.startswith("APOGEE")]
    rest = [file for file in kinds if file not in apogee]
    lacking = [ALLSTAR] if labels == "apogee" and not apogee else []
    lacking += [
        needed
        for (start, of), needed in NEEDED.items()
        if of in inputs and not any(kind.startswith(start) for kind in kinds.values())
    ]
    if not lacking and all(kind.startswith("APOGEE") for kind in kinds.values() if kind):
        lacking = ["Gaia's files (gaia_source, XP or RVS)"]
    if lacking:
        raise MissingDataError(
            f"{data_dir}: {' and '.join(dict.fromkeys(lacking))} are missing; found in "
            f"{len(kinds)} file(s): {found}. Put them into the folder, leave their input out "
            "(--inputs), or train on the registry's stars (without --data-dir)."
        )
    gaia = read_sources(rest, labels)
    if labels == "apogee":
        sources = [file for file in rest if kinds[file] == "gaia_source"]
        stars, rows, counts = _of_apogee(data_dir, apogee, gaia, sources)
    else:
        stars, rows, counts = _of_gspspec(data_dir, gaia)
    stars, spoilt = possible(stars)
    counts += [
        ("of them with XP spectrum", int(np.isfinite(gaia.xp[rows]).all(axis=1).sum())),
        ("of them with RVS spectrum", int(stars["has_rvs"].sum())),
        ("of them with G, BP and RP", int(stars[["g", "bp", "rp"]].notna().all(axis=1).sum())),
        ("of them with parallax", int(stars["parallax"].notna().sum())),
        ("files and rows that cannot be used", len(gaia.rejects)),
        *((f"rows with an impossible {name}, set to missing", n) for name, n in spoilt.items()),
    ]
    counts = pd.DataFrame(counts, columns=["step", "rows"])
    if progress:
        say(counts.to_string(index=False, header=False))
        for reject in gaia.rejects[:3]:
            say(f"not used: {reject['file']} {reject['id']}: {reject['reason']}")
    own = [file for file, kind in kinds.items() if kind and not kind.startswith("RVS")]
    return Sample(
        stars=complete(stars),
        counts=counts,
        files=pd.DataFrame({"file": own, "mock": [says_mock(file) for file in own]}),
        **{name: values[rows] for name, values in gaia.spectra.items()},
    )


def _of_apogee(data_dir, files, gaia, sources):
    """Return the stars of allStar among Gaia's sources, their rows there, and the counts."""
    labels, release = _labels(files)
    match = _match(labels, gaia.stars, release, sources)
    if not len(match):
        raise MissingDataError(
            f"{data_dir}: none of the {len(labels)} stars of allStar is among the {len(gaia)} "
            "sources of Gaia's files. Fetch Gaia's files for the source_ids of allStar."
        )
    order = match.left[np.argsort(match.right)]
    rows = np.sort(match.right)
    stars = _join(gaia.stars.iloc[rows].reset_index(drop=True), labels.iloc[order], release)
    counts = [
        ("stars of allStar", len(labels)),
        ("sources of Gaia's files", len(gaia)),
        (f"stars in both ({'by source_id' if release == 'EDR3' else 'by position'})", len(match)),
        ("of them ambiguous (first or nearest taken)", match.ambiguous),
    ]
    return stars, rows, counts


def _of_gspspec(data_dir, gaia):
    """Return the sources with GSP-Spec's labels, their rows, and the counts."""
    rows = np.flatnonzero(gaia.stars[list(LABELS)].notna().any(axis=1))
    if not len(rows):
        raise MissingDataError(
            f"{data_dir}: none of the {len(gaia)} sources has parameters of GSP-Spec whose quality "
            "flags are all 0. Put Gaia's astrophysical_parameters of them into the folder, with "
            "the columns *_gspspec and flags_gspspec."
        )
    counts = [
        ("sources of Gaia's files", len(gaia)),
        ("with parameters of GSP-Spec, no flag above 0", len(rows)),
    ]
    return gaia.stars.iloc[rows].reset_index(drop=True), rows, counts


def _kind(file):
    try:
        return kind_of(file)
    except ReadError:
        return ""  # counted, with its reason, when the others are read


def _labels(files):
    """Return the rows of all allStar tables, and whose source_id they have."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # repeated stars are left out, older ids handled here
        tables = [read_allstar(file) for file in files]
    releases = {table.attrs["gaia_release"] for table in tables}
    labels = pd.concat(tables, ignore_index=True)
    labels = labels.drop_duplicates("apogee_id").reset_index(drop=True)
    bad = (labels["aspcapflag"].to_numpy() & STAR_BAD) != 0
    labels.loc[bad, [name for name in LABELS if name in labels]] = np.nan
    if bad.any():
        say(f"{bad.sum()} stars are flagged STAR_BAD by ASPCAP: their labels are not used")
    return labels, "EDR3" if releases == {"EDR3"} else "DR2"


def _match(labels, stars, release, sources):
    """Return the `Match` of labels (left) with stars (right)."""
    if release == "EDR3":
        return by_id(left=labels["source_id"], right=stars["source_id"])
    motion = {}
    if sources:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tables = [read_gaia_source(file) for file in sources]
        known = pd.concat(tables).drop_duplicates("source_id").set_index("source_id")
        known = known.reindex(stars["source_id"])
        motion = dict(pmra=known["pmra"], pmdec=known["pmdec"], other_epoch=APOGEE_EPOCH,
                      epoch=known["ref_epoch"].fillna(2016.0))  # fmt: skip
    found = by_position(
        ra=stars["ra"],
        dec=stars["dec"],
        other_ra=labels["ra"],
        other_dec=labels["dec"],
        radius_arcsec=RADIUS,
        **motion,
    )
    return found.swapped()


def _join(stars, labels, release):
    """Return Gaia's rows with the labels of the same rows."""
    labels = labels.reset_index(drop=True)
    new = {name: labels[name] for name in FROM_APOGEE}
    for name in FROM_EITHER:
        new[name] = stars[name].fillna(labels[name])
    if release == "EDR3":  # the same parallaxes as DR3's
        none = stars["parallax"].isna()
        for name in ("parallax", "parallax_error"):
            new[name] = stars[name].mask(none, labels[name])
        new["parallax_zp"] = stars["parallax_zp"].fillna(with_zero_point(labels)["parallax_zp"])
    return stars.assign(**new)
