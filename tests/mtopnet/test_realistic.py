"""The realistic mock: each effect by itself, then what stands in the fibres."""

import numpy as np
import pytest
from astropy.table import Table

from common.mocks import moons
from mtopnet.kinds import OTHER_KINDS
from mtopnet.mock import lines as mock_lines
from mtopnet.mock import make as mock
from mtopnet.mock import realistic, targets, universe
from tests.archives import archives

ARMS = list(moons.arm_slices().values())


@pytest.fixture(scope="module")
def real():
    with archives():
        return realistic.Realistic()


@pytest.fixture(scope="module")
def seen(real):
    """Noise-free spectra of 300 targets, what was planted, line fluxes, share in the fibre."""
    return real.make(300, np.random.default_rng(2))


def test_sky_residuals_are_shares_of_the_sky_that_neighbours_have_in_common():
    sky, rng = np.linspace(1, 50, moons.PIXELS), np.random.default_rng(0)
    left = [realistic.summed(realistic.sky_levels(200, sky=sky, rng=rng)) / sky for _ in range(3)]
    assert np.std(left) == pytest.approx(0.8 * realistic.SKY, rel=0.15)  # between knots it is less
    near, far = (np.corrcoef(left[0][:, 6000], left[0][:, 6000 + k])[0, 1] for k in (20, 3000))
    assert near > 0.95 and abs(far) < 0.3
    common = [part.mean(axis=0) for part in left]
    assert np.std(common[0]) == pytest.approx(0.7 * np.std(left[0]), rel=0.3)
    assert abs(np.corrcoef(common[0], common[1])[0, 1]) < 0.5, "another exposure, another sky"
    shift = realistic.summed(realistic.sky_shifts(300, slope=sky, rng=rng)) / sky
    for pixels in ARMS:
        assert np.ptp(shift[:, pixels], axis=1).max() < 1e-6
    np.testing.assert_allclose(shift.std(axis=0), realistic.SHIFT, rtol=0.2)
    assert abs(np.corrcoef(shift[:, 0], shift[:, -1])[0, 1]) < 0.2


def test_telluric_bands_are_left_by_a_power_of_the_transmission():
    air, rng = np.ones(moons.PIXELS), np.random.default_rng(0)
    air[100:200], air[300:310] = 0.5, 0.0
    log = realistic.summed(realistic.telluric(400, air=air, rng=rng))
    assert (log[:, 250] == 0).all() and np.isfinite(log).all()
    assert log[:, 150].std() == pytest.approx(realistic.TELLURIC * np.log(2), rel=0.1)


def test_calibration_is_smooth_and_arms_do_not_join():
    rng = np.random.default_rng(0)
    log = realistic.summed(realistic.calibration(400, rng))
    assert 0.03 < log.std() < 0.06 and np.abs(np.diff(log, axis=1)).max() < 1e-3
    step = realistic.summed(realistic.joints(400, rng))
    assert step.std() == pytest.approx(realistic.JOINT, rel=0.1)
    inner = np.concatenate([np.diff(step[:, pixels], axis=1) for pixels in ARMS], axis=1)
    assert (inner == 0).all() and (step[:, ARMS[0]][:, 0] != step[:, ARMS[1]][:, 0]).all()


def test_quoted_errors_are_wrong_by_a_tenth_to_three_tenths_in_each_arm():
    sigma = np.random.default_rng(1).uniform(1, 2, (300, moons.PIXELS)).astype(np.float32)
    wrong = realistic.wrong_errors(sigma, np.random.default_rng(0)) / sigma
    first = np.stack([wrong[:, pixels][:, 0] for pixels in ARMS], axis=1)
    assert ((np.abs(first - 1) > 0.0999) & (np.abs(first - 1) < 0.3001)).all()
    assert 0.4 < (first > 1).mean() < 0.6 and (np.ptp(first, axis=1) > 0).all()
    for pixels in ARMS:
        assert np.ptp(wrong[:, pixels], axis=1).max() < 1e-5


def test_bad_pixels_say_so_and_cosmic_rays_do_not():
    flux, sigma = np.zeros((200, moons.PIXELS), np.float32), np.ones((200, moons.PIXELS), "f4")
    realistic.cosmic_rays(flux, sigma, np.random.default_rng(0))
    hit = flux > 0
    assert hit.sum(axis=1).mean() == pytest.approx(realistic.RAYS * realistic.RAY_LENGTH, rel=0.15)
    assert flux[hit].min() >= 6 and np.isfinite(flux).all() and (sigma == 1).all()
    realistic.bad_pixels(flux, sigma, np.random.default_rng(1))
    assert (np.isnan(flux) == np.isnan(sigma)).all()
    wanted = realistic.BAD_RUNS * realistic.BAD_LENGTH / moons.PIXELS
    assert np.isnan(flux).mean() == pytest.approx(wanted, rel=0.15)


