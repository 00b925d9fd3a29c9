"""DESI's spectra files: the exposures of each target one by one, co-added here.

``spectra-*.fits(.gz)``, per healpix or tile, has the HDUs of a co-add with a row for each exposure,
and a FIBERMAP with EXPID in which a TARGETID comes again (https://desidatamodel.readthedocs.io,
page spectra). Exposures of a target are averaged pixel by pixel with their inverse variances as
weights, as the pipeline's co-adds are (without its rejection of cosmic rays, which their masks
hold).
"""

from __future__ import annotations

import numpy as np

from common.surveys import desi
from common.surveys.columns import column, names_of

NAME = "DESI spectra (exposures)"


def recognise(hdus):
    """Return True for the HDUs of a co-add with more exposures than targets."""
    if not desi.recognise(hdus):
        return False
    fibermap = desi.fibermap_of(hdus)
    if "expid" not in names_of(fibermap) or "targetid" not in names_of(fibermap):
        return False
    target = column(fibermap, "TARGETID")
    return len(np.unique(target)) < len(target)


def _order(hdus):
    """Return the targets in the order in which they come, and the target of each exposure."""
    target = column(desi.fibermap_of(hdus), "TARGETID")
    _, first, at = np.unique(target, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return first[order], place[at]


def count(hdus):
    """Return the number of targets."""
    return len(_order(hdus)[0])


def read(path, hdus, *, rows=slice(None), grid=None):
    """Return the co-added spectra of the chosen targets (arguments: `common.surveys.read`).

    Returns
    -------
    Spectra
        As `common.surveys.desi` gives them; also in `meta`: exposures, their number.

    Raises
    ------
    ReadError
        As for a co-add.
    """
    first, target = _order(hdus)
    wanted = np.arange(len(first))[rows]
    exposures = np.flatnonzero(np.isin(target, wanted))
    number = np.searchsorted(wanted, target[exposures])

    def added(parts):
        return [coadded(*part, number, len(wanted)) for part in parts]

    joined = desi.read_rows(path, hdus, exposures, first[wanted], added)
    joined.meta["exposures"] = np.bincount(number, minlength=len(wanted))
    return joined


def coadded(flux, ivar, mask, number, n):
    """Return exposures averaged by inverse variance.

    Parameters
    ----------
    flux, ivar, mask : ndarray of shape (m, n_pixels)
        A pixel that is masked or not finite has no weight.
    number : ndarray of int, shape (m,)
        To which of the n spectra an exposure belongs.
    n : int

    Returns
    -------
    flux, ivar, mask : ndarray of shape (n, n_pixels)
        Without weight anywhere: the plain mean, ivar 0, masked.
    """
    good = ~mask & np.isfinite(flux) & np.isfinite(ivar) & (ivar > 0)
    weight = np.where(good, ivar, 0.0).astype(float)
    sums = {}
    for name, values in (("weight", weight), ("flux", np.where(good, flux, 0.0) * weight),
                         ("plain", flux)):  # fmt: skip
        sums[name] = np.zeros((n, flux.shape[1]))
        np.add.at(sums[name], number, values)
    times = np.maximum(np.bincount(number, minlength=n), 1)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(sums["weight"] > 0, sums["flux"] / sums["weight"], sums["plain"] / times)
    return mean.astype(np.float32), sums["weight"].astype(np.float32), sums["weight"] <= 0
