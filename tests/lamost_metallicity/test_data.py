import shutil

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.catalog import read_table
from common.errors import MissingDataError, UsageError
from common.rows import MOCK_FILES
from common.spectra import Spectra
from common.surveys import read_many
from lamost_metallicity import data
from lamost_metallicity.config import make_config
from lamost_metallicity.data import choose_sample, prepare, split_of
from lamost_metallicity.preprocess import min_max, preprocess, shape_of, standardised
from tests.lamost_metallicity import toy
from tests.lamost_metallicity.toy import tiny_config

CONFIG = tiny_config()
WAVE = np.arange(3700.0, 9100.0, 1.5)
CONFIG_GRID = np.arange(3800.0, 8001.0)
MIDDLE = (WAVE > 4600) & (WAVE < 7300)


def spectra(flux, *, ivar=1.0, wave=WAVE, **meta):
    flux = np.atleast_2d(np.asarray(flux, dtype="f4"))
    ivar = np.broadcast_to(np.asarray(ivar, dtype="f4"), flux.shape).copy()
    n = len(flux)
    meta = {"class": "GALAXY", "z": 0.1, "snr_r": 20.0} | meta
    table = pd.DataFrame({k: np.broadcast_to(v, (n,)) for k, v in meta.items()})
    ids = [f"s{i}" for i in range(n)]
    return Spectra(wavelength=wave, flux=flux, ivar=ivar, ids=ids, meta=table)


def wiggle(n=1, seed=0):
    return 5 + np.random.default_rng(seed).normal(size=(n, len(WAVE)))


def test_input_is_linear_interpolation_scaled_to_zero_and_one():
    config = tiny_config(n_pixels=4201)
    flux = wiggle(3)
    prepared = preprocess(spectra(flux), config)
    assert prepared.usable.all()
    assert (prepared.x.shape, prepared.x.dtype) == ((3, 4201), np.float32)
    expected = np.stack([np.interp(np.arange(3800.0, 8001.0), WAVE, row) for row in flux])
    expected -= expected.min(axis=1, keepdims=True)
    expected /= expected.max(axis=1, keepdims=True)
    assert np.allclose(prepared.x, expected, atol=1e-5)
    assert (prepared.x.min(axis=1) == 0).all() and (prepared.x.max(axis=1) == 1).all()


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.floats(-1e4, 1e4, width=32), min_size=3, max_size=30),
    st.floats(0.01, 100.0),
    st.floats(-1e3, 1e3),
)
def test_min_max_knows_no_scale_and_no_offset(row, factor, offset):
    row = np.array([row])
    x = min_max(row)
    assert ((x >= 0) & (x <= 1)).all()
    if np.ptp(row) > 1:
        assert np.allclose(min_max(factor * row + offset), x, atol=1e-4)
    elif np.ptp(row) == 0:
        assert (x == 0).all()


def test_standardised_input_is_not_ruled_by_one_pixel():
    """The paper's way squeezes a spectrum with one high pixel into a thirtieth of its range."""
    flux = wiggle(2)
    spike = np.argmin(np.abs(WAVE - 5000))
    flux[1] = flux[0]
    flux[1, spike] = 100.0
    x = preprocess(spectra(flux), tiny_config(n_pixels=4201, input="standardised")).x
    assert x.dtype == np.float32
    assert np.allclose(x.mean(axis=1), 0, atol=1e-4) and np.allclose(x.std(axis=1), 1, atol=1e-4)
    scaled = preprocess(spectra(flux), tiny_config(n_pixels=4201)).x
    elsewhere = np.abs(CONFIG_GRID - 5000) > 5
    kept, squeezed = (np.std(v[1, elsewhere]) / np.std(v[0, elsewhere]) for v in (x, scaled))
    assert squeezed < 0.1 and kept > 3 * squeezed
    assert (standardised(np.full((1, 9), 3.0)) == 0).all()
    assert np.allclose(standardised(7 * flux + 100), standardised(flux), atol=1e-4)


