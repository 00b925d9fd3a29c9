"""The mocks: physics that must hold by construction; files that real data's readers read."""

import numpy as np
import pytest
from astropy.io import fits

from common.errors import MissingDataError, UsageError
from common.mocks import absorption, cannon, galaxies, instrument, lines, noise
from common.surveys.read import read
from gasnet2.config import CLASSES
from gasnet2.mock import classes as mock_classes
from gasnet2.mock import make as mock
from tests.archives import archives


@pytest.fixture(scope="module")
def universe():
    with archives("thedoppler", "sdss-mangadap", "pypeit"):
        return mock_classes.Universe()


def test_air_to_vacuum_at_known_lines():
    air = np.array([4861.333, 5006.843, 6562.80])
    np.testing.assert_allclose(cannon.air_to_vacuum(air), [4862.68, 5008.24, 6564.61], atol=0.02)


def test_gaussian_has_the_area_asked_for():
    flux = np.zeros((3, 2000))
    sigma = np.array([1.5, 10.0, 60.0])
    peak = lines.peak_of_flux(area=np.ones(3), rest=5000.0, sigma_pixels=sigma, step=1e-4)
    lines.add_gaussian(flux, centre=np.array([300.2, 1000.0, 900.7]), sigma=sigma, peak=peak)
    pixel = 5000.0 * np.log(10) * 1e-4  # Å
    np.testing.assert_allclose(flux.sum(axis=1) * pixel, 1, rtol=1e-4)


def test_redshifted_moves_lines_to_where_they_belong():
    rest = np.zeros((1, instrument.REST_PIXELS), dtype=np.float32)
    sigma = np.full(1, 3.0)
    centre = np.array([(np.log10(2800.0) - instrument.REST_LOG0) / instrument.STEP])
    lines.add_gaussian(rest, centre=centre, sigma=sigma, peak=np.ones(1))
    seen = instrument.redshifted(rest, np.array([1.2345]))
    grid = instrument.model_grid()
    assert np.average(grid, weights=seen[0]) == pytest.approx(2800.0 * 2.2345, rel=2e-5)


@pytest.mark.parametrize("kind", ["AGN", "STARFORMING", "STARBURST"])
def test_line_ratios_obey_sdss_definitions(kind):
    ratios = galaxies.line_ratios(kind, 20000, np.random.default_rng(1))
    n2 = np.log10(ratios["NII"] / ratios["Ha"])
    o3 = np.log10(ratios["OIII"] / ratios["Hb"])
    above = o3 > 0.7 - 1.2 * (n2 + 0.4)
    assert above.all() if kind == "AGN" else not above.any()
    if kind != "AGN":
        assert ((ratios["EW"] > 50) == (kind == "STARBURST")).all()
    assert np.all(ratios["Ha"] / ratios["Hb"] > 2.85)


def test_measured_lines_of_a_noiseless_starburst(universe):
    """Equivalent width of Ha measured on the spectrum, as SDSS's definition has it."""
    rng = np.random.default_rng(3)
    flux = universe.galaxy("STARBURST", np.full(40, 0.1), rng)
    wave = instrument.model_grid() / 1.1
    line = np.abs(wave - 6566) < 45  # Ha and [NII]
    side = (np.abs(wave - 6566) > 60) & (np.abs(wave - 6566) < 120)
    level = np.median(flux[:, side], axis=1)[:, None]
    width = np.gradient(wave)[line]
    assert (((flux[:, line] / level - 1) * width).sum(axis=1) > 50).all()


@pytest.mark.parametrize("name", sorted(mock_classes.distributions()))
def test_redshifts_and_snr_follow_the_condensed_table(name):
    levels, values, _ = mock_classes.distributions()[name]
    z, snr = mock_classes.draw_z_snr(name, 20000, np.random.default_rng(2), wide=0.0)
    for level in (0.1, 0.5, 0.9):
        wanted = np.interp(level, levels, values)
        assert np.mean(z <= wanted) == pytest.approx(level, abs=0.02)
    mean = {
        "GALAXY_nan": 5.82, "GALAXY_AGN": 14.3, "GALAXY_STARBURST": 9.78,
        "GALAXY_STARFORMING": 12.4, "QSO_nan": 2.64, "QSO_BROADLINE": 6.54,
    }[name]  # fmt: skip
    assert snr.mean() == pytest.approx(mean, rel=0.15)  # Table 1 of the paper


def test_forest_deepens_with_redshift():
    rng = np.random.default_rng(4)
    wave = instrument.model_grid()
    kept = []
    for z in (2.4, 3.2, 4.2):
        flux = np.ones((40, instrument.MODEL_PIXELS), dtype=np.float32)
        absorption.forest(flux, z=np.full(40, z), rng=rng)
        assert (flux[:, wave > 1225 * (1 + z)] == 1).all()
        between = (wave > 1050 * (1 + z)) & (wave < 1190 * (1 + z))
        kept.append(flux[:, between].mean())
    # Mean transmission observed at absorber redshifts of 2.1, 2.9 and 3.8 (Becker et al. 2013).
    np.testing.assert_allclose(kept, [0.85, 0.72, 0.46], atol=0.07)


