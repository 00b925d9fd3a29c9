"""The mock of five surveys: what must hold for every class and survey, and lines in their place."""

import numpy as np
import pytest

from common.errors import UsageError
from common.mocks import instrument, libraries
from common.mocks.instrument import MODEL_PIXELS, model_grid
from common.mocks.lines import C_KMS
from gasnet2.config import COARSE, EXTRA_CLASSES, SDSS_CLASSES, extragalactic
from gasnet2.mock import plates, surveys
from gasnet2.mock.survey_classes import offset_fibres
from tests.archives import archives

EDGES = {"sdss": (3800, 9200), "boss": (3600, 9900), "desi": (3600, 9824),
         "fourmost": (3700, 9500), "lamost": (3700, 9000)}  # fmt: skip


@pytest.fixture(scope="module")
def universe():
    with archives("thedoppler", "sdss-mangadap", "pypeit"):
        return surveys.universe_of(offline=False)


def noiseless(universe, name, n, seed=1):
    """Return flux, z of a stellar class on the model's grid before any survey has seen it."""
    rng, kind = np.random.default_rng(seed), name.removeprefix("STAR_")
    special = {"WD": universe.compact.white_dwarfs, "CV": universe.compact.cataclysmic}
    return special[kind](n, rng) if kind in special else universe.odd.make(kind, n, rng)


def band(flux, z, first, last):
    """Return the mean flux of each row between two rest wavelengths, (n,)."""
    wave = model_grid() / (1 + z[:, None])
    inside = (wave > first) & (wave < last)
    return (flux * inside).sum(axis=1) / inside.sum(axis=1)


def depth(flux, z, line, half, apart):
    """Return 1 - flux in a line over that of its two sides, (n,)."""
    sides = [band(flux, z, line + s * apart - half, line + s * apart + half) for s in (-1, 1)]
    return 1 - band(flux, z, line - half, line + half) / np.mean(sides, axis=0)


def test_classes_are_known_to_all_parts():
    assert surveys.CLASSES == (*SDSS_CLASSES, *EXTRA_CLASSES)
    assert {COARSE[c] for c in EXTRA_CLASSES} == {"STAR", "NONE"}
    assert extragalactic(surveys.CLASSES) == extragalactic(SDSS_CLASSES)


@pytest.mark.parametrize("survey", list(plates.SURVEYS))
def test_every_class_of_a_survey_is_whole(universe, survey):
    wave = plates.SURVEYS[survey].wavelength
    assert np.allclose((wave[0], wave[-1]), EDGES[survey], atol=1.1)
    steps = np.diff(np.log10(wave)) if survey in ("sdss", "boss", "lamost") else np.diff(wave)
    assert np.allclose(steps, steps[0], rtol=1e-6)
    ids = set()
    for k, name in enumerate(surveys.CLASSES):
        spectra = surveys.spectra_of(universe, name, 6, np.random.default_rng(k), survey=survey)
        flux, ivar, meta = spectra.flux, spectra.ivar, spectra.meta
        assert flux.shape == ivar.shape == (6, len(wave)) and flux.dtype == np.float32
        assert np.isfinite(flux).all() and np.isfinite(ivar).all() and (ivar >= 0).all()
        assert (ivar > 0).mean(axis=1).min() > 0.2
        assert (meta["class"] == COARSE[name]).all()
        assert (meta["label"].map(COARSE) == COARSE[name]).all()
        if COARSE[name] in ("STAR", "NONE"):
            assert (meta["label"] == name).all()
        assert (meta["survey"] == survey).all() and meta["mock"].all()
        assert np.isfinite(meta["snr"]).all() and (meta["z"].abs() < 6.21).all()
        if COARSE[name] == "STAR":
            assert (meta["z"].abs() < 0.003).all()
        if name == "NONE":
            assert (meta["z"] == 0).all()
        ids |= set(spectra.ids)
    assert len(ids) == 6 * len(surveys.CLASSES)
    assert f"mock-{survey}-NONE-000005" in ids


def test_jobs_cover_every_class_and_survey_in_turn():
    work = surveys.jobs(per_class=30, seed=1)
    assert [w.name for w in work[: len(surveys.CLASSES)]] == list(surveys.CLASSES)
    for name in surveys.CLASSES:
        mine = [w for w in work if w.name == name]
        assert {w.survey for w in mine} == set(plates.SURVEYS)
        assert sum(w.size for w in mine) == 30
        assert [w.first for w in mine] == list(np.cumsum([0, *(w.size for w in mine)])[:-1])
    assert max(w.size for w in surveys.jobs(per_class=3000, seed=1)) == surveys.CHUNK
    for bad in ({"per_class": 0}, {"per_class": 1, "chunk": 0}):
        with pytest.raises(UsageError, match="at least 1"):
            surveys.jobs(seed=1, **bad)


