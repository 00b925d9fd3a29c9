"""LAMOST's mock: the instrument, the physics that was planted, files that real readers read."""

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table

from common.errors import MissingDataError, UsageError
from common.mocks import lamost
from common.mocks.lines import C_KMS, VACUUM
from common.surveys.read import read
from common.surveys.stream import read_many
from lamost_metallicity.mock import labels as mock_labels
from lamost_metallicity.mock import lines as mock_lines
from lamost_metallicity.mock import make as mock
from lamost_metallicity.mock import population as mock_population
from tests.archives import archives
from tests.lamost_metallicity import hii_regions


@pytest.fixture(scope="module")
def universe():
    with archives("thedoppler", "sdss-mangadap", "pypeit", "nebulabayes"):
        return mock.Universe()


@pytest.fixture(scope="module")
def galaxies():
    return mock_population.draw(20000, np.random.default_rng(1))


@pytest.fixture(scope="module")
def labelled(universe):
    """Galaxies, line fluxes, labels, their errors and classes."""
    rng = np.random.default_rng(9)
    galaxies = mock_population.draw(8000, rng)
    fluxes, _ = universe.lines.observed(galaxies, rng)
    lines = mock_labels.measure(fluxes, fibre_r=galaxies["fibre_r"], rng=rng)
    return galaxies, fluxes, *mock_labels.label(galaxies, lines, rng)


@pytest.fixture(scope="module")
def folder(universe, tmp_path_factory):
    out = tmp_path_factory.mktemp("mock")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mock, "Universe", lambda offline=False: universe)
        patch.setattr(mock, "ROWS_PER_FILE", 250)
        mock.make_mock(n=400, seed=5, out_dir=out, progress=False)
    return out


def test_grid_is_that_of_real_files(shared_data):
    for name in ("spec-58575-HD103621N361936B01_sp03-008", "spec-55859-F5902_sp01-013_dr8"):
        wave = read(shared_data / f"real/lamost/spec/{name}.fits.gz").wavelength_of(0)
        np.testing.assert_allclose(wave, lamost.grid()[: len(wave)], rtol=1e-6)
        assert abs(len(wave) - lamost.PIXELS) <= 1


def test_resolution_is_lamosts():
    wave = np.array([4000.0, 5500.0, 6563.0, 8500.0])
    resolution = C_KMS / (2.3548 * lamost.lsf_kms(wave))
    assert (resolution > 1300).all() and (resolution < 2100).all()


@pytest.mark.parametrize("snr", [3.0, 10.0, 60.0])
def test_snr_in_r_is_the_one_asked_for(universe, snr):
    rng = np.random.default_rng(2)
    flux = np.ones((40, lamost.PIXELS), dtype=np.float32)
    flux, error = universe.noise.scaled(flux, snr=np.full(40, snr), rng=rng)
    seen = lamost.band_snr(*universe.noise.observe(flux, error, rng))["r"]
    assert np.median(seen) == pytest.approx(snr, rel=0.08)


def test_noise_has_the_shape_of_real_spectra(universe, shared_data):
    """Error against wavelength of the real spectra of S/N_r 5 to 25, within 40 %."""
    low = []
    for spectra in read_many(shared_data / "real/lamost/spec", progress=False, duplicates="keep"):
        for row in np.flatnonzero(spectra.meta["snr_r"].between(5, 25)):
            wave, ivar = spectra.wavelength_of(row), spectra.ivar[row]
            error = np.where(ivar > 0, np.maximum(ivar, 1e-30) ** -0.5, np.nan)
            low.append(np.interp(lamost.grid(), wave, error / np.nanmedian(error)))
    assert len(low) >= 10
    real = np.nanmedian(low, axis=0)
    rng = np.random.default_rng(3)
    flux = np.ones((60, lamost.PIXELS), dtype=np.float32)
    _, error = universe.noise.scaled(flux, snr=rng.uniform(5, 25, 60), rng=rng)
    made = np.median(error / np.median(error, axis=1)[:, None], axis=0)
    wave = lamost.grid()
    for at in (3900, 4200, 4700, 5200, 6200, 6600, 7100, 7400, 8100):
        near = np.abs(wave - at) < 40
        assert np.median(made[near]) == pytest.approx(np.median(real[near]), rel=0.4), at


