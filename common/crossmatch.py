"""Which row of one table is which row of another: by identifier or by position on the sky."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd

from common.cli import say
from common.errors import UsageError

EXACT = 2**53  # beyond it float64 no longer tells neighbouring integers apart


@dataclass(frozen=True)
class Match:
    """Pairs of rows, one-to-one.

    Attributes
    ----------
    left, right : ndarrays of int, shape (n_pairs,)
        Row numbers in the two inputs; `left` rises.
    separation : ndarray of shape (n_pairs,)
        arcsec; 0 for a match by identifier.
    ambiguous : int
        Pairs of which at least one partner had another candidate (the same identifier more than
        once, or more than one position within the radius).
    n_left, n_right : int
        Rows of the two inputs.
    """

    left: np.ndarray
    right: np.ndarray
    separation: np.ndarray
    ambiguous: int
    n_left: int
    n_right: int

    def __len__(self):
        return len(self.left)

    @property
    def unmatched(self):
        """Rows of the first input that have no partner, int."""
        return self.n_left - len(self.left)

    def swapped(self):
        """Return the match of the second input with the first."""
        order = np.argsort(self.right)
        return Match(
            left=self.right[order],
            right=self.left[order],
            separation=self.separation[order],
            ambiguous=self.ambiguous,
            n_left=self.n_right,
            n_right=self.n_left,
        )

    def spread(self, values):
        """Return a column of the second input along the rows of the first, NaN without partner.

        Parameters
        ----------
        values : array of float, shape (n_right, ...)

        Returns
        -------
        ndarray of shape (n_left, ...), float64
        """
        values = np.asarray(values, dtype=float)
        out = np.full((self.n_left, *values.shape[1:]), np.nan)
        out[self.left] = values[self.right]
        return out

    def summary(self, what="rows"):
        """Return the counts in one line of text."""
        return (
            f"{len(self)} of {self.n_left} {what} matched one-to-one with {self.n_right}; "
            f"{self.unmatched} without a partner, {self.ambiguous} matches ambiguous"
        )


def by_id(*, left, right):
    """Match rows by identifier.

    Parameters
    ----------
    left, right : array-like of int or of str
        Identifiers, such as Gaia's source_id. Missing ones (None, NaN, masked, empty) match
        nothing. Of an identifier that occurs more than once on a side, the first row is taken.

    Returns
    -------
    Match

    Raises
    ------
    UsageError
        If one side is numbers and the other text, or if an identifier comes as a floating-point
        number above 2**53, where neighbouring integers can no longer be told apart.
    """
    sides = [_ids(left, "left"), _ids(right, "right")]
    kinds = [s.dtype == object for s in sides if len(s)]
    if len(set(kinds)) > 1:
        raise UsageError(
            "Identifiers must be whole numbers on both sides or text on both sides. Received "
            f"{sides[0].dtype} and {sides[1].dtype}; read both columns with the same type."
        )
    repeated = [set(s[s.duplicated(keep=False)]) for s in sides]
    firsts = [s[~s.duplicated()] for s in sides]
    where = pd.Series(firsts[1].index, index=firsts[1].to_numpy())
    here = firsts[0][firsts[0].isin(where.index)]
    common = repeated[0] | repeated[1]
    return Match(
        left=here.index.to_numpy(dtype=int),
        right=where.reindex(here.to_numpy()).to_numpy(dtype=int),
        separation=np.zeros(len(here)),
        ambiguous=int(here.isin(common).sum()),
        n_left=len(np.atleast_1d(left)),
        n_right=len(np.atleast_1d(right)),
    )


def _ids(values, side):
    """Return the present identifiers as a Series: int64 or text, indexed by row number."""
    if np.ma.isMaskedArray(values):
        values = pd.Series(values.tolist(), dtype=object)  # None where masked
    series = pd.Series(values).reset_index(drop=True).dropna()
    if pd.api.types.is_float_dtype(series):
        large = series.abs() >= EXACT
        if large.any():
            raise UsageError(
                f"{side}: identifier {series[large].iloc[0]:.0f} is a floating-point number and "
                "has lost its last digits; allowed: 64-bit integers or text. Read the column as "
                "an integer."
            )
        whole = series == np.floor(series)
        return series[whole].astype("int64")
    if pd.api.types.is_integer_dtype(series):
        return series.astype("int64")
    if series.map(lambda v: isinstance(v, (int, np.integer))).all() and len(series):
        return series.astype("int64")
    text = series.map(lambda v: v.decode() if isinstance(v, bytes) else str(v)).str.strip()
    return text[text != ""].astype(object)


def say_joined(path, way, ways):
    """Say how rows were joined with a table; that none is, in capitals.

    Parameters
    ----------
    path : path-like
        Of the table.
    way : ndarray of int, shape (n,)
        Of each row the place in `ways`; 0 where it has no partner.
    ways : sequence of str
        In words, "not at all" the first.
    """
    counts = np.bincount(np.asarray(way, dtype=int), minlength=len(ways))
    told = ", ".join(f"{n} {how}" for n, how in zip(counts, ways, strict=True) if n)
    if counts[0] == len(way):
        say(f"WARNING: {path} joins NONE of {len(way)} rows: no id or position is theirs")
    else:
        say(f"{path}: {len(way) - counts[0]} of {len(way)} rows joined ({told})")


def by_position(*, ra, dec, other_ra, other_dec, radius_arcsec, pmra=None, pmdec=None, epoch=None,
                other_epoch=None):  # fmt: skip
    """Match rows by position: each the other's nearest within a radius.

    Parameters
    ----------
    ra, dec, other_ra, other_dec : array-like of float
        deg, ICRS. A row with a NaN matches nothing.
    radius_arcsec : float
        Largest separation of a pair, arcsec.
    pmra, pmdec : array-like of float, optional
        Proper motion of the first table in mas/yr, pmra with the factor cos(dec); NaN counts
        as no motion. Its positions are then moved from `epoch` to `other_epoch`.
    epoch, other_epoch : float or array-like, optional
        Julian years of the positions (Gaia DR2: 2015.5, DR3: 2016.0).

    Returns
    -------
    Match
        Mutually nearest pairs (of equal separations the lower row number). A row whose nearest
        prefers another stays without a partner.

    Raises
    ------
    UsageError
        If the radius is not above 0, a declination is beyond 90 degrees, or proper motions come
        without both epochs.
    """
    from astropy import units as u
    from astropy.coordinates import search_around_sky

    if not (np.isfinite(radius_arcsec) and radius_arcsec > 0):
        raise UsageError(f"The radius must be above 0 arcsec. Received {radius_arcsec}.")
    here, rows = _sky(ra, dec, pmra, pmdec, epoch, other_epoch)
    there, other_rows = _sky(other_ra, other_dec)
    a, b, separation = np.zeros(0, int), np.zeros(0, int), np.zeros(0)
    if len(rows) and len(other_rows):
        a, b, distance, _ = search_around_sky(here, there, radius_arcsec * u.arcsec)
        separation = distance.arcsec
    order = np.lexsort((b, a, separation))
    a, b, separation = a[order], b[order], separation[order]
    nearest = np.zeros(len(a), bool)
    nearest[np.unique(a, return_index=True)[1]] = True
    back = np.zeros(len(a), bool)
    back[np.unique(b, return_index=True)[1]] = True
    pairs = np.flatnonzero(nearest & back)
    pairs = pairs[np.argsort(a[pairs])]
    several = (np.bincount(a)[a[pairs]] > 1) | (np.bincount(b)[b[pairs]] > 1)
    return Match(
        left=rows[a[pairs]],
        right=other_rows[b[pairs]],
        separation=separation[pairs],
        ambiguous=int(several.sum()),
        n_left=np.size(ra),
        n_right=np.size(other_ra),
    )


def nearest(*, ra, dec, other_ra, other_dec, radius_arcsec):
    """Find the nearest row of a second table for each row, many-to-one.

    For repeated observations: each takes the same partner, while pairs of `by_position` are
    one-to-one.

    Parameters
    ----------
    ra, dec, other_ra, other_dec : array-like of float
        deg, ICRS. A row with a NaN matches nothing.
    radius_arcsec : float
        Largest separation, arcsec.

    Returns
    -------
    row : ndarray of int, shape (n,)
        Row in the second table, -1 for none.
    separation : ndarray of shape (n,)
        arcsec, NaN for none.

    Raises
    ------
    UsageError
        If the radius is not above 0 or a declination is beyond 90 degrees.
    """
    from astropy import units as u

    if not (np.isfinite(radius_arcsec) and radius_arcsec > 0):
        raise UsageError(f"The radius must be above 0 arcsec. Received {radius_arcsec}.")
    row, separation = np.full(np.size(ra), -1), np.full(np.size(ra), np.nan)
    here, rows = _sky(ra, dec)
    there, other_rows = _sky(other_ra, other_dec)
    if len(rows) and len(other_rows):
        found, angle, _ = here.match_to_catalog_sky(there)
        close = angle <= radius_arcsec * u.arcsec
        row[rows[close]] = other_rows[found[close]]
        separation[rows[close]] = angle[close].arcsec
    return row, separation


def _sky(ra, dec, pmra=None, pmdec=None, epoch=None, new_epoch=None):
    """Return the finite positions, moved to the new epoch, as SkyCoord, and their row numbers."""
    from astropy import units as u
    from astropy.coordinates import SkyCoord
    from astropy.time import Time
    from erfa import ErfaWarning

    ra, dec = np.broadcast_arrays(np.atleast_1d(ra).astype(float), np.atleast_1d(dec).astype(float))
    if np.any(np.abs(dec) > 90):
        worst = dec[np.abs(dec) > 90][0]
        raise UsageError(f"Declinations must be within -90 and 90 degrees. Received {worst}.")
    rows = np.flatnonzero(np.isfinite(ra) & np.isfinite(dec))
    if pmra is None and pmdec is None:
        return SkyCoord(ra[rows], dec[rows], unit="deg"), rows
    if pmra is None or pmdec is None or epoch is None or new_epoch is None:
        raise UsageError(
            "Proper motions need pmra, pmdec (mas/yr), epoch and other_epoch (years) together."
        )
    if not len(rows):
        return SkyCoord(ra[rows], dec[rows], unit="deg"), rows

    def chosen(values):
        return np.nan_to_num(np.broadcast_to(np.asarray(values, float), ra.shape)[rows])

    moving = SkyCoord(
        ra[rows] * u.deg,
        dec[rows] * u.deg,
        pm_ra_cosdec=chosen(pmra) * u.mas / u.yr,
        pm_dec=chosen(pmdec) * u.mas / u.yr,
        obstime=Time(np.broadcast_to(epoch, ra.shape)[rows], format="jyear"),
    )
    with warnings.catch_warnings():
        # erfa says that it took a distance of its own, which changes nothing without velocities
        warnings.simplefilter("ignore", ErfaWarning)
        there = moving.apply_space_motion(new_obstime=Time(new_epoch, format="jyear"))
    return SkyCoord(there.ra, there.dec), rows