def test_skipping_batches_changes_nothing(universe, monkeypatch):
    monkeypatch.setattr(surveys, "universe_of", lambda offline: universe)
    choice = dict(classes=("STAR_M", "NONE", "QSO_nan"), per_class=6, surveys=("sdss", "desi"))
    everything = list(surveys.batches(seed=3, **choice))
    work = surveys.jobs(seed=3, **choice)
    assert len(everything) == len(work) == 6
    for k in (4, 1):  # in any order, without those before
        again = surveys.make(work[k])
        np.testing.assert_array_equal(again.flux, everything[k].flux)
        np.testing.assert_array_equal(again.ivar, everything[k].ivar)
        assert list(again.ids) == list(everything[k].ids)
        assert again.meta.equals(everything[k].meta)
    other = surveys.make(surveys.jobs(seed=4, **choice)[1])
    assert not np.array_equal(other.flux, everything[1].flux)


def test_unknown_names_are_usage_errors(universe):
    rng = np.random.default_rng(0)
    with pytest.raises(UsageError, match="STAR_Carbon"):
        surveys.spectra_of(universe, "STAR_L", 1, rng, survey="sdss")
    with pytest.raises(UsageError, match="lamost"):
        surveys.spectra_of(universe, "STAR_M", 1, rng, survey="gaia")


@pytest.mark.parametrize("survey", ["sdss", "desi", "lamost"])
def test_snr_measured_is_near_the_one_asked_for(universe, survey):
    rng = np.random.default_rng(5)
    wanted = np.repeat([1.0, 5.0, 30.0], 60)
    flux, _ = universe.star("G2", len(wanted), rng)
    flux, ivar = universe.plates[survey].observe(flux, wanted, rng)
    found = np.array(
        [np.median(f[i > 0] * np.sqrt(i[i > 0])) for f, i in zip(flux, ivar, strict=True)]
    )
    for level in (1.0, 5.0, 30.0):
        assert np.median(found[wanted == level]) == pytest.approx(level, rel=0.12)


def test_errors_are_nearly_right_and_a_tenth_of_the_spectra_lose_a_range(universe):
    flux = np.zeros((400, MODEL_PIXELS), dtype=np.float32)
    rng = np.random.default_rng(6)
    flux, ivar = universe.plates["boss"].observe(flux, np.full(400, np.nan), rng)
    wave = plates.SURVEYS["boss"].wavelength
    quiet = (wave > 5000) & (wave < 5500)
    scaled = (flux * np.sqrt(ivar))[(ivar[:, quiet] > 0).mean(axis=1) > 0.9][:, quiet]
    scatter = np.percentile(np.abs(np.diff(scaled, axis=1)), 68, axis=1) / np.sqrt(2)
    assert 0.75 < np.median(scatter) < 1.05 and scatter.std() > 0.05
    lost = ((ivar == 0).mean(axis=1) > 0.03).mean()
    assert 0.05 < lost < 0.3


def test_sky_residuals_are_shared_by_a_plate(universe):
    mine = universe.plates["desi"]
    plate = np.repeat([0, 1], 30)
    pattern = mine.sky_patterns(plate, np.random.default_rng(7))
    likeness = np.abs(np.corrcoef(pattern))
    same = plate[:, None] == plate
    assert likeness[same].min() > 0.99 and likeness[~same].max() < 0.9
    assert np.ptp(np.abs(pattern).max(axis=1)) > 0.3


# Strongest feature, its half-width and how far away its sides are (Å); the least median depth.
FEATURES = {
    "STAR_OB": (4341.7, 12, 50, 0.04),
    "STAR_K7": (5177.0, 25, 180, 0.1),  # Mg b and MgH
    "STAR_Carbon": (5130.0, 40, 110, 0.15),
    "STAR_WD": (4862.7, 25, 170, 0.05),
    "STAR_CV": (4862.7, 15, 90, -9.0),
}


@pytest.mark.parametrize("name", list(FEATURES))
def test_strongest_feature_of_stars_is_where_it_should_be(universe, name):
    flux, z = noiseless(universe, name, 80)[:2]
    line, half, apart, least = FEATURES[name]
    found = depth(flux, z, line, half, apart)
    if name == "STAR_CV":
        assert np.median(found) < -0.2  # emission
        assert np.mean(found < -0.02) > 0.85
    else:
        assert np.median(found) > least


def test_m_stars_have_titanium_oxide_and_grow_redder(universe):
    flux, z = noiseless(universe, "STAR_M", 80)
    head = band(flux, z, 7050, 7080) / band(flux, z, 7015, 7045)  # CaH beside, TiO at 7053
    assert np.median(head) < 0.9
    # TiO5 (Reid, Hawley & Gizis 1995) is below 0.9 from M0 on.
    tio5 = band(flux, z, 7128, 7137) / band(flux, z, 7044, 7048)
    assert np.mean(tio5 < 0.9) > 0.9 and tio5.min() < 0.4
    late = np.argsort(tio5)
    colour = band(flux, z, 8900, 9100) / band(flux, z, 6500, 6700)
    assert np.median(colour[late[:20]]) > 1.5 * np.median(colour[late[-20:]])


