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
    "Na D": 5894.57,
    "Ca II": 8544.44,
}
STELLAR = {
    "K": 3934.78, "H": 3969.59, "Hδ": 4102.89, "G": 4305.61, "Hγ": 4341.68, "Hβ": 4862.68,
    "Mg b": 5176.63, "Na D": 5894.57, "Hα": 6564.61, "Ca II 8500": 8500.36,
    "Ca II 8544": 8544.44, "Ca II 8665": 8664.52,
}  # fmt: skip

# What the network for MOONS marks in a spectrum: lines of the rest frame from Lya to 1.083 µm. The
# paper's own list (Table 1) is not in the text at hand, so this one is `default`: the lines that
# papers on z = 0.7-3 name, with the wavelengths of NIST's Atomic Spectra Database (version 5,
# vacuum; [O II] to [S III] agree with SDSS's list of lines). A doublet that MOONS does not split
# (N V, C II, C III]) is one entry; a Lick index (Fe 5270) stands at its strongest line, Fe I.
LINES_MOONS = {
    "Lya": 1215.670, "NV 1240": 1240.81, "SiII 1260": 1260.422, "OI 1302": 1302.168,
    "CII 1335": 1335.31, "SiIV 1394": 1393.755, "SiIV 1403": 1402.770, "SiII 1527": 1526.707,
    "CIV 1549": 1549.06, "HeII 1640": 1640.42, "OIII] 1661": 1660.809, "OIII] 1666": 1666.150,
    "CIII] 1909": 1908.734, "MgII 2796": 2796.352, "MgII 2804": 2803.531,
    "[OII] 3727": 3727.092, "[OII] 3730": 3729.875, "[NeIII] 3870": 3869.86,
    "CaII K": 3934.777, "CaII H": 3969.591, "Hd": 4102.892, "Hg": 4341.684, "Hb": 4862.683,
    "[OIII] 4960": 4960.295, "[OIII] 5008": 5008.240, "MgI 5169": 5168.761,
    "MgI 5174": 5174.125, "MgI 5185": 5185.048, "FeI 5271": 5271.004, "NaI 5892": 5891.583,
    "NaI 5898": 5897.558, "[NII] 6550": 6549.86, "Ha": 6564.608, "[NII] 6585": 6585.27,
    "[SII] 6718": 6718.295, "[SII] 6733": 6732.674, "CaII 8500": 8500.358,
    "CaII 8544": 8544.438, "CaII 8665": 8664.520, "[SIII] 9071": 9071.1, "[SIII] 9533": 9533.2,
    "HeI 10833": 10833.306,
}  # fmt: skip


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
