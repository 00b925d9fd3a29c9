"""The solar-like mock: what must hold by construction, its files, and agreement with real stars."""

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table
from scipy.stats import linregress

from common.errors import SuiteError, UsageError
from common.mocks import lamost, lamost_sky
from common.mocks.miles import read_miles
from common.surveys.apogee import read_allstar
from common.surveys.read import read as read_spectra
from solarlike_distance.config import make_config
from solarlike_distance.mock import galaxy as mock_galaxy
from solarlike_distance.mock import labels as mock_labels
from solarlike_distance.mock import make as mock
from solarlike_distance.mock import photometry as mock_photometry
from solarlike_distance.mock import spectra as mock_spectra
from solarlike_distance.mock.correction import fit_correction, log_ratio
from solarlike_distance.preprocess import preprocess
from tests.archives import archives
from tests.solarlike_distance.toy import as_spectra

WAVE = lamost.grid()


@pytest.fixture(scope="module")
def universe():
    with archives():
        return mock.Universe()


@pytest.fixture(scope="module")
def folder(universe, tmp_path_factory):
    """120 spectra on disk, and the population they are from."""
    out = tmp_path_factory.mktemp("mock")
    stars = universe.population.draw(120, np.random.default_rng(1))
    stars["ra"], stars["dec"] = mock.footprint(120, np.random.default_rng(2))
    mock.write_stars(universe, stars, seed=3, out_dir=out, twice=0.2, progress=False)
    return out


def labels(n=1, **given):
    """Labels of n suns, but for what is given."""
    given = {"teff": 5772.0, "logg": 4.44, "feh": 0.0, **given}
    return {name: np.broadcast_to(value, n).astype(float) for name, value in given.items()}


def within(low, high, wave=WAVE):
    return (wave > low) & (wave < high)


def observed(model, stars, *, kms=0.0, width=1.0, ebv=0.0, share=0.0, second=None, split=0.0):
    n = len(stars["teff"])
    return model.observed(
        primary=stars, secondary=second or stars, share=np.full(n, share), ebv=np.full(n, ebv),
        kms=np.full(n, kms), split_kms=np.full(n, split), width=np.full(n, width),
    )  # fmt: skip


def test_velocity_moves_lines(universe):
    still = observed(universe.spectra, labels())[0]
    near, inside = within(6540, 6590), within(4100, 8900)
    assert WAVE[near][np.argmin(still[near])] == pytest.approx(6564.6, abs=1.6)  # a pixel
    for kms in (-200.0, 150.0):
        flux = observed(universe.spectra, labels(), kms=kms)[0]
        expected = np.interp(WAVE, WAVE * (1 + kms / 299792.458), still)
        moved, before = (np.std((flux - other)[inside]) for other in (expected, still))
        assert moved < 0.1 * before


def test_width_blurs_and_keeps_light(universe):
    narrow, wide = (universe.spectra.lines(**labels(), width=w)[0] for w in (0.85, 1.15))
    wave = mock_spectra.fine_grid()
    iron, part = within(5260, 5280, wave), within(4800, 5500, wave)
    assert wide[iron].min() > narrow[iron].min()
    assert wide[part].mean() == pytest.approx(narrow[part].mean(), abs=1e-3)


def test_dust_reddens_and_keeps_lines(universe):
    clear, dusty = (observed(universe.spectra, labels(), ebv=e)[0] for e in (0.0, 0.3))
    ratio = dusty / clear
    assert (np.diff(ratio) > -1e-4).all()
    blue, red = (np.argmin(np.abs(WAVE - w)) for w in (4400, 8000))
    assert ratio[red] / ratio[blue] == pytest.approx(10 ** (0.4 * 0.3 * (4.17 - 1.96)), rel=0.05)


def test_interstellar_lines_have_their_widths():
    seen = mock_spectra.interstellar(np.array([0.0, 0.1, 0.3]), np.zeros(3))
    assert (seen[0] == 1).all()
    near = within(5870, 5920)
    width = ((1 - seen[:, near]) * np.gradient(WAVE[near])).sum(axis=1)
    # Na I D1 of 0.25 and 0.55 Å at these E(B-V) (Munari & Zwitter 1997), D2 some 1.4 times as much.
    assert width[1:] == pytest.approx([2.4 * 0.26, 2.3 * 0.56], rel=0.2)


def test_a_binary_is_the_sum_of_its_stars(universe):
    model = universe.spectra
    cool = labels(teff=4800.0, logg=4.6)
    both = observed(model, labels(), share=0.3, second=cool)
    alone = 0.7 * observed(model, labels()) + 0.3 * observed(model, cool)
    np.testing.assert_allclose(both, alone, rtol=1e-4)
    split = observed(model, labels(), share=0.3, second=cool, split=100.0)
    assert np.abs(split - both).max() > 0.01


