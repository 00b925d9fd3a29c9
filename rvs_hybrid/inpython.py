"""Labels of Gaia's stars in a notebook."""

from __future__ import annotations

import numpy as np
import pandas as pd

from common import inpython
from common.spectra import Spectra
from common.surveys.gaia_rvs import rvs_array
from rvs_hybrid.config import PAPER, XP_GRID
from rvs_hybrid.networks import load_networks
from rvs_hybrid.predict import catalogue, notes_of, usable
from rvs_hybrid.stars import files
from rvs_hybrid.stars.sources import NUMBERS, Sources, read_sources


def measure(stars, *, run_dir=None, precision="float32"):
    """Return labels of stars, as `python -m rvs_hybrid.predict` gives them.

    Parameters
    ----------
    stars : path-likes, common.spectra.Spectra, or specutils objects
        Files of Gaia: gaia_source tables, XP coefficients, RVS spectra, joined by source_id. Or
        RVS spectra, whose ids are source_ids (for a network that takes RVS).
    run_dir : path-like, optional
        Run folder, or name of a released network; the default released one without it.
    precision : str
        As of the command lines.

    Returns
    -------
    astropy.table.Table
        A row a spectrum that could be used, with units and descriptions; the others are in
        `meta["rejects"]`.

    Raises
    ------
    UsageError
        If spectra are something else, or no network is released and none is named.
    SuiteError
        If none can be used.
    """
    networks, rejects = inpython.networks_of(PAPER, load_networks, run_dir, precision), []
    sources = (
        read_sources(inpython.as_paths(stars)) if inpython.are_paths(stars) else as_sources(stars)
    )
    rejects += sources.rejects

    def step(batch):
        kept, inputs, lost = usable(networks, batch)
        return (catalogue(networks, kept, inputs) if len(kept) else None), lost

    return inpython.table_of(
        sources.batches(files.ROWS), step, rejects, n=len(sources), meta={"network": PAPER.network},
        notes=notes_of(networks.config.labels, networks.calibration, truth=networks.config.truth),
    )  # fmt: skip


def as_sources(spectra):
    """Return RVS spectra as `Sources` of nothing else."""
    parts = list(inpython.batches(spectra, medium="vacuum", frame="rest"))
    spectra = Spectra.concatenate(parts)
    n, numbers = len(spectra), dict.fromkeys(NUMBERS, np.nan)
    ids = pd.to_numeric(pd.Series(spectra.ids), errors="coerce").fillna(-1).astype("int64")
    if (ids < 0).any():  # no source_id: numbered
        ids = pd.Series(np.arange(n, dtype="int64"))
    flux, reasons = rvs_array(spectra)
    rejects = [{"file": "", "id": name, "reason": reason}
               for name, reason in zip(spectra.ids, reasons, strict=True) if reason]  # fmt: skip
    stars = pd.DataFrame(
        {"source_id": ids, **numbers, "file": "", "rvs_made": False, "mock": False}
    )
    stars["has_rvs"] = [reason is None for reason in reasons]
    flux = np.where(stars["has_rvs"].to_numpy()[:, None], flux, np.float32(np.nan))
    nothing = np.full((n, XP_GRID.size), np.nan, "float32")
    return Sources(stars, nothing, nothing, flux, rejects)