def test_shares_of_what_stands_in_the_fibres():
    what = targets.drawn(20_000, np.random.default_rng(0))
    for name, share in targets.SHARES.items():
        assert (what == name).mean() == pytest.approx(share, abs=0.006)
    assert 0.10 < np.isin(what, OTHER_KINDS).mean() < 0.15
    assert set(OTHER_KINDS) < set(targets.SHARES)


def test_lines_of_active_nuclei_lie_beyond_star_formation():
    galaxies = dict(log_mass=np.full(200, 10.0), log_sfr=np.full(200, 1.0), z=np.full(200, 1.5),
                    distance=np.full(200, 1e4), ebv_gas=np.full(200, 0.3))  # fmt: skip
    before = mock_lines.observed(galaxies, np.random.default_rng(0))
    after = {name: values.copy() for name, values in before.items()}
    rows = np.arange(0, 200, 2)
    targets.narrow_lines(after, rows, np.random.default_rng(1))
    n2 = np.log10(after["NII"] / after["Ha"])[rows]
    o3 = np.log10(after["OIII"] / after["Hb"])[rows]
    limit = np.where(n2 < 0.47, 0.61 / np.minimum(n2 - 0.47, -1e-3) + 1.19, -np.inf)
    assert (o3 > limit).all(), "Kewley et al. 2001, Eq. 5"
    np.testing.assert_allclose(
        (after["Ha"] / after["Hb"])[rows], (before["Ha"] / before["Hb"])[rows]
    )
    np.testing.assert_allclose((after["OIII"] / after["OIII4959"])[rows],
                               (before["OIII"] / before["OIII4959"])[rows])  # fmt: skip
    for name, values in before.items():
        np.testing.assert_array_equal(after[name][1::2], values[1::2])
        assert (after[name] >= 0).all()


def test_broad_lines_are_broad_and_stand_on_a_quasars_continuum():
    flux, z = np.zeros((40, moons.PIXELS), np.float32), np.full(40, 1.2)
    narrow = np.full(40, 30.0)
    targets.broad_lines(flux, np.arange(0, 40, 2), z=z, narrow=narrow,
                        rng=np.random.default_rng(0))  # fmt: skip
    assert (flux[1::2] == 0).all() and (flux[::2] > 0).all()
    wave, middle = moons.grid(), mock_lines.LINES["Hb"] * 2.2
    near = np.abs(wave - middle) < 250
    level = np.median(flux[::2][:, (wave > 11600) & (wave < 12000)], axis=1)
    line = flux[::2][:, near] - level[:, None]
    width = (line > 0.5 * line.max(axis=1, keepdims=True)).sum(axis=1) * moons.ARMS["YJ"].step
    kms = width / middle * targets.C_KMS
    assert 2300 < np.median(kms) < 5000 and kms.min() > 1000
    targets.broad_lines(flux, np.arange(0), z=z, narrow=narrow, rng=np.random.default_rng(0))


def test_gas_moves_against_the_label_and_some_blows_out():
    n = 400
    flux = np.zeros((n, moons.PIXELS), np.float32)
    z, kms, quiet = np.full(n, 1.3), np.full(n, 100.0), np.arange(n) < 100
    lines = {"Ha": np.full(n, 50.0)}
    offset = targets.gas(flux, z=z, kms=kms, fluxes=lines, quiet=quiet,
                         rng=np.random.default_rng(0))  # fmt: skip
    assert offset.std() == pytest.approx(targets.OFFSET, rel=0.15)
    wave = moons.grid()
    step = np.gradient(wave)
    np.testing.assert_allclose((flux * step).sum(axis=1), 50, rtol=0.01)
    mean = (flux * wave).sum(axis=1) / flux.sum(axis=1)
    speed = (mean / (mock_lines.LINES["Ha"] * 2.3) - 1) * targets.C_KMS - offset
    share, part, wind, _ = targets.WIND
    blown = speed < -0.5 * part * wind
    assert not blown[:100].any() and blown[100:].mean() == pytest.approx(share, abs=0.07)
    assert np.median(speed[blown]) == pytest.approx(-part * wind, rel=0.15)
    assert np.abs(speed[~blown]).max() < 5