def test_faint_spectra_are_worse_calibrated_at_the_join(universe):
    rng = np.random.default_rng(4)
    wave = lamost.grid()
    spread = []
    for snr in (5.0, 50.0):
        flux = np.ones((400, lamost.PIXELS), dtype=np.float32)
        universe.noise.miscalibrate(flux, rng, snr=np.full(400, snr))
        level = [np.median(flux[:, np.abs(wave - w) < 30], axis=1) for w in (5300, 5650, 6300)]
        spread.append(np.std(level[1] / (0.65 * level[0] + 0.35 * level[2])))
    assert spread[0] > 0.12 and spread[1] < 0.07


def test_bad_pixels_are_as_common_as_in_real_spectra(universe, shared_data):
    index = pd.read_csv(shared_data / "real/lamost/index.csv", keep_default_na=False)
    files = [shared_data / "real/lamost" / f for f in index["file"][index["release"] != ""]]
    share = []  # of each spectrum's pixels; DR1's files, which have more, say no release
    for spectra in read_many(files, progress=False, duplicates="keep"):
        for row in range(len(spectra)):
            inside = np.abs(spectra.wavelength_of(row) - 5900) < 2100
            share.append(np.mean(spectra.ivar[row][inside] == 0))
    flux = np.ones((3000, lamost.PIXELS), dtype=np.float32)
    ivar = np.ones_like(flux)
    universe.noise.spoil(flux, ivar, error=np.full_like(flux, 0.1), rng=np.random.default_rng(13))
    assert len(share) > 150
    assert np.mean((ivar == 0).any(axis=1)) == pytest.approx(np.mean(np.array(share) > 0), abs=0.08)
    assert np.mean(ivar == 0) == pytest.approx(np.mean(share), rel=0.6)
    assert (ivar[flux == 0] == 0).all() and (flux == 0).any()


def test_distributions_are_the_papers(labelled):
    """Feng et al. 2026, Fig. 1: z 0.02-0.15 with 6 % above, S/N_r 3-30, petroMag_r 16-18."""
    galaxies, _, _, _, bptclass = labelled
    used = (bptclass == 1) & (galaxies["z"] < 0.25) & (galaxies["snr_r"] >= 3)
    z, snr, r, oh = (galaxies[k][used] for k in ("z", "snr_r", "petro_r", "oh"))
    assert np.mean((z > 0.02) & (z < 0.15)) > 0.85
    assert np.mean(z > 0.15) == pytest.approx(0.0612, abs=0.025)
    assert np.mean((snr > 3) & (snr < 30)) > 0.85
    assert np.mean((r > 16) & (r < 18)) > 0.8
    assert np.median(oh) == pytest.approx(8.95, abs=0.05)  # Fig. 3: a peak near 9.0
    assert 0.002 < np.mean(oh < 8.4) < 0.1


def test_mass_metallicity_relation_was_planted(galaxies):
    young = galaxies["population"] == "starforming"
    mass, oh = galaxies["lgm_tot"][young], galaxies["oh"][young]
    rest = oh - mock_population.tremonti(mass)
    for low in np.arange(8.75, 11.25, 0.5):
        near = (mass > low) & (mass < low + 0.5)
        assert near.sum() > 30
        assert np.median(rest[near]) == pytest.approx(0, abs=0.025)
        assert np.std(rest[near]) == pytest.approx(0.1, abs=0.025)
    # At one mass more star formation goes with less oxygen (Mannucci et al. 2010).
    assert np.corrcoef(rest, galaxies["offset"][young])[0, 1] < -0.15