def test_errors_are_a_second_value_of_each_pixel():
    flux, ivar = wiggle(3), np.full((3, len(WAVE)), 4.0)
    ivar[1, WAVE > 6000], ivar[2, 1000:1010] = 100.0, 0.0
    flux[2, 1000:1010] = np.nan
    config = tiny_config(n_pixels=4201, input="ivar")
    x = preprocess(spectra(flux, ivar=ivar), config).x
    assert x.shape == (3, 2 * 4201) and np.isfinite(x).all()
    plain = preprocess(spectra(flux, ivar=ivar), tiny_config(n_pixels=4201, input="standardised"))
    np.testing.assert_array_equal(x[:, ::2], plain.x)
    spread = np.interp(CONFIG_GRID, WAVE, flux[1]).std()
    red = CONFIG_GRID > 6002
    np.testing.assert_allclose(x[1, 1::2][red], np.log10(0.1 / spread), atol=1e-4)
    np.testing.assert_allclose(x[1, 1::2][CONFIG_GRID < 5999], np.log10(0.5 / spread), atol=1e-4)
    assert np.ptp(x[2, 1::2]) < 1e-5, "pixels without information are bridged"
    twice = preprocess(spectra(2 * flux[:2], ivar=ivar[:2] / 4), config).x
    np.testing.assert_allclose(twice, x[:2], atol=1e-5)


def test_networks_of_errors_refuse_spectra_without_them():
    bare = spectra(wiggle(2))
    bare.ivar = None
    prepared = preprocess(bare, tiny_config(input="ivar"))
    reason = "no errors (ivar) in the file; networks of --input ivar need them"
    assert set(prepared.reason) == {reason}
    assert (prepared.x == 0).all() and prepared.x.shape == (2, 842)
    assert preprocess(bare, tiny_config(input="standardised")).usable.all()


def test_pixels_without_information_are_bridged():
    flux, ivar = wiggle(), np.ones((1, len(WAVE)))
    flux[0, 2000:2010], ivar[0, 2000:2010] = 1e5, 0  # a cosmic ray would be the maximum
    flux[0, 1000] = np.nan
    clean = preprocess(spectra(wiggle()), CONFIG).x[0]
    dirty = preprocess(spectra(flux, ivar=ivar), CONFIG)
    assert dirty.usable.all()
    assert np.median(np.abs(dirty.x[0] - clean)) < 0.02
    kept = preprocess(spectra(np.nan_to_num(flux), ivar=ivar), tiny_config(bridge=False))
    assert np.median(kept.x[0]) < 0.01, "without bridging, one pixel rules the scale"
    assert dirty.bad_fraction[0] == pytest.approx(11 / ((WAVE >= 3800) & (WAVE <= 8000)).sum())


def test_a_few_missing_angstrom_repeat_the_last_good_pixel():
    wave = WAVE[WAVE > 3828]  # as an SDSS spectrum begins
    prepared = preprocess(spectra(wiggle()[:, WAVE > 3828], wave=wave), CONFIG)
    assert prepared.usable.all()
    assert (prepared.x[0, :3] == prepared.x[0, 3]).all()


@pytest.mark.parametrize(
    "change, words",
    [
        (dict(z=0.2501), "z = 0.2501; allowed is z < 0.25"),
        (dict(z=0.25), "allowed is z < 0.25"),
        (dict(snr_r=2.99), "S/N_r = 2.99; at least 3 is needed"),
        ({"class": "STAR"}, "a star by its survey's class"),
        ({"class": "QSO"}, "a quasar by its survey's class"),
        (dict(flux=np.full(len(WAVE), np.nan)), "no pixel with finite flux"),
        (dict(ivar=0.0), "no pixel with finite flux and ivar > 0"),
        (dict(flux=np.ones(len(WAVE))), "flux is the same in every pixel"),
        (dict(flux=wiggle()[:, MIDDLE], wave=WAVE[MIDDLE]),
         "covers 4602-7298 Å, 64% of the network's 3800-8000 Å"),
    ],
)  # fmt: skip
def test_what_the_sample_leaves_out_has_its_own_reason(change, words):
    prepared = preprocess(spectra(**{"flux": wiggle()} | change), CONFIG)
    assert words in prepared.reason[0]
    assert (prepared.x == 0).all()


@pytest.mark.parametrize(
    "pixels, arm",
    [(WAVE < 5800, "blue"), (WAVE > 5900, "red"), (WAVE > 5000, "red"), (WAVE < 6500, "blue")],
)
@pytest.mark.parametrize("how", ["cut", "ivar", "nan"])
def test_one_arm_only(pixels, arm, how):
    flux, part = wiggle(), {}
    if how == "cut":
        flux, part = flux[:, pixels], {"wave": WAVE[pixels]}
    elif how == "ivar":
        part = {"ivar": pixels.astype(float)}
    else:
        flux[0, ~pixels] = np.nan
    prepared = preprocess(spectra(flux, **part), CONFIG)
    assert prepared.reason[0].startswith(f"only the {arm} arm")


