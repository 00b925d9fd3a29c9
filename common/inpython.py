"""The papers' networks in a notebook: spectra of any kind in, an astropy table out."""

from __future__ import annotations

import os
import sys
import warnings
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

from common import cli
from common.catalog import as_astropy, notes_of
from common.errors import SuiteError, UsageError
from common.spectra import Spectra
from common.surveys import find_files, read_many

CHUNK = 512  # spectra of a batch


_LOADED = {}  # (package, run folder, precision) -> networks: a notebook asks again and again


def networks_of(paper, load, run_dir=None, precision="float32"):
    """Return the networks of a run folder, or of the paper's released one; kept for the next call.

    Parameters
    ----------
    paper : common.paper.Paper
    load : callable
        Run folder -> networks.
    run_dir : path-like, optional
        A folder, or the name of a released network.
    precision : str
        As of `common.accelerator.choose`.
    """
    from common.accelerator import choose
    from common.released import run_folder

    key = (paper.package, None if run_dir is None else os.path.abspath(run_dir), precision)
    choose(precision)
    if key not in _LOADED:
        _LOADED[key] = load(run_folder(paper, run_dir))
    return _LOADED[key]


def batches(spectra, *, medium="vacuum", frame="heliocentric", grid=None, rejects=None,
            duplicates="keep"):  # fmt: skip
    """Yield `Spectra` of at most `CHUNK` of what a user may hand over.

    Parameters
    ----------
    spectra : Spectra, specutils objects, or path-likes
        One of these, or a list: `specutils.Spectrum` of one or two dimensions, SpectrumList
        (the arms of DESI's co-adds are joined), SpectrumCollection; files and folders.
    medium, frame : str
        Of specutils objects, which do not say; those of `Spectra.to_specutils` do.
    grid, rejects, duplicates
        As of `common.surveys.read_many`.

    Raises
    ------
    UsageError
        If it is something else.
    """
    if isinstance(spectra, Spectra):
        for start in range(0, len(spectra), CHUNK):
            yield spectra[start : start + CHUNK]
    elif are_paths(spectra):
        files = find_files(spectra)
        yield from read_many(files, grid=grid, rejects=rejects, duplicates=duplicates, chunk=CHUNK)
    elif _all(spectra, Spectra):
        for one in spectra:
            yield from batches(one)
    elif hasattr(spectra, "spectral_axis") or _all(spectra, object, "spectral_axis"):
        from common.specutils_objects import any_specutils

        for one in any_specutils(spectra, medium=medium, frame=frame):
            yield from batches(one)
    else:
        kind = type(spectra[0] if isinstance(spectra, list | tuple) and spectra else spectra)
        raise UsageError(
            "spectra must be Spectra, specutils objects, or paths of files and folders. Received "
            f"{kind.__module__}.{kind.__qualname__}."
        )


def _all(value, kind, attribute=""):
    """Return whether a value, or all of a list that is not empty, is of a kind."""
    some = list(value) if isinstance(value, list | tuple) else [value]
    return bool(some) and all(
        isinstance(one, kind) and (not attribute or hasattr(one, attribute)) for one in some
    )


def table_of(stream, step, rejects, *, notes, meta=None, n=None):
    """Return the catalogue of a stream of batches as an astropy table.

    Parameters
    ----------
    stream : iterable of batches
    step : callable
        Batch -> (DataFrame or None, list of dicts of file, id and reason).
    rejects : list
        What was rejected before.
    notes : dict
        units, ucds, descriptions, as of `common.catalogue.recipe.Recipe`.
    meta : dict, optional
        Of the table.
    n : int, optional
        Spectra in all, for the progress bar.

    Returns
    -------
    astropy.table.Table
        With units and descriptions; `meta["rejects"]` lists what could not be used, of which a
        `UserWarning` tells.

    Raises
    ------
    SuiteError
        If nothing could be used; it says why.
    """
    parts = []
    with progress(n) as bar:
        for batch in stream:
            table, lost = step(batch)
            rejects += lost
            if table is not None:
                parts.append(table)
            bar.update(len(batch))
    if not parts:
        reasons = "; ".join(sorted({str(row["reason"]) for row in rejects})[:3])
        raise SuiteError(f"None of the spectra can be used: {reasons or 'there are none'}.")
    if rejects:
        counted = Counter(str(row["reason"]) for row in rejects).most_common(3)
        told = "; ".join(f"{k}x {reason}" for reason, k in counted)
        warnings.warn(f"{len(rejects)} spectra could not be used ({told}): see meta['rejects'].")
    frame = pd.concat(parts, ignore_index=True)
    frame = frame[[name for name in frame if not str(name).startswith("_")]]
    kept = {k: {c: v for c, v in values.items() if c in frame} for k, values in notes.items()}
    return as_astropy(frame, notes_of(frame, **kept), {**(meta or {}), "rejects": rejects})


def progress(n=None):
    """Return a progress bar: a notebook's own in a notebook, else that of the command lines."""
    options = {"total": n, "desc": "predict", "unit": "spectrum"}
    if "ipykernel" not in sys.modules:
        return cli.progress(**options)
    if find_spec("ipywidgets"):
        from tqdm.notebook import tqdm
    else:
        from tqdm import tqdm
    return tqdm(**options)


def length(spectra):
    """Return how many spectra a user handed over, None where only reading them tells."""
    return len(spectra) if isinstance(spectra, Spectra) else None


def are_paths(spectra):
    """Return whether a user handed over one path or a list of them."""
    return _all(spectra, str | os.PathLike)


def as_paths(spectra):
    """Return the paths that a user handed over, list of Path; empty where it is something else."""
    if not are_paths(spectra):
        return []
    return [Path(p) for p in ([spectra] if isinstance(spectra, str | os.PathLike) else spectra)]


def with_snr(spectra):
    """Return spectra whose meta has the median signal-to-noise ratio per pixel, where known."""
    if "snr" in spectra.meta and spectra.meta["snr"].notna().all():
        return spectra
    if spectra.ivar is None:
        return spectra
    values = []
    for i in range(len(spectra)):
        good = spectra.informative(i)
        ratio = np.asarray(spectra.flux[i])[good] * np.sqrt(np.asarray(spectra.ivar[i])[good])
        values.append(float(np.median(ratio)) if good.any() else np.nan)
    spectra.meta["snr"] = values
    return spectra