def test_tremonti_at_published_values():
    # Tremonti et al. 2004, Table 3: medians 8.57 at log M = 8.86, 8.98 at 10.11, 9.10 at 10.80.
    found = mock_population.tremonti(np.array([8.86, 10.11, 10.80]))
    np.testing.assert_allclose(found, (8.57, 8.98, 9.10), atol=0.03)


def test_main_sequence_and_equivalent_widths(labelled):
    galaxies, fluxes, _, _, bptclass = labelled
    young = galaxies["population"] == "starforming"
    rest = galaxies["sfr_tot"] - mock_population.main_sequence(galaxies["lgm_tot"])
    assert np.median(rest[young]) == pytest.approx(0, abs=0.03)
    level = 11.1 * 10 ** (-0.4 * (galaxies["fibre_r"] - 18.5))
    width = fluxes["Ha"] / level / (1 + galaxies["z"])
    # SDSS galaxies of class 1: 8 to 70 Å, median near 25; passive ones below 3 Å.
    low, median, high = np.quantile(width[bptclass == 1], (0.05, 0.5, 0.95))
    assert 4 < low < 15 and 17 < median < 33 and 50 < high < 130
    assert np.median(width[galaxies["population"] == "passive"]) < 3


def test_ratios_lie_within_the_cloud_of_real_hii_regions(universe, shared_data):
    regions = hii_regions.read_hii_regions(shared_data)
    rng = np.random.default_rng(8)
    fluxes, _ = universe.lines.star_formation(rng.uniform(7.8, 9.2, 1500), rng)
    made = hii_regions.mock_ratios(fluxes)
    # 95 % of the real regions lie within by construction; the mock may lose 10 % of its points.
    for x, y in (("N2", "O3"), ("N2", "R23"), ("O3N2", "R23"), ("O32", "N2O2")):
        share, tested = hii_regions.share_inside(made, regions, x, y)
        assert tested > 1000 and share > 0.9, (x, y)
    # Whole galaxies hold diffuse gas too: up to 0.2 dex more [S II].
    for n2 in (-1.6, -1.2, -0.8, -0.5):
        mine = np.median(made["S2"][np.abs(made["N2"] - n2) < 0.1])
        real = np.median(regions["S2"][np.abs(regions["N2"] - n2) < 0.1])
        assert -0.1 < mine - real < 0.22, n2


def test_label_is_on_the_theoretical_scale(universe, shared_data):
    """At one N2 the label exceeds direct abundances by 0.05-0.5 dex, more when metal-rich."""
    regions = hii_regions.read_hii_regions(shared_data)
    oh = np.linspace(8.0, 9.15, 400)
    made = hii_regions.mock_ratios(universe.lines.star_formation(oh, None)[0])
    offset = []
    for n2 in (-1.4, -1.2, -1.0, -0.8, -0.6, -0.45):
        direct = np.median(regions["oh"][np.abs(regions["N2"] - n2) < 0.1])
        offset.append(np.interp(n2, made["N2"], oh) - direct)
    assert (np.array(offset) > 0.05).all() and (np.array(offset) < 0.5).all()
    assert offset[-1] > offset[0]


def test_mean_lines_invert_to_the_label(universe):
    """PP04 N2 and O3N2 of the mean lines, carried to T04 (Kewley & Ellison 2008, Table 3)."""
    label = np.arange(8.5, 9.21, 0.1)
    made = hii_regions.mock_ratios(universe.lines.star_formation(label, None)[0])
    n2 = np.polyval((0.32, 1.26, 2.03, 9.37), made["N2"])
    found = np.polyval((2.6766690, -68.471750, 585.17650, -1661.9380), n2)
    np.testing.assert_allclose(found, label, atol=0.06)
    o3n2 = 8.73 - 0.32 * made["O3N2"]
    found = np.polyval((1.167937, -30.057050, 258.96730, -738.1193), o3n2)
    np.testing.assert_allclose(found, label, atol=0.08)


def test_curves_at_hand_computed_points():
    assert mock_labels.kauffmann(-0.45) == pytest.approx(1.3 - 1.22)
    assert mock_labels.kewley(-0.14) == pytest.approx(1.19 - 1.0)
    assert mock_labels.kauffmann(0.1) == -np.inf and mock_labels.kewley(0.5) == -np.inf


