"""What a column measures: its unit, and the values that are none but marks of a missing one."""

from __future__ import annotations

import re

import numpy as np
from astropy import units as u

# Marks of a missing value in columns of any kind; 1e20 is astropy's filling of a masked float.
MARKS = (-999.0, -999.9, -999.99, -9999.0, -9999.9, -9999.99, -99999.0, -999999.0, 999999.0, 1e20)
SHORT = (-99.0, -99.9, -99.99)  # and in columns whose range is not known
MAG, COLOUR = ("mag", -30.0, 50.0), ("mag", -10.0, 30.0)
ERROR, RATIO = ("mag", 0.0, 50.0), ("", 0.0, np.inf)
MOTION, METAL = ("mas/yr", -20000.0, 20000.0), ("", -10.0, 5.0)
DISTANCE = ("pc", 1e-6, 1e12)
QUANTITIES = {  # column: unit, lowest and highest possible value, in that unit
    "ra": ("deg", -180.0, 360.0),
    "dec": ("deg", -90.0, 90.0),
    "ecl_lat": ("deg", -90.0, 90.0),
    "parallax": ("mas", -1000.0, 1000.0),
    "parallax_error": ("mas", 1e-6, 100.0),
    "parallax_over_error": ("", -1e6, 1e6),
    "pmra": MOTION,
    "pmdec": MOTION,
    "ruwe": ("", 1e-6, 1e5),
    "ref_epoch": ("yr", 1900.0, 2100.0),
    "nu_eff_used_in_astrometry": ("um-1", 0.1, 10.0),
    "pseudocolour": ("um-1", 0.1, 10.0),
    "astrometric_params_solved": ("", 1.0, 127.0),
    "rvs_spec_sig_to_noise": RATIO,
    **dict.fromkeys((f"phot_{band}_mean_mag" for band in ("g", "bp", "rp")), MAG),
    **dict.fromkeys((f"phot_{band}_mean_flux_over_error" for band in ("g", "bp", "rp")), RATIO),
    **dict.fromkeys(("bp_rp", "ebpminrp_gspphot"), COLOUR),
    **dict.fromkeys((f"ag_gspphot{end}" for end in ("", "_lower", "_upper")), ("mag", -5.0, 50.0)),
    "extinction": ("mag", -5.0, 50.0),
    "extinction_error": ERROR,
    **dict.fromkeys(("r_med_geo", "r_lo_geo", "r_hi_geo", "distance_gspphot"), DISTANCE),
    "magnitude": MAG,
    "z": ("", -0.999, 98.9),
    "z_err": ("", 0.0, 10.0),
    "snr": RATIO,
    "teff": ("K", 1.0, 1e6),
    "teff_err": ("K", 0.0, 1e6),
    **dict.fromkeys(("logg", "feh"), METAL),
    **dict.fromkeys(("logg_err", "feh_err"), ("", 0.0, 50.0)),
    "rv": ("km/s", -990.0, 1e6),
    "rv_err": ("km/s", 0.0, 1e6),
}
SPELLINGS = {  # lower case, without blanks and brackets: as astropy writes it
    **dict.fromkeys(("degree", "degrees", "degs", "°"), "deg"),
    **dict.fromkeys(("arcsecs", "arcseconds", "asec", '"'), "arcsec"),
    **dict.fromkeys(("milliarcsec", "milliarcsecond", "milliarcseconds"), "mas"),
    **dict.fromkeys(("mas/year", "milliarcsec/yr", "milliarcsec/year", "mas/a"), "mas/yr"),
    **dict.fromkeys(("arcsec/year",), "arcsec/yr"),
    **dict.fromkeys(("mags", "magnitude", "magnitudes", "magvega", "vegamag"), "mag"),
    **dict.fromkeys(("kelvin", "kelvins"), "K"),
    **dict.fromkeys(("parsec", "parsecs"), "pc"),
    **dict.fromkeys(("kiloparsec", "kiloparsecs"), "kpc"),
    **dict.fromkeys(("year", "years", "julianyear", "yr."), "yr"),
    **dict.fromkeys(("km/sec", "kms-1", "kms^-1"), "km/s"),
    **dict.fromkeys(("um**-1", "um-1", "1/um", "micron-1", "1/micron"), "um-1"),
}
HOURS = frozenset(("hourangle", "hour", "hours", "h", "hr", "hrs"))  # of a right ascension
WITHOUT = frozenset(("", "-", "--", "none", "dex", "unitless", "dimensionless", "n/a", "null"))


def numbers_of(values, quantity, unit=""):
    """Return numbers in a column's unit, NaN for what is none.

    Parameters
    ----------
    values : ndarray of float
        As they stand in the file, NaN where it says that they are missing.
    quantity : str
        A key of `QUANTITIES`; for others only marks are taken out.
    unit : str
        That the file names; "" where it names none, and then the column's own is meant.

    Returns
    -------
    ndarray of float64

    Raises
    ------
    ValueError
        If the unit cannot be turned into the column's; it says both.
    """
    own, low, high = QUANTITIES.get(quantity, ("", -np.inf, np.inf))
    marks = MARKS if quantity in QUANTITIES else MARKS + SHORT
    values = without_marks(values, marks) * _factor(unit, own, quantity)
    values[~np.isfinite(values) | (values < low) | (values > high)] = np.nan
    return values


def without_marks(values, marks=MARKS):
    """Return numbers as float64, NaN where a mark of a missing value stands.

    Parameters
    ----------
    values : array-like of float
    marks : sequence of float
    """
    values, marks = np.array(values, dtype=float), np.array(marks)
    with np.errstate(over="ignore", invalid="ignore"):
        rows = np.flatnonzero(np.isin(np.rint(values * 100), np.rint(marks * 100)))
    near = np.isclose(values[rows][:, None], marks, rtol=1e-7, atol=0).any(axis=1)
    values[rows[near]] = np.nan
    return values


def _factor(unit, own, quantity):
    """Return what values in a unit of the file are multiplied with."""
    plain = re.sub(r"[\s\[\]()'`]", "", str(unit or "")).lower()
    if not own or plain in WITHOUT:
        return 1.0
    if own == "deg" and plain in HOURS:
        return 15.0
    for text in (SPELLINGS.get(plain, ""), str(unit).strip().strip("[]'")):
        try:
            if text and text != "um-1":
                return u.Unit(text).to(u.Unit(own.replace("um-1", "1 / um")))
            if text == own:
                return 1.0
        except (ValueError, TypeError):
            continue
    raise ValueError(f"the unit {unit!r}; it must be {own} or one that can be turned into it")


def is_unit(text):
    """Return whether a text is a unit of one of the `QUANTITIES`, or stands for none."""
    plain = re.sub(r"[\s\[\]()'`]", "", text).lower()
    known = {own for own, _, _ in QUANTITIES.values()} | {"arcsec", "kpc", "rad", "nm"}
    return plain in SPELLINGS or plain in HOURS or plain in WITHOUT or plain in known