def test_correction_brings_unseen_miles_stars_nearer():
    """Fitted on two thirds of MILES, the ratio explains most of the lines of the other third."""
    with archives():
        model = mock_spectra.StarSpectra()
        wavelength, flux, stars = read_miles()
    fit = fit_correction(model, stars_used=lambda table: table["miles"] % 3 != 0)
    sun_like = stars["teff"].between(5000, 6500) & stars["logg"].between(4.0, 4.7)
    unseen = (sun_like & stars["feh"].between(-0.6, 0.4) & (stars["miles"] % 3 == 0)).to_numpy()
    stars = stars[unseen].reset_index(drop=True)
    log = log_ratio(model, wavelength=wavelength, flux=flux[unseen], stars=stars)
    own = {name: stars[name].to_numpy(float) for name in ("teff", "logg", "feh")}
    rest = log - np.log(fit(**own))
    assert len(stars) > 20
    for low, high in ((4100, 4400), (4500, 5000), (5000, 5500), (6000, 6500)):
        part = within(low, high, mock_spectra.fine_grid())
        before, after = (np.nanstd(values[:, part]) for values in (log, rest))
        assert after < 0.6 * before, (low, before, after)


def test_relations_give_the_sun_and_its_neighbours(universe):
    """Sun: M_G = 4.67, BP-RP = 0.82 (Casagrande & VandenBerg 2018); main sequence beside it."""
    relations = universe.population.relations
    mg, colour = relations.magnitudes(**labels())
    assert mg[0] == pytest.approx(4.67, abs=0.12) and colour[0] == pytest.approx(0.82, abs=0.04)
    teff = np.array([5000.0, 5400, 5772, 6100, 6400])
    logg = np.interp(teff, *relations.sequence.T)
    mg, colour = relations.magnitudes(**labels(5, teff=teff, logg=logg))
    assert (np.diff(mg) < 0).all() and (np.diff(colour) < 0).all()
    subgiant, _ = relations.magnitudes(**labels(logg=3.9))
    assert subgiant[0] < 4.67 - 0.8
    _, poor = relations.magnitudes(**labels(feh=-0.8))
    assert poor[0] < 0.82
    found = relations.companions(magnitude=np.array([5.0, 6.0]), feh=np.zeros(2))
    again, _ = relations.magnitudes(**found)
    np.testing.assert_allclose(again, [5.0, 6.0], atol=0.06)


def test_population_is_consistent(universe):
    stars = universe.population.draw(4000, np.random.default_rng(4))
    modulus = stars["g"] - stars["mg"] - stars["ag"]
    np.testing.assert_allclose(10 ** (0.2 * modulus + 1), stars["distance"], rtol=1e-9)
    colour = stars["bp"] - stars["rp"]
    np.testing.assert_allclose(colour, stars["bprp"] + stars["ebprp"], atol=1e-9)
    np.testing.assert_allclose(stars["ag"], mock_photometry.PER_COLOUR * stars["ebprp"])
    assert stars["binary"].mean() == pytest.approx(0.28, abs=0.05)
    assert (stars["share"] > 0).eq(stars["binary"]).all() and stars["share"].max() <= 0.5
    inside = stars["teff"].between(4800, 6800) & (stars["logg"] >= 5.98 - 0.00035 * stars["teff"])
    assert 0.7 < inside.mean() < 0.95
    again = universe.population.draw(4000, np.random.default_rng(4))
    pd.testing.assert_frame_equal(stars, again)


def test_geometric_distances_are_the_parallaxes_where_these_are_good():
    rng = np.random.default_rng(5)
    distance = rng.uniform(100, 800, 500)
    error = np.full(500, 0.02)
    middle, low, high = mock_labels.geometric_distance(1000 / distance, error)
    np.testing.assert_allclose(middle, distance, rtol=0.01)
    assert ((low < middle) & (middle < high)).all()
    np.testing.assert_allclose((high - low) / 2 / middle, error * distance / 1000, rtol=0.15)


def test_residuals_and_ripples_have_their_sizes(universe):
    rng = np.random.default_rng(6)
    flux = np.ones((300, lamost.PIXELS), dtype=np.float32)
    universe.residuals.absorb(flux, rng, kms=np.zeros(300))
    assert np.log(flux).std(axis=0)[within(5000, 5500)].mean() == pytest.approx(0.007, rel=0.4)
    gamma = np.log(flux)[:, within(6273, 6289)].min(axis=1)
    assert np.median(gamma) < -0.02  # O2 near 6280 Å is not corrected in real spectra
    lines = np.zeros((300, lamost.PIXELS), dtype=np.float32)
    universe.residuals.add_sky(lines, rng, kms=np.zeros(300))
    spread = lines.std(axis=0)
    assert spread[within(5575, 5583)].max() > 10 * spread[within(5380, 5420)].max()


def test_wavelength_errors_are_smooth_and_as_large_as_stated():
    errors = lamost_sky.wavelength_errors(2000, np.random.default_rng(7))
    for at, mean, sigma in ((4500, -5, 5), (6200, 9, 17), (8500, 2, 10)):
        column = errors[:, np.argmin(np.abs(WAVE - at))]
        assert column.mean() == pytest.approx(mean, abs=1.5)
        assert column.std() == pytest.approx(sigma, rel=0.1)
    inside = np.abs(np.diff(errors[:, WAVE < lamost.JOIN], axis=1))
    assert inside.max() < 0.5  # km/s a pixel of 69 km/s