def test_classes_follow_brinchmann():
    """One galaxy of each class, with its lines chosen by hand: Ha, [N II], Hb, [O III], error 1."""
    cases = {1: (300, 100, 100, 60), 3: (300, 190, 100, 130), 4: (300, 300, 100, 500),
             2: (30, 2, 2, 2), 5: (30, 29, 2, 2), -1: (1, 1, 1, 1)}  # fmt: skip
    names = ("H_ALPHA", "NII_6584", "H_BETA", "OIII_5007")
    values = np.array(list(cases.values()), dtype=float)
    lines = {name: (values[:, k], np.ones(len(values))) for k, name in enumerate(names)}
    assert list(mock_labels.bpt_class(lines)) == list(cases)


def test_label_noise_is_the_stated_one(labelled):
    galaxies, _, values, errors, bptclass = labelled
    good = bptclass == 1
    assert good.sum() > 1000 and np.isnan(values["oh"][~good]).all()
    pull = (values["oh"] - galaxies["oh"])[good] / errors["oh"][good]
    assert np.std(pull) == pytest.approx(1, abs=0.06)
    assert 0.03 <= errors["oh"][good].min() and errors["oh"][good].max() <= 0.1
    # The paper's whole scatter at S/N_r > 25 is about 0.05 dex: a network needs a part of it.
    faint, bright = (galaxies["snr_r"] < 7) & good, (galaxies["snr_r"] > 25) & good
    low, high = (np.sqrt(np.mean(errors["oh"][rows] ** 2)) for rows in (faint, bright))
    assert high < 0.043 and high < 1.05 * low
    # Populations end up in their classes: nearly all class 1 is star-forming gas.
    forming = np.isin(galaxies["population"], ("starforming", "starburst"))
    assert forming[good].mean() > 0.95 and not forming[bptclass == 4].any()


def test_classes_are_as_frequent_as_in_sdss(labelled):
    """Brinchmann et al. 2004, Table 1: numbers of the classes among 149 660 galaxies."""
    bptclass = labelled[-1]
    real = {2: 29115, 3: 14372, 4: 8836, 5: 11752}  # and 46 444 of -1: fewer here, on purpose
    for kind, number in real.items():
        ratio = np.sum(bptclass == kind) / np.sum(bptclass == 1)
        assert ratio == pytest.approx(number / 39141, abs=0.12), kind
    assert 0.3 < np.mean(bptclass == 1) < 0.4
    assert 0.1 < np.mean(bptclass == -1) < 0.31


def test_line_fluxes_are_in_the_spectrum(universe):
    """Ha + [N II] summed on noiseless spectra over the continuum is what the truth says."""
    rng = np.random.default_rng(10)
    galaxies = mock_population.draw(300, rng)
    fluxes, _ = universe.lines.observed(galaxies, rng)
    flux = universe.continua.observed(galaxies, rng)
    before = flux.copy()
    mock_lines.add_lines(flux, fluxes=fluxes, z=galaxies["z"], kms=galaxies["gas_kms"])
    wave = 10 ** (3.5463 + 1e-4 * np.arange(flux.shape[1]))
    window = np.abs(wave / (1 + galaxies["z"][:, None]) - VACUUM["Ha"]) < 60
    summed = ((flux - before) * np.gradient(wave) * window).sum(axis=1)
    wanted = fluxes["Ha"] + fluxes["NII"] + fluxes["NII6548"]
    inside = galaxies["z"] < 0.3
    np.testing.assert_allclose(summed[inside], wanted[inside], rtol=0.02)


