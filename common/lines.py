"""Spectral lines to mark in figures: vacuum wavelengths at rest in Å (NIST; SDSS's line list)."""

from __future__ import annotations

EMISSION = {
    "Lyα": 1215.67,
    "N V": 1240.81,
    "Si IV": 1396.76,
    "C IV": 1549.06,
    "C III]": 1908.73,
    "Mg II": 2799.12,
    "[O II]": 3728.48,
    "[Ne III]": 3869.86,
    "Hγ": 4341.68,
    "Hβ": 4862.68,
    "[O III]": 5008.24,
    "He I": 5877.25,
    "Hα": 6564.61,
    "[S II]": 6725.48,
}
ABSORPTION = {
    "K": 3934.78,
    "H": 3969.59,
    "4000 Å": 4000.0,
    "Hδ": 4102.89,
    "G": 4305.61,
    "Mg b": 5176.63,
    "Na D": 5893.57,
    "Ca II": 8544.44,
}


def visible(z, wave_min, wave_max, lines=None):
    """Return {name: observed vacuum wavelength in Å} of the lines inside a range.

    Parameters
    ----------
    z : float
        Redshift.
    wave_min, wave_max : float
        Å, vacuum, observed.
    lines : dict of str to float, optional
        Rest wavelengths in Å (default: emission and absorption lines of this module).
    """
    lines = {**EMISSION, **ABSORPTION} if lines is None else lines
    found = {name: rest * (1 + z) for name, rest in lines.items()}
    return {name: wave for name, wave in found.items() if wave_min < wave < wave_max}
