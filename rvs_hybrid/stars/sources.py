"""Gaia's files of any kind and number as one table of sources, joined by source_id."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from common.cli import progress, say
from common.errors import ReadError, SuiteError
from common.surveys.apogee import STAR_BAD, read_allstar
from common.surveys.apogee_xp import possible
from common.surveys.cards import is_mock
from common.surveys.find import find_files
from common.surveys.fitsfile import open_fits
from common.surveys.gaia_rvs import read_rvs, rvs_array
from common.surveys.gaia_source import (
    SOURCE,
    gspspec_good,
    read_gaia_source,
    read_gspspec,
    zero_point_by_colour,
)
from common.surveys.gaia_tables import columns_of
from common.surveys.gaia_xp import XPCoefficients, normalised, read_xp, to_sampled
from rvs_hybrid.config import LABELS, N_COEFFICIENTS, RVS_GRID, XP_GRID
from rvs_hybrid.inputs import relative

MANY = 5000
PLAIN = (".fits", ".fit", ".csv", ".tsv", ".ecsv", ".xml", ".vot", ".votable")
ENDINGS = tuple(ending + gz for ending in PLAIN for gz in ("", ".gz"))
NUMBERS = (
    "ra", "dec", "g", "bp", "rp", "j", "h", "k", "a_k", "snr", "snr_rvs", "parallax",
    "parallax_error", "parallax_zp", "ruwe", *LABELS, *(f"{name}_err" for name in LABELS),
)  # fmt: skip
KINDS = {
    "APOGEE labels (allStar)": {"apogee_id", "teff", "logg"},
    "XP coefficients": {"bp_coefficients"},
    "XP coefficients (one column each)": {"bp_coeff_0"},
    "RVS spectra": {"flux", "flux_error"},
}
GSPSPEC_COLUMN = "teff_gspspec"  # may stand in a table of gaia_source's columns
GSPSPEC = "GSP-Spec labels (astrophysical_parameters)"
NOUNS = {
    "xp": "XP spectra", "rvs": "RVS spectra", "source": "gaia_source", "allstar": "APOGEE",
    "gspspec": "GSP-Spec",
}  # fmt: skip


@dataclass
class Sources:
    """What some files say of their sources, row by row.

    Attributes
    ----------
    stars : DataFrame
        One row a source, sorted by source_id: that, `NUMBERS` (NaN where missing), `file` (the
        first that names it), has_rvs, rvs_made (its RVS spectrum is none that was observed) and
        mock (nothing of the star was).
    xp, xp_error : ndarrays of shape (n, 343), float32
        Flux over its median, and error; rows of NaN where missing.
    rvs : ndarray of shape (n, 2401), float32
        Normalised flux; rows of NaN where missing.
    rejects : list of dict
        file, id, reason, of files and spectra that cannot be used.
    coefficients, coefficients_error : ndarrays of shape (n, 110), float32, or None
        XP coefficients as `rvs_hybrid.inputs.relative` gives them; NaN where missing.
    """

    stars: pd.DataFrame
    xp: np.ndarray
    xp_error: np.ndarray
    rvs: np.ndarray
    rejects: list = field(default_factory=list)
    coefficients: np.ndarray | None = None
    coefficients_error: np.ndarray | None = None

    def __len__(self):
        return len(self.stars)

    def batches(self, size):
        """Yield the sources in order, at most `size` at a time, without the rejects."""
        for start in range(0, len(self), size):
            rows = slice(start, start + size)
            yield self[rows]

    def __getitem__(self, rows):
        """Return the chosen sources (slice or mask), without the rejects."""
        arrays = {k: None if v is None else v[rows] for k, v in self.spectra.items()}
        return Sources(self.stars[rows].reset_index(drop=True), **arrays)

    @property
    def spectra(self):
        """The arrays as `rvs_hybrid.inputs.inputs_of` takes them, {name: array or None}."""
        names = ("xp", "xp_error", "rvs", "coefficients", "coefficients_error")
        return {name: getattr(self, name) for name in names}


def kind_of(path):
    """Return what a file holds: a key of `KINDS`, "gaia_source" or `GSPSPEC`.

    A table of gaia_source that has GSP-Spec's columns too is "gaia_source".

    Raises
    ------
    ReadError
        If it is damaged or none of them.
    """
    names = columns_of(path)
    for kind, needed in KINDS.items():
        if needed <= names:
            return kind
    if "source_id" in names and names & set(SOURCE.values()):
        return "gaia_source"
    if GSPSPEC_COLUMN in names:
        return GSPSPEC
    raise ReadError(
        path,
        f"a table of other columns ({', '.join(sorted(names)[:8])} ...)",
        f"source_id with columns of gaia_source, {', '.join(KINDS)}",
        "Fetch it from the Gaia archive with these columns.",
    )


def says_mock(path):
    """Return whether a file says of itself that it is a mock (header card MOCK = T, of FITS)."""
    if not path.name.removesuffix(".gz").endswith((".fits", ".fit")):
        return False
    with open_fits(path) as hdus:
        return is_mock(hdus)


def find_sources(paths):
    """Return the files among files and folders that may hold sources, list of Path."""
    return find_files(paths, ENDINGS, labels=True)


def read_sources(paths, labels="apogee"):
    """Return `gather` of some paths; `SuiteError`, with reasons, where nothing can be read."""
    sources = gather(paths, labels)
    if not len(sources):
        files = {reject["file"] for reject in sources.rejects}
        reasons = list(dict.fromkeys(reject["reason"] for reject in sources.rejects))
        more = f" (and {len(reasons) - 3} more reasons)" if len(reasons) > 3 else ""
        raise SuiteError(
            f"None of the {len(files)} file(s) can be read: {'; '.join(reasons[:3])}{more}."
        )
    return sources


def gather(paths, labels="apogee"):
    """Read any mix of Gaia's files and APOGEE's allStar.

    Parameters
    ----------
    paths : sequence of path-like
        Files, or folders to search: gaia_source tables, XP continuous coefficients, RVS mean
        spectra, astrophysical_parameters (csv, ecsv, FITS, VOTable), allStar (FITS). The kind is
        told by the columns.
    labels : {"apogee", "gspspec"}
        Whose labels are taken, where files have both.

    Returns
    -------
    Sources
        All sources that any file names. About 12 kB of memory a source: more than a million are
        better given in parts, such as the archive's own files of a range of source_id. None where
        nothing can be read: `rejects` says why, file by file.
    """
    read = {kind: [] for kind in NOUNS}
    rejects, first, mocks = [], {}, set()
    files = find_sources(paths)
    for file in progress(files, desc="read", unit="file"):
        try:
            parts = _read(file, rejects, labels)
            mock = says_mock(file)
        except ReadError as error:
            rejects.append({"file": str(file), "id": "", "reason": str(error)})
            continue
        for kind, ids, part in parts:
            if mock and kind != "rvs":
                mocks.update(ids.tolist())
            keep = np.ones(len(ids), bool)
            for i, source in enumerate(ids):
                other = first.setdefault((kind, int(source)), file)
                if other is not file:
                    keep[i] = False
                    reason = f"the same source is in {other} already: that one is used"
                    rejects.append({"file": str(file), "id": str(source), "reason": reason})
            read[kind].append((ids[keep], [v[keep] for v in part]))
    _say_shared(first)
    sources = _join(read, rejects, first)
    sources.stars["mock"] = sources.stars["source_id"].isin(mocks)
    return sources


def _say_shared(first):
    """Say how many sources each kind of file has, and which kind has none of the others'."""
    ids = {}
    for kind, source in first:
        ids.setdefault(kind, set()).add(source)
    for kind, own in ids.items() if len(ids) > 1 else ():
        rest = set().union(*(other for name, other in ids.items() if name != kind))
        both = len(own & rest)
        told = f"{both} of them in files of another kind" if both else "WARNING: NONE in the others"
        say(f"{NOUNS[kind]}: {len(own)} sources, {told}")


