"""Joining tables: one-to-one, honest about ambiguity, right at the poles and across 0h."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.crossmatch import by_id, by_position
from common.errors import UsageError

ARCSEC = 1 / 3600


def place(ra, dec, distance, angle):
    """Return the position at a distance (deg) and position angle (deg) from another.

    By vectors: astropy's directional_offset_by loses digits at the poles.
    """
    ra, dec, distance, angle = np.deg2rad([ra, dec, distance, angle])
    here = np.array([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])
    east = np.array([-np.sin(ra), np.cos(ra), 0.0])
    direction = np.cos(angle) * np.cross(here, east) + np.sin(angle) * east
    x, y, z = np.cos(distance) * here + np.sin(distance) * direction
    return np.rad2deg(np.arctan2(y, x)) % 360, np.rad2deg(np.arctan2(z, np.hypot(x, y)))


def position(ra, dec, other_ra, other_dec, radius=1.0, **motion):
    """Match with one position or more on the other side."""
    return by_position(ra=ra, dec=dec, other_ra=np.atleast_1d(other_ra), radius_arcsec=radius,
                       other_dec=np.atleast_1d(other_dec), **motion)  # fmt: skip


def test_identifiers_join_in_the_order_of_the_first_table():
    left = np.array([30, 10, 99, 20])
    right = np.array([10, 20, 30, 40])
    match = by_id(left=left, right=right)
    np.testing.assert_array_equal(match.left, [0, 1, 3])
    np.testing.assert_array_equal(match.right, [2, 0, 1])
    assert (match.unmatched, match.ambiguous, len(match)) == (1, 0, 3)
    ids = np.array([6917529027641081856, 6917529027641081857])  # neighbours are told apart
    np.testing.assert_array_equal(by_id(left=ids, right=ids[::-1]).right, [1, 0])
    with pytest.raises(UsageError, match="floating-point"):
        by_id(left=ids.astype(float), right=ids)
    with pytest.raises(UsageError, match="whole numbers on both sides"):
        by_id(left=[1, 2], right=["1", "2"])


def test_missing_identifiers_match_nothing_and_repeated_ones_give_one_pair():
    match = by_id(left=["a", "", None, "b "], right=["", None, "b"])
    np.testing.assert_array_equal(match.left, [3])
    np.testing.assert_array_equal(match.right, [2])
    masked = np.ma.array([5, 7], mask=[True, False])
    assert len(by_id(left=masked, right=np.array([5, 7]))) == 1
    assert len(by_id(left=[np.nan, 7.0], right=[np.nan, 7.0])) == 1
    assert len(by_id(left=[], right=[])) == 0
    match = by_id(left=[1, 1, 2, 3], right=[3, 2, 2, 1])
    np.testing.assert_array_equal(match.left, [0, 2, 3])
    np.testing.assert_array_equal(match.right, [3, 1, 0])
    assert match.ambiguous == 2


@given(*[st.lists(st.integers(-(2**62), 2**62), max_size=30)] * 2)
def test_joins_by_identifier_are_one_to_one_and_complete(left, right):
    match = by_id(left=np.array(left, dtype="int64"), right=np.array(right, dtype="int64"))
    assert all(left[a] == right[b] for a, b in zip(match.left, match.right, strict=True))
    assert len(match) == len(set(left) & set(right))
    assert len(set(match.right)) == len(match) and match.unmatched == len(left) - len(match)


def test_columns_are_spread_and_a_match_is_the_same_from_both_sides():
    match = by_id(left=[1, 2, 3], right=[3, 1])
    np.testing.assert_array_equal(match.spread([30.0, 10.0]), [10.0, np.nan, 30.0])
    assert match.spread(np.ones((2, 4))).shape == (3, 4)
    assert "2 of 3 stars" in match.summary("stars")
    left, right = [5, 3, 9, 3], [3, 5, 7]
    there, back = by_id(left=left, right=right).swapped(), by_id(left=right, right=left)
    for name in ("left", "right", "separation", "ambiguous", "n_left", "n_right", "unmatched"):
        np.testing.assert_array_equal(getattr(there, name), getattr(back, name))


@settings(deadline=None, max_examples=50)
@given(
    ra=st.floats(0, 359.9999), distance=st.floats(0.01, 0.9), angle=st.floats(0, 360),
    dec=st.sampled_from([-90.0, -89.99999, -45.0, 0.0, 60.0, 89.99999, 90.0]),
)  # fmt: skip
def test_a_neighbour_is_found_anywhere_on_the_sky(ra, dec, distance, angle):
    there = place(ra, dec, distance * ARCSEC, angle)
    match = position([ra], [dec], *there)
    assert len(match) == 1
    np.testing.assert_allclose(match.separation, distance, atol=1e-5)
    match = position([ra], [dec], *there, distance * 0.99)
    assert len(match) == 0 and match.unmatched == 1


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 12))
def test_pairs_are_mutually_nearest_as_brute_force_says(seed, n, m):
    from astropy import units as u
    from astropy.coordinates import SkyCoord

    rng = np.random.default_rng(seed)
    a, b = rng.uniform(0, 4 * ARCSEC, (n, 2)), rng.uniform(0, 4 * ARCSEC, (m, 2))
    match = position(*a.T, *b.T, 1.5)
    one, two = SkyCoord(a * u.deg), SkyCoord(b * u.deg)
    distance = one[:, None].separation(two[None, :]).arcsec
    pairs = enumerate(distance.argmin(1))
    expected = [p for p in pairs if distance[p] < 1.5 and distance[:, p[1]].argmin() == p[0]]
    assert list(zip(match.left, match.right, strict=True)) == expected
    near = distance < 1.5
    assert match.ambiguous == sum(near[i].sum() > 1 or near[:, j].sum() > 1 for i, j in expected)


def test_what_is_missing_repeated_or_across_0h():
    match = position([np.nan, 10.0, 20.0], [0.0, np.nan, 5.0], [np.nan, 20.0], [0.0, 5.0])
    np.testing.assert_array_equal([match.left, match.right], [[2], [1]])
    empty = position([], [], 1.0, 1.0)
    assert len(empty) == 0 and empty.n_right == 1
    match = position([1.0, 1.0], [2.0, 2.0], 1.0, 2.0)  # two rows at one place give one pair
    assert (len(match), match.ambiguous, match.unmatched) == (1, 1, 1)
    match = position([359.99999, -0.00001], [0.0, 5.0], [0.00001, 359.99999], [0.0, 5.0])
    np.testing.assert_array_equal(match.right, [0, 1])
    np.testing.assert_allclose(match.separation, [0.072, 0.0], atol=1e-6)
    match = position([10.0, 20.0], [0.0, 0.0], [10.0, 20.0], [0.0, 10 * ARCSEC], 0.1,
                     pmra=[np.nan, 0.0], pmdec=[np.nan, 1000.0], epoch=[2016.0, 2016.0],
                     other_epoch=2026.0)  # fmt: skip
    np.testing.assert_array_equal(match.left, [0, 1])  # a missing proper motion counts as none


def test_barnards_star_is_followed_from_hipparcos_to_gaia():
    # Hipparcos I/239 (J1991.25) and Gaia DR3 4472832130942575872 (J2016.0), both ICRS
    hipparcos = dict(ra=[269.45402305], dec=[4.66828815])
    gaia = dict(other_ra=[269.44850252543836], other_dec=[4.739420051112412])
    motion = dict(pmra=[-797.84], pmdec=[10326.93], epoch=1991.25, other_epoch=2016.0)
    assert len(by_position(**hipparcos, **gaia, radius_arcsec=2)) == 0
    match = by_position(**hipparcos, **gaia, **motion, radius_arcsec=2)
    assert len(match) == 1 and match.separation[0] < 1.5  # its parallax of 0.55 arcsec included


@settings(deadline=None, max_examples=30)
@given(
    ra=st.floats(0, 359.99), dec=st.floats(-89.9, 89.9), speed=st.floats(1, 5000),
    angle=st.floats(0, 360), years=st.floats(-20, 20),
)  # fmt: skip
def test_proper_motion_moves_along_a_great_circle(ra, dec, speed, angle, years):
    there = place(ra, dec, speed * years / 1000 * ARCSEC, angle)
    motion = np.deg2rad(angle)
    match = position([ra], [dec], *there, pmra=[speed * np.sin(motion)], epoch=2000.0,
                     pmdec=[speed * np.cos(motion)], other_epoch=2000.0 + years)  # fmt: skip
    assert len(match) == 1 and match.separation[0] < 0.02


def test_arguments_that_make_no_sense_are_refused():
    good = dict(ra=[1.0], dec=[2.0], other_ra=[1.0], other_dec=[2.0], radius_arcsec=1.0)
    for change, text in (
        (dict(radius_arcsec=0), "radius"), (dict(radius_arcsec=np.nan), "radius"),
        (dict(dec=[91.0]), "Declinations"), (dict(pmra=[1.0], pmdec=[1.0]), "epoch"),
        (dict(pmra=[1.0], epoch=2000.0, other_epoch=2016.0), "pmdec"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=text):
            by_position(**{**good, **change})