def test_snr_achieved_is_the_one_asked_for(universe):
    grid = instrument.model_grid()[instrument.sdss_slice()]
    model = noise.FibreNoise(grid)
    rng = np.random.default_rng(5)
    wanted = np.repeat([1.0, 5.0, 30.0], 60)
    flux, _ = universe.star("G2", len(wanted), rng)
    flux, error = model.scaled(flux[:, instrument.sdss_slice()], snr=wanted, rng=rng)
    seen, ivar = model.observe(flux, error, rng)
    found = np.median(seen * np.sqrt(ivar), axis=1)
    for level in (1.0, 5.0, 30.0):
        assert np.median(found[wanted == level]) == pytest.approx(level, rel=0.1)


def test_noise_rises_at_the_blue_end_and_in_the_sky_lines(universe):
    model = noise.FibreNoise(instrument.model_grid()[instrument.sdss_slice()])
    wave, sigma = model.wavelength, model.sigma
    quiet = np.median(sigma[(wave > 6600) & (wave < 6800)])
    assert np.median(sigma[wave < 3900]) > 4 * quiet
    assert sigma[np.abs(wave - 5578.9) < 3].max() > 2 * quiet
    red = sigma[(wave > 8250) & (wave < 8500)]
    assert np.percentile(red, 95) > 1.5 * np.percentile(red, 10)


def test_sdss_mock_is_read_as_real_data_and_is_reproducible(universe, tmp_path):
    paths = [
        mock.make_mock(survey="sdss", n_per_class=4, seed=s, out_dir=tmp_path / d, progress=False)
        for d, s in (("a", 1), ("b", 1), ("c", 2))
    ]
    assert [p.read_bytes() for p in paths[0]] == [p.read_bytes() for p in paths[1]]
    assert paths[0][0].read_bytes() != paths[2][0].read_bytes()
    ids = []
    for name, path in zip(CLASSES["sdss"], paths[0], strict=True):
        with fits.open(path) as hdus:
            assert hdus[0].header["MOCK"] is True and hdus[1].header["MOCK"] is True
        spectra = read(path)
        kind, sub = name.split("_")
        assert len(spectra) == 4 and (spectra.meta["class"] == kind).all()
        found = spectra.meta["subclass"].fillna("").str.strip()
        assert (found == sub.replace("nan", "")).all()
        assert np.isfinite(spectra.flux).all() and (np.asarray(spectra.ivar) >= 0).all()
        assert spectra.wavelength_of(0)[0] == pytest.approx(10**3.5563)
        ids.extend(spectra.ids)
    assert len(set(ids)) == len(ids) == 52


@pytest.mark.parametrize("survey", ["sdss", "desi", "fourmost"])
def test_large_classes_are_split_over_files_without_shared_ids(
    survey, universe, tmp_path, monkeypatch
):
    monkeypatch.setattr(mock, "ROWS_PER_FILE", 2)
    paths = mock.make_mock(survey=survey, n_per_class=3, seed=1, out_dir=tmp_path, progress=False)
    assert len(set(paths)) == len(paths) == 2 * len(CLASSES[survey])
    ids = [i for path in paths for i in read(path).ids]
    assert len(set(ids)) == len(ids) == 3 * len(CLASSES[survey])


@pytest.mark.parametrize("survey", ["desi", "fourmost"])
def test_other_mocks_are_read_with_their_labels(survey, universe, tmp_path):
    paths = mock.make_mock(survey=survey, n_per_class=3, seed=1, out_dir=tmp_path, progress=False)
    ids = []
    for name, path in zip(CLASSES[survey], paths, strict=True):
        spectra = read(path)
        assert len(spectra) == 3 and (spectra.meta["class"] == name).all()
        assert np.isfinite(np.asarray(spectra.meta["z"], float)).all()
        wave = spectra.wavelength_of(0)
        assert wave[0] <= 4000 and wave[-1] >= 9000
        ids.extend(spectra.ids)
    assert len(set(ids)) == len(ids)
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_wrong_arguments_and_missing_archives_are_named(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="sdss, fourmost, desi"):
        mock.make_mock(survey="lamost", n_per_class=1, seed=1, out_dir=tmp_path)
    with pytest.raises(UsageError, match="at least 1"):
        mock.make_mock(survey="sdss", n_per_class=0, seed=1, out_dir=tmp_path)
    monkeypatch.setenv("SPECTRA_CACHE", str(tmp_path / "empty"))
    with pytest.raises(MissingDataError, match="python -m common"):
        mock.make_mock(survey="sdss", n_per_class=1, seed=1, out_dir=tmp_path, offline=True)
