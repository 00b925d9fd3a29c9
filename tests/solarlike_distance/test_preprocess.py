"""Pre-processing: the released numbers, the slow recipe, and what becomes of bad input."""

import re

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import savgol_filter

from common.spectra import Spectra
from common.surveys import read, read_many
from solarlike_distance.config import make_config
from solarlike_distance.continuum import continuum, widen
from solarlike_distance.preprocess import preprocess, savgol
from tests.solarlike_distance import solardis_reference as slow
from tests.solarlike_distance import toy

CONFIG = make_config("lamost")


@pytest.fixture(scope="module")
def real(shared_data):
    """All real LAMOST spectra in one batch, and their names."""
    folder = shared_data / "real/lamost/spec"
    spectra = Spectra.concatenate(list(read_many(folder, progress=False, duplicates="keep")))
    return spectra, ("spec/" + spectra.meta["file"].str.rsplit("/", n=1).str[1]).tolist()


@pytest.fixture
def star(tmp_path):
    """Return a function that writes one star with changes and reads it."""
    about = toy.stars(2)

    def make(**changes):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.fits"
        return read(toy.write_image(path, about, 0, **changes))

    return make


def by_hand(spectra, row):
    """The slow recipe on one spectrum; wavelengths as float32, as the files hold them."""
    return slow.prepare_one(
        wave=spectra.wavelength_of(row).astype("float32"), flux=spectra.flux[row].astype(float),
        and_mask=spectra.mask[row], or_mask=spectra.or_mask[row],
        z=float(spectra.meta["z"][row]), grid=CONFIG.grid,
    )  # fmt: skip


def test_equal_to_what_the_authors_functions_gave(real, shared_data):
    spectra, names = real
    released = fits.getdata(shared_data / "reference/solardis/solardis_preprocessed.fits")
    rows = np.array([names.index(name) for name in released["file"]])
    made = preprocess(spectra[rows], CONFIG)
    assert made.usable.all() and len(rows) == 60
    np.testing.assert_allclose(made.x, released["flux"], atol=1e-6)  # no exception
    np.testing.assert_array_equal(made.flag, released["flag"])
    # And the recipe in tests/ is theirs, to the last digit.
    for row, theirs in zip(rows[:8], released["flux"], strict=False):
        np.testing.assert_allclose(by_hand(spectra, row)[0], theirs, atol=1e-12)


def test_equal_to_the_slow_recipe_on_all_real_spectra(real):
    spectra, _ = real
    made = preprocess(spectra, CONFIG)
    rows = np.flatnonzero(made.usable)
    assert len(rows) >= 245
    for row in rows[::2]:
        x, flag = by_hand(spectra, row)
        np.testing.assert_allclose(made.x[row], x, atol=1e-6, err_msg=spectra.ids[row])
        assert flag == made.flag[row]
    for text in made.reason[~made.usable]:
        assert re.search("class GALAXY|no redshift|continuum", text)
    some = np.array([3, 100, 200, 60, 161])  # a spectrum does not depend on its batch
    np.testing.assert_allclose(preprocess(spectra[some], CONFIG).x, made.x[some], atol=1e-6)


def test_the_papers_choice_for_pixels_out_of_range(real):
    spectra, _ = real
    one = preprocess(spectra[:60], CONFIG)
    zero = preprocess(spectra[:60], make_config("lamost", out_of_range="zero"))
    differ = one.x != zero.x
    assert one.flag.sum() > 3 and differ.any()
    assert (one.x[differ] == 1).all() and (zero.x[differ] == 0).all()
    np.testing.assert_array_equal(differ.sum(axis=1), one.replaced * one.usable)


def test_full_rank_is_least_squares_in_double_precision(star):
    spectra = star()
    flux = savgol_filter(spectra.flux[0].astype(float), 15, 7)
    wave = toy.WAVE
    for side in (wave < 6000, wave >= 6000):
        own = wave[side][None]
        given = dict(flux=flux[side][None], inside=np.ones_like(own, bool))
        ours = continuum(wave=own, config=make_config("lamost", full_rank=True), **given)
        scaled = (own[0] - own.mean()) / np.ptp(own)  # polyfit needs it to be accurate
        np.testing.assert_allclose(ours[0], slow.continuum(scaled, flux[side]), rtol=1e-8)
        short = continuum(wave=own.astype("f4"), config=CONFIG, **given)
        assert np.abs(short / ours - 1).max() > 1e-4  # the released code's loss of rank matters


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.booleans(), min_size=12, max_size=12), min_size=1, max_size=4),
       st.lists(st.integers(1, 12), min_size=4, max_size=4))  # fmt: skip