def _read(file, rejects, labels):
    """Return [(kind, source_id, arrays or tables of as many rows)] of one file."""
    kind = kind_of(file)
    gspspec = []
    if labels == "gspspec" and GSPSPEC_COLUMN in columns_of(file):
        table = gspspec_labels(file)
        gspspec = [("gspspec", table["source_id"].to_numpy("int64"), [table])]
    if kind == GSPSPEC and not gspspec:
        raise ReadError(
            file, "GSP-Spec's parameters, which are labels and no input", "inputs of the network",
            "A network that is trained on them (--labels gspspec) is evaluated on them.",
        )  # fmt: skip
    if kind == GSPSPEC:
        return gspspec
    return [_read_kind(file, kind, rejects, labels), *gspspec]


def _read_kind(file, kind, rejects, labels):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what they count shows in the catalogue's flags
        if kind.startswith("XP"):
            coefficients = read_xp(file, rejects=rejects)
            return "xp", coefficients.source_id, [coefficients]
        if kind.startswith("RVS"):
            spectra = read_rvs(file, rejects=rejects)
            flux, reasons = rvs_array(spectra)
            good = np.array([reason is None for reason in reasons])
            for i in np.flatnonzero(~good):
                rejects.append(
                    {"file": str(file), "id": spectra.ids[i], "reason": f"RVS: {reasons[i]}"}
                )
            about = spectra.meta[["ra", "dec", "snr", "mock"]]
            about = about.rename(columns={"snr": "snr_rvs", "mock": "rvs_made"})
            return "rvs", spectra.ids[good].astype("int64"), [flux[good], about[good]]
        if kind.startswith("APOGEE"):
            table = read_allstar(file)
            if table.attrs["gaia_release"] == "DR2":
                raise ReadError(
                    file,
                    "source_id of Gaia DR2, which are not those of DR3",
                    "an allStar with GAIAEDR3_SOURCE_ID (DR17)",
                    "Use the later release.",
                )
            table = table[table["source_id"].notna()].reset_index(drop=True)
            bad = (table["aspcapflag"].to_numpy() & STAR_BAD) != 0
            unused = bad if labels == "apogee" else np.ones(len(table), bool)
            table.loc[unused, [name for name in LABELS if name in table]] = np.nan
            return "allstar", table["source_id"].to_numpy("int64"), [with_zero_point(table)]
        table = read_gaia_source(file, rejects=rejects)
        return "source", table["source_id"].to_numpy("int64"), [table]


