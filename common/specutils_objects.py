"""specutils objects of every kind as `Spectra`: one or two dimensions, lists, DESI's arms."""

from __future__ import annotations

import numpy as np
from astropy import units

from common.interchange import from_specutils, inverse_variance
from common.spectra import Spectra
from common.surveys.columns import SURVEY_UNIT, make_meta
from common.surveys.desi import join_arms


def any_specutils(spectra, *, medium, frame):
    """Yield `Spectra` of specutils objects of every kind.

    Parameters
    ----------
    spectra : specutils.Spectrum, SpectrumCollection, SpectrumList, or sequence of them
        Of one or two dimensions. A list of two-dimensional ones that name a band each is DESI's
        co-add, whose arms are joined.
    medium, frame : str
        Where the objects' meta does not say.
    """
    given = list(spectra) if isinstance(spectra, (list, tuple)) else [spectra]
    if len(given) > 1 and all("band" in one.meta and one.flux.ndim == 2 for one in given):
        yield _joined_arms(given, medium=medium, frame=frame)
        return
    flat = [one for spectrum in given for one in _rows(spectrum)]
    kinds = {}
    for number, one in enumerate(flat):
        own = (one.meta.get("medium", medium), one.meta.get("frame", frame), one.flux.unit)
        kinds.setdefault(own, []).append((number, one))
    for (own_medium, own_frame, _), members in kinds.items():
        yield Spectra(
            **from_specutils(
                [one for _, one in members],
                ids=[identity(one, number) for number, one in members],
                medium=own_medium,
                frame=own_frame,
            )
        )


def identity(one, number):
    """Return the id of a specutils object: its own, else SDSS's of the header, else its number."""
    header = one.meta.get("header") or {}
    for names in (("PLATEID", "MJD", "FIBERID"), ("PLATE", "MJD", "FIBERID")):
        if "id" not in one.meta and all(name in header for name in names):
            plate, mjd, fibre = (int(header[name]) for name in names)
            return f"{plate:04d}-{mjd}-{fibre:04d}"
    return str(one.meta.get("id", number))


def _rows(spectrum):
    """Return the one-dimensional spectra of an object."""
    if spectrum.flux.ndim < 2:
        return [spectrum]
    return [part for k in range(spectrum.flux.shape[0]) for part in _rows(spectrum[k])]


def _joined_arms(arms, *, medium, frame):
    """Return DESI's fibres, whose arms specutils keeps apart, as `Spectra`."""
    unit = units.Unit(SURVEY_UNIT)
    wave, flux, ivar, mask = join_arms(
        waves=[arm.spectral_axis.to_value(units.Angstrom) for arm in arms],
        fluxes=[arm.flux.to_value(unit) for arm in arms],
        ivars=[inverse_variance(arm, unit) for arm in arms],
        masks=[np.zeros(arm.flux.shape, bool) if arm.mask is None else arm.mask for arm in arms],
    )
    fibres = next((arm.meta["fibermap"] for arm in arms if "fibermap" in arm.meta), None)
    known = fibres is not None and len(fibres) == len(flux)
    ids = fibres["TARGETID"] if known else range(len(flux))
    place = {ours: np.asarray(fibres[theirs], dtype=float)
             for ours, theirs in (("ra", "TARGET_RA"), ("dec", "TARGET_DEC"))
             if known and theirs in fibres.colnames}  # fmt: skip
    return Spectra(
        wavelength=wave,
        flux=flux,
        ivar=ivar,
        mask=mask,
        ids=[str(one) for one in ids],
        meta=make_meta(len(flux), survey="desi", **place),
        medium=medium,
        frame=frame,
        unit=SURVEY_UNIT,
    )