def test_broad_lines_of_white_dwarfs_differ_by_type(universe):
    flux, z, kind = noiseless(universe, "STAR_WD", 400)
    hydrogen, helium = depth(flux, z, 4862.7, 15, 170), depth(flux, z, 5877.3, 10, 90)
    assert np.median(hydrogen[kind == "DA"]) > 0.15
    assert np.median(hydrogen[kind == "DC"]) < 0.02
    assert np.median(helium[kind == "DB"]) > 0.05 > np.median(helium[kind == "DA"])


@pytest.mark.parametrize("name", ["GALAXY_STARBURST", "QSO_BROADLINE"])
def test_emission_lines_are_at_the_redshift_of_the_label(universe, name):
    spectra = surveys.spectra_of(universe, name, 120, np.random.default_rng(8), survey="desi")
    meta, wave = spectra.meta, spectra.wavelength
    rest, reach, half = (5008.24, 60, 5) if name == "GALAXY_STARBURST" else (2798.8, 220, 30)
    hits = total = 0
    for k in range(len(meta)):
        own = wave / (1 + meta["z"][k])
        near = (np.abs(own - rest) < reach) & (spectra.ivar[k] > 0)
        if meta["snr"][k] < 4 or near.sum() < 100 or (np.abs(own - rest) < half).sum() < 8:
            continue
        line = near & (np.abs(own - rest) < half)
        if not line.any():
            continue
        total += 1
        side = np.median(spectra.flux[k][near & ~line])
        hits += spectra.flux[k][line].mean() > side
    assert total > 15 and hits / total > 0.9


def test_labels_of_galaxies_and_quasars_are_what_the_pipelines_rules_say(universe):
    def label(name, survey="boss"):
        rng = np.random.default_rng(11)
        return surveys.spectra_of(universe, name, 60, rng, survey=survey).meta

    burst = label("GALAXY_STARBURST")
    near = burst[(burst["z"] < 0.4) & (burst["snr"] > 8)]["label"]
    assert (near == "GALAXY_STARBURST").mean() > 0.6
    assert (burst[burst["z"] > 0.6]["label"] == "GALAXY_nan").all()  # H alpha is not covered
    quasars = label("QSO_BROADLINE", "desi")
    bright = quasars["snr"] > 8
    assert (quasars["label"][bright] == "QSO_BROADLINE").mean() > 0.75
    assert (quasars["label"][quasars["snr"] < 1] == "QSO_nan").mean() > 0.6
    assert burst["vdisp"].between(20, 600).all()


def test_quasars_of_offset_fibres_are_too_blue():
    factor = offset_fibres(2000, np.random.default_rng(12))
    wave = instrument.model_grid()
    blue, red = (np.argmin(np.abs(wave - at)) for at in (3700, 9000))
    assert np.allclose(factor[:, np.argmin(np.abs(wave - 5400))], 1, atol=1e-3)
    assert (factor[:, blue] >= 1 - 1e-6).all() and (factor[:, red] <= 1 + 1e-6).all()
    assert 0.4 < (factor[:, blue] > 1.001).mean() < 0.6


def test_far_galaxies_keep_a_feature_on_the_grid():
    for name, survey in plates.SURVEYS.items():
        rng = np.random.default_rng(9)
        z, snr = surveys.far_z_snr("GALAXY_nan", 4000, rng, survey=survey)
        assert (3727 * (1 + z) < survey.wavelength[-1]).mean() > 0.99, name
        assert z.max() > 1.3 and snr.min() >= 0.3 and 0.2 < (z > surveys.FAR).mean() < 0.6
        z, _ = surveys.far_z_snr("GALAXY_STARBURST", 4000, rng, survey=survey)
        assert 0.04 < (z > surveys.FAR).mean() < 0.2
        z, _ = surveys.far_z_snr("QSO_nan", 4000, rng, survey=survey)
        assert 5.9 < z.max() <= 6.2


def test_observed_stars_are_at_rest_and_carried_on():
    with archives("sdss-mangadap"):
        flux, stars = libraries.read_stelib()
        means = libraries.read_clusters((67, 3))
    assert len(flux) == len(stars) == 255
    assert stars["teff"].between(3000, 60000).sum() > 150
    wave = libraries.rest_grid()
    part = (wave > 6500) & (wave < 6630)
    at = wave[part][np.argmin(means[0, part])]
    assert abs(at / 6564.61 - 1) * C_KMS < 80
    model = (wave / 5000) ** -1.0
    whole = libraries.carry_on(np.where(np.isfinite(flux[5]), flux[5], np.nan), model)
    assert np.isfinite(whole).all() and (whole[wave > 2000] > 0).all()
    good = np.isfinite(flux[5])
    np.testing.assert_array_equal(whole[good], flux[5][good])
