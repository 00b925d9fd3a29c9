"""DESI co-adds: the b, r and z arms of many fibres, joined onto one wavelength grid.

All DESI grids are multiples of 0.8 Å, so that the arms share pixels where they overlap; there
the fluxes are averaged with their inverse variances as weights. Labels come from the redrock
file of the same name beside the co-add, and from QSO_cat files in its folder for targets that
redrock does not label; both are joined by TARGETID. Vacuum, barycentric.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd

from common.errors import ReadError
from common.spectra import Spectra
from common.surveys.cards import frame_of, medium_of
from common.surveys.columns import (
    SURVEY_UNIT,
    column,
    exact_ids,
    float32,
    make_meta,
    median_snr,
)
from common.surveys.desi_catalogue import TABLES, read_redshifts
from common.surveys.units import angstrom

NAME = "DESI co-add"
ALLOWED = "a co-add with FIBERMAP and WAVELENGTH, FLUX and IVAR of each arm"
FIBERMAPS = ("FIBERMAP", "COADD_FIBERMAP")  # the first one counts
STEP = 0.8  # Å, spacing of every DESI arm


def _arms(hdus):
    """Return {arm: {quantity: HDU}}, e.g. {"B": {"WAVELENGTH": ..., "FLUX": ...}}."""
    arms = {}
    for hdu in hdus:
        arm, _, quantity = hdu.name.upper().partition("_")
        if arm in ("B", "R", "Z", "BRZ") and quantity in ("WAVELENGTH", "FLUX", "IVAR", "MASK"):
            arms.setdefault(arm, {})[quantity] = hdu
    return {k: v for k, v in arms.items() if {"WAVELENGTH", "FLUX", "IVAR"} <= set(v)}


def fibermap_of(hdus):
    """Return the table with a row for each spectrum, or None."""
    return next((h for name in FIBERMAPS for h in hdus if h.name.upper() == name), None)


def recognise(hdus):
    """Return True for a file with a FIBERMAP and wavelength, flux and ivar of an arm."""
    return fibermap_of(hdus) is not None and bool(_arms(hdus))


def lacking(hdus):
    """Return what keeps a file that looks like DESI's from being read, or None."""
    if any(hdu.name.upper() in TABLES for hdu in hdus):
        return None  # redshifts, whose targets have a FIBERMAP as well
    if _arms(hdus):
        return "no HDU FIBERMAP, which names the targets"
    if any(hdu.name.upper() in FIBERMAPS for hdu in hdus):
        return "no arm with HDUs WAVELENGTH, FLUX and IVAR (B_WAVELENGTH, B_FLUX, B_IVAR)"
    return None


def count(hdus):
    """Return the number of fibres."""
    return int(fibermap_of(hdus).header["NAXIS2"])


def join_arms(*, waves, fluxes, ivars, masks):
    """Join arms onto the one 0.8 Å grid that holds all their pixels.

    Parameters
    ----------
    waves : list of ndarray of shape (p_i,)
        Å, each on multiples of 0.8 Å.
    fluxes, ivars : list of ndarray of shape (n, p_i)
    masks : list of (ndarray of bool, shape (n, p_i))
        True where a pixel is bad; such pixels have no weight.

    Returns
    -------
    wave : ndarray of shape (m,)
    flux, ivar : ndarray of shape (n, m), float32
        Weighted mean and summed inverse variance. Where no arm has weight, the plain mean of
        the arms and an inverse variance of 0.
    mask : ndarray of shape (n, m), bool
        True where no arm has a good pixel.
    """
    places = [np.round(np.asarray(w) / STEP).astype(int) for w in waves]
    first = min(p[0] for p in places)
    m = max(p[-1] for p in places) - first + 1
    n = len(fluxes[0])
    weighted, total = np.zeros((n, m)), np.zeros((n, m))
    plain, hits = np.zeros((n, m)), np.zeros(m)
    for place, flux, ivar, bad in zip(places, fluxes, ivars, masks, strict=True):
        at = place - first
        weight = np.where(bad | ~np.isfinite(flux) | ~np.isfinite(ivar), 0.0, ivar)
        weighted[:, at] += np.where(weight > 0, flux, 0.0) * weight
        total[:, at] += weight
        plain[:, at] += flux
        hits[at] += 1
    covered = hits > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        flux = np.where(total > 0, weighted / total, plain / hits)
    wave = (first + np.arange(m)) * STEP
    return (
        wave[covered],
        flux[:, covered].astype(np.float32),
        total[:, covered].astype(np.float32),
        total[:, covered] <= 0,
    )


@lru_cache(maxsize=64)
def _label_table(path, stamp):
    """Return {TARGETID: (class, subclass, z, z_err, zwarn)} of a redrock or QSO_cat file."""
    table = read_redshifts(path)
    known = table[table["targetid"] != ""]
    warned = [None if value is pd.NA else value for value in known["zwarn"]]
    columns = (known[name] for name in ("class", "subclass", "z", "z_err"))
    labels = zip(*columns, warned, strict=True)
    return dict(zip(known["targetid"], labels, strict=True))