def test_runs_are_widened_as_the_slow_recipe_does(flags, lengths):
    flags = np.array(flags)
    inside = np.arange(12) < np.array(lengths)[: len(flags), None]
    ours = widen(flags, inside)
    for row, own in enumerate(inside):
        n = own.sum()
        np.testing.assert_array_equal(ours[row, :n], slow.widen(flags[row, :n]))
        assert not ours[row, n:].any()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(15, 60), min_size=1, max_size=5), st.integers(0, 1000))
def test_smoothing_is_scipys_on_rows_of_any_length(lengths, seed):
    length = np.array(lengths)
    rows = np.random.default_rng(seed).normal(100, 10, (len(length), length.max()))
    rows[np.arange(length.max()) >= length[:, None]] = 0
    ours = savgol(rows, length, window=15, order=7)
    for row, n in enumerate(length):
        np.testing.assert_allclose(ours[row, :n], savgol_filter(rows[row, :n], 15, 7), rtol=1e-9)


def test_either_mask_drops_pixels_and_so_does_nan(star):
    flags = np.zeros(toy.PIXELS)
    flags[1000:1005] = 1
    plain = star()
    spoilt = plain.flux[0].copy()
    spoilt[1000:1005] = 1e5
    results = [preprocess(s, CONFIG).x[0] for s in (
        star(flux=spoilt, and_mask=flags), star(flux=spoilt, or_mask=flags),
        star(flux=np.where(flags, np.nan, spoilt)),
    )]  # fmt: skip
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])
    near = (CONFIG.grid > 4620) & (CONFIG.grid < 4680)
    clean, unmasked = preprocess(plain, CONFIG).x[0], preprocess(star(flux=spoilt), CONFIG)
    assert np.abs(results[0] - clean)[near].max() < 0.1
    assert unmasked.flag[0] == 1 and unmasked.replaced[0] > 0


def test_a_shifted_star_comes_back_to_rest(star):
    here = preprocess(star(Z=0.0), CONFIG).x[0]
    line = CONFIG.grid[4700 - 3925 :][np.argmin(here[4700 - 3925 : 5000 - 3925])]
    assert abs(line - 4862.7) < 2
    away = star(Z=0.002)
    away.wavelength = away.wavelength_of(0) * 1.002
    np.testing.assert_allclose(preprocess(away, CONFIG).x[0], here, atol=2e-3)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        *(({"Z": z}, "no redshift") for z in (None, -9999.0, 999.0)),
        ({"Z": 0.12}, r"z = 0.1200; allowed is \|z\| < 0.01"),
        ({"CLASS": "GALAXY"}, "class GALAXY"),
        ({"CLASS": "QSO"}, "class QSO"),
        ({"or_mask": toy.WAVE < 4000}, "cover 4000-9098 Å.*needs 3925-8799"),
        ({"and_mask": toy.WAVE > 8700}, "cover 3700-8698 Å"),
        ({"or_mask": np.ones(toy.PIXELS)}, "every pixel is flagged"),
        ({"or_mask": (toy.WAVE > 4000) & (toy.WAVE < 5900)}, "of 3925-6000 Å carries no flag"),
        ({"flux": np.full(toy.PIXELS, -3.0)}, "negative everywhere"),
        ({"flux": np.full(toy.PIXELS, 3.0)}, "same in every pixel"),
        ({"flux": np.where(toy.WAVE < 6500, 50.0, -50.0)}, "continuum is not above zero"),
    ],
)
def test_what_cannot_be_used_is_said(star, changes, reason):
    made = preprocess(star(**changes), CONFIG)
    assert not made.usable[0] and re.search(reason, made.reason[0])
    assert not made.x.any()


def test_another_frame_is_refused(star):
    moved = star()
    moved.frame = "observed"
    assert "frame 'observed'" in preprocess(moved, CONFIG).reason[0]
    shifted = star(HELIO=False, HELIO_RV=30.0)  # read as heliocentric
    assert shifted.frame == "heliocentric" and preprocess(shifted, CONFIG).usable[0]


def test_what_is_kept_though_it_is_poor(star):
    made = preprocess(star(SNRG=1.5, FIBERMAS=128, SUBCLASS="dM3"), CONFIG)
    assert made.usable[0] and made.snr_g[0] == 1.5
    unsaid = preprocess(star(SNRG=-9999.0), CONFIG)
    assert 20 < unsaid.snr_g[0] < 90  # measured


def test_one_bad_spectrum_leaves_the_others_alone(star):
    good = star()
    # Emission on nothing: the fits run out of pixels.
    odd = star(flux=np.where(np.abs(toy.WAVE - 5000) < 3, 1e6, 1e-3))
    three = Spectra.concatenate([star(Z=None), good, odd])
    made = preprocess(three, CONFIG)
    assert list(made.usable[:2]) == [False, True]
    np.testing.assert_allclose(made.x[1], preprocess(good, CONFIG).x[0], atol=1e-6)
    assert np.isfinite(made.x).all()