def test_bad_rows_leave_the_others_alone():
    flux = wiggle(3)
    alone = preprocess(spectra(flux), CONFIG).x
    flux[1] = np.nan
    mixed = preprocess(spectra(flux), CONFIG)
    assert mixed.usable.tolist() == [True, False, True]
    assert np.array_equal(mixed.x[[0, 2]], alone[[0, 2]])


def test_unknown_snr_is_measured():
    rng = np.random.default_rng(0)
    flux = 8 + rng.normal(size=(1, len(WAVE)))
    assert preprocess(spectra(flux, snr_r=np.nan), CONFIG).snr_r[0] == pytest.approx(8, rel=0.03)
    weak = preprocess(spectra(flux / 4 + 0.0, ivar=1.0, snr_r=np.nan), CONFIG)
    assert "S/N_r = 1.99" in weak.reason[0]


def test_measured_snr_is_that_of_lamosts_headers(shared_data):
    ratios = []
    for batch in read_many([shared_data / "real" / "lamost" / "spec"], progress=False):
        header = batch.meta["snr_r"].to_numpy().copy()
        batch.meta["snr_r"] = np.nan
        measured = preprocess(batch, CONFIG).snr_r
        ratios += list((measured / header)[header > 0])
    assert len(ratios) > 150
    assert abs(np.median(ratios) - 1) < 0.03
    assert np.percentile(np.abs(np.array(ratios) - 1), 90) < 0.06


def test_split_depends_on_object_and_seed_alone():
    names = [f"g{i}" for i in range(4000)]
    split = split_of(names, CONFIG)
    share = [np.mean(split == name) for name in ("train", "valid", "test")]
    assert share == pytest.approx([0.7, 0.1, 0.2], abs=0.02)
    assert (split_of(names[::-1], CONFIG)[::-1] == split).all()
    assert (split_of(names[:10], CONFIG) == split[:10]).all()
    assert (split_of(names, tiny_config(seed=2)) != split).any()


def test_classifier_sample_is_balanced_and_regression_needs_a_label():
    labels = pd.DataFrame({"is_sf": pd.array([True] * 300 + [False] * 50 + [pd.NA] * 10, "boolean"),
                           "bptclass": pd.array([1] * 300 + [4] * 50 + [pd.NA] * 10, "Int64"),
                           "has_label": [True] * 200 + [False] * 160})  # fmt: skip
    in_oh, in_class = choose_sample(labels, tiny_config(per_kind=100))
    assert in_oh.sum() == 200
    assert in_class[:300].sum() == 100
    assert in_class[300:350].sum() == 50
    assert not in_class[350:].any()


def test_class_2_is_out_of_the_classifiers_sample_or_among_the_others():
    classes = [1, 2, 3, 4, -1, pd.NA] * 20
    labels = pd.DataFrame({"bptclass": pd.array(classes, "Int64"), "has_label": False})
    labels["is_sf"] = (labels["bptclass"] == 1).astype("boolean")
    for choice, expected in (("out", {1, 3, 4, -1}), ("other", {1, 2, 3, 4, -1})):
        _, in_class = choose_sample(labels, tiny_config(class_2=choice))
        assert set(labels["bptclass"][in_class]) == expected
    with pytest.raises(UsageError, match="--class-2 must be one of out, other"):
        make_config("lamost", "demo", class_2="in")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("survey")
    about = toy.galaxies(80)
    about["z"][0], about["snr"][1], about["class"][2:4] = 0.3, 2.0, ["STAR", "Unkno"]
    toy.write_lamost(folder / "spectra.fits", about)
    again = {k: v[10:20] for k, v in about.items()}  # the same places, observed once more
    again["obsid"] = again["obsid"] + 5000000
    toy.write_lamost(folder / "more.fits", again, seed=5)
    toy.write_mpajhu(folder, about, rows=slice(0, 70))
    return folder, about, prepare(CONFIG, tmp_path_factory.mktemp("run") / "data", data_dir=folder)