def test_a_blend_is_two_galaxies_the_second_fainter():
    wave = moons.grid()
    flux = np.ones((30, moons.PIXELS), np.float32)
    flux += np.exp(-0.5 * ((wave[None] - (7000 + 300 * np.arange(30)[:, None])) / 5) ** 2) * 100
    before, rows = flux.copy(), np.arange(5)
    targets.blends(flux, rows, np.arange(30), np.random.default_rng(0))
    np.testing.assert_array_equal(flux[5:], before[5:])
    h = ARMS[2]
    ratio = (flux[:5, h].mean(axis=1) / before[:5, h].mean(axis=1)) - 1
    assert (ratio > 0.09).all() and (ratio < 0.72).all()
    more = flux[:5] - before[:5]
    peak = wave[np.argmax(more, axis=1)]
    assert (np.abs(peak - (7000 + 300 * rows)) > 100).all(), "not a galaxy upon itself"
    alone = before[:1].copy()
    targets.blends(alone, np.array([0]), np.array([0]), np.random.default_rng(0))
    np.testing.assert_array_equal(alone, before[:1])


def test_stars_have_the_magnitude_colour_and_velocity_that_they_should():
    kelvin, wave = np.array([3000.0, 4500.0, 8000.0]), moons.grid()
    flux = targets.star_spectra(kelvin=kelvin, m_h=np.full(3, 20.0), kms=np.zeros(3))
    inside = np.abs(wave - 16450) < 1455
    magnitude = -2.5 * np.log10(flux[:, inside].mean(axis=1) * 1e-19 * 16450**2 / 2.99792458e18)
    np.testing.assert_allclose(magnitude - 48.6, 20.0, atol=0.01)
    blue = flux[:, np.abs(wave - 7400) < 50].mean(axis=1) / flux[:, inside].mean(axis=1)
    assert (np.diff(blue) > 0).all() and (flux > 0).all()
    near = np.abs(wave - 8544.4) < 20
    moved = targets.star_spectra(kelvin=kelvin[1:2], m_h=[20.0], kms=np.array([200.0]))
    at = wave[near][np.argmin(moved[0, near])]
    assert at == pytest.approx(8544.4 * (1 + 200 / targets.C_KMS), abs=1.0)


def test_what_is_in_the_fibres_is_what_the_labels_say(real, seen):
    flux, galaxies, fluxes, _ = seen
    kind, z = galaxies["kind"], galaxies["z"]
    assert set(OTHER_KINDS) | {"agn", "blend", "star-forming", "quiescent"} <= set(kind)
    assert (flux[kind == "failed"] == 0).all() and np.isnan(z[kind == "failed"]).all()
    outside = z[kind == "outside"]
    assert ((outside < 0.6) | (outside > 3.0)).all() and len(set(outside > 1)) == 2
    assert np.isfinite(galaxies["m_h"]).all() and (flux[kind == "outside"] > 0).all()
    assert np.abs(z[kind == "star"]).max() < 2e-3
    own = ~np.isin(kind, OTHER_KINDS)
    assert ((z[own] >= 0.7) & (z[own] <= 3)).all()
    for name in ("log_mass", "log_sfr", "oh"):
        assert np.isnan(galaxies[name][np.isin(kind, ("star", "failed"))]).all()
        assert np.isfinite(galaxies[name][own]).all()
    assert (fluxes["Ha"][np.isin(kind, ("star", "failed"))] == 0).all()
    assert np.median(fluxes["Ha"][own]) == pytest.approx(1e-17, rel=0.4), "as in faint"
    rng = np.random.default_rng(3)
    spectrum, sigma, quoted = real.observe(flux, hours=2, rng=rng)
    assert np.isnan(quoted).any() and np.isfinite(sigma).all()
    plain = universe.Universe(variant="faint").observe(flux, hours=2, rng=rng)
    assert plain[1] is plain[2], "where nothing goes wrong errors are right"
    empty = kind == "failed"
    pull = spectrum[empty][:, ~real.masked] / sigma[empty][:, ~real.masked]
    assert 1.0 < np.nanstd(np.clip(pull, -6, 6)) < 1.6, "noise, and some of the sky"


def test_both_is_half_of_each_with_names_of_their_own(tmp_path):
    options = dict(seed=4, exposures=(2, 8), progress=False)
    with archives():
        both = mock.make_mock(n=7, out_dir=tmp_path / "both", variant="both", **options)
        faint = mock.make_mock(n=4, out_dir=tmp_path / "faint", variant="faint", **options)
        real = mock.make_mock(n=3, out_dir=tmp_path / "real", variant="realistic", **options)
        mock.make_mock(n=1, out_dir=tmp_path / "one", variant="both", **options)
    assert [p.read_bytes() for p in both] == [p.read_bytes() for p in (*faint, *real)]
    labels = Table.read(tmp_path / "both" / "labels.fits")
    assert len(set(labels["id"])) == 14 and len(set(labels["galaxy"])) == 7
    assert sum(name.startswith("MOCK-R") for name in set(labels["galaxy"])) == 3
    assert len(Table.read(tmp_path / "one" / "labels.fits")) == 2
    for name in ("line_snr_1", "line_snr_2"):
        assert np.isfinite(labels[name]).all()
