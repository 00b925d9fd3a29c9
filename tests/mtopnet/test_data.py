import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st

from common.catalog import read_table
from common.errors import MissingDataError, SuiteError, UsageError
from common.lines import LINES_MOONS
from common.mocks import moons
from common.spectra import Spectra
from mtopnet import data, linemap
from mtopnet import preprocess as pre
from mtopnet.config import Config, make_config
from mtopnet.preprocess import preprocess, running_median
from tests.mtopnet.toy_run import galaxies, tiny_config, write_spectra

FULL = make_config("moons-mock", "paper", sky_limit=float("inf"))


def spectra(flux, *, wave=None, ivar=1.0, medium="vacuum", **meta):
    flux = np.atleast_2d(np.asarray(flux, dtype="f4"))
    ivar = np.broadcast_to(np.asarray(ivar, dtype="f4"), flux.shape).copy()
    table = pd.DataFrame({k: np.broadcast_to(v, (len(flux),)) for k, v in meta.items()})
    ids = [f"s{i}" for i in range(len(flux))]
    wave = moons.grid() if wave is None else wave
    return Spectra(wave, flux, ivar, ids, meta=table, medium=medium, frame="observed")


def noise(n=2, seed=0, level=3.0):
    return level + np.random.default_rng(seed).normal(size=(n, moons.PIXELS))


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 4), st.integers(2, 60), st.integers(1, 80), st.integers(0, 2**32 - 1))
def test_running_median_is_the_median_of_each_reflected_window(n, m, window, seed):
    flux = np.random.default_rng(seed).normal(size=(n, m)).astype("f4")
    out = running_median(flux, window)
    w = min(window, m)
    half = w // 2 + 1
    padded = np.pad(flux, ((0, 0), (half, half)), mode="symmetric" if half >= m else "reflect")
    for i in range(n):
        for j in range(m):
            own = np.sort(padded[i, half + j - w // 2 : half + j - w // 2 + w])
            assert out[i, j] == own[w // 2]


def test_spectrum_is_without_continuum_and_its_maximum_is_one():
    flux = noise() + np.linspace(0, 20, moons.PIXELS)
    flux[:, 5000] += 300
    prepared = preprocess(spectra(flux), FULL)
    assert prepared.usable.all() and prepared.x.shape == (2, 12217)
    assert prepared.x.dtype == np.float32 and np.allclose(prepared.x.max(axis=1), 1)
    assert (prepared.x.argmax(axis=1) == 5000).all()
    assert np.abs(np.median(prepared.x, axis=1)).max() < 1e-3
    expected = 3 + np.linspace(0, 20, 10)
    # Half a window at the ends flattens the slope there by a quarter of a window.
    assert np.allclose(prepared.continuum[:, 1:-1], expected[1:-1], atol=0.25)
    assert np.allclose(prepared.continuum[:, [0, -1]], expected[[0, -1]], atol=0.7)
    assert prepared.inputs.shape == (2, 12217 + 10)


def test_masked_channels_are_zero_and_leave_the_continuum_alone(monkeypatch):
    sky = np.zeros(moons.PIXELS)
    sky[2000:2400] = 1.0
    monkeypatch.setattr(moons, "sky_photons", lambda **_: sky)
    pre._sky_mask.cache_clear()
    flux = noise()
    clean = preprocess(spectra(flux), make_config("moons-mock", "paper"))
    flux[:, 2000:2400] = 1e6
    dirty = preprocess(spectra(flux), make_config("moons-mock", "paper"))
    pre._sky_mask.cache_clear()
    assert (dirty.x[:, 2000:2400] == 0).all() and np.array_equal(dirty.x, clean.x)
    assert np.array_equal(dirty.continuum, clean.continuum)


def test_channels_without_information_are_zero():
    flux, ivar = noise(), np.ones((2, moons.PIXELS))
    flux[0, 7000:7010], flux[1, 100] = 1e7, np.nan
    ivar[0, 7000:7010] = 0
    prepared = preprocess(spectra(flux, ivar=ivar), FULL)
    assert prepared.usable.all() and (prepared.x[0, 7000:7010] == 0).all()
    assert prepared.x[1, 100] == 0
    assert prepared.bad_fraction.tolist() == pytest.approx([10 / 12217, 1 / 12217])


def test_spectra_on_other_pixels_are_interpolated():
    line = np.exp(-0.5 * ((moons.grid() - 16000) / 8) ** 2) * 100 + 2
    wave = np.arange(6460.0, 18010.0, 0.7)
    other = np.exp(-0.5 * ((wave - 16000) / 8) ** 2) * 100 + 2
    a, b = preprocess(spectra(line), FULL), preprocess(spectra(other, wave=wave), FULL)
    assert b.usable.all() and np.allclose(a.x, b.x, atol=5e-3)


@pytest.mark.parametrize("arm", ["RI", "YJ", "H"])
def test_a_missing_arm_is_named(arm):
    flux, ivar = noise(), np.ones((2, moons.PIXELS))
    ivar[0, moons.arm_slices()[arm]] = 0
    prepared = preprocess(spectra(flux, ivar=ivar), FULL)
    assert f"without information in {arm} (0% of its channels)" in prepared.reason[0]
    assert prepared.reason[1] == "" and (prepared.x[0] == 0).all()


@pytest.mark.parametrize("made, says", [
    (spectra(np.full(moons.PIXELS, np.nan)), "no arm carries information"),
    (spectra(np.full(moons.PIXELS, 4.0)), "no channel lies above the continuum"),
    (spectra(noise(1)[:, :8346], wave=moons.grid()[:8346]), "without information in H"),
])  # fmt: skip
def test_spectra_that_cannot_be_used_say_so(made, says):
    prepared = preprocess(made, FULL)
    assert all(says in reason for reason in prepared.reason)
    assert np.isfinite(prepared.inputs).all()


def test_a_negative_continuum_is_noted_and_used():
    prepared = preprocess(spectra(noise(level=-50.0)), FULL)
    assert prepared.usable.all() and (prepared.continuum < 0).all()
    assert set(prepared.note) == {pre.NEGATIVE}
    assert np.allclose(prepared.x, preprocess(spectra(noise(level=50.0)), FULL).x, atol=1e-4)


def test_units_do_not_matter():
    flux = noise()
    small = spectra(flux * 1e-17)
    small.unit = "erg / (s cm2 Angstrom)"
    a, b = preprocess(spectra(flux), FULL), preprocess(small, FULL)
    assert np.allclose(a.continuum, b.continuum, rtol=1e-4)
    assert np.allclose(a.x, b.x, atol=1e-4)


def by_errors(**changes):
    return make_config("moons-mock", "paper", sky_limit=float("inf"), input="errors", **changes)


def test_errors_in_place_of_the_maximum():
    rng = np.random.default_rng(3)
    sigma = np.concatenate([np.full(a.pixels, s) for a, s in
                            zip(moons.ARMS.values(), (1.0, 4.0, 2.0), strict=True)])  # fmt: skip
    sigma[9000:9100] = 400.0  # a bright line of the sky
    flux = 3 + sigma * rng.normal(size=(2, moons.PIXELS))
    flux[:, 5000] += 40 * sigma[5000]
    flux[1, 7000:7010], ivar = np.nan, np.tile(sigma**-2.0, (2, 1))
    ivar[0, 100] = 0
    prepared = preprocess(spectra(flux, ivar=ivar), by_errors(photometry=()))
    assert prepared.usable.all() and np.isfinite(prepared.inputs).all()
    assert (np.argmax(prepared.x, axis=1) == 5000).all(), "not a channel under the sky"
    faithful = preprocess(spectra(flux, ivar=ivar), FULL)
    assert (abs(faithful.x.argmax(axis=1) - 9050) < 51).all(), "which the maximum takes"
    assert np.allclose(prepared.x[:, 5000], np.arcsinh(40), atol=0.15)
    for inside in moons.arm_slices().values():
        assert np.sinh(prepared.x[:, inside]).std() == pytest.approx(1, abs=0.7)
        spread = np.diff(np.percentile(np.sinh(prepared.x[:, inside]), [16, 84]))[0] / 2
        assert spread == pytest.approx(1, abs=0.03)
    assert prepared.x[0, 100] == 0 and (prepared.x[1, 7000:7010] == 0).all()
    assert prepared.continuum.shape == (2, 13)
    assert np.allclose(prepared.continuum[:, 10:], np.log10([1, 4, 2]), atol=1e-6)
    assert np.array_equal(prepared.continuum[:, :10], faithful.continuum)


def test_scaling_by_errors_knows_no_units_and_follows_to_other_pixels():
    rng, wave = np.random.default_rng(4), moons.grid()
    sigma = 1 + 0.5 * np.sin(wave / 700)
    flux = 3 + sigma * rng.normal(size=(1, moons.PIXELS))
    first = preprocess(spectra(flux, ivar=sigma**-2.0), by_errors())
    small = spectra(flux * 1e-20)
    small.ivar = np.tile((sigma * 1e-20) ** -2.0, (1, 1))  # beyond float32
    small.unit = "erg / (s cm2 Angstrom)"
    other = preprocess(small, by_errors())
    assert np.allclose(first.x, other.x, atol=1e-3)
    assert np.allclose(other.continuum[:, 10:], first.continuum[:, 10:] - 3, atol=1e-3)

    def smooth(wave):
        flux = np.exp(-0.5 * ((wave - 16000) / 8) ** 2) * 100 + 2
        return spectra(flux, wave=wave, ivar=(1 + 0.5 * np.sin(wave / 700)) ** -2.0)

    first, moved = (preprocess(smooth(w), by_errors())
                    for w in (wave, np.arange(6460.0, 18010.0, 0.7)))  # fmt: skip
    assert first.x.max() > 4 and np.allclose(moved.x, first.x, atol=0.02)
    assert np.allclose(moved.continuum[:, 10:], first.continuum[:, 10:], atol=0.01)


def test_a_spectrum_without_errors_says_what_to_do():
    given = spectra(noise())
    given.ivar = None
    prepared = preprocess(given, by_errors())
    assert all("--input paper" in reason for reason in prepared.reason)
    assert np.isfinite(prepared.inputs).all() and (prepared.x == 0).all()
    assert preprocess(given, FULL).usable.all()


def test_a_spectrum_without_an_arm_leaves_its_neighbours_alone():
    flux, ivar = noise(), np.ones((2, moons.PIXELS))
    ivar[0, moons.arm_slices()["H"]] = 0
    prepared = preprocess(spectra(flux, ivar=ivar), by_errors())
    assert "in H" in prepared.reason[0] and prepared.reason[1] == ""
    alone = preprocess(spectra(flux[1:]), by_errors())
    assert np.array_equal(prepared.inputs[1], alone.inputs[0])


def test_photometry_is_joined_to_the_continuum_and_its_absence_told():
    config = make_config("moons-mock", "paper", sky_limit=float("inf"), photometry=("h", "ks"))
    prepared = preprocess(spectra(noise(), mag_h=[22.5, -99.0]), config)
    assert prepared.continuum.shape == (2, 12)
    assert np.array_equal(prepared.continuum[:, 10:], [[22.5, np.nan], [np.nan] * 2], True)
    with pytest.raises(UsageError, match="columns mag_h, mag_ks"):
        preprocess(spectra(noise()), config)


def test_labels_are_joined_by_the_number_where_a_table_holds_no_zeros(tmp_path):
    """FITS tables of numbers know 12 where the file is 0012; -9999 is no redshift."""
    Table({"id": [12, 13, 14], "z": [1.2, -9999.0, 1.4], "log_mass": [10.0, -99.0, 9.0],
           "mag_h": [21.0, 99.0, 20.0]}).write(tmp_path / "labels.fits")  # fmt: skip
    table = data.label_table(tmp_path).set_index("id", drop=False)
    some = spectra(noise(4))
    some.ids = np.array(["0012", "13", "x", "014"])
    config = make_config("moons-mock", "paper", sky_limit=float("inf"), photometry=("h",))
    part = data.with_labels(some, table, config)
    assert part["id"].tolist() == ["0012", "13", "x", "014"]
    np.testing.assert_array_equal(part["z_true"], [1.2, np.nan, np.nan, 1.4])
    np.testing.assert_array_equal(part["lgm_true"], [10.0, np.nan, np.nan, 9.0])
    np.testing.assert_array_equal(some.meta["mag_h"], [21.0, np.nan, np.nan, 20.0])
    reasons = data.label_faults(part, config)
    assert [bool(reason) for reason in reasons] == [False, True, True, False]


def test_line_masks_mark_each_line_within_five_channels():
    z = np.array([1.0, 0.8, 14000.0 / LINES_MOONS["Ha"] - 1])  # Ha between YJ and H
    mask = data.line_mask(z, FULL)
    wave = moons.grid()
    for i, redshift in enumerate(z):
        expected = np.zeros(len(wave))
        for rest in LINES_MOONS.values():
            at = rest * (1 + redshift)
            if any(a.wavelength[0] <= at <= a.wavelength[-1] for a in moons.ARMS.values()):
                k = int(np.abs(wave - at).argmin())
                expected[max(k - 5, 0) : k + 6] = 1
        # Lines half a channel beyond an arm's end may be marked or not.
        assert np.abs(mask[i] - expected).sum() <= 12
    ha = int(np.abs(wave - LINES_MOONS["Ha"] * 2.0).argmin())
    assert mask[0, ha - 5 : ha + 6].all()
    edge = moons.arm_slices()["H"].start
    assert not mask[2, edge - 11 : edge + 12].any(), "lines in the gap mark nothing"


@pytest.mark.parametrize("channel", [0, 2, 5])
def test_a_line_at_the_end_of_an_arm_marks_nothing_beyond_the_gap(channel):
    wave, h = moons.grid(), moons.arm_slices()["H"].start
    for at, own, other in ((h - 1 - channel, slice(h - 20, h), slice(h, h + 20)),
                           (h + channel, slice(h, h + 20), slice(h - 20, h))):  # fmt: skip
        z = np.array([wave[at] / LINES_MOONS["Ha"] - 1])
        mask = data.line_mask(z, FULL)[0]
        assert mask[own].sum() >= 6 + channel and not mask[other].any()
        assert np.array_equal(mask.astype(bool), linemap.true_map(z, wave)[0])
        loud = np.zeros((1, len(wave)))
        loud[0, other] = 1
        assert "Ha" not in linemap.found_lines(loud, z, wave)[0].split(";")


@settings(deadline=None, max_examples=60)
@given(st.floats(0.6, 2.9999), st.sampled_from([0.003, 0.0005, 0.0024]), st.floats(1e-6, 0.01))
def test_redshift_targets_are_gaussians_about_their_bin(z, dz, sigma):
    config = make_config("moons-mock", "paper", dz=dz, z_sigma=sigma)
    target = data.redshift_target(np.array([z]), config)[0]
    middle = (config.edges[1:] + config.edges[:-1]) / 2
    own = np.searchsorted(config.edges, z, side="right") - 1
    expected = np.exp(-0.5 * ((middle - middle[own]) / sigma) ** 2)
    assert np.allclose(target, expected / expected.sum(), atol=1e-5)
    assert target.sum() == pytest.approx(1, abs=1e-5) and target.argmax() == own


@pytest.mark.parametrize("changes, says", [
    ({"dz": 0.0007}, "divide 0.6 to 3 into whole bins"), ({"dz": 0.0}, "whole bins"),
    ({"head": "deep"}, "head must be one of"), ({"input": "flux"}, "input must be one of"),
    ({"tasks": ("mass",)}, "z among them"),
])  # fmt: skip
def test_configurations_that_cannot_be(changes, says):
    with pytest.raises(UsageError, match=says):
        make_config("moons-mock", "demo", **changes)


def test_all_spectra_of_a_galaxy_are_in_one_split():
    names = [f"g{i // 3}" for i in range(9000)]
    split = pd.Series(data.split_of(names, Config()))
    share = split.value_counts(normalize=True)
    assert share["train"] == pytest.approx(0.7, abs=0.03)
    assert share["test"] == pytest.approx(0.15, abs=0.03)
    assert split.groupby(np.arange(9000) // 3).nunique().max() == 1
    assert (data.split_of(names[:30], Config()) == split[:30]).all()
    assert (data.split_of(names, Config(seed=2)) != split).any()


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    folder = tmp_path_factory.mktemp("survey")
    labels = galaxies(20)
    write_spectra(folder / "spectra.fits", labels)
    labels["z"][:2], labels["z"][2] = 3.2, np.nan
    labels["log_mass"][6:8] = np.nan
    labels[:-1].write(folder / "labels.fits")
    shards = data.prepare(tiny_config(), tmp_path_factory.mktemp("run"), data_dir=folder)
    return folder, labels, shards


def test_files_become_labelled_shards_and_rejects(survey):
    _, labels, shards = survey
    table = shards.labels.set_index("id")
    kept = [str(i) for i in labels["id"]][3:-1]
    assert list(table.index) == kept
    truth = labels.to_pandas().assign(id=lambda t: t["id"].astype(str)).set_index("id")
    for ours, theirs in data.NAMES.items():
        assert np.allclose(table[theirs], truth.loc[kept, ours], equal_nan=True)
    assert (table["galaxy"].to_numpy() == truth.loc[kept, "galaxy"].astype(str).to_numpy()).all()
    assert table["lgm_true"].isna().sum() == 2, "a mass may be missing, a redshift not"
    assert shards.n_pixels == 1527 + 10
    rejects = read_table(shards.folder / "rejects.ecsv").set_index("id")["reason"]
    ids = [str(i) for i in labels["id"]]
    assert "z = 3.2000 outside the network's bins, 0.6 <= z < 3" in rejects[ids[0]]
    assert "no redshift" in rejects[ids[2]] and "no redshift" in rejects[ids[-1]]
    assert len(rejects) == 4


def test_batches_hold_inputs_and_targets_of_the_same_spectra(survey):
    _, _, shards = survey
    config = tiny_config()
    scaling = {"lgm": (9.5, 2.0), "sfr": (1.0, 0.5)}
    y = data.targets(shards.labels, scaling, config)
    rows = np.array([3, 7, 1])
    x, target = next(iter(data.dataset(shards, rows, y[rows], config=config, batch_size=16)))
    own = shards.labels.iloc[rows]
    both = np.concatenate([x["spectrum"], x["continuum"]], axis=1)
    assert np.array_equal(both, shards.rows(rows))
    z = own["z_true"].to_numpy()
    assert np.allclose(target["z"], data.redshift_target(z, config))
    assert np.array_equal(target["lines"], data.line_mask(z, config))
    expected = (own["lgm_true"].to_numpy() - 9.5) / 2
    assert np.allclose(np.asarray(target["mass"])[:, 0], expected, equal_nan=True, atol=1e-6)
    assert np.allclose(np.asarray(target["sfr"])[:, 0], (own["sfr_true"] - 1) / 0.5, atol=1e-5)


def test_finished_shards_are_taken_as_they_are(survey, monkeypatch):
    monkeypatch.setattr(data, "read_many", None)
    folder, _, shards = survey
    assert len(data.prepare(tiny_config(), shards.folder, data_dir=folder)) == len(shards)


def test_missing_folders_labels_and_matches_say_what_to_do(tmp_path):
    with pytest.raises(MissingDataError, match="--dataset moons-mock` runs now"):
        data.prepare(tiny_config(), tmp_path / "data")
    labels = galaxies(2)
    write_spectra(tmp_path / "in" / "spectra.fits", labels)
    with pytest.raises(MissingDataError, match="labels"):
        data.prepare(tiny_config(), tmp_path / "data", data_dir=tmp_path / "in")
    labels["id"] = ["a", "b", "c", "d"]
    labels.write(tmp_path / "in" / "labels.ecsv")
    with pytest.raises(SuiteError, match="No spectrum of 1 file"):
        data.prepare(tiny_config(), tmp_path / "data", data_dir=tmp_path / "in")
    assert not (tmp_path / "data" / "shards.json").exists()


def test_spectra_without_labels_serve_as_an_unlabelled_set(tmp_path):
    labels = galaxies(3)
    write_spectra(tmp_path / "in" / "spectra.fits", labels)
    paths = data.spectrum_files(tmp_path / "in")
    config = tiny_config()
    with pytest.raises(MissingDataError, match="labels"):
        data.from_files(config, tmp_path / "a", tmp_path / "in", paths)
    shards = data.from_files(config, tmp_path / "b", tmp_path / "in", paths, labels_needed=False)
    assert shards.labels["id"].tolist() == [str(i) for i in labels["id"]]
    assert shards.labels["galaxy"].tolist() == [str(i) for i in labels["galaxy"]]
    assert shards.labels["z_true"].isna().all()


def test_a_mock_is_no_survey():
    part = pd.DataFrame({"file": ["f.fits"], "mock": [True]})
    with pytest.raises(UsageError, match=r"is a mock \(header card MOCK = T\)"):
        data.refuse_mock(part, tiny_config())