def test_files_and_tables_become_labelled_shards(prepared):
    _, about, shards = prepared
    labels = shards.labels.set_index("id")
    assert len(shards) == len(labels) == 66 + 10 + 10
    ids = about["obsid"].astype(str)
    assert set(labels.index) >= set(ids[4:80])
    assert not set(labels.index) & set(ids[[0, 1, 2, 3]])
    # Galaxies without a counterpart are those of the paper's catalogue (Sect. 5).
    assert set(labels.index[labels["split"] == "unmatched"]) == set(ids[70:80])
    assert labels.loc[ids[70:80], ["oh_true", "is_sf", "bptclass"]].isna().all(axis=None)
    assert not labels.loc[ids[70:80], "has_label"].any()
    at = labels.loc[ids[4:70]]
    assert (at["is_sf"].astype(bool).to_numpy() == about["sf"][4:70]).all()
    known = at["oh_true"].notna().to_numpy()
    assert (known == about["sf"][4:70]).all()
    assert np.allclose(at["oh_true"].to_numpy()[known], about["oh"][4:70][known], atol=1e-5)
    assert (at["has_label"].to_numpy() == known).all()
    x = shards.rows(np.arange(len(shards)))
    i = int(np.flatnonzero(shards.labels["id"] == ids[30])[0])
    expected = np.interp(CONFIG.grid, (10**toy.LOG_WAVE).astype("f4"), toy.fluxes(about)[0][30])
    expected = (expected - expected.min()) / np.ptp(expected)
    assert np.allclose(x[i], expected, atol=2e-3)


def test_spectra_of_one_galaxy_are_in_one_split(prepared):
    _, about, shards = prepared
    labels = shards.labels.set_index("id")
    ids = about["obsid"][10:20]
    first, second = (labels.loc[i.astype(str), ["object", "split"]] for i in (ids, ids + 5000000))
    assert (first.to_numpy() == second.to_numpy()).all()
    assert labels["object"][labels["object"] != ""].nunique() == 66


def test_rejects_and_selection_are_kept(prepared):
    shards = prepared[2]
    rejects = read_table(shards.folder / "rejects.ecsv")
    for reason, words in zip(rejects["reason"], ("z = 0.3", "S/N_r = 2.00", "a star"), strict=True):
        assert words in reason
    counts = read_table(shards.folder / "selection.ecsv")
    assert counts["n"].tolist()[:3] == [88, 86, 76]
    assert counts["n"].iloc[3] == shards.labels["has_label"].sum()


def test_strong_lines_and_colour_are_measured_where_there_are_labels(prepared):
    labels = prepared[2].labels
    forming = labels["is_sf"].eq(True).fillna(False).astype(bool)
    assert set(labels.loc[forming, "split"]) == {"train", "valid", "test"}
    assert labels.loc[labels["split"] == "unmatched", "flux_ha"].isna().all()
    assert labels.loc[forming, ["flux_ha", "colour"]].notna().all(axis=None)
    # The toy's continuum is wave ** -0.5 everywhere.
    expected = -1.25 * np.log10(6250 / 4700)
    assert labels["colour"].median() == pytest.approx(expected, abs=0.03)


def test_finished_shards_are_taken_and_unfinished_ones_made_again(prepared, tmp_path, monkeypatch):
    folder, _, shards = prepared
    shutil.copytree(shards.folder, tmp_path / "data")
    bare = shards.labels[["id", "object", "split"]]
    bare.to_parquet(tmp_path / "data" / "labels.parquet")  # as a run killed before its last step
    again = prepare(CONFIG, tmp_path / "data", data_dir=folder)
    assert "has_label" in again.labels and len(again) == len(shards)
    monkeypatch.setattr(data, "read_many", None)
    assert len(prepare(CONFIG, shards.folder, data_dir=folder)) == len(shards)


def test_spectra_without_labels_are_known_by_their_id_alone(tmp_path):
    (tmp_path / "data").mkdir()
    known = pd.DataFrame({"id": ["1", "2"], "object": ["g", ""], "split": ["train", "test"]})
    known.to_parquet(tmp_path / "data" / "labels.parquet")
    df = pd.DataFrame({"id": ["1", "2", "3"], "specobjid": np.nan, "dataset": "real files"})
    assert data.learned(df, tmp_path, CONFIG).tolist() == [True, False, False]
    assert not data.learned(df, tmp_path / "gone", CONFIG).any()


def test_data_that_cannot_be_used_say_what_to_do(tmp_path):
    with pytest.raises(MissingDataError, match="--dataset lamost-mock` runs now"):
        prepare(CONFIG, tmp_path / "data", offline=True)

    def check(error, words):
        with pytest.raises(error, match=words):
            prepare(CONFIG, tmp_path / "data", data_dir=tmp_path / "in")

    about = toy.galaxies(5)
    toy.write_lamost(tmp_path / "in" / "spectra.fits", about)
    check(MissingDataError, "no MPA-JHU tables")
    about["dec"] = about["dec"] + 1.0
    toy.write_mpajhu(tmp_path / "in", about)
    check(MissingDataError, "No galaxy of 1 file")
    toy.write_lamost(tmp_path / "in" / "spectra.fits", about, mock=True)
    check(UsageError, r"is a mock \(header card MOCK = T\)")