def test_files_read_back(folder):
    (path,) = (folder / "spectra").glob("*.fits")
    spectra = read_spectra(path)
    truth = pd.read_parquet(folder / "truth.parquet")
    assert len(spectra) == len(truth) == 120
    assert list(spectra.ids) == truth["obsid"].astype(str).tolist()
    assert np.abs(spectra.meta["z"] - truth["kms_planted"] / 299792.458).max() < 2e-4
    prepared = preprocess(spectra, make_config("lamost-mock", "smoke"))
    assert prepared.usable.all()
    assert np.median(prepared.x) == pytest.approx(0.98, abs=0.03)
    for file in folder.rglob("*.fits"):
        assert all(fits.getheader(file, hdu)["MOCK"] is True for hdu in (0, 1))


def test_labels_read_back(folder):
    truth = pd.read_parquet(folder / "truth.parquet")
    stars = read_allstar(folder / "labels/allStar-mock.fits")
    assert stars.attrs["gaia_release"] == "EDR3"
    joined = truth.drop_duplicates("source_id").merge(stars, on="source_id")
    assert 0.85 * truth["source_id"].nunique() < len(joined) <= truth["source_id"].nunique()
    assert np.abs(joined["teff"] - joined["teff_planted"]).max() < 6 * 30
    source = Table.read(folder / "labels/gaia_source-mock.fits").to_pandas()
    joined = truth.drop_duplicates("source_id").merge(source, on="source_id")
    away = (1 / joined["parallax"] * 1000 - joined["distance_planted"]) / joined["distance_planted"]
    good = joined["parallax_over_error"] > 20
    assert np.abs(away[good]).max() < 0.3 and good.sum() > 60
    lasp = fits.getdata(folder / "labels/lamost-stars-mock.fits")
    assert set(lasp["obsid"]) == set(truth["obsid"])
    many = truth.groupby("source_id")  # second spectra are of the same star
    assert (many["teff_planted"].nunique() == 1).all() and many.size().max() > 1


def test_same_seed_same_files(universe, tmp_path):
    stars = universe.population.draw(3, np.random.default_rng(8)).assign(ra=10.0, dec=20.0)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        mock.write_stars(universe, stars, seed=seed, out_dir=tmp_path / name, progress=False)
    a, b, c = (fits.getdata(next(tmp_path.glob(f"{n}/spectra/*")))["FLUX"] for n in "abc")
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


def test_wrong_sizes_are_refused(tmp_path):
    for make in (mock.make_mock, mock_galaxy.make_galaxy):
        with pytest.raises(UsageError, match="n must be at least 1"):
            make(n=0, seed=1, out_dir=tmp_path)


def test_planted_gradients_are_those_of_the_stars(universe):
    galaxy = mock_galaxy.Galaxy()
    stars = galaxy.draw(universe.population, 6000, np.random.default_rng(9))
    assert len(stars) == 6000 and stars["g"].max() < mock_galaxy.FAINTEST
    height = stars["z"].abs()
    for low, high in ((0.0, 0.4), (0.4, 1.0), (1.0, 2.0)):
        part = height.between(low, high) & stars["r"].between(7, 14)
        fit = linregress(stars["r"][part], stars["feh"][part])
        expected = galaxy.radial_at(height[part].mean())
        assert fit.slope == pytest.approx(expected, abs=4 * fit.stderr + 0.003)
    part = stars["r"].between(7, 8) & (height < 2)
    fit = linregress(height[part], stars["feh"][part])
    assert fit.slope == pytest.approx(galaxy.vertical_at(7.5), abs=4 * fit.stderr + 0.005)
    with pytest.raises(SuiteError, match="Choose a smaller scale"):
        mock_galaxy.Galaxy(scale=1e6).draw(universe.population, 50, np.random.default_rng(1))


def test_real_spectra_lie_within_the_mock(universe, shared_data):
    """Real LAMOST stars without catalogue parameters, each beside its nearest mock spectrum."""
    index = pd.read_csv(shared_data / "real/lamost/index.csv")
    good = (index["cls"] == "STAR") & (index["snrg"] > 40) & index["cat_teff"].isna()
    good &= index["subclass"].str.match(r"^(F[5-9]|G[0-9])").fillna(False)
    config = make_config("lamost-mock", "smoke")
    real = []
    for file in index.loc[good, "file"].iloc[:20]:
        prepared = preprocess(read_spectra(shared_data / "real/lamost" / file), config)
        real += [row for row, ok in zip(prepared.x, prepared.usable, strict=True) if ok]
    stars = universe.population.draw(500, np.random.default_rng(10))
    stars = stars[stars["teff"].between(5200, 6800) & (stars["logg"] > 3.8)]
    own = {name: stars[name].to_numpy() for name in ("teff", "logg", "feh")}
    made = preprocess(as_spectra(observed(universe.spectra, own, width=0.96)), config).x
    part = within(4400, 5500, config.grid)
    real, made = np.array(real)[:, part], made[:, part]
    rms = np.sqrt(((real[:, None] - made[None]) ** 2).mean(axis=2)).min(axis=1)
    assert len(real) >= 15 and np.median(rms) < 0.02
