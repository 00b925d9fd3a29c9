"""Semi-synthetic RVS spectra: what must hold by construction, and agreement with real ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import UsageError
from common.figures import save
from common.mocks import rvs
from common.surveys.gaia_rvs import WAVELENGTH, read_rvs
from rvs_hybrid.figures import rvs as figures_rvs
from tests.archives import archives
from tests.pictures import rendered

REAL = {  # name → (labels, CCD spectra); labels: Ballard et al. 2014, Sozzetti et al. 2007
    "Kepler-93": (dict(teff=5669.0, logg=4.47, fe_h=-0.18, alpha_m=0.0), 47),
    "KOI-001": (dict(teff=5850.0, logg=4.45, fe_h=-0.15, alpha_m=0.0), 7),
    "GaiaDR3-1535964555128078720": (None, 88),
}
TRIPLET = (8500.36, 8544.44, 8664.52)  # Å, vacuum


@pytest.fixture(scope="module")
def model():
    with archives():
        return rvs.RVS()


@pytest.fixture(scope="module")
def real(shared_data, model):
    """Name → flux and flux_error; fit and numbers of the comparison; its source_id."""
    found = {}
    for name, (labels, _) in REAL.items():
        spectra = read_rvs(shared_data / "real/gaia" / f"{name}.csv")
        known = {str(spectra.ids[0]): labels} if labels else None
        arrays, (numbers,) = figures_rvs.compare(spectra, model=model, labels=known)
        star = dict(flux=arrays["flux"][0], flux_error=arrays["flux_error"][0])
        found[name] = dict(star=star, fit=arrays["model"][0], numbers=numbers, arrays=arrays)
    return found


def some_labels(n=1, **given):
    """Labels of n solar twins, but for what is given."""
    labels = {"teff": 5770.0, "logg": 4.44, "fe_h": 0.0, "alpha_m": 0.0, **given}
    return {name: np.broadcast_to(value, n).astype(float) for name, value in labels.items()}


def near(wavelength, half):
    return np.abs(WAVELENGTH - wavelength) < half


def correlation(values, lag):
    return np.mean(values[..., lag:] * values[..., :-lag]) / np.mean(values**2)


@given(
    centre=st.floats(8470, 8690), resolution=st.floats(8000, 20000),
    fine=st.sampled_from([0.05, 0.1]),
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_resolution_of_an_unresolved_line(centre, resolution, fine):
    wave = np.arange(8440, 8720, fine)
    line = np.zeros((len(wave), 1))
    line[np.argmin(np.abs(wave - centre))] = 1
    seen = rvs.broaden(wavelength=wave, values=line, resolution=resolution)[:, 0]
    mean = np.average(WAVELENGTH, weights=seen)
    sigma = np.sqrt(np.average((WAVELENGTH - mean) ** 2, weights=seen))
    assert mean == pytest.approx(centre, abs=fine)
    own = np.sqrt((fine**2 + 0.043**2) / 6)  # interpolation between pixels of both grids
    assert sigma == pytest.approx(np.hypot(centre / resolution / rvs.FWHM_SIGMA, own), rel=0.02)


def test_triplet_lies_in_vacuum_and_gravity_shapes_it(model):
    labels = some_labels(3, teff=[4500.0, 5770.0, 6500.0], logg=[2.0, 4.44, 4.0])
    for spectrum in model(**labels):
        for line, seen in zip(TRIPLET, (850.04, 854.45, 866.45), strict=True):
            inside = near(line, 5)
            lowest = WAVELENGTH[inside][np.argmin(spectrum[inside])] / 10
            assert lowest == pytest.approx(seen, abs=0.0101)  # a pixel
    # Pressure widens wings from subgiant to dwarf; toward supergiants the lines strengthen.
    logg = np.array([0.5, 1.5, 2.5, 3.5, 4.0, 4.5, 5.0])
    spectra = model(**some_labels(len(logg), teff=4500.0, logg=logg))
    away = np.abs(WAVELENGTH - TRIPLET[1])
    wing = 1 - spectra[:, (away > 4) & (away < 15)].mean(axis=1)
    assert (np.diff(wing[logg >= 4]) > 0).all() and (np.diff(wing[logg <= 2.5]) < 0).all()
    assert (np.diff(1 - spectra[:, away < 1].min(axis=1)) < 0).all()


@given(
    teff=st.floats(4000, 6500), logg=st.floats(1.0, 4.8), fe_h=st.floats(-1.5, 0.1),
    alpha_m=st.floats(0.1, 0.4),
)  # fmt: skip
@settings(max_examples=30, deadline=None)
def test_alpha_changes_its_windows_and_nothing_else(model, teff, logg, fe_h, alpha_m):
    plain, enhanced = model(**some_labels(2, teff=teff, logg=logg, fe_h=fe_h, alpha_m=[0, alpha_m]))
    weight = rvs.alpha_weight()
    np.testing.assert_array_equal(plain[weight == 0], enhanced[weight == 0])
    for line in TRIPLET:
        assert (enhanced - plain)[near(line, 1)].min() < -0.002
    # Where the weight is 1 it is the spectrum of that much more metal, up to the level.
    richer = model(**some_labels(teff=teff, logg=logg, fe_h=fe_h + alpha_m))[0]
    ratio = (enhanced / richer)[weight == 1]
    assert np.ptp(ratio) < 0.02 and ratio.mean() == pytest.approx(1, abs=0.03)


def test_windows_lie_on_their_lines_and_leave_iron_alone():
    weight = rvs.alpha_weight()
    vacuum = (8500.358, 8544.438, 8664.520, 8559.127, 8650.841, 8697.014, 8636.306, 8612.092)
    for line in vacuum:  # Contursi et al. 2021
        assert weight[near(line, 0.2)].min() == 1, line
    for iron in (8470.74, 8516.44, 8584.64, 8614.17, 8624.0, 8677.13, 8691.01):
        assert weight[near(iron, 0.4)].max() == 0, iron
    assert weight.min() == 0 and weight.max() == 1 and weight.mean() < 0.35
    assert np.abs(np.diff(weight)).max() < 0.31  # no steps: five pixels from 0 to 1


@given(teff=st.floats(4200, 6300), logg=st.floats(1.0, 4.8), fe_h=st.floats(-1.5, 0.2))
@settings(max_examples=30, deadline=None)
def test_metals_deepen_lines(model, teff, logg, fe_h):
    poor, rich = model(**some_labels(2, teff=teff, logg=logg, fe_h=[fe_h, fe_h + 0.3]))
    for iron in (8614.17, 8691.01):
        assert rich[near(iron, 0.5)].min() < poor[near(iron, 0.5)].min()
    assert rich.mean() < poor.mean()


@given(
    level=st.floats(0.5, 2), tilt=st.floats(-0.1, 0.1), bend=st.floats(-0.05, 0.05),
    depth=st.floats(0, 0.8),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_pseudo_continuum_ignores_lines(level, tilt, bend, depth):
    x = np.linspace(-1, 1, WAVELENGTH.size)
    smooth = level * (1 + tilt * x + bend * x**2)
    lines = sum(depth * np.exp(-0.5 * ((WAVELENGTH - c) / 3) ** 2) for c in (*TRIPLET, 8600.0))
    found = rvs.pseudo_continuum((smooth * (1 - lines))[None])[0]
    np.testing.assert_allclose(found, smooth, rtol=0.01)


def test_pseudo_continuum_is_near_1(model):
    draw, n = np.random.default_rng(1).uniform, 200
    labels = dict(teff=draw(4000, 6500, n), logg=draw(1, 4.8, n), fe_h=draw(-1.5, 0.3, n))
    spectra = model(**labels, alpha_m=np.zeros(n))
    assert np.abs(np.percentile(spectra, 85, axis=1) - 1).max() < 0.03


def test_labels_beyond_the_range_are_clipped_and_told(model):
    teff = np.array([3300.0, 3500.0, 9000.0, 8000.0, 5000.0, 5000.0])
    fe_h = np.array([0.0, 0.0, 0.0, 0.0, -3.0, np.nan])
    labels = some_labels(6, teff=teff, fe_h=fe_h)
    spectra = model(**labels)
    assert model.outside(**labels).tolist() == [True, False, True, False, True, True]
    assert np.isnan(spectra[5]).all() and np.isfinite(spectra[:5]).all()
    np.testing.assert_array_equal(spectra[2], spectra[3])
    ratio = spectra[0] / spectra[1]  # cooler than 3500 K: scaled by a constant, not flattened
    assert np.median(spectra[0]) == pytest.approx(1, abs=1e-5)
    assert ratio.std() < 0.01


def test_snr_is_weighted_to_low_values_and_faint_spectra_have_a_median_of_1():
    snr = rvs.draw_snr(200_000, np.random.default_rng(3))
    assert snr.min() >= 15 and snr.max() <= 100
    assert np.mean(snr < 25) == pytest.approx(0.40, abs=0.005)  # Guiglion 2025, Sect. 2
    clean = np.full((400, WAVELENGTH.size), 0.95, dtype=np.float32)
    rng = np.random.default_rng(7)
    flux, _ = rvs.observe(clean, snr=rvs.draw_snr(400, rng), rng=rng)
    scaled = np.abs(np.median(flux, axis=1) - 1) < 1e-6
    assert 0.1 < scaled.mean() < 0.3  # most spectra of DR3 are brighter than G_RVS = 12


@given(snr=st.floats(1, 1000), ccds=st.integers(6, 200))
def test_electrons_give_the_snr_back(snr, ccds):
    signal = rvs.electrons(snr=snr, ccds=ccds)
    back = signal / np.sqrt(signal + rvs.BACKGROUND) * np.sqrt(ccds)
    assert back == pytest.approx(snr, rel=1e-6)


@pytest.mark.parametrize("snr", [15.0, 40.0, 100.0])
def test_noise_is_what_the_error_says_and_less_where_there_is_less_light(snr, monkeypatch):
    monkeypatch.setattr(rvs, "CONTINUUM_ERROR", (0.0, 0.0, 0.0))
    monkeypatch.setattr(rvs, "FAINT", 99.0)
    clean = np.ones((150, WAVELENGTH.size), dtype=np.float32)
    flux, error = rvs.observe(clean, snr=np.full(150, snr), rng=np.random.default_rng(5))
    noise = flux - 1
    for values in (noise, error):
        assert np.sqrt(np.mean(values**2)) == pytest.approx(1 / snr, rel=0.02)
    assert abs(noise.mean()) < 0.02 / snr
    drawn = noise / error
    assert np.mean(np.abs(drawn) < 1) == pytest.approx(0.67, abs=0.03)  # Student's t: near 0.683
    if snr == 100:
        clean[:, 1000:1400] = 0.4
        flux, error = rvs.observe(clean, snr=np.full(150, 100.0), rng=np.random.default_rng(6))
        for seen in (np.std(flux[:, 1050:1350] - 0.4), np.mean(error[:, 1050:1350])):
            assert 0.63 < 100 * seen < 0.9  # between photon noise alone, sqrt(0.4), and a constant


def test_make_rvs_is_reproducible_and_whole(model, monkeypatch):
    monkeypatch.setattr(rvs, "ROWS", 7)
    labels = some_labels(20, teff=np.linspace(4000, 8100, 20), fe_h=np.r_[np.nan, np.zeros(19)])
    snr = np.full(20, 30.0)
    first, second, other = (
        rvs.make_rvs(**labels, snr=snr, rng=seed, model=model) for seed in (1, 1, 2)
    )
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    flux, error, outside = first
    assert flux.shape == error.shape == (20, 2401) and flux.dtype == error.dtype == np.float32
    assert np.isnan(flux[0]).all() and np.isnan(error[0]).all()
    assert np.isfinite(flux[1:]).all() and (error[1:] > 0).all()
    assert outside.tolist() == [True] + [False] * 18 + [True]
    assert not np.array_equal(flux[1:], other[0][1:])


def test_wrong_arguments_are_named(model):
    with pytest.raises(UsageError, match="one length"):
        model(**{**some_labels(3), "logg": np.zeros(2)})
    for snr in (np.zeros(3), np.ones(2), np.full(3, np.nan)):
        with pytest.raises(UsageError, match="snr must be above 0"):
            rvs.make_rvs(**some_labels(3), snr=snr, rng=1, model=model)
    one = np.ones(2401)
    with pytest.raises(UsageError, match="one row a name"):
        figures_rvs.compare_figure(flux=one, flux_error=one, model=one, names=["a", "b"])


@pytest.mark.parametrize("name", list(REAL))
def test_real_errors_scatter_as_the_mock_has_it(real, name):
    """Errors are scatters over CCD spectra: their spread is 1/sqrt(2 nu), alike over 2 pixels."""
    freedom = REAL[name][1] - 1.0
    seen = real[name]["star"]["flux_error"][20:-20]
    made = rvs._scatter((1, 20 * len(seen)), np.array([freedom]), np.random.default_rng(8))[0]
    logs = []
    for values in (seen, made):  # without what is slow: lines, edges
        assert np.isfinite(values).all()
        log = np.log(values)
        logs.append((log - np.convolve(log, np.ones(41) / 41, mode="same"))[40:-40])
    assert logs[0].std() == pytest.approx(logs[1].std(), rel=0.15)
    for lag in (1, 2, 3, 4):
        assert correlation(logs[0], lag) == pytest.approx(correlation(logs[1], lag), abs=0.1)


def test_real_noise_is_correlated_as_the_mock_has_it(real):
    """KOI-001, whose residuals are noise: interpolation from CCD pixels of 0.245 Å."""
    rest = (real["KOI-001"]["star"]["flux"] - real["KOI-001"]["fit"])[10:-10]
    mine = rvs._noise((50, 2381), np.random.default_rng(9))
    assert mine.std() == pytest.approx(1, abs=0.01)
    for lag in (1, 2, 3, 4, 5):
        assert correlation(rest, lag) == pytest.approx(correlation(mine, lag), abs=0.12)


@pytest.mark.parametrize("name", ["Kepler-93", "KOI-001"])
def test_real_stars_look_like_their_labels_and_those_are_nearest(real, model, name):
    """Tolerances: Ca II cores 0.05 in depth, equivalent widths 10 % + 3 sigma, rms 1.6 errors."""
    numbers, wanted = real[name]["numbers"], REAL[name][0]
    noise = numbers["noise"]
    assert numbers["rms"] < 1.6 * noise
    for line, (_, half, _) in figures_rvs.CALCIUM.items():
        seen, expected = numbers[f"depth {line}"]
        assert seen == pytest.approx(expected, abs=0.05 + 0.5 * noise)
        seen, expected = numbers[f"width {line}"]
        pixels = 20 * half * 2.4  # neighbours are correlated over 2.4 pixels
        assert seen == pytest.approx(expected, abs=0.1 * expected + 0.3 * noise * pixels**0.5)
    found, chi2 = figures_rvs.nearest_labels(**real[name]["star"], model=model)
    assert chi2 < 2.5
    for label, within in (("teff", 400), ("logg", 0.6), ("fe_h", 0.4)):
        assert found[label] == pytest.approx(wanted[label], abs=within)


def test_a_star_without_labels_gets_the_nearest(real):
    """A cool dwarf by its Ti I and Fe I lines, its Ca II cores filled in: stated in mocks.md."""
    star = real["GaiaDR3-1535964555128078720"]
    numbers, (name,) = star["numbers"], star["arrays"]["names"]
    assert numbers["nearest"] and not real["KOI-001"]["numbers"]["nearest"]
    assert numbers["teff"] < 5000 and numbers["logg"] > 4
    assert numbers["rms"] < 1.75 * numbers["noise"]
    assert "1535964555128078720" in name and "nearest of a grid" in name


def test_nearest_labels_of_its_own_spectra(model):
    rng = np.random.default_rng(11)
    grid = {name: values[::3] for name, values in figures_rvs.GRID.items()}
    for _ in range(4):
        labels = {name: float(rng.choice(values)) for name, values in grid.items()}
        flux, error, _ = rvs.make_rvs(**some_labels(**labels), snr=[300.0], rng=rng, model=model)
        found, chi2 = figures_rvs.nearest_labels(
            flux=flux[0].astype(float), flux_error=error[0].astype(float), model=model, grid=grid
        )
        assert found == labels and chi2 < 1.5


@rendered()
def test_compare_figure_is_drawn_and_named(model, tmp_path):
    flux, error, _ = rvs.make_rvs(**some_labels(2), snr=[30.0, 90.0], rng=3, model=model)
    flux[0, -5:] = np.nan
    figure = figures_rvs.compare_figure(
        flux=flux, flux_error=error, model=model(**some_labels(2)), names=["one", "two"]
    )
    assert "semi-synthetic RVS" in figure.get_suptitle()
    assert [axis.get_title(loc="left") for axis in figure.axes[::2]] == ["one", "two"]
    lines = figure.axes[0].get_lines()
    np.testing.assert_array_equal(lines[0].get_ydata(), flux[0])
    assert save(figure, tmp_path / "compare").stat().st_size > 20_000