def _labels(path, targets):
    """Return the label of each target from the files beside a co-add; redrock's come first."""
    start, _, rest = path.name.removesuffix(".gz").partition("-")
    beside = [path.with_name(f"redrock-{rest}{ending}") for ending in ("", ".gz")]
    beside = beside if start in ("coadd", "spectra") else []
    files = [file for file in beside if file.is_file()]
    files += sorted(path.parent.glob("QSO_cat*.fits*"))
    tables = [_label_table(file, file.stat().st_mtime_ns) for file in files]
    unknown = ("", "", np.nan, np.nan, None)
    return [next((t[i] for t in tables if i in t), unknown) for i in targets]


def read(path, hdus, *, rows=slice(None), grid=None):
    """Return the chosen fibres, sky fibres among them (meta column objtype).

    Arguments are those of every format, see `common.surveys.read`; label files are looked for in
    the folder of `path`.

    Raises
    ------
    ReadError
        If an arm's wavelengths are not on multiples of 0.8 Å, targets and spectra are not as
        many, or a label file is damaged.
    """
    return read_rows(path, hdus, rows, rows)


def read_rows(path, hdus, spectra, targets, added=None):
    """Return spectra with what FIBERMAP says of their targets.

    Parameters
    ----------
    path, hdus
        As of `read`.
    spectra : slice or ndarray of int
        Rows of the images.
    targets : slice or ndarray of int
        Rows of FIBERMAP, one for each spectrum that is returned.
    added : callable, optional
        [(flux, ivar, mask) of each arm] -> the same of the spectra that are returned.
    """
    arms, fibermap = _arms(hdus), fibermap_of(hdus)
    total, headers = count(hdus), [hdus[0].header]
    waves, fluxes, ivars, masks = [], [], [], []
    for arm, parts in arms.items():
        wave = angstrom(path, parts["WAVELENGTH"].data, parts["WAVELENGTH"].header.get("BUNIT"))
        if np.any(np.abs(wave / STEP - np.round(wave / STEP)) > 0.01) or np.any(np.diff(wave) <= 0):
            raise ReadError(
                path,
                f"arm {arm} has wavelengths that are not increasing multiples of {STEP} Å",
                "DESI co-adds on the survey's own grid",
                "Read files of the DESI pipeline as they are released.",
            )
        waves.append(wave)
        headers.append(parts["WAVELENGTH"].header)
        if len(parts["FLUX"].data) != total:
            raise ReadError(
                path,
                f"{total} targets in {fibermap.name} and {len(parts['FLUX'].data)} spectra in arm "
                f"{arm}",
                "a row of FIBERMAP for each spectrum",
                "Read files of the DESI pipeline as they are released.",
            )
        fluxes.append(float32(parts["FLUX"].data[spectra]))
        ivars.append(float32(parts["IVAR"].data[spectra]))
        mask = parts.get("MASK")
        masks.append(
            np.zeros(fluxes[-1].shape, bool)
            if mask is None
            else np.asarray(mask.data[spectra]) != 0
        )
    if added:
        fluxes, ivars, masks = zip(*added(zip(fluxes, ivars, masks, strict=True)), strict=True)
    wave, flux, ivar, mask = join_arms(waves=waves, fluxes=fluxes, ivars=ivars, masks=masks)
    target = column(fibermap, "TARGETID", rows=targets)
    if target is None:
        raise ReadError(path, f"no TARGETID in {fibermap.name}", "a row of each target", "")
    if target.dtype.kind not in "iu":
        target = exact_ids(path, target, name="TARGETID").astype(np.int64)
    objtype = column(fibermap, "OBJTYPE", rows=targets)
    if objtype is None:
        objtype = np.full(len(target), "")
    # DESI numbers below zero what is no target: sky positions and stuck fibres.
    objtype = np.where((objtype == "") & (target < 0), "SKY", objtype)
    found = _labels(path, target.astype(str).tolist())
    class_, subclass, z, z_err, zwarn = zip(*found, strict=True) if found else ([],) * 5
    meta = make_meta(
        len(target),
        file=str(path),
        survey="desi",
        ra=column(fibermap, "TARGET_RA", rows=targets),
        dec=column(fibermap, "TARGET_DEC", rows=targets),
        snr=median_snr(flux, ivar),
        class_=class_,
        subclass=subclass,
        z=z,
        z_err=z_err,
        objtype=objtype,
    )
    for row, value in enumerate(zwarn):
        if value is not None:
            meta.loc[row, "zwarn"] = value
    return Spectra(
        wavelength=wave,
        flux=flux,
        ivar=ivar,
        mask=mask,
        ids=target.astype(str),
        meta=meta,
        medium=medium_of(path, headers),
        frame=frame_of(path, headers, "barycentric"),
        unit=SURVEY_UNIT,
    )
