"""Gaia's gaia_source and astrophysical_parameters (GSP-Spec) tables, in the names of this suite."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from common.errors import UsageError
from common.surveys.gaia_tables import read_gaia_table

SOURCE = {  # name here: column of gaia_source
    "ra": "ra",
    "dec": "dec",
    "g": "phot_g_mean_mag",
    "bp": "phot_bp_mean_mag",
    "rp": "phot_rp_mean_mag",
    "parallax": "parallax",
    "parallax_error": "parallax_error",
    "ruwe": "ruwe",
    "pmra": "pmra",
    "pmdec": "pmdec",
    "ref_epoch": "ref_epoch",
    "snr_rvs": "rvs_spec_sig_to_noise",
}
ZERO_POINT = {  # argument of parallax_zero_point: column of gaia_source
    "g": "phot_g_mean_mag",
    "nu_eff": "nu_eff_used_in_astrometry",
    "pseudocolour": "pseudocolour",
    "ecl_lat": "ecl_lat",
    "params_solved": "astrometric_params_solved",
}
GSPSPEC = {"teff": "teff", "logg": "logg", "m_h": "mh", "fe_m": "fem", "alpha_m": "alphafe"}
N_PARAMETER_FLAGS = 13  # of flags_gspspec: the first characters, of the parameters
FIVE, SIX = 31, 95  # astrometric_params_solved of 5- and 6-parameter solutions


def read_gaia_source(path, *, rejects=None):
    """Read a table with columns of gaia_source.

    Parameters
    ----------
    path : path-like
        csv and its kin, ecsv, FITS or VOTable, plain or gzipped; VizieR's names are known too.
    rejects : list of dict, optional
        Gets the rows without a source_id; without it a warning counts them.

    Returns
    -------
    DataFrame
        source_id (int64), ra, dec (deg), g, bp, rp (mag), parallax, parallax_error, parallax_zp
        (mas), ruwe, pmra, pmdec (mas/yr), ref_epoch (yr), snr_rvs. NaN where missing.
        ``parallax - parallax_zp`` is the corrected parallax; parallax_zp is NaN where
        `parallax_zero_point` has none, and everywhere without the columns that it needs.

    Warns
    -----
    UserWarning
        With the number of parallaxes that have no zero point.

    Raises
    ------
    ReadError
        If the file is damaged, has none of these columns, no good source_id or a repeated one, or
        a unit of another kind.
    UsageError
        If the columns for the zero point are there and the package is not installed.
    """
    want = [*SOURCE.values(), *ZERO_POINT.values()]
    table = read_gaia_table(path, want=want, rejects=rejects)
    if not any(name in table for name in SOURCE.values()):
        raise table.error(
            "a table with source_id and nothing of gaia_source",
            f"some of the columns {', '.join(SOURCE.values())}",
        )
    frame = pd.DataFrame(
        {"source_id": table.ids(), **{new: table.numbers(old) for new, old in SOURCE.items()}}
    )
    zero_point = np.full(len(frame), np.nan)
    lacking = [name for name in ZERO_POINT.values() if name not in table]
    if not lacking:
        zero_point = parallax_zero_point(
            **{new: table.numbers(old) for new, old in ZERO_POINT.items()}
        )
    frame.insert(frame.columns.get_loc("parallax_error") + 1, "parallax_zp", zero_point)
    without = int(np.sum(np.isfinite(frame["parallax"]) & np.isnan(zero_point)))
    if without:
        why = f"without columns {', '.join(lacking)}" if lacking else "outside its range"
        warnings.warn(f"{table.path}: {without} parallaxes have no zero point ({why}).")
    return frame


def parallax_zero_point(*, g, nu_eff, pseudocolour, ecl_lat, params_solved):
    """Return the parallax zero point of Lindegren et al. (2021, A&A 649, A4).

    Parameters
    ----------
    g : array-like of shape (n,)
        phot_g_mean_mag, mag.
    nu_eff, pseudocolour : array-like of shape (n,)
        Effective wavenumber of 5-, pseudocolour of 6-parameter solutions, 1/micron.
    ecl_lat : array-like of shape (n,)
        Ecliptic latitude, deg.
    params_solved : array-like of shape (n,)
        astrometric_params_solved: 31 or 95; others have no parallax.

    Returns
    -------
    ndarray of shape (n,)
        mas, to be subtracted from the parallax. NaN where an input is missing or outside the range
        that it was derived on: 6 < G < 21, 1.1 < nu_eff < 1.9 (5 parameters), 1.24 < pseudocolour
        < 1.72 (6 parameters).

    Raises
    ------
    UsageError
        If gaiadr3-zeropoint (extra ``gaia``) is not installed.
    """
    try:
        from zero_point import zpt
    except ImportError:
        raise UsageError(
            "gaiadr3-zeropoint, which has the parallax zero points, is not installed. "
            'Install it: pip install -e ".[gaia]"'
        ) from None
    g, nu_eff, pseudocolour, ecl_lat, params_solved = (
        np.asarray(v, dtype=float) for v in (g, nu_eff, pseudocolour, ecl_lat, params_solved)
    )
    five = (params_solved == FIVE) & (nu_eff > 1.1) & (nu_eff < 1.9)
    six = (params_solved == SIX) & (pseudocolour > 1.24) & (pseudocolour < 1.72)
    use = (five | six) & (g > 6) & (g < 21) & np.isfinite(ecl_lat)
    out = np.full(g.shape, np.nan)
    if use.any():
        zpt.load_tables()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the colour that the other solution has not
            out[use] = zpt.get_zpt(
                g[use], nu_eff[use], pseudocolour[use], ecl_lat[use], params_solved[use]
            )
    return out


def effective_wavenumber(bp_rp):
    """Return the effective wavenumber of a colour (Lindegren et al. 2021, A&A 649, A2, Eq. 3).

    Parameters
    ----------
    bp_rp : array-like
        G_BP - G_RP, mag.

    Returns
    -------
    ndarray or float
        1/micron; NaN without a colour.
    """
    return 1.76 - 1.61 / np.pi * np.arctan(0.531 * np.asarray(bp_rp, dtype=float))


def zero_point_by_colour(*, g, bp_rp, ra, dec):
    """Return `parallax_zero_point` of tables without the astrometric columns, such as allStar.

    The effective wavenumber is `effective_wavenumber` of the colour, the ecliptic latitude follows
    from the position. All solutions count as of 5 parameters, as nearly all of G < 18 are. The
    archive's own wavenumbers lie up to 0.015 beside the colour's: 0.6 uas in the median of the
    range 9 < G < 15, and at most 3.6 uas.

    Parameters
    ----------
    g, bp_rp : array-like of shape (n,)
        mag.
    ra, dec : array-like of shape (n,)
        Degrees, ICRS.

    Returns
    -------
    ndarray of shape (n,)
        mas; NaN where an input is missing, or outside the range that it was derived on.
    """
    from astropy import units
    from astropy.coordinates import BarycentricMeanEcliptic, SkyCoord

    g, bp_rp, ra, dec = (np.asarray(v, dtype=float) for v in (g, bp_rp, ra, dec))
    known = np.isfinite(ra) & np.isfinite(dec)
    sky = SkyCoord(np.where(known, ra, 0) * units.deg, np.where(known, dec, 0) * units.deg)
    latitude = sky.transform_to(BarycentricMeanEcliptic()).lat.deg
    return parallax_zero_point(
        g=g,
        nu_eff=effective_wavenumber(bp_rp),
        pseudocolour=np.full(g.shape, np.nan),
        ecl_lat=np.where(known, latitude, np.nan),
        params_solved=np.full(g.shape, FIVE),
    )


def gspspec_good(flags):
    """Return which rows of GSP-Spec have parameters of best quality, ndarray of bool.

    Parameters
    ----------
    flags : sequence of str
        flags_gspspec: 13 characters of the parameters (biases by broadening and velocity, noise,
        extrapolation, bad flux, emission, KM giants), then those of the abundances.

    Notes
    -----
    0 is best, 9 worst, in each (Recio-Blanco et al. 2023, A&A 674, A29, Sect. 8 and Table 2). Here
    all 13 must be 0. A text that is shorter, as of a row without parameters, is not good.
    """
    return np.array([str(text)[:N_PARAMETER_FLAGS] == "0" * N_PARAMETER_FLAGS for text in flags],
                    dtype=bool)  # fmt: skip


def read_gspspec(path):
    """Read GSP-Spec's parameters from a table with columns of astrophysical_parameters.

    `path` as `read_gaia_source` takes it.

    Returns
    -------
    DataFrame
        source_id (int64), teff (K), logg, m_h, fe_h = [M/H] + [Fe/M], alpha_m ([alpha/Fe] in the
        archive), each with its error (half the interval from lower to upper; that of fe_h in
        quadrature), as published, without the calibrations of Recio-Blanco et al. (2023, A&A 674,
        A29); and flags (text). NaN or "" where missing.

    Raises
    ------
    ReadError
        If the file is damaged, lacks teff_gspspec, or a source_id is missing or repeated.
    """
    names = {n: f"{old}_gspspec" for n, old in GSPSPEC.items()}
    ends = [f"{name}_{end}" for name in names.values() for end in ("lower", "upper")]
    table = read_gaia_table(
        path,
        need=("source_id", "teff_gspspec"),
        want=[*names.values(), *ends, "flags_gspspec"],
    )
    frame = pd.DataFrame({"source_id": table.ids()})
    for new, old in names.items():
        measure = "teff" if new == "teff" else "feh"  # in K, or dex
        low, frame[new], high = (
            table.numbers(f"{old}{end}", measure) for end in ("_lower", "", "_upper")
        )
        frame[f"{new}_err"] = (high - low) / 2
    frame["fe_h"] = frame["m_h"] + frame["fe_m"]
    frame["fe_h_err"] = np.hypot(frame["m_h_err"], frame["fe_m_err"])
    frame["flags"] = table.texts("flags_gspspec")
    return frame.drop(columns=["fe_m", "fe_m_err"])
