"""Which catalogue a table is: told by the names of its columns."""

from __future__ import annotations

from typing import NamedTuple

from common.surveys.gaia_source import GSPSPEC, SOURCE


class Kind(NamedTuple):
    """A catalogue.

    Attributes
    ----------
    name : str
        What messages call it.
    need : tuple of str
        Lower-case columns that it has.
    used : tuple of str
        Further ones that are used where they are there.
    reader : str
        What reads it.
    """

    name: str
    need: tuple
    used: tuple = ()
    reader: str = ""


GAIA, XP = "common.surveys.gaia_source", "common.surveys.gaia_xp.read_xp"
STARS = "common.surveys.lamost_catalogue.read_star_catalogue"
JHU = "common.surveys.mpajhu.read_mpajhu (the folder)"
DESI = "common.surveys.desi_catalogue.read_redshifts"
CURVE = "curve over wavelength (throughput, sky, filter), not a spectrum of an object"
KINDS = (  # the first that fits counts
    Kind("Gaia XP continuous spectra (coefficients)",
         ("source_id", "bp_coefficients", "rp_coefficients"),
         ("bp_coefficient_errors", "rp_coefficient_errors", "bp_coefficient_correlations",
          "rp_coefficient_correlations"), XP),
    Kind("Gaia XP continuous spectra (a column for each coefficient)",
         ("source_id", "bp_coeff_0", "rp_coeff_0"), (), XP),
    Kind("Gaia RVS mean spectra", ("source_id", "flux", "flux_error"),
         ("wavelength", "ra", "dec"), "common.surveys.gaia_rvs.read_rvs"),
    Kind("Gaia GSP-Spec parameters (astrophysical_parameters)", ("source_id", "teff_gspspec"),
         (*(f"{n}_gspspec" for n in GSPSPEC.values()), "flags_gspspec"), f"{GAIA}.read_gspspec"),
    Kind("Gaia gaia_source", ("source_id", "phot_g_mean_mag"), tuple(SOURCE.values()),
         f"{GAIA}.read_gaia_source"),
    Kind("Gaia gaia_source", ("source_id", "parallax"), tuple(SOURCE.values()),
         f"{GAIA}.read_gaia_source"),
    Kind("APOGEE allStar", ("apogee_id", "teff", "logg"), ("snr", "ra", "dec", "m_h", "fe_h"),
         "common.surveys.apogee.read_allstar"),
    Kind("DESI redshifts (redrock or zcatalog)", ("targetid", "z", "zwarn"),
         ("zerr", "spectype", "subtype", "deltachi2"), DESI),
    Kind("DESI quasar catalogue (QSO_cat)", ("targetid", "z"), ("target_ra", "target_dec"), DESI),
    Kind("LAMOST catalogue of stellar parameters", ("obsid", "teff", "logg"),
         ("feh", "teff_err", "logg_err", "feh_err", "snrg", "z", "class", "subclass"), STARS),
    Kind("LAMOST catalogue of stellar parameters", ("obsid", "cat_teff", "cat_logg"),
         ("cat_feh", "snrg", "z", "subclass", "file"), STARS),
    Kind("MPA-JHU galSpecInfo", ("specobjid", "plateid", "fiberid", "sn_median"),
         ("mjd", "ra", "dec", "z", "z_err", "z_warning", "reliable"), JHU),
    Kind("MPA-JHU galSpecExtra", ("specobjid", "oh_p50"),
         ("bptclass", "lgm_tot_p50", "sfr_tot_p50"), JHU),
    Kind("MPA-JHU galSpecLine", ("specobjid", "h_alpha_flux"),
         ("h_beta_flux", "nii_6584_flux"), JHU),
    Kind("labels of MOONS spectra", ("id", "z", "log_mass"), ("log_sfr", "exposure", "m_h", "kind"),
         "common.surveys.moons_labels.read_labels"),
)  # fmt: skip
# Tables that hold nothing for any reader here, and what they are.
OTHERS = (
    Kind("SDSS catalogue of spectra (spAll, specObj), without the spectra",
         ("plate", "mjd", "fiberid", "z", "class")),
    Kind(CURVE, ("wave", "mid")),
    Kind(CURVE, ("wave", "trans")),
)  # fmt: skip


def kind_of(names):
    """Return the `Kind` of a table by the lower-case names of its columns, or None."""
    return next((kind for kind in KINDS if set(kind.need) <= set(names)), None)


def other_of(names):
    """Return the `Kind` of a table that no reader is for, or None."""
    return next((kind for kind in OTHERS if set(kind.need) <= set(names)), None)


def lacking(names):
    """Return (`Kind`, missing columns) of a table that looks like a catalogue's, or None.

    One column alone may be missing, and not the first, which tells of which survey the table is.
    """
    for kind in KINDS:
        missing = [name for name in kind.need if name not in names]
        if len(kind.need) > 2 and len(missing) == 1 and missing[0] != kind.need[0]:
            return kind, missing
    return None
