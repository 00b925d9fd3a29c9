"""Positions in the Galaxy and its radial and vertical metallicity gradients (Sect. 4.4)."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from common.errors import SuiteError

# astropy's Galactocentric defaults "v4.0" by value, so that no later default changes a result. The
# paper names astropy alone.
R_SUN = 8.122  # kpc, GRAVITY Collaboration 2018
Z_SUN = 0.0208  # kpc, Bennett & Bovy 2019
CENTRE = (266.4051, -28.936175)  # deg, ICRS: Reid & Brunthaler 2004
ROLL = 0.0  # deg
R_EDGES = tuple(np.arange(7.0, 14.5, 1.0))  # kpc, Table 4
Z_EDGES = tuple(np.round(np.arange(0.0, 2.1, 0.2), 1))  # kpc, Table 3
R_RANGE, Z_MAX = (7.0, 14.0), 2.0  # kpc
FEWEST = 30  # default: stars without which a bin has no gradient
COLUMNS = ("at", "gradient", "gradient_error", "intercept", "intercept_error", "n")


def positions(*, ra, dec, distance):
    """Return Galactocentric positions.

    Parameters
    ----------
    ra, dec : array-like of shape (n,)
        deg, ICRS.
    distance : array-like of shape (n,)
        pc from the Sun.

    Returns
    -------
    DataFrame
        X, Y, Z, R in kpc (the Sun at X = -R_SUN, Y = 0); NaN where an input is missing or a
        distance is not above 0.
    """
    import astropy.units as u
    from astropy.coordinates import CartesianDifferential, Galactocentric, SkyCoord

    frame = Galactocentric(
        galcen_coord=SkyCoord(*CENTRE, unit="deg", frame="icrs"),
        galcen_distance=R_SUN * u.kpc,
        galcen_v_sun=CartesianDifferential([12.9, 245.6, 7.78] * u.km / u.s),  # not used
        z_sun=Z_SUN * u.kpc,
        roll=ROLL * u.deg,
    )
    ra, dec, distance = (np.asarray(v, float) for v in (ra, dec, distance))
    known = np.isfinite(ra) & np.isfinite(dec) & np.isfinite(distance) & (distance > 0)
    xyz = np.full((3, len(distance)), np.nan)
    if known.any():
        sky = SkyCoord(ra[known], dec[known], distance[known] / 1000, unit=("deg", "deg", "kpc"))
        xyz[:, known] = sky.transform_to(frame).cartesian.xyz.to_value(u.kpc)
    x, y, z = xyz
    return pd.DataFrame({"X": x, "Y": y, "Z": z, "R": np.hypot(x, y)})


def in_subsample(*, R, Z):
    """Return which stars the gradients are of: 7 <= R <= 14 kpc, |Z| <= 2 kpc (Sect. 4.4)."""
    R, Z = np.asarray(R, float), np.abs(np.asarray(Z, float))
    return (R >= R_RANGE[0]) & (R <= R_RANGE[1]) & (Z <= Z_MAX)


def line(x, y):
    """Return slope, its error, intercept, its error, and n of an ordinary least-squares line.

    `scipy.stats.linregress`, as in the paper (Eqs. 6, 7).
    """
    from scipy.stats import linregress

    keep = np.isfinite(x) & np.isfinite(y)
    if keep.sum() < 3 or np.ptp(np.asarray(x)[keep]) == 0:
        return np.nan, np.nan, np.nan, np.nan, int(keep.sum())
    fit = linregress(np.asarray(x)[keep], np.asarray(y)[keep])
    return fit.slope, fit.stderr, fit.intercept, fit.intercept_stderr, int(keep.sum())


def radial(*, R, Z, feh, fewest=FEWEST, edges=Z_EDGES):
    """Return Table 3: the radial gradient in bins of |Z|.

    Parameters
    ----------
    R, Z : array-like of shape (n,)
        kpc.
    feh : array-like of shape (n,)
        dex.
    fewest : int
        Bins of fewer stars are left out.
    edges : sequence of float
        Of |Z|, kpc; lower edges included.

    Returns
    -------
    DataFrame
        at (middle of the bin, kpc), gradient, gradient_error (dex/kpc), intercept,
        intercept_error (dex), n.
    """
    R, height, feh = np.asarray(R, float), np.abs(np.asarray(Z, float)), np.asarray(feh, float)
    return _in_bins(R, feh, height, in_subsample(R=R, Z=height), edges, fewest)


def vertical(*, R, Z, feh, fewest=FEWEST, edges=R_EDGES):
    """Return Table 4: the gradient with |Z| in bins of R; arguments and columns as `radial`."""
    R, height, feh = np.asarray(R, float), np.abs(np.asarray(Z, float)), np.asarray(feh, float)
    return _in_bins(height, feh, R, in_subsample(R=R, Z=height), edges, fewest)


def _in_bins(x, y, by, keep, edges, fewest):
    rows = []
    keep = keep & np.isfinite(x) & np.isfinite(y)
    for low, high in pairwise(edges):
        here = keep & (by >= low) & (by < high if high < edges[-1] else by <= high)
        if here.sum() < fewest:
            continue
        values = line(x[here], y[here])
        rows.append(dict(zip(COLUMNS, (round((low + high) / 2, 3), *values), strict=True)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def published(kind):
    """Return Table 3 ("radial") or Table 4 ("vertical") from claims.toml, columns as ours."""
    from common import claims

    rows = {}
    for claim in claims.load(Path(__file__).parents[1] / "claims.toml"):
        how = claim.measure
        if how["metric"] == "gradient" and how["kind"] == kind:
            rows.setdefault(how["at"], {})[how["of"]] = claim.published
    table = pd.DataFrame([{"at": at, **row} for at, row in sorted(rows.items())])
    return table[list(COLUMNS)]


def of_table(df, *, kind="pred"):
    """Return positions and metallicities of predictions by one kind of values.

    Parameters
    ----------
    df : DataFrame
        ra, dec, distance_KIND, feh_KIND.
    kind : {"pred", "true", "planted"}
        The network's, the labels', or what a mock planted.

    Returns
    -------
    DataFrame
        X, Y, Z, R (kpc), feh (dex), of the rows of `df` in their order.

    Raises
    ------
    SuiteError
        If a column is missing or no row has all values.
    """
    needed = ("ra", "dec", f"distance_{kind}", f"feh_{kind}")
    missing = [name for name in needed if name not in df]
    if missing:
        raise SuiteError(
            f"Gradients need {', '.join(needed)}; not in the table: {', '.join(missing)}."
        )
    table = positions(ra=df["ra"], dec=df["dec"], distance=df[f"distance_{kind}"])
    table["feh"] = df[f"feh_{kind}"].to_numpy(float)
    if not table.notna().all(axis=1).any():
        raise SuiteError(f"No star has a position, a distance and a metallicity ({kind}).")
    return table