def gspspec_labels(file):
    """Return GSP-Spec's labels of a file, missing where a quality flag is not zero.

    Parameters
    ----------
    file : path-like
        Of columns of Gaia's astrophysical_parameters.

    Returns
    -------
    DataFrame
        source_id, labels and errors.
    """
    table = read_gspspec(file)
    good = gspspec_good(table["flags"])
    names = [name for name in LABELS if name in table]
    known = table[names].notna().any(axis=1).to_numpy()
    table.loc[~good, names] = np.nan
    bad = int((known & ~good).sum())
    if bad:
        say(f"{bad} stars have a flag of GSP-Spec that is not 0: their labels are not used")
    return table.drop(columns=["flags"])


def with_zero_point(allstar):
    """Return rows of allStar (DR17) with parallax_zp: its parallaxes are as Gaia gives them."""
    zero_point = zero_point_by_colour(
        g=allstar["g"], bp_rp=allstar["bp"] - allstar["rp"], ra=allstar["ra"], dec=allstar["dec"]
    )
    return allstar.assign(parallax_zp=np.where(allstar["parallax"].notna(), zero_point, np.nan))


def _join(read, rejects, first):
    """Return everything that was read as one row a source."""
    ids = np.unique(np.array([source for _, source in first], dtype="int64"))
    stars = pd.DataFrame({"source_id": ids, **dict.fromkeys(NUMBERS, np.nan)})
    rows = pd.Series(np.arange(len(ids)), index=ids)
    files = {source: str(file) for (_, source), file in reversed(first.items())}
    stars["file"], stars["rvs_made"] = [files[source] for source in ids], False
    spectra = {
        "xp": [np.full((len(ids), XP_GRID.size), np.nan, "float32") for _ in range(2)],
        "rvs": [np.full((len(ids), RVS_GRID.size), np.nan, "float32")],
    }
    coefficients = np.full((2, len(ids), 2 * N_COEFFICIENTS), np.nan, "float32")
    for sources, (part,) in _together(read["xp"]):
        flux, error, _ = normalised(*to_sampled(part))
        at = rows.reindex(sources).to_numpy()
        spectra["xp"][0][at], spectra["xp"][1][at] = flux, error
        coefficients[0][at], coefficients[1][at] = relative(part)
    # Where two tables say it, the first counts.
    for kind in ("source", "rvs", "gspspec", "allstar"):
        for sources, arrays in read[kind]:
            at = rows.reindex(sources).to_numpy()
            if kind == "rvs":
                spectra["rvs"][0][at] = arrays[0]
                stars.loc[at, "rvs_made"] = arrays[1]["rvs_made"].to_numpy(bool)
            for name in set(NUMBERS) & set(arrays[-1]):
                old = stars[name].to_numpy(copy=True)
                new = arrays[-1][name].to_numpy(float)
                old[at] = np.where(np.isnan(old[at]), new, old[at])
                stars[name] = old
    stars, _ = possible(stars)  # 99 or -9999 is no magnitude
    stars["has_rvs"] = np.isfinite(spectra["rvs"][0]).all(axis=1)
    return Sources(stars, *spectra["xp"], *spectra["rvs"], rejects, *coefficients)


def _together(read):
    """Yield the coefficients of many small files joined: each call of GaiaXPy costs a start."""
    held, n = [], 0
    for i, (_, (coefficients,)) in enumerate(read):
        held.append(coefficients)
        n += len(coefficients)
        if n >= MANY or i + 1 == len(read):
            joined = XPCoefficients.concatenate(held)
            yield joined.source_id, [joined]
            held, n = [], 0
