"""What makes a spectrum unusable whatever it is read for."""

from __future__ import annotations

import numpy as np


def wavelength_fault(wavelength):
    """Return why a wavelength grid cannot be used, or None."""
    if len(wavelength) < 2:
        return f"only {len(wavelength)} pixels"
    if not np.all(np.isfinite(wavelength)) or wavelength[0] <= 0:
        return "wavelengths that are not finite or not positive"
    if np.any(np.diff(wavelength) <= 0):
        return "wavelength does not increase strictly"
    return None


def faults(spectra):
    """Return why each spectrum cannot be used, or None where it can.

    Parameters
    ----------
    spectra : Spectra

    Returns
    -------
    list of (str or None), length n
    """
    shared = None if spectra.is_ragged or not len(spectra) else wavelength_fault(spectra.wavelength)
    objtype = spectra.meta["objtype"].to_numpy() if "objtype" in spectra.meta else None
    out = []
    for row in range(len(spectra)):
        fault = wavelength_fault(spectra.wavelength[row]) if spectra.is_ragged else shared
        if fault is None and objtype is not None and objtype[row] not in ("", "TGT"):
            fault = f"no target: OBJTYPE {objtype[row]}"
        out.append(fault or _values_fault(spectra, row))
    return out


def _values_fault(spectra, row):
    finite = np.isfinite(spectra.flux[row])
    if not finite.any():
        return "flux is NaN everywhere"
    if not np.any(spectra.flux[row][finite]):
        return "flux is zero everywhere"
    if spectra.ivar is not None and not np.any(spectra.ivar[row] > 0):
        return "ivar is zero everywhere"
    return None