def test_catalogues_in_a_folder_are_no_spectra(tmp_path):
    toy.write_files(tmp_path, n=3)
    assert [p.name for p in data.spectrum_files(tmp_path)] == ["spectra.fits"]
    named = tmp_path / "galSpecInfo-dr8.fits"
    assert data.spectrum_files(named) == [named], "what the user names is not left out in silence"


def test_real_galaxies_of_lamost_and_sdss_go_through(shared_data):
    config = tiny_config(n_pixels=4201)
    for survey, at_least in (("lamost", 2), ("sdss", 5)):
        usable, stars = 0, 0
        for batch in read_many([shared_data / "real" / survey / "spec"], progress=False):
            prepared = preprocess(batch, config)
            galaxy = batch.meta["class"].str.upper() == "GALAXY"
            usable += int((prepared.usable & galaxy).sum())
            reason = prepared.reason[batch.meta["class"].str.upper() == "STAR"]
            stars += sum("a star" in r for r in reason)
            assert len(reason) == sum("a star" in r for r in reason)
            x = prepared.x[prepared.usable]
            assert np.allclose([x.min(axis=1), x.max(axis=1)], [[0.0], [1.0]], atol=1e-6)
        assert usable >= at_least
        assert stars


# --- spectra at rest


def line_spectra(z, *, level=3.0, rest=5008.24, ivar=1e4):
    """Return spectra of one emission line on a flat continuum, at redshifts z."""
    wave, z = lamost_wave(), np.asarray(z, dtype=float)
    centre = rest * (1 + np.nan_to_num(z[:, None]))
    flux = level * (1 + 2 * np.exp(-0.5 * ((wave - centre) / (centre * 6e-4)) ** 2))
    return Spectra(wavelength=wave, flux=flux, ivar=np.full_like(flux, ivar / level**2),
                   ids=[f"g{i}" for i in range(len(z))],
                   meta=pd.DataFrame({"z": z}))  # fmt: skip


def lamost_wave():
    return 10 ** (3.5682 + 1e-4 * np.arange(3909))


@given(z=st.floats(0.0, 0.24), level=st.floats(1e-3, 1e3))
@settings(max_examples=20)
def test_at_rest_a_line_is_at_its_place_and_no_unit_of_flux_matters(z, level):
    config = tiny_config(input="rest")
    prepared = preprocess(line_spectra([z, 0.1], level=level), config)
    assert prepared.usable.all() and prepared.x.shape == (2, config.width)
    pixels = prepared.x.reshape(2, -1, 4)
    peak = config.grid[pixels[..., 1].argmax(axis=1)]
    np.testing.assert_allclose(peak, 5008.24, rtol=2.5e-4)
    known = pixels[0, :, 3] < 1
    np.testing.assert_allclose(np.median(pixels[0, known, 3]), -2.0 - 0.5 * np.log10(1.5), atol=0.1)
    shape = shape_of(prepared.x, config)
    np.testing.assert_allclose(np.median(shape[:, known], axis=1), 1.0, atol=0.1)


def test_at_rest_needs_a_redshift_and_says_so():
    config = tiny_config(input="rest")
    found = preprocess(line_spectra([0.05, np.nan]), config)
    assert found.reason[0] == "" and "no redshift (z)" in found.reason[1]
    assert not found.x[1].any() and found.x[0].any()
    assert preprocess(line_spectra([np.nan]), tiny_config(input="standardised")).usable.all()


def test_at_rest_pixels_beyond_the_spectrum_have_no_information():
    config = tiny_config(input="rest")
    pixels = preprocess(line_spectra([0.24]), config).x.reshape(1, -1, 4)[0]
    beyond = config.grid * 1.24 < lamost_wave()[0] - 5
    assert (pixels[beyond, :3] == 0).all() and (pixels[beyond, 3] == 1).all()


def test_galaxies_of_a_mock_of_another_seed_are_none_that_a_run_learned_from(tmp_path):
    """Where a run is kept without its data, as a released one, the rule of the splits tells."""
    from lamost_metallicity.mock.make import SPECOBJIDS

    config = make_config("lamost-mock", "smoke")
    frames = {seed: pd.DataFrame({"id": np.arange(400).astype(str), "dataset": MOCK_FILES,
                                  "specobjid": SPECOBJIDS.of(np.arange(400), seed).astype(str)})
              for seed in (config.seed, 101)}  # fmt: skip
    own = data.learned(frames[config.seed], tmp_path, config)
    assert 0.7 < own.mean() < 0.9, "all but the test split"
    assert not data.learned(frames[101], tmp_path, config).any()