def test_colours_of_the_continua(universe):
    galaxies = mock_population.draw(400, np.random.default_rng(11))
    flux = universe.continua.observed(galaxies, np.random.default_rng(12))
    wave = 10 ** (3.5463 + 1e-4 * np.arange(flux.shape[1]))
    rest = wave / (1 + galaxies["z"][:, None])
    g, r = (
        np.array([f[(w > low) & (w < high)].mean() for f, w in zip(flux, rest, strict=True)])
        for low, high in ((4000, 5400), (5600, 7000))
    )
    found = -2.5 * np.log10(g / r * (4700 / 6300) ** 2)
    # Beyond the sequence's ends (the reddest and bluest) the nearest mixture stands in.
    assert np.median(np.abs(found - galaxies["colour"])) < 0.04


def test_files_are_read_as_real_ones(folder):
    stream = read_many(folder, progress=False, chunk=60)
    parts = list(stream)
    assert stream.rejects == [] and len(stream.files) == 2  # labels are not taken for spectra
    whole = [read(path) for path in stream.files]
    for name in ("flux", "ids"):
        ours, theirs = (np.concatenate([getattr(p, name) for p in ps]) for ps in (parts, whole))
        np.testing.assert_array_equal(ours, theirs)
    meta = pd.concat([p.meta for p in parts], ignore_index=True)
    truth = pd.read_parquet(folder / "truth.parquet")
    ids = np.concatenate([p.ids for p in parts])
    assert list(ids) == list(truth["obsid"].astype(str)) and len(set(ids)) == 400
    assert (meta["class"] == "GALAXY").all() and meta["mock"].all()
    np.testing.assert_allclose(meta["z"], truth["z"], atol=1e-3)
    np.testing.assert_allclose(np.median(meta["snr_r"] / truth["snr_r"]), 1, atol=0.05)
    assert meta[["petro_r", "snr_g", "ra", "dec"]].notna().all().all()
    assert parts[0].medium == "vacuum" and not parts[0].is_ragged
    np.testing.assert_allclose(parts[0].wavelength, lamost.grid(), rtol=1e-6)


def test_labels_are_in_mpa_jhus_layout(folder):
    tables = {name: Table.read(folder / f"labels/galSpec{name}-mock.fits").to_pandas()
              for name in ("Info", "Extra", "Line")}  # fmt: skip
    truth = pd.read_parquet(folder / "truth.parquet")
    matched = truth[truth["specobjid"] != ""]
    assert 0.88 < len(matched) / len(truth) < 1
    for table in tables.values():
        found = table["SPECOBJID"].str.decode("ascii").str.strip()
        assert list(found) == list(matched["specobjid"])
    extra = tables["Extra"]
    young = extra["BPTCLASS"] == 1
    assert (extra["OH_P50"][~young] == -9999).all()
    assert young.mean() > 0.25
    half = 0.5 * (extra["OH_P84"] - extra["OH_P16"])[young]
    planted = matched[young.to_numpy()]
    stated = planted["oh_label_error"].to_numpy()
    np.testing.assert_allclose(half, stated, atol=1e-3)
    rest = extra["OH_P50"][young].to_numpy() - planted["oh"].to_numpy()
    assert np.std(rest / stated) == pytest.approx(1, abs=0.25)
    offset = (tables["Info"]["DEC"].to_numpy() - matched["dec"].to_numpy()) * 3600
    assert np.abs(offset).max() < 1
    for file in folder.rglob("*.fits"):
        with fits.open(file) as hdus:
            assert hdus[0].header["MOCK"] is True and hdus[1].header["MOCK"] is True


def test_same_seed_same_spectra(universe):
    first, second, other = (universe.make(20, np.random.default_rng(s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(first[0], second[0])
    assert not np.array_equal(first[0], other[0])


def test_wrong_arguments_and_missing_archives_are_named(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="at least 1"):
        mock.make_mock(n=0, seed=1, out_dir=tmp_path)
    monkeypatch.setenv("SPECTRA_CACHE", str(tmp_path / "empty"))
    with pytest.raises(MissingDataError, match="python -m common"):
        mock.make_mock(n=1, seed=1, out_dir=tmp_path / "out", offline=True)
    assert not list((tmp_path / "out").rglob("*.fits"))
