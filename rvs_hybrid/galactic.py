"""Distances from parallaxes or magnitudes, and positions in the Galaxy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from common.errors import SuiteError
from common.metrics import mad_sigma
from rvs_hybrid.tables import parallax_sn

PARALLAX_SN = 5  # below it the inverse of a parallax is too biased a distance
FIT_SN = 10  # parallaxes that calibrate the absolute magnitudes
FEWEST = 50  # stars behind that calibration
A_K_RANGE = (-0.3, 3.0)  # mag: an extinction beyond is a failure of its estimate
R_EDGES = (0, 2, 4, 6, 8, 10, 12, 15)  # kpc
Z_EDGES = (0, 0.5, 1, 2)  # kpc


@dataclass(frozen=True)
class AbsoluteMagnitude:
    """Absolute Ks magnitude as a smooth function of Teff, log g and metallicity.

    M_K = 2.5 log g + a quadratic in (log Teff, log g, [Fe/H]): at fixed mass and temperature a
    star's luminosity goes as 1/g, which leaves the quadratic little to describe and keeps the
    relation sound beyond the stars it was fitted to.

    Attributes
    ----------
    low, high : ndarray of shape (3,)
        Limits of log10 Teff, log g and metallicity of the fit, which the quadratic keeps to.
    coefficients : ndarray of shape (10,)
    scatter : float
        1.4826 times the median absolute deviation of the residuals, mag.
    n : int
        Stars of the fit.
    """

    low: np.ndarray
    high: np.ndarray
    coefficients: np.ndarray
    scatter: float
    n: int

    def __call__(self, *, teff, logg, metal):
        """Return M_K in mag, ndarray of shape (n,)."""
        x = _features(teff, logg, metal)
        return 2.5 * x[:, 1] + _quadratic(x, self.low, self.high) @ self.coefficients


def fit_absolute_magnitude(*, teff, logg, metal, m_k):
    """Fit `AbsoluteMagnitude` to stars of known distance, in five rounds of 3-sigma clipping.

    Parameters
    ----------
    teff, logg, metal, m_k : array-like of shape (n,)
        K, dex, dex, mag.

    Raises
    ------
    SuiteError
        If fewer than 50 rows are finite.
    """
    x, m_k = _features(teff, logg, metal), np.asarray(m_k, float)
    good = np.isfinite(x).all(axis=1) & np.isfinite(m_k)
    if good.sum() < FEWEST:
        raise SuiteError(
            f"{good.sum()} stars have a parallax of S/N > {FIT_SN}, magnitudes and labels; "
            f"{FEWEST} are needed to calibrate photometric distances."
        )
    x, y = x[good], m_k[good] - 2.5 * x[good, 1]
    low, high = np.percentile(x, [0.5, 99.5], axis=0)
    basis = _quadratic(x, low, high)
    keep = np.ones(len(y), bool)
    for _ in range(5):
        coefficients = np.linalg.lstsq(basis[keep], y[keep], rcond=1e-8)[0]
        r = y - basis @ coefficients
        scatter = mad_sigma(r)
        keep = np.abs(r) <= max(3 * scatter, 1e-9)
    return AbsoluteMagnitude(low, high, coefficients, float(scatter), len(y))


def _features(teff, logg, metal):
    with np.errstate(divide="ignore", invalid="ignore"):
        columns = [np.log10(np.asarray(teff, float)), logg, metal]
    return np.stack([np.asarray(c, float) for c in columns], axis=1)


def _quadratic(x, low, high):
    """Return 1, the three features scaled to -1..1, and their products, shape (n, 10)."""
    u = 2 * (np.clip(x, low, high) - low) / np.maximum(high - low, 1e-9) - 1
    products = [u[:, i] * u[:, j] for i in range(3) for j in range(i, 3)]
    return np.stack([np.ones(len(u)), *u.T, *products], axis=1)


def distances(df, *, metal="fe_h"):
    """Return heliocentric distances and where they are from.

    Parameters
    ----------
    df : DataFrame
        parallax, parallax_error, parallax_zp (mas); for stars without a good parallax k, a_k
        (mag), teff_pred, logg_pred and the predicted metallicity.
    metal : {"fe_h", "m_h"}

    Returns
    -------
    table : DataFrame
        distance (kpc) and distance_source: "parallax" (1 / corrected parallax, S/N > 5),
        "photometric" (M_K at the predicted labels, calibrated on the table's own stars of
        parallax S/N > 10) or "none".
    relation : AbsoluteMagnitude or None
        None where too few stars calibrate it.

    Raises
    ------
    SuiteError
        If no star gets a distance.
    """
    sn = parallax_sn(df)
    if "parallax_error" in df:
        parallax = sn * df["parallax_error"].to_numpy(float)
    else:
        parallax = np.full(len(df), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = np.where(sn > 0, 1 / parallax, np.nan)
    distance = np.where(sn > PARALLAX_SN, inverse, np.nan)
    source = np.where(np.isfinite(distance), "parallax", "none").astype(object)
    relation = None
    needed = ("k", "a_k", "teff_pred", "logg_pred", f"{metal}_pred")
    if set(needed) <= set(df):
        k, a_k, teff, logg, m = (df[c].to_numpy(float) for c in needed)
        k0 = k - np.where((a_k >= A_K_RANGE[0]) & (a_k <= A_K_RANGE[1]), a_k, np.nan)
        with np.errstate(invalid="ignore"):
            m_k = np.where(sn > FIT_SN, k0 - 5 * np.log10(inverse * 100), np.nan)
        try:
            relation = fit_absolute_magnitude(teff=teff, logg=logg, metal=m, m_k=m_k)
        except SuiteError:  # then only parallaxes give distances
            relation = None
        if relation is not None:
            modulus = k0 - relation(teff=teff, logg=logg, metal=m)
            take = (source == "none") & np.isfinite(modulus)
            distance[take] = 10 ** (modulus[take] / 5 - 2)
            source[take] = "photometric"
    if not np.isfinite(distance).any():
        raise SuiteError(
            "no star has a distance: parallax S/N > 5, or k, a_k and predicted labels with "
            f"{FEWEST} stars of parallax S/N > {FIT_SN} to calibrate them"
        )
    return pd.DataFrame({"distance": distance, "distance_source": source}, index=df.index), relation


def galactocentric(*, ra, dec, distance):
    """Return galactocentric radius in the plane and height, kpc, ndarrays of shape (n,).

    Parameters
    ----------
    ra, dec : array-like of shape (n,)
        Degrees, ICRS.
    distance : array-like of shape (n,)
        Heliocentric, kpc; NaN stays NaN.

    Notes
    -----
    astropy's Galactocentric frame with its defaults "v4.0": the Sun at 8.122 kpc (GRAVITY
    Collaboration 2018) and 20.8 pc above the plane (Bennett & Bovy 2019).
    """
    import astropy.units as u
    from astropy.coordinates import Galactocentric, SkyCoord, galactocentric_frame_defaults

    with galactocentric_frame_defaults.set("v4.0"):
        frame = Galactocentric()
    known = np.isfinite(np.asarray(distance, float))
    sky = SkyCoord(
        ra=np.asarray(ra, float) * u.deg,
        dec=np.asarray(dec, float) * u.deg,
        distance=np.where(known, distance, 1.0) * u.kpc,
    ).transform_to(frame)
    radius = np.hypot(sky.x, sky.y).to_value(u.kpc)
    return np.where(known, radius, np.nan), np.where(known, sky.z.to_value(u.kpc), np.nan)


def positions(df, *, metal="fe_h"):
    """Return `distances` with galactocentric R and Z (kpc) of a table with ra and dec, and M_K.

    Raises
    ------
    SuiteError
        If there is no position or no distance.
    """
    if not {"ra", "dec"} <= set(df):
        raise SuiteError("the table has no ra and dec")
    table, relation = distances(df, metal=metal)
    table["R"], table["Z"] = galactocentric(ra=df["ra"], dec=df["dec"], distance=table["distance"])
    return table, relation


def bins(*, R, Z, r_edges=R_EDGES, z_edges=Z_EDGES):
    """Return {(i, j): mask} of bins in R (i) and |Z| (j), lower edges included."""
    R, Z = np.asarray(R, float), np.abs(np.asarray(Z, float))
    return {
        (i, j): (R >= r_edges[i]) & (R < r_edges[i + 1]) & (Z >= z_edges[j]) & (Z < z_edges[j + 1])
        for i in range(len(r_edges) - 1)
        for j in range(len(z_edges) - 1)
    }
